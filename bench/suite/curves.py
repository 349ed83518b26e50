"""The curves of scale.py as SVG: a panel per dimension, a line per allocator, labelled at its end."""
import math
import statistics

from suite import svg
from suite.allocators import ACRE
from suite.axes import Axes
from suite.scaling import MEMORY, METRICS

WIDTH, HEIGHT, COLUMNS = 360, 220, 2  # of a panel's axes
LEFT, RIGHT, ABOVE, BELOW = 52, 84, 64, 46
HEAD, FOOT = 30, 26
MEMORY_MOST, TIME_MOST = 3, 3  # lines are cut off at this ratio, and at so many times the middle of a point's figures


class Panel(Axes):
    def __init__(self, results, curve, metric, number):
        super().__init__(LEFT + number % COLUMNS * (LEFT + WIDTH + RIGHT),
                         HEAD + ABOVE + number // COLUMNS * (ABOVE + HEIGHT + BELOW), WIDTH, HEIGHT)
        self.results, self.curve, self.metric = results, curve, metric
        self.points = results.points(curve)
        self.names = [name for name in results.names() if self.figures(name)]
        # less than what was requested cannot be resident; times begin at nothing
        self.reach(1 if metric == MEMORY else 0, max(self.worth_showing(point) for point in self.points))

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

    # ---- what is drawn

    def frame(self):
        title, unit = METRICS[self.metric]
        ticks = [(self.x(point), short(self.curve.label(point))) for point in self.points]
        return self.draw_axes(self.curve.title, title + (f" ({unit})" if unit else ""), ticks, self.curve.axis)

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
        ends = [(name, *self.figures(name)[-1]) for name in self.names]
        return self.draw_labels([(name, self.x(point), figure.value) for name, point, figure in ends], colour_of)

    def beyond(self, colour_of):
        """The figures of what is cut off before the last point, on top of it."""
        parts, free = [], 0
        for point in self.points[:-1]:
            cut = [(name, figure) for name in self.names for at, figure in self.figures(name)
                   if at == point and self.is_cut(figure.value)]
            words = [(f"↑{figure.value:.3g}", colour_of[name]) for name, figure in
                     sorted(cut, key=lambda pair: pair[1].value, reverse=True)]
            if words:
                x = max(self.x(point), free)
                parts += svg.words(x, self.top - 8, words)
                free = x + 30 * len(words) + 6
        return parts

    def draw(self, colour_of):
        parts = self.frame() + self.beyond(colour_of)
        for name in svg.acre_last(self.names):
            parts += self.curve_of(name, colour_of[name])
        return parts + self.labels(colour_of)


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
