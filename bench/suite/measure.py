"""Runs workloads under allocators: the check before timing, then the rounds."""
import collections
import glob
import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from suite import allocators

SAMPLE_LIMIT_S = 120  # unless a bench has another


def end_tidily():
    """Ctrl-C and kill both end by an exception, so that what runs is ended and the work folder goes."""
    def stop(number, _):
        sys.exit(128 + number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


class Failure(Exception):
    """A workload did not end well under an allocator."""


@dataclass
class Sample:
    """What the launcher measured; times in seconds, the peak in KiB."""
    exit: int
    wall: float
    user: float
    system: float
    peak: int
    minor: int
    major: int
    said: str = ""  # what the command wrote to stderr

    @property
    def cpu(self):
        return self.user + self.system


def parse_sample(line):
    fields = line.strip().split(",")
    return Sample(int(fields[0]), *map(float, fields[1:4]), *map(int, fields[4:7]))


class Bench:
    limit_s = SAMPLE_LIMIT_S

    def __init__(self, launcher, place):
        self.launcher, self.place, self.checks = launcher, place, 0
        # A clean environment: no MALLOC_ or locale setting of the caller's. ACRE_OPTIONS alone comes through,
        # so that acre can be measured under other options.
        self.environment = {"PATH": "/usr/bin:/bin:/usr/sbin", "LC_ALL": "C", "HOME": place.work, "TMPDIR": place.work,
                            "GIT_CONFIG_NOSYSTEM": "1"}
        if "ACRE_OPTIONS" in os.environ:
            self.environment["ACRE_OPTIONS"] = os.environ["ACRE_OPTIONS"]

    def floor_kib(self):
        """What the launcher adds to every peak: the peak of a command that cannot be executed."""
        return parse_sample(subprocess.run([self.launcher, "/"], capture_output=True, text=True, check=True).stdout).peak

    def launch_line(self, workload, allocator, output, extra, repeats, tracer):
        preload = allocator.preload or (allocator.library if workload.own_malloc else "")
        entries = {**workload.environment, **allocator.environment, **extra,
                   **({"LD_PRELOAD": preload} if preload else {})}
        line = [self.launcher, "-o", output, "-r", str(repeats), *tracer]
        for name, value in entries.items():  # a tracer sets them for the command only, not for itself
            line += ["-E" if tracer else "-e", f"{name}={value}"]
        return line + workload.command(self.place)

    def run(self, workload, allocator, output="/dev/null", extra=None, repeats=None, tracer=()):
        """One sample. A group of its own, so that all of it can be ended when it takes too long."""
        line = self.launch_line(workload, allocator, output, extra or {}, repeats or workload.repeats, tracer)
        if workload.before:
            workload.before(self.place)
        process = subprocess.Popen(line, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            if workload.drive:
                workload.drive(self.place)
            answer, complaint = process.communicate(timeout=self.limit_s)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise Failure(f"stopped after {error.timeout} s") from error
            if isinstance(error, (subprocess.CalledProcessError, TimeoutError, ConnectionError)):
                raise Failure(f"its client gave up: {error}") from error
            raise
        sample = parse_sample(answer) if process.returncode == 0 else None
        if not sample or sample.exit != 0:
            last = complaint.strip().splitlines()[-1:] or ["no message"]
            raise Failure(f"exit {sample.exit if sample else process.returncode}: {last[0][:200]}")
        sample.said = complaint
        return sample

    # ---- the check: a run that is not timed, in which the loader says where every malloc was bound to

    def foreign_providers(self, prefix, library):
        """The files other than `library` that a malloc of any process of a run ended at; all, if none was its."""
        bound = collections.defaultdict(set)
        for path in glob.glob(prefix + ".*"):
            with open(path, "rb") as file:
                for line in file:
                    if b"symbol `malloc'" in line:
                        source, target = (os.path.realpath(part.strip().rsplit(" [", 1)[0]) for part in
                                          line.decode().split("binding file ")[1].split(": ")[0].split(" to "))
                        bound[source].add(target)
            os.unlink(path)
        targets = set().union(*bound.values())
        if library not in targets:
            return targets or {"a malloc of its own"}
        # An executable at a fixed address lends its own jump to malloc to libraries that take malloc's address:
        # it is no provider, where the jump itself, which is a line of its own, goes to the library.
        return {target for target in targets if target != library and library not in bound[target]}

    def check(self, workload, allocator):
        """Runs once; returns a digest of the output. Raises Failure if a malloc came from anywhere else."""
        self.checks += 1  # a prefix of its own: what a failed run left behind must not be read as this one's
        prefix, output = os.path.join(self.place.work, f"bindings{self.checks}"), os.path.join(self.place.work, "output")
        self.run(workload, allocator, output, {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": prefix}, repeats=1)
        foreign = self.foreign_providers(prefix, allocator.library)
        if foreign:
            names = ", ".join(sorted(foreign))
            if allocator.preload or workload.own_malloc:
                raise Failure(f"runs on {names}")
            # The package brings a malloc: preload the C library itself, in front of it, to compare with glibc.
            workload.own_malloc = names
            return self.check(workload, allocator)
        with open(output, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()


class Progress:
    """One line on stderr: elapsed and remaining."""

    def __init__(self, steps):
        self.steps, self.done, self.start, self.shown = steps, 0, time.monotonic(), 0.0

    def step(self, what):
        self.done += 1
        elapsed = time.monotonic() - self.start
        remaining = elapsed / self.done * (self.steps - self.done)
        terminal = sys.stderr.isatty()
        if terminal or elapsed - self.shown > 30 or self.done == self.steps:
            self.shown = elapsed
            end = "\r" if terminal and self.done < self.steps else "\n"
            print(f"bench: {what:<44.44} {clock(elapsed)} elapsed, {clock(remaining)} remaining ", end=end,
                  file=sys.stderr, flush=True)


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def order(items, turn):
    """Rotated by one each time, and backwards after each full turn: no one is always first, or always after the
    same neighbour, whose heat and leftovers it would inherit."""
    shift = turn % len(items)
    rotated = items[shift:] + items[:shift]
    return rotated if turn // len(items) % 2 == 0 else rotated[::-1]


def check_all(bench, workloads, chosen, progress):
    """The round before the first: proves the preloads, compares outputs, warms the page cache. {(w, a): why not}."""
    failed = {}
    for workload in workloads:
        expected = None
        for allocator in chosen:
            try:
                digest = bench.check(workload, allocator)
                expected = expected or digest
                if workload.same_output and digest != expected:
                    raise Failure("output differs from glibc's")
            except Failure as failure:
                failed[workload.name, allocator.name] = str(failure)
            progress.step(f"check {workload.name} {allocator.name}")
    return failed


def all_rounds(bench, workloads, chosen, rounds, failed, progress):
    """{(workload, allocator): {round: Sample}}; what fails is added to `failed` and not tried again."""
    samples = collections.defaultdict(dict)
    for turn in range(rounds):
        for number, workload in enumerate(workloads):
            for allocator in order(chosen, turn + number):
                key = workload.name, allocator.name
                if key not in failed:
                    try:
                        samples[key][turn] = bench.run(workload, allocator)
                    except Failure as failure:
                        failed[key] = str(failure)
                progress.step(f"round {turn + 1}/{rounds} {workload.name} {allocator.name}")
    return samples


def told(allocator):
    return [f"{name}={value}" for name, value in allocator.environment.items()]


def describe(chosen):
    return [f"{a.name:<14} {a.version:<28} {' '.join([a.preload or a.library, *told(a)])}"
            for a in chosen if not a.is_null] + [
        f"{a.name:<14} the null comparison: {a.name[:-len(allocators.NULL_SUFFIX)]} under another name"
        for a in chosen if a.is_null]
