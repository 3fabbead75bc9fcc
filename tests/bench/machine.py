"""What every bench writes beside its figures: machine, versions, commit."""
import os
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def machine():
    names = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    return {"cpu": names[0] if names else platform.processor(), "cores": os.cpu_count(), "system": platform.platform(),
            "load": os.getloadavg()}


def machine_line(results):
    """What a table says below it, of the results' machine, commit and versions."""
    machine = results["machine"]
    return (f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['system']}; commit {results['commit']}; "
            + ", ".join(f"{name} {version}" for name, version in results["versions"].items()) + ".")
