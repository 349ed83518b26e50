#!/usr/bin/env python3
"""Who notices what: the cases of tests/misuse, each in a process of its own, on acre, glibc and the peers. See README.md."""
import argparse
import collections
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the repository stays clean
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from suite import allocators, command, measure  # noqa: E402
from suite.paths import built  # noqa: E402

TOLD, CRASHED, SILENT, TOOK, LOST, HUNG, WROTE, NONE = "T", "C", "s", "t", "L", "h", "w", "-"
WELL = "+"
LEGEND = {TOLD: "told: a line, then abort", CRASHED: "ended by a fault, or without a line",
          SILENT: "went on, and nothing showed", TOOK: "realloc or malloc_usable_size took it for a block",
          LOST: "went on, and the heap was broken: a block handed out twice, or a "
          "live one lost", WROTE: "wrote a line and went on", HUNG: "hung", WELL: "went well, as it must",
          NONE: "not to be had here"}
STATUS_TOOK, STATUS_LOST, STATUS_SKIPPED, PATIENCE_S = 8, 9, 77, 10
# The kinds of blocks that every allocator has, in the order of a cell's letters.
KINDS = ["small", "recent", "medium", "large", "huge", "unmapped"]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    command.add_allocator_options(parser)
    parser.add_argument("--only", default="", metavar="REGEX", help="only cases whose name matches")
    parser.add_argument("--list", action="store_true", help="list the cases, and what acre is to write, and stop")
    options = parser.parse_args()
    if any("=" not in peer for peer in options.peer):
        parser.error("--peer: NAME=FILE.so")
    return options


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def outcome(program, allocator, case, must_go_well):
    environment = {"PATH": "/usr/bin:/bin", **allocator.environment}
    if allocator.preload:
        environment["LD_PRELOAD"] = allocator.preload
    try:
        done = subprocess.run([program, case], env=environment, capture_output=True, check=False, timeout=PATIENCE_S,
                              preexec_fn=no_core)
    except subprocess.TimeoutExpired:
        return HUNG
    if done.returncode == STATUS_SKIPPED:
        return NONE
    if done.returncode in (STATUS_LOST, STATUS_TOOK):
        return LOST if done.returncode == STATUS_LOST else TOOK
    if done.returncode == 0:
        return WROTE if done.stderr else WELL if must_go_well else SILENT
    return TOLD if done.returncode == -signal.SIGABRT and done.stderr else CRASHED


def all_cases(program, regex):
    """{name: {kind: must it go well?}}; what is of no kind has the kind ''. Arenas are acre's alone."""
    done = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    lines = command.matching(regex, done.stdout.splitlines(), lambda line: line.split("\t")[0])
    cases = collections.defaultdict(dict)
    for line in lines:
        name, _, wanted = line.partition("\t")
        name, _, kind = name.partition(".")
        if kind in KINDS or not kind:
            cases[name][kind] = not wanted
    return cases


def cell(program, allocator, name, kinds):
    if "" in kinds:
        return outcome(program, allocator, name, kinds[""])
    return "".join(outcome(program, allocator, f"{name}.{kind}", kinds[kind]) if kind in kinds else "." for kind in KINDS)


def print_table(program, cases, chosen):
    sums = {a.name: collections.Counter() for a in chosen}
    width = max(map(len, cases)) + 2
    print(f"letters: blocks {', '.join(KINDS)}; a single one: no block\n")
    print(" " * width + "".join(f"{a.name:<10}" for a in chosen))
    for name, kinds in cases.items():
        cells = [cell(program, a, name, kinds) for a in chosen]
        for allocator, letters in zip(chosen, cells):
            sums[allocator.name].update(letters.replace(".", ""))
        print(f"{name:<{width}}" + "".join(f"{letters:<10}" for letters in cells), flush=True)
    print()
    for letter in LEGEND:
        if any(sums[a.name][letter] for a in chosen):
            print(f"{letter:<{width}}" + "".join(f"{sums[a.name][letter]:<10}" for a in chosen))
    print()
    for letter, meaning in LEGEND.items():
        print(f"{letter}: {meaning}")


def main():
    options = parse_arguments()
    program = built(os.path.join(options.build, "tests", "bin"), "misuse")
    if options.list:
        return subprocess.run([program, "--list"], check=False).returncode
    measure.end_tidily()
    with tempfile.TemporaryDirectory(prefix="acre-bench-") as folder:
        everyone, missing = allocators.gather(options, folder, built(options.build, "acre-bench-load"))
        command.say_missing(missing)
        chosen = [a for a in everyone if not a.is_null]
        print(f"{time.strftime('%Y-%m-%d')}, {command.processor()}, {os.cpu_count()} cores, Linux {platform.release()}")
        print("\n".join(f"{a.name:<12}{a.version}" for a in chosen) + "\n")
        print_table(program, all_cases(program, options.only), chosen)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except allocators.BrokenPreload as broken:
        sys.exit(f"bench: {broken}")
