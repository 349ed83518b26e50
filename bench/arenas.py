#!/usr/bin/env python3
"""Arenas that come and go, beside those of other libraries: create, blocks, the end. And what the end of a big arena
costs beside munmap. Whole processes, interleaved, medians with their spread. See README.md."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

LIBRARIES = ["acre", "mimalloc", "jemalloc", "talloc", "obstack", "apr"]
CASES = [  # name, blocks, least and most bytes, threads, arenas at one time of measuring
    ("10 blocks of 16 to 160", 10, 16, 160, 1, 40000),
    ("1000 blocks of 64", 1000, 64, 64, 1, 1500),
    ("1000 blocks of 16 to 128", 1000, 16, 128, 1, 1500),
    ("1000 blocks of 16 to 1024", 1000, 16, 1024, 1, 600),
    ("1000 blocks of 16 to 4096", 1000, 16, 4096, 1, 200),
    ("requests: 200 of 16 to 512, 2 threads", 200, 16, 512, 2, 2000),
]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="build folder (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="how often each runs (default %(default)s)")
    parser.add_argument("--mib", type=int, default=1024, help="size of the arena whose end is timed (default %(default)s)")
    options = parser.parse_args()
    if options.rounds < 1 or options.mib < 1:
        parser.error("--rounds and --mib: at least 1")
    return options


def find_programs(options):
    folder = os.path.join(options.build, "bench")
    programs = {name: os.path.join(folder, f"acre-bench-arenas-{name}") for name in LIBRARIES}
    found = {name: path for name, path in programs.items() if os.path.exists(path)}
    if "acre" not in found:
        sys.exit(f"bench: {programs['acre']}: not there; build it, or say --build")
    missing = [name for name in LIBRARIES if name not in found]
    if missing:
        print("bench: without " + ", ".join(missing) + ": install libmimalloc-dev, libjemalloc-dev, libtalloc-dev, "
              "libapr1-dev and build again", file=sys.stderr)
    return found


def run(options, command):
    """What the program printed, and its peak as the launcher saw it, which is not that of this script."""
    launcher = os.path.join(options.build, "bench", "acre-bench-launch")
    with tempfile.NamedTemporaryFile("r") as output:
        done = subprocess.run([launcher, "-o", output.name, *command], capture_output=True, text=True)
        line = done.stdout.strip().split(",")
        if done.returncode != 0 or line[0] != "0":
            sys.exit(f"bench: {' '.join(command)}: {done.stderr.strip() or 'status ' + line[0]}")
        found = json.load(output)
    found["peak_kib"] = int(line[4])
    return found


def measure(options, programs, case):
    _, blocks, least, most, threads, arenas = case
    samples = {name: [] for name in programs}
    names = list(programs)
    for number in range(options.rounds):
        for name in names[number % len(names):] + names[:number % len(names)]:
            samples[name].append(run(options, [programs[name]] + [str(n) for n in (blocks, least, most, threads, arenas)]))
    return samples


def row(samples, key):
    values = sorted(sample[key] for sample in samples)
    return statistics.median(values), values[len(values) // 4], values[3 * len(values) // 4]


def show(case, samples):
    print(f"\n{case[0]}\n{'':<12}{'ns a block':>12}{'quartiles':>24}{'cpu':>9}{'peak MiB':>10}")
    acre_ns = row(samples["acre"], "wall_ns")[0]
    for name, found in samples.items():
        wall, low, high = row(found, "wall_ns")
        cpu, peak = row(found, "cpu_ns")[0], row(found, "peak_kib")[0] / 1024
        kind = "" if name == "acre" else f"   acre is {acre_ns / wall:.2f} of it"
        pool = "" if found[0]["frees_blocks"] else " (a pool)"
        print(f"{name:<12}{wall:>12.2f}{f'{low:.2f} to {high:.2f}':>24}{cpu:>9.2f}{peak:>10.1f}{kind}{pool}", flush=True)


def show_end(options):
    program = os.path.join(options.build, "bench", "acre-bench-arena-end")
    found = [run(options, [program, str(options.mib)]) for _ in range(max(options.rounds // 2, 3))]
    print(f"\nthe end of an arena of {options.mib} MiB ({found[0]['held_mib']} held), beside munmap of as much")
    for name in ("arena", "munmap"):
        wall, user, system = (statistics.median(sample[name][key] for sample in found)
                              for key in ("wall_us", "user_us", "system_us"))
        print(f"{name:<12}{wall / 1000:>10.2f} ms, user {user / 1000:.2f}, system {system / 1000:.2f}")
    ratios = sorted(sample["arena"]["wall_us"] / sample["munmap"]["wall_us"] for sample in found)
    print(f"ratio       {statistics.median(ratios):>10.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")


def main():
    options = parse_arguments()
    programs = find_programs(options)
    for case in CASES:
        show(case, measure(options, programs, case))
    show_end(options)


if __name__ == "__main__":
    main()
