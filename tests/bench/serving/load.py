"""espalier-bench-load as Python starts it, and the files that it asks from."""
import csv
import json
import pathlib
import random
import subprocess

PROGRAM = "espalier-bench-load"


def read_sentences(path):
    """SST-2's, shuffled once."""
    with open(path, newline="", encoding="utf-8") as table:
        rows = list(csv.reader(table, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    return random.Random(0).sample([row[0].strip() for row in rows], len(rows))


def protocol_body(text, outputs=("logits",), **parameters):
    """One text, as the Open Inference Protocol asks for it."""
    body = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}],
            "outputs": [{"name": name} for name in outputs]}
    return body | ({"parameters": parameters} if parameters else {})


def write_lines(path, documents):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return path


class Failed(Exception):
    """The generator could not run, and why."""


class Load:
    """A generator that runs. Options are its own: seconds=8 is --seconds 8; what is None is left out."""

    def __init__(self, program, target, bodies, **options):
        words = [program, "--target", target, "--bodies", bodies]
        for name, value in options.items():
            if value is not None:
                words += ["--" + name.replace("_", "-"), value]
        self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait(self, begins=lambda: None, ends=lambda: None):
        """Its figures; calls begins() and ends() when what counts does."""
        last = ""
        for line in self.process.stdout:
            last = line.strip()
            if last == "measuring":
                begins()
            elif last == "measured":
                ends()
        errors = self.process.stderr.read().strip()
        if self.process.wait() != 0:
            raise Failed(errors or f"{PROGRAM} ended with {self.process.returncode}")
        return json.loads(last)


def read_log(path):
    """(due in seconds, latency in ms, phase, outcome) of every request, by when they were due."""
    with open(path, newline="") as table:
        rows = [(float(row["due_s"]), float(row["latency_ms"]), int(row["phase"]), row["outcome"]) for row in csv.DictReader(table)]
    return sorted(rows)


def count(figures, *outcomes):
    return sum(figures["outcomes"].get(outcome, {}).get("count", 0) for outcome in outcomes)


def percentile(values, share):
    """By rank, as the generator does it."""
    ordered = sorted(values)
    return ordered[max(-(-int(share * 1000) * len(ordered) // 1000), 1) - 1] if ordered else None


def find_program(folder, name=PROGRAM):
    path = pathlib.Path(folder) / name
    if not path.exists():
        raise Failed(f"{name} is not in {folder}: cmake --build build/release --target {name}, or --bin FOLDER")
    return path
