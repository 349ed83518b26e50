#!/usr/bin/env python3
"""What goes back to Linux, and when: resident memory of programs that sleep after a peak, come in waves, or let one
block grow, redis and python among them, on acre, glibc and the peers, interleaved in one run. See README.md."""
import argparse
import csv
import os
import statistics
import sys

sys.dont_write_bytecode = True  # the repository stays clean
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from suite import (  # noqa: E402
    allocators, command, long_lived, measure, over_time, resident, scaling, tables, workloads)
from suite.paths import built  # noqa: E402

COPYING_TIMES = 3  # an allocator that copies has a block twice, and may keep a third


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    command.add_allocator_options(parser)
    parser.add_argument("--rounds", type=int, default=1, help="how often everything runs (default %(default)s)")
    parser.add_argument("--mib", type=int, default=1024,
                        help="live at the most, MiB; half of it in sawtooth, redis and python (default %(default)s)")
    parser.add_argument("--only", default="", metavar="REGEX", help="only cases whose name matches (idle/random)")
    parser.add_argument("--csv", metavar="FILE", help="raw samples (default: bench-giveback.csv in the build folder)")
    parser.add_argument("--svg", metavar="FILE",
                        help="resident memory over time (default: bench-giveback.svg in the build folder)")
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    options = parser.parse_args()
    command.check_options(parser, options)
    if options.mib < 1:
        parser.error("--mib: at least 1")
    options.csv = options.csv or os.path.join(options.build, "bench-giveback.csv")
    options.svg = options.svg or os.path.join(options.build, "bench-giveback.svg")
    return options


def choose(options):
    return command.matching(options.only, resident.CASES + long_lived.CASES, lambda case: case.name)


def present(cases):
    """Without those whose program is not installed, which are named."""
    wanted = [case.probe() for case in cases if case in long_lived.CASES]
    missing = workloads.missing_packages(wanted)
    for package, names in missing.items():
        print(f"bench: without {', '.join(names)}: apt-get install {package}", file=sys.stderr)
    absent = {name for names in missing.values() for name in names}
    left = [case for case in cases if case.name not in absent]
    return left or sys.exit("bench: nothing is left to run")


def must_have_memory(options):
    available = scaling.available_mib()
    if options.mib * COPYING_TIMES > available:
        sys.exit(f"bench: --mib {options.mib} may need {options.mib * COPYING_TIMES} MiB, {available} are available")


class Results:
    """samples: {(case, allocator): {round: Run}}; calls: {allocator: how many for each 100 times}"""

    def __init__(self, cases, jobs, chosen, samples, failed, calls):
        self.cases, self.workloads, self.allocators = cases, jobs, chosen
        self.samples, self.failed, self.calls = samples, failed, calls

    def names(self):
        return [a.name for a in self.allocators]

    def runs(self, case, name):
        return [run for _, run in sorted(self.samples.get((case, name), {}).items())]

    def first_runs(self, case):
        return {name: self.runs(case, name)[0] for name in self.names() if self.runs(case, name)}


# ---- measuring

def check(bench, cases, program, chosen, progress):
    """{(case, allocator): why not}: what cannot be preloaded fails everywhere."""
    failed = measure.check_all(bench, [resident.CHECK.workload(program, 0)], chosen, progress)
    return {**failed, **{(case.name, name): why for (_, name), why in failed.items() for case in cases}}


def check_programs(bench, cases, jobs, chosen, failed, progress):
    """Each whole program by itself, in small: it may bring a malloc of its own, or start without the preload."""
    sound = [a for a in chosen if (resident.CHECK.name, a.name) not in failed]
    for case, job in zip(cases, jobs):
        if case in long_lived.CASES:
            probe = case.probe()
            failed.update(measure.check_all(bench, [probe], sound, progress))
            job.own_malloc = probe.own_malloc


def run(options, work):
    place = workloads.Place(work, built(options.build, "acre-bench-load"), os.path.join(HERE, "programs"))
    cases = present(choose(options))
    program = built(options.build, "acre-bench-giveback")
    everyone, missing_peers = allocators.gather(options, work, place.load_program, background=True)
    command.say_missing(missing_peers)
    chosen = [a for a in everyone if not a.is_null]
    if not any(a.name == allocators.ACRE for a in chosen):
        print("bench: no acre here, only the peers are measured", file=sys.stderr)
    bench = resident.WatchedBench(built(options.build, "acre-bench-launch"), place)
    tracer = command.find_tracer(work) if resident.LOOP in cases else None
    print(command.header(options.rounds, bench, chosen))
    print(f"live at the most: {options.mib} MiB, {resident.half_of(options.mib)} in sawtooth, redis and python",
          flush=True)
    jobs = [case.workload(program, options.mib) for case in cases]
    once = 1 + len([case for case in cases if case in long_lived.CASES]) + (2 * resident.COUNTED_RUNS if tracer else 0)
    progress = measure.Progress((len(cases) * options.rounds + once) * len(chosen))
    failed, calls = check(bench, cases, program, chosen, progress), {}
    check_programs(bench, cases, jobs, chosen, failed, progress)
    if tracer:
        calls, why = resident.count_calls(bench, program, chosen, failed, progress, tracer)
        failed.update({("loop, its system calls", name): reason for name, reason in why.items()})
    samples = measure.all_rounds(bench, jobs, chosen, options.rounds, failed, progress)
    return Results(cases, jobs, chosen, samples, failed, calls)


# ---- what it prints and writes

def cell(runs, row):
    values = [value for value in map(row.figure, runs) if value is not None]
    if not row.starred:
        return tables.of_rounds(values, row.digits) + " "
    floor = statistics.median(map(resident.floor_mib, runs))
    return tables.of_rounds(values, row.digits) + ("*" if resident.at_floor(statistics.median(values), floor) else " ")


def table(results, case):
    lines = ["", f"{case.title}: {case.unit}", tables.row("", results.names())]
    for row in case.rows:
        lines.append(tables.row(row.label, ["FAILED " if (case.name, name) in results.failed else
                                            cell(results.runs(case.name, name), row) for name in results.names()]))
    if case is resident.LOOP and results.calls:
        counts = [results.calls.get(name) for name in results.names()]
        lines.append(tables.row("system calls/100", ["-" if count is None else f"{count:.1f} " for count in counts]))
    return lines


LEGEND = ["", f"*: within {resident.FLOOR_TIMES} of the floor and {resident.FLOOR_MORE} MiB; floor: the pages that the "
          "survivors touch, what was resident at the start, the program's own tables;",
          "   of redis and python: what was resident at the start",
          "returned: what malloc_trim said; -: it has none of its own",
          "±: half the width of the middle half of the rounds (of fewer than four: of all)"]


def report(results):
    lines = [line for case in results.cases for line in table(results, case)] + tables.own_mallocs(results)
    unchecked = {name for case, name in results.failed if case == resident.CHECK.name}  # said once, not for each case
    reasons = sorted((case, name, why) for (case, name), why in results.failed.items()
                     if case == resident.CHECK.name or name not in unchecked)
    if reasons:
        lines += ["", "failed:", *(f"  {case} on {name}: {why}" for case, name, why in reasons)]
    return "\n".join(lines + LEGEND)


def events(run):
    """Samples and marks in the order of time: (ms, resident bytes, mark)."""
    marks = [(mark.at_ms, "", " ".join([mark.name, *(f"{key}={value}" for key, value in mark.values.items())]))
             for mark in run.marks]
    return sorted([*((ms, size, "") for ms, size in run.samples), *marks], key=lambda event: event[0])


def write_csv(path, results):
    """Milliseconds since the first mark."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["round", "case", "allocator", "version", "ms", "resident_bytes", "mark"])
        for case in results.cases:
            for a in results.allocators:
                for turn, run_ in sorted(results.samples.get((case.name, a.name), {}).items()):
                    start_ms = run_.marks[0].at_ms
                    out.writerows([turn + 1, case.name, a.name, a.version, f"{ms - start_ms:.0f}", size, mark]
                                  for ms, size, mark in events(run_))


def main():
    options = parse_arguments()
    sys.stdout.reconfigure(encoding="utf-8")
    if options.list:
        print("\n".join(case.name for case in choose(options)))
        return 0
    must_have_memory(options)
    built(options.build, "acre-bench-giveback")  # says what to do where the build folder is missing
    command.must_be_writable(options.csv, options.svg)
    results = command.in_work_folder(run, options)
    print(report(results))
    write_csv(options.csv, results)
    over_time.write_svg(options.svg, results.first_runs, results.names(),
                        f"{command.processor()}, {os.cpu_count()} cores, --mib {options.mib}")
    print(f"\nraw samples: {options.csv}\nresident memory over time: {options.svg}")
    return 1 if any(name == allocators.ACRE for _, name in results.failed) else 0


if __name__ == "__main__":
    sys.exit(main())
