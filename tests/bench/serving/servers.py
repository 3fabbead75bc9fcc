"""The servers that are measured: how each is started, asked, watched and stopped."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
HZ = os.sysconf("SC_CLK_TCK")
ENGINE_THREAD = "engine"  # the name of the threads that compute (core/runtime/batcher.cpp)
START_SECONDS = 180
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy is not for this machine


class Broken(Exception):
    """A server that does not start or answer, and why."""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def processes_of(root):
    """The process, its children and theirs."""
    children = {}
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            words = status.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it ended while we looked
            continue
        children.setdefault(int(words[1]), []).append(int(status.parent.name))
    found, queue = [], [root]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def cpu_seconds(root):
    """Of a tree of processes, with children that have ended."""
    ticks = 0
    for pid in processes_of(root):
        try:
            words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(map(int, words[11:15]))
    return ticks / HZ


def engine_cpu_seconds(pid):
    """Of the threads that compute; nanoseconds are the scheduler's."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            if (task / "comm").read_text().strip() == ENGINE_THREAD:
                total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total / 1e9


def resident_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def machine_seconds():
    """CPU seconds of the whole machine, with what was stolen from it."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / HZ


def ask(address, path, body=None, timeout=60):
    """Status and text."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{address}{path}", data, {"Content-Type": "application/json"})
    try:
        with OPENER.open(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Server:
    """Use as a context manager. `log` has what it says."""
    path, pointer = "", ""

    def __init__(self, log):
        self.log, self.process = log, None

    def start(self, command, environment=None):
        with open(self.log, "w") as log:
            # A session of its own: Ctrl-C is for the caller, who then stops all.
            self.process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, start_new_session=True,
                                            env={**os.environ, **(environment or {})})
        end = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                said = self.log.read_text(errors="replace").strip().splitlines()[-3:]
                self.stop()
                raise Broken(f"{pathlib.Path(command[0]).name} did not become ready: {' / '.join(said)}"[:600])
            time.sleep(0.1)
        return self

    def is_ready(self):
        try:
            return self.ready()
        except (OSError, ValueError):
            return False

    def sample(self):
        return {"cpu": cpu_seconds(self.process.pid)}

    def stop(self, seconds=60):
        """Its exit code; None when it had to be killed."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)  # the group that we started
            self.process.wait()
            return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Espalier(Server):
    """espalier-serve over a folder of models, or over one artifact that is then called `model`."""
    pointer = "/outputs/0/data"

    def __init__(self, program, log, model, artifact=None, repository=None, threads=2, more=()):
        super().__init__(log)
        self.model, self.path = model, f"/v2/models/{model}/infer"
        self.grpc, self.address, self.admin = (f"127.0.0.1:{free_port()}" for _ in range(3))
        what = ["--model", f"{model}={artifact}"] if artifact else ["--repository", repository]
        self.command = [program, *what, "--listen", self.grpc, "--http", self.address, "--admin", self.admin, "--threads", threads,
                        *more]

    def __enter__(self):
        return self.start(self.command)

    def ready(self):
        return ask(self.address, "/v2/health/ready", timeout=5)[0] == 200

    def products(self):
        """In what this machine multiplies the model's weights."""
        return json.loads(ask(self.address, f"/v2/models/{self.model}")[1])["properties"]["products"]

    def statistics(self, model=None):
        """Busy seconds of the engine, rows and batches that it ran; of all versions of a model."""
        found = {"busy": 0.0, "rows": 0, "batches": 0}
        status, text = ask(self.address, f"/v2/models/{model or self.model}/stats")
        for entry in json.loads(text)["model_stats"] if status == 200 else []:
            found["rows"] += int(entry["inference_count"])
            found["batches"] += int(entry["execution_count"])
            found["busy"] += sum(int(batch["compute_infer"]["ns"]) for batch in entry["batch_stats"]) / 1e9
        return found

    def sample(self):
        return super().sample() | {"engine_cpu": engine_cpu_seconds(self.process.pid)} | self.statistics()

    def load(self, model):
        return ask(self.address, f"/v2/repository/models/{model}/load", {})

    def unload(self, model):
        return ask(self.address, f"/v2/repository/models/{model}/unload", {})


class Mosec(Server):
    """mosec over an engine of tests/bench/engine/peers.py."""
    path, pointer = "/inference", "/logits"

    def __init__(self, log, peer, folder, exports, threads=2, batch=32, wait_ms=2):
        super().__init__(log)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.command = [sys.executable, HERE / "mosec_server.py", "--port", self.port, "--timeout", 60000, "--log-level", "warning"]
        self.settings = {"BENCH_PEER": peer, "BENCH_FOLDER": str(folder), "BENCH_EXPORTS": str(exports),
                         "BENCH_THREADS": str(threads), "BENCH_BATCH": str(batch), "BENCH_WAIT_MS": str(wait_ms),
                         "OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}

    def __enter__(self):
        return self.start(self.command, self.settings)

    def ready(self):
        return ask(self.address, self.path, {"text": "a film"}, timeout=5)[0] == 200
