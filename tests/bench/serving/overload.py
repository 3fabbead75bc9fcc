"""Three times what a server can do, and SIGTERM in the middle of work.

    python overload.py --data FOLDER [--bin FOLDER] [--artifact FOLDER] [--max-wait-ms 300] [--burst 20] [--trial]

The peak is a closed loop of 128 connections. Then arrivals at half of it, at three times it for 20 s, and at half again:
goodput in the burst, latency of what was accepted, codes of what was refused and how fast, and the time from the burst's
end until a quarter of a second's arrivals are answered as before it. --max-wait-ms is the server's: what it expects to
wait longer is refused. A queue of that length at half of the peak's arrivals is gone after twice that time.

The generator computes on the same cores, and three times as many requests cost it three times as much: beside the share of
the peak stands that of what the cores that it left could have answered (goodput_share_of_left).

At last SIGTERM under 32 connections: every request is answered or refused in words, and the server says that nobody
was left without an answer. Over HTTP and over gRPC. Results go to results/overload.json.
"""
import json
import os
import pathlib
import sys
import threading

from run import BENCH, Rival, prepare, say
from load import Failed, find_program, percentile, protocol_body, read_log, read_sentences, write_lines
from machine import commit, machine
from options import add_classifier, add_threads, parser_of
from servers import Broken, Espalier

TIMES, BEFORE = 3, 10
REFUSED = {"http": "503", "grpc": "UNAVAILABLE"}
ANSWERED = {"http": "200", "grpc": "OK"}
WINDOW, SLACK = 0.25, 1.1  # seconds of arrivals; of the p99 before
GOALS = {"goodput_share": 0.9, "recovery_seconds": 1.0}
CONNECTIONS, DRAINED = 900, 32
LOST_WORDS = "went before the answer"  # what espalier-serve logs of a call that was left


def recovery_seconds(log, over, before, end):
    """From `end` until the arrivals of a window are all answered within the p99 `before`; None: never."""
    after = [(due - end, latency, outcome) for due, latency, _, outcome in log if due >= end]
    for start in sorted({due for due, _, _ in after}):
        window = [(latency, outcome) for due, latency, outcome in after if start <= due < start + WINDOW]
        if all(outcome == ANSWERED[over] for _, outcome in window) and \
                percentile([latency for latency, _ in window], 0.99) <= before * SLACK:
            return start
    return None


def generator_cores(found, rate):
    """What the generator takes at this rate, by what a request cost it in a run."""
    return found["cpu_seconds"] / sum(phase["requests"] for phase in found["phases"]) * rate


def burst(rival, program, peak, peak_cores, options, work):
    """`peak_cores` were the generator's at the peak."""
    seconds = [options.before, options.burst, options.before]
    rates = [0.5 * peak, TIMES * peak, 0.5 * peak]
    log = work / f"overload_{rival.over}.csv"
    found = rival.load(program, None, connections=CONNECTIONS, warm_up=2, log=log,
                       phases=",".join(f"{rate:.2f}:{length}" for rate, length in zip(rates, seconds))).wait()
    calm, busy, after = found["phases"]
    good, refused = ANSWERED[rival.over], REFUSED[rival.over]
    before = calm["outcomes"].get(good, {}).get("p99_ms")
    recovered = recovery_seconds(read_log(log), rival.over, before, 2 + seconds[0] + seconds[1]) if before else None
    share, cores = busy["goodput"] / peak, os.cpu_count()
    busy_cores = generator_cores(found, rates[1])
    return {"offered": rates[1], "goodput": busy["goodput"], "goodput_share": share,
            "goodput_share_of_left": share * (cores - peak_cores) / (cores - busy_cores),
            "generator_cores": {"at the peak": peak_cores, "in the burst": busy_cores}, "p99_before_ms": before,
            "accepted": busy["outcomes"].get(good), "refused": busy["outcomes"].get(refused), "late": busy["late"],
            "others": {name: value["count"] for name, value in busy["outcomes"].items() if name not in (good, refused)},
            "after": after["outcomes"], "recovery_seconds": recovered, "generator_cpu_seconds": found["cpu_seconds"]}


def terminate(rival, program, work):
    """SIGTERM two seconds into a closed loop; its connections then find nobody.

    Lost are requests from before the first refusal that were not answered. Later ones reached a server that had stopped
    taking any: where their connection closed under them, nobody had accepted them.
    """
    server, log = rival.server, work / f"terminate_{rival.over}.csv"
    load = rival.load(program, None, connections=DRAINED, warm_up=1, seconds=8, log=log)
    stopping = threading.Timer(2, server.process.terminate)
    found = load.wait(begins=stopping.start)
    code = server.stop()
    fine = {ANSWERED[rival.over], REFUSED[rival.over], "no connection"}
    rows = read_log(log)
    refusing = min((due for due, _, _, outcome in rows if outcome == REFUSED[rival.over]), default=float("inf"))
    cut = [due for due, _, _, outcome in rows if outcome not in fine]
    return {"outcomes": {name: value["count"] for name, value in found["phases"][0]["outcomes"].items()},
            "lost": sum(due < refusing for due in cut), "closed_while_refusing": sum(due >= refusing for due in cut),
            "server_says_lost": server.log.read_text(errors="replace").count(LOST_WORDS), "exit_code": code}


def judge(result):
    """Which goals are met. The bound of what is accepted: twice the longest wait, and what an answer took before."""
    stop, accepted = result["terminated"], result["accepted"] or {}
    bound = 2 * result["max_wait_ms"] + (result["p99_before_ms"] or 0)
    recovered = result["recovery_seconds"]
    return {"goodput_share": result["goodput_share"] >= GOALS["goodput_share"], "codes": not result["others"],
            "accepted_p99": accepted.get("p99_ms", float("inf")) <= bound,
            "recovery_seconds": recovered is not None and recovered <= GOALS["recovery_seconds"],
            "nothing_lost": (stop["lost"], stop["server_says_lost"], stop["exit_code"]) == (0, 0, 0)}


def measure(over, artifact, bodies, program, options):
    serve, log = options.bin / "espalier-serve", options.work / f"overload_{over}.log"

    def start(*more):
        return Espalier(serve, log, "minilm", artifact=artifact, threads=options.threads, more=more)

    def rival(server):
        return Rival(over, server, "fp32", bodies, over)

    with start() as server:
        found = rival(server).load(program, None, connections=128, warm_up=2, seconds=options.before).wait()
        peak = found["phases"][0]["goodput"]
    say(f"{over}: peak {peak:.0f}/s")
    with start("--max-wait-ms", options.max_wait_ms) as server:
        result = {"peak": peak, "max_wait_ms": options.max_wait_ms} | burst(
            rival(server), program, peak, generator_cores(found, peak), options, options.work)
    with start() as server:
        result["terminated"] = terminate(rival(server), program, options.work)
    result["met"] = judge(result)
    say(json.dumps(result, indent=1))
    return result


def main():
    parser = parser_of(__doc__)
    add_classifier(parser)
    add_threads(parser)
    parser.add_argument("--max-wait-ms", type=int, default=300)
    parser.add_argument("--burst", type=float, default=20)
    parser.add_argument("--before", type=float, default=BEFORE)
    parser.add_argument("--trial", action="store_true", help="short, and nothing is written")
    options = parser.parse_args()
    if options.trial:
        options.burst, options.before = 4, 3
    options.work.mkdir(parents=True, exist_ok=True)
    bodies = write_lines(options.work / "protocol.txt", map(protocol_body, read_sentences(options.data / "sst2/dev.tsv")))
    try:
        program = find_program(options.bin)
        artifact = options.artifact or prepare(options)[2]
        found = {over: measure(over, artifact, bodies, program, options) for over in ANSWERED}
    except (Failed, Broken) as error:
        sys.exit(str(error))
    if not options.trial:
        results = {"what": f"Arrivals at {TIMES} times the peak for {options.burst:g} s, and SIGTERM under load.", "goals": GOALS,
                   "machine": machine(), "commit": commit(), "threads": options.threads, "figures": found}
        (BENCH / "results/overload.json").write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(0 if all(all(one["met"].values()) for one in found.values()) else 1)


if __name__ == "__main__":
    main()
