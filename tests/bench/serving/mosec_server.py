"""mosec over one of the peers of tests/bench/engine: {"text"} to {"logits"}; the environment says which (servers.py)."""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests/bench/engine"), str(ROOT / ".deps/python")]
from mosec import Server, Worker  # noqa: E402

MAX_LENGTH = 128


class Classifier(Worker):
    def __init__(self):
        super().__init__()
        import peers
        import tokenizers
        folder = os.environ["BENCH_FOLDER"]
        self.engine = peers.load(os.environ["BENCH_PEER"], folder, pathlib.Path(os.environ["BENCH_EXPORTS"]),
                                 int(os.environ["BENCH_THREADS"]))
        self.tokenizer = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_LENGTH)

    def forward(self, data):
        rows = [encoding.ids for encoding in self.tokenizer.encode_batch_fast([one["text"] for one in data])]
        logits = self.engine.answer([self.engine.prepare(rows)], ragged=True)
        return [{"logits": row} for row in logits.tolist()]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Classifier, num=1, max_batch_size=int(os.environ["BENCH_BATCH"]),
                         max_wait_time=int(os.environ["BENCH_WAIT_MS"]))
    server.run()
