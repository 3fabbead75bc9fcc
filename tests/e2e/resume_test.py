"""A job of every task, killed (-9) at a random step behind a checkpoint, ends in the weights of an undisturbed one."""
import concurrent.futures
import contextlib
import json
import random
import threading
import unittest
from typing import Callable, NamedTuple

import tiny
from cluster import Cluster, wait_for
from tasks_test import ROWS, words

STEPS = 500  # some seconds: a checkpoint is kept well before the last one
SPLITS = {"train": 256, "select": 48, "calibrate": 48, "report": 48}
CORES = 2  # services at a time


class Task(NamedTuple):
    name: str
    write: Callable  # (path without extension, random, rows) -> path: a split
    model: str = "bert"


def lines(row):
    """Splits of JSON lines, each a row made from some words."""
    def write(stem, rng, size):
        path = stem.with_suffix(".jsonl")
        path.write_text("".join(json.dumps(row(words(rng))) + "\n" for _ in range(size)))
        return path
    return write


def squad(stem, rng, size):
    """Asks for the one good word of a context."""
    paragraphs = []
    for number in range(size):
        before, after = ([rng.choice(tiny.PLAIN) for _ in range(rng.randint(1, 6))] for _ in range(2))
        answer = {"text": rng.choice(tiny.GOOD), "answer_start": len(" ".join(before)) + 1}
        paragraphs.append({"context": " ".join([*before, answer["text"], *after]),
                           "qas": [{"id": f"{stem.name}-{number}", "question": "was it good ?", "answers": [answer]}]})
    path = stem.with_suffix(".json")
    path.write_text(json.dumps({"version": "1.1", "data": [{"title": "films", "paragraphs": paragraphs}]}))
    return path


def images(stem, rng, size):
    return tiny.write_archive(stem.with_suffix(".tar"), tiny.image_files(tiny.pictures(rng, size)))


def positive(one):
    return {"text": " ".join(one), "label": "yes" if set(one) & set(tiny.GOOD) else "no"}


TASKS = [Task("text-classification", lines(positive)), Task("regression", lines(ROWS["regression"])),
         Task("multi-label-classification", lines(ROWS["multi-label-classification"])),
         Task("token-classification", lines(ROWS["token-classification"])), Task("question-answering", squad),
         Task("fill-mask", lines(lambda one: {"text": " ".join(one)})), Task("image-classification", images, model="vit")]


starting = threading.Lock()  # a port that is free for two services is taken by one


class Experiment:
    """One task's service and data; enough of them side by side keep the cores busy."""

    def __init__(self, cluster, task):
        self.cluster, self.task = cluster, task
        folder, rng, files = cluster.folder / "data-set", random.Random(1), []
        folder.mkdir()
        for split, size in SPLITS.items():
            files += [f"--{split}", task.write(folder / split, rng, size)]
        write_model = {"bert": tiny.write_model, "vit": tiny.write_vit}[task.model]
        cluster.cli("models", "upload", "tiny", write_model(cluster.folder / "tiny"))
        cluster.cli("datasets", "upload", "rows", *files, "--task", task.name)

    def submit(self, name):
        self.cluster.cli("jobs", "submit", "--base", "dense", "--model", "tiny", "--dataset", "rows", "--name", name,
                         "--set", f"finetune.steps={STEPS}", "--set", "finetune.learning_rate=1e-3")

    def kill_at(self, name, step):
        """kill -9 of the worker when the job has come to the step and a checkpoint of it is kept."""
        kept = f"checkpoint of projects/default/jobs/{name} committed"
        log = self.cluster.folder / "data/logs/espalier-worker.log"

        def reached():
            progress = self.cluster.json("jobs", "get", name).get("progress", {})
            return progress.get("phase") == "finetune" and progress.get("step", 0) >= step and kept in log.read_text()
        wait_for(f"{self.task.name} to reach step {step} and a checkpoint", reached, seconds=300, every=0.2)
        self.cluster.kill("espalier-worker")

    def weights(self, name):
        def ended():
            job = self.cluster.json("jobs", "get", name)
            return job["state"] not in ("STATE_QUEUED", "STATE_RUNNING") and job
        job = wait_for(f"{name} of {self.task.name} to end", ended, seconds=300, every=0.2)
        assert job["state"] == "STATE_SUCCEEDED", job
        return self.cluster.json("artifacts", "get", name)["weights_sha256"]

    def resumed(self, name):
        return self.cluster.json("artifacts", "report", name)["resumed"]


def run(task, step):
    """(weights of the killed job, whether it went on from its checkpoint, weights of the undisturbed one)"""
    with contextlib.ExitStack() as stack:
        with starting:
            cluster = stack.enter_context(Cluster("--checkpoint-seconds", "1", "--lease-seconds", "4"))
        experiment = Experiment(cluster, task)
        experiment.submit("killed")
        experiment.kill_at("killed", step)
        experiment.submit("undisturbed")
        return experiment.weights("killed"), experiment.resumed("killed"), experiment.weights("undisturbed")


class Resume(unittest.TestCase):
    def test_a_killed_job_of_every_task_ends_in_the_weights_of_an_undisturbed_one(self):
        with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
            steps = [random.randint(1, STEPS // 3) for _ in TASKS]
            runs = [pool.submit(run, task, step) for task, step in zip(TASKS, steps)]
            for task, step, ended in zip(TASKS, steps, runs):
                with self.subTest(task=task.name, killed_at=step):
                    weights, resumed, undisturbed = ended.result()
                    self.assertTrue(resumed, "it was not killed behind a checkpoint and before its end")
                    self.assertEqual(weights, undisturbed)


if __name__ == "__main__":
    unittest.main()
