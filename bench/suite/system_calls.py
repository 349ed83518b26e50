"""Counts the memory system calls of workloads, with strace, in runs of their own: a traced run is never timed."""
import collections
import os
import subprocess
from dataclasses import dataclass, field

from suite.measure import Failure
from suite.workloads import find_executable

# All that an allocator might ask of the system about memory. strace skips a name with "?" that it does not know.
MEMORY_CALLS = ["brk", "mmap", "munmap", "mremap", "mprotect", "pkey_mprotect", "madvise", "process_madvise", "mbind",
                "set_mempolicy", "mlock", "mlock2", "munlock", "mincore", "membarrier"]


class Unavailable(Exception):
    """No strace, or the system does not let it trace."""


@dataclass
class Counts:
    """counts: {(workload, allocator): Counter of calls by name}; failed: {(workload, allocator): why not}."""
    counts: dict = field(default_factory=dict)
    failed: dict = field(default_factory=dict)

    def total(self, workload, allocator):
        counted = self.counts.get((workload, allocator))
        return None if counted is None else sum(counted.values())


class Tracer:
    """strace around a workload's command. It adds all processes and threads up by itself (-f -c) and so writes one
    small table at the end; with the filter in the kernel only the calls in question stop the workload."""

    def __init__(self, folder):
        self.output = os.path.join(folder, "system-calls")
        strace = find_executable("strace")
        if not strace:
            raise Unavailable("no strace: apt-get install strace")
        names = ",".join("?" + name for name in MEMORY_CALLS)
        self.command = [strace, "-f", "--seccomp-bpf", "-qq", "-c", "-U", "calls,name", "-e", f"trace={names}",
                        "-o", self.output]
        probe = subprocess.run([*self.command, find_executable("true")], capture_output=True, text=True, check=False)
        if probe.returncode != 0 or probe.stderr:  # it also goes on, with a complaint, where the filter is refused
            last = probe.stderr.strip().splitlines()[-1:] or [f"exit {probe.returncode}"]
            raise Unavailable(f"strace cannot trace here: {last[0]}")

    def counted(self):
        counts = collections.Counter()
        with open(self.output, encoding="utf-8") as file:
            for line in file:
                calls, _, name = line.strip().partition(" ")
                if calls.isdigit() and name != "total":
                    counts[name] = int(calls)
        return counts


def count_all(bench, workloads, chosen, failed, progress, tracer):
    """One run of each workload under each allocator. What failed before is not tried; the null is no news here."""
    result = Counts()
    for workload in workloads:
        for allocator in (a for a in chosen if not a.is_null):
            key = workload.name, allocator.name
            if key not in failed:
                try:
                    bench.run(workload, allocator, repeats=1, tracer=tracer.command)
                    result.counts[key] = tracer.counted()
                except Failure as failure:
                    result.failed[key] = str(failure)
            progress.step(f"system calls {workload.name} {allocator.name}")
    return result
