#!/usr/bin/env python3
"""How fast a big heap of small trees is walked: what an allocator's order of blocks, and the pages behind them, cost the
program itself. All allocators interleaved in one run. See README.md."""
import argparse
import os
import sys

sys.dont_write_bytecode = True  # the repository stays clean
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from suite import allocators, command, figures, measure, scaling, tables, workloads  # noqa: E402
from suite.paths import built  # noqa: E402

DEFAULT_ROUNDS, DEFAULT_MIB, WALKS = 5, 2048, 6
METRICS = [("first", "the first walk, of trees as they were built: ns a node"),
           ("walks", "all walks, between which a quarter is built anew: ns a node"),
           ("rest", "building and freeing: seconds of CPU time"),
           ("peak_mib", "peak resident memory, MiB")]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    command.add_allocator_options(parser)
    parser.add_argument("--rounds", type=int, default=DEFAULT_ROUNDS, help="how often everything runs (default %(default)s)")
    parser.add_argument("--mib", type=int, default=DEFAULT_MIB, help="MiB of nodes (default %(default)s)")
    options = parser.parse_args()
    command.check_options(parser, options)
    if options.mib < 1:
        parser.error("--mib: at least 1")
    return options


def add_figures(sample):
    """What trees.c says about its walks, beside what the launcher measured."""
    timed = scaling.timed_line(sample.said)
    sample.first = timed["first_ns"] / timed["nodes"]
    sample.walks = timed["walks_ns"] / timed["nodes"] / timed["walks"]
    sample.rest = sample.cpu - timed["walks_ns"] / 1e9
    sample.peak_mib = sample.peak / 1024


def run(options, work):
    place = workloads.Place(work, built(options.build, "acre-bench-load"), "")
    load = workloads.loop("trees", "--live", str(options.mib), "--count", str(WALKS))
    chosen, missing_peers = allocators.gather(options, work, place.load_program)
    command.say_missing(missing_peers)
    bench = measure.Bench(built(options.build, "acre-bench-launch"), place)
    print(command.header(options.rounds, bench, chosen), flush=True)
    progress = measure.Progress(len(chosen) * (1 + options.rounds))
    failed = measure.check_all(bench, [load], chosen, progress)
    samples = measure.all_rounds(bench, [load], chosen, options.rounds, failed, progress)
    for sample in (sample for rounds in samples.values() for sample in rounds.values()):
        add_figures(sample)
    return figures.Results([load], chosen, samples, failed)


def metric_lines(results, metric, title):
    """Each allocator's median, and acre's as a ratio to it."""
    lines = ["", title, tables.row("", ["median", "acre's ratio"])]
    load = results.workloads[0]
    for allocator in results.allocators:
        values = [getattr(sample, metric) for sample in results.samples.get((load.name, allocator.name), {}).values()]
        ratio = results.ratio(load, allocators.ACRE, metric, allocator.name)
        lines.append(tables.row(allocator.name, [tables.of_rounds(values), tables.cell_of(ratio, not values)]))
    return lines


def report(results):
    lines = [line for metric, title in METRICS for line in metric_lines(results, metric, title)]
    return "\n".join(lines + tables.failures(results) + tables.LEGEND[:3])


def main():
    options = parse_arguments()
    sys.stdout.reconfigure(encoding="utf-8")
    results = command.in_work_folder(run, options)
    print(report(results))
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
