"""What a profile says: shares of what the machine does at most, what bounds a workload, and two questions about batches.

    python profile_table.py FILE.json

Times are microseconds of one layer, the mean over the layers; operations are two a multiply-add.
"""
import json
import math
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from machine import machine_line  # noqa: E402
from table import lines_of, ratio, times  # noqa: E402

PRODUCTS = ["qkv", "output", "up", "down"]
BOUND = 0.6          # a share of the peak from which on that is what bounds
ROW = 13             # tokens of a row of the waves: SST-2's median
WAVES = [1, 4, 8, 32]
WORTH = 0.05         # what merging must gain


def medians(answers):
    """One answer of several of the same form: numbers are their medians."""
    first = answers[0]
    if isinstance(first, dict):
        return {key: medians([one[key] for one in answers]) for key in first}
    return statistics.median(answers) if isinstance(first, (int, float)) else first


# What bounds.

def peak_of(step, results):
    """Operations a second: attention computes in floats whatever the products do."""
    return results["peaks"][results["precision"] if step in PRODUCTS else "fp32"]["together"]


def at_peak_us(step, figures, results):
    return figures["operations"] / peak_of(step, results) * 1e6


def layer_us(workload):
    return workload["attend_us"] + workload["feed_us"]


def judge(workload, results):
    """Of one workload: shares of the peaks, what bounds it, and where most time above its least goes."""
    steps, us = workload["steps"], layer_us(workload)
    weights = sum(step["weight_bytes"] for step in steps.values())
    bytes_a_second = weights / us * 1e6
    share = sum(at_peak_us(name, step, results) for name, step in steps.items()) / us
    of_memory = bytes_a_second / results["peaks"]["memory"]["together"]
    if share >= BOUND:
        bound = "matmul peak"
    else:
        bound = "weight bandwidth" if of_memory >= BOUND else "waiting and small steps"

    def least(name):
        read = steps[name]["weight_bytes"] / results["peaks"]["weights"]["together"] * 1e6
        return max(at_peak_us(name, steps[name], results), read)

    lost = max(steps, key=lambda name: steps[name]["us"] - least(name))
    return {"operations_a_second": sum(step["operations"] for step in steps.values()) / us * 1e6, "peak_share": share,
            "bytes_a_second": bytes_a_second, "memory_share": of_memory,
            "weights_share": bytes_a_second / results["peaks"]["weights"]["together"], "bound": bound,
            "lost": lost, "lost_us": steps[lost]["us"] - least(lost)}


# Waves whose rows leave.

def cost_at(curve, tokens):
    """Microseconds of a layer, between the measured numbers of tokens in a straight line; curve: pairs, rising."""
    if tokens <= curve[0][0]:
        return curve[0][1] if tokens > 0 else 0.0
    for (few, low), (many, high) in zip(curve, curve[1:]):
        if tokens <= many:
            return low + (high - low) * (tokens - few) / (many - few)
    return curve[-1][1] * tokens / curve[-1][0]


def staying(layers):
    """The share of rows that each layer leaves over, so that half of the layers are computed."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(middle**i for i in range(layers)) < layers / 2 else (low, middle)
    return low


def expected_cost(curve, rows, stay):
    """Of a layer that each of the rows reaches with this probability, one as likely as the other."""
    return sum(math.comb(rows, left) * stay**left * (1 - stay)**(rows - left) * cost_at(curve, left * ROW)
               for left in range(rows + 1))


def merging(curve, rows, layers):
    """What merging waves at equal depth gains at most: as they are over merged, less 1. Merged costs a token what it
    costs at best, of all numbers of tokens, and, `refilled`, of those up to what the wave began with."""
    stay = staying(layers)
    as_is = sum(expected_cost(curve, rows, stay**depth) for depth in range(layers))
    tokens = sum(rows * ROW * stay**depth for depth in range(layers))
    own = [point for point in curve if point[0] <= rows * ROW] + [(rows * ROW, cost_at(curve, rows * ROW))]

    def gain(points):
        return as_is / (tokens * min(us / count for count, us in points)) - 1

    return {"rows": rows, "as_is_us": as_is, "gain": gain(curve), "refilled": gain(own)}


# The tables.

def percent(share):
    share = round(share, 4) + 0.0  # no -0.0
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"


def step_cell(name, step, whole, results):
    cell = f"{step['us']:.1f} ({percent(step['us'] / whole)}"
    return cell + (f", {percent(at_peak_us(name, step, results) / step['us'])})" if step["operations"] else ")")


def steps_table(results):
    found = results["workloads"]
    names = list(next(iter(found.values()))["steps"])
    rows = [[name, *(step_cell(name, one["steps"][name], layer_us(one), results) for one in found.values())]
            for name in names]

    def between(one):
        left = layer_us(one) - sum(step["us"] for step in one["steps"].values())
        return f"{left:.1f} ({percent(left / layer_us(one))})" if left >= 0 else f"{left:.1f}"

    rows.append(["between the steps", *map(between, found.values())])
    rows.append(["a layer", *(f"{layer_us(one):.1f}" for one in found.values())])
    rows.append(["a walk", *(f"{one['walk_us']:.0f}" for one in found.values())])

    def outside(one):
        return f"{one['walk_outside_us']:.0f} ({percent(one['walk_outside_us'] / one['walk_us'])})"

    rows.append(["of it outside of the layers", *map(outside, found.values())])
    return lines_of(["step", *found], rows)


def bounds_table(results):
    rows = []
    for name, workload in results["workloads"].items():
        one = judge(workload, results)
        rows.append([name, f"{workload['tokens']:.0f}", f"{one['operations_a_second'] / 1e9:.0f}", percent(one["peak_share"]),
                     f"{one['bytes_a_second'] / 1e9:.1f}", percent(one["memory_share"]), percent(one["weights_share"]),
                     one["bound"], f"{one['lost']}, {one['lost_us']:.1f}"])
    return lines_of(["workload", "tokens", "Gop/s", "of the peak", "weights, GB/s", "of memory's", "of an array's of that size",
                     "bound by", "most to win, us"], rows)


def peaks_lines(results):
    peaks = results["peaks"]

    def line(what, name, unit, digits):
        together, alone = (f"{peaks[name][kind] / 1e9:.{digits}f}" for kind in ("together", "alone"))
        return f"- {what}: {together} {unit} of the threads together, {alone} of one alone"

    multiplied = [name for name in ("fp32", "bf16", "int8") if peaks.get(name, {"together": 0})["together"] > 0]
    return [*(line(f"{name}, {peaks[name]['how']}", name, "Gop/s", 0) for name in multiplied),
            line("reading an array far larger than the caches", "memory", "GB/s", 1),
            line(f"reading one as large as all layers' weights, {peaks['weight_bytes'] / 1e6:.1f} MB", "weights", "GB/s", 1)]


def pairs_table(results):
    rows = []
    for name, one in results["engines"].items():
        rows.append([name, *(f"{statistics.median(one[kind]):.1f}" for kind in ("one", "two")),
                     times(ratio(one["two"], one["one"]))])
    return lines_of(["workload", "one of two threads, rows/s", "two of one thread, rows/s",
                     "two over one: median [least, most]"], rows)


def curve_of(results):
    return sorted((int(tokens), layer_us(one)) for tokens, one in results["curve"].items())


def merging_lines(results):
    curve, layers = curve_of(results), int(results["peaks"]["layers"])
    waves = [merging(curve, rows, layers) for rows in WAVES]
    lines = lines_of(["tokens", *(str(count) for count, _ in curve)],
                     [["a layer, us", *(f"{us:.0f}" for _, us in curve)],
                      ["a token, us", *(f"{us / count:.2f}" for count, us in curve)]])
    lines += ["", f"Waves of rows of {ROW} tokens, {percent(1 - staying(layers))} of which leave behind each layer, so that half "
              "of the layers are computed. Gain at most: merged at best, a token costs what it costs at best; refilled, what it "
              "costs at best in a wave of this size or a smaller one.", ""]
    lines += lines_of(["rows of a wave", "all layers as it is, us", "gain, merged at best", "gain, refilled to its own size"],
                      [[str(one["rows"]), f"{one['as_is_us']:.0f}", percent(one["gain"]), percent(one["refilled"])]
                       for one in waves])
    full = waves[-1]
    verdict = "less than a try is worth" if full["gain"] < WORTH else "worth a try"
    return lines + ["", f"A loaded server's waves have {full['rows']} rows and more: {percent(full['gain'])} at most, {verdict} "
                    f"({percent(WORTH)})."]


def markdown(results):
    lines = [f"# Where the time goes: {results['model']}, {results['precision']}", "", results["what"], "",
             f"Made by `{results['command']}`, {results['rounds']} rounds, {results['disturbed']} disturbed questions.", "",
             "Measured peaks:", "", *peaks_lines(results), "", "## Steps of a layer", "",
             "Microseconds; in brackets the share of the layer and, of what multiplies, that of the measured peak of all "
             "threads.", "",
             *steps_table(results), "", "## What bounds a workload", "", *bounds_table(results), "",
             f"Bound by a peak from {percent(BOUND)} of it on. Weights count once a layer, and may lie in the third cache: more "
             "than all of memory's bandwidth is no error. Most to win: the step that takes most above its least, which is its "
             "operations at the peak or its weights at the bandwidth of an array of their size, whichever is longer.",
             "", "## Two engines of one thread, or one of two", "", *pairs_table(results), "",
             "Both engines of a pair compute at the same time, each half of the rows. One by one: two engines have two rows in "
             "work, so that at a ratio of 1 a row takes twice as long.",
             "", "## Waves merged at equal depth", "", *merging_lines(results), "", machine_line(results)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    file = pathlib.Path(sys.argv[1])
    file.with_suffix(".md").write_text(markdown(json.loads(file.read_text())))
