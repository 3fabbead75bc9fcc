"""A server for as long as it takes to find what it loses: answers, memory, its footing.

    python soak.py --data FOLDER [--bin FOLDER] [--artifact FOLDER] [--requests 1000000] [--cycles 50] [--trial]

Texts of random lengths, each asked once alone; then by several generators at a time, HTTP and gRPC, and every answer is
compared with that one. Some clients ask with a time that runs out, some give up while they wait, some die in the middle
of a request. In the second half another model is loaded and unloaded again and again, and asked meanwhile.
Memory is sampled: after a fifth of a half it must not grow by more than 2 %, and over the load/unload cycles not by more
than 5 %. Results go to results/soak.json.
"""
import collections
import json
import pathlib
import random
import shutil
import statistics
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from load import Failed, Load, find_program, protocol_body, read_sentences, write_lines  # noqa: E402
from machine import commit, machine  # noqa: E402
from options import add_classifier, add_threads, parser_of  # noqa: E402
from servers import Broken, Espalier, ask, resident_bytes  # noqa: E402

STEADY, GUEST = "steady", "guest"
TEXTS, SAMPLE_SECONDS = 512, 0.5
TOLERANCE = 1e-4  # of a logit: batches add in another order
LEAVING = {"cancel": 0.3, "die": 0.1}
# Who asks: by what, model, connections, share of a half's requests, ways, outcomes that are right.
CLIENTS = {"HTTP": ("http", STEADY, 8, 0.35, {}, {"200"}),
           "gRPC": ("grpc", STEADY, 8, 0.35, {}, {"OK"}),
           "HTTP, in a hurry": ("http", STEADY, 2, 0.08, {"hurry": True}, {"200", "503"}),
           "gRPC, in a hurry": ("grpc", STEADY, 2, 0.07, {"hurry": True},
                            {"OK", "DEADLINE_EXCEEDED", "UNAVAILABLE"}),  # the last: its answer would have been late
           "HTTP, leaving": ("http", STEADY, 4, 0.08, LEAVING, {"200", "cancelled", "died"}),
           "gRPC, leaving": ("grpc", STEADY, 4, 0.07, LEAVING, {"OK", "cancelled", "died"})}
# They ask again and again for GUEST_SECONDS, as long as the others do: most of what they hear is that it is not there.
GUESTS = {"HTTP, the guest": ("http", GUEST, 2, None, {}, {"200", "404", "503"}),
          "gRPC, the guest": ("grpc", GUEST, 2, None, {}, {"OK", "NOT_FOUND", "UNAVAILABLE"})}
GUEST_SECONDS, STAY_SECONDS = 2, 0.3


def random_texts(sentences, seed=1):
    """Of one word up to more than a model reads."""
    draw = random.Random(seed)
    words = " ".join(sentences).split()
    found = []
    for _ in range(TEXTS):
        first = draw.randrange(len(words))
        found.append(" ".join(words[first:first + int(2 ** draw.uniform(0, 8))]))
    return found


def repository(artifact, folder):
    """The artifact twice: a model that stays and one that comes and goes."""
    for name in (STEADY, GUEST):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(artifact, folder / name / "1")
    return folder


class Soak:
    """One server and what it is asked; `problems` is what went wrong, in sentences."""

    def __init__(self, server, program, work, texts, flat=0.02, flat_after_cycles=0.05):
        self.server, self.program, self.work, self.texts = server, program, work, texts
        self.limits = {"steady": flat, "guests": flat_after_cycles}
        self.problems, self.clients, self.memory, self.cycles = [], {}, {}, 0
        self.lock = threading.Lock()

    def write_requests(self):
        draw = random.Random(2)
        plain = [protocol_body(text) for text in self.texts]
        hurried = [protocol_body(text, timeout=int(10 ** draw.uniform(0, 4.5))) for text in self.texts]
        answers = []
        for body in plain:
            status, text = ask(self.server.address, self.server.path, body)
            if status != 200:
                raise Broken(f"{status} to {json.dumps(body)[:200]}: {text}")
            answers.append(json.loads(text)["outputs"][0]["data"])
        self.bodies = {False: write_lines(self.work / "plain.txt", plain), True: write_lines(self.work / "hurried.txt", hurried)}
        self.expected = write_lines(self.work / "expected.txt", answers)

    def ask_as(self, name, **how_long):
        """Outcomes and mismatches of one run of a kind of client."""
        over, model, connections, _, ways, _ = (CLIENTS | GUESTS)[name]
        ways = dict(ways)
        bodies = self.bodies[ways.pop("hurry", False)]
        how = {"grpc": model} if over == "grpc" else {"path": f"/v2/models/{model}/infer", "pointer": self.server.pointer}
        target = self.server.grpc if over == "grpc" else self.server.address
        found = Load(self.program, target, bodies, expect=self.expected, tolerance=TOLERANCE, connections=connections,
                     warm_up=0, **how_long, **how, **ways).wait()
        return {key: value["count"] for key, value in found["phases"][0]["outcomes"].items()}, found["mismatches"]

    def run_client(self, half, name, requests):
        self.judge(half, name, *self.ask_as(name, requests=max(int(requests * CLIENTS[name][3]), CLIENTS[name][2])))

    def run_guest(self, half, name, done):
        total, wrong = collections.Counter(), {"count": 0}
        while not done.is_set():
            outcomes, mismatches = self.ask_as(name, seconds=GUEST_SECONDS)
            total.update(outcomes)
            wrong = {"first": mismatches.get("first"), **wrong, "count": wrong["count"] + mismatches["count"]}
        self.judge(half, name, dict(total), wrong)
        if not total["200"] + total["OK"]:
            self.problem(f"{half}, {name}: it never had an answer")

    def judge(self, half, name, outcomes, mismatches):
        right = (CLIENTS | GUESTS)[name][5]
        with self.lock:
            self.clients[f"{half}: {name}"] = {"outcomes": outcomes, "mismatches": mismatches}
        for outcome in sorted(set(outcomes) - right):
            self.problem(f"{half}, {name}: {outcomes[outcome]} times {outcome!r}; right are {', '.join(sorted(right))}")
        if mismatches["count"]:
            self.problem(f"{half}, {name}: {mismatches['count']} wrong answers, first {str(mismatches.get('first'))[:300]}")

    def problem(self, text):
        with self.lock:
            self.problems.append(text)

    def cycle(self, cycles, done):
        """Loads and unloads the guest until `done`, and at least so often; it is gone at the end."""
        while self.cycles < cycles or not done.is_set():
            for what, seconds in ((self.server.load, STAY_SECONDS), (self.server.unload, 0)):
                status, text = what(GUEST)
                if status != 200:
                    return self.problem(f"cycle {self.cycles}: {status} {text}")
                done.wait(seconds)
            self.cycles += 1

    def guarded(self, function, *arguments):
        """A thread whose failure is a problem of the soak, not a line nobody reads."""
        def act():
            try:
                function(*arguments)
            except (Failed, OSError, ValueError) as error:
                self.problem(f"{function.__name__} {arguments[:2]}: {error}")
        return threading.Thread(target=act)

    def run_half(self, half, requests, cycles=0):
        """All clients side by side; samples of memory meanwhile."""
        samples, done = [], threading.Event()
        clients = [self.guarded(self.run_client, half, name, requests) for name in CLIENTS]
        others = [self.guarded(self.run_guest, half, name, done) for name in GUESTS] if cycles else []
        others += [self.guarded(self.cycle, cycles, done)] if cycles else []
        for thread in clients + others:
            thread.start()
        while any(thread.is_alive() for thread in clients) or (self.cycles < cycles and others[-1].is_alive()):
            if self.server.process.poll() is not None:
                self.problem(f"the server ended with {self.server.process.returncode}")
                break
            samples.append(resident_bytes(self.server.process.pid))
            time.sleep(SAMPLE_SECONDS)
        done.set()
        for thread in clients + others:
            thread.join()
        return samples

    def check_memory(self, half, before, after, more):
        growth = after / before - 1
        self.memory[half] = {"before_bytes": before, "after_bytes": after, "growth": round(growth, 4)} | more
        if growth > self.limits[half]:
            self.problem(f"{half}: memory grew by {growth:.1%}, from {before >> 20} to {after >> 20} MiB; "
                         f"allowed are {self.limits[half]:.0%}")

    def run(self, requests, cycles):
        self.write_requests()
        samples = self.run_half("steady", requests // 2)
        part = max(len(samples) // 5, 1)  # the first one warms up
        if len(samples) > 2:
            self.check_memory("steady", int(statistics.median(samples[part:2 * part + 1])),
                              int(statistics.median(samples[-part:])), {"samples": len(samples), "most_bytes": max(samples)})
        # One load and unload before: what stays of them is there once.
        self.server.load(GUEST)
        self.server.unload(GUEST)
        before = resident_bytes(self.server.process.pid)
        samples = self.run_half("guests", requests // 2, cycles)
        if self.server.process.poll() is None:
            self.check_memory("guests", before, resident_bytes(self.server.process.pid),
                              {"cycles": self.cycles, "most_bytes": max(samples)})
        return {"requests": sum(sum(one["outcomes"].values()) for one in self.clients.values()), "clients": self.clients,
                "memory": self.memory, "problems": self.problems}


def main():
    parser = parser_of(__doc__)
    add_classifier(parser)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--cycles", type=int, default=50, help="of load and unload, at least")
    add_threads(parser)
    parser.add_argument("--trial", action="store_true", help="2000 requests; nothing is written")
    options = parser.parse_args()
    if options.trial:
        options.requests, options.cycles = 2000, 2
    work = options.work / "soak"
    work.mkdir(parents=True, exist_ok=True)
    try:
        program = find_program(options.bin)
        if options.artifact is None:
            from run import prepare
            options.artifact = prepare(options)[2]
        texts = random_texts(read_sentences(options.data / "sst2/dev.tsv"))
        server = Espalier(options.bin / "espalier-serve", work / "serve.log", STEADY,
                          repository=repository(options.artifact, work / "repository"), threads=options.threads)
        started = time.monotonic()
        with server:
            found = Soak(server, program, work, texts).run(options.requests, options.cycles)
    except (Failed, Broken) as error:
        sys.exit(str(error))
    found = {"what": "Requests of random lengths by clients of several kinds; every answer compared with its precomputed one.",
             "machine": machine(), "commit": commit(), "threads": options.threads, "seconds": round(time.monotonic() - started),
             "restarts": 0, **found}
    print(json.dumps(found, indent=1))
    if not options.trial:
        (HERE.parent / "results/soak.json").write_text(json.dumps(found, indent=1) + "\n")
    sys.exit("\n".join(found["problems"]) if found["problems"] else 0)


if __name__ == "__main__":
    main()
