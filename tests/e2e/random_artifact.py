"""Artifacts of any family, head and shape with random weights, written from the format alone (core/artifact)."""
import json
import math

import numpy
from safetensors.numpy import save_file

WORDS, HIDDEN, HEADS, NEURONS, POSITIONS, SIDE, PATCH = 97, 48, 4, 80, 40, 16, 4
HEAD_DIM = HIDDEN // HEADS
EVERY_HEAD = tuple(range(HEADS))
FULL = ((EVERY_HEAD, NEURONS),) * 3                       # (kept heads, neurons) by layer
PRUNED = (((0, 2), 48), (EVERY_HEAD, 7), ((3,), NEURONS))

# model_type -> what config.json says besides the common keys; whether a sequence head has a pooler; token types.
FAMILIES = {"bert": ({"type_vocab_size": 2}, True, 2),
            "roberta": ({"type_vocab_size": 1, "pad_token_id": 1}, True, 1),
            "distilbert": ({}, True, 0),
            "mpnet": ({"pad_token_id": 1}, True, 0),
            "electra": ({"type_vocab_size": 2, "embedding_size": 24}, True, 2),
            "vit": ({}, False, 0), "deit": ({}, False, 0)}
IMAGES = ("vit", "deit")
OFFSETS = {"roberta": 2, "mpnet": 2}  # rows of the position table before the first position
TASKS = {"sequence": "text-classification", "token": "token-classification", "masked_lm": "fill-mask",
         "span": "question-answering"}


class Tensors:
    """Random ones by our names."""

    def __init__(self, seed):
        self.random, self.all = numpy.random.default_rng(seed), {}

    def add(self, name, *shape, spread=0.3, mean=0.0):
        self.all[name] = (mean + spread * self.random.standard_normal(shape)).astype(numpy.float32)

    def norm(self, name, width):
        self.add(f"{name}.weight", width, spread=0.2, mean=1.0)
        self.add(f"{name}.bias", width, spread=0.2)

    def linear(self, name, outputs, inputs, rank=None):
        spread = 1.5 / math.sqrt(inputs)
        if rank:
            self.add(f"{name}.down.weight", rank, inputs, spread=spread)
            self.add(f"{name}.up.weight", outputs, rank, spread=1 / math.sqrt(rank))
        else:
            self.add(f"{name}.weight", outputs, inputs, spread=spread)
        self.add(f"{name}.bias", outputs, spread=0.2)


def write(folder, family, head="sequence", layers=FULL, hidden=HIDDEN, classes=3, factored=None, exits=(), pooling="first",
          activation=None, seed=1):
    """`factored`: linear name -> rank; `exits`: 0-based layers with an exit head; classes of a masked language model: 0 or 2."""
    more, pools, types = FAMILIES[family]
    images, columns = family in IMAGES, more.get("embedding_size", hidden)
    factored, tensors = factored or {}, Tensors(seed)
    pooler = hidden if pools and (head == "sequence" or (head == "masked_lm" and classes)) else 0
    own = {"original_heads": HEADS, "head_dim": HEAD_DIM,
           "layers": [{"heads": list(kept), "neurons": neurons} for kept, neurons in layers],
           "linears": {name: {"kind": "factored", "rank": rank} for name, rank in factored.items()},
           "heads": [{"name": f"exits.{layer}", "layer": layer, "kind": "pooler_classifier", "width": 20, "outputs": classes}
                     for layer in exits],
           "head": "token" if head == "span" else head, "spans": head == "span", "pooling": pooling,
           "pooler_width": pooler, "classes": classes}
    config = {"model_type": family, "dim" if family == "distilbert" else "hidden_size": hidden, **more, "espalier": own}
    if activation:
        config["activation" if family == "distilbert" else "hidden_act"] = activation
    if images:
        config |= {"image_size": SIDE, "patch_size": PATCH, "num_channels": 3}
        tensors.add("embeddings.patch.weight", hidden, 3 * PATCH * PATCH, spread=0.1)
        tensors.add("embeddings.patch.bias", hidden)
        tensors.add("embeddings.cls", hidden)
        if family == "deit":
            tensors.add("embeddings.distillation", hidden)
        tensors.add("embeddings.position.weight", (SIDE // PATCH) ** 2 + (2 if family == "deit" else 1), hidden)
        tensors.norm("final_norm", hidden)
    else:
        config |= {"vocab_size": WORDS, "max_position_embeddings": POSITIONS + OFFSETS.get(family, 0)}
        tensors.add("embeddings.word.weight", WORDS, columns)
        tensors.add("embeddings.position.weight", POSITIONS + OFFSETS.get(family, 0), columns)
        if types:
            tensors.add("embeddings.token_type.weight", types, columns)
        tensors.norm("embeddings.norm", columns)
    if columns != hidden:
        tensors.linear("embeddings.projection", hidden, columns)
    if family == "mpnet":
        tensors.add("attention_bias.weight", 32, HEADS, spread=1.0)
    for i, (kept, neurons) in enumerate(layers):
        at, width = f"layers.{i}.", len(kept) * HEAD_DIM
        sublayers = [("attention.query", width, hidden), ("attention.key", width, hidden), ("attention.value", width, hidden),
                     ("attention.output", hidden, width)] if kept else []
        sublayers += [("ffn.up", neurons, hidden), ("ffn.down", hidden, neurons)] if neurons else []
        for name, outputs, inputs in sublayers:
            tensors.linear(at + name, outputs, inputs, factored.get(at + name))
        for name in ("attention",) * bool(kept) + ("ffn",) * bool(neurons):
            tensors.norm(f"{at}{name}.norm", hidden)
    if head == "masked_lm":
        tensors.linear("lm.dense", columns, hidden)
        tensors.norm("lm.norm", columns)
        tensors.add("lm.bias", WORDS)
    if pooler:
        tensors.linear("pooler", pooler, hidden)
    if classes:
        tensors.linear("classifier", classes, pooler or hidden)
    for layer in exits:
        tensors.linear(f"exits.{layer}.pooler", 20, hidden)
        tensors.linear(f"exits.{layer}.classifier", classes, 20)
    task = "image-classification" if images else TASKS[head]
    labels = [] if head == "span" else [f"label {i}" for i in range(classes)]
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "espalier.json").write_text(json.dumps(
        {"format": 1, "task": task, "label_names": labels, "max_length": 32, "precision": "fp32", "exit": None}))
    save_file(tensors.all, folder / "model.safetensors", metadata={"format": "pt"})
    if not images:
        (folder / "vocab.txt").write_text("".join(f"w{i}\n" for i in range(WORDS)))
    return folder


def rows(family, seed=1):
    """Inputs by the names of an exported model: rows of several lengths, padded on the right, or images; and the lengths."""
    random = numpy.random.default_rng(seed)
    if family in IMAGES:
        return {"pixel_values": random.standard_normal((3, 3, SIDE, SIDE)).astype(numpy.float32)}, None
    lengths = [31, 1, 12]
    mask = (numpy.arange(max(lengths)) < numpy.array(lengths)[:, None]).astype(numpy.int64)
    pad = FAMILIES[family][0].get("pad_token_id", 0)
    inputs = {"input_ids": numpy.where(mask, random.integers(5, WORDS, mask.shape), pad), "attention_mask": mask}
    if FAMILIES[family][2] > 1:
        inputs["token_type_ids"] = random.integers(0, 2, mask.shape) * mask
    return inputs, lengths
