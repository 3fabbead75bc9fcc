"""Makes results/tasks.md from results/tasks.json; run.py does it whenever a run ends.

    python table.py [FILE.json]
"""
import json
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from recipes import RUNS  # noqa: E402

HEADINGS = ["model", "task", "rows: train, report", "metric", "mean", "each seed [95 % interval]", "beside it, mean",
            "recipe", "steps", "minutes", "published"]


def metric_of(record, name):
    return next(metric for metric in record["metrics"] if metric["name"] == name)


def mean(records, name):
    return statistics.fmean(metric_of(record, name)["value"] for record in records)


def each_seed(records, name):
    cells = []
    for record in records:
        metric = metric_of(record, name)
        cells.append(f"{record['seed']}: {metric['value']:.1f} [{metric['low']:.1f}, {metric['high']:.1f}]")
    return "<br>".join(cells)


def recipe_text(recipe):
    training = dict(recipe["finetune"])
    text = [f"{training.pop('epochs')} epochs", f"rate {training.pop('learning_rate'):g}",
            f"batch {training.pop('batch_size')}", f"length {recipe['max_length']}"]
    return ", ".join(text + [f"{name} {value}" for name, value in training.items()])


def row(run, records, sources):
    name = records[0]["metrics"][0]["name"]
    published = ""
    if run.published is not None:
        published = f"{run.published:.1f} ({sources.index(run.source) + 1})"
    rows = records[0]["rows"]
    return [run.model, run.task, f"{rows['train']:,}, {rows['report']:,}", name, f"{mean(records, name):.1f}",
            each_seed(records, name), f"{run.also} {mean(records, run.also):.1f}" if run.also else "",
            recipe_text(run.recipe), str(records[0]["steps"]),
            f"{statistics.fmean(record['seconds'] for record in records) / 60:.1f}", published]


def markdown(results):
    rows, machines, shown = [], set(), []
    for run in RUNS:
        records = sorted((one for one in results["runs"] if (one["model"], one["task"], one["recipe"]) ==
                          (run.model, run.task, run.recipe)), key=lambda one: one["seed"])
        if not records:
            continue
        if run.source and run.source not in shown:
            shown.append(run.source)
        machines |= {f"{one['machine']}, commit {one['commit']}" for one in records}
        rows.append(row(run, records, shown))
    lines = ["# Fine-tuned models", "",
             f"{results['what'].capitalize()}. Steps and minutes are those of one seed; rows of train are without those "
             "that select takes.", f"Made by `{results['command']}`.", ""]
    lines += ["| " + " | ".join(cells) + " |" for cells in [HEADINGS, ["---"] * len(HEADINGS), *rows]]
    lines += ["", "Machine: " + "; ".join(sorted(machines)) + "."]
    for number, source in enumerate(shown, 1):
        lines += ["", f"({number}) {source}. Weights other than ours: an orientation, not a goal."]
    return "\n".join(lines) + "\n"


def write(path):
    path.with_suffix(".md").write_text(markdown(json.loads(path.read_text())))


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "results/tasks.json")
