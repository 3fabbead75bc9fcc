"""Writes a Hugging Face BERT with a classifier as an artifact that espalier-serve loads, from the formats alone.

    python artifact.py FOLDER OUT [fp32|bf16|int8]

OUT's golden answers are those of transformers, of the rounded weights where they are rounded, so a server that loads it
has shown that it computes the same.
"""
import json
import pathlib
import shutil
import sys

import numpy
import safetensors.numpy

from narrow import narrowed

LABELS, MAX_LENGTH = ["negative", "positive"], 128
GOLDEN = [31, 3, 12]  # tokens of the rows that a server checks itself with
SLACK_FACTOR, SLACK_SHARE = 4, 0.02  # as a job's (core/job/publish.cpp)

ROOT = {"bert.embeddings.word_embeddings": "embeddings.word", "bert.embeddings.position_embeddings": "embeddings.position",
        "bert.embeddings.token_type_embeddings": "embeddings.token_type", "bert.embeddings.LayerNorm": "embeddings.norm",
        "bert.pooler.dense": "pooler", "classifier": "classifier"}
LAYER = {"attention.self.query": "attention.query", "attention.self.key": "attention.key",
         "attention.self.value": "attention.value", "attention.output.dense": "attention.output",
         "attention.output.LayerNorm": "attention.norm", "intermediate.dense": "ffn.up", "output.dense": "ffn.down",
         "output.LayerNorm": "ffn.norm"}
TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]


def our_name(theirs):
    """Nothing for what a server has no use for."""
    module, _, kind = theirs.rpartition(".")
    if module in ROOT:
        return f"{ROOT[module]}.{kind}"
    if not module.startswith("bert.encoder.layer."):
        return None
    layer, _, part = module.removeprefix("bert.encoder.layer.").partition(".")
    return f"layers.{layer}.{LAYER[part]}.{kind}" if part in LAYER else None


def own_config(config, classes):
    heads = config["num_attention_heads"]
    layer = {"heads": list(range(heads)), "neurons": config["intermediate_size"]}
    return {"original_heads": heads, "head_dim": config["hidden_size"] // heads,
            "layers": [layer] * config["num_hidden_layers"], "linears": {}, "heads": [], "head": "sequence", "spans": False,
            "pooling": "first", "pooler_width": config["hidden_size"], "classes": classes}


def rounded_to_8_bits(x):
    """What a product in int8 reads of [.., K]: 256 steps from the least to the largest of a row, and 0 (core/kernels/panel_linear8.h)."""
    low, high = x.amin(-1, keepdim=True).clamp(max=0), x.amax(-1, keepdim=True).clamp(min=0)
    scale = ((high - low) / 255).clamp(min=1e-37)
    zero = (-low / scale + 0.5).floor()
    return (((x / scale).round() + zero).clamp(0, 255) - zero) * scale


def rounded_to_bf16(x):
    return x.bfloat16().float()


ROUNDED = {"bf16": rounded_to_bf16, "int8": rounded_to_8_bits}  # what a product reads


def slack_of(model, answer, exact, rounded):
    """What rounding before products makes of the answers, with room for those of other rows and machines."""
    import torch
    linears = [one for name, one in model.bert.encoder.named_modules() if isinstance(one, torch.nn.Linear)]
    hooks = [one.register_forward_pre_hook(lambda _, inputs: (rounded(inputs[0]),)) for one in linears]
    gap = abs(answer() - exact).max()
    for hook in hooks:
        hook.remove()
    return max(SLACK_FACTOR * gap, SLACK_SHARE * max(1, abs(exact).max()))


def golden(source, values, tokens, precision):
    """Rows of any ids, and the logits of weights with these values."""
    import torch
    from transformers import AutoModelForSequenceClassification
    model = AutoModelForSequenceClassification.from_pretrained(source).eval()
    rows = [torch.randint(1000, 2000, (1, length), generator=torch.Generator().manual_seed(length)) for length in tokens]
    ids = torch.cat([row[0] for row in rows]).numpy()
    empty = ids[:0]

    def answer():
        with torch.inference_mode():
            return torch.cat([model(input_ids=row).logits for row in rows]).float().numpy()

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if our_name(name):
                weight.copy_(torch.from_numpy(values[our_name(name)]))
    logits = answer()
    out = {"lengths": ids.dtype.type(tokens), "ids": ids, "types": ids * 0, "asked": empty,
           "asked_lengths": ids.dtype.type([0] * len(tokens)), "logits": logits}
    return out if precision == "fp32" else out | {"slack": numpy.array([slack_of(model, answer, logits, ROUNDED[precision])], "f8")}


def write(source, out, precision="fp32"):
    aside = out.with_name(out.name + ".new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    config = json.loads((source / "config.json").read_text())
    (aside / "config.json").write_text(json.dumps(config | {"espalier": own_config(config, len(LABELS))}, indent=1))
    (aside / "espalier.json").write_text(json.dumps(
        {"format": 1 if precision == "fp32" else 2, "task": "text-classification", "label_names": LABELS,
         "max_length": MAX_LENGTH, "precision": precision, "exit": None}, indent=1))
    theirs = safetensors.numpy.load_file(source / "model.safetensors")
    ours = {our_name(name): tensor for name, tensor in theirs.items() if our_name(name)}
    stored, values = narrowed(ours, precision)
    safetensors.numpy.save_file(stored, aside / "model.safetensors", metadata={"format": "pt"})
    safetensors.numpy.save_file(golden(source, values, GOLDEN, precision), aside / "golden.safetensors")
    for file in TOKENIZER:
        if (source / file).exists():
            shutil.copy(source / file, aside)
    aside.replace(out)


if __name__ == "__main__":
    if sys.argv[3:] not in ([], ["fp32"], *([one] for one in ROUNDED)):
        sys.exit(f"unknown precision {' '.join(sys.argv[3:])}; known: fp32, {', '.join(ROUNDED)}")
    write(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:])
