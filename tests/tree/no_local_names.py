"""Nothing names the machine it was written on, nor the host of a package registry: those are settings."""
import re

import tree

# Each pattern is spelled so that it does not match itself.
NAMES = [
    (r"/[w]ork/", "a path of one machine"),
    (r"/opt/(?:pypi|wheels)", "a path of one machine"),
    (r"/(?:home|Users)/[a-z]\w*/", "a path of one machine"),
    (r"\b(?:pypi|pythonhosted|npmjs|anaconda)\.(?:org|com)\b", "the host of a package registry"),
    (r"\bdownload\.pytorch\.", "the host of a package registry"),
    (r"\bdeb\.debian\.", "the host of a package registry"),
]


def main():
    findings = []
    for path in tree.files():
        for number, line in enumerate(tree.read(path).splitlines(), 1):
            for pattern, what in NAMES:
                if re.search(pattern, line):
                    findings.append(f"{path}:{number}: names {what}: {line.strip()[:100]}")
    tree.report(findings, "no machine paths and no registry hosts in the tree")


if __name__ == "__main__":
    main()
