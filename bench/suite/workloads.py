"""What a workload is, and the loops; the whole programs are in programs.py."""
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Callable, Optional

LOOP, PROGRAM = "loop", "program"


@dataclass
class Place:
    """Where a run finds its things."""
    work: str  # a folder of this run, gone afterwards
    load_program: str
    scripts: str

    def input(self, name, make):
        from suite import inputs
        return inputs.once(os.path.join(self.work, name), make)


@dataclass
class Workload:
    name: str
    kind: str
    command: Callable[[Place], list]
    threaded: bool = False  # of a loop: is about threads that take and free at the same time
    packages: tuple = ()
    environment: dict = field(default_factory=dict)
    repeats: int = 1  # for what is too short to measure once
    before: Optional[Callable[[Place], None]] = None  # not measured, before every sample
    drive: Optional[Callable[[Place], None]] = None  # a client, not measured, while the command runs
    same_output: bool = True  # standard output must be the same under every allocator
    own_malloc: str = ""  # set by the check: what the program runs on by itself, where that is not the C library


def find_executable(name):
    """Debian's own before anything else in PATH: a shim or a private build would not be the same program."""
    return shutil.which(name, path="/usr/bin:/bin:/usr/sbin") or shutil.which(name)


def loop(name, *arguments, repeats=1, label=None, threaded=False):
    return Workload(label or name, LOOP, lambda place: [place.load_program, name, *arguments], threaded=threaded,
                    repeats=repeats)


# What each stands for and what it cannot show is in the comment of its source file, load/NAME.c.
LOOPS = [
    loop("pairs"),
    loop("lifo"),
    loop("fifo"),
    loop("random"),
    loop("random", "--threads", "4", "--count", "5000000", label="random-4", threaded=True),
    loop("phases"),
    loop("vectors"),
    loop("strings"),
    loop("calloc-small"),
    loop("calloc-large"),
    loop("aligned"),
    loop("medium"),
    loop("huge"),
    loop("passing", threaded=True),
    loop("server", threaded=True),
    loop("exchange", threaded=True),
    loop("churn", threaded=True),
    loop("trees"),
    loop("sharing-active", threaded=True),
    loop("sharing-passive", threaded=True),
    loop("start", repeats=500),
]


def missing_packages(workloads):
    """{package: [workloads that need it]} of what is not installed; a package is known by its first executable."""
    missing = {}
    for workload in workloads:
        for executable, package in workload.packages:
            if not find_executable(executable):
                missing.setdefault(package, []).append(workload.name)
    return missing


def install(packages):
    subprocess.run(["apt-get", "update", "-q"], check=True, stdout=sys.stderr)
    subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], check=True,
                   stdout=sys.stderr)
