#!/usr/bin/env python3
"""What looking costs: whole programs on the plain library, under acre run, which counts, and under acre run --html, which
also looks at them while they run. Interleaved, with a null comparison. See README.md."""
import argparse
import json
import os
import re
import statistics
import sys
import tempfile
from dataclasses import dataclass

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from suite import command, figures, measure, programs, tables, workloads  # noqa: E402
from suite.paths import built  # noqa: E402

PLAIN, COUNT, NULL, HTML = "plain", "counting", "counting-null", "html"
# What is compared with what, and what that is called.
COMPARED = [(COUNT, PLAIN, "counting"), (HTML, COUNT, "sampling"), (NULL, COUNT, "null")]
METRICS = [("cpu", "CPU time, acre's own included"), ("wall", "wall time")]


@dataclass
class Way:
    """How a program is run; what measure.py calls an allocator."""
    name: str
    options: tuple = ()  # of acre run
    library: str = ""    # where it is not acre run that preloads it


class Bench(measure.Bench):
    def __init__(self, options, place):
        super().__init__(built(options.build, "acre-bench-launch"), place)
        self.acre = os.path.join(os.path.abspath(options.build), "bin", "acre")
        self.page = os.path.join(place.work, "page.html")

    def launch_line(self, workload, way, output, extra, repeats, tracer):
        line = [self.launcher, "-o", output, "-r", str(repeats)]
        for name, value in {**workload.environment, **({"LD_PRELOAD": way.library} if way.library else {})}.items():
            line += ["-e", f"{name}={value}"]
        run = [] if way.library else [self.acre, "run", "--report", "/dev/null", *way.options, "--"]
        return line + run + workload.command(self.place)

    def run(self, workload, way, **more):
        sample = super().run(workload, way, **more)
        if way.name == HTML:
            sample.page = read_page(self.page)
        return sample


def read_page(path):
    """(samples, seconds that acre spent on them, bytes of the page)"""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
    timeline = json.loads(found.group(1))["timeline"] if found else None
    if not timeline:
        raise measure.Failure("the page has no samples")
    return len(timeline["samples"]), timeline["spent_s"], len(text)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="build folder (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=11, help="how often each runs (default %(default)s)")
    parser.add_argument("--only", default="", metavar="REGEX", help="only programs whose name matches")
    parser.add_argument("--csv", metavar="FILE", help="raw samples (default: bench-sampling.csv in the build folder)")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    options.csv = options.csv or os.path.join(options.build, "bench-sampling.csv")
    return options


def choose(options):
    chosen = command.matching(options.only, programs.PROGRAMS, lambda workload: workload.name)
    missing = workloads.missing_packages(chosen)
    for package, names in missing.items():
        print(f"bench: without {', '.join(names)}: apt-get install {package}", file=sys.stderr)
    absent = {name for names in missing.values() for name in names}
    return [workload for workload in chosen if workload.name not in absent]


def ways_of(options, bench):
    library = os.path.join(os.path.abspath(options.build), "libacre.so.1")
    return [Way(PLAIN, library=library), Way(COUNT), Way(NULL), Way(HTML, ("--html", bench.page))]


def warm_up(bench, chosen, ways, progress):
    """A round that does not count: inputs are made, files come into the page cache, and what cannot run is found."""
    failed = {}
    for workload in chosen:
        for way in ways:
            try:
                bench.run(workload, way)
            except measure.Failure as failure:
                failed[workload.name, way.name] = str(failure)
            progress.step(f"warm up {workload.name} {way.name}")
    return failed


# ---- tables

def percent(ratio):
    """By how many percent more; ~: the spread is wider than that."""
    if ratio is None:
        return "-"
    width = "" if ratio.half_spread is None else f"±{100 * ratio.half_spread:.1f}"
    return f"{100 * (ratio.value - 1):+.1f}{width}%{'~' if ratio.scattered else ''}"


def metric_table(chosen, samples, metric, title):
    lines = ["", f"{title}: by how much it is more", tables.row("", [PLAIN, *(name for _, _, name in COMPARED)])]
    means = {name: [] for _, _, name in COMPARED}
    for workload in chosen:
        cells = [tables.absolute(figures.median(samples[workload.name, PLAIN], metric), metric)
                 if samples[workload.name, PLAIN] else "-"]
        for mine, base, name in COMPARED:
            ratio = figures.ratio(samples[workload.name, mine], samples[workload.name, base], metric)
            means[name] += [ratio.value] if ratio else []
            cells.append(percent(ratio))
        lines.append(tables.row(workload.name, cells))
    cells = [f"{100 * (figures.geometric_mean(values) - 1):+.1f}%" if values else "-" for values in means.values()]
    return lines + [tables.row("geometric mean", ["", *cells])]


def page_table(chosen, samples):
    lines = ["", "samples of a run, medians", tables.row("", ["samples", "a sample", "of the time", "page"])]
    for workload in chosen:
        found = list(samples[workload.name, HTML].values())
        if found:
            count, spent, size = (statistics.median(sample.page[i] for sample in found) for i in range(3))
            wall = statistics.median(sample.wall for sample in found)
            lines.append(tables.row(workload.name, [f"{count:.0f}", f"{1000 * spent / count if count else 0:.2f} ms",
                                                    f"{100 * spent / wall:.1f} %", f"{size / 1024:.0f} KiB"]))
    return lines


LEGEND = ["", "counting: acre run against the plain library, preloaded; sampling: acre run --html against acre run;",
          "null: acre run against acre run", "±: half the width of the middle half of the rounds (of fewer than four: of all)",
          "~: that width is more than the difference: no conclusion",
          "a sample: acre's processor time for it, with the pictures for the page; of the time: all, of the wall time"]


def write_csv(path, samples):
    with open(path, "w", encoding="utf-8") as file:
        print("program,way,round,wall_s,cpu_s,samples,sampling_s", file=file)
        for (workload, way), of_rounds in samples.items():
            for turn, sample in of_rounds.items():
                count, spent, _ = getattr(sample, "page", ("", "", ""))
                print(workload, way, turn, sample.wall, f"{sample.cpu:.6f}", count, spent, sep=",", file=file)


def main():
    options = parse_arguments()
    sys.stdout.reconfigure(encoding="utf-8")
    command.must_be_writable(options.csv)
    measure.end_tidily()
    with tempfile.TemporaryDirectory(prefix="acre-bench-") as work:
        place = workloads.Place(work, built(options.build, "acre-bench-load"), os.path.join(HERE, "programs"))
        bench = Bench(options, place)
        chosen, ways = choose(options), ways_of(options, bench)
        print(command.header(options.rounds, bench, []), flush=True)
        progress = measure.Progress(len(chosen) * len(ways) * (options.rounds + 1))
        failed = warm_up(bench, chosen, ways, progress)
        samples = measure.all_rounds(bench, chosen, ways, options.rounds, failed, progress)
    lines = [line for metric, title in METRICS for line in metric_table(chosen, samples, metric, title)]
    lines += page_table(chosen, samples) + LEGEND
    lines += [f"{workload}, {way}: failed: {why}" for (workload, way), why in failed.items()]
    print("\n".join(lines))
    write_csv(options.csv, samples)
    print(f"\nraw samples: {options.csv}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
