"""What giveback.py measures: the cases of acre-bench-giveback, and their resident memory, watched from outside."""
import bisect
import os
import statistics
import threading
import time
from dataclasses import dataclass, replace
from typing import Callable

from suite import system_calls
from suite.floor import PAGE
from suite.measure import Bench, Sample
from suite.workloads import Workload

MIB = 1 << 20
WATCH_S = 0.01
MARKS = "marks"  # a run's, in the work folder
IDLE_MS = [100, 500, 1000, 5000]  # after the last free
FLOOR_TIMES, FLOOR_MORE = 1.05, 4  # "at the floor": within this factor, and so many MiB


# ---- a run: what it cost, what it said, how much of it was resident

@dataclass
class Mark:
    name: str
    at_ms: int
    values: dict


def mark_of(line):
    name, *pairs = line.split()
    values = {key: int(value) for key, _, value in (pair.partition("=") for pair in pairs)}
    return Mark(name, values.pop("at_ms"), values)


@dataclass
class Run:
    cost: Sample
    marks: list
    samples: list  # [(ms, bytes)], by the clock of the marks

    def all(self, name):
        return [mark for mark in self.marks if mark.name == name]

    def mark(self, name):
        return self.all(name)[0]

    def resident(self, at_ms):
        """The last sample that is not later."""
        return self.samples[max(bisect.bisect_right(self.samples, at_ms, key=lambda sample: sample[0]) - 1, 0)][1]

    def resident_after(self, at_ms):
        """The first one that is not earlier."""
        return self.samples[min(bisect.bisect_left(self.samples, at_ms, key=lambda sample: sample[0]),
                                len(self.samples) - 1)][1]


class Watch(threading.Thread):
    """Reads how much of a process is resident until it ends. Its number is in its first mark."""

    def __init__(self, marks_file):
        super().__init__(daemon=True)
        self.marks_file, self.samples, self.over = marks_file, [], threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def number(self):
        try:
            with open(self.marks_file, encoding="utf-8") as file:
                line = file.readline()
        except FileNotFoundError:
            return None
        return mark_of(line).values["pid"] if line.endswith("\n") else None

    def run(self):
        while (number := self.number()) is None:
            if self.over.wait(WATCH_S):
                return
        try:
            with open(f"/proc/{number}/statm", "rb", buffering=0) as statm:
                while (resident := resident_bytes(statm)) and not self.over.is_set():
                    self.samples.append((time.monotonic() * 1000, resident))
                    time.sleep(WATCH_S)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended


def resident_bytes(statm):
    """0 of a process that has ended and was not waited for yet."""
    return int(os.pread(statm.fileno(), 128, 0).split()[1]) * PAGE


class WatchedBench(Bench):
    """Runs give a Run."""

    limit_s = 600  # in realloc, an allocator that copies has gigabytes times a thousand to move

    def run(self, workload, allocator, output=None, *more, **named):
        output = output or os.path.join(self.place.work, MARKS)
        if os.path.exists(output):
            os.unlink(output)  # the number in it is of a process that is gone
        with Watch(output) as watch:
            cost = super().run(workload, allocator, output, *more, **named)
        with open(output, encoding="utf-8") as file:
            return Run(cost, [mark_of(line) for line in file], watch.samples)


# ---- the cases, and what their tables show of a run

@dataclass
class Row:
    label: str
    figure: Callable  # of a Run: a number, or None
    digits: int = 1
    starred: bool = False  # where it is at the floor


@dataclass
class Case:
    name: str
    title: str
    unit: str  # of its table
    arguments: Callable  # of --mib
    rows: list

    def workload(self, program, mib):
        arguments = [str(argument) for argument in self.arguments(mib)]
        return Workload(self.name, "giveback", lambda place: [program, *arguments], same_output=False)  # it has times


def after(name, delay_ms):
    return lambda run: run.resident(run.mark(name).at_ms + delay_ms) / MIB


def of_mark(name, value, unit=1):
    return lambda run: run.mark(name).values[value] / unit


def floor_mib(run):
    return run.mark("freed").values["floor_bytes"] / MIB


def at_floor(resident_mib, least_mib):
    return resident_mib <= least_mib * FLOOR_TIMES + FLOOR_MORE


def returned(run):
    """None where the library has no malloc_trim and it was the C library's that was called."""
    values = run.mark("trimmed").values
    return values["returned"] if values["own"] else None


def for_each_live_byte(name):
    return lambda run: statistics.fmean(run.resident(mark.at_ms) / mark.values["live_bytes"] for mark in run.all(name))


def floor_for_each_live_byte(run):
    return statistics.fmean(mark.values["floor_bytes"] / mark.values["live_bytes"] for mark in run.all("trough"))


def faults_for_each_page(run):
    values = run.mark("grown").values
    return values["minor_faults"] / values["pages"]


def peak_of_final(run):
    return run.cost.peak * 1024 / run.mark("grown").values["live_bytes"]


def half_of(mib):
    return max(mib // 2, 1)


CPU = Row("CPU, s", lambda run: run.cost.cpu, 2)
FLOOR = Row("floor", floor_mib)
FAULTS = Row("minor faults", lambda run: run.cost.minor, 0)
IDLE_ROWS = [Row("before", after("built", 0)),
             *(Row(f"+{ms / 1000:g} s", after("freed", ms), starred=True) for ms in IDLE_MS),
             FLOOR, CPU]


def idle(pattern, what):
    return Case(f"idle/{pattern}", f"idle {pattern}: 4 threads free {what}, and then sleep", "resident MiB",
                lambda mib: ["idle", pattern, "--mib", mib], IDLE_ROWS)


IDLE = idle("random", "all but 1 % of their blocks at random")
SAWTOOTH = Case("sawtooth", "sawtooth: grows and shrinks once a second", "resident bytes for each live byte",
                lambda mib: ["sawtooth", "--mib", half_of(mib)],
                [Row("at peaks", for_each_live_byte("peak"), 2), Row("in troughs", for_each_live_byte("trough"), 2),
                 Row("floor in troughs", floor_for_each_live_byte, 2), CPU, FAULTS])
LOOP = Case("loop", "loop: 100,000 times 8 MiB, taken and freed, and then sleep", "resident MiB", lambda mib: ["loop"],
            [Row("+1 s", after("freed", 1000)), CPU])
CASES = [
    IDLE,
    idle("clustered", "all but 1 % of the runs of 4,096 blocks"),
    idle("none", "all their blocks"),
    Case("trim", "trim: as idle random, and a thread that never took a block calls malloc_trim(0)", "resident MiB",
         lambda mib: ["trim", "--mib", mib],
         [Row("before", after("built", 0)),
          Row("right after", lambda run: run.resident_after(run.mark("trimmed").at_ms) / MIB, starred=True),
          FLOOR, Row("returned", returned, 0), Row("took, ms", of_mark("trimmed", "took_ms"), 0)]),
    SAWTOOTH,
    Case("realloc", "realloc: one block grows by 1 MiB at a time", "faults, bytes",
         lambda mib: ["realloc", "--mib", mib],
         [Row("faults/page", faults_for_each_page, 2), Row("peak/final size", peak_of_final, 2), CPU]),
    LOOP,
]
# One quick run is enough of a check: all cases are in one program.
CHECK = Case("check", "", "", lambda mib: ["loop", "--count", 1000, "--idle-ms", 0], [])


# ---- system calls of the loop

FEW, MANY = 100, 2100  # what is made once, at the start, falls out of the difference
COUNTED_RUNS = 3  # of each: now and then an allocator's own thread makes thousands of calls in one


def counted(program, number):
    """The workloads of so many times, which differ in their name."""
    case = Case("loop", "", "", lambda mib: ["loop", "--count", number, "--idle-ms", 0], [])
    return [replace(case.workload(program, 0), name=f"loop, {number} times, run {turn + 1}")
            for turn in range(COUNTED_RUNS)]


def count_calls(bench, program, chosen, failed, progress, tracer):
    """({allocator: memory system calls for each 100 times}, {allocator: why not})"""
    few, many = counted(program, FEW), counted(program, MANY)
    sound = [a for a in chosen if (CHECK.name, a.name) not in failed]
    counts = system_calls.count_all(bench, [*few, *many], sound, {}, progress, tracer)
    why = {name: reason for (_, name), reason in counts.failed.items()}

    def median(workloads, name):
        return statistics.median(counts.total(workload.name, name) for workload in workloads)

    return {a.name: (median(many, a.name) - median(few, a.name)) / (MANY - FEW) * 100
            for a in sound if a.name not in why}, why
