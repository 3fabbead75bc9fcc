"""Adds up what tests/run left in its results folder; the last line is 'N passed, M failed, K skipped'.

    summary.py RESULTS_FOLDER

Counts gtest cases from the XML of each binary (a binary that died before writing any counts as one
failure, by ctest's word), ctest entries that are no gtest binary, end-to-end cases and single checks.
Exits 1 if anything failed or nothing ran.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as xml


def gtest_cases(path):
    for case in xml.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None:
            yield "failed", name
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            yield "skipped", name
        else:
            yield "passed", name


def ctest_outcome(entry):
    return {"run": "passed", "fail": "failed"}.get(entry.get("status"), "skipped")


def build_cases(folder):
    """Outcomes of one build folder's ctest run."""
    for entry in xml.parse(folder / "ctest.junit").getroot().iter("testcase"):
        name, outcome = entry.get("name"), ctest_outcome(entry)
        report = folder / f"{name}.xml"
        cases = list(gtest_cases(report)) if report.exists() else [(outcome, name)]
        if outcome == "failed" and all(case[0] != "failed" for case in cases):
            cases.append(("failed", f"{name} (ended badly)"))  # a sanitizer's finding after the last case
        yield from cases


def all_cases(results):
    for junit in sorted(results.glob("*/ctest.junit")):
        yield from build_cases(junit.parent)
    for path in sorted(results.glob("*.json")):
        yield from ((case["outcome"], case["name"]) for case in json.loads(path.read_text()))
    for path in sorted(results.glob("*.tsv")):
        yield from (tuple(line.split("\t")) for line in path.read_text().splitlines())


def main():
    cases = list(all_cases(pathlib.Path(sys.argv[1])))
    count = {outcome: sum(case[0] == outcome for case in cases) for outcome in ("passed", "failed", "skipped")}
    for outcome, name in cases:
        if outcome == "failed":
            print(f"failed: {name}")
    line = f"{count['passed']} passed, {count['failed']} failed"
    print(line + (f", {count['skipped']} skipped" if count["skipped"] else ""))
    sys.exit(1 if count["failed"] or not count["passed"] else 0)


if __name__ == "__main__":
    main()
