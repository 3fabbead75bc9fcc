"""The engines that users have today, each behind the same three lines:

    engine.prepare(rows)            what it eats, made of rows of ids: not timed where the question is ids
    engine.answer(batches, ragged)  logits [rows, classes] as numpy, from prepared batches
    engine.batch                    rows that are best given at a time
"""
import dataclasses
import json
import typing

import numpy

from workloads import BATCH


class Unfit(Exception):
    """Why this machine or installation cannot run a peer."""


def padded(rows):
    """ids, mask, types [rows, longest]"""
    ids = numpy.zeros((len(rows), max(map(len, rows))), numpy.int64)
    mask = numpy.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, :len(row)] = row
        mask[i, :len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}


class Torch:
    batch = BATCH

    def __init__(self, folder, file, threads, precision, compiled):
        import torch
        import transformers
        torch.set_num_threads(threads)
        self.torch = torch
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, attn_implementation="sdpa", dtype=getattr(torch, precision)).eval()
        self.fixed = self.ragged = model
        if compiled:
            import torch._inductor.config as inductor
            inductor.freezing = True  # weights are packed; takes no_grad, does not know inference_mode
            self.fixed, self.ragged = (torch.compile(model, dynamic=dynamic) for dynamic in (False, True))
        self.quiet = torch.no_grad if compiled else torch.inference_mode
        self.info = {"dtype": precision}

    def prepare(self, rows):
        return {name: self.torch.from_numpy(array) for name, array in padded(rows).items()}

    def answer(self, batches, ragged):
        model = self.ragged if ragged else self.fixed
        with self.quiet():
            return numpy.concatenate([model(**batch).logits.float().numpy() for batch in batches])


class Onnxruntime:
    batch = BATCH

    def __init__(self, folder, file, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.info = {"providers": self.session.get_providers()}

    def prepare(self, rows):
        return padded(rows)

    def answer(self, batches, ragged):
        return numpy.concatenate([self.session.run(None, batch)[0] for batch in batches])


class OpenVino:
    """With the throughput hint, batches are split among the streams, and as many are in flight as it asks for."""

    def __init__(self, folder, file, threads, hint, precision=None):
        import openvino
        core = openvino.Core()
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and "BF16" not in able:
            raise Unfit(f"OpenVINO has no bf16 on this CPU: {', '.join(able)}")
        settings = {"PERFORMANCE_HINT": hint, "INFERENCE_NUM_THREADS": threads}
        if precision:  # left alone it takes bf16 wherever the CPU has it, for what int8 leaves too
            settings["INFERENCE_PRECISION_HINT"] = precision
        self.model = core.compile_model(core.read_model(file), "CPU", settings)
        self.info = {"precision": self.model.get_property("INFERENCE_PRECISION_HINT").get_type_name(),
                     "streams": int(self.model.get_property("NUM_STREAMS"))}
        in_flight = int(self.model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.batch = BATCH // self.info["streams"]
        self.found = {}
        self.queue = openvino.AsyncInferQueue(self.model, in_flight) if hint == "THROUGHPUT" else None
        if self.queue:
            self.queue.set_callback(self.keep)
        else:
            self.single = self.model.create_infer_request()

    def keep(self, request, place):
        self.found[place] = request.get_output_tensor(0).data.copy()

    def prepare(self, rows):
        return padded(rows)

    def answer(self, batches, ragged):
        self.found = {}
        for place, batch in enumerate(batches):
            if self.queue:
                self.queue.start_async(batch, place)
            else:
                self.single.infer(batch)
                self.keep(self.single, place)
        if self.queue:
            self.queue.wait_all()
        return numpy.concatenate([self.found[place] for place in sorted(self.found)])


class CTranslate2:
    """The encoder and pooler are its own; the head is a product in numpy."""
    batch = BATCH

    def __init__(self, folder, file, threads, compute_type):
        import ctranslate2
        import safetensors.numpy
        able = ctranslate2.get_supported_compute_types("cpu")
        if compute_type not in able:
            raise Unfit(f"CTranslate2 has no {compute_type} on this CPU: {', '.join(sorted(able))}")
        self.views, self.lengths = ctranslate2.StorageView, None
        self.encoder = ctranslate2.Encoder(file, device="cpu", compute_type=compute_type, inter_threads=1,
                                           intra_threads=threads)
        weights = safetensors.numpy.load_file(f"{folder}/model.safetensors")
        self.weight, self.bias = weights["classifier.weight"].T.copy(), weights["classifier.bias"]
        self.info = {"compute_type": self.encoder.compute_type}

    def prepare(self, rows):
        ids = padded(rows)["input_ids"].astype(numpy.int32)
        lengths = numpy.array([len(row) for row in rows], numpy.int32)
        return self.views.from_array(ids), self.views.from_array(lengths), ids, lengths  # a view owns nothing

    def answer(self, batches, ragged):
        pooled = (self.encoder.forward_batch(ids, lengths=lengths).pooler_output for ids, lengths, *_ in batches)
        return numpy.concatenate([numpy.array(one) @ self.weight + self.bias for one in pooled])


@dataclasses.dataclass(frozen=True)
class Peer:
    precision: str
    needs: tuple             # modules
    file: typing.Optional[str]  # of exports.py; none: the Hugging Face folder is all
    engine: type
    settings: dict
    optional: bool = False   # slow to start: only when asked for


TORCH = ("torch", "transformers")
OV = ("openvino", "onnx", *TORCH)  # the last three make the file
ORT = ("onnxruntime", "onnx", *TORCH)
CT2 = ("ctranslate2", "safetensors", *TORCH)
NNCF = ("nncf", *OV)
REFERENCE = "transformers eager"  # its fp32 logits are what errors are measured against

PEERS = {
    REFERENCE: Peer("fp32", TORCH, None, Torch, {"precision": "float32", "compiled": False}),
    "torch.compile": Peer("fp32", TORCH, None, Torch, {"precision": "float32", "compiled": True}, optional=True),
    "onnxruntime fused": Peer("fp32", ORT, "fused.onnx", Onnxruntime, {}),
    "OpenVINO f32 latency": Peer("fp32", OV, "model.onnx", OpenVino, {"hint": "LATENCY", "precision": "f32"}),
    "OpenVINO f32 throughput": Peer("fp32", OV, "model.onnx", OpenVino, {"hint": "THROUGHPUT", "precision": "f32"}),
    "CTranslate2": Peer("fp32", CT2, "ct2", CTranslate2, {"compute_type": "float32"}),
    "transformers eager bf16": Peer("low", TORCH, None, Torch, {"precision": "bfloat16", "compiled": False}),
    "torch.compile bf16": Peer("low", TORCH, None, Torch, {"precision": "bfloat16", "compiled": True}, optional=True),
    "OpenVINO bf16 latency": Peer("low", OV, "model.onnx", OpenVino, {"hint": "LATENCY", "precision": "bf16"}),
    "OpenVINO bf16 throughput": Peer("low", OV, "model.onnx", OpenVino, {"hint": "THROUGHPUT", "precision": "bf16"}),
    "CTranslate2 bf16": Peer("low", CT2, "ct2", CTranslate2, {"compute_type": "bfloat16"}),
    "onnxruntime fused int8": Peer("low", ORT, "int8.onnx", Onnxruntime, {}),
    "OpenVINO int8 latency": Peer("low", NNCF, "openvino_int8.xml", OpenVino, {"hint": "LATENCY"}),
    "OpenVINO int8 throughput": Peer("low", NNCF, "openvino_int8.xml", OpenVino, {"hint": "THROUGHPUT"}),
    "CTranslate2 int8": Peer("low", CT2, "ct2", CTranslate2, {"compute_type": "int8_float32"}),
}


def chosen(precision, compiled):
    """Peers of a run by name; the reference is in each."""
    return {name: peer for name, peer in PEERS.items()
            if name == REFERENCE or (peer.precision == precision and (compiled or not peer.optional))}


def load(name, folder, exports, threads):
    peer = PEERS[name]
    return peer.engine(folder, str(exports / peer.file) if peer.file else None, threads, **peer.settings)
