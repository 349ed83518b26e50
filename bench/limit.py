#!/usr/bin/env python3
"""How far each allocator is from the floor: from what no allocator could do with less.

Four tables. A malloc+free pair of 24 bytes against a pop and a push on a bare list (load/bare.c); page faults against
the pages that a loop fills; peak resident memory against the bytes that it asked for at its peak; memory system calls
for a million library calls. What a loop asks for is counted by acre-bench-requests, in a run of its own.
"""
import argparse
import os
import re
import statistics
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from suite import allocators, callgrind, command, floor, measure, system_calls, tables, workloads  # noqa: E402
from suite.paths import built  # noqa: E402

COUNTED_PAIRS = 200000  # callgrind's count is exact: more would change no digit


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="build folder, with libacre.so.1 and the bench programs")
    parser.add_argument("--acre", default="", help="another file to measure as acre")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=FILE.so", help="one more peer")
    parser.add_argument("--allocators", default="", metavar="LIST", help="only these, by name, with commas")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is timed (default %(default)s)")
    parser.add_argument("--pairs", type=int, default=40000000, help="pairs in a timed run (default %(default)s)")
    parser.add_argument("--only", default="", metavar="REGEX", help="only loops whose name matches")
    options = parser.parse_args()
    if options.rounds < 1 or options.pairs < 10 or any("=" not in peer for peer in options.peer):
        parser.error("--rounds: at least 1; --pairs: at least 10; --peer: NAME=FILE.so")
    try:
        options.only = re.compile(options.only)
    except re.error as error:
        parser.error(f"--only: {error}")
    if not floor.loops(floor.FILLING + floor.OTHERS, options.only):
        parser.error(f"--only: no loop matches {options.only.pattern}")
    return options


# ---- tables

def ratio(value, base):
    return f"{value / base:.2f}" if value is not None and base else "-"


def pair_table(chosen, counts, times, failed):
    """counts: {name: (inside, elsewhere)}, empty without valgrind."""
    lines = ["", "a hot malloc+free pair of 24 bytes against pop and push on a bare list",
             tables.row("", ["instructions", "elsewhere", "/ bare", "ns", "/ bare"])]
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name in [floor.BARE, *(a.name for a in chosen)]:
        inside, elsewhere = counts.get(name, (None, None))
        whole = None if inside is None else inside + elsewhere
        cells = ["-", "-"] if inside is None else [f"{inside:.1f}", f"{elsewhere:.1f}"]
        cells += [ratio(whole, sum(counts.get(floor.BARE, ()))), tables.of_rounds(times.get(name)),
                  ratio(medians.get(name), medians.get(floor.BARE))]
        lines.append(tables.row(name, cells))
    return lines + [f"  {name} failed: {why}" for name, why in failed.items()]


def loop_table(title, names, chosen, values_of, digits=2):
    if not names:
        return []
    lines = ["", title, tables.row("", [a.name for a in chosen])]
    return lines + [tables.row(name, [tables.of_rounds(values_of(name, a.name), digits) for a in chosen])
                    for name in names]


def loop_tables(measured, chosen, filling, everything):
    lines = loop_table("page faults for each page of the requested peak (floor: 1)", filling, chosen, measured.faults)
    lines += loop_table("peak resident bytes for each byte of the requested peak (floor: 1)", filling, chosen,
                        measured.memory)
    if measured.calls:
        lines += loop_table("memory system calls for a million library calls (floor: next to 0)", everything, chosen,
                            measured.calls_per_million, 1)
    reasons = {**measured.failed, **(measured.calls.failed if measured.calls else {})}
    return lines + [f"  {loop} on {name} failed: {why}" for (loop, name), why in sorted(reasons.items())]


LEGEND = ["", "±: half the width of the middle half of the rounds (of fewer than four: of all)",
          "all tables but the first: above an empty process under glibc, and without the loop's own tables"]


# ---- measuring

def count_instructions(place, chosen, progress, failed):
    valgrind = workloads.find_executable("valgrind")
    if not valgrind:
        print("bench: instructions are not counted: no valgrind: apt-get install valgrind", file=sys.stderr)
        return {}
    counter, counts = callgrind.Callgrind(valgrind, place.load_program, place.work), {}
    counts[floor.BARE] = counter.bare_pair(COUNTED_PAIRS), 0.0
    for allocator in chosen:
        try:
            counts[allocator.name] = counter.per_pair(allocator, COUNTED_PAIRS)
        except allocators.BrokenPreload as problem:
            failed[allocator.name] = str(problem)
        progress.step(f"instructions {allocator.name}")
    return counts


def measure_loops(options, bench, chosen, tracer, progress):
    everything = floor.loops(floor.FILLING + floor.OTHERS, options.only)
    filling = floor.loops(floor.FILLING, options.only)
    program = built(options.build, "acre-bench-requests")
    requests = {w.name: floor.requests_of(program, w) for w in everything}
    failed = measure.check_all(bench, [*everything, floor.START], chosen, progress)
    calls = None
    if tracer:
        calls = system_calls.count_all(bench, [*everything, floor.START], chosen, failed, progress, tracer)
    samples = measure.all_rounds(bench, [*filling, floor.START], chosen, options.rounds, failed, progress)
    if not samples[floor.START.name, allocators.GLIBC]:
        raise measure.Failure(f"start under glibc: {failed[floor.START.name, allocators.GLIBC]}")
    measured = floor.Loops(samples, failed, calls, requests)
    return measured, [w.name for w in filling], [w.name for w in everything]


def steps(options, chosen, tracer):
    """Of the progress line."""
    everything = len(floor.loops(floor.FILLING + floor.OTHERS, options.only)) + 1
    filling = len(floor.loops(floor.FILLING, options.only)) + 1
    instructions = 1 if workloads.find_executable("valgrind") else 0
    a_round = len(chosen) * (filling + 1) + 1
    return len(chosen) * (instructions + everything * (2 if tracer else 1)) + options.rounds * a_round


def run(options, work):
    """(the tables' lines, whether acre failed anywhere)"""
    place = workloads.Place(work, built(options.build, "acre-bench-load"), "")
    chosen = [a for a in allocators.gather(options, work, place.load_program)[0] if not a.is_null]
    bench, tracer = measure.Bench(built(options.build, "acre-bench-launch"), place), command.find_tracer(work)
    print("\n".join(measure.describe(chosen)), flush=True)
    progress, failed = measure.Progress(steps(options, chosen, tracer)), {}
    counts = count_instructions(place, chosen, progress, failed)
    times, why = floor.pair_times(bench, chosen, options.rounds, options.pairs, progress)
    failed.update(why)
    measured, filling, everything = measure_loops(options, bench, chosen, tracer, progress)
    lines = pair_table(chosen, counts, times, failed) + loop_tables(measured, chosen, filling, everything)
    names = [*failed, *(name for _, name in [*measured.failed, *(measured.calls.failed if measured.calls else [])])]
    return lines + LEGEND, allocators.ACRE in names


def main():
    options = parse_arguments()
    sys.stdout.reconfigure(encoding="utf-8")
    lines, failed = command.in_work_folder(run, options)
    print("\n".join(lines))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
