"""Tables for people, and the raw samples as CSV."""
import csv
import statistics

from suite.allocators import ACRE, GLIBC
from suite.figures import METRICS, NOT_BEST, SUBSETS, spread
from suite.system_calls import MEMORY_CALLS

NAME_WIDTH, CELL_WIDTH = 16, 14


def cell_of(ratio, failed):
    if failed:
        return "FAILED"
    if ratio is None:
        return "-"
    # of one round alone there is no spread to show
    width = "" if ratio.half_spread is None else f" ±{ratio.half_spread:.2f}"
    return f"{ratio.value:.2f}{width}{'~' if ratio.scattered else ' '}"


def absolute(value, metric):
    if value is None:
        return "-"
    if metric == "peak":
        return f"{value / 1024:.1f} MiB"
    return f"{value:.0f}" if metric == "minor" else f"{value:.2f} s"


def row(name, cells):
    return f"{name:<{NAME_WIDTH}}" + "".join(f"{cell:>{CELL_WIDTH}}" for cell in cells)


def of_rounds(values, digits=2):
    """A cell with the rounds' median."""
    if not values:
        return "-"
    middle = statistics.median(values)
    digits = digits if middle < 100 else 0
    return f"{middle:.{digits}f}" + (f" ±{spread(values) / 2:.{digits}f}" if len(values) > 1 else "")


def number(value):
    return "-" if value is None else f"{value:.3f} "


def best_cells(results, workload, metric):
    best, own = results.best_peer(workload, metric), results.ratio(workload, ACRE, metric)
    versus = f"{own.value / best[0]:.2f}" if best and own and best[0] else "-"
    return [f"{best[0]:.2f} {best[1][:9]}" if best else "-", versus]


def metric_table(results, metric, title):
    others = [a.name for a in results.allocators if a.name != GLIBC]
    lines = ["", f"{title}: ratio to glibc's median (smaller is better)",
             row("", [GLIBC, *others, "best peer", "acre/best"])]
    for workload in results.workloads:
        cells = [absolute(results.median(workload, GLIBC, metric), metric)]
        cells += [cell_of(results.ratio(workload, name, metric), (workload.name, name) in results.failed)
                  for name in others]
        lines.append(row(workload.name, cells + best_cells(results, workload, metric)))
    lines.append(row("geometric means", [""] * (len(others) + 1) + ["envelope", "acre/envelope", "acre/best one"]))
    for label, belongs in SUBSETS:
        subset = [w for w in results.workloads if belongs(w)]
        if subset:
            lines.append(means_row(results, metric, label, subset, others))
    return lines


def means_row(results, metric, label, subset, others):
    envelope, own = results.mean_of_best(metric, subset), results.mean(ACRE, metric, subset)
    versus = f"{own / envelope:.2f}" if own and envelope else "-"
    best = results.best_mean(metric, subset)
    return row("  " + label, ["1 "] + [number(results.mean(name, metric, subset)) for name in others]
               + [number(envelope), versus, f"{best[0]:.2f} {best[1][:9]}" if best else "-"])


def calls_table(results):
    """Counts, not ratios: under glibc many of them are next to none."""
    names = [a.name for a in results.allocators if not a.is_null]
    if not (results.calls.counts or results.calls.failed):
        return []
    lines = ["", "memory system calls: how many, in one run that is not timed", row("", names)]
    for workload in results.workloads:
        totals = [results.calls.total(workload.name, name) for name in names]
        lines.append(row(workload.name, ["FAILED" if total is None else f"{total} " for total in totals]))
    return lines + [f"  {workload} on {allocator}, while counted: {why}"
                    for (workload, allocator), why in sorted(results.calls.failed.items())]


def not_best_table(results):
    limits = ", ".join(f"{title} above {limit:.2f}" for _, title, limit in NOT_BEST)
    lines = [row(workload.name, [title, cell_of(ratio, False), peer])
             for metric, title, limit in NOT_BEST for workload, peer, ratio in results.not_best(metric, limit)]
    if not any(a.name == ACRE for a in results.allocators):
        return []
    return ["", f"where acre is not the best: {limits} of the best peer's",
            *([row("", ["", "acre/peer", "best peer"]), *lines] if lines else ["  nowhere"])]


def null_table(results):
    """How far the measurement can be trusted: the same library twice."""
    pair = results.null_pair()
    if not pair:
        return []
    lines = ["", f"null comparison: {pair[0]} / {pair[1]}, the same code, should be 1.00"]
    for metric, title, _ in METRICS:
        found = [r.value for w in results.workloads for r in [results.ratio(w, pair[0], metric, pair[1])] if r]
        if found:
            lines.append(f"  {title:<26} {results.mean(pair[0], metric, results.workloads, pair[1]):.3f} "
                         f"(workloads from {min(found):.2f} to {max(found):.2f})")
    return lines


def failures(results):
    if not results.failed:
        return []
    return ["", "failed, and left out of the means:"] + [f"  {workload} on {allocator}: {why}"
                                                        for (workload, allocator), why in sorted(results.failed.items())]


def own_mallocs(results):
    """Programs whose package brings a malloc, which a run without a preload would have measured."""
    return [line for w in results.workloads if w.own_malloc
            for line in ("", f"{w.name}: by itself runs on {w.own_malloc};",
                         "  its glibc column is glibc: the C library preloaded in front of that")]


LEGEND = ["", "±: half the width of the middle half of the ratios, round by round (of fewer than four rounds: of all)",
          "~: that width is more than the difference from 1: no conclusion", "best peer: glibc or a peer, never acre; "
          "the envelope is the mean of an allocator that would be the best peer at each workload",
          "acre/best one: acre's mean divided by that of the one peer with the smallest, over what both ended"]
CALLS_LEGEND = [f"memory system calls: {', '.join(MEMORY_CALLS[:6])} ...; those of the loader and of the program itself",
                "are in them, so the row of start shows what every process makes"]


def report(results):
    lines = []
    for metric, title, _ in METRICS:
        lines += metric_table(results, metric, title)
    counted = calls_table(results)
    lines += counted + not_best_table(results) + null_table(results) + own_mallocs(results) + failures(results)
    return "\n".join(lines + LEGEND + (CALLS_LEGEND if counted else []))


def write_csv(path, results):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["round", "workload", "kind", "allocator", "version", "wall_s", "user_s", "system_s",
                      "peak_kib", "minor_faults", "major_faults"])
        for workload in results.workloads:
            for allocator in results.allocators:
                for turn, s in sorted(results.samples.get((workload.name, allocator.name), {}).items()):
                    out.writerow([turn + 1, workload.name, workload.kind, allocator.name, allocator.version,
                                  f"{s.wall:.6f}", f"{s.user:.6f}", f"{s.system:.6f}", s.peak, s.minor, s.major])


def write_calls_csv(path, results):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["workload", "kind", "allocator", "version", *MEMORY_CALLS])
        for workload in results.workloads:
            for allocator in results.allocators:
                counts = results.calls.counts.get((workload.name, allocator.name))
                if counts is not None:
                    out.writerow([workload.name, workload.kind, allocator.name, allocator.version,
                                  *(counts[name] for name in MEMORY_CALLS)])
