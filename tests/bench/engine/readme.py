"""The table of README.md that says how fast the engine is, from the results that are kept.

    python readme.py [--check]

It stands between two marks. --check writes nothing and fails where README.md says something else.
"""
import json
import sys

import table
from machine import ROOT

README, RESULTS = ROOT / "README.md", ROOT / "tests/bench/results"
BEGIN, END = "<!-- made by tests/bench/engine/readme.py -->", "<!-- end -->"
FP32, BF16, INT8 = "espalier", "espalier precision=bf16", "espalier precision=int8"
HEADING = ["from ids to the answer, MiniLM", "fp32, times the best peer", "goal", "bf16, times our fp32", "int8, times our fp32",
           "int8, times the best peer in bf16 or int8"]


def kept(name):
    return json.loads((RESULTS / f"engine_{name}.json").read_text())


def made():
    exact, narrow = kept("minilm_fp32"), kept("minilm-sst2_low")
    rows = []
    for workload, goal in zip(table.WORKLOADS, table.GOALS["minilm", "fp32"]):
        ours = exact["figures"]["ids"][workload]["ours"][FP32]
        found = narrow["figures"]["ids"][workload]
        seconds = {name: one["seconds"] for name, one in found["engines"].items()}

        def faster(name):
            return table.times(table.ratio(seconds["espalier precision=fp32"], seconds[name])) if name in seconds else ""

        rows.append([workload, table.times(ours), f"{goal}, " + ("reached" if ours["median"] >= goal else "not reached"),
                     faster(BF16), faster(INT8), f"{table.times(found['ours'][INT8])} ({found['ours'][INT8]['best_peer']})"])
    files = ", ".join(f"[{one['commit']}](tests/bench/results/engine_{name}.md)"
                      for name, one in (("minilm_fp32", exact), ("minilm-sst2_low", narrow)))
    machines = " and ".join(dict.fromkeys(one["machine"]["cpu"] for one in (exact, narrow)))
    return "\n".join([*table.lines_of(HEADING, rows), "",
                      f"Median of five rounds in turns [least, most]; two cores of: {machines}; commits {files}."])


def main():
    text = README.read_text()
    before, rest = text.split(BEGIN + "\n")
    after = rest.split(END)[1]
    wanted = f"{before}{BEGIN}\n{made()}\n{END}{after}"
    if "--check" not in sys.argv[1:]:
        README.write_text(wanted)
    elif wanted != text:
        sys.exit("README.md's table of engines is not that of tests/bench/results; run tests/bench/engine/readme.py")


if __name__ == "__main__":
    main()
