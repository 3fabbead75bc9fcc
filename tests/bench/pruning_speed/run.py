"""Pruning steps a second and peak memory, ours and those of CoFi's released code, in turns on one machine and wheel.

    python run.py --data FOLDER --authors FOLDER [--minilm FOLDER] [--bin BUILD/bin] [--only SETTING] [--trial]
                  [--rounds 5] [--steps 24] [--results FILE]

FOLDER of --data is the benchmark data: sst2/train.tsv is read. README.md says how --authors is got, and the venv of this
python. Batches are drawn at random as theirs are, and both sides see the same rows in the same order: as they are (theirs
cuts a batch to its longest, ours packs tokens), and filled up to 128 tokens, which all count. A round is a process of each
side in each precision; the first steps of a process are not counted. What is compared is the median over rounds of a
process's mean step. --trial is a quick look that writes nothing.
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

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "engine")]
from last_json import last_json  # noqa: E402
from machine import ROOT, commit, machine, machine_line  # noqa: E402
from table import lines_of, ratio, times  # noqa: E402

BATCH, THREADS, WARM, SPARSITY = 32, 2, 3, 0.8
WHEELS = ROOT / ".deps/python"  # the torch that the build links: theirs is the same
# What authors_loop.py asks of theirs: gates from the first step on, the aim reached in the last one, their version 4.
RECIPE = {"target": {"sparsity": SPARSITY}, "pruner": {"name": "cofi", "options": {"begin": 0, "ramp_end": 1}},
          "distillers": [{"name": "soft_labels", "options": {"temperature": 2, "weight": 0.1, "task_weight": 0}},
                         {"name": "layer_match", "options": {"match": "ordered", "weight": 0.9}}],
          "prune": {"weight_decay": 0, "warmup": 0}}
# `goals`: ours in fp32 and in bf16 over theirs in fp32, at least.
SETTINGS = {"rows as they are": {"pad": "dynamic", "fill": 0, "share": 1, "goals": {"fp32": 2.5, "bf16": 5.0}},
            "128 tokens": {"pad": "full", "fill": 128, "share": 2, "goals": {"fp32": 1.4, "bf16": 2.8}}}
MEMORY_GOAL = 0.6  # of theirs, both in fp32, at most
PRECISIONS = ["fp32", "bf16"]
HEADING = ["rows", "precision", "ours, steps a second", "theirs", "times theirs", "times theirs in fp32", "goal", "ours, MiB",
           "theirs", "share of theirs", "loss, ours", "theirs"]


def one_round(options, setting, steps):
    """Of every precision the runs of ours and theirs."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(THREADS), TRANSFORMERS_OFFLINE="1", HF_HUB_OFFLINE="1",
                       PYTHONPATH=os.pathsep.join(filter(None, [str(WHEELS), os.environ.get("PYTHONPATH")])))
    table, out = options.data / "sst2/train.tsv", {}
    for precision in PRECISIONS:
        # As espalier-worker starts itself (server/common/openmp.h).
        ours = last_json([options.bin / "espalier-bench-finetune", options.minilm, table, f"steps={steps}", f"batch={BATCH}",
                          f"threads={THREADS}", f"pad={setting['fill']}", f"precision={precision}", "order=shuffled",
                          f"recipe={json.dumps(RECIPE)}"], dict(environment, GOMP_SPINCOUNT="10000"))
        with tempfile.NamedTemporaryFile("w", suffix=".json") as rows:
            json.dump(ours["rows"], rows)
            rows.flush()
            theirs = last_json([sys.executable, HERE / "authors_loop.py", options.authors, options.minilm, table, rows.name,
                                setting["pad"], str(THREADS), precision, str(SPARSITY)], environment)
        if ours["tokens"] != theirs["tokens"]:
            sys.exit(f"the two sides have read other tokens: {ours['tokens']} and {theirs['tokens']}")
        out[precision] = {"espalier": ours, "authors": theirs}
    return out


def mean_step(run):
    return statistics.fmean(run["seconds"][WARM:])


def figures(runs):
    return {"seconds_a_step": [round(mean_step(run), 4) for run in runs],
            "steps_per_second": round(1 / statistics.median(map(mean_step, runs)), 3),
            "tokens_a_step": round(statistics.fmean(runs[0]["tokens"][WARM:])),
            "longest_a_step": round(statistics.fmean(runs[0]["longest"][WARM:]), 1),
            "mean_loss": round(statistics.fmean(loss for run in runs for loss in run["losses"][WARM:]), 4),
            "peak_rss_mib": round(statistics.median(run["peak_rss_mib"] for run in runs))}


def compared(rounds):
    """Of one setting."""
    out = {}
    theirs_in_fp32 = [mean_step(one["fp32"]["authors"]) for one in rounds]
    for precision in PRECISIONS:
        sides = {side: [one[precision][side] for one in rounds] for side in ("espalier", "authors")}
        ours = [mean_step(run) for run in sides["espalier"]]
        out[precision] = {side: figures(runs) for side, runs in sides.items()}
        out[precision] |= {"times_theirs": ratio([mean_step(run) for run in sides["authors"]], ours),
                           "times_theirs_in_fp32": ratio(theirs_in_fp32, ours),
                           "share_of_memory": round(out[precision]["espalier"]["peak_rss_mib"]
                                                    / out[precision]["authors"]["peak_rss_mib"], 2)}
    return out


def verdict(reached):
    return "reached" if reached else "not reached"


def rows_of(name, found):
    for precision, one in found.items():
        ours, theirs, goal = one["espalier"], one["authors"], SETTINGS[name]["goals"][precision]
        memory = f"{one['share_of_memory']:.2f}"
        if precision == "fp32":
            memory += f" (goal {MEMORY_GOAL}, {verdict(one['share_of_memory'] <= MEMORY_GOAL)})"
        yield [name, precision, f"{ours['steps_per_second']:.2f}", f"{theirs['steps_per_second']:.2f}",
               times(one["times_theirs"]), times(one["times_theirs_in_fp32"]),
               f"{goal}, {verdict(one['times_theirs_in_fp32']['median'] >= goal)}", str(ours["peak_rss_mib"]),
               str(theirs["peak_rss_mib"]), memory, f"{ours['mean_loss']:.3f}", f"{theirs['mean_loss']:.3f}"]


def table_of(out):
    rows = [row for name, found in out["settings"].items() for row in rows_of(name, found)]
    return "\n".join(["# Pruning steps beside CoFi's released code", "", out["what"][0].upper() + out["what"][1:] + ".",
                      "Ratios: median [least, most] of the rounds. Goals are over theirs in fp32; theirs in bf16 is our doing, "
                      "under autocast. Losses are means of the counted steps; theirs counts padding, ours does not, so they "
                      "are of one kind only at 128 tokens.", "", *lines_of(HEADING, rows), "",
                      machine_line(out) + f" Their commit: {out['authors_commit']}."]) + "\n"


def commit_of(folder):
    done = subprocess.run(["git", "-C", folder, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() if (folder / ".git").exists() and done.returncode == 0 else "not known"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--authors", type=pathlib.Path, required=True, help="princeton-nlp/CoFiPruning, as released")
    parser.add_argument("--minilm", type=pathlib.Path, default=ROOT / ".cache/quickstart/minilm")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--only", choices=SETTINGS, help="one of the two settings")
    parser.add_argument("--trial", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=24, help="of a process; half of it at 128 tokens")
    parser.add_argument("--results", type=pathlib.Path)
    options = parser.parse_args()
    if options.only and not options.results and not options.trial:
        parser.error("--only: one setting alone does not take the place of the whole results; name a file with --results")
    if options.rounds < 5:
        parser.error("--rounds: a median needs at least 5")
    if options.trial:
        options.rounds, options.steps = 1, WARM + 1
    out = {"what": f"CoFi's pruning steps of MiniLM on SST-2, the first {options.steps} (half of it at 128 tokens), "
                   f"batch {BATCH}, {THREADS} threads, dropout 0.1, all gates, teacher of the same shape, four of its layers "
                   "matched in order; a process of each a round, in turns", "machine": machine(), "commit": commit(),
           "authors_commit": commit_of(options.authors), "rounds": options.rounds, "steps": options.steps, "settings": {}}
    for name, setting in SETTINGS.items():
        if options.only not in (None, name):
            continue
        steps = max(WARM + 1, options.steps // setting["share"])
        rounds = []
        for _ in range(options.rounds):
            rounds.append(one_round(options, setting, steps))
            seconds = {f"{side} {precision}": round(mean_step(run), 3) for precision, sides in rounds[-1].items()
                       for side, run in sides.items()}
            print(f"{name}: seconds a step {seconds}", flush=True)
        theirs = rounds[0]["fp32"]["authors"]
        out["versions"] = {"python": platform.python_version(), "torch": theirs["torch"], "transformers": theirs["transformers"]}
        out["settings"][name] = compared(rounds)
    print(table_of(out))
    if options.trial:
        return
    results = options.results or HERE.parent / "results/pruning_speed.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(out, indent=1) + "\n")
    results.with_suffix(".md").write_text(table_of(out))


if __name__ == "__main__":
    main()
