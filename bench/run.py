#!/usr/bin/env python3
"""The benchmark: loops and whole programs on acre, glibc and the peers, interleaved in one run. See README.md."""
import argparse
import os
import sys

sys.dont_write_bytecode = True  # the repository stays clean
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from suite import allocators, command, figures, measure, plot, programs, system_calls, tables, workloads  # noqa: E402
from suite.paths import built  # noqa: E402

QUICK_ROUNDS, DEFAULT_ROUNDS = 2, 7


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    command.add_allocator_options(parser)
    parser.add_argument("--rounds", type=int, help=f"how often everything runs (default {DEFAULT_ROUNDS})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds: for a look, not for figures")
    parser.add_argument("--only", default="", metavar="REGEX", help="only workloads whose kind/name matches (loop/lifo)")
    parser.add_argument("--csv", metavar="FILE", help="raw samples (default: bench-samples.csv in the build folder)")
    parser.add_argument("--svg", metavar="FILE", help="also a plot of the ratios")
    parser.add_argument("--no-system-calls", action="store_true", help="do not count the memory system calls")
    parser.add_argument("--install", action="store_true", help="as root: install missing packages first")
    parser.add_argument("--list", action="store_true", help="list the workloads and stop")
    options = parser.parse_args()
    if options.rounds is None:
        options.rounds = QUICK_ROUNDS if options.quick else DEFAULT_ROUNDS
    command.check_options(parser, options)
    return options


def choose(options):
    return command.matching(options.only, workloads.LOOPS + programs.PROGRAMS, lambda w: f"{w.kind}/{w.name}")


def settle_packages(options, chosen, missing_peers):
    """Installs or names what is missing; returns the workloads that can run."""
    missing = workloads.missing_packages(chosen)
    packages = sorted(set(missing) | {package for _, package in missing_peers})
    if packages and options.install and os.geteuid() == 0:
        workloads.install(packages)
        return chosen, True
    command.say_missing(missing_peers)
    for package, names in missing.items():
        print(f"bench: without {', '.join(names)}: apt-get install {package}", file=sys.stderr)
    absent = {name for names in missing.values() for name in names}
    return [w for w in chosen if w.name not in absent], False


def run(options, work):
    place = workloads.Place(work, built(options.build, "acre-bench-load"), os.path.join(HERE, "programs"))
    chosen_workloads = choose(options)
    chosen, missing_peers = allocators.gather(options, work, place.load_program)
    chosen_workloads, installed = settle_packages(options, chosen_workloads, missing_peers)
    if installed:
        chosen, _ = allocators.gather(options, work, place.load_program)
    if not any(a.name == allocators.ACRE for a in chosen):
        print("bench: no acre here, only the peers are measured", file=sys.stderr)
    bench = measure.Bench(built(options.build, "acre-bench-launch"), place)
    tracer = None if options.no_system_calls else command.find_tracer(work)
    print(command.header(options.rounds, bench, chosen), flush=True)
    counted = len([a for a in chosen if not a.is_null]) if tracer else 0
    progress = measure.Progress(len(chosen_workloads) * (len(chosen) * (options.rounds + 1) + counted))
    failed = measure.check_all(bench, chosen_workloads, chosen, progress)
    calls = system_calls.count_all(bench, chosen_workloads, chosen, failed, progress, tracer) if tracer else None
    samples = measure.all_rounds(bench, chosen_workloads, chosen, options.rounds, failed, progress)
    return figures.Results(chosen_workloads, chosen, samples, failed, calls)


def write_files(options, results):
    path = options.csv or os.path.join(options.build, "bench-samples.csv")
    tables.write_csv(path, results)
    print(f"\nraw samples: {path}")
    if results.calls.counts:
        stem, suffix = os.path.splitext(path)
        tables.write_calls_csv(f"{stem}-system-calls{suffix}", results)
        print(f"system calls by name: {stem}-system-calls{suffix}")
    if options.svg:
        plot.write_svg(options.svg, results)


def main():
    options = parse_arguments()
    sys.stdout.reconfigure(encoding="utf-8")
    if options.list:
        for workload in choose(options):
            print(f"{workload.kind}/{workload.name}")
        return 0
    results = command.in_work_folder(run, options)
    print(tables.report(results))
    write_files(options, results)
    return 1 if any(name == allocators.ACRE for _, name in [*results.failed, *results.calls.failed]) else 0


if __name__ == "__main__":
    sys.exit(main())
