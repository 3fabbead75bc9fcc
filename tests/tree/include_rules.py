"""Arrows between folders point one way only: greps every #include against the table below.

A folder may include what its arrows name and whatever those may include in turn, never anything else.
"""
import re

import tree

ARROWS = {
    "core/base": [],
    "core/picture": ["core/base"],
    "core/spec": ["core/base"],
    "core/export": ["core/spec", "core/base"],
    "core/image": ["core/spec"],
    "core/text": ["core/spec"],
    "core/kernels": ["core/base"],
    "core/task": ["core/text", "core/image", "core/spec"],
    "core/model": ["core/kernels", "core/spec", "core/base"],
    "core/data": ["core/task", "core/model"],
    "core/method": ["core/data", "core/model"],
    "core/prune": ["core/method", "core/model"],
    "core/distill": ["core/method", "core/model"],
    "core/exit": ["core/method", "core/model"],
    "core/train": ["core/method", "core/data", "core/model"],
    "core/artifact": ["core/model"],
    "core/runtime": ["core/artifact", "core/kernels", "core/task", "core/text"],
    "core/job": ["core/train", "core/runtime", "core/artifact", "core/prune", "core/distill", "core/exit",
                 "core/picture"],
    "server/common": ["core/base"],
    "server/control": ["server/common", "core/spec", "core/image", "core/text"],
    "server/worker": ["server/common", "core/job"],
    "server/serving": ["server/common", "core/runtime"],
    "client/cpp": ["core/base"],
    "client/cli": ["client/cpp", "core/export", "core/picture"],
}
# Serving links how an exit method decides, never how it trains.
EXCEPTIONS = {"core/runtime": re.compile(r"core/exit/\w*policy\w*\.h"),
              "core/artifact": re.compile(r"core/exit/\w*policy\w*\.h")}
INCLUDE = re.compile(r'^\s*#\s*include\s*"((?:core|server|client|tests)/[^"]+)"', re.M)


def folder_of(path):
    """core/spec/x/y.h -> core/spec"""
    return "/".join(path.split("/")[:2])


def reachable(folder, arrows=ARROWS):
    found, queue = {folder}, [folder]
    while queue:
        for after in arrows.get(queue.pop(), []):
            if after not in found:
                found.add(after)
                queue.append(after)
    return found


def violations(path, text, arrows=ARROWS):
    """What one source file includes against the rules, as sentences."""
    source = folder_of(path)
    if source.startswith("tests/"):
        return []
    if source not in arrows:
        return [f"{path}: the folder {source} has no line in the table of arrows"]
    allowed, exception = reachable(source, arrows), EXCEPTIONS.get(source)
    return [f"{path}: includes {header}, but {source} may only reach {', '.join(sorted(allowed - {source})) or 'nothing'}"
            for header in INCLUDE.findall(text)
            if folder_of(header) not in allowed and not (exception and exception.fullmatch(header))]


def main():
    findings = []
    for path in tree.files(".h", ".cpp"):
        if path.startswith(("core/", "server/", "client/")):
            findings += violations(path, tree.read(path))
    tree.report(findings, "includes follow the arrows between folders")


if __name__ == "__main__":
    main()
