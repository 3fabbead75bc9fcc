"""Makes the files that engines load beside the Hugging Face folder: ONNX, fused, quantised, CTranslate2, OpenVINO int8.

    python exports.py FOLDER NAME OUT

Makes OUT/NAME, and first what it is made of; a file that is there stays.
"""
import json
import os
import pathlib
import sys

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


def onnx(folder, out, path):
    import torch
    from transformers import AutoModelForSequenceClassification

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            # Plain attention is what the fusions below look for.
            self.model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager")

        def forward(self, ids, mask, types):
            return self.model(input_ids=ids, attention_mask=mask, token_type_ids=types).logits

    ids = torch.randint(1000, 2000, (2, 16))
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    axes = {0: "batch", 1: "tokens"}
    with torch.no_grad():
        torch.onnx.export(Logits().eval(), (ids, mask, torch.zeros_like(ids)), path, dynamo=False, opset_version=17,
                          input_names=INPUTS, output_names=["logits"],
                          dynamic_axes={**{name: axes for name in INPUTS}, "logits": {0: "batch"}})


def fused(folder, out, path):
    from onnxruntime.transformers.optimizer import optimize_model
    config = json.loads((folder / "config.json").read_text())
    model = optimize_model(str(out / "model.onnx"), model_type="bert", num_heads=config["num_attention_heads"],
                           hidden_size=config["hidden_size"], opt_level=1, use_gpu=False)
    found = model.get_fused_operator_statistics()
    if found.get("Attention", 0) != config["num_hidden_layers"]:
        raise RuntimeError(f"onnxruntime fused {found.get('Attention', 0)} attentions of {config['num_hidden_layers']} layers")
    model.save_model_to_file(str(path))


def int8(folder, out, path):
    import onnx as library
    from onnxruntime.quantization import QuantType, quantize_dynamic
    # Types do not follow through the fused operators by themselves.
    quantize_dynamic(str(out / "fused.onnx"), str(path), weight_type=QuantType.QInt8,
                     extra_options={"DefaultTensorType": library.TensorProto.FLOAT})


def ctranslate2(folder, out, path):
    from ctranslate2.converters import TransformersConverter
    TransformersConverter(str(folder)).convert(str(path), force=True)


def openvino_int8(folder, out, path):
    import nncf
    import numpy
    import openvino
    import tokenizers
    sentences = json.loads((out / "calibration.json").read_text())
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    rows = [numpy.array([encoding.ids[:128]]) for encoding in tokenizer.encode_batch(sentences)]
    data = nncf.Dataset([dict(zip(INPUTS, [ids, numpy.ones_like(ids), numpy.zeros_like(ids)])) for ids in rows])
    model = nncf.quantize(openvino.Core().read_model(out / "model.onnx"), data, model_type=nncf.ModelType.TRANSFORMER,
                          subset_size=len(rows))
    openvino.save_model(model, path, compress_to_fp16=False)


# By name: how it is made, and of what.
EXPORTS = {"model.onnx": (onnx, None), "fused.onnx": (fused, "model.onnx"), "int8.onnx": (int8, "fused.onnx"),
           "ct2": (ctranslate2, None), "openvino_int8.xml": (openvino_int8, "model.onnx")}


def make(folder, name, out):
    path = out / name
    if path.exists():
        return
    how, source = EXPORTS[name]
    if source:
        make(folder, source, out)
    aside = path.with_name("new_" + path.name)
    how(folder, out, aside)
    weights = aside.with_suffix(".bin")  # OpenVINO's second file, found by its name
    if path.suffix == ".xml" and weights.exists():
        weights.replace(path.with_suffix(".bin"))
    os.replace(aside, path)


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]))
