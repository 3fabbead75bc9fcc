"""A whole Espalier on free ports in a temporary folder: `espalier up`, and the CLI pointed at it."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("ESPALIER_BIN", ROOT / "build/release/bin"))
PROCESSES = ("control", "worker", "serve")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_for(what, condition, seconds=60, every=0.1):
    """Polls until condition() is truthy and returns it; its last exception is part of the failure."""
    end, problem = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if found := condition():
                return found
        except (OSError, AssertionError) as error:
            problem = error
        time.sleep(every)
    raise AssertionError(f"waited {seconds} s for {what}" + (f": {problem}" if problem else ""))


class Cluster:
    """Use as a context manager; on a failure the processes' logs are kept and named."""

    def __init__(self, *up_arguments, threads=1):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-e2e-"))
        ports = [f"127.0.0.1:{port}" for port in free_ports(6)]
        self.control, self.control_admin, self.worker_admin, self.serve, self.serve_admin, self.serve_http = ports
        self.up_arguments = ("--threads", str(threads), *up_arguments)
        self.process = None

    def __enter__(self):
        log = open(self.folder / "up.log", "w")
        self.process = subprocess.Popen(
            [BIN / "espalier", "up", "--data", self.folder / "data", "--listen", self.control,
             "--admin", self.control_admin, "--worker-admin", self.worker_admin,
             "--inference-listen", self.serve, "--inference-admin", self.serve_admin,
             "--inference-http", self.serve_http, *self.up_arguments],
            stdout=log, stderr=subprocess.STDOUT)
        try:
            for admin in (self.control_admin, self.worker_admin, self.serve_admin):
                wait_for(f"{admin} to be ready", lambda: self.get(admin, "/readyz"))
        except AssertionError:
            self.stop()
            print((self.folder / "up.log").read_text()[-3000:])
            raise
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind is None:
            shutil.rmtree(self.folder)
        else:
            print(f"kept for a look: {self.folder}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)

    def cli(self, *arguments, check=True, timeout=600):
        """Runs one CLI command; returns the CompletedProcess."""
        environment = {**os.environ, "ESPALIER_ADDRESS": self.control, "ESPALIER_INFERENCE_ADDRESS": self.serve}
        done = subprocess.run([BIN / "espalier", *map(str, arguments)], env=environment, text=True,
                              capture_output=True, timeout=timeout)
        if check:
            assert done.returncode == 0, f"espalier {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}"
        return done

    def json(self, *arguments):
        return json.loads(self.cli(*arguments, "--output", "json").stdout)

    def upload_dataset(self, name, folder, *more, check=True):
        splits = [word for split in ("train", "select", "calibrate", "report")
                  for word in (f"--{split}", folder / f"{split}.tsv")]
        return self.cli("datasets", "upload", name, *splits, *more, check=check)

    def get(self, admin, path):
        return urllib.request.urlopen(f"http://{admin}{path}", timeout=5).read().decode()

    def pid_of(self, program):
        """Process id of a program that this cluster's supervisor runs; None while it is down."""
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            except OSError:  # it ended while we looked
                continue
            # The kernel keeps 15 characters of a name; a Z is dead and waits to be reaped.
            if (fields["PPid"], fields["Name"]) == (str(self.process.pid), program[:15]) and fields["State"][0] != "Z":
                return int(status.parent.name)
        return None

    def kill(self, program):
        """kill -9, then waits until the supervisor has another one running."""
        before = wait_for(f"{program} to run", lambda: self.pid_of(program))
        os.kill(before, signal.SIGKILL)
        return wait_for(f"another {program}", lambda: self.pid_of(program) not in (None, before) and self.pid_of(program))
