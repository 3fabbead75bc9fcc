"""Runs that take minutes each, kept one by one: a bench of them may be stopped at any time and goes on where it stood."""
import json
import time


class KeptRuns:
    """A results file of such runs: {"what", "command", "runs"}; write_table(path) makes the tables beside it."""

    def __init__(self, path, what, command, write_table):
        self.path, self.what, self.command, self.write_table = path, what, command, write_table
        self.runs = json.loads(path.read_text())["runs"] if path.exists() else []

    def has(self, **facts):
        return any(all(run[name] == value for name, value in facts.items()) for run in self.runs)

    def add(self, record):
        self.runs.append(record)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".new")
        aside.write_text(json.dumps({"what": self.what, "command": self.command, "runs": self.runs}, indent=1) + "\n")
        aside.replace(self.path)
        self.write_table(self.path)


def run_all(waiting, results, budget_minutes, say):
    """Of (name, run) pairs: run() gives a record, which say(record) puts into words. Returns what failed, by name."""
    start, failed = time.monotonic(), []
    for name, run in waiting:
        if time.monotonic() - start > 60 * budget_minutes:
            print(f"{budget_minutes} minutes are over; not started: {name} and what comes behind it", flush=True)
            break
        print(f"{name} ...", flush=True)
        try:
            record = run()
        except AssertionError as error:  # one that this build refuses does not stop the others
            print(f"{name} failed: {str(error)[-1500:]}", flush=True)
            failed.append(name)
            continue
        results.add(record)
        print(f"{name}: {say(record)}", flush=True)
    return failed


def metric_text(metric):
    return f"{metric['name']} {metric['value']:.2f} [{metric['low']:.2f}, {metric['high']:.2f}]"
