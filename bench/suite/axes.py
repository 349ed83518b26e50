"""What the panels of lines have in common: a scale upwards, ticks, labels at the lines' ends."""
import math

from suite import svg

LABEL_GAP = 13
MOST_PART = 1.03  # what is cut off is drawn a little above the axes' top


class Axes:
    def __init__(self, left, top, width, height):
        self.left, self.top, self.width, self.height = left, top, width, height

    def reach(self, least, most):
        """The scale, from `least` to a round figure that is not below `most`."""
        self.least = least
        self.most, self.step = scale_of(least, most)

    def y(self, value):
        return self.top + self.height * (1 - min(max(self.part(value), 0), MOST_PART))

    def part(self, value):
        return (value - self.least) / (self.most - self.least)

    def is_cut(self, value):
        return self.part(value) > MOST_PART

    def draw_axes(self, title, subtitle, ticks, axis):
        """ticks: [(x, label)]"""
        bottom = self.top + self.height
        parts = [svg.text(self.left, self.top - 38, title, more=svg.BOLD),
                 svg.text(self.left, self.top - 23, subtitle, colour=svg.FAINT)]
        for turn in range(round((self.most - self.least) / self.step) + 1):
            value = self.least + turn * self.step
            y = self.y(value)
            parts.append(svg.line(self.left, y, self.left + self.width, y, svg.FAINT if turn == 0 else svg.GRID))
            parts.append(svg.text(self.left - 7, y + 4, f"{value:g}", "end", svg.FAINT))
        for x, label in ticks:
            parts.append(svg.line(x, bottom, x, bottom + 4, svg.FAINT))
            parts.append(svg.text(x, bottom + 17, label, "middle", svg.FAINT))
        return parts + [svg.text(self.left + self.width / 2, bottom + 33, axis, "middle", svg.FAINT)]

    def draw_labels(self, ends, colour_of):
        """Names at the ends, pushed apart; of a line that ends cut off, the figure too. ends: [(name, x, value)]"""
        heights = [self.y(value) for _, _, value in ends]
        # of those that are cut off, at one height, the dearest comes first
        wanted = [height - self.part(value) / 100 for height, (_, _, value) in zip(heights, ends)]
        right, parts = self.left + self.width, []
        for (name, x, value), height, y in zip(ends, heights, svg.apart(
                wanted, LABEL_GAP, self.top, self.top + self.height)):
            words = f"{name} ↑{value:.3g}" if self.is_cut(value) else name
            parts.append(svg.line(max(x + 4, right), height, right + 14, y, colour_of[name], 0.7))
            parts.append(svg.text(right + 17, y + 4, words, colour=colour_of[name], more=svg.weight(name)))
        return parts


def scale_of(least, most):
    """(end of the axis, its step): few steps of 1, 2 or 5 times a power of ten."""
    length = max(most - least, 0.01)
    power = 10 ** math.floor(math.log10(length / 4))
    step = next(factor * power for factor in (1, 2, 5, 10) if length / (factor * power) <= 7)
    return least + math.ceil(length / step - 1e-9) * step, step
