"""Tables for people, and the raw samples as CSV."""
import csv

from suite.allocators import ACRE, GLIBC
from suite.figures import METRICS, SUBSETS

NAME_WIDTH, CELL_WIDTH = 16, 14


def cell_of(ratio, failed):
    if failed:
        return "FAILED"
    if ratio is None:
        return "-"
    # of one round alone there is no spread to show
    spread = "" if ratio.half_spread is None else f" ±{ratio.half_spread:.2f}"
    return f"{ratio.value:.2f}{spread}{'~' if ratio.scattered else ' '}"


def absolute(value, metric):
    if value is None:
        return "-"
    if metric == "peak":
        return f"{value / 1024:.1f} MiB"
    return f"{value:.0f}" if metric == "minor" else f"{value:.2f} s"


def row(name, cells):
    return f"{name:<{NAME_WIDTH}}" + "".join(f"{cell:>{CELL_WIDTH}}" for cell in cells)


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
    lines.append("geometric means")
    for label, kind in SUBSETS:
        if not results.subset(kind):
            continue
        envelope, own = results.mean_of_best(metric, kind), results.mean(ACRE, metric, kind)
        versus = f"{own / envelope:.2f}" if own and envelope else "-"
        lines.append(row("  " + label, ["1 "] + [number(results.mean(name, metric, kind)) for name in others]
                         + [number(envelope), versus]))
    return lines


def null_table(results):
    """How far the measurement can be trusted: the same library twice."""
    pair = results.null_pair()
    if not pair:
        return []
    lines = ["", f"null comparison: {pair[0]} / {pair[1]}, the same code, should be 1.00"]
    for metric, title, _ in METRICS:
        found = [r.value for w in results.workloads for r in [results.ratio(w, pair[0], metric, pair[1])] if r]
        if found:
            lines.append(f"  {title:<26} {results.mean(pair[0], metric, None, pair[1]):.3f} "
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
          "its means are those of an allocator that would be the best peer at each workload"]


def report(results):
    lines = []
    for metric, title, _ in METRICS:
        lines += metric_table(results, metric, title)
    return "\n".join(lines + null_table(results) + own_mallocs(results) + failures(results) + LEGEND)


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
