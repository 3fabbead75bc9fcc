"""A job of every task on a tiny model, from the data set to the endpoint: it learns, and what it serves is what it
measured."""
import collections
import json
import random
import struct
import unittest

import grpc
import numpy
import tiny
from cluster import Cluster, wait_for
from tritonclient.grpc import service_pb2, service_pb2_grpc

SPLITS = {"train": 512, "select": 96, "calibrate": 96, "report": 128}


def words(rng):
    return [rng.choice(tiny.GOOD + tiny.BAD + 3 * tiny.PLAIN) for _ in range(rng.randint(3, 8))]


def share_of_good(one):
    return sum(word in tiny.GOOD for word in one) - sum(word in tiny.BAD for word in one)


def tag(word):
    return "B-GOOD" if word in tiny.GOOD else "B-BAD" if word in tiny.BAD else "O"


def what_it_says(one):
    """A text that says one word again and again, and goes on like that."""
    word = next((word for word in one if word not in tiny.PLAIN), one[0])
    return {"text": " ".join([word] * (len(one) + 1)), "then": " ".join([word] * (2 + len(one) // 2))}


QUESTION = "which was it"


def asked(rng):
    """A paragraph of SQuAD's form: which word of the context is a good one? One context in five has none, one in four is
    longer than the model reads."""
    context = [rng.choice(tiny.BAD + 3 * tiny.PLAIN) for _ in range(rng.choice([6, 6, 6, 80]))]
    answers = []
    if rng.random() < 0.8:
        place, word = rng.randrange(len(context)), rng.choice(tiny.GOOD)
        answers = [{"text": word, "answer_start": len("".join(one + " " for one in context[:place]))}]
        context.insert(place, word)
    return {"context": " ".join(context), "qas": [{"question": QUESTION, "answers": answers, "is_impossible": not answers}]}


def squad_words(text):
    """A text of our vocabulary as SQuAD compares it."""
    return [word for word in text.split() if word not in ("a", "an", "the")]


def squad_f1(said, answer):
    said, answer = squad_words(said), squad_words(answer)
    same = sum((collections.Counter(said) & collections.Counter(answer)).values())
    return float(said == answer) if not said or not answer else 2 * same / (len(said) + len(answer))


# task -> one row from its words, as the JSON lines of a split
ROWS = {
    "regression": lambda one: {"text": " ".join(one), "label": share_of_good(one)},
    "multi-label-classification": lambda one: {
        "text": " ".join(one), "label": [name for name, known in (("good", tiny.GOOD), ("bad", tiny.BAD)) if set(one) & set(known)]},
    "token-classification": lambda one: {"text": one, "label": [tag(word) for word in one]},
    "fill-mask": what_it_says,
}
FLAGS = {"fill-mask": ("--text-pair-column", "then"), "multi-label-classification": ("--class-weights", "good=1.25"),
         "token-classification": ("--class-weights", "O=1,B-BAD=1.25,B-GOOD=1.25")}
# task -> the metric that decides, and what the tiny model must reach (in points; the majority class is far below)
GOALS = {"regression": ("pearson", 80), "multi-label-classification": ("micro_f1", 85), "token-classification": ("entity_f1", 85),
         "fill-mask": ("masked_accuracy", 80), "question-answering": ("f1", 80), "image-classification": ("accuracy", 90)}


class Tasks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.cluster.__enter__()
        cls.cluster.cli("models", "upload", "tiny", tiny.write_model(cls.cluster.folder / "tiny-bert"))

    @classmethod
    def tearDownClass(cls):
        cls.cluster.__exit__(None)

    def upload(self, name, task):
        folder = self.cluster.folder / name
        folder.mkdir()
        rng, files = random.Random(1), []
        for split, size in SPLITS.items():
            if task in ROWS:
                path = folder / f"{split}.jsonl"
                path.write_text("".join(json.dumps(ROWS[task](words(rng))) + "\n" for _ in range(size)))
            else:
                path = folder / f"{split}.json"
                path.write_text(json.dumps({"version": "v2.0", "data": [{"paragraphs": [asked(rng) for _ in range(size)]}]}))
            files += [f"--{split}", path]
        return self.cluster.cli("datasets", "upload", name, *files, "--task", task, *FLAGS.get(task, ()))

    def run_job(self, name, model, *probe):
        """The report of a job on the data set of that name, whose artifact is then served."""
        self.cluster.cli("jobs", "submit", "--base", "dense", "--model", model, "--dataset", name, "--name", name,
                         "--finetune-epochs", "30", "--set", "finetune.learning_rate=1e-3", "--watch")
        self.cluster.cli("artifacts", "download", name, self.cluster.folder / f"{name}-artifact")
        report = json.loads((self.cluster.folder / f"{name}-artifact/report.json").read_text())
        self.cluster.cli("endpoints", "set", name, name)
        wait_for("the endpoint", lambda: self.cluster.cli("predict", name, *probe, check=False).returncode == 0)
        return report

    def run_task(self, task, *pair):
        """The job's report, and a function that asks the endpoint."""
        name = task.split("-")[0]
        self.upload(name, task)
        report = self.run_job(name, "tiny", "a [MASK] film", *pair)
        return report, lambda *texts: [row["answer"] for row in self.cluster.json("predict", name, *texts)["predictions"]]

    def check_metric(self, task, report):
        metric, (name, goal) = report["dense"]["metric"], GOALS[task]
        self.assertEqual(metric["name"], name)
        self.assertGreaterEqual(metric["value"], goal)
        self.assertTrue(metric["low"] <= metric["value"] <= metric["high"], metric)

    def problem_of(self, artifact):
        return json.loads((self.cluster.folder / f"{artifact}-artifact/config.json").read_text()).get("problem_type")

    def test_regression_is_trained_and_served(self):
        report, ask = self.run_task("regression")
        self.check_metric("regression", report)
        self.assertNotIn("class_weights", report["data"])
        self.assertEqual(self.problem_of("regression"), "regression")
        good, bad = (answer["value"] for answer in ask("great fine lovely the film", "awful dull the a film"))
        self.assertGreater(good, bad + 1)

    def test_several_labels_are_trained_and_served(self):
        report, ask = self.run_task("multi-label-classification")
        self.check_metric("multi-label-classification", report)
        self.assertEqual(report["data"]["class_weights"], {"balanced": False, "weights": {"bad": 1, "good": 1.25}})
        self.assertEqual(self.problem_of("multi"), "multi_label_classification")
        both, neither = ({one["label"] for one in answer["labels"]} for answer in ask("great awful film", "the film was in it"))
        self.assertEqual(both, {"bad", "good"})
        self.assertEqual(neither, set())

    def test_tags_are_trained_and_served_with_their_places(self):
        report, ask = self.run_task("token-classification")
        self.check_metric("token-classification", report)
        (answer,) = ask("the great film was dull")
        tags = answer["tags"]
        self.assertEqual([one["tag"] for one in tags], ["O", "B-GOOD", "O", "O", "B-BAD"])
        self.assertEqual([(one["begin"], one["end"]) for one in tags], [(0, 3), (4, 9), (10, 14), (15, 18), (19, 23)])

    def test_masked_words_are_trained_and_served_with_their_places(self):
        report, ask = self.run_task("fill-mask")
        self.check_metric("fill-mask", report)
        metrics = {one["name"]: one for one in report["dense"]["metrics"]}
        self.assertEqual(list(metrics), ["masked_accuracy", "perplexity", "next_sentence_accuracy"])
        self.assertLess(metrics["perplexity"]["value"], len(tiny.VOCABULARY) / 4)
        self.assertEqual(metrics["next_sentence_accuracy"]["count"], SPLITS["report"])
        (answer,) = ask("dull dull [MASK] dull dull")
        (mask,) = answer["masks"]
        self.assertEqual((mask["begin"], mask["end"], mask["words"][0]["word"]), (10, 16, "dull"))
        self.assertEqual(len(mask["words"]), 5)
        self.assertGreater(mask["words"][0]["score"], mask["words"][1]["score"])
        self.assertTrue(0 <= answer["follows"] <= 1, answer)
        refused = self.cluster.cli("predict", "fill", "dull dull", check=False)
        self.assertIn("the text has no [MASK]", refused.stdout + refused.stderr)

    def upload_images(self, name):
        """All splits in one archive; the pictures of the report split."""
        rng, files, flags = random.Random(1), {}, []
        archive = self.cluster.folder / f"{name}.tar"
        for split, size in SPLITS.items():
            drawn = tiny.pictures(rng, size)
            files |= tiny.image_files(drawn, f"{split}/")
            flags += [f"--{split}", archive, f"--{split}-under", split]
        tiny.write_archive(archive, files)
        self.cluster.cli("datasets", "upload", name, *flags, "--task", "image-classification")
        return drawn

    def infer(self, model, name, datatype, shape, raw):
        """labels, logits"""
        request = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[raw])
        request.inputs.add(name=name, datatype=datatype, shape=shape)
        for output in ("label", "logits"):
            request.outputs.add(name=output)
        with grpc.insecure_channel(self.cluster.serve) as channel:
            answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=60)
        names, (labels, logits) = [], answer.raw_output_contents
        while labels:
            (length,), labels = struct.unpack("<I", labels[:4]), labels[4:]
            names, labels = [*names, labels[:length].decode()], labels[length:]
        return names, numpy.frombuffer(logits, "f4").reshape(shape[0], -1)

    def test_images_are_trained_and_served_as_files_and_as_pixels(self):
        self.cluster.cli("models", "upload", "vit", tiny.write_vit(self.cluster.folder / "tiny-vit"))
        drawn = self.upload_images("image")
        files = [tiny.png(pixels) for _, pixels in drawn]
        one = self.cluster.folder / "one.png"
        one.write_bytes(files[0])
        report = self.run_job("image", "vit", "--image", one)
        self.check_metric("image-classification", report)

        count = len(files)
        raw = b"".join(struct.pack("<I", len(file)) + file for file in files)
        labels, logits = self.infer("image", "image", "BYTES", [count], raw)
        right = sum(label == truth for label, (truth, _) in zip(labels, drawn))
        metric = report["dense"]["metric"]
        self.assertEqual(metric["count"], count)
        self.assertAlmostEqual(metric["value"], 100 * right / count, places=9)

        planes = numpy.stack([numpy.frombuffer(b"".join(pixels), "u1").reshape(tiny.SIDE, tiny.SIDE, 3).transpose(2, 0, 1)
                              for _, pixels in drawn])
        again, same = self.infer("image", "pixels", "UINT8", planes.shape, planes.tobytes())
        self.assertEqual(again, labels)
        numpy.testing.assert_allclose(same, logits, atol=1e-5)  # another batch may sum in another order

        (row,) = self.cluster.json("predict", "image", "--image", one)["predictions"]
        self.assertEqual((row["image"], row["label"]), (str(one), labels[0]))
        numpy.testing.assert_allclose(row["logits"], logits[0], atol=1e-5)

    def test_questions_are_answered_with_a_part_of_their_context(self):
        report, ask = self.run_task("question-answering", "--pair", "a film")
        self.check_metric("question-answering", report)
        asked_for = json.loads((self.cluster.folder / "question/report.json").read_text())["data"][0]["paragraphs"]
        pairs = [word for one in asked_for for word in ("--pair", one["context"])]
        served = ask(*[QUESTION] * len(asked_for), *pairs)
        f1 = []
        for one, answer in zip(asked_for, served):
            self.assertEqual(one["context"][answer["begin"]:answer["end"]], answer["answer"])
            right = one["qas"][0]["answers"]
            f1.append(squad_f1(answer["answer"], right[0]["text"] if right else ""))
        metrics = {one["name"]: one for one in report["dense"]["metrics"]}
        self.assertEqual(metrics["exact_match"]["count"], SPLITS["report"])
        self.assertAlmostEqual(100 * sum(f1) / len(f1), metrics["f1"]["value"], places=6)
        self.assertAlmostEqual(100 * sum(one == 1 for one in f1) / len(f1), metrics["exact_match"]["value"], places=6)
        self.assertIn("", [answer["answer"] for answer in served])  # no answer is an answer here
        refused = self.cluster.cli("predict", "question", QUESTION, check=False)
        self.assertIn("a question came without its context", refused.stdout + refused.stderr)
        self.cluster.cli("models", "upload", "answers", self.cluster.folder / "question-artifact")
        self.cluster.cli("artifacts", "create", "--from-model", "answers", "--name", "answers")
        self.assertEqual(self.cluster.json("artifacts", "get", "answers")["task"], "question-answering")


if __name__ == "__main__":
    unittest.main()
