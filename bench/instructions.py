#!/usr/bin/env python3
"""Instructions of a hot malloc+free pair of 24 bytes, inside each allocator's library, counted by callgrind.

Repeatable to the digit, on a busy machine too: it counts, it does not time. The pair loop runs with N and with 2N
pairs, and the difference is divided by N, so that start-up and first use fall out and only what every pair executes
remains. Callgrind does not replace malloc (memcheck would), so a preload works under it as everywhere.

For glibc the whole of libc.so is its "library"; the loop calls nothing else of it, so the difference is malloc's and
free's alone. "elsewhere" is what a pair executes in further objects, such as the loader's look-up of thread-local
variables; the program's own loop and its jump table are in neither column.
"""
import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from suite import allocators, workloads  # noqa: E402
from suite.paths import built  # noqa: E402

UNKNOWN, SERVED = "???", "malloc or free of an unknown object"
COST = re.compile(r"^[0-9+*-]\S* (\d+)$")


class Names:
    """Callgrind writes a name in full once, as "(id) name", and then only "(id)"."""

    def __init__(self):
        self.names = {}

    def read(self, line):
        key, _, name = line.partition("=")[2].partition(" ")
        return self.names.setdefault(key, name)


def costs_by_object(path):
    """Self cost of each object in a callgrind file."""
    objects, functions, costs = Names(), Names(), collections.Counter()
    current = where = ""
    callee_next = False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in map(str.rstrip, file):
            if line.startswith("ob="):
                current = where = objects.read(line)
            elif line.startswith("cob="):
                objects.read(line)
            elif line.startswith("fn="):
                # Code in a section of its own (tcmalloc's malloc) has no object for valgrind, only a name.
                nameless = functions.read(line) in ("malloc", "free") and current == UNKNOWN
                where = SERVED if nameless else current
            elif line.startswith("cfn="):
                functions.read(line)
            elif line.startswith("calls="):
                callee_next = True  # the next line is the callee's cost, counted where it is the callee's own
            elif match := COST.match(line):
                if not callee_next:
                    costs[where] += int(match[1])
                callee_next = False
    return costs


def count(valgrind, load_program, preload, pairs, folder):
    out = os.path.join(folder, "callgrind.out")
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": folder}
    command = [valgrind, "--tool=callgrind", f"--callgrind-out-file={out}", "-q"]
    if preload:
        environment["LD_PRELOAD"] = preload
    done = subprocess.run([*command, load_program, "pairs", "--count", str(pairs)], env=environment,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise allocators.BrokenPreload(f"{preload}: under callgrind: {done.stderr.strip()[-200:]}")
    costs = costs_by_object(out)
    os.unlink(out)
    return costs


def per_pair(valgrind, load_program, allocator, pairs, folder):
    """(inside the library, in other objects), without the program itself."""
    once = count(valgrind, load_program, allocator.preload, pairs, folder)
    twice = count(valgrind, load_program, allocator.preload, 2 * pairs, folder)
    inside = elsewhere = 0
    for name in twice:
        difference = (twice[name] - once[name]) / pairs
        if name == SERVED or os.path.realpath(name) == allocator.library:
            inside += difference
        elif os.path.realpath(name) != os.path.realpath(load_program):
            elsewhere += difference
    if inside < 1:
        raise allocators.BrokenPreload(f"{allocator.name}: nothing is executed in {allocator.library}")
    return inside, elsewhere


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="build folder, with libacre.so.1 and the bench programs")
    parser.add_argument("--acre", default="", help="another file to measure as acre")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=FILE.so", help="one more peer")
    parser.add_argument("--allocators", default="", metavar="LIST", help="only these, by name, with commas")
    parser.add_argument("--pairs", type=int, default=200000, help="N (default %(default)s)")
    options = parser.parse_args()
    if options.pairs < 1 or any("=" not in peer for peer in options.peer):
        parser.error("--pairs: at least 1; --peer: NAME=FILE.so")
    return options


def main():
    options = parse_arguments()
    load_program = built(options.build, "acre-bench-load")
    valgrind = workloads.find_executable("valgrind")
    if not valgrind:
        sys.exit("bench: no valgrind: apt-get install valgrind")
    failed = False
    with tempfile.TemporaryDirectory(prefix="acre-bench-") as folder:
        chosen, _ = allocators.gather(options, folder, load_program)
        print("instructions of a hot malloc+free pair of 24 bytes")
        print(f"{'':<14}{'library':>9}{'elsewhere':>11}   version")
        for allocator in (a for a in chosen if not a.is_null):
            try:
                inside, elsewhere = per_pair(valgrind, load_program, allocator, options.pairs, folder)
                print(f"{allocator.name:<14}{inside:>9.1f}{elsewhere:>11.1f}   {allocator.version}", flush=True)
            except allocators.BrokenPreload as problem:
                failed = failed or allocator.name == allocators.ACRE
                print(f"{allocator.name:<14}   failed   {problem}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except allocators.BrokenPreload as broken:
        sys.exit(f"bench: {broken}")
