"""Prunes MiniLM on real data through the service, method by method, and keeps every figure.

    python run.py --data FOLDER [--bin BUILD/bin] [--only TASK,METHOD,...] [--sparsities 0.8,0.95] [--seeds N]
                  [--budget-minutes N] [--work FOLDER]

FOLDER is the benchmark data, as tests/bench/tasks reads it. pruning_recipes.py says what is run. All methods of a task start
from one fine-tuned model, which is made first and kept in --work. A run is added to results/pruning.json as it ends;
what stands there for the same recipe is not run again, so that this can be stopped at any time. The first seed of all
comes before the second of any.
"""
import argparse
import functools
import json
import os
import pathlib
import random
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "tasks"), str(HERE.parents[1] / "e2e")]
from kept_runs import KeptRuns, metric_text, run_all  # noqa: E402
from machine import ROOT, commit  # noqa: E402

from layouts import LAYOUTS  # noqa: E402
import pruning_recipes as recipes  # noqa: E402
import pruning_table as table  # noqa: E402

COMMAND = "python tests/bench/pruning/run.py --data FOLDER"
WHAT = ("MiniLM pruned through the service; metrics on the published dev or test file, in points, with 95 % intervals; times "
        "of the engine, dense and pruned in turns, beside other work")
SAMPLE = 10_000  # training sentences of SST-2


def sampled(source, folder):
    """SST-2 with a fixed part of its training sentences."""
    folder.mkdir(parents=True, exist_ok=True)
    head, *rows = (source / "train.tsv").read_bytes().rstrip(b"\n").split(b"\n")
    rows = random.Random(0).sample(rows, SAMPLE)
    (folder / "train.tsv").write_bytes(b"\n".join([head, *rows]) + b"\n")
    (folder / "dev.tsv").write_bytes((source / "dev.tsv").read_bytes())
    return folder


class Bench:
    def __init__(self, cluster, options):
        self.cluster, self.options, self.ready = cluster, options, set()

    def submit(self, name, model, task, recipe):
        path = self.cluster.folder / f"{name}.yaml"
        path.write_text(json.dumps(recipe))  # JSON is YAML
        self.cluster.cli("jobs", "submit", "--model", model, "--dataset", task, "--name", name, "--recipe", path, "--watch",
                         timeout=None)

    def prepare(self, task):
        """Uploads the data and the fine-tuned model, which is made where there is none."""
        if task in self.ready:
            return
        folder = self.cluster.folder / task
        folder.mkdir(exist_ok=True)
        source = self.options.data / task
        if task == "sst2":
            source = sampled(source, self.cluster.folder / "sst2-sample")
        self.cluster.cli("datasets", "upload", task, *LAYOUTS[task].write(source, folder))
        kept = self.options.work / f"backbone-{task}"
        if not (kept / "config.json").exists():
            if "minilm" not in self.ready:
                self.cluster.cli("models", "upload", "minilm", self.options.minilm)
                self.ready.add("minilm")
            self.submit(f"dense-{task}", "minilm", task, recipes.backbone(task))
            self.options.work.mkdir(parents=True, exist_ok=True)
            self.cluster.cli("artifacts", "export", f"dense-{task}", kept, "--format", "transformers")
        self.cluster.cli("models", "upload", f"backbone-{task}", kept)
        self.ready.add(task)

    def run(self, task, method, sparsity, seed, recipe):
        self.prepare(task)
        name = f"{task}-{method}-{round(100 * sparsity)}-{seed}".replace("_", "-")
        start = time.monotonic()
        self.submit(name, f"backbone-{task}", task, recipe)
        report = self.cluster.json("artifacts", "report", name)
        for artifact in self.cluster.json("jobs", "get", name)["artifacts"]:
            self.cluster.cli("artifacts", "delete", artifact.rsplit("/", 1)[1])
        self.cluster.cli("jobs", "delete", name)
        keep = ("metrics", "sparsity", "parameters", "macs", "latency_ms", "batch_latency_ms", "layers")
        return {"task": task, "method": method, "sparsity": sparsity, "seed": seed, "recipe": recipe,
                "compressed": {key: report["compressed"][key] for key in keep},
                "dense": {key: report["dense"][key] for key in keep if key != "layers"},
                "family": report.get("family", []),
                "paired_test": report["paired_test"], "phases": [
                    {key: phase.get(key) for key in ("name", "steps", "seconds", "fold_gap")} for phase in report["phases"]],
                "minutes": round((time.monotonic() - start) / 60, 1), "machine": report["machine"], "commit": commit()}


def say(record):
    return (f"{metric_text(record['compressed']['metrics'][0])} at {record['compressed']['sparsity']:.3f} in "
            f"{record['minutes']:.1f} min")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--minilm", type=pathlib.Path, default=ROOT / ".cache/quickstart/minilm")
    parser.add_argument("--only", default="", help="tasks and methods, as trec,cofi; of either all where none is named")
    parser.add_argument("--sparsities", default=",".join(map(str, recipes.SPARSITIES)))
    parser.add_argument("--seeds", type=int, default=3, help="at most")
    parser.add_argument("--budget-minutes", type=float, default=float("inf"), help="start nothing new after so long")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / ".cache/bench-pruning", help="for the fine-tuned models")
    parser.add_argument("--results", type=pathlib.Path, default=HERE.parent / "results/pruning.json")
    options = parser.parse_args()
    named = set(filter(None, options.only.split(",")))
    if unknown := named - set(recipes.BACKBONES) - set(recipes.METHODS):
        parser.error(f"--only: unknown {', '.join(sorted(unknown))}; known: "
                     + ", ".join([*recipes.BACKBONES, *recipes.METHODS]))
    tasks = [task for task in recipes.BACKBONES if task in named or not named & set(recipes.BACKBONES)]
    methods = [name for name in recipes.METHODS if name in named or not named & set(recipes.METHODS)]
    results = KeptRuns(options.results, WHAT, COMMAND, table.write)
    waiting = []
    for seed in range(1, options.seeds + 1):
        for task in tasks:
            for sparsity in map(float, options.sparsities.split(",")):
                for method in methods:
                    recipe = recipes.recipe(task, method, sparsity, seed)
                    if sparsity not in recipes.METHODS[method].sparsities:
                        continue
                    if seed <= recipes.METHODS[method].seeds and not results.has(task=task, recipe=recipe):
                        waiting.append((task, method, sparsity, seed, recipe))
    print(f"{len(waiting)} to run", flush=True)
    if not waiting:
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # through the cluster's end
    os.environ["ESPALIER_BIN"] = str(options.bin.resolve())  # read when cluster is loaded
    from cluster import Cluster
    with Cluster(threads=options.threads) as cluster:
        bench = Bench(cluster, options)
        runs = [(f"{task}, {method}, {sparsity}, seed {seed}", functools.partial(bench.run, task, method, sparsity, seed, recipe))
                for task, method, sparsity, seed, recipe in waiting]
        failed = run_all(runs, results, options.budget_minutes, say)
    if failed:
        sys.exit(f"{len(failed)} failed: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
