#!/usr/bin/env python3
"""The page of acre map --html in a headless Chromium: it is drawn, without an error, and answers to keys, the pointer
and zoom."""

import json
import os
import re
import sys
import time

sys.dont_write_bytecode = True
import browser
import look
from pictures import html_data

# How many pixels of a canvas, of some that are looked at, are painted.
PAINTED = """(() => {
  const canvas = document.querySelectorAll("canvas")[VIEW];
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let painted = 0;
  for (let i = 3; i < pixels.length; i += 4 * 101) painted += pixels[i] > 0;
  return painted;
})()"""
PIXELS = """(() => {
  const canvas = document.querySelectorAll("canvas")[VIEW], ratio = canvas.width / canvas.clientWidth;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return PLACES.map(([x, y]) => {
    const at = 4 * (Math.floor((y - canvas.offsetTop) * ratio) * canvas.width + Math.floor(x * ratio));
    const colour = "#" + [0, 1, 2].map(k => pixels[at + k].toString(16).padStart(2, "0")).join("");
    return pixels[at + 3] === 0 ? null : colour;
  });
})()"""
STATUS = "document.getElementById('about').textContent"
KEYS_MOST = 130
CANVAS_MOST_PX = 16384  # of either side: browsers draw nothing on larger ones


class Page:
    def __init__(self, bench, chromium, path):
        self.bench, self.browser = bench, chromium
        with open(path) as file:
            self.data = html_data(file.read())
        chromium.load(path)

    def value(self, expression, **places):
        for name, value in places.items():
            expression = expression.replace(name, str(value))
        return self.browser.value(expression)

    def biggest(self):
        kinds = [len(segment["kinds"]) for segment in self.data["segments"]]
        return kinds.index(max(kinds))

    def geometry(self, view):
        """Where the box of a segment is, and how its cells lie in it."""
        return self.value("(() => { const box = document.querySelectorAll('.cells')[VIEW].getBoundingClientRect();"
                          "return [box.left, box.top, map.views[VIEW].across, map.px(), box.width, box.height]; })()",
                          VIEW=view)

    def canvases(self):
        return self.value("[...document.querySelectorAll('canvas')].map(canvas => [canvas.width, canvas.height])")

    def settle(self):
        """Until what was caused is drawn."""
        self.browser.call("Runtime.evaluate", awaitPromise=True, returnByValue=True,
                          expression="new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def wanted_colour(data, segment, cell, empty):
    kind = segment["kinds"][cell]
    if kind == "L":
        return data["colours"]["levels"][int(segment["levels"][cell]) - 1]
    return {" ": None, ".": empty}.get(kind) if kind in " ." else data["colours"]["kinds"][kind][0]


def check_cells(bench, name, page, view):
    """The middle of many cells has the colour of what is in them."""
    segment = page.data["segments"][view]
    _, top, across, px, _, _ = page.geometry(view)
    empty = page.value("map.style('--empty')")
    cells = range(0, min(len(segment["kinds"]), int(max(0, (600 - top) // px)) * across), 7)
    places = [[cell % across * px + (px - 1) / 2, cell // across * px + (px - 1) / 2] for cell in cells]
    wanted = [wanted_colour(page.data, segment, cell, empty) for cell in cells]
    got = page.value(PIXELS, VIEW=view, PLACES=json.dumps(places))
    seen = {segment["kinds"][cell] for cell in cells}
    wrong = [f"cell {cell} ({segment['kinds'][cell]!r}): {found}, wanted {each}"
             for cell, found, each in zip(cells, got, wanted) if found != each]
    bench.check(f"{name}: cells have their colours", len(cells) > 100 and not wrong, seen, *wrong[:5])


def check_pointer(bench, name, page, view):
    left, top, across, px, _, _ = page.geometry(view)
    segment = page.data["segments"][view]
    told = set()
    for cell in (0, 1, across + 3, 2 * across + 7):
        page.browser.move_mouse(left + cell % across * px + px / 2, top + cell // across * px + px / 2)
        text = page.value(STATUS)
        start = segment["start"] + cell * page.data["cell_bytes"]
        bench.check(f"{name}: the pointer on cell {cell} says its address", text.startswith(f"{start:#x}, "), text)
        told.add(text)
    bench.equal(f"{name}: and something else each time", len(told), 4)


def check_keys(bench, name, page, view):
    page.value("document.querySelectorAll('canvas')[VIEW].focus()", VIEW=view)
    page.value("map.forget()")
    segment, across = page.data["segments"][view], page.geometry(view)[2]
    cell = 0
    for key, step in (("ArrowRight", 1), ("ArrowRight", 1), ("ArrowDown", across), ("ArrowLeft", -1),
                      ("ArrowUp", -across), ("ArrowUp", 0)):
        page.browser.press(key)
        cell += step
        text, start = page.value(STATUS), segment["start"] + cell * page.data["cell_bytes"]
        bench.check(f"{name}: {key} says the next address", text.startswith(f"{start:#x}, "), text, hex(start))
    rows = -(-len(segment["kinds"]) // across)
    for _ in range(min(rows - 1, KEYS_MOST)):
        page.browser.press("ArrowDown")
    page.settle()
    in_sight = page.value("(() => { const { view, cell } = map.chosen(), px = map.px();"
                          "const y = view.box.getBoundingClientRect().top + Math.floor(cell / view.across) * px;"
                          "return y >= 0 && y + px <= innerHeight; })()")
    bench.check(f"{name}: a cell further down comes into sight", rows > KEYS_MOST // 2 and in_sight, rows)
    bench.check(f"{name}: and is drawn there", page.value(PAINTED, VIEW=view) > 100)
    page.value("scrollTo(0, 0)")
    page.settle()


def check_zoom(bench, name, page, view):
    before, sizes = page.geometry(view), []
    for key in "+" * 8 + "-" * 8:
        page.browser.press(key, key)
        page.settle()
        _, _, across, px, width, height = page.geometry(view)
        sizes.append(px)
        canvases = page.canvases()
        if max(max(canvas) for canvas in canvases) > CANVAS_MOST_PX or page.value(PAINTED, VIEW=view) < 10:
            bench.check(f"{name}: at {px} px a cell something is drawn", False, canvases[view], (width, height))
    bench.check(f"{name}: every size is drawn, and no canvas is larger than {CANVAS_MOST_PX}", True)
    bench.check(f"{name}: + makes cells larger up to an end, - smaller", sizes[7] == sizes[6] == max(sizes) and
                sizes[0] > before[3] and sizes[15] == min(sizes) < before[3], sizes)
    page.value("document.getElementById('larger').click()")
    bench.check(f"{name}: and so do the buttons", page.geometry(view)[3] > sizes[15])
    page.value("map.resize(4 - map.size())")


def check_page(bench, name, page, shots):
    chromium, view = page.browser, page.biggest()
    chromium.set_size(1200, 900)
    chromium.prefer("light")
    page.settle()
    bench.equal(f"{name}: a canvas for each segment", len(page.canvases()), len(page.data["segments"]))
    bench.check(f"{name}: its title", page.value("document.title").startswith("acre map: process "))
    grounds = []
    for scheme in ("light", "dark"):
        chromium.prefer(scheme)
        page.settle()
        grounds.append(page.value("getComputedStyle(document.body).backgroundColor"))
        check_cells(bench, f"{name}, {scheme}", page, view)
        if shots:
            chromium.screenshot(os.path.join(shots, f"{name}-{scheme}.png"))
    bench.check(f"{name}: light and dark differ", grounds[0] != grounds[1], grounds)
    page.value("scrollTo(0, document.querySelectorAll('.cells')[VIEW].getBoundingClientRect().top - 100)", VIEW=view)
    page.settle()
    check_pointer(bench, name, page, view)
    if shots:
        chromium.screenshot(os.path.join(shots, f"{name}-pointed.png"))
    check_keys(bench, name, page, view)
    for ratio in (1, 2):
        chromium.set_size(1200, 900, ratio)
        page.settle()
        check_zoom(bench, f"{name}, {ratio} pixels a dot", page, view)
    chromium.set_size(400, 700)
    page.settle()
    bench.check(f"{name}: a narrow window needs no scrolling sideways",
                page.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
    if shots:
        chromium.screenshot(os.path.join(shots, f"{name}-narrow.png"))
    errors = [message for message in chromium.messages if '"level": "warning"' not in message]
    bench.equal(f"{name}: the console says nothing", errors, [])


def pages(bench):
    """a fragmented heap, and 20 GiB in small cells"""
    if browser.program() is None:
        bench.skip("the page", "no Chromium is installed")
        return
    shots = bench.arguments.shots
    chromium = browser.Browser(bench.work)
    try:
        for kind, options, cell in (("fragmented", "", "4k"), ("sparse", "thp:never", "64k")):
            program = bench.heap(kind, options=options, listed=False)
            program.reach("empty" if kind == "fragmented" else "ready")
            if kind == "fragmented":
                program.go_to("full")
            path = bench.file(kind + ".html")
            run = bench.run("map", "--html", path, "--cell", cell, "--freeze", program.pid)
            program.end()
            bench.check(f"{kind}: acre map --html", run.status == 0, run.err)
            check_page(bench, kind, Page(bench, chromium, path), shots)
    finally:
        chromium.close()


def run_page(bench):
    """the page of acre run --html"""
    if browser.program() is None:
        bench.skip("the page", "no Chromium is installed")
        return
    path = bench.file("run.html")
    bench.run("run", "--report", bench.file("report"), "--html", path, "--", os.path.join(bench.bin, "tool_run_html"))
    with open(path) as file:
        text = file.read()
    data = html_data(text)
    for sample in data["timeline"]["samples"]:
        sample["calls"] = int(sample["t"] * 12e6)  # so many a second have long labels
    data["timeline"]["peak_why"]["buckets"]["other:/lib/x86_64/an_other.so"] = 4096
    start = text.index(">", text.index('<script id="data"')) + 1
    with open(path, "w") as file:
        file.write(text[:start] + json.dumps(data) + text[text.index("</script>", start):])
    chromium = browser.Browser(bench.work)
    try:
        chromium.set_size(1200, 4000)  # no scroll bar
        page = Page(bench, chromium, path)
        page.settle()
        check_run_page(bench, page)
        if bench.arguments.shots:
            chromium.screenshot(os.path.join(bench.arguments.shots, "run.png"))
    finally:
        chromium.close()


def check_run_page(bench, page):
    legend = page.value("[...document.querySelectorAll('#memory-legend > *')].map(entry => entry.textContent)")
    bench.equal("run: the lines are named", legend, ["resident", "live", "break", "addresses held", "free pages"])
    strip = page.value("document.getElementById('strip-legend').textContent")
    bench.check("run: and the colours of addresses over time", "few to full" in strip and "not in memory" in strip, strip)
    cut = page.value("[...document.querySelectorAll('.dygraph-axis-label')].map(label => [label.textContent, "
                     "label.scrollWidth - label.clientWidth]).filter(([, more]) => more > 0)")
    labels = page.value("document.getElementById('calls').textContent")
    bench.check("run: no label of an axis is cut off", not cut and "10M" in labels, cut, labels)
    wide = page.value("[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth).length")
    bench.equal("run: nothing needs scrolling sideways", wide, 0)
    bench.check("run: names of files are as they are",
                "not acre's: /lib/x86_64/an_other.so" in page.value("document.getElementById('tables').innerText"))
    left, top, height, low, end = page.value(
        "(() => { const box = strip.canvas.getBoundingClientRect(), part = strip.axis[0];"
        "return [box.left, box.top, part.bottom, part.start, part.end]; })()")
    page.browser.move_mouse(left + 300, top + height - 0.5)
    told = page.value(STATUS)
    address = int((re.search("; at (0x[0-9a-f]+), in the program break$", told) or ["", "0"])[1], 16)
    bench.check("run: the pointer on addresses over time says which", low <= address <= low + (end - low) / 50, told,
                hex(low))
    bench.check("run: the pictures say when they were made",
                page.value("document.getElementById('at-peak').textContent").endswith(" s"))
    errors = [message for message in page.browser.messages if '"level": "warning"' not in message]
    bench.equal("run: the console says nothing", errors, [])


if __name__ == "__main__":
    look.main(__doc__, [pages, run_page], shots="")
