"""The engines of a run, from their start to their figures."""
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys

import table
from peers import REFERENCE
from turns import TRIES, Dead, Engine, last_words, turn

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
THREADS, LEAST_ROUNDS, MOST_PASSES = 2, 5, 200
VARIANTS = {"fp32": [""], "low": ["precision=bf16", "precision=int8"]}  # of ours, where no other is asked for
WHEELS = ROOT / ".deps/python"  # the torch that the build links: theirs is the same
ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS=str(THREADS), MKL_NUM_THREADS=str(THREADS), RAYON_NUM_THREADS=str(THREADS),
                   TOKENIZERS_PARALLELISM="true", TRANSFORMERS_OFFLINE="1", HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error",
                   PYTHONPATH=os.pathsep.join(filter(None, [str(WHEELS), os.environ.get("PYTHONPATH")])))


def say(text):
    print(text, flush=True)


def has(module):
    return importlib.util.find_spec(module) is not None


def run_script(name, *words, log):
    """Why it failed, or nothing. In a process of its own: exporters load all there is."""
    with open(log, "w") as errors:
        done = subprocess.run([sys.executable, HERE / name, *map(str, words)], stdout=errors, stderr=errors, env=ENVIRONMENT)
    if done.returncode == 0:
        return None
    say(f"{name} failed: {log}")
    return f"{name} ended with {done.returncode}: {last_words(log)}"


class Bench:
    """Engines that run, those left out and why, and the figures so far."""

    def __init__(self, options, folder, exports):
        self.options, self.folder, self.exports = options, folder, exports
        self.engines, self.skipped, self.facts, self.figures = {}, {}, {}, {}

    def skip(self, name, why):
        self.skipped[name] = why
        say(f"left out: {name}: {why}")
        if engine := self.engines.pop(name, None):
            engine.close()
            self.facts.pop(name, None)
            for workloads in self.figures.values():
                for workload in workloads.values():
                    workload["engines"].pop(name, None)

    def start(self, name, command, ours, first, environment=ENVIRONMENT):
        self.engines[name] = engine = Engine(name, command, environment, self.exports / f"{name.replace(' ', '_')}.log")
        try:
            info = engine.ask(first).get("info", {})
        except Dead as error:
            return self.skip(name, str(error))
        if ours and info["products"] != info["precision"]:
            return self.skip(name, f"this machine computes the products of {info['precision']} in {info['products']}")
        self.facts[name] = {"ours": ours, **info}
        say(f"ready: {name} {json.dumps(info)}")

    def start_ours(self, first):
        program = self.options.ours
        for variant in self.options.variant or VARIANTS[self.options.precision]:
            settings = variant.split(",") if variant else []
            name = " ".join(["espalier", *settings])
            if not program.exists():
                self.skip(name, f"{program.name} is not built: cmake --build build/release --target {program.name}, or --ours PATH")
                continue
            command = [program, self.folder, f"threads={THREADS}", f"rounds={self.options.passes}", *settings]
            # Threads wait as those of espalier-serve do (server/common/openmp.h).
            self.start(name, command, True, first, dict(ENVIRONMENT, GOMP_SPINCOUNT="10000"))

    def start_peers(self, peers, first):
        for name, peer in peers.items():
            if missing := [module for module in peer.needs if not has(module)]:
                self.skip(name, f"not installed: {', '.join(missing)}")
                continue
            if peer.file and (why := run_script("exports.py", self.folder, peer.file, self.exports,
                                                log=self.exports / f"{peer.file}.log")):
                self.skip(name, why)
                continue
            self.start(name, [sys.executable, HERE / "worker.py", name, self.folder, self.exports, THREADS], False, first)

    def each(self, act):
        """act(name, engine) of all who can, the reference first; who dies is left out."""
        for name, engine in list(self.engines.items()):
            try:
                act(name, engine)
            except Dead as error:
                self.skip(name, str(error))

    def close(self):
        for engine in self.engines.values():
            engine.close()


def error_of(answer, reference):
    """Against the reference's answer: the largest difference of a logit, or that of the sums of all."""
    if not reference:
        return {}
    if "logits" not in answer:
        return {"sum_error": abs(answer["sum"] - reference["sum"])}
    pairs = zip(answer["logits"], reference["logits"])
    return {"max_abs_error": max(abs(a - b) for row, other in pairs for a, b in zip(row, other))}


def warm(bench, kind, workload):
    """One question of each engine: what it answers, and how many passes make a turn."""
    answers, passes = {}, {}
    found = bench.figures.setdefault(kind, {})[workload.name] = {
        "texts": len(workload.texts), "tokens": workload.tokens, "engines": {}}
    request = workload.request(kind)

    def ask(name, engine):
        answers[name] = answer = engine.ask({**request, "logits": True})
        wanted = bench.options.seconds / min(answer["seconds"])
        passes[name] = int(max(bench.options.passes, min(wanted, MOST_PASSES)))
        found["engines"][name] = {"passes": passes[name], "seconds": [], "disturbed_turns": 0,
                                  **error_of(answer, answers.get(REFERENCE))}

    bench.each(ask)
    return request, passes


def one_round(bench, kind, workload, request, passes):
    found = bench.figures[kind][workload.name]["engines"]

    def take(name, engine):
        seconds, disturbed = turn(engine, bench.engines.values(), request, passes[name], 1 if bench.options.trial else TRIES)
        found[name]["seconds"].append(statistics.median(seconds))
        found[name]["disturbed_turns"] += disturbed

    bench.each(take)


def measure(bench, kind, workloads, write):
    """Rounds over all workloads; figures are written after each from the fifth on, and may then be interrupted."""
    warmed = [(workload, *warm(bench, kind, workload)) for workload in workloads]
    for done in range(1, bench.options.rounds + 1):
        for workload, request, passes in warmed:
            one_round(bench, kind, workload, request, passes)
        for workload in workloads:  # who died has no figures any more
            found = bench.figures[kind][workload.name]
            for one in found["engines"].values():
                one["sentences_per_second"] = round(len(workload.texts) / statistics.median(one["seconds"]), 1)
            found["ours"] = table.compare(found["engines"], bench.facts)
        say(f"{kind}: round {done} of {bench.options.rounds}")
        if done >= min(LEAST_ROUNDS, bench.options.rounds):
            write(done)


def measure_accuracy(bench, rows, labels):
    def ask(name, engine):
        answer = engine.ask({"rows": rows, "together": True, "ragged": True, "logits": True})
        if "logits" in answer:
            right = sum(max(range(len(row)), key=row.__getitem__) == label for row, label in zip(answer["logits"], labels))
            bench.facts[name]["accuracy"] = round(100 * right / len(labels), 2)

    bench.each(ask)


