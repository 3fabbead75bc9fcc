"""One peer in a process of its own, with the protocol of espalier-bench-engine and a little more.

    python worker.py NAME FOLDER EXPORTS THREADS

A request is a line of JSON on standard input:
    rows | texts   ids of every row; or texts, then with max_length
    together       true: all of them at once, in batches as the engine likes them; false: one after the other
    ragged         whether rows differ in length
    passes         how often, after one that warms up (left out: once)
    logits         true: logits are wanted too
The answer is a line: seconds of every pass, the sum of all logits, logits where they are wanted, info on the engine; or
error.
"""
import json
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import peers  # noqa: E402


class Asked:
    """A request; batches() are timed only where the question is a text."""

    def __init__(self, engine, tokenizer, request):
        self.engine, self.tokenizer = engine, tokenizer
        inputs = request.get("texts") or request["rows"]
        size = engine.batch if request["together"] else 1
        self.parts = [inputs[i:i + size] for i in range(0, len(inputs), size)]
        self.is_text = "texts" in request
        if self.is_text:
            tokenizer.no_padding()
            tokenizer.enable_truncation(request["max_length"])
        else:
            self.ready = [engine.prepare(part) for part in self.parts]

    def batches(self):
        return map(self.read, self.parts) if self.is_text else self.ready

    def read(self, texts):
        return self.engine.prepare([encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts)])


def answer(engine, tokenizer, request):
    asked, seconds = Asked(engine, tokenizer, request), []
    for count in range(request.get("passes", 1) + 1):
        begin = time.perf_counter()
        logits = engine.answer(asked.batches(), request.get("ragged", False))
        took = time.perf_counter() - begin
        if count > 0:
            seconds.append(took)
    out = {"seconds": seconds, "sum": float(logits.sum()), "info": engine.info}
    return out | ({"logits": logits.tolist()} if request.get("logits") else {})


def main():
    name, folder, exports, threads = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    engine = None
    for line in sys.stdin:
        try:
            if engine is None:
                import tokenizers
                engine = peers.load(name, folder, pathlib.Path(exports), int(threads))
                tokenizer = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
            out = answer(engine, tokenizer, json.loads(line))
        except peers.Unfit as error:
            out = {"error": str(error)}
        except Exception as error:  # whatever a library throws is its own turn's end, not the run's
            out = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(out), file=answers, flush=True)


if __name__ == "__main__":
    main()
