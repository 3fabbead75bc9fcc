"""Where the engine's time goes on a CPU: the steps of a layer as shares of what the machine does at most.

    python profile_layer.py --data FOLDER [--model minilm|base|FOLDER] [--precision fp32|bf16|int8] [--bin FOLDER] [--rounds 5]
                            [--trial]

Options as run.py's. In each round the peaks are measured, then every workload, then a layer by the number of tokens
(espalier-bench-layer does these), then two engines of one thread beside one of two (espalier-bench-engine, which all
stay loaded); what is written are medians over rounds. What other processes disturbed is asked again. The name is not
profile.py: that is a module of Python's which torch imports, and scripts of this folder would find this one.
"""
import argparse
import concurrent.futures
import importlib.metadata
import pathlib
import platform
import shlex
import signal
import statistics
import sys

from run import HERE, NAMED, model_folder, name_of, write_results  # first: it says what is not installed
import profile_table
import tokenizers
import workloads
from bench import ENVIRONMENT, LEAST_ROUNDS, THREADS, has, say
from machine import ROOT, commit, machine
from turns import TRIES, Dead, Engine, undisturbed

CURVE = [1, 2, 4, 8, 13, 16, 32, 52, 64, 104, 128, 256, 416, 512, 1024, 4096]  # 13, 52, 104, 416: whole waves
PROGRAMS = ["espalier-bench-layer", "espalier-bench-engine"]


def profiled(asked):
    """Rows of ids by name, of the five that run.py asks."""
    long, sentences = asked[0].rows, asked[4].rows
    return {"32 x 128": long, "1 x 128": long[:1], "1 x 32": asked[2].rows, "1 x 13": [long[0][:profile_table.ROW]],
            "32 as they come": sentences[:workloads.BATCH]}


def rows_of(tokens, ids):
    """So many tokens as rows of ROW, the last one shorter."""
    return [ids[i:min(i + profile_table.ROW, tokens)] for i in range(0, tokens, profile_table.ROW)]


def pairs(asked):
    """Name, rows, together: what one engine answers, or two, each every other row."""
    return [("as they come", asked[4].rows, True), ("32 x 128", asked[0].rows, True), ("one by one", asked[3].rows, False)]


class Profiler:
    """The programs that run, and what they said in each round."""

    def __init__(self, options, folder):
        self.options, self.said, self.disturbed = options, {}, 0
        logs = options.work / name_of(options) / "exports"

        def start(program, threads, log, *settings):
            # Threads wait as those of espalier-serve do (server/common/openmp.h).
            environment = dict(ENVIRONMENT, GOMP_SPINCOUNT="10000", OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
            command = [options.bin / program, folder, f"threads={threads}", f"precision={options.precision}", *settings]
            return Engine(program, command, environment, logs / f"{log}.log")

        layer, engine = PROGRAMS
        self.layer = start(layer, THREADS, "profile_layer")
        self.one = start(engine, THREADS, "profile_one", "rounds=5")
        self.two = [start(engine, THREADS // 2, f"profile_two_{i}", "rounds=5") for i in range(2)]
        self.all = [self.layer, self.one, *self.two]

    def keep(self, kind, name, act):
        """Puts what act() says to the list of that name."""
        answer, disturbed = undisturbed(act, self.all, 1 if self.options.trial else TRIES)
        self.disturbed += disturbed
        self.said.setdefault(kind, {}).setdefault(name, []).append(answer)
        return answer

    def ask_layer(self, kind, name, request):
        answer = self.keep(kind, name, lambda: self.layer.ask({**request, "seconds": self.options.seconds}))

    def rates(self, engines, rows, together):
        """Rows a second of these engines at the same time."""
        shares = [rows[i::len(engines)] for i in range(len(engines))]
        with concurrent.futures.ThreadPoolExecutor(len(engines)) as at_once:
            answers = list(at_once.map(lambda engine, share: engine.ask({"rows": share, "together": together}),
                                       engines, shares))
        return sum(len(share) / statistics.median(answer["seconds"]) for share, answer in zip(shares, answers))

    def one_round(self, asked):
        self.ask_layer("peaks", "peaks", {"peaks": True})
        for name, rows in profiled(asked).items():
            self.ask_layer("workloads", name, {"rows": rows})
        ids = [token for row in asked[0].rows for token in row]
        for tokens in CURVE:
            self.ask_layer("curve", str(tokens), {"rows": rows_of(tokens, ids), "brief": True})
        for name, rows, together in pairs(asked):
            for kind, engines in [("one", [self.one]), ("two", self.two)]:
                self.keep(kind, name, lambda: self.rates(engines, rows, together))

    def results(self, done):
        options = self.options
        found = {kind: {name: profile_table.medians(answers) for name, answers in said.items()}
                 for kind, said in self.said.items() if kind not in ("one", "two")}
        words = ["--data", "FOLDER", "--model", options.model if options.model in NAMED else "FOLDER/" + name_of(options),
                 "--precision", options.precision, "--rounds", str(options.rounds)]
        versions = {package: importlib.metadata.version(package) for package in ("torch", "tokenizers") if has(package)}
        engines = {name: {"one": one, "two": self.said["two"][name]} for name, one in self.said["one"].items()}
        return {"what": f"The engine as it serves, {THREADS} threads, asked SST-2's dev sentences, cut or joined to the tokens "
                        "that are said; medians of rounds.",
                "model": name_of(options), "precision": options.precision,
                "command": shlex.join(["python", "tests/bench/engine/profile_layer.py", *words]), "machine": machine(),
                "versions": {"python": platform.python_version(), **versions}, "commit": commit(),
                "rounds": done, "threads": THREADS, "disturbed": self.disturbed, "peaks": found["peaks"]["peaks"],
                "workloads": found["workloads"], "curve": found["curve"], "engines": engines}

    def close(self):
        for engine in self.all:
            engine.close()


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--minilm", type=pathlib.Path, default=ROOT / ".cache/quickstart/minilm")
    parser.add_argument("--precision", choices=["fp32", "bf16", "int8"], default="fp32")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS)
    parser.add_argument("--seconds", type=float, default=0.3, help="of a measurement, about; at least three passes")
    parser.add_argument("--trial", action="store_true", help="one short round, to see it work; nothing is written")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / ".cache/bench-engine", help="for models and logs")
    parser.add_argument("--results", type=pathlib.Path)
    options = parser.parse_args()
    if options.trial:
        options.rounds, options.seconds = 1, 0
    elif options.rounds < LEAST_ROUNDS:
        parser.error(f"--rounds: a median needs at least {LEAST_ROUNDS}; --trial does one")
    if not (options.data / "sst2/dev.tsv").exists():
        parser.error(f"--data: {options.data} has no sst2/dev.tsv")
    if missing := [name for name in PROGRAMS if not (options.bin / name).exists()]:
        parser.error(f"--bin: {options.bin} has no {missing[0]}: cmake --build build/release --target {' '.join(PROGRAMS)}")
    return options


def main():
    options = read_options()
    folder, _ = model_folder(options)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    asked = workloads.workloads(tokenizer, workloads.read_sst2(options.data / "sst2/dev.tsv")[0])
    path = options.results or HERE.parent / f"results/profile_{name_of(options)}_{options.precision}.json"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # through the programs' end
    profiler = Profiler(options, folder)
    try:
        for done in range(1, options.rounds + 1):
            profiler.one_round(asked)
            say(f"round {done} of {options.rounds}")
            if not options.trial and done >= LEAST_ROUNDS:
                write_results(path, profiler.results(done), profile_table.markdown)
    except Dead as error:
        sys.exit(str(error))
    finally:
        profiler.close()
    print(profile_table.markdown(profiler.results(options.rounds)))


if __name__ == "__main__":
    main()
