"""The batcher under load, in simulated time: open and closed loops, overload, recovery, priorities, two models.

    python run.py [--bin BUILD/bin] [--fixed-us 2000] [--token-us 30] [--results FILE]

The engine is a cost, so many microseconds a batch and a token; the batcher is the real one. Says what the queue does, not what
a server costs around it.
"""
import argparse
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent))
from machine import commit  # noqa: E402


def table(title, rows):
    print(f"{title:<34}{'asked/s':>9}{'answered/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'refused':>9}{'dropped':>9}{'rows':>6}")
    for name, one in rows.items():
        print(f"  {name:<32}{one['asked_a_second']:>9.0f}{one['answered_a_second']:>12.0f}{one['p50_ms']:>9.1f}"
              f"{one['p99_ms']:>9.1f}{one['refused']:>9.1%}{one['dropped']:>9.1%}{one['rows_a_batch']:>6.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--fixed-us", type=float, default=2000)
    parser.add_argument("--token-us", type=float, default=30)
    parser.add_argument("--results", type=pathlib.Path, default=HERE.parent / "results/batcher.json")
    options = parser.parse_args()
    done = subprocess.run([options.bin / "espalier-bench-batcher", str(options.fixed_us), str(options.token_us)],
                          capture_output=True, text=True, check=True)
    out = {"what": "the batcher in simulated time, single sentences of about 25 tokens", "commit": commit(),
           **json.loads(done.stdout)}
    for name, rows in out.items():
        if isinstance(rows, dict) and name != "recovery":
            table(name, rows)
    print("recovery", out["recovery"])
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
