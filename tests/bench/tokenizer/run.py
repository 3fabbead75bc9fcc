"""Sentences a second, ours and `tokenizers.encode_batch_fast`, one thread each, in turns on one machine.

    python run.py --bin BUILD/bin --data FOLDER [--rounds 7] [--results FILE]

FOLDER is the benchmark data: sst2/train.tsv and vocab/bert-base-uncased-vocab.txt are read. WordPiece has that
vocabulary; byte-level BPE has one of about 8,000 merges, trained on the sentences.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"], os.environ["RAYON_NUM_THREADS"] = "false", "1"  # before it is loaded

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(HERE.parent)]
from machine import commit, machine  # noqa: E402

MAX_LENGTH = 128


class Ours:
    def __init__(self, binary, folder, texts):
        self.process = subprocess.Popen([binary, folder, texts, str(MAX_LENGTH)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def round(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Theirs:
    def __init__(self, tokenizer, texts):
        self.tokenizer, self.texts = tokenizer, texts
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_LENGTH)

    def round(self):
        begin = time.perf_counter()
        encodings = self.tokenizer.encode_batch_fast(self.texts)
        seconds = time.perf_counter() - begin
        return {"seconds": seconds, "texts": len(self.texts), "tokens": sum(len(one.ids) for one in encodings)}


def compare(binary, comparison, texts, file, rounds):
    ours, theirs = Ours(binary, comparison.folder, file), Theirs(comparison.theirs, texts)
    for side in (ours, theirs):  # warm up
        side.round()
    turns = [(ours.round(), theirs.round()) for _ in range(rounds)]
    ours.close()
    assert {one["tokens"] for turn in turns for one in turn} == {turns[0][0]["tokens"]}, "the tokens differ"
    seconds = [[turn[side]["seconds"] for turn in turns] for side in (0, 1)]
    medians = [statistics.median(one) for one in seconds]
    return {"texts": len(texts), "tokens": turns[0][0]["tokens"], "seconds": {"espalier": seconds[0], "tokenizers": seconds[1]},
            "texts_per_second": {"espalier": round(len(texts) / medians[0]), "tokenizers": round(len(texts) / medians[1])},
            "times_faster": round(medians[1] / medians[0], 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=pathlib.Path, default=HERE.parent / "results/tokenizer.json")
    options = parser.parse_args()
    if options.rounds < 5:
        parser.error("--rounds: a median needs at least 5")
    os.environ["ESPALIER_DATA"] = str(options.data)
    import tokenizers
    import tokenizer_test

    texts = [row[0] for row in tokenizer_test.rows(options.data / "sst2/train.tsv")]
    out = {"what": "SST-2 train sentences encoded with special tokens, one thread; medians of rounds taken in turns",
           "machine": machine(), "versions": {"tokenizers": tokenizers.__version__, "python": platform.python_version()},
           "commit": commit(), "rounds": options.rounds}
    with tempfile.TemporaryDirectory(prefix="espalier-bench-") as root:
        root = pathlib.Path(root)
        file = root / "texts"
        file.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
        for name in ("wordpiece", "bpe"):
            (root / name).mkdir()
        made = {"wordpiece": tokenizer_test.wordpiece(root / "wordpiece", options.data / "vocab/bert-base-uncased-vocab.txt", True),
                "bpe": tokenizer_test.byte_level(root / "bpe")}
        for name, comparison in made.items():
            out[name] = compare(options.bin / "espalier-bench-tokenizer", comparison, texts, file, options.rounds)
            print(name, out[name]["texts_per_second"], f"{out[name]['times_faster']} times")
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
