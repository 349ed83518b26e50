#!/usr/bin/env python3
"""report.py BUILD [--least PERCENT] [--lines]: which lines and branches of src/ ran in the tests, by gcov.

All builds of the library count together: a line has run when it has in one of them. Lines of assertions (ACRE_ASSERT)
and branches that only they have, and those that the compiler makes for exceptions, are not counted. --lines names what
did not run; with --least the exit status is 1 below that part of the lines."""
import argparse
import collections
import json
import pathlib
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]


def counted(build):
    """What gcov says of every object, as parsed JSON."""
    notes = sorted(str(path) for path in pathlib.Path(build).rglob("*.gcda"))
    for first in range(0, len(notes), 20):
        command = ["gcov", "--json-format", "--stdout", "--branch-probabilities", *notes[first:first + 20]]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        for line in run.stdout.splitlines():
            if line.startswith("{"):
                yield json.loads(line)


def collect(build):
    """file -> line -> [times run, how often each of its branches was taken]"""
    files = collections.defaultdict(dict)
    for report in counted(build):
        folder = pathlib.Path(report["current_working_directory"])
        for file in report["files"]:
            path = (folder / file["file"]).resolve()
            if root / "src" not in path.parents:
                continue
            lines = files[path]
            for line in file["lines"]:
                branches = [branch["count"] for branch in line["branches"] if not branch["throw"]]
                seen = lines.setdefault(line["line_number"], [0, {}])
                seen[0] += line["count"]
                # Each build has branches of its own at a line: the one of most is reported.
                same = seen[1].setdefault(len(branches), [0] * len(branches))
                for i, count in enumerate(branches):
                    same[i] += count
    return files


def is_assertion(text):
    return "ACRE_ASSERT(" in text or "acre_lock_check_rank" in text


def examine(path, lines):
    """Lines, lines that ran, branches, branches that were taken, and the numbers of lines that did not run."""
    source = path.read_text().splitlines()
    figures = [0, 0, 0, 0]
    missed = []
    for number, (count, branches) in sorted(lines.items()):
        if number > len(source) or is_assertion(source[number - 1]):
            continue
        taken = branches[max(branches)] if branches else []
        if "ACRE_CHECKS" in source[number - 1]:
            taken = []
        figures[0] += 1
        figures[1] += count > 0
        figures[2] += len(taken)
        figures[3] += sum(1 for times in taken if times > 0)
        if count == 0:
            missed.append(number)
    return figures, missed, source


def percent(part, whole):
    return 100 * part / whole if whole else 100.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--least", type=float, default=0)
    parser.add_argument("--lines", action="store_true")
    arguments = parser.parse_args()
    total = [0, 0, 0, 0]
    print(f"{'file':36} {'lines':>6} {'run':>6} {'%':>6}   {'branches':>8} {'taken':>6} {'%':>6}")
    for path, lines in sorted(collect(arguments.build).items()):
        figures, missed, source = examine(path, lines)
        total = [a + b for a, b in zip(total, figures)]
        print(f"{str(path.relative_to(root)):36} {figures[0]:6} {figures[1]:6} {percent(figures[1], figures[0]):6.1f}   "
              f"{figures[2]:8} {figures[3]:6} {percent(figures[3], figures[2]):6.1f}")
        for number in missed if arguments.lines else []:
            print(f"    {number:4}: {source[number - 1].strip()}")
    print(f"{'all':36} {total[0]:6} {total[1]:6} {percent(total[1], total[0]):6.1f}   "
          f"{total[2]:8} {total[3]:6} {percent(total[3], total[2]):6.1f}")
    if total[0] == 0 or percent(total[1], total[0]) < arguments.least:
        sys.exit(f"coverage: less than {arguments.least} % of the lines")


main()
