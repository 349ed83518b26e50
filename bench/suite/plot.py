"""A dot plot of the ratios as SVG: a row per workload, a dot per allocator, a panel each for CPU time and peak."""
import math
from xml.sax.saxutils import escape

from suite.allocators import ACRE, GLIBC

ROW, LABEL, PANEL, TOP = 18, 130, 380, 60
LEAST, MOST = 0.25, 4.0  # ratios beyond these are drawn at the edge
COLOURS = ["#4477aa", "#228833", "#ccbb44", "#aa3377", "#66ccee", "#bbbbbb", "#994455"]


def position(value, left):
    clipped = min(max(value, LEAST), MOST)
    return left + PANEL * math.log(clipped / LEAST) / math.log(MOST / LEAST)


def colours(names):
    peers = [name for name in names if name != ACRE]
    return {ACRE: "#ee3333", **{name: COLOURS[i % len(COLOURS)] for i, name in enumerate(peers)}}


def text(x, y, words, anchor="start", colour="#222"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def axis(left, title, height):
    parts = [text(left + PANEL / 2, TOP - 22, title, "middle")]
    for tick in (0.25, 0.5, 1, 2, 4):
        x = position(tick, left)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 10}" '
                     f'stroke="{"#555" if tick == 1 else "#ddd"}"/>')
        parts.append(text(x, TOP - 9, f"{tick:g}", "middle"))
    return parts


def dots(results, metric, left, names, colour_of):
    parts = []
    for line, workload in enumerate(results.workloads):
        y = TOP + ROW * line + ROW / 2
        for name in names:
            ratio = results.ratio(workload, name, metric)
            if ratio:
                # Hollow where the spread is wider than the difference: the table's "~".
                fill = "none" if ratio.scattered else colour_of[name]
                parts.append(f'<circle cx="{position(ratio.value, left):.1f}" cy="{y:.1f}" r="{5 if name == ACRE else 4}" '
                             f'fill="{fill}" stroke="{colour_of[name]}"><title>{escape(workload.name)}, {escape(name)}: '
                             f'{ratio.value:.2f}</title></circle>')
    return parts


def write_svg(path, results):
    names = [a.name for a in results.allocators if a.name != GLIBC and not a.is_null]
    colour_of = colours(names)
    height = TOP + ROW * len(results.workloads) + 20
    width = LABEL + 2 * (PANEL + 40)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
             'font-size="11">', f'<rect width="{width}" height="{height}" fill="white"/>']
    for i, name in enumerate(names):
        parts.append(text(LABEL + 100 * i, 18, "● " + name, colour=colour_of[name]))
    for line, workload in enumerate(results.workloads):
        parts.append(text(LABEL - 12, TOP + ROW * line + ROW / 2 + 4, workload.name, "end"))
    for panel, (metric, title) in enumerate([("cpu", "CPU time, ratio to glibc"), ("peak", "peak resident memory")]):
        left = LABEL + panel * (PANEL + 40)
        parts += axis(left, title, height) + dots(results, metric, left, names, colour_of)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([*parts, "</svg>"]) + "\n")
