"""A tiny BERT or ViT as a Hugging Face folder and separable data sets, made from a seed; standard library only."""
import io
import json
import math
import random
import struct
import tarfile
import zlib

GOOD = "good great fine lovely bright clever warm funny tender fresh".split()
BAD = "bad awful dull dreary clumsy stale cold noisy flat tired".split()
PLAIN = "the a film movie plot actor scene story is was and with of in it this that two".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIDE = 16  # of an image
VOCABULARY = SPECIAL + GOOD + BAD + PLAIN + list(".,!?") + ["##s", "##ly"]


def config(layers=3, hidden=32, heads=4, neurons=64):
    return {"architectures": ["BertModel"], "model_type": "bert", "vocab_size": len(VOCABULARY), "hidden_size": hidden,
            "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": neurons,
            "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
            "max_position_embeddings": 64, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0}


def shapes(conf):
    """Tensor name -> shape, in the names that transformers writes for a BertModel."""
    hidden = conf["hidden_size"]
    found = {"embeddings.word_embeddings.weight": [conf["vocab_size"], hidden],
             "embeddings.position_embeddings.weight": [conf["max_position_embeddings"], hidden],
             "embeddings.token_type_embeddings.weight": [conf["type_vocab_size"], hidden],
             "embeddings.LayerNorm.weight": [hidden], "embeddings.LayerNorm.bias": [hidden]}
    found |= layer_shapes(conf, "attention.self.", ("attention.output.LayerNorm", "output.LayerNorm"))
    return found | linear_shapes("pooler.dense", hidden, hidden)


def linear_shapes(name, rows, columns):
    return {f"{name}.weight": [rows, columns], f"{name}.bias": [rows]}


def layer_shapes(conf, attention, norms):
    hidden, neurons, found = conf["hidden_size"], conf["intermediate_size"], {}
    for layer in range(conf["num_hidden_layers"]):
        at = f"encoder.layer.{layer}."
        for name in (f"{attention}query", f"{attention}key", f"{attention}value", "attention.output.dense"):
            found |= linear_shapes(at + name, hidden, hidden)
        found |= linear_shapes(f"{at}intermediate.dense", neurons, hidden)
        found |= linear_shapes(f"{at}output.dense", hidden, neurons)
        for name in norms:
            found[f"{at}{name}.weight"], found[f"{at}{name}.bias"] = [hidden], [hidden]
    return found


def values(name, size, rng, spread):
    if "layernorm" in name.lower():
        return [1.0 if name.endswith("weight") else 0.0] * size
    return [0.0] * size if name.endswith("bias") else [rng.gauss(0, spread) for _ in range(size)]


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


def weights(tensors, seed=1, spread=0.15):
    """name -> (shape, floats), drawn from the seed for these shapes."""
    rng = random.Random(seed)
    return {name: (shape, values(name, math.prod(shape), rng, spread)) for name, shape in tensors.items()}


def write_weights(folder, conf, drawn):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(conf))
    (folder / "model.safetensors").write_bytes(safetensors(drawn))


def write_model(folder, seed=1, **sizes):
    conf = config(**sizes)
    write_weights(folder, conf, weights(shapes(conf), seed))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, "tokenizer_class": "BertTokenizer"}))
    return folder


def write_vit(folder, seed=1, layers=2, hidden=32, heads=4, neurons=64, side=SIDE, patch=4, dropout=0.0, spread=0.02):
    """A ViTModel that reads images of side x side as they are; spread: as transformers draws fresh weights."""
    conf = {"architectures": ["ViTModel"], "model_type": "vit", "hidden_size": hidden, "num_hidden_layers": layers,
            "num_attention_heads": heads, "intermediate_size": neurons, "hidden_act": "gelu",
            "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout, "layer_norm_eps": 1e-12,
            "image_size": side, "patch_size": patch, "num_channels": 3, "qkv_bias": True}
    tensors = {"embeddings.cls_token": [1, 1, hidden],
               "embeddings.position_embeddings": [1, (side // patch) ** 2 + 1, hidden],
               "embeddings.patch_embeddings.projection.weight": [hidden, 3, patch, patch],
               "embeddings.patch_embeddings.projection.bias": [hidden],
               **layer_shapes(conf, "attention.attention.", ("layernorm_before", "layernorm_after")),
               "layernorm.weight": [hidden], "layernorm.bias": [hidden]}
    write_weights(folder, conf, weights(tensors, seed, spread))
    (folder / "preprocessor_config.json").write_text(json.dumps(
        {"do_resize": False, "size": {"height": side, "width": side}, "do_rescale": True, "rescale_factor": 1 / 255,
         "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    return folder


def png(pixels):
    """Rows of RGB bytes as a PNG file."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", len(pixels[0]) // 3, len(pixels), 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in pixels))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def pictures(rng, size):
    """(label, pixels): dark and light noise."""
    labels = [rng.choice([("dark", 0), ("light", 100)]) for _ in range(size)]
    return [(name, [bytes(floor + rng.randrange(156) for _ in range(3 * SIDE)) for _ in range(SIDE)])
            for name, floor in labels]


def write_archive(path, files):
    """name -> bytes, as a .tar."""
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def image_files(drawn, folder=""):
    """Pictures as the files of an archive, in a folder for each label."""
    return {f"{folder}{name}/{number:04}.png": png(pixels) for number, (name, pixels) in enumerate(drawn)}


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


def train_dense(cluster):
    """Uploads a tiny model and reviews to it, and trains the artifact "dense" on them."""
    folder = cluster.folder
    cluster.cli("models", "upload", "tiny", write_model(folder / "tiny-bert"))
    cluster.upload_dataset("reviews", write_dataset(folder / "reviews"))
    cluster.cli("jobs", "submit", "--base", "dense", "--model", "tiny", "--dataset", "reviews", "--name", "dense",
                "--finetune-epochs", "1", "--watch")
