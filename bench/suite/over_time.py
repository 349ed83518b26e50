"""Resident memory over time as SVG, for giveback.py: a panel for a case, a line per allocator."""
import math

from suite import long_lived, svg
from suite.allocators import ACRE
from suite.axes import Axes, scale_of
from suite.resident import IDLE, MIB, SAWTOOTH, floor_mib

WIDTH, HEIGHT = 860, 300
LEFT, RIGHT, ABOVE, BELOW = 52, 110, 64, 46
HEAD, FOOT = 30, 26
# A case, the mark that is at 0 s, from when and to when: of idle the end of the build, and not the end of the threads;
# of programs, which take longer to free, more of what is before.
DRAWN = [(IDLE, "freed", -0.5, 5.5), (SAWTOOTH, "started", 0, math.inf),
         *((case, "freed", -1.5, 5.5) for case in long_lived.CASES)]


class Panel(Axes):
    """runs: {allocator: Run}"""

    def __init__(self, case, zero, first_s, last_s, runs, number):
        super().__init__(LEFT, HEAD + ABOVE + number * (ABOVE + HEIGHT + BELOW), WIDTH, HEIGHT)
        self.case, self.first, self.runs = case, first_s, runs
        self.lines = {name: line_of(run, zero, first_s, last_s) for name, run in runs.items()}
        self.last = max(line[-1][0] for line in self.lines.values())
        self.reach(0, max(value for line in self.lines.values() for _, value in line))

    def x(self, second):
        return self.left + self.width * (second - self.first) / (self.last - self.first)

    def ticks(self):
        _, step = scale_of(0, self.last)
        return [(self.x(turn * step), f"{turn * step:g}") for turn in range(int(self.last / step) + 1)]

    def line(self, name, colour):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in thinned([
            (self.x(second), round(self.y(value), 1)) for second, value in self.lines[name]]))
        width = 2.4 if name == ACRE else 1.2
        return (f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
                'stroke-linejoin="round"/>')

    def floor(self):
        """The lowest: they differ by what a library itself has resident."""
        if self.case is SAWTOOTH:
            return []
        y = self.y(min(floor_mib(run) for run in self.runs.values()))
        return [svg.line(self.left, y, self.left + self.width, y, svg.INK, 1, ' stroke-dasharray="4 3"'),
                svg.text(self.left + 4, y - 4, "floor", colour=svg.INK)]

    def draw(self, colour_of):
        ends = [(name, self.x(line[-1][0]), line[-1][1]) for name, line in self.lines.items()]
        return [*self.draw_axes(self.case.title, "resident MiB", self.ticks(), "seconds"),
                *(self.line(name, colour_of[name]) for name in svg.acre_last(self.lines)), *self.floor(),
                *self.draw_labels(ends, colour_of)]


def line_of(run, zero, first_s, last_s):
    """[(second, MiB)] up to the run's last mark: how long a process takes to end is another matter."""
    zero_ms = run.mark(zero).at_ms
    last_s = min(last_s, (run.marks[-1].at_ms - zero_ms) / 1000)
    line = [((ms - zero_ms) / 1000, size / MIB) for ms, size in run.samples]
    return [(second, mib) for second, mib in line if first_s <= second <= last_s]


def thinned(points):
    """Without those in the middle of a level part."""
    return [point for number, point in enumerate(points) if number in (0, len(points) - 1)
            or not points[number - 1][1] == point[1] == points[number + 1][1]]


def write_svg(path, first_runs, names, caption):
    """first_runs: of a case's name, {allocator: Run}"""
    drawn = [(case, *window, runs) for case, *window in DRAWN if (runs := first_runs(case.name))]
    colour_of = svg.colours(names)
    parts = [svg.text(LEFT, 24, caption, colour=svg.FAINT)]
    for number, panel in enumerate(drawn):
        parts += Panel(*panel, number).draw(colour_of)
    height = HEAD + len(drawn) * (ABOVE + HEIGHT + BELOW) + FOOT
    parts.append(svg.text(LEFT, height - 8, "the first round, a sample each 10 ms; floor: the pages that survivors "
                          "touch, what was resident at the start, the program's own tables", colour=svg.FAINT))
    svg.write(path, LEFT + WIDTH + RIGHT, height, parts)
