"""What limit.py measures: pairs against a bare list, and the loops' faults, peaks and system calls against what they
asked for."""
import collections
import dataclasses
import os
import statistics
import subprocess
from dataclasses import dataclass

from suite import measure, workloads
from suite.allocators import GLIBC

PAGE = os.sysconf("SC_PAGE_SIZE")
BARE = "bare"
# These write all that they ask for, or a byte in each page of it, so each page of the peak must be resident once.
FILLING = ["lifo", "fifo", "random", "random-4", "phases", "strings", "calloc-small", "aligned", "medium", "huge",
           "trees"]
OTHERS = ["vectors", "calloc-large", "passing", "server", "exchange", "churn"]
# One process: what every process costs, whatever it does.
START = dataclasses.replace(next(w for w in workloads.LOOPS if w.name == "start"), repeats=1)


def loops(names, wanted):
    return [w for w in workloads.LOOPS if w.name in names and wanted.search(w.name)]


@dataclass
class Requests:
    """What a loop asks for, under any allocator: bytes live at its peak, bytes of its own tables, library calls."""
    peak: int
    books: int
    calls: int


def requests_of(program, workload):
    command = workload.command(workloads.Place("", program, ""))
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"},
                              timeout=measure.SAMPLE_LIMIT_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise measure.Failure(f"its requests cannot be counted: {error}") from error
    return Requests(*map(int, done.stdout.split("requested ")[1].split()))


# ---- nanoseconds of a pair

def pair_cost(bench, loop, allocator, pairs):
    """Of one round: the CPU time of all pairs without that of the first tenth, so that start-up falls out."""
    few = pairs // 10
    all_cpu, few_cpu = (bench.run(workloads.loop(loop, "--count", str(count)), allocator).cpu for count in (pairs, few))
    return (all_cpu - few_cpu) / (pairs - few) * 1e9


def pair_times(bench, chosen, rounds, pairs, progress):
    """({name: [ns, one a round]}, {name: why not}); the bare list is one name more, and runs on the C library."""
    base = next(a for a in chosen if a.name == GLIBC)
    jobs = [(BARE, BARE, base)] + [(a.name, "pairs", a) for a in chosen]
    times, failed = collections.defaultdict(list), {}
    for turn in range(rounds):
        for name, loop, allocator in measure.order(jobs, turn):
            if name not in failed:
                try:
                    times[name].append(pair_cost(bench, loop, allocator, pairs))
                except measure.Failure as failure:
                    failed[name] = str(failure)
            progress.step(f"round {turn + 1}/{rounds} pair {name}")
    return {name: values for name, values in times.items() if name not in failed}, failed


# ---- loops against their requests

@dataclass
class Loops:
    """Samples of loops and of START, what failed, the system calls (if counted), the requests by loop."""
    samples: dict
    failed: dict
    calls: object
    requests: dict

    def of_start(self, metric):
        return statistics.median(getattr(s, metric) for s in self.samples[START.name, GLIBC].values())

    def over_start(self, workload, allocator, metric):
        """Above an empty process under glibc: an allocator's own start counts against it."""
        samples = self.samples.get((workload, allocator))
        if not samples or (workload, allocator) in self.failed:
            return None
        return [getattr(s, metric) - self.of_start(metric) for s in samples.values()]

    def faults(self, workload, allocator):
        """Faults for each page of the peak. The pages of the loop's own tables fault under every allocator."""
        requests, values = self.requests[workload], self.over_start(workload, allocator, "minor")
        return values and [(faults - requests.books / PAGE) / (requests.peak / PAGE) for faults in values]

    def memory(self, workload, allocator):
        """Resident bytes for each byte of the peak, likewise."""
        requests, values = self.requests[workload], self.over_start(workload, allocator, "peak")
        return values and [(kib * 1024 - requests.books) / requests.peak for kib in values]

    def calls_per_million(self, workload, allocator):
        own, start = self.calls.total(workload, allocator), self.calls.total(START.name, GLIBC)
        return None if own is None or start is None else [(own - start) / self.requests[workload].calls * 1e6]
