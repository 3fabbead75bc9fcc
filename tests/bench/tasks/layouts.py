"""Benchmark data as its authors publish it -> files and flags for `espalier datasets upload`.

The published dev or test file is the split that figures are reported on. `select` is carved from train by the service.
Nothing is calibrated in a dense job, so the smallest part of train that can stand alone is its `calibrate`: without
one the service would carve a tenth for it.
"""
import io
import json
import tarfile
from typing import NamedTuple


class Table(NamedTuple):
    """TSV as GLUE has it; kept byte for byte, quotes, BOM and all."""
    flags: list
    header: bool = True

    def write(self, source, folder):
        return split_rows((source / "train.tsv").read_bytes(), self.header, source / "dev.tsv", folder) + self.flags


def split_rows(train, header, report, folder):
    """The last row of train stands for calibrate."""
    rest, last = train.rstrip(b"\n").rsplit(b"\n", 1)
    head = rest.split(b"\n", 1)[0] + b"\n" if header else b""
    (folder / "train.tsv").write_bytes(rest + b"\n")
    (folder / "calibrate.tsv").write_bytes(head + last + b"\n")
    return files(folder / "train.tsv", folder / "calibrate.tsv", report)


def files(train, calibrate, report):
    return ["--train", train, "--calibrate", calibrate, "--report", report]


class Trec:
    """Latin-1 lines "COARSE:fine question"; the coarse class is the label."""

    @staticmethod
    def table(path):
        rows = []
        for line in path.read_bytes().decode("latin-1").rstrip("\n").split("\n"):
            classes, question = line.rstrip("\r").split(" ", 1)
            rows.append(f"{classes.split(':')[0]}\t{question}\n")
        return "".join(["label\ttext\n", *rows]).encode()

    def write(self, source, folder):
        (folder / "report.tsv").write_bytes(self.table(source / "TREC.test.raw"))
        return split_rows(self.table(source / "TREC.train.raw"), True, folder / "report.tsv", folder)


class Squad:
    """Official JSON; the last paragraph of train stands for calibrate."""

    def write(self, source, folder):
        train = json.loads((source / "train-v1.1-first.json").read_text(encoding="utf-8"))
        last = train["data"][-1]
        held_out = {**last, "paragraphs": [last["paragraphs"].pop()]}
        (folder / "train.json").write_text(json.dumps(train))
        (folder / "calibrate.json").write_text(json.dumps({**train, "data": [held_out]}))
        return files(folder / "train.json", folder / "calibrate.json", source / "dev-v1.1.json") + [
            "--task", "question-answering"]


class Cifar:
    """One archive of train/CLASS/*.jpg and test/CLASS/*.jpg -> one a split; calibrate is train's first image of a class."""

    def write(self, source, folder):
        paths = {split: folder / f"{split}.tar" for split in ("train", "calibrate", "report")}
        archives = {split: tarfile.open(path, "w") for split, path in paths.items()}
        seen = set()
        with tarfile.open(source / "cifar10-jpg.tar.xz", "r|xz") as images:
            for entry in images:
                if not entry.isfile():
                    continue
                part, name, image = entry.name.split("/")[-3:]
                split = "report" if part == "test" else "train" if name in seen else "calibrate"
                if part != "test":
                    seen.add(name)
                out = tarfile.TarInfo(f"{name}/{image}")
                out.size = entry.size
                archives[split].addfile(out, io.BytesIO(images.extractfile(entry).read()))
        for archive in archives.values():
            archive.close()
        return files(*paths.values()) + ["--task", "image-classification"]


LAYOUTS = {
    "sst2": Table(["--text-column", "sentence"]),
    "mrpc": Table(["--text-column", "#1 String", "--text-pair-column", "#2 String", "--label-column", "Quality"]),
    "rte": Table(["--text-column", "sentence1", "--text-pair-column", "sentence2"]),
    "cola": Table(["--column-names", "source,label,mark,sentence", "--text-column", "sentence", "--metric", "matthews"],
                  header=False),
    "stsb": Table(["--text-column", "sentence1", "--text-pair-column", "sentence2", "--task", "regression"]),
    "trec": Trec(),
    "squad": Squad(),
    "cifar10": Cifar(),
}
