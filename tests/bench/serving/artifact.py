"""Writes a Hugging Face BERT with a classifier as an artifact that espalier-serve loads, from the formats alone.

    python artifact.py FOLDER OUT

OUT's golden answers are those of transformers, so a server that loads it has shown that it computes the same.
"""
import json
import pathlib
import shutil
import sys

import safetensors.numpy

LABELS, MAX_LENGTH = ["negative", "positive"], 128
GOLDEN = [31, 3, 12]  # tokens of the rows that a server checks itself with

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


def golden(source, tokens):
    """Rows of any ids, and their logits."""
    import torch
    from transformers import AutoModelForSequenceClassification
    model = AutoModelForSequenceClassification.from_pretrained(source).eval()
    rows = [torch.randint(1000, 2000, (1, length), generator=torch.Generator().manual_seed(length)) for length in tokens]
    with torch.inference_mode():
        logits = torch.cat([model(input_ids=row).logits for row in rows]).float().numpy()
    ids = torch.cat([row[0] for row in rows]).numpy()
    empty = ids[:0]
    return {"lengths": ids.dtype.type(tokens), "ids": ids, "types": ids * 0, "asked": empty,
            "asked_lengths": ids.dtype.type([0] * len(tokens)), "logits": logits}


def write(source, out):
    aside = out.with_name(out.name + ".new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    config = json.loads((source / "config.json").read_text())
    (aside / "config.json").write_text(json.dumps(config | {"espalier": own_config(config, len(LABELS))}, indent=1))
    (aside / "espalier.json").write_text(json.dumps(
        {"format": 1, "task": "text-classification", "label_names": LABELS, "max_length": MAX_LENGTH, "precision": "fp32",
         "exit": None}, indent=1))
    stored = safetensors.numpy.load_file(source / "model.safetensors")
    ours = {our_name(name): tensor for name, tensor in stored.items() if our_name(name)}
    safetensors.numpy.save_file(ours, aside / "model.safetensors", metadata={"format": "pt"})
    safetensors.numpy.save_file(golden(source, GOLDEN), aside / "golden.safetensors")
    for file in TOKENIZER:
        if (source / file).exists():
            shutil.copy(source / file, aside)
    aside.replace(out)


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
