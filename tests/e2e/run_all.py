"""Runs every *_test.py beside this file and writes the outcome of each case as JSON.

    run_all.py --bin BUILD/bin --results FILE [NAME...]      NAME: service kill logits ...
"""
import argparse
import json
import os
import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent


class Outcomes(unittest.TextTestResult):
    """Collects one record a case, a failed class set-up included."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.records = {}

    def note(self, test, outcome):
        if self.records.get(str(test)) != "failed":
            self.records[str(test)] = outcome

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note(test, "passed")

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.note(test, "failed")

    def addError(self, test, error):
        super().addError(test, error)
        self.note(test, "failed")

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error:
            self.note(test, "failed")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skipped")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    os.environ["ESPALIER_BIN"] = str(options.bin.resolve())

    names = options.names or sorted(path.name.removesuffix("_test.py") for path in HERE.glob("*_test.py"))
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromName(f"{name}_test") for name in names)
    start = time.monotonic()
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Outcomes).run(suite)
    print(f"end to end: {time.monotonic() - start:.0f} s")
    if options.results:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(
            [{"name": name, "outcome": outcome} for name, outcome in result.records.items()], indent=1))
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
