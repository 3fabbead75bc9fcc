"""Makes results/pruning.md from results/pruning.json; run.py does it whenever a run ends.

    python pruning_table.py [FILE.json]
"""
import json
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
HEADINGS = ["task", "asked", "method", "metric", "mean", "each seed [95 % interval]", "dense", "sparsity", "1 row", "32 x 128",
            "minutes"]


def faster(record, key):
    return record["dense"][key]["median"] / record["compressed"][key]["median"]


def row(records):
    first = records[0]
    metrics = [record["compressed"]["metrics"][0] for record in records]
    each = "<br>".join(f"{record['seed']}: {metric['value']:.1f} [{metric['low']:.1f}, {metric['high']:.1f}]"
                       for record, metric in zip(records, metrics))
    mean = statistics.fmean
    return [first["task"], f"{100 * first['sparsity']:g} %", first["method"], metrics[0]["name"],
            f"{mean(metric['value'] for metric in metrics):.1f}", each, f"{first['dense']['metrics'][0]['value']:.1f}",
            f"{100 * mean(record['compressed']['sparsity'] for record in records):.1f} %",
            f"{mean(faster(record, 'latency_ms') for record in records):.1f} x",
            f"{mean(faster(record, 'batch_latency_ms') for record in records):.1f} x",
            f"{mean(record['minutes'] for record in records):.1f}"]


def with_milestones(record):
    """The record, and one of its shape for each model that was taken on its way."""
    yield record
    for one in record.get("family", []):
        if "milestone" not in one["target"]:
            continue
        yield {**record, "sparsity": one["target"]["milestone"], "compressed": {**one, "metrics": [one["metric"]]}}


def markdown(results):
    groups = {}
    for record in (one for run in results["runs"] for one in with_milestones(run)):
        key = (record["task"], record["sparsity"], record["method"], json.dumps({**record["recipe"], "seed": 0}))
        groups.setdefault(key, []).append(record)
    rows = [row(sorted(records, key=lambda one: one["seed"]))
            for _, records in sorted(groups.items(), key=lambda item: item[0][:3])]
    machines = sorted({f"{one['machine']}, commit {one['commit']}" for one in results["runs"]})
    lines = ["# Pruned models", "", results["what"] + ". Speed-ups over the dense model, fp32: a row of the report split, and a "
             "batch of 32 rows of 128 tokens.", f"Made by `{results['command']}`.", ""]
    lines += ["| " + " | ".join(cells) + " |" for cells in [HEADINGS, ["---"] * len(HEADINGS), *rows]]
    return "\n".join(lines + ["", "Machine: " + "; ".join(machines) + "."]) + "\n"


def write(path):
    path.with_suffix(".md").write_text(markdown(json.loads(path.read_text())))


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "results/pruning.json")
