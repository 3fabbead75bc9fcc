"""Requests a second and latency of espalier-serve beside the servers that users have, one generator, one machine.

    python run.py --data FOLDER [--bin FOLDER] [--precision bf16,int8] [--artifact NAME=FOLDER]... [--rounds 5] [--seconds 8]
                  [--only NAME,...] [--trial]

All serve one MiniLM classifier to two threads each, texts in and logits out: ours over HTTP and gRPC, mosec over
onnxruntime (fp32), mosec over OpenVINO (bf16, or fp32 where the CPU has no bf16; the result says which). --precision adds
ours in these, --artifact one more of ours, whatever it is. FOLDER of --data is the benchmark data: sst2/dev.tsv is read.

All servers are loaded at the start, one is asked at a time. In each round each has a turn of each point: closed loops of
1, 8, 32 and 128 connections, and open loops of 50 and 80 % of what it managed in the first round. Every answer is
compared with the reference's. A turn in which others computed is taken again. CPU is the server's whole process tree,
counted apart from the generator's. Results go to results/serving.json, tables to serving.md.
"""
import contextlib
import importlib.metadata
import json
import pathlib
import platform
import signal
import sys

HERE = pathlib.Path(__file__).resolve().parent
BENCH = HERE.parent
sys.path[:0] = [str(HERE), str(BENCH), str(BENCH / "engine"), str(BENCH.parents[1] / ".deps/python")]
import serving_table  # noqa: E402
from load import Failed, Load, count, find_program, protocol_body, read_sentences, write_lines  # noqa: E402
from machine import ROOT, commit, machine  # noqa: E402
from options import add_minilm, parser_of  # noqa: E402
from servers import Broken, Espalier, Mosec, machine_seconds  # noqa: E402

THREADS, LEAST_ROUNDS, TRIES = 2, 5, 3
DISTURBED = 0.08  # of a core, beside 20 ms
CLOSED, OPEN = [1, 8, 32, 128], [0.5, 0.8]
MOST_CONNECTIONS, CHANNELS = 900, 8  # of an open loop
TOLERANCE = {"fp32": 1e-3, "bf16": 0.1, "int8": 0.5}  # of a logit
PACKAGES = ["mosec", "onnxruntime", "openvino", "tokenizers"]


def say(text):
    print(text, flush=True)


class Rival:
    """A server and the way it is asked."""

    def __init__(self, name, server, precision, bodies, over="http"):
        self.name, self.server, self.precision, self.bodies, self.over = name, server, precision, bodies, over
        self.ours = isinstance(server, Espalier)

    def load(self, program, expected, **options):
        how = {"grpc": self.server.model} if self.over == "grpc" else {"path": self.server.path, "pointer": self.server.pointer}
        if self.over == "grpc" and "phases" in options:
            options["channels"] = CHANNELS
        target = self.server.grpc if self.over == "grpc" else self.server.address
        return Load(program, target, self.bodies, expect=expected, tolerance=TOLERANCE[self.precision], **how, **options)


def prepare(options, precision="fp32"):
    """The model's folder, its exports and our artifact of it in this precision; made once, by the scripts of `engine`."""
    from bench import run_script
    folder, exports = options.work / "minilm/model", options.work / "minilm/exports"
    artifact = options.work / "minilm" / ("artifact" if precision == "fp32" else f"artifact-{precision}")
    exports.mkdir(parents=True, exist_ok=True)
    steps = [(folder, "models.py", ["minilm", options.minilm, folder]), (exports / "fused.onnx", "exports.py", [folder, "fused.onnx", exports]),
             (artifact, HERE / "artifact.py", [folder, artifact, precision])]
    for made, script, words in steps:
        if not made.exists():
            say(f"making {made.name} ...")
            if why := run_script(script, *words, log=exports / f"{made.name}.log"):
                sys.exit(why)
    return folder, exports, artifact


def reference_logits(folder, exports, texts):
    """What onnxruntime answers in fp32, text by text."""
    import peers
    import tokenizers
    from workloads import MAX_LENGTH, ids_of
    engine = peers.load("onnxruntime fused", folder, exports, THREADS)
    rows = ids_of(tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")), texts, MAX_LENGTH)
    return [engine.answer([engine.prepare([row])], ragged=True)[0].tolist() for row in rows]


def openvino_peer():
    """The peer's name and precision; the reason where it is not the one we wanted."""
    import openvino
    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" in able:
        return "OpenVINO bf16 latency", "bf16", None
    return "OpenVINO f32 latency", "fp32", f"OpenVINO runs in fp32: this CPU has no bf16 ({', '.join(able)})"


def start_all(options, stack, notes):
    """Rivals by name; who does not start is left out and named."""
    folder, exports, artifact = prepare(options)
    logs = options.work / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    texts = read_sentences(options.data / "sst2/dev.tsv")
    protocol = write_lines(options.work / "protocol.txt", [protocol_body(text) for text in texts])
    plain = write_lines(options.work / "mosec.txt", [{"text": text} for text in texts])
    expected = write_lines(options.work / "expected.txt", reference_logits(folder, exports, texts))
    peer, precision, why = openvino_peer()
    if why:
        notes["precision"] = why
    rivals = {}

    def add(name, make, *ways):
        if options.only and name not in options.only.split(","):
            return
        try:
            server = stack.enter_context(make())
        except (Broken, OSError) as error:
            notes[name] = str(error)
            say(f"left out: {name}: {error}")
            return
        for label, precision, *how in ways:
            if isinstance(server, Espalier) and server.products() != precision:
                notes[label] = f"this machine multiplies its weights of {precision} in {server.products()}"
                precision = server.products()
            rivals[label] = Rival(label, server, precision, *how)
        say(f"ready: {name}")

    serve = pathlib.Path(options.bin) / "espalier-serve"
    ours = [("espalier", artifact), *((f"espalier {one}", prepare(options, one)[2]) for one in options.precision)]
    for name, where in [*ours, *(one.split("=", 1) for one in options.artifact)]:
        stored = json.loads((pathlib.Path(where) / "espalier.json").read_text())["precision"]
        add(name, lambda: Espalier(serve, logs / f"{name}.log", "minilm", artifact=where, threads=THREADS),
            (f"{name} HTTP", stored, protocol), (f"{name} gRPC", stored, protocol, "grpc"))
    for label, engine, kind in [("mosec onnxruntime", "onnxruntime fused", "fp32"), (f"mosec OpenVINO {precision}", peer, precision)]:
        add(label, lambda: Mosec(logs / f"{label.replace(' ', '_')}.log", engine, folder, exports, THREADS), (label, kind, plain))
    return rivals, expected


def take(rival, program, expected, options, **how):
    """One turn of a point: latencies, goodput, and CPU a request of server and generator."""
    marks = []

    def mark():
        marks.append((machine_seconds(), rival.server.sample()))

    found = rival.load(program, expected, warm_up=options.warm_up, **how).wait(mark, mark)
    (machine_before, before), (machine_after, after) = marks
    phase = found["phases"][0]
    spent = {key: after[key] - before[key] for key in before}
    answered = max(count(phase, "200", "OK"), 1)
    out = {"goodput": phase["goodput"], "requests": phase["requests"], "good": phase["good"],
           "mismatches": found["mismatches"]["count"],
           "other_outcomes": {key: value["count"] for key, value in phase["outcomes"].items() if key not in ("200", "OK")},
           **{key: value for one in ("200", "OK") for key, value in phase["outcomes"].get(one, {}).items() if key != "count"},
           "late_p99_ms": phase["late"].get("p99_ms"), "server_cpu_ms": 1e3 * spent["cpu"] / answered,
           "generator_cpu_ms": 1e3 * found["cpu_seconds"] / answered, "server_cores": spent["cpu"] / phase["seconds"],
           "others_cores": (machine_after - machine_before - spent["cpu"] - found["cpu_seconds"]) / phase["seconds"]}
    if rival.ours:
        out |= {"batch_rows": spent["rows"] / max(spent["batches"], 1), "busy": spent["busy"] / phase["seconds"]}
        if spent["engine_cpu"] > 0:
            out |= {"engine_cpu_ms": 1e3 * spent["engine_cpu"] / answered,
                    "own_cpu_ms": 1e3 * (spent["cpu"] - spent["engine_cpu"]) / answered,
                    "own_share": (spent["cpu"] - spent["engine_cpu"]) / spent["engine_cpu"]}
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in out.items()}


def turn(rival, program, expected, options, **how):
    for tries in range(1 if options.trial else TRIES):
        found = take(rival, program, expected, options, **how)
        if found["others_cores"] <= DISTURBED + 0.02 / options.seconds:
            break
    return found | {"tries": tries + 1}


def one_round(rivals, figures, program, expected, options):
    for rival in rivals.values():
        points = figures.setdefault(rival.name, {"ours": rival.ours, "precision": rival.precision, "points": {}})
        for connections in CLOSED:
            found = turn(rival, program, expected, options, connections=connections, seconds=options.seconds)
            points["points"].setdefault(f"{connections} connections", []).append(found)
            say(f"{rival.name}, {connections} connections: {found['goodput']:.0f}/s, p99 {found.get('p99_ms')} ms")
        points.setdefault("capacity", max(each[0]["goodput"] for each in points["points"].values()))
        for share in OPEN:
            phases = f"{max(points['capacity'] * share, 1):.2f}:{options.seconds}"
            found = turn(rival, program, expected, options, connections=MOST_CONNECTIONS, phases=phases)
            points["points"].setdefault(f"{share:.0%} of capacity", []).append(found)
            say(f"{rival.name}, {share:.0%} of {points['capacity']:.0f}/s: p99 {found.get('p99_ms')} ms")


def results_of(figures, notes, options, rounds):
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    return {"what": "One MiniLM classifier, SST-2's dev sentences one a request, text in and logits out; servers on two threads, "
                    "generator on the same machine. Latencies of an open loop count from when a request was due. A server's CPU is "
                    "its process tree's; of ours, what is not spent by the engine's threads is its own.",
            "machine": machine(), "versions": {"python": platform.python_version(), **versions}, "commit": commit(),
            "rounds": rounds, "seconds": options.seconds, "threads": THREADS, "notes": notes, "figures": figures}


def write_results(path, results):
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(results, indent=1) + "\n")
    aside.replace(path)
    serving_table.write(path)


def read_options():
    parser = parser_of(__doc__)
    add_minilm(parser)
    parser.add_argument("--artifact", action="append", default=[], metavar="NAME=FOLDER", help="one more of ours")
    parser.add_argument("--precision", type=lambda words: words.split(","), default=[], metavar="NAME,...",
                        help="bf16, int8: \"espalier bf16\", made of the same model")
    parser.add_argument("--only", help="espalier, the --artifact names, \"mosec onnxruntime\", ...; with commas")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS)
    parser.add_argument("--seconds", type=float, default=8, help="of a turn that count")
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--trial", action="store_true", help="one short round, to see it work; nothing is written but --results")
    parser.add_argument("--results", type=pathlib.Path)
    options = parser.parse_args()
    if options.trial:
        options.rounds, options.seconds, options.warm_up = 1, 1.5, 0.5
    elif options.rounds < LEAST_ROUNDS:
        parser.error(f"--rounds: a median needs at least {LEAST_ROUNDS}; --trial does one")
    if not (options.data / "sst2/dev.tsv").exists():
        parser.error(f"--data: {options.data} has no sst2/dev.tsv")
    return options


def main():
    options = read_options()
    path = options.results or (None if options.trial else BENCH / "results/serving.json")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # through the servers' end
    figures, notes = {}, {}
    try:
        program = find_program(options.bin)
        with contextlib.ExitStack() as stack:
            rivals, expected = start_all(options, stack, notes)
            for done in range(1, options.rounds + 1):
                one_round(rivals, figures, program, expected, options)
                say(f"round {done} of {options.rounds}")
                if path and (options.trial or done >= LEAST_ROUNDS):
                    write_results(path, results_of(figures, notes, options, done))
    except (Failed, Broken) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    print(serving_table.markdown(results_of(figures, notes, options, options.rounds)))


if __name__ == "__main__":
    main()
