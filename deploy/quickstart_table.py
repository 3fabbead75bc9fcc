"""Prints a compression job's report as a table: the dense model beside the compressed one.

    quickstart_table.py < report.json
"""
import json
import sys


def count(number):
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f}"


def metric(side):
    found = side["metric"]
    return f"{found['value']:.1f}  [{found['low']:.1f}, {found['high']:.1f}]"


def milliseconds(side):
    return f"{side['latency_ms']['median']:.2f} ms"


def ratio(dense, compressed):
    return f"{dense / compressed:.1f}x less" if compressed else ""


def rows(report):
    dense, small = report["dense"], report["compressed"]
    sentence = f"MACs a snippet, mean (about {report['data']['mean_tokens']:.0f} tokens)"
    for name, key in (("parameters", "parameters"), ("  of these in the layers", "encoder_parameters"),
                      ("bytes of weights", "bytes"), (sentence, "macs")):
        yield name, count(dense[key]), count(small[key]), ratio(dense[key], small[key])
    if "macs_with_exits" in small:
        yield ("  with early exits", "", count(small["macs_with_exits"]), ratio(dense["macs"], small["macs_with_exits"]))
    yield "mean exit layer", f"{dense['mean_exit_layer']:.2f}", f"{small['mean_exit_layer']:.2f}", ""
    yield ("latency of one request, median", milliseconds(dense), milliseconds(small),
           ratio(dense["latency_ms"]["median"], small["latency_ms"]["median"]))
    yield f"{dense['metric']['name']}, % [95 % interval]", metric(dense), metric(small), ""


def main():
    report = json.load(sys.stdin)
    table = [("", "dense", "compressed", ""), *rows(report)]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    for row in table:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  " + "   ".join(cells).rstrip())
    latency, quality, test = report["compressed"]["latency_ms"], report["dense"]["metric"], report.get("paired_test")
    print(f"\n  latency: one sentence at a time through the engine that serves, dense and compressed in turn,"
          f" {latency['samples']:.0f} each")
    print(f"  {quality['name']}: on {quality['count']:.0f} snippets that nothing was trained or chosen on"
          f" ({quality['interval']} interval)")
    if test:
        print(f"  are the two different? {test['name']} test: p = {test['p']:.2g}")


if __name__ == "__main__":
    main()
