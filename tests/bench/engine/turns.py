"""Engines as processes that take turns: all are loaded, one is awake at a time, the others wait for a line."""
import json
import os
import re
import subprocess
import threading
import time

HZ = os.sysconf("SC_CLK_TCK")
TRIES = 3            # of a turn that others disturbed
DISTURBED = 0.08     # of a core, beside 20 ms
LONGEST_WAIT = 1800  # seconds for an answer; compiling takes minutes


class Dead(Exception):
    """An engine that cannot answer, and why."""


def last_words(log):
    """The line that names an error, or else the last one."""
    said = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    named = [line for line in said if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named or said or ["without a word"])[-1][:300]


class Engine:
    def __init__(self, name, command, environment, log):
        self.name, self.log = name, log
        with open(log, "w") as errors:
            # A session of its own: Ctrl-C is for the caller, who then closes all.
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=errors, text=True, env=environment, start_new_session=True)

    def ask(self, request):
        watch = threading.Timer(LONGEST_WAIT, self.process.kill)
        watch.start()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watch.cancel()
        if not line:
            raise Dead(f"ended with {self.process.wait()}: {last_words(self.log)}")
        try:
            answer = json.loads(line)
        except ValueError:
            raise Dead(f"said {line[:200]!r}, which is no JSON") from None
        if "error" in answer:
            raise Dead(answer["error"])
        return answer

    def passes(self, request, count):
        """Seconds of `count` passes at least; ours decides itself how many one question is worth."""
        seconds = []
        while len(seconds) < count:
            seconds += self.ask({**request, "passes": count - len(seconds)})["seconds"]
        return seconds

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def busy_seconds(engines):
    """CPU seconds of this and these processes; and of the whole machine, with what was stolen from it."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    own = sum(os.times()[:2])
    for engine in engines:
        with open(f"/proc/{engine.process.pid}/stat") as stat:
            own += sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13])) / HZ
    return own, (user + nice + system + irq + softirq + steal) / HZ


def undisturbed(act, engines, tries=TRIES):
    """What act() gives, and whether others computed meanwhile; it is then done again."""
    for _ in range(tries):
        begin, (own, everyone) = time.monotonic(), busy_seconds(engines)
        answer = act()
        own_after, everyone_after = busy_seconds(engines)
        others = (everyone_after - everyone) - (own_after - own)
        if others <= 0.02 + DISTURBED * (time.monotonic() - begin):
            return answer, False
    return answer, True


def turn(engine, engines, request, count, tries=TRIES):
    """Seconds of each pass of an undisturbed turn, and whether there was none."""
    return undisturbed(lambda: engine.passes(request, count), engines, tries)
