"""Bad input, one row each: what is wrong, how it is given, and what the refusal must say. Models: bad_models.py.

Everything goes in as a user gives it, through the CLI or an inference request, to a running service. A refusal ends
the command with exit code 4 and says what was asked, what was found and what would work.
"""
import concurrent.futures
import io
import itertools
import json
import random
import struct
import tarfile
import unittest

import bad_models
import grpc
import ml_dtypes
import numpy
import pyarrow
import pyarrow.parquet
import tiny
from bad_models import LABELS, POSITIONS, WORDS, Folder, cast
from cluster import Cluster, wait_for
from tritonclient.grpc import service_pb2, service_pb2_grpc

REFUSED, MISUSED = 4, 2  # exit codes of the CLI
SENTENCES = ["the plot is great and lovely.", "a dull and clumsy movie.", "fresh, warm, funny."]


# --- tables of data, by their columns ---

def tsv(**columns):
    return "".join("\t".join(map(str, row)) + "\n" for row in (columns, *zip(*columns.values())))


def jsonl(**columns):
    return "".join(json.dumps(dict(zip(columns, row))) + "\n" for row in zip(*columns.values()))


def parquet(**columns):
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    return sink.getvalue().to_pybytes()


def tar(**files):
    """cat_1="..." is the file cat/1.png."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name.replace("_", "/") + ".png")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return sink.getvalue()


PICTURES = [tiny.png(pixels) for _, pixels in tiny.pictures(random.Random(1), 20)]
GOOD_IMAGES = tar(**{f"{'ab'[number % 2]}_{number}": picture for number, picture in enumerate(PICTURES)})
IMAGES = ["--task", "image-classification"]

TRAIN = tsv(text=[f"a {word} film" for word in tiny.BAD + tiny.GOOD], label=[name for name in LABELS for _ in tiny.BAD])
NUMBERS, SEVERAL, TAGS = (["--task", task] for task in ("regression", "multi-label-classification", "token-classification"))

# split.extension -> content (train: a good one, unless it says which), and flags.
DATA_REFUSED = [
    # labels
    ("an unknown label", {"select.tsv": tsv(text=["fine"], label=["superb"])}, [],
     'select.tsv: row 1, column label: unknown label "superb"; known: negative, positive'),
    ("a label out of range", {"train.tsv": tsv(text="abc", label=[0, 1, 2])}, ["--label-names", "0,1"],
     'train.tsv: row 3, column label: unknown label "2"; known: 0, 1'),
    ("an unknown label among several", {"train.jsonl": jsonl(text="ab", label=[["x"], ["x", "z"]])},
     [*SEVERAL, "--label-names", "x,y"], 'row 2, column label: unknown label "z"; known: x, y'),
    ("a row without its label", {"train.tsv": TRAIN + "a film\t\n"}, [],
     "row 21, column label: the label is empty; rows without labels can be the split unlabelled"),
    ("one label only", {"train.tsv": tsv(text="ab", label="xx")}, [], "train holds 1 different labels", "at least 2"),
    ("labels and texts mixed up", {"train.tsv": tsv(text="ab", label=["x", "word " * 50])}, [],
     "column label holds a label of 250 bytes", "is it mixed up with the text column (text)?"),
    ("more tags than words", {"train.jsonl": jsonl(text=[["a", "film"]], label=[["O", "O", "B-X"]])}, TAGS,
     "row 1, column label: there are 3 labels for the 2 words of column text; each word needs one"),

    # columns
    ("a missing column", {"train.tsv": tsv(sentence="ab", label="xy")}, [],
     "train.tsv: has no column text; columns found: sentence, label"),
    ("a missing field", {"train.jsonl": jsonl(text="ab", label="xy") + '{"label": "x"}\n'}, [],
     "train.jsonl: row 3: has no column text; columns found: label"),
    ("a number where text is wanted", {"train.jsonl": jsonl(text=["a", 3], label="xy")}, [],
     "train.jsonl: row 2, column text: text must be a string"),
    ("numbers where text is wanted", {"train.parquet": parquet(text=[1, 2], label=["x", "y"])}, [],
     "train.parquet: column text holds int64; text must be strings"),
    ("text where a number is wanted", {"train.tsv": tsv(text="ab", label=[0.5, "high"])}, NUMBERS,
     'train.tsv: row 2, column label: "high" is no finite number'),
    ("a number that is none", {"train.tsv": tsv(text="a", label=["nan"])}, NUMBERS, '"nan" is no finite number'),
    ("a list where one label is wanted", {"train.jsonl": jsonl(text="a", label=[["x"]])}, [],
     "row 1, column label: a list is no label"),
    ("an object where a label is wanted", {"train.jsonl": jsonl(text="a", label=[{"x": 1}])}, [],
     "row 1, column label: an object is no label"),
    ("a null where text is wanted", {"train.jsonl": jsonl(text=["a", None], label="xy")}, [],
     "row 2, column text: the text is null"),

    # files
    ("an empty TSV file", {"train.tsv": ""}, [], "train.tsv: is empty"),
    ("an empty CSV file", {"train.csv": ""}, [], "train.csv: is empty"),
    ("an empty file of JSON lines", {"train.jsonl": ""}, [], "train.jsonl: is empty"),
    ("an empty Parquet file", {"train.parquet": ""}, [], "train.parquet: is empty"),
    ("an empty split", {"report.tsv": ""}, [], "report.tsv: is empty"),
    ("a header without rows", {"report.tsv": tsv(text="", label="")}, [], "report.tsv: has no rows"),
    ("a row that is too long", {"train.tsv": TRAIN + "a\tpositive\tmore\n"}, [],
     "train.tsv: row 21 has 3 cells, but the header names 2 columns"),
    ("a row that is not JSON", {"train.jsonl": jsonl(text="a", label="x") + '{"text": \n'}, [], "row 2 is not a JSON object"),
    ("a Parquet file that is none", {"train.parquet": TRAIN}, [], "train.parquet: Parquet magic bytes not found"),
    ("bytes that are not UTF-8", {"train.tsv": TRAIN.encode() + b"caf\xe9\tpositive\n"}, [],
     "train.tsv: row 21, column text: the text is not UTF-8"),
    ("a file of an unknown kind", {"train.xlsx": "PK"}, [], "cannot tell the format of train.xlsx", "known: .tsv"),
    ("the same rows in two splits", {"report.tsv": TRAIN}, [],
     "splits report and train hold the same bytes; a row must serve one of them"),

    # rows without labels
    ("no text in rows without labels", {"unlabelled.tsv": tsv(sentence="ab")}, [],
     "unlabelled.tsv: has no column text; columns found: sentence"),
    ("train's rows again", {"unlabelled.tsv": TRAIN}, [], "splits train and unlabelled hold the same bytes"),
    ("rows without labels where none have labels", {"train.tsv": tsv(text="ab"), "unlabelled.tsv": tsv(text="cd")},
     ["--task", "fill-mask"], "splits has unlabelled, but fill-mask needs none: its train rows need no labels"),
    ("no labels to report on", {"report.tsv": tsv(text="ab")}, [], "report.tsv: has no column label; columns found: text"),

    # what the task cannot be
    ("an unknown task", {}, ["--task", "sentiment"], 'task is "sentiment"; known: text-classification'),
    ("a metric of another task", {}, ["--metric", "pearson"], 'metric is "pearson"; this data set can be judged by: accuracy'),
    ("names for labels that are numbers", {"train.tsv": tsv(text="a", label=[1])}, [*NUMBERS, "--label-names", "a,b"],
     "the labels of regression are numbers"),

    # class weights
    ("a weight for an unknown label", {}, ["--class-weights", "superb=2"],
     'class_weights names the label "superb", which is unknown; known: negative, positive'),
    ("a weight that is none", {}, ["--class-weights", "positive=0"],
     "class_weights.weights.positive is 0; it must be at least 1e-06 and at most 1e+06"),
    ("a weight that is no number", {}, ["--class-weights", "positive=nan"],
     'class_weights.weights.positive must be a number, found "NaN"'),
    ("weights for numbers", {"train.tsv": tsv(text="ab", label=[0.5, 1])}, [*NUMBERS, "--class-weights", "balanced"],
     "class_weights is set, but regression has no labels to weigh"),

    # images
    ("an image that is none", {"train.tar": tar(cat_1=PICTURES[0], dog_2=b"GIF89a")}, IMAGES,
     "train.tar: dog/2.png: not a JPEG or PNG; begins with 47 49 46 38 (GIF)"),
    ("an image that is cut short", {"train.tar": tar(cat_1=PICTURES[0], dog_2=PICTURES[1][:-40])}, IMAGES,
     "train.tar: dog/2.png: the PNG is damaged"),
    ("an image in a table that is none", {"train.parquet": parquet(image=[PICTURES[0], b""], label=["x", "y"])}, IMAGES,
     "train.parquet: row 2: the image file is empty"),
    ("paths where images are wanted", {"train.parquet": parquet(image=["1.png", "2.png"], label=["x", "y"])}, IMAGES,
     "train.parquet: column image holds string; files must be binary, or a struct with bytes"),
    ("an unknown folder", {"train.tar": GOOD_IMAGES, "report.tar": tar(c_1=PICTURES[0])}, IMAGES,
     'report.tar: c/1.png: unknown label "c"; known: a, b'),
    ("an archive that is none", {"train.tar": "no archive"}, IMAGES, "train.tar: is no .tar, .tar.gz, .tar.xz or .zip"),
    ("images in no folder", {"train.tar": tar(**{"1": PICTURES[0]})}, IMAGES, "1.png lies in no folder named by its class"),
    ("a folder that is not there", {"train.tar": GOOD_IMAGES}, [*IMAGES, "--train-under", "train"],
     "train.tar: holds no .jpg, .jpeg or .png below train; folders at its top: a, b"),
    ("texts where images are wanted", {}, IMAGES, "train.tsv: image-classification reads an archive"),
    ("images where texts are wanted", {"train.tar": GOOD_IMAGES}, [], "train.tar: an archive is for image-classification"),
]

# The recipe; exit code 2 where the command line itself could not read the field.
JOBS_REFUSED = [
    ("inputs longer than any model reads", {"max_length": 9000}, REFUSED, "max_length is 9000; it must be between"),
    ("inputs too short for a word", {"max_length": 4}, REFUSED, "max_length is 4; it must be between 8 and 8192"),
    ("a share above one", {"target": {"sparsity": 1.5}}, REFUSED, "target.sparsity is 1.5; it must be at least 0 and less than 1"),
    ("an unknown method", {"target": {"sparsity": 0.5}, "pruner": {"name": "magnitud"}}, REFUSED, '"magnitud"', "magnitude"),
    ("a length that is text", {"max_length": "long"}, MISUSED, "recipe.max_length", '"long"'),
    ("a rate that is text", {"finetune": {"learning_rate": "fast"}}, MISUSED, "recipe.finetune.learning_rate", '"fast"'),
    ("an unknown field", {"finetune": {"epoch": 3}}, MISUSED, 'unknown field "recipe.finetune.epoch"; known here: epochs'),
]

IDS = {"input_ids": numpy.array([[2, 9, 3]]), "attention_mask": numpy.array([[1, 1, 1]])}
LONG, NOTHING = numpy.ones((1, POSITIONS + 1), "i8"), numpy.zeros((0, 3), "i8")

# Tensors of a request; a list is one of texts.
REQUESTS_REFUSED = [
    ("more tokens than positions", {"input_ids": LONG, "attention_mask": LONG}, "has rows of 65 tokens; the model takes 1 to 64"),
    ("an id beyond the embedding", {**IDS, "input_ids": numpy.array([[2, WORDS, 3]])},
     f"holds {WORDS} in row 0; token ids are 0 to {WORDS - 1}"),
    ("a negative id", {**IDS, "input_ids": numpy.array([[2, -1, 3]])}, "holds -1 in row 0; token ids are 0 to"),
    ("a token type beyond its table", {**IDS, "token_type_ids": numpy.array([[0, 2, 0]])},
     "holds 2 in row 0; token types are 0 to 1"),
    ("a mask with a hole", {**IDS, "attention_mask": numpy.array([[1, 0, 1]])}, "has a 1 after a 0 in row 0"),
    ("a mask of another shape", {**IDS, "attention_mask": numpy.array([[1, 1]])}, "attention_mask", "[1,2]", "[1,3]"),
    ("no mask", {"input_ids": IDS["input_ids"]}, '"input_ids" came without "attention_mask"; send both'),
    ("ids that are floats", {**IDS, "input_ids": numpy.array([[2, 9, 3]], "f4")}, 'has datatype "FP32"; it takes INT64 or INT32'),
    ("no rows", {"input_ids": NOTHING, "attention_mask": NOTHING}, "has 0 rows; a request takes 1 to"),
    ("an image", {"image": [PICTURES[0]]}, '"image" is for models that read images', "knows: text, text_pair, input_ids"),
    ("a text of a megabyte", {"text": ["a" * (1 << 20)]}, "has 1048576 bytes in row 0; a text takes at most"),
]

PIXELS = numpy.zeros((1, 3, tiny.SIDE, tiny.SIDE), "u1")
IMAGES_REFUSED = [
    ("a text", {"text": ["a film"]}, '"text" is for models that read texts', "knows: image, pixels"),
    ("bytes that are no image", {"image": [PICTURES[0], b"no picture"]}, "row 1: not a JPEG or PNG; begins with 6e 6f 20 70"),
    ("an image that is cut short", {"image": [PICTURES[0][:-40]]}, "row 0: the PNG is damaged"),
    ("an image of another size", {"image": [tiny.png([bytes(6)] * 3)]},
     "row 0: the image is 2 x 3 pixels, the model reads 16 x 16"),
    ("pixels of another size", {"pixels": PIXELS[..., 1:]}, "has shape [1,3,16,15]; it takes [n,3,16,16]"),
    ("pixels that are floats", {"pixels": PIXELS.astype("f4")}, 'has datatype "FP32"; it takes UINT8'),
    ("files and pixels", {"image": [PICTURES[0]], "pixels": PIXELS}, "both files and pixels; send either image or pixels"),
    ("nothing", {}, "no inputs; send either image or pixels"),
]


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster())
        cls.folder, cls.numbers = cls.cluster.folder, itertools.count()
        (cls.folder / "good.tsv").write_text(TRAIN)
        cls.cluster.cli("datasets", "upload", "good", "--train", cls.folder / "good.tsv")
        cls.publish("good", "--max-length", 512)
        (cls.folder / "pictures.tar").write_bytes(GOOD_IMAGES)
        cls.cluster.cli("models", "upload", "vit", tiny.write_vit(cls.folder / "vit"))
        cls.cluster.cli("datasets", "upload", "pictures", "--train", cls.folder / "pictures.tar", *IMAGES)

    @classmethod
    def publish(cls, name, *flags, changes=()):
        """Uploads a model and serves it as it is."""
        cls.cluster.cli("models", "upload", name, Folder(changes).write(cls.folder / name))
        cls.cluster.cli("jobs", "submit", "--base", "dense", "--model", name, "--finetune-epochs", 0, "--name", name,
                        "--watch", *flags)
        cls.cluster.cli("endpoints", "set", name, name)
        wait_for(f"{name} to be served", lambda: cls.cluster.cli("predict", name, "a film", check=False).returncode == 0)

    def each(self, rows, command):
        """The rows with what their commands ended with; several run at a time."""
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            return list(zip(rows, pool.map(lambda row: command(f"row-{next(self.numbers)}", row), rows)))

    def check_refused(self, done, words, code=REFUSED):
        told = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, told)
        for word in words:
            self.assertIn(word, told)

    # --- models ---

    def upload_model(self, name, row):
        return self.cluster.cli("models", "upload", name, Folder(row[1]).write(self.folder / name), check=False)

    def test_bad_models_are_refused(self):
        for (what, _, *words), done in self.each(bad_models.REFUSED, self.upload_model):
            with self.subTest(what):
                self.check_refused(done, words)

    def test_odd_models_are_taken(self):
        for (what, _), done in self.each(bad_models.TAKEN, self.upload_model):
            with self.subTest(what):
                self.assertEqual(done.returncode, 0, done.stderr)

    def logits(self, name):
        return numpy.array([row["logits"] for row in self.cluster.json("predict", name, *SENTENCES)["predictions"]])

    def test_half_precision_becomes_the_floats_that_it_stands_for(self):
        for name, dtype in (("fp16", "f2"), ("bf16", ml_dtypes.bfloat16)):
            with self.subTest(name):
                twin = f"{name}-as-floats"
                self.publish(name, changes=cast(dtype))
                self.publish(twin, changes=[cast(dtype), cast("f4")])
                half, floats = (self.cluster.json("artifacts", "get", one)["weights_sha256"] for one in (name, twin))
                self.assertEqual(half, floats)
                numpy.testing.assert_array_equal(self.logits(name), self.logits(twin))
                self.assertTrue((self.logits(name) != self.logits("good")).any())  # it was rounded

    # --- data sets ---

    def upload_dataset(self, name, row):
        _, contents, flags, *_ = row
        folder, splits = self.folder / name, []
        folder.mkdir()
        if not any(file.startswith("train.") for file in contents):
            contents = {"train.tsv": TRAIN, **contents}
        for file, content in contents.items():
            (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
            splits += [f"--{file.split('.')[0]}", folder / file]
        return self.cluster.cli("datasets", "upload", name, *splits, *flags, check=False)

    def test_bad_data_sets_are_refused(self):
        for (what, _, _, *words), done in self.each(DATA_REFUSED, self.upload_dataset):
            with self.subTest(what):
                self.check_refused(done, words)

    # --- jobs ---

    def submit(self, name, row):
        recipe = self.folder / f"{name}.yaml"  # JSON is YAML
        recipe.write_text(json.dumps(row[1]))
        return self.cluster.cli("jobs", "submit", "--model", "good", "--dataset", "good", "--recipe", recipe, check=False)

    def test_bad_recipes_are_refused(self):
        for (what, _, code, *words), done in self.each(JOBS_REFUSED, self.submit):
            with self.subTest(what):
                self.check_refused(done, words, code)

    def test_a_model_does_not_read_more_than_its_positions_whatever_the_recipe_says(self):
        """It asked for 512 tokens. Longer texts are cut, and the answer says so."""
        request = service_pb2.ModelConfigRequest(name="good")
        found = self.ask("ModelConfig", request).config.parameters["max_length"].string_value
        self.assertEqual(found, str(POSITIONS))
        for words, cut in ((POSITIONS - 2, False), (POSITIONS - 1, True)):  # [CLS] and [SEP] need room too
            self.assertEqual(self.infer({"text": ["film " * words]}).parameters["truncated"].bool_param, cut)

    def test_a_model_and_a_data_set_must_be_of_one_kind(self):
        for model, dataset, reads in (("good", "pictures", "reads images, but the model, a bert, reads texts"),
                                      ("vit", "good", "reads texts, but the model, a vit, reads images")):
            with self.subTest(model=model, dataset=dataset):
                done = self.cluster.cli("jobs", "submit", "--model", model, "--dataset", dataset, "--base", "dense", check=False)
                self.check_refused(done, [reads, "its tasks: "])

    # --- requests ---

    def ask(self, call, request):
        with grpc.insecure_channel(self.cluster.serve) as channel:
            return getattr(service_pb2_grpc.GRPCInferenceServiceStub(channel), call)(request, timeout=10)

    def infer(self, inputs, model="good"):
        request = service_pb2.ModelInferRequest(model_name=model)
        for name, values in inputs.items():
            if isinstance(values, list):
                request.inputs.add(name=name, datatype="BYTES", shape=[len(values)])
                values = [value if isinstance(value, bytes) else value.encode() for value in values]
                raw = b"".join(struct.pack("<I", len(value)) + value for value in values)
            else:
                datatype = {"i": "INT64", "u": "UINT8", "f": "FP32"}[values.dtype.kind]
                request.inputs.add(name=name, datatype=datatype, shape=values.shape)
                raw = values.tobytes()
            request.raw_input_contents.append(raw)
        return self.ask("ModelInfer", request)

    def check_requests(self, rows, model):
        for what, inputs, *words in rows:
            with self.subTest(what):
                with self.assertRaises(grpc.RpcError) as caught:
                    self.infer(inputs, model)
                self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
                for word in words:
                    self.assertIn(word, caught.exception.details())

    def test_bad_requests_are_refused(self):
        self.check_requests(REQUESTS_REFUSED, "good")

    def test_bad_images_are_refused(self):
        self.cluster.cli("jobs", "submit", "--base", "dense", "--model", "vit", "--dataset", "pictures", "--name", "pictures",
                         "--set", "finetune.steps=1", "--watch")
        self.cluster.cli("endpoints", "set", "pictures", "pictures")
        wait_for("images to be answered", lambda: self.cluster.cli("predict", "pictures", "--image", self.picture(),
                                                                   check=False).returncode == 0)
        self.check_requests(IMAGES_REFUSED, "pictures")

    def picture(self):
        path = self.folder / "picture.png"
        path.write_bytes(PICTURES[0])
        return path


if __name__ == "__main__":
    unittest.main()
