"""The curves of scale.py: what grows along each, the workload of each point, and what a run of it cost."""
import os
from dataclasses import dataclass
from typing import Callable

from suite.measure import Bench, Failure
from suite.workloads import Workload

OPERATIONS = {"threads": 1 << 24, "passing": 1 << 22, "sizes": 1 << 24, "heap": 1 << 22}  # 64 threads share evenly
MOST_OF_MEMORY = 0.6


@dataclass
class Curve:
    name: str
    title: str
    axis: str
    points: list
    metrics: list
    drawn: list  # those of them that are worth a panel
    arguments: Callable  # of a point: the load program's arguments
    label: Callable = str

    def workload(self, point):
        arguments = [str(argument) for argument in self.arguments(point)]
        return Workload(f"{self.name}/{self.label(point)}", self.name, lambda place: [place.load_program, *arguments])


def mib(size):
    return f"{size}MiB" if size < 1024 else f"{size // 1024}GiB"


def threads(number):
    return ["scale", "--threads", number, "--live", number, "--count", OPERATIONS["threads"]]


def passing(number):
    return ["passing", "--threads", number // 2, "--count", OPERATIONS["passing"] // (number // 2)]


def heap(size):
    return ["scale", "--live", size, "--count", OPERATIONS["heap"]]


def sizes(number):
    return ["scale", "--live", 1, "--sizes", number, "--count", OPERATIONS["sizes"]]


CPU, WALL, MEMORY = "cpu_ns", "wall_ns", "memory"
METRICS = {
    CPU: ("CPU time of a malloc+free", "ns"),
    WALL: ("wall time × cores in use, of a malloc+free", "ns"),
    MEMORY: ("peak resident memory / requested", ""),
}
# A thread's heap, and that of the sizes, is 1 MiB: it stays in a core's own cache, so that only the allocator's part
# can grow along the curve. How much of it caches lose is what the heap's curve shows.
CURVES = [
    Curve("threads", "threads, each with blocks of its own", "threads", [1, 2, 4, 8, 16, 32, 64], [CPU, WALL],
          [CPU, WALL], threads),
    # Its wall time is mostly the two of a pair waiting for each other.
    Curve("passing", "pairs of threads: one frees what the other took", "threads", [2, 4, 8, 16, 32, 64], [CPU, WALL],
          [CPU], passing),
    Curve("sizes", "different sizes from 25 to 4,096 bytes, 320 in the mean", "different sizes",
          [1, 2, 4, 8, 16, 32, 64], [CPU], [CPU], sizes),
    Curve("heap", "live bytes, in blocks of 16 to 512", "live bytes", [1, 4, 16, 64, 256, 1024, 2048, 4096, 8192],
          [CPU, MEMORY], [CPU, MEMORY], heap, mib),
]


def available_mib():
    with open("/proc/meminfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    return 0


def too_large(curve, point, available):
    return curve.name == "heap" and point > MOST_OF_MEMORY * available


@dataclass
class Cost:
    """Of one run: nanoseconds of one operation, and for a heap what stayed resident of each requested byte."""
    operations: int
    cpu_ns: float
    wall_ns: float
    memory: float
    peak: int


def timed_line(said):
    """What a loop says about a part that it times itself; nothing for a workload that is timed as a whole."""
    for line in said.splitlines():
        if line.startswith("timed "):
            return {name: int(value) for name, _, value in (pair.partition("=") for pair in line.split()[1:])}
    return {}


class ScaleBench(Bench):
    """Runs give a Cost, and must print what the first run of the same point printed."""

    def __init__(self, launcher, place, glibc):
        super().__init__(launcher, place)
        self.cores, self.outputs = len(os.sched_getaffinity(0)), {}
        start = Workload("start", "", lambda at: [at.load_program, "start"])
        self.bare_kib = super().run(start, glibc).peak

    def run(self, workload, allocator, output=None, *more, **named):
        output = output or os.path.join(self.place.work, "output")
        sample = super().run(workload, allocator, output, *more, **named)
        with open(output, encoding="utf-8") as file:
            seen = file.read()
        first = self.outputs.setdefault(workload.name, (seen, allocator.name))
        if seen != first[0]:
            raise Failure(f"output differs from {first[1]}'s")
        return self.cost(workload, sample)

    def cost(self, workload, sample):
        """Wall time is that of all cores that the threads can use: what they would cost if none ever waited."""
        command = workload.command(self.place)
        threads = int(command[command.index("--threads") + 1]) if "--threads" in command else 1
        timed = timed_line(sample.said)
        operations = timed.get("operations", OPERATIONS[workload.kind])
        cores = min(self.cores, threads * (1 if timed else 2))  # passing counts pairs
        live, table = timed.get("live_bytes", 0), timed.get("table_bytes", 0)
        return Cost(operations, timed.get("cpu_ns", sample.cpu * 1e9) / operations,
                    cores * timed.get("wall_ns", sample.wall * 1e9) / operations,
                    ((sample.peak - self.bare_kib) * 1024 - table) / live if live else 0.0, sample.peak)
