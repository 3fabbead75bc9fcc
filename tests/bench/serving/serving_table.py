"""The tables of results/serving.json.

    python serving_table.py FILE.json
"""
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from machine import machine_line  # noqa: E402

GOAL_AT_32, OWN_SHARE, OWN_MS = 3.0, 0.10, 0.3
SATURATED, SINGLE = "128 connections", "1 connections"


def median(turns, key):
    values = [turn[key] for turn in turns if turn.get(key) is not None]
    return statistics.median(values) if values else None


def shown(value, form="{:.1f}"):
    return "" if value is None else form.format(value)


def lines_of(heading, rows):
    return ["| " + " | ".join(cells) + " |" for cells in [heading, ["---"] * len(heading), *rows]]


def ratios(ours, theirs, key, lower_is_better=False):
    """Of turns of the same rounds: median [least, most] of how many times better ours are."""
    pairs = [(one.get(key), other.get(key)) for one, other in zip(ours, theirs)]
    each = [(b / a if lower_is_better else a / b) for a, b in pairs if a and b]
    return f"{statistics.median(each):.2f} [{min(each):.2f}, {max(each):.2f}]" if each else ""


def speeds(figures):
    rows = []
    for name, rival in figures.items():
        for point, turns in rival["points"].items():
            others = sum(sum(turn["other_outcomes"].values()) for turn in turns)
            rows.append([name, rival["precision"], point, shown(median(turns, "goodput")),
                         *(shown(median(turns, key)) for key in ("p50_ms", "p90_ms", "p99_ms", "p99.9_ms", "max_ms")),
                         shown(median(turns, "server_cpu_ms"), "{:.2f}"), shown(median(turns, "generator_cpu_ms"), "{:.3f}"),
                         str(others), str(sum(turn["mismatches"] for turn in turns)),
                         str(sum(turn["others_cores"] > 0.1 for turn in turns))])
    return lines_of(["server", "precision", "point", "answers/s", "p50 ms", "p90", "p99", "p99.9", "max", "server CPU ms/request",
                     "generator CPU ms", "not answered", "wrong", "disturbed"], rows)


def against(figures):
    rows = []
    for ours in (name for name, rival in figures.items() if rival["ours"]):
        for theirs in (name for name, rival in figures.items() if not rival["ours"]):
            same = figures[ours]["precision"] == figures[theirs]["precision"]
            for point, turns in figures[ours]["points"].items():
                if not (other := figures[theirs]["points"].get(point)):
                    continue
                goal = f"{GOAL_AT_32:g}, same precision" if point == "32 connections" and same else ""
                rows.append([ours, theirs, point, "" if "capacity" in point else ratios(turns, other, "goodput"), goal,
                             ratios(turns, other, "p99_ms", lower_is_better=True)])
    return lines_of(["ours", "rival", "point", "throughput, times", "goal", "p99, times lower (goal: above 1)"], rows)


def own_cost(figures):
    rows = []
    for name, rival in figures.items():
        for point, turns in rival["points"].items() if rival["ours"] else []:
            goal = {SATURATED: f"share below {OWN_SHARE:.0%}", SINGLE: f"own below {OWN_MS} ms"}.get(point, "")
            rows.append([name, point, shown(median(turns, "engine_cpu_ms"), "{:.3f}"), shown(median(turns, "own_cpu_ms"), "{:.3f}"),
                         shown(median(turns, "own_share"), "{:.1%}"), goal, shown(median(turns, "busy"), "{:.0%}"),
                         shown(median(turns, "batch_rows"))])
    return lines_of(["ours", "point", "engine CPU ms/request", "own CPU ms/request", "own / engine", "goal", "engine busy",
                     "rows a batch"], rows)


def markdown(results):
    figures = results["figures"]
    lines = ["# Servers under load", "", results["what"], "",
             f"{results['rounds']} rounds of {results['seconds']} s a point; medians.", "", *speeds(figures)]
    if any(rival["ours"] for rival in figures.values()):
        lines += ["", "## Ours against the others", "", *against(figures), "", "## What the server costs beside the engine", "",
                  *own_cost(figures)]
    if results["notes"]:
        lines += ["", "Notes: " + "; ".join(f"{key}: {note}" for key, note in results["notes"].items()) + "."]
    lines += ["", machine_line(results)]
    return "\n".join(lines) + "\n"


def write(path):
    path.with_suffix(".md").write_text(markdown(json.loads(path.read_text())))


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
