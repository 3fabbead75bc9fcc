"""A tiny BERT as a Hugging Face folder and a separable data set, made from a seed; standard library only."""
import json
import random
import struct

GOOD = "good great fine lovely bright clever warm funny tender fresh".split()
BAD = "bad awful dull dreary clumsy stale cold noisy flat tired".split()
PLAIN = "the a film movie plot actor scene story is was and with of in it this that two".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = SPECIAL + GOOD + BAD + PLAIN + list(".,!?") + ["##s", "##ly"]


def config(layers=3, hidden=32, heads=4, neurons=64):
    return {"architectures": ["BertModel"], "model_type": "bert", "vocab_size": len(VOCABULARY), "hidden_size": hidden,
            "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": neurons,
            "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
            "max_position_embeddings": 64, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0}


def shapes(conf):
    """Tensor name -> shape, in the names that transformers writes for a BertModel."""
    hidden, neurons = conf["hidden_size"], conf["intermediate_size"]
    found = {"embeddings.word_embeddings.weight": [conf["vocab_size"], hidden],
             "embeddings.position_embeddings.weight": [conf["max_position_embeddings"], hidden],
             "embeddings.token_type_embeddings.weight": [conf["type_vocab_size"], hidden],
             "embeddings.LayerNorm.weight": [hidden], "embeddings.LayerNorm.bias": [hidden]}
    for layer in range(conf["num_hidden_layers"]):
        at = f"encoder.layer.{layer}."
        linears = {"attention.self.query": (hidden, hidden), "attention.self.key": (hidden, hidden),
                   "attention.self.value": (hidden, hidden), "attention.output.dense": (hidden, hidden),
                   "intermediate.dense": (neurons, hidden), "output.dense": (hidden, neurons)}
        for name, (rows, columns) in linears.items():
            found[f"{at}{name}.weight"], found[f"{at}{name}.bias"] = [rows, columns], [rows]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            found[f"{at}{name}.weight"], found[f"{at}{name}.bias"] = [hidden], [hidden]
    found["pooler.dense.weight"], found["pooler.dense.bias"] = [hidden, hidden], [hidden]
    return found


def values(name, size, rng):
    if name.endswith("LayerNorm.weight"):
        return [1.0] * size
    return [0.0] * size if name.endswith("bias") else [rng.gauss(0, 0.15) for _ in range(size)]


def safetensors(tensors):
    """name -> (shape, floats), as the bytes of a safetensors file."""
    header, data = {}, bytearray()
    for name, (shape, floats) in tensors.items():
        start = len(data)
        data += struct.pack(f"<{len(floats)}f", *floats)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(data)


def weights(conf, seed=1):
    """name -> (shape, floats)"""
    rng = random.Random(seed)
    return {name: (shape, values(name, shape[0] * (shape[1] if len(shape) > 1 else 1), rng))
            for name, shape in shapes(conf).items()}


def write_model(folder, seed=1, **sizes):
    folder.mkdir(parents=True)
    conf = config(**sizes)
    (folder / "config.json").write_text(json.dumps(conf))
    (folder / "model.safetensors").write_bytes(safetensors(weights(conf, seed)))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, "tokenizer_class": "BertTokenizer"}))
    return folder


def sentence(rng, label):
    words = [rng.choice(GOOD if label == "positive" else BAD) for _ in range(rng.randint(1, 3))]
    words += [rng.choice(PLAIN) for _ in range(rng.randint(3, 9))]
    rng.shuffle(words)
    return " ".join(words) + "."


def write_dataset(folder, seed=1, train=512, select=96, calibrate=96, report=192):
    folder.mkdir(parents=True)
    rng = random.Random(seed)
    for split, size in {"train": train, "select": select, "calibrate": calibrate, "report": report}.items():
        lines = ["text\tlabel"]
        for _ in range(size):
            label = rng.choice(["negative", "positive"])
            lines.append(f"{sentence(rng, label)}\t{label}")
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    return folder
