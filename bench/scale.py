#!/usr/bin/env python3
"""What a malloc+free costs as threads, the heap, or the number of sizes grow: acre, glibc and the peers, interleaved
in one run. See README.md."""
import argparse
import csv
import os
import sys

sys.dont_write_bytecode = True  # the repository stays clean
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from suite import allocators, command, curves, figures, measure, scaling, tables, workloads  # noqa: E402
from suite.paths import built  # noqa: E402

DEFAULT_ROUNDS = 3


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    command.add_allocator_options(parser)
    parser.add_argument("--rounds", type=int, default=DEFAULT_ROUNDS,
                        help="how often everything runs (default %(default)s)")
    parser.add_argument("--only", default="", metavar="REGEX", help="only points whose curve/point matches (heap/1GiB)")
    parser.add_argument("--csv", metavar="FILE", help="raw samples (default: bench-scale.csv in the build folder)")
    parser.add_argument("--svg", metavar="FILE", help="the curves (default: bench-scale.svg in the build folder)")
    parser.add_argument("--list", action="store_true", help="list the points and stop")
    options = parser.parse_args()
    command.check_options(parser, options)
    options.csv = options.csv or os.path.join(options.build, "bench-scale.csv")
    options.svg = options.svg or os.path.join(options.build, "bench-scale.svg")
    return options


def choose(options):
    """[(curve, point)] that the options ask for and that memory is enough for."""
    every = [(curve, point) for curve in scaling.CURVES for point in curve.points]
    chosen = command.matching(options.only, every, lambda pair: pair[0].workload(pair[1]).name)
    available = scaling.available_mib()
    large = [pair for pair in chosen if scaling.too_large(*pair, available)]
    if large:
        names = ", ".join(curve.workload(point).name for curve, point in large)
        print(f"bench: without {names}: above {scaling.MOST_OF_MEMORY:.0%} of the {available} MiB of memory available",
              file=sys.stderr)
    if len(large) == len(chosen):
        sys.exit("bench: nothing is left to run")
    return [pair for pair in chosen if pair not in large]


class Results:
    def __init__(self, chosen, everyone, samples, failed):
        self.chosen, self.allocators, self.samples, self.failed = chosen, everyone, samples, failed
        self.curves = [curve for curve in scaling.CURVES if self.points(curve)]

    def points(self, curve):
        return [point for other, point in self.chosen if other is curve]

    def names(self):
        return [a.name for a in self.allocators if not a.is_null]

    def runs(self, curve, point, name):
        return self.samples.get((curve.workload(point).name, name), {})

    def figure(self, curve, point, name, metric):
        return figures.absolute(self.runs(curve, point, name), metric)

    def any(self, curve, metric):
        return any(self.figure(curve, point, name, metric) for point in self.points(curve) for name in self.names())


def check(bench, chosen, everyone, progress):
    """One point of each curve: the others run the same code. Where that fails, so does the whole curve."""
    first = {curve.name: curve.workload(point) for curve, point in reversed(chosen)}
    failed = measure.check_all(bench, list(first.values()), everyone, progress)
    return {(curve.workload(point).name, a.name): failed[first[curve.name].name, a.name]
            for curve, point in chosen for a in everyone if (first[curve.name].name, a.name) in failed}


def run(options, work):
    place = workloads.Place(work, built(options.build, "acre-bench-load"), "")
    chosen = choose(options)
    everyone, missing_peers = allocators.gather(options, work, place.load_program)
    command.say_missing(missing_peers)
    if not any(a.name == allocators.ACRE for a in everyone):
        print("bench: no acre here, only the peers are measured", file=sys.stderr)
    bench = scaling.ScaleBench(built(options.build, "acre-bench-launch"), place, everyone[0])
    print(command.header(options.rounds, bench, everyone), flush=True)
    points = [curve.workload(point) for curve, point in chosen]
    checked = len({point.kind for point in points})
    progress = measure.Progress((len(points) * options.rounds + checked) * len(everyone))
    failed = check(bench, chosen, everyone, progress)
    samples = measure.all_rounds(bench, points, everyone, options.rounds, failed, progress)
    return Results(chosen, everyone, samples, failed)


# ---- what it prints and writes

def cell(figure, failed):
    if failed or not figure:
        return "FAILED" if failed else "-"
    digits = 2 if figure.value < 10 else 1
    spread = f" ±{(figure.high - figure.low) / 2:.{digits}f}" if figure.rounds > 1 else ""
    return f"{figure.value:.{digits}f}{spread} "


def table(results, curve, metric):
    title, unit = scaling.METRICS[metric]
    names = [a.name for a in results.allocators]
    lines = ["", f"{curve.title}: {title}{', ' + unit if unit else ''}", tables.row(curve.axis, names)]
    for point in results.points(curve):
        key = curve.workload(point).name
        lines.append(tables.row(curve.label(point), [cell(results.figure(curve, point, name, metric),
                                                          (key, name) in results.failed) for name in names]))
    return lines


def report(results):
    tables_of = ((curve, metric) for curve in results.curves for metric in curve.metrics)
    lines = [line for curve, metric in tables_of for line in table(results, curve, metric)]
    if results.failed:
        lines += ["", "failed:"]
        lines += [f"  {point} on {name}: {why}" for (point, name), why in sorted(results.failed.items())]
    return "\n".join(lines + ["", "medians; ±: half the width of the middle half of the rounds (of fewer than four: of "
                              "all)"])


def write_csv(path, results):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["round", "curve", "point", "allocator", "version", "operations", "cpu_ns", "wall_ns_x_cores",
                      "peak_kib", "peak_per_requested"])
        for curve, point in results.chosen:
            for a in results.allocators:
                for turn, cost in sorted(results.runs(curve, point, a.name).items()):
                    out.writerow([turn + 1, curve.name, point, a.name, a.version, cost.operations, f"{cost.cpu_ns:.3f}",
                                  f"{cost.wall_ns:.3f}", cost.peak, f"{cost.memory:.4f}" if cost.memory else ""])


def main():
    options = parse_arguments()
    sys.stdout.reconfigure(encoding="utf-8")
    if options.list:
        print("\n".join(curve.workload(point).name for curve, point in choose(options)))
        return 0
    built(options.build, "acre-bench-load")  # says what to do where the build folder is missing
    command.must_be_writable(options.csv, options.svg)
    results = command.in_work_folder(run, options)
    print(report(results))
    write_csv(options.csv, results)
    curves.write_svg(options.svg, results, f"{command.processor()}, {os.cpu_count()} cores, {options.rounds} rounds")
    print(f"\nraw samples: {options.csv}\ncurves: {options.svg}")
    return 1 if any(name == allocators.ACRE for _, name in results.failed) else 0


if __name__ == "__main__":
    sys.exit(main())
