"""Fine-tunes real models on real data through the service, with several seeds, and keeps every figure.

    python run.py --data FOLDER [--bin BUILD/bin] [--only sst2,mpnet/mrpc] [--seeds 1,2,3] [--budget-minutes N]
                  [--keep FOLDER]

FOLDER is the benchmark data: sst2, mrpc, rte, cola, stsb, trec, squad and cifar10 in the layouts of layouts.py. Models
are those of deploy/quickstart-assets and tests/bench/fetch-assets. recipes.py says what is run. A run is added to
results/tasks.json as it ends, and the table in results/tasks.md is made anew; what stands there for the same recipe is
not run again, so that this can be stopped at any time. The first seed of all comes before the second of any. With --keep
each model stays there as a transformers folder, MODEL-TASK-SEED: for --model of tests/bench/engine, say.
"""
import argparse
import functools
import json
import os
import pathlib
import signal
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1] / "e2e")]
import table  # noqa: E402
import tiny  # noqa: E402
from layouts import LAYOUTS  # noqa: E402
from kept_runs import KeptRuns, metric_text, run_all  # noqa: E402
from machine import ROOT, commit  # noqa: E402
from recipes import RUNS, VIT  # noqa: E402

COMMAND = "python tests/bench/tasks/run.py --data FOLDER"
WHAT = ("models fine-tuned through the service; metrics on the published dev or test file, in points, with 95 % intervals; "
        "steps and seconds are the training's, beside other work: no claim of speed")


class Bench:
    """A running service, and what was uploaded to it so far."""

    def __init__(self, cluster, options):
        self.cluster, self.options, self.uploaded = cluster, options, set()

    def model(self, run, seed):
        """The name of the uploaded model; one from scratch starts from weights of its own for each seed."""
        name = f"{run.model}-{seed}" if run.model == "vit" else run.model
        if name not in self.uploaded:
            folder = (tiny.write_vit(self.cluster.folder / name, seed=seed, **VIT) if run.model == "vit"
                      else getattr(self.options, run.model))
            self.cluster.cli("models", "upload", name, folder)
            self.uploaded.add(name)
        return name

    def dataset(self, task):
        if task not in self.uploaded:
            folder = self.cluster.folder / task
            folder.mkdir(exist_ok=True)
            self.cluster.cli("datasets", "upload", task, *LAYOUTS[task].write(self.options.data / task, folder))
            self.uploaded.add(task)
        return task

    def run(self, run, seed):
        """Trains; returns the record. The artifact goes again: what counts is its report."""
        name = f"{run.model}-{run.task}-{seed}"
        recipe = self.cluster.folder / f"{name}.yaml"
        recipe.write_text(json.dumps({**run.recipe, "seed": seed}))  # JSON is YAML
        self.cluster.cli("jobs", "submit", "--model", self.model(run, seed), "--dataset", self.dataset(run.task), "--name",
                         name, "--recipe", recipe, "--watch", timeout=None)
        report = self.cluster.json("artifacts", "report", name)
        if self.options.keep:
            self.cluster.cli("artifacts", "export", name, self.options.keep.resolve() / name, "--format", "transformers")
        for kind in ("artifacts", "jobs"):
            self.cluster.cli(kind, "delete", name)
        trained = next(phase for phase in report["phases"] if phase["name"] == "finetune")
        return {"model": run.model, "task": run.task, "seed": seed, "metrics": report["dense"]["metrics"],
                "steps": trained["steps"], "seconds": round(trained["seconds"], 1), "rows": report["data"]["splits"],
                "truncated": report["data"]["truncated"], "recipe": run.recipe, "machine": report["machine"],
                "commit": commit()}


def say(record):
    return f"{metric_text(record['metrics'][0])} in {record['seconds'] / 60:.1f} min"


def chosen(parser, only):
    """Runs by "task", "model" or "model/task"; all of them for none."""
    names = set(only.split(",")) if only else set()
    of = [(run, {run.task, run.model, f"{run.model}/{run.task}"}) for run in RUNS]
    if unknown := names - set().union(*(known for _, known in of)):
        parser.error(f"--only: unknown {', '.join(sorted(unknown))}; known: "
                     + ", ".join(f"{run.model}/{run.task}" for run in RUNS) + ", or a half of these")
    return [run for run, known in of if not names or names & known]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--minilm", type=pathlib.Path, default=ROOT / ".cache/quickstart/minilm")
    parser.add_argument("--mpnet", type=pathlib.Path, default=ROOT / ".cache/mpnet")
    parser.add_argument("--only", help="tasks, models or model/task, as sst2,mpnet/mrpc")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--budget-minutes", type=float, default=float("inf"), help="start nothing new after so long")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--keep", type=pathlib.Path, metavar="FOLDER", help="for the models themselves")
    parser.add_argument("--results", type=pathlib.Path, default=HERE.parent / "results/tasks.json")
    options = parser.parse_args()
    results = KeptRuns(options.results, WHAT, COMMAND, table.write)
    waiting = [(run, seed) for seed in map(int, options.seeds.split(",")) for run in chosen(parser, options.only)
               if not results.has(model=run.model, task=run.task, seed=seed, recipe=run.recipe)]
    print(f"{len(waiting)} to run", flush=True)
    if not waiting:
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # through the cluster's end
    os.environ["ESPALIER_BIN"] = str(options.bin.resolve())  # read when cluster is loaded
    from cluster import Cluster
    with Cluster(threads=options.threads) as cluster:
        bench = Bench(cluster, options)
        runs = [(f"{run.model}/{run.task}, seed {seed}", functools.partial(bench.run, run, seed)) for run, seed in waiting]
        failed = run_all(runs, results, options.budget_minutes, say)
    if failed:
        sys.exit(f"{len(failed)} failed: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
