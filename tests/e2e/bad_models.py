"""Model folders for the table of bad input: a good one in memory, what spoils it, and what its refusal must say."""
import json
import struct

import numpy
import tiny
from safetensors.numpy import save

LAYERS, WORDS, POSITIONS = 2, len(tiny.VOCABULARY), 64
LABELS = ["negative", "positive"]
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
QUERY, KEY = "encoder.layer.0.attention.self.query.weight", "encoder.layer.0.attention.self.key.weight"


class Folder:
    """A classifier that would be taken as it is, until `changes` were at its fields."""

    def __init__(self, changes=()):
        self.config = {**tiny.config(layers=LAYERS), "architectures": ["BertForSequenceClassification"],
                       "id2label": dict(enumerate(LABELS))}
        self.tensors = {name: numpy.array(floats, "f4").reshape(shape)
                        for name, (shape, floats) in tiny.weights(tiny.shapes(self.config)).items()}
        self.tensors["classifier.weight"] = numpy.linspace(-1, 1, 2 * 32, dtype="f4").reshape(2, 32)
        self.tensors["classifier.bias"] = numpy.zeros(2, "f4")
        self.files = {"vocab.txt": "\n".join(tiny.VOCABULARY) + "\n"}
        for change in changes if isinstance(changes, (list, tuple)) else [changes]:
            change(self)

    def write(self, path):
        path.mkdir()
        usual = {"config.json": json.dumps(self.config), WEIGHTS: save(self.tensors)}
        for name, content in {**usual, **self.files}.items():
            if content is not None:
                (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


# --- changes ---

def config(**values):
    return lambda folder: folder.config.update(values)


def without_config(key):
    return lambda folder: folder.config.pop(key)


def files(contents):
    """Name -> content; None: the file is not there."""
    return lambda folder: folder.files.update(contents)


def vocabulary(tokens):
    return files({"vocab.txt": "\n".join(tokens) + "\n"})


def added_token(number):
    return files({"added_tokens.json": json.dumps({"<new>": number})})


def without(name):
    return lambda folder: folder.tensors.pop(name)


def also(name, shape):
    return lambda folder: folder.tensors.update({name: numpy.zeros(shape, "f4")})


def cast(dtype, *names):
    """To another dtype: these tensors, or all."""
    def change(folder):
        folder.tensors |= {name: folder.tensors[name].astype(dtype) for name in names or folder.tensors}
    return change


def prefixed(prefix):
    def change(folder):
        folder.tensors = {name if name.startswith("classifier.") else prefix + name: x
                          for name, x in folder.tensors.items()}
    return change


def last_value(name, wrong):
    def change(folder):
        folder.tensors[name][-1, -1] = wrong
    return change


def weights(change_bytes):
    """What is written instead of the bytes of a good model.safetensors."""
    return lambda folder: folder.files.update({WEIGHTS: change_bytes(save(folder.tensors))})


def header(change_header):
    """Another header over the same data."""
    def changed(data):
        (length,) = struct.unpack_from("<Q", data)
        parsed = json.loads(data[8:8 + length])
        change_header(parsed)
        text = json.dumps(parsed).encode()
        return struct.pack("<Q", len(text)) + text + data[8 + length:]
    return weights(changed)


def shards(change_index=lambda index, folder: None):
    """Weights in two files and their index, which puts the pooler into the second."""
    def change(folder):
        last = "pooler.dense.weight"
        index = {name: TWO if name == last else ONE for name in folder.tensors}
        folder.files |= {WEIGHTS: None, TWO: save({last: folder.tensors[last]}),
                         ONE: save({name: x for name, x in folder.tensors.items() if name != last})}
        change_index(index, folder)
        folder.files[INDEX] = json.dumps({"metadata": {}, "weight_map": index})
    return change


# --- what is wrong, what makes it so, and parts of the message ---

PICKLE = b"PK\3\4" + bytes(99)
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 91880\n"

REFUSED = [
    # config.json and weights that disagree
    ("another hidden size", config(hidden_size=40), "has shape [2, 32]; config.json demands [2, 40]"),
    ("another inner width", config(intermediate_size=48), "has shape [32, 64]; config.json demands [32, 48]"),
    ("more layers than there are", config(num_hidden_layers=3),
     "lacks the tensor encoder.layer.2.", "which config.json demands"),
    ("fewer layers than there are", config(num_hidden_layers=1),
     "holds the tensor encoder.layer.1.", "are model_type and num_hidden_layers those of these weights?"),
    ("a larger vocabulary", config(vocab_size=WORDS + 1), f"[{WORDS}, 32]; config.json demands [{WORDS + 1}, 32]"),
    ("a smaller vocabulary", config(vocab_size=WORDS - 1), f"[{WORDS}, 32]; config.json demands [{WORDS - 1}, 32]"),
    ("positions beyond their table", config(max_position_embeddings=512), "[64, 32]; config.json demands [512, 32]"),
    ("heads that do not divide the hidden size", config(num_attention_heads=5),
     "hidden_size is 32 and num_attention_heads 5; heads must divide the hidden size"),
    ("labels that the classifier has no rows for", config(id2label={"0": "a", "1": "b", "2": "c"}),
     "tensor classifier.bias has shape [2]; config.json demands [3]"),
    ("another family", [prefixed("bert."), config(model_type="roberta")], "it holds no RoBERTa encoder"),

    # tensors
    ("a missing tensor", without(QUERY), f"lacks the tensor {QUERY}, which config.json demands"),
    ("a missing embedding", without("embeddings.word_embeddings.weight"), "it holds no BERT encoder"),
    ("a tensor too many", also("encoder.layer.0.adapter.weight", (4, 32)),
     "holds the tensor encoder.layer.0.adapter.weight, for which config.json has no place"),
    ("int8 weights", cast("i1"), "has dtype I8; it must be F32, F16 or BF16"),
    ("one int32 tensor", cast("i4", QUERY), f"{QUERY} has dtype I32; it must be F32, F16 or BF16"),
    ("fp64 weights", cast("f8"), "has dtype F64; it must be F32, F16 or BF16"),
    ("a weight that is not a number", last_value(QUERY, numpy.nan), f"{QUERY} holds NaN as value 1024 of 1024"),
    ("a weight beyond fp16", [cast("f2"), last_value(QUERY, numpy.inf)], f"{QUERY} holds infinity", "F16 ends at 65504"),

    # the files of the weights
    ("no weights", files({WEIGHTS: None}), "no model.safetensors and no model.safetensors.index.json"),
    ("an empty file", files({WEIGHTS: b""}), "model.safetensors", "this has 0 bytes"),
    ("a truncated file", weights(lambda data: data[:-1000]), "claims bytes", "it is truncated or damaged"),
    ("a header longer than its file", weights(lambda data: struct.pack("<Q", 1 << 24) + data[8:]),
     "the header claims 16777216 bytes, but the file holds", "truncated or no safetensors file"),
    ("a header that is not JSON", weights(lambda data: data[:9] + b"?" + data[10:]), "the header is no valid JSON"),
    ("overlapping offsets", header(lambda of: of[QUERY].update(data_offsets=of[KEY]["data_offsets"])),
     f"tensor {QUERY} overlaps {KEY}"),
    ("a shape that its bytes do not have", header(lambda of: of[QUERY].update(shape=[32, 33])),
     f"{QUERY} claims shape [32, 33] of F32, but its offsets span 4096 bytes"),
    ("an unknown dtype", header(lambda of: of[QUERY].update(dtype="Q4")), f"{QUERY} has the unknown dtype Q4"),
    ("what git leaves of a large file", files({WEIGHTS: POINTER}), "Git LFS pointer", "git lfs pull"),
    ("a pickle", files({WEIGHTS: None, "pytorch_model.bin": PICKLE}),
     "pytorch_model.bin is a pickle, which can run code", "safe_serialization=True"),
    ("a pickle by another name", files({WEIGHTS: PICKLE}), "model.safetensors: this is a pickle"),
    ("an index that points nowhere", shards(lambda index, folder: folder.files.update({TWO: None})),
     f"names {TWO}, which is not in the folder; upload all of its files"),
    ("a tensor that its shard lacks", shards(lambda index, folder: index.update({"a.weight": TWO})),
     f"puts the tensor a.weight into {TWO}, which does not hold it"),
    ("a tensor that the index leaves out", shards(lambda index, folder: index.pop(QUERY)),
     f"does not name the tensor {QUERY}"),
    ("an index without a map", files({WEIGHTS: None, INDEX: "{}"}), 'must be {"weight_map": {tensor: file, ...}}'),
    ("an empty index", files({WEIGHTS: None, INDEX: b""}), f"{INDEX} is empty"),

    # the tokenizer
    ("no tokenizer", files({"vocab.txt": None}), "no vocab.txt, no tokenizer.json and no vocab.json"),
    ("an empty vocabulary", files({"vocab.txt": b""}), "vocab.txt has no entries"),
    ("an empty tokenizer.json", files({"tokenizer.json": b""}), "tokenizer.json is empty"),
    ("a vocabulary larger than the embedding", vocabulary(tiny.VOCABULARY + ["more"]),
     f"vocab.txt has {WORDS + 1} entries, but the embedding has {WORDS} rows"),
    ("an added token beyond the embedding", added_token(WORDS),
     f"ids up to {WORDS}, added tokens included, but the embedding has {WORDS} rows"),
    ("a vocabulary without special tokens", vocabulary(tiny.GOOD), "the vocabulary has no [UNK]"),
    ("a token that comes twice", vocabulary(tiny.VOCABULARY[:-1] + ["good"]),
     f"vocab.txt has the token 'good' on line 6 and again on line {WORDS}"),

    # config.json
    ("no config.json", files({"config.json": None}), "the folder has no config.json"),
    ("an empty config.json", files({"config.json": b""}), "config.json is empty"),
    ("a config.json that is not JSON", files({"config.json": "model_type: bert"}), "config.json is not JSON"),
    ("a config.json that is a list", files({"config.json": "[]"}), "config.json must be an object", "found a list"),
    ("a size that is text", config(hidden_size="32"), 'hidden_size must be an integer, found "32"'),
    ("a negative size", config(num_hidden_layers=-1), "num_hidden_layers is -1; it must be between"),
    ("no size", without_config("vocab_size"), "vocab_size is missing"),
    ("a number for a model_type", config(model_type=7), "model_type must be a string, found 7"),
    ("an unknown model_type", config(model_type="llama"), 'model_type is "llama"; this build knows: bert, roberta'),
    ("no model_type", without_config("model_type"), "config.json has no model_type; this build knows: bert, roberta"),
    ("an unknown activation", config(hidden_act="silu"), 'hidden_act is "silu"; this build knows: gelu'),
    ("a decoder", config(is_decoder=True), "is_decoder is true; this build compresses encoders"),
]

# What looks odd and is right: it must be taken.
TAKEN = [
    # Rows that round the table up to a multiple of eight, and that no token asks for.
    ("a vocabulary smaller than the embedding", vocabulary(tiny.VOCABULARY[:-4])),
    ("an added token with an embedding", [vocabulary(tiny.VOCABULARY[:-1]), added_token(WORDS - 1)]),
    ("tensors of another head, and buffers",
     [also("cls.predictions.bias", WORDS), also("embeddings.position_ids", (1, POSITIONS))]),
    ("weights in two files", shards()),
    ("tensors of two dtypes", cast("f2", QUERY)),
]
