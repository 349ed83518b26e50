#!/usr/bin/env python3
"""acre why and acre map of a process that allocates as fast as it can on all processors: no picture of it is absurd,
and it is hardly slowed down (--slowdown, which takes its time)."""

import math
import os
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import look
from figures import check_sums

# Resident memory may change between the kernel's readings and acre's by what the process takes or gives meanwhile.
RESIDENT_TOLERANCE_BYTES = 16 << 20
TORN_PARTS_MOST, TORN_PARTS_ON_AVERAGE = 0.3, 0.05  # of all slabs, large and huge blocks
LIVE_MOST_BYTES = 1 << 30             # it has about 30 MiB
# A machine that others use, too, is now faster and now slower for seconds: turns are shorter than that, and many.
TURN_S, PAIRS, SLOWER_MOST_PERCENT = 0.25, 200, 2


class Quiet:
    """The checks of a Bench, of which only those that failed are told: there are thousands."""

    def __init__(self, bench):
        self.bench, self.failed = bench, 0

    def check(self, name, fine, *told):
        if not fine:
            self.failed += 1
            self.bench.check(name, False, *told)
        return fine

    def equal(self, name, got, wanted):
        return self.check(name, got == wanted, f"got    {got}", f"wanted {wanted}")


def check_why(bench, quiet, program, torn):
    before = sum(look.smaps(program.pid).values())
    figures = bench.json("why", program.pid)
    after = sum(look.smaps(program.pid).values())
    if not quiet.check("acre why", figures is not None):
        return
    check_sums(quiet, "running", {**figures, "arenas": without_races(figures["arenas"])})
    held = sum(each["held_bytes"] for each in figures["arenas"])
    quiet.check("live is not more than what is held", figures["live_bytes"] <= held, figures["live_bytes"], held)
    quiet.check("live is not absurd", figures["live_bytes"] < LIVE_MOST_BYTES, figures["live_bytes"])
    readings = before, after, figures["kernel_bytes"], figures["kernel_after_bytes"]
    low, high = min(readings) - RESIDENT_TOLERANCE_BYTES, max(readings) + RESIDENT_TOLERANCE_BYTES
    quiet.check("resident is between the kernel's readings", low <= figures["resident_bytes"] <= high,
                figures["resident_bytes"], readings)
    torn.append((figures["torn_records"], sum(each["spans"] for each in figures["classes"])))


def without_races(arenas):
    """What an arena holds is read at one moment, and its blocks at others: this may be more by a huge block or two."""
    return [{**each, "held_bytes": each["held_bytes"] + (16 << 20)} for each in arenas]


def check_map(bench, quiet, program):
    picture = bench.json("map", program.pid)
    if not quiet.check("acre map", picture is not None):
        return
    cell_bytes = picture["cell_bytes"]
    for segment in picture["segments"]:
        cells = list(zip(segment["kinds"], segment["live_bytes"], segment["resident_bytes"]))
        quiet.check("a cell has no more in it than there is room for",
                    all(0 <= live <= cell_bytes and 0 <= resident <= cell_bytes for _, live, resident in cells))
        quiet.check("a cell is drawn as what it is",
                    all(kind in "Lsmfo. " and (kind == "L") == (live > 0) for kind, live, _ in cells))

def snapshots(bench):
    """many pictures, one after the other"""
    program = bench.heap("churn", listed=False)
    program.reach("ready")
    quiet, torn, started = Quiet(bench), [], time.monotonic()
    first_steps = program.ledger.steps()
    for number in range(bench.arguments.snapshots):
        if number % 2 == 0:
            check_why(bench, quiet, program, torn)
        else:
            check_map(bench, quiet, program)
        if number % 50 == 49:
            quiet.check("in the terminal", bench.run("map", program.pid).status == 0)
            quiet.check("frozen", check_frozen(bench, program))
        time.sleep(max(0, started + (number + 1) / bench.arguments.per_second - time.monotonic()))
    bench.check(f"{bench.arguments.snapshots} pictures of a running process", quiet.failed == 0)
    parts = [few / (few + spans) for few, spans in torn]
    bench.say(f"torn records: at most {max(parts):.2%} in one, {statistics.mean(parts):.3%} on average")
    bench.check("few records are torn", max(parts) <= TORN_PARTS_MOST and
                statistics.mean(parts) <= TORN_PARTS_ON_AVERAGE)
    bench.check("it goes on meanwhile and afterwards", program.process.poll() is None and
                program.ledger.steps() > first_steps + bench.arguments.snapshots * 256)


def check_frozen(bench, program):
    """To the byte, though it runs: it is stopped for the time of that."""
    figures = bench.json("why", program.pid, "--freeze")
    return figures and figures["resident_bytes"] == figures["kernel_bytes"] == figures["kernel_after_bytes"]


# ---- slowdown

def steps_per_second(bench, program, seconds, per_second):
    """By the clock, and by the process's own time on processors."""
    first, first_time, first_cpu = program.ledger.steps(), time.monotonic(), cpu_seconds(program.pid)
    number = 0
    while time.monotonic() < first_time + seconds:
        if per_second:
            subprocess.run([bench.acre, "why", "--json", os.devnull, str(program.pid)], check=True)
            number += 1
            time.sleep(max(0, min(first_time + number / per_second, first_time + seconds) - time.monotonic()))
        else:
            time.sleep(seconds)
    steps = program.ledger.steps() - first
    return steps / (time.monotonic() - first_time), steps / (cpu_seconds(program.pid) - first_cpu)


def cpu_seconds(pid):
    """The clock that clock_getcpuclockid(3) gives, which is finer than the ticks of /proc/PID/stat."""
    return time.clock_gettime((~pid << 3) | 2)


def median_between(values):
    """The median, and between which of the values it lies with 95 % confidence: by their order alone, since such
    differences have long tails (the binomial distribution's normal approximation)."""
    ordered = sorted(values)
    beside = min(len(ordered) // 2, math.ceil(0.98 * math.sqrt(len(ordered))))
    middle = len(ordered) // 2
    return statistics.median(ordered), ordered[middle - beside], ordered[min(middle + beside, len(ordered) - 1)]


def measure(bench, name, threads, per_second):
    """Turns with and without, beside each other in time, in one process: by how many percent it is slower by the
    clock, and between which figures that is with 95 % confidence."""
    program = bench.heap("churn", listed=False, more=[str(threads)])
    program.reach("ready")
    time.sleep(2)
    by_clock, by_cpu = [], []
    for pair in range(bench.arguments.pairs):
        turns = {}
        for looked_at in (False, True) if pair % 2 == 0 else (True, False):
            turns[looked_at] = steps_per_second(bench, program, bench.arguments.turn_s, per_second if looked_at else 0)
        by_clock.append(100 * (1 - turns[True][0] / turns[False][0]))
        by_cpu.append(100 * (1 - turns[True][1] / turns[False][1]))
    program.end()
    for what, slower in (("by the clock", by_clock), ("by its own processor time", by_cpu)):
        bench.say("{}, {}: slower by {:.2f} % ({:.2f} to {:.2f} with 95 % confidence; {} pairs, half of them "
                  "{:.1f} % apart)".format(name, what, *median_between(slower), len(slower), middle_half(slower)))
    return median_between(by_clock)


def middle_half(values):
    quarters = statistics.quantiles(values)
    return quarters[2] - quarters[0]


def check_slowdown(bench, name, threads, per_second):
    """Nothing is concluded where what is asked for lies within what the figure may be."""
    slower, low, high = measure(bench, name, threads, per_second)
    if low < SLOWER_MOST_PERCENT <= high:
        bench.skip(name, f"slower by {low:.1f} to {high:.1f} %: too busy a machine to tell, or more pairs are needed")
    else:
        bench.check(f"{name}: less than {SLOWER_MOST_PERCENT} % slower", high < SLOWER_MOST_PERCENT, slower)


def slowdown(bench):
    """how much slower the process is while it is looked at"""
    if not bench.arguments.slowdown:
        bench.skip("slowdown", "only with --slowdown")
        return
    processors = os.sysconf("SC_NPROCESSORS_ONLN")
    check_slowdown(bench, "all processors busy, 4 times a second", processors, 4)
    # 20 times a second acre itself takes processor time that the process does not get: this one leaves it a processor.
    check_slowdown(bench, "a processor left for acre, 20 times a second", max(1, processors - 1), 20)
    measure(bench, "all processors busy, 20 times a second", processors, 20)


if __name__ == "__main__":
    look.main(__doc__, [snapshots, slowdown], snapshots=60, per_second=20.0, slowdown=False, pairs=PAIRS, turn_s=TURN_S)
