"""Medians, ratios, spreads, geometric means."""
import math
import statistics
from dataclasses import dataclass
from typing import Optional

from suite.allocators import ACRE, GLIBC
from suite.system_calls import Counts
from suite.workloads import LOOP, PROGRAM

METRICS = [
    ("cpu", "CPU time (user + system)", "s"),
    ("wall", "wall time", "s"),
    ("peak", "peak resident memory", "MiB"),
    ("minor", "minor page faults", ""),
]
SUBSETS = [
    ("loops, 1 thread", lambda workload: workload.kind == LOOP and not workload.threaded),
    ("loops, threads", lambda workload: workload.kind == LOOP and workload.threaded),
    ("programs", lambda workload: workload.kind == PROGRAM),
    ("all", lambda workload: True),
]
# acre is "not the best" where it is above this much of the best peer: smaller differences are no one's concern
NOT_BEST = [("cpu", "CPU time", 1.10), ("peak", "peak", 1.25)]


@dataclass
class Ratio:
    value: float
    half_spread: Optional[float]  # None of a single round
    scattered: bool  # the spread is wider than the difference: no conclusion


def median(samples, metric):
    return statistics.median(getattr(sample, metric) for sample in samples.values())


def bounds(values):
    """The ends of the middle half; of fewer than four, of all."""
    if len(values) < 4:
        return min(values), max(values)
    quarters = statistics.quantiles(values, n=4, method="inclusive")
    return quarters[0], quarters[2]


def spread(values):
    low, high = bounds(values)
    return high - low


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


@dataclass
class Figure:
    value: float
    low: float
    high: float
    rounds: int


def absolute(samples, metric) -> Optional[Figure]:
    """For curves, whose point is the cost itself and not how it compares."""
    if not samples:
        return None
    values = [getattr(sample, metric) for sample in samples.values()]
    return Figure(statistics.median(values), *bounds(values), len(values))


def geometric_mean(values):
    values = [value for value in values if value]
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


class Results:
    def __init__(self, workloads, chosen, samples, failed, calls=None):
        self.workloads, self.allocators, self.failed = workloads, chosen, failed
        self.samples, self.calls = samples, calls or Counts()

    def peers(self):
        """Whatever is not ours; glibc counts as a peer."""
        return [a.name for a in self.allocators if a.name != ACRE and not a.is_null]

    def ratio(self, workload, allocator, metric, base=GLIBC):
        return ratio(self.samples.get((workload.name, allocator)), self.samples.get((workload.name, base)), metric)

    def median(self, workload, allocator, metric):
        samples = self.samples.get((workload.name, allocator))
        return median(samples, metric) if samples else None

    def best_peer(self, workload, metric):
        """(ratio to glibc, name) of the best that is not ours."""
        found = [(r.value, name) for name in self.peers() for r in [self.ratio(workload, name, metric)] if r]
        return min(found) if found else None

    def not_best(self, metric, limit):
        """[(workload, best peer, acre's ratio to it)] where that is above the limit."""
        best = [(w, self.best_peer(w, metric)) for w in self.workloads]
        found = [(w, b[1], self.ratio(w, ACRE, metric, b[1])) for w, b in best if b]
        return [(w, name, r) for w, name, r in found if r and r.value > limit]

    def mean(self, allocator, metric, workloads, base=GLIBC):
        ratios = [self.ratio(w, allocator, metric, base) for w in workloads]
        return geometric_mean([r.value for r in ratios if r])

    def mean_of_best(self, metric, workloads):
        """The envelope: the best peer of each workload taken separately."""
        best = [self.best_peer(w, metric) for w in workloads]
        return geometric_mean([b[0] for b in best if b])

    def best_mean(self, metric, workloads):
        """(acre's mean divided by the peer's, name) of the single peer with the smallest mean. A peer that failed
        somewhere is compared with acre over the workloads that both ended."""
        found = [(mean, name) for name in self.peers() for mean in [self.mean(ACRE, metric, workloads, name)] if mean]
        return max(found) if found else None

    def null_pair(self):
        null = next((a.name for a in self.allocators if a.is_null), None)
        return (null, null.rsplit("-", 1)[0]) if null else None
