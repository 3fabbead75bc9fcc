"""What the rules about the source tree share: the list of files, and how a rule reports."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def files(*suffixes):
    """Tracked files and new ones that git does not ignore, as paths relative to the root."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in sorted(set(listed))
            if (ROOT / name).is_file() and (not suffixes or name.endswith(suffixes))]


def read(name):
    return (ROOT / name).read_text(errors="replace")


def report(findings, rule):
    for finding in findings:
        print(finding)
    if findings:
        sys.exit(f"{len(findings)} against the rule: {rule}")
    print(f"kept: {rule}")
