"""What turns say: sentences a second, ours over the best peer, and the table of a results file.

    python table.py FILE.json
"""
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from machine import machine_line  # noqa: E402

# Ours over the best peer of each workload, at least.
WORKLOADS = ["32 x 128", "1 x 128", "1 x 32", "one by one", "as they come"]
GOALS = {("minilm", "fp32"): [1.1, 1.3, 1.7, 1.6, 1.6], ("base", "fp32"): [1.05, 1.15, 1.3, 1.3, 1.9],
         ("minilm", "low"): [1.6, 1.8, 2.2, 2.0, 3.2], ("base", "low"): [1.2, 1.5, 1.5, 1.5, 2.0]}
KINDS = {"ids": "From ids to the answer", "text": "From text to the answer"}


def ratio(slower, faster):
    """Seconds of turns of the same rounds: median, least and most of how many times faster."""
    each = [round(a / b, 3) for a, b in zip(slower, faster)]
    return {"median": round(statistics.median(each), 2), "min": round(min(each), 2), "max": round(max(each), 2)}


def fair(peer, ours):
    """Where accuracies are known, only peers that are at least as accurate count."""
    known = "accuracy" in peer and "accuracy" in ours
    return not known or peer["accuracy"] >= ours["accuracy"]


def compare(figures, engines):
    """Of one workload: each of ours over the best peer, and over the first of ours."""
    ours = [name for name in figures if engines[name]["ours"]]
    peers = [name for name in figures if not engines[name]["ours"]]
    out = {}
    for name in ours:
        rivals = [peer for peer in peers if fair(engines[peer], engines[name])]
        best = max(rivals, key=lambda peer: figures[peer]["sentences_per_second"], default=None)
        out[name] = {"best_peer": best}
        if best:
            out[name] |= ratio(figures[best]["seconds"], figures[name]["seconds"])
        if name != ours[0]:
            out[name]["over_" + ours[0]] = ratio(figures[ours[0]]["seconds"], figures[name]["seconds"])
    return out


def lines_of(heading, rows):
    return ["| " + " | ".join(cells) + " |" for cells in [heading, ["---"] * len(heading), *rows]]


def cell(figures, best):
    speed = f"{figures['sentences_per_second']:,.1f}"
    speed = f"**{speed}**" if best else speed
    if "max_abs_error" in figures:
        return f"{speed} ({figures['max_abs_error']:.1g})"
    return f"{speed} (sum {figures['sum_error']:.1g})" if "sum_error" in figures else speed


def speeds(found, engines):
    """Sentences a second; in brackets the largest error of a logit."""
    fastest = {name: max(one["sentences_per_second"] for one in workload["engines"].values())
               for name, workload in found.items()}
    rows = []
    for engine, info in engines.items():
        row = [engine + (f", accuracy {info['accuracy']:.2f}" if "accuracy" in info else "")]
        for name, workload in found.items():
            one = workload["engines"].get(engine)
            row.append(cell(one, one["sentences_per_second"] == fastest[name]) if one else "")
        if any(row[1:]):
            rows.append(row)
    return lines_of(["engine", *found], rows)


def times(one):
    return f"{one['median']:.2f} [{one['min']:.2f}, {one['max']:.2f}]"


def against(found, goals):
    rows = []
    for name, workload in found.items():
        for ours, one in workload["ours"].items():
            own = [f"{times(value)} {key.replace('_', ' ')}" for key, value in one.items() if key.startswith("over_")]
            rows.append([name, ours, one["best_peer"] or "", times(one) if one["best_peer"] else "",
                         str(goals.get(name, "")), "<br>".join(own)])
    return lines_of(["workload", "ours", "best peer", "times faster: median [least, most]", "goal", "over our own"], rows)


def markdown(results):
    goals = dict(zip(WORKLOADS, GOALS.get((results["model"], results["precision"]), [])))
    lines = [f"# Engines: {results['model']}, {results['precision']}", "", results["what"], "",
             f"Made by `{results['command']}`, {results['rounds']} rounds."]
    for kind, heading in KINDS.items():
        if found := results["figures"].get(kind):
            lines += ["", f"## {heading}", "", "Sentences a second; in brackets the largest error of a logit.", ""]
            lines += speeds(found, results["engines"])
            if any(workload["ours"] for workload in found.values()):
                lines += ["", *against(found, goals)]
    if results["skipped"]:
        lines += ["", "Left out: " + "; ".join(f"{name} ({why})" for name, why in results["skipped"].items()) + "."]
    lines += ["", machine_line(results)]
    return "\n".join(lines) + "\n"


def write(path):
    path.with_suffix(".md").write_text(markdown(json.loads(path.read_text())))


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
