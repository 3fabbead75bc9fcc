"""Sentences a second of our engine and of those that users have, same weights and threads, in turns on one machine.

    python run.py --data FOLDER [--model minilm|base|FOLDER] [--precision fp32|low] [--ours BIN/espalier-bench-engine]
                  [--variant key=value,...]... [--text] [--compile] [--only NAME,...]
                  [--rounds 5] [--trial]

FOLDER of --data is the benchmark data: sst2 is read. Models: MiniLM's weights or those of a random BERT base, with one
fresh head; or a fine-tuned Hugging Face folder, whose accuracy on the dev file is then measured too. Each --variant is
an engine of ours with these settings (backend=packed; precision=bf16); without any there is one as it comes or, with
--precision low, one in bf16 and one in int8. One whose products this machine computes in another format is left out.

Every engine is a process, all are loaded at the start, one is awake at a time. In each round each engine has a turn of
each workload: a pass that warms up and several that count. A turn's figure is the median of its passes; what is
written is the median over rounds; ratios are of turns of the same round. A turn in which other processes computed is
taken again. Engines that pad get rows as they come, 32 at a time; batches are made before the clock starts, with --text
behind it. torch.compile takes minutes to start, so only with --compile. OpenVINO's throughput hint has several batches
in flight, one by one too.
"""
import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import random
import shlex
import signal
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[2] / ".deps/python")]
try:
    import numpy  # noqa: F401  what all peers speak
    import tokenizers
except ImportError as error:
    sys.exit(f"{error.name} is not installed here: pip install -r {HERE / 'requirements.txt'}, into a venv of its own")
import peers  # noqa: E402
import table  # noqa: E402
import workloads  # noqa: E402
from bench import LEAST_ROUNDS, THREADS, Bench, has, measure, measure_accuracy, run_script, say  # noqa: E402
from machine import ROOT, commit, machine  # noqa: E402

CALIBRATION = 300  # training sentences, for OpenVINO's int8
PACKAGES = ["torch", "transformers", "tokenizers", "onnxruntime", "onnx", "openvino", "nncf", "ctranslate2"]
NAMED = ["minilm", "base"]


def model_folder(options):
    """The Hugging Face folder of all engines, and a place for what is made of it."""
    given = options.model not in NAMED
    folder = pathlib.Path(options.model) if given else options.work / options.model / "model"
    exports = options.work / name_of(options) / "exports"
    exports.mkdir(parents=True, exist_ok=True)
    if not given and not (folder / "config.json").exists():
        say(f"writing {folder} ...")
        if why := run_script("models.py", options.model, options.minilm, folder, log=exports / "model.log"):
            sys.exit(why)
    for file in ("config.json", "tokenizer.json", "model.safetensors"):
        if not (folder / file).exists():
            sys.exit(f"--model: {folder} has no {file}; known: minilm, base, or a folder as transformers saves it")
    return folder, exports


def command(options):
    """What was run, without the machine's paths."""
    words = ["--data", "FOLDER", "--model", options.model if options.model in NAMED else "FOLDER/" + name_of(options),
             "--precision", options.precision, "--rounds", str(options.rounds)]
    words += ["--passes", str(options.passes), "--seconds", f"{options.seconds:g}"]
    for variant in options.variant or []:
        words += ["--variant", variant]
    words += [flag for flag, on in [("--text", options.text), ("--compile", options.compile)] if on]
    return shlex.join(["python", "tests/bench/engine/run.py", *words, *(["--only", options.only] if options.only else [])])


def results_of(bench, options, done):
    versions = {package: importlib.metadata.version(package) for package in PACKAGES if has(package)}
    return {"what": f"Sentences answered a second by engines with the same weights, {THREADS} threads each, in turns; medians of "
                    "rounds. SST-2's dev sentences: joined and cut to the length that is said, one by one, and 256 as they come.",
            "model": name_of(options), "precision": options.precision, "command": command(options), "machine": machine(),
            "versions": {"python": platform.python_version(), **versions}, "commit": commit(), "rounds": done,
            "threads": THREADS, "engines": bench.facts, "skipped": bench.skipped, "figures": bench.figures}


def write_results(path, results, markdown):
    """The file itself and, beside it, its tables."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(results, indent=1) + "\n")
    aside.replace(path)
    path.with_suffix(".md").write_text(markdown(results))


def choose(parser, options):
    known = peers.chosen(options.precision, options.compile)
    if not options.only:
        return known
    names = {peers.REFERENCE, *options.only.split(",")}
    if unknown := names - set(known):
        parser.error(f"--only: unknown {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return {name: peer for name, peer in known.items() if name in names}


def write_calibration(train, exports):
    path = exports / "calibration.json"
    if train.exists() and not path.exists():
        path.write_text(json.dumps(random.Random(0).sample(workloads.read_sst2(train)[0], CALIBRATION)))


def name_of(options):
    return options.model if options.model in NAMED else pathlib.Path(options.model).resolve().name


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--minilm", type=pathlib.Path, default=ROOT / ".cache/quickstart/minilm")
    parser.add_argument("--precision", choices=["fp32", "low"], default="fp32", help="low: bf16 and int8 in one run")
    parser.add_argument("--ours", type=pathlib.Path, default=ROOT / "build/release/bin/espalier-bench-engine")
    parser.add_argument("--variant", action="append", metavar="KEY=VALUE,...", help="settings of one of ours; again for one more")
    parser.add_argument("--text", action="store_true", help="from text to the answer, after from ids")
    parser.add_argument("--compile", action="store_true", help="torch.compile too")
    parser.add_argument("--only", help="peers by name, with commas; the reference is always there")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS)
    parser.add_argument("--passes", type=int, default=3, help="of a turn, at least")
    parser.add_argument("--seconds", type=float, default=0.4, help="of a turn, about, where that is more")
    parser.add_argument("--trial", action="store_true", help="one round of one pass, to see it work; nothing is written")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / ".cache/bench-engine", help="for models and exports")
    parser.add_argument("--results", type=pathlib.Path)
    return parser, parser.parse_args()


def main():
    parser, options = read_options()
    if options.trial:
        options.rounds, options.passes, options.seconds = 1, 1, 0
    elif options.rounds < LEAST_ROUNDS:
        parser.error(f"--rounds: a median needs at least {LEAST_ROUNDS}; --trial does one")
    chosen = choose(parser, options)
    if not (options.data / "sst2/dev.tsv").exists():
        parser.error(f"--data: {options.data} has no sst2/dev.tsv")
    folder, exports = model_folder(options)
    sentences, labels = workloads.read_sst2(options.data / "sst2/dev.tsv")
    write_calibration(options.data / "sst2/train.tsv", exports)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    asked = workloads.workloads(tokenizer, sentences)
    path = options.results or HERE.parent / f"results/engine_{name_of(options)}_{options.precision}.json"
    bench = Bench(options, folder, exports)

    def write(done):
        if not options.trial:
            write_results(path, results_of(bench, options, done), table.markdown)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # through the engines' end
    try:
        first = {"rows": asked[2].rows, "together": True}
        bench.start_peers(chosen, first)
        bench.start_ours(first)
        if not bench.engines:
            sys.exit("no engine runs")
        if options.model not in NAMED:
            measure_accuracy(bench, workloads.ids_of(tokenizer, sentences, workloads.MAX_LENGTH), labels)
        for kind in ["ids", "text"] if options.text else ["ids"]:
            measure(bench, kind, asked, write)
    except KeyboardInterrupt:
        say("interrupted; " + ("nothing was written" if options.trial else f"{path.name} has the rounds that it says, if any"))
        sys.exit(130)
    finally:
        bench.close()
    print(table.markdown(results_of(bench, options, options.rounds)))


if __name__ == "__main__":
    main()
