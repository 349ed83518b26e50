"""Medians, ratios, spreads, geometric means."""
import math
import statistics
from dataclasses import dataclass
from typing import Optional

from suite.allocators import ACRE, GLIBC
from suite.workloads import LOOP, PROGRAM

METRICS = [
    ("cpu", "CPU time (user + system)", "s"),
    ("wall", "wall time", "s"),
    ("peak", "peak resident memory", "MiB"),
    ("minor", "minor page faults", ""),
]
SUBSETS = [("loops", LOOP), ("programs", PROGRAM), ("all", None)]


@dataclass
class Ratio:
    value: float
    half_spread: Optional[float]  # None of a single round
    scattered: bool  # the spread is wider than the difference: no conclusion


def median(samples, metric):
    return statistics.median(getattr(sample, metric) for sample in samples.values())


def spread(values):
    """The middle half; of fewer than four, all."""
    if len(values) < 4:
        return max(values) - min(values)
    quarters = statistics.quantiles(values, n=4, method="inclusive")
    return quarters[2] - quarters[0]


def ratio(mine, base, metric) -> Optional[Ratio]:
    """Median against median; the spread is that of the ratios within each round, where machine drift cancels."""
    if not mine or not base or not median(base, metric):
        return None
    value = median(mine, metric) / median(base, metric)
    pairs = [getattr(mine[r], metric) / getattr(base[r], metric)
             for r in mine if r in base and getattr(base[r], metric)]
    if len(pairs) < 2:
        return Ratio(value, None, True)
    width = spread(pairs)
    return Ratio(value, width / 2, width > abs(value - 1))


def geometric_mean(values):
    values = [value for value in values if value]
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


class Results:
    def __init__(self, workloads, chosen, samples, failed):
        self.workloads, self.allocators, self.failed = workloads, chosen, failed
        self.samples = samples

    def ratio(self, workload, allocator, metric, base=GLIBC):
        return ratio(self.samples.get((workload.name, allocator)), self.samples.get((workload.name, base)), metric)

    def median(self, workload, allocator, metric):
        samples = self.samples.get((workload.name, allocator))
        return median(samples, metric) if samples else None

    def best_peer(self, workload, metric):
        """(ratio to glibc, name) of the best that is not ours; glibc counts as a peer."""
        found = [(r.value, a.name) for a in self.allocators if a.name != ACRE and not a.is_null
                 for r in [self.ratio(workload, a.name, metric)] if r]
        return min(found) if found else None

    def subset(self, kind):
        return [w for w in self.workloads if kind is None or w.kind == kind]

    def mean(self, allocator, metric, kind, base=GLIBC):
        ratios = [self.ratio(w, allocator, metric, base) for w in self.subset(kind)]
        return geometric_mean([r.value for r in ratios if r])

    def mean_of_best(self, metric, kind):
        """The envelope: the best peer of each workload taken separately."""
        best = [self.best_peer(w, metric) for w in self.subset(kind)]
        return geometric_mean([b[0] for b in best if b])

    def null_pair(self):
        null = next((a.name for a in self.allocators if a.is_null), None)
        return (null, null.rsplit("-", 1)[0]) if null else None
