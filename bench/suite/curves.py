"""The curves of scale.py as SVG: a panel per dimension, a line per allocator, labelled at its end."""
import math
import statistics

from suite import svg
from suite.allocators import ACRE
from suite.scaling import MEMORY, METRICS

WIDTH, HEIGHT, COLUMNS = 360, 220, 2  # of a panel's axes
LEFT, RIGHT, ABOVE, BELOW = 52, 84, 64, 46
HEAD, FOOT = 30, 26
LABEL_GAP = 13
MEMORY_MOST, TIME_MOST = 3, 3  # lines are cut off at this ratio, and at so many times the middle of a point's figures


class Panel:
    def __init__(self, results, curve, metric, number):
        self.results, self.curve, self.metric = results, curve, metric
        self.left = LEFT + number % COLUMNS * (LEFT + WIDTH + RIGHT)
        self.top = HEAD + ABOVE + number // COLUMNS * (ABOVE + HEIGHT + BELOW)
        self.points = results.points(curve)
        self.names = [name for name in results.names() if self.figures(name)]
        # less than what was requested cannot be resident; times begin at nothing
        self.least = 1 if metric == MEMORY else 0
        self.most, self.step = scale_of(self.least, max(self.worth_showing(point) for point in self.points))

    def figures(self, name):
        """[(point, figure)] of what did not fail."""
        found = ((point, self.results.figure(self.curve, point, name, self.metric)) for point in self.points)
        return [(point, figure) for point, figure in found if figure]

    def worth_showing(self, point):
        """The largest figure of a point, unless one that is far off would press the others together."""
        values = [figure.value for name in self.names for at, figure in self.figures(name) if at == point]
        if not values:
            return 0
        return min(max(values), MEMORY_MOST if self.metric == MEMORY else TIME_MOST * statistics.median(values))

    def x(self, point):
        first, last = math.log(self.points[0]), math.log(self.points[-1])
        return self.left + WIDTH * ((math.log(point) - first) / (last - first) if last > first else 1)

    def y(self, value):
        """A little above the axes' top for what is cut off."""
        return self.top + HEIGHT * (1 - min(max(self.part(value), 0), 1.03))

    def part(self, value):
        return (value - self.least) / (self.most - self.least)

    def is_cut(self, figure):
        return self.part(figure.value) > 1.03

    # ---- what is drawn

    def axes(self):
        title, unit = METRICS[self.metric]
        parts = [svg.text(self.left, self.top - 38, self.curve.title, more=svg.BOLD),
                 svg.text(self.left, self.top - 23, title + (f" ({unit})" if unit else ""), colour=svg.FAINT)]
        for turn in range(round((self.most - self.least) / self.step) + 1):
            value = self.least + turn * self.step
            y = self.y(value)
            parts.append(svg.line(self.left, y, self.left + WIDTH, y, svg.FAINT if turn == 0 else svg.GRID))
            parts.append(svg.text(self.left - 7, y + 4, f"{value:g}", "end", svg.FAINT))
        for point in self.points:
            x = self.x(point)
            parts.append(svg.line(x, self.top + HEIGHT, x, self.top + HEIGHT + 4, svg.FAINT))
            parts.append(svg.text(x, self.top + HEIGHT + 17, short(self.curve.label(point)), "middle", svg.FAINT))
        return parts + [svg.text(self.left + WIDTH / 2, self.top + HEIGHT + 33, self.curve.axis, "middle", svg.FAINT)]

    def curve_of(self, name, colour):
        figures, emphasis = self.figures(name), name == ACRE
        path = " ".join(f"{self.x(point):.1f},{self.y(figure.value):.1f}" for point, figure in figures)
        parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{2.8 if emphasis else 1.5}" '
                 'stroke-linejoin="round"/>']
        for point, figure in figures:
            x = self.x(point)
            parts.append(svg.line(x, self.y(figure.low), x, self.y(figure.high), colour))
            parts.append(svg.circle(x, self.y(figure.value), 3 if emphasis else 2, colour, colour,
                                    f"{name}, {self.curve.label(point)}: {figure.value:.3g}"))
        return parts

    def labels(self, colour_of):
        """At the lines' ends, pushed apart; of a line that ends cut off, the figure too."""
        ends = [self.figures(name)[-1] for name in self.names]
        heights = [self.y(figure.value) for _, figure in ends]
        # of those that are cut off, at one height, the dearest comes first
        wanted = [height - self.part(figure.value) / 100 for height, (_, figure) in zip(heights, ends)]
        parts = []
        for name, (point, figure), height, y in zip(self.names, ends, heights, svg.apart(
                wanted, LABEL_GAP, self.top, self.top + HEIGHT)):
            words = f"{name} ↑{figure.value:.3g}" if self.is_cut(figure) else name
            x = self.left + WIDTH
            parts.append(svg.line(max(self.x(point) + 4, x), height, x + 14, y, colour_of[name], 0.7))
            parts.append(svg.text(x + 17, y + 4, words, colour=colour_of[name], more=svg.weight(name)))
        return parts

    def beyond(self, colour_of):
        """The figures of what is cut off before the last point, on top of it."""
        parts, free = [], 0
        for point in self.points[:-1]:
            cut = [(name, figure) for name in self.names for at, figure in self.figures(name)
                   if at == point and self.is_cut(figure)]
            words = [(f"↑{figure.value:.3g}", colour_of[name]) for name, figure in
                     sorted(cut, key=lambda pair: pair[1].value, reverse=True)]
            if words:
                x = max(self.x(point), free)
                parts += svg.words(x, self.top - 8, words)
                free = x + 30 * len(words) + 6
        return parts

    def draw(self, colour_of):
        parts = self.axes() + self.beyond(colour_of)
        for name in svg.acre_last(self.names):
            parts += self.curve_of(name, colour_of[name])
        return parts + self.labels(colour_of)


def scale_of(least, most):
    """(end of the axis, its step): few steps of 1, 2 or 5 times a power of ten."""
    length = max(most - least, 0.01)
    power = 10 ** math.floor(math.log10(length / 4))
    step = next(factor * power for factor in (1, 2, 5, 10) if length / (factor * power) <= 7)
    return least + math.ceil(length / step - 1e-9) * step, step


def short(label):
    return label.replace("MiB", "M").replace("GiB", "G")


def write_svg(path, results, caption):
    colour_of = svg.colours(results.names())
    drawn = [(curve, metric) for curve in results.curves for metric in curve.drawn if results.any(curve, metric)]
    width = COLUMNS * (LEFT + WIDTH + RIGHT)
    height = HEAD + -(-len(drawn) // COLUMNS) * (ABOVE + HEIGHT + BELOW) + FOOT
    parts = [svg.text(LEFT, 24, caption, colour=svg.FAINT)]
    for number, (curve, metric) in enumerate(drawn):
        parts += Panel(results, curve, metric, number).draw(colour_of)
    parts.append(svg.text(LEFT, height - 8, "medians; bars: the middle half of the rounds (of fewer than four: all); "
                          "↑: beyond the axis", colour=svg.FAINT))
    svg.write(path, width, height, parts)
