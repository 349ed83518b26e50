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
import os
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from suite import allocators, callgrind, measure, workloads  # noqa: E402
from suite.paths import built  # noqa: E402


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
    measure.end_tidily()
    with tempfile.TemporaryDirectory(prefix="acre-bench-") as folder:
        chosen, _ = allocators.gather(options, folder, load_program)
        counter = callgrind.Callgrind(valgrind, load_program, folder)
        print("instructions of a hot malloc+free pair of 24 bytes")
        print(f"{'':<14}{'library':>9}{'elsewhere':>11}   version")
        for allocator in (a for a in chosen if not a.is_null):
            try:
                inside, elsewhere = counter.per_pair(allocator, options.pairs)
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
