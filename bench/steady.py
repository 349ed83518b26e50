#!/usr/bin/env python3
"""What it costs steady programs that free memory goes back to Linux: loops about threads on acre as it is and on acre
that keeps all (decay_ms:never), interleaved in one run. See README.md."""
import argparse
import os
import sys
from dataclasses import replace

sys.dont_write_bytecode = True  # the repository stays clean
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from suite import allocators, command, figures, measure, tables, workloads  # noqa: E402
from suite.paths import built  # noqa: E402

# Threads that hand their blocks to successors, as larson has them; that exchange them through a table, as mstress; and
# that free what another took, as xmalloc-test; and random life in each of four threads.
LOADS = ("server", "exchange", "passing", "random-4")
DEFAULT_ROUNDS = 20
KEEPS = "never"
METRICS = [("cpu", "CPU time"), ("minor", "minor page faults"), ("peak", "peak resident memory")]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="build folder, with libacre.so.1 and the bench programs")
    parser.add_argument("--acre", default="", help="another file to measure as acre")
    parser.add_argument("--rounds", type=int, default=DEFAULT_ROUNDS, help="how often everything runs (default %(default)s)")
    parser.add_argument("--only", default="", metavar="REGEX", help="only loads whose name matches")
    options = parser.parse_args()
    options.peer, options.allocators = [], allocators.ACRE
    command.check_options(parser, options)
    return options


def columns(options, work, load_program):
    """glibc for the check alone, acre, acre that keeps all, and the null comparison."""
    everyone, _ = allocators.gather(options, work, load_program)
    acre = next((a for a in everyone if a.name == allocators.ACRE), None) or sys.exit("bench: no acre here")
    keeping = replace(acre, name=KEEPS, environment={"ACRE_OPTIONS": "decay_ms:never"})
    return [everyone[0], acre, keeping, *(a for a in everyone if a.is_null)]


def run(options, work):
    place = workloads.Place(work, built(options.build, "acre-bench-load"), os.path.join(HERE, "programs"))
    loads = command.matching(options.only, [w for w in workloads.LOOPS if w.name in LOADS], lambda w: w.name)
    chosen = columns(options, work, place.load_program)
    bench = measure.Bench(built(options.build, "acre-bench-launch"), place)
    print(command.header(options.rounds, bench, chosen), flush=True)
    progress = measure.Progress(len(loads) * (len(chosen) + (len(chosen) - 1) * options.rounds))
    failed = measure.check_all(bench, loads, chosen, progress)
    samples = measure.all_rounds(bench, loads, chosen[1:], options.rounds, failed, progress)
    return figures.Results(loads, chosen[1:], samples, failed)


def report(results):
    null, _ = results.null_pair()
    lines = []
    for metric, title in METRICS:
        lines += ["", f"{title}: ratio to that of acre which keeps all (the same acre under another name: to acre's)",
                  tables.row("", [KEEPS, allocators.ACRE, null])]
        for load in results.workloads:
            value = results.median(load, KEEPS, metric)
            cells = [results.ratio(load, allocators.ACRE, metric, KEEPS),
                     results.ratio(load, null, metric, allocators.ACRE)]
            lines.append(tables.row(load.name, [tables.absolute(value, metric)] +
                                    [tables.cell_of(cell, cell is None) for cell in cells]))
    return "\n".join(lines + tables.failures(results) + tables.LEGEND[:3])


def main():
    options = parse_arguments()
    sys.stdout.reconfigure(encoding="utf-8")
    results = command.in_work_folder(run, options)
    print(report(results))
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
