"""The control plane loads no torch: asks the dynamic linker what a program would load.

    loads_no_torch.py PROGRAM
"""
import re
import subprocess
import sys

import tree


def main():
    loaded = subprocess.run(["ldd", sys.argv[1]], capture_output=True, text=True, check=True).stdout
    findings = [line.strip() for line in loaded.splitlines() if re.search(r"lib(torch|c10|gomp|cuda|cudnn)\w*\.so", line)]
    tree.report(findings, f"{sys.argv[1].rsplit('/', 1)[-1]} loads no torch")


if __name__ == "__main__":
    main()
