"""The options that the scripts of this folder share."""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from machine import ROOT  # noqa: E402


def parser_of(what):
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / ".cache/bench-serving")
    return parser


def add_threads(parser):
    parser.add_argument("--threads", type=int, default=2)


def add_minilm(parser):
    parser.add_argument("--minilm", type=pathlib.Path, default=ROOT / ".cache/quickstart/minilm")


def add_classifier(parser):
    parser.add_argument("--artifact", type=pathlib.Path, help="a classifier of texts; without it MiniLM, as run.py makes it")
    add_minilm(parser)
