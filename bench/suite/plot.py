"""A dot plot of the ratios as SVG: a row per workload and per mean, a dot per allocator, a panel for CPU time and one
for the peak."""
import math

from suite import svg
from suite.allocators import ACRE, GLIBC
from suite.figures import SUBSETS

LANE, LABEL, PANEL, GAP, HEAD, FOOT = 4.0, 162, 430, 52, 66, 44
FARTHEST = 8.0  # ratios beyond it, or below its inverse, are drawn as an arrow at the edge
PANELS = [("cpu", "CPU time (user + system), ratio to glibc"), ("peak", "peak resident memory, ratio to glibc")]
LEGEND = ("hollow: no conclusion, the spread is wider than the difference from 1 (or there was one round); "
          "arrow: beyond the axis; means are geometric")
BAND, MEAN_BAND = "#f5f5f5", "#e9e9ee"


class Row:
    """A workload's ratios, or the means of a subset: dots of another size on another ground."""

    def __init__(self, label, ratio_of, is_mean):
        self.label, self.ratio_of, self.is_mean = label, ratio_of, is_mean


def mean_row(results, label, members):
    def ratio_of(name, metric):
        value = results.mean(name, metric, members)
        return (value, False) if value else None
    return Row(f"mean: {label}", ratio_of, True)


def workload_row(results, workload):
    def ratio_of(name, metric):
        found = results.ratio(workload, name, metric)
        return (found.value, found.scattered) if found else None
    return Row(workload.name, ratio_of, False)


def rows_of(results):
    """Each subset's workloads, their mean below them, and the mean of all at the end."""
    *parts, (whole, _) = SUBSETS
    groups = [(label, members) for label, belongs in parts if (members := [w for w in results.workloads if belongs(w)])]
    rows = []
    for label, members in groups:
        rows += [workload_row(results, workload) for workload in members] + [mean_row(results, label, members)]
    return rows + ([mean_row(results, whole, results.workloads)] if len(groups) > 1 else [])


class Axis:
    """Logarithmic, over the whole powers of two that the ratios need."""

    def __init__(self, left, values):
        self.left = left
        self.low = max(math.floor(math.log2(min([*values, 0.9]))), -round(math.log2(FARTHEST)))
        self.high = min(math.ceil(math.log2(max([*values, 1.1]))), round(math.log2(FARTHEST)))

    def x(self, value):
        part = (math.log2(value) - self.low) / (self.high - self.low)
        return self.left + PANEL * min(max(part, 0), 1)

    def beyond(self, value):
        """-1 below, 1 above, 0 on the axis."""
        return (math.log2(value) > self.high) - (math.log2(value) < self.low)

    def draw(self, title, height):
        parts = [svg.text(self.left + PANEL / 2, HEAD - 24, title, "middle", more=svg.BOLD)]
        for power in range(self.low, self.high + 1):
            x = self.x(2.0 ** power)
            parts.append(svg.line(x, HEAD, x, height - FOOT, svg.FAINT if power == 0 else "#d8d8d8"))
            parts += [svg.text(x, y, f"{2.0 ** power:g}", "middle", svg.FAINT) for y in (HEAD - 6, height - FOOT + 14)]
        return parts


def mark(x, y, beyond, radius, fill, stroke, title):
    if not beyond:
        return svg.circle(x, y, radius, fill, stroke, title)
    tip, base = x + beyond * (radius + 3), x - beyond * (radius - 2)
    return svg.polygon([(tip, y), (base, y - radius), (base, y + radius)], fill, stroke, title)


def dots(row, metric, axis, middle, names, colour_of):
    """Every allocator has a lane of its own in each row, so that equal ratios do not hide each other."""
    parts = []
    for name in svg.acre_last(names):
        found = row.ratio_of(name, metric)
        if found:
            value, hollow = found
            y = middle + LANE * (names.index(name) - (len(names) - 1) / 2)
            radius = (4.4 if name == ACRE else 3.1) + (0.8 if row.is_mean else 0)
            parts.append(mark(axis.x(value), y, axis.beyond(value), radius, "white" if hollow else colour_of[name],
                              colour_of[name], f"{row.label}, {name}: {value:.2f}"))
    return parts


def names_of_rows(rows, row_height, width):
    parts = []
    for number, row in enumerate(rows):
        top = HEAD + row_height * number
        if row.is_mean or number % 2 == 0:
            parts.append(svg.rectangle(0, top, width, row_height, MEAN_BAND if row.is_mean else BAND))
        parts.append(svg.text(LABEL - 12, top + row_height / 2 + 4, row.label, "end",
                              more=svg.BOLD if row.is_mean else ""))
    return parts


def legend(names, colour_of):
    parts, x = [], LABEL
    for name in names:
        parts += [svg.circle(x + 4, 17, 4.4 if name == ACRE else 3.6, colour_of[name], colour_of[name], name),
                  svg.text(x + 13, 21, name, colour=colour_of[name], more=svg.weight(name))]
        x += 36 + 7.5 * len(name)
    return parts


def write_svg(path, results):
    names = [a.name for a in results.allocators if a.name != GLIBC and not a.is_null]
    colour_of, rows = svg.colours(names), rows_of(results)
    row_height = LANE * max(len(names), 3) + 8
    height, width = HEAD + row_height * len(rows) + FOOT, LABEL + len(PANELS) * (PANEL + GAP)
    parts = names_of_rows(rows, row_height, width) + legend(names, colour_of)
    for number, (metric, title) in enumerate(PANELS):
        found = [row.ratio_of(name, metric) for row in rows for name in names]
        axis = Axis(LABEL + number * (PANEL + GAP), [value for value, _ in filter(None, found)])
        parts += axis.draw(title, height)
        for line, row in enumerate(rows):
            parts += dots(row, metric, axis, HEAD + row_height * (line + 0.5), names, colour_of)
    parts.append(svg.text(LABEL, height - 8, LEGEND, colour=svg.FAINT))
    svg.write(path, width, height, parts)
