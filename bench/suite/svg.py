"""What both plots draw with: SVG's text, lines and page, the allocators' colours, labels that keep apart."""
from xml.sax.saxutils import escape

from suite.allocators import ACRE

INK, FAINT, GRID = "#222", "#777", "#e4e4e4"
COLOURS = ["#4477aa", "#228833", "#c2a400", "#aa3377", "#33a5c8", "#8c564b", "#888888", "#332288", "#44aa99", "#999933",
           "#ee99aa", "#88ccee", "#222222"]


def colours(names):
    """acre is red; the others keep their order's colour."""
    peers = [name for name in names if name != ACRE]
    return {**{name: COLOURS[i % len(COLOURS)] for i, name in enumerate(peers)}, ACRE: "#ee2222"}


def acre_last(names):
    """What is drawn last lies on top."""
    return sorted(names, key=lambda name: name == ACRE)


def text(x, y, words, anchor="start", colour=INK, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{more}>{escape(words)}</text>'


def words(x, y, coloured, size=9):
    """Words in colours of their own, next to each other."""
    spans = " ".join(f'<tspan fill="{colour}">{escape(word)}</tspan>' for word, colour in coloured)
    return [f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="start" font-size="{size}">{spans}</text>']


BOLD = ' font-weight="bold"'


def weight(name):
    return BOLD if name == ACRE else ""


def line(x1, y1, x2, y2, colour=GRID, width=1.0, more=""):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width:g}"{more}/>')


def rectangle(x, y, width, height, fill):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>'


def circle(x, y, radius, fill, stroke, title):
    return (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" stroke="{stroke}" stroke-width="1.3">'
            f'<title>{escape(title)}</title></circle>')


def polygon(corners, fill, stroke, title):
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return (f'<polygon points="{points}" fill="{fill}" stroke="{stroke}" stroke-width="1.3">'
            f'<title>{escape(title)}</title></polygon>')


def apart(wanted, gap, least, most):
    """Positions near the wanted ones, in the same order, at least `gap` from each other, between the bounds where
    there is room: neighbours that are too close become a group, spread evenly around what its members wanted."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups = []  # (sum of wanted, members)
    for i in order:
        groups.append([wanted[i], [i]])
        while len(groups) > 1 and top(groups[-1], gap, least, most) < bottom(groups[-2], gap, least, most) + gap:
            total, members = groups.pop()
            groups[-1][0] += total
            groups[-1][1] += members
    placed = [0.0] * len(wanted)
    for group in groups:
        for turn, i in enumerate(group[1]):
            placed[i] = top(group, gap, least, most) + turn * gap
    return placed


def top(group, gap, least, most):
    height = gap * (len(group[1]) - 1)
    return max(least, min(group[0] / len(group[1]) - height / 2, most - height))


def bottom(group, gap, least, most):
    return top(group, gap, least, most) + gap * (len(group[1]) - 1)


def write(path, width, height, parts):
    opening = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
               f'height="{height:g}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="11">')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([opening, f'<rect width="{width:g}" height="{height:g}" fill="white"/>', *parts, "</svg>"])
                   + "\n")
