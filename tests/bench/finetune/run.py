"""Fine-tuning steps a second, ours and a transformers loop's, in turns on one machine and wheel.

    python run.py --data FOLDER [--model minilm|mpnet] [--task sst2|mrpc] [--precision fp32|bf16] [--checkpointing]
                  [--only SETTING] [--bin BUILD/bin] [--rounds 5] [--steps 24] [--results FILE]

FOLDER of --data is the benchmark data: the task's train.tsv is read. Two settings: rows as they are (theirs padded to the
batch's longest) and full rows of 128 tokens on both sides. A round is a process of each; the first steps of a process
are not counted; what is compared is the median over rounds of a process's mean examples a second. In bf16 theirs runs
under autocast. With --checkpointing ours computes activations again in the backward pass, theirs keeps them: a look at
memory.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from last_json import last_json  # noqa: E402
from machine import ROOT, commit, machine  # noqa: E402

BATCH, THREADS, WARM = 32, 2, 3
# Where a model's folder is (deploy/quickstart-assets, tests/bench/fetch-assets), and what tables call their columns.
MODELS = {"minilm": ROOT / ".cache/quickstart/minilm", "mpnet": ROOT / ".cache/mpnet"}
COLUMNS = {"sst2": ["sentence", "", "label"], "mrpc": ["#1 String", "#2 String", "Quality"]}
SETTINGS = {"rows as they are": {"pad": "dynamic", "fill": 0, "share": 1}, "full rows": {"pad": "full", "fill": 128, "share": 3}}


def one_round(options, setting, steps):
    environment = dict(os.environ, OMP_NUM_THREADS=str(THREADS), TRANSFORMERS_OFFLINE="1", HF_HUB_OFFLINE="1")
    model, table = MODELS[options.model], options.data / options.task / "train.tsv"
    columns = COLUMNS[options.task]
    theirs = last_json([sys.executable, HERE / "user_loop.py", model, table, *columns, str(steps), str(BATCH),
                        setting["pad"], str(THREADS), options.precision], environment)
    # As espalier-worker starts itself (server/common/openmp.h).
    ours = last_json([options.bin / "espalier-bench-finetune", model, table, f"steps={steps}", f"batch={BATCH}",
                      *[f"{key}={column}" for key, column in zip(["text", "pair", "label"], columns)],
                      f"threads={THREADS}", f"pad={setting['fill']}", f"precision={options.precision}",
                      f"checkpointing={int(options.checkpointing)}"], dict(environment, GOMP_SPINCOUNT="10000"))
    return ours, theirs


def rate(run):
    seconds = run["seconds"][WARM:]
    return BATCH * len(seconds) / sum(seconds)


def figures(runs):
    return {"examples_per_second": [round(rate(run), 1) for run in runs],
            "median_step_seconds": round(statistics.median(s for run in runs for s in run["seconds"][WARM:]), 4),
            "mean_tokens_a_step": round(statistics.fmean(t for run in runs for t in run["tokens"][WARM:])),
            "peak_rss_mib": round(max(run["peak_rss_mib"] for run in runs))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="minilm")
    parser.add_argument("--task", choices=COLUMNS, default="sst2")
    parser.add_argument("--only", choices=SETTINGS, help="one of the two settings")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--results", type=pathlib.Path)
    options = parser.parse_args()
    what = [options.model, options.task] * ((options.model, options.task) != ("minilm", "sst2"))
    how = what + [options.precision] * (options.precision != "fp32") + ["checkpointing"] * options.checkpointing
    options.results = options.results or HERE.parent / f"results/{'_'.join(['finetune', *how])}.json"
    if options.only and not options.results:
        parser.error("--only: one setting alone does not take the place of the whole results; name a file with --results")
    if options.rounds < 5:
        parser.error("--rounds: a median needs at least 5")
    out = {"what": f"fine-tuning steps of {options.model} on {options.task}, {options.precision}, batch {BATCH}, {THREADS} threads, "
                   "dropout 0.1, AdamW, clipping; a process of each a round, in turns" + "; ours with gradient checkpointing" * options.checkpointing,
           "machine": machine(), "commit": commit(), "rounds": options.rounds, "steps": options.steps}
    for name, setting in SETTINGS.items():
        if options.only not in (None, name):
            continue
        rounds = [one_round(options, setting, max(WARM + 3, options.steps // setting["share"])) for _ in range(options.rounds)]
        sides = list(zip(*rounds))
        out["versions"] = {"python": platform.python_version(), "torch": sides[1][0]["torch"],
                           "transformers": sides[1][0]["transformers"]}
        out[name] = {"espalier": figures(sides[0]), "transformers": figures(sides[1]),
                     "times_faster": [round(rate(ours) / rate(theirs), 2) for ours, theirs in rounds]}
        # Of the espalier steps: what a step of matrix products alone would take, as a share of what it took.
        shares = [sum(run["gflop"][WARM:]) / run["peak_gflops"] / sum(run["seconds"][WARM:]) for run in sides[0]]
        out[name]["matmul_peak_gflops"] = round(statistics.median(run["peak_gflops"] for run in sides[0]))
        out[name]["share_of_matmul_peak"] = round(statistics.median(shares), 2)
        out[name]["median_times_faster"] = statistics.median(out[name]["times_faster"])
        out[name]["share_of_memory"] = round(out[name]["espalier"]["peak_rss_mib"] / out[name]["transformers"]["peak_rss_mib"], 2)
        print(name, out[name]["times_faster"], "memory", out[name]["share_of_memory"], flush=True)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
