#!/usr/bin/env python3
"""acre map of a fragmented heap: the pages that it draws as live are those on which the program's own list has blocks,
in the JSON, the terminal's picture, the SVG and the page alike."""

import json
import os
import pty
import re
import sys
import xml.etree.ElementTree

sys.dont_write_bytecode = True
import look

NAMES = {"live blocks": "L", "thread stock": "s", "metadata": "m", "free, in memory": "f", "not acre's": "o",
         "not in memory": "."}
CELL_PX = 7


def live_pages(blocks):
    """{page: bytes of live blocks on it}"""
    pages = {}
    for address, size_bytes, _ in blocks:
        at = address
        while at < address + size_bytes:
            page = at // look.PAGE_BYTES * look.PAGE_BYTES
            part = min(page + look.PAGE_BYTES, address + size_bytes) - at
            pages[page] = pages.get(page, 0) + part
            at += part
    return pages


def cells_of(picture, what="kinds"):
    """{address: letter}, or what else each cell has"""
    return {segment["start"] + i * picture["cell_bytes"]: value
            for segment in picture["segments"] for i, value in enumerate(segment[what])}


def check_json(bench, name, picture, blocks):
    wanted, kinds, live = live_pages(blocks), cells_of(picture), cells_of(picture, "live_bytes")
    drawn = {address for address, kind in kinds.items() if kind == "L"}
    bench.check(f"{name}: every block is drawn live", wanted.keys() <= drawn,
                [hex(page) for page in sorted(wanted.keys() - drawn)[:5]])
    bench.check(f"{name}: no page without a block is", drawn <= wanted.keys(),
                [hex(page) for page in sorted(drawn - wanted.keys())[:5]])
    differing = [hex(page) for page in wanted if live.get(page) != wanted[page]]
    bench.check(f"{name}: and its bytes are as many", not differing, differing[:5])
    levels = cells_of(picture, "levels")
    bench.check(f"{name}: it is as full as that", all(int(levels[page]) == -(-wanted[page] * 8 // look.PAGE_BYTES)
                                                      for page in wanted if page in levels))
    holes = [address for address, kind in kinds.items() if kind in "f."]
    bench.check(f"{name}: there are holes", len(holes) > 100 and len(drawn) > 100)


# ---- the other pictures, as {address: letter}

def terminal_cells(text, cell_bytes):
    """Rows of letters; those that are summed up are missing. Of live cells the digit."""
    cells, skipped = {}, 0
    for line in text.splitlines():
        row = re.match(r" *0x([0-9a-f]+)  (.*)$", line)
        if row:
            letters = row.group(2).partition("<-")[0]
            cells.update((int(row.group(1), 16) + i * cell_bytes, letter) for i, letter in enumerate(letters))
        skipped += "without a page in memory" in line
    return cells, skipped


def coloured_cells(text, cell_bytes):
    """As above, with the number of the colour for the letter."""
    cells = {}
    for line in text.replace("\r", "").splitlines():
        row = re.match(r" *0x([0-9a-f]+)  (.*)$", line)
        if not row:
            continue
        address, colour = int(row.group(1), 16), None
        for code, mark in re.findall(r"\x1b\[([0-9;]*)m|(.)", row.group(2).partition("<-")[0]):
            if mark:
                cells[address] = " " if mark == " " else colour
                address += cell_bytes
            else:
                colour = code
    return cells


def svg_cells(text, cell_bytes):
    cells = {}
    namespace = "{http://www.w3.org/2000/svg}"
    for rectangle in xml.etree.ElementTree.fromstring(text).iter(namespace + "rect"):
        title = rectangle.find(namespace + "title")
        if title is None:
            continue
        start, name = re.match(r"0x([0-9a-f]+), [^:]+: (.*), \S+ \S+ live, ", title.text).groups()
        for i in range(int(rectangle.get("width")) // CELL_PX):
            cells[int(start, 16) + i * cell_bytes] = (NAMES[name], rectangle.get("fill"))
    return cells


def html_data(text):
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S).group(1)
    return json.loads(data)


def differences(one, other):
    return [f"{address:#x}: {one.get(address)!r} {other.get(address)!r}"
            for address in sorted(one.keys() | other.keys()) if one.get(address) != other.get(address)][:5]


def check_terminal(bench, name, program, picture):
    run = bench.run("map", "--cell", "4k", "--freeze", program.pid, env=bench.environment(COLUMNS="100"))
    cells, skipped = terminal_cells(run.out, picture["cell_bytes"])
    kinds, levels = cells_of(picture), cells_of(picture, "levels")
    wanted = {address: levels[address] if kind == "L" else kind for address, kind in kinds.items()}
    missing = {address for address in wanted if address not in cells}
    bench.check(f"{name}: the terminal shows the same", not differences(
        {address: letter for address, letter in wanted.items() if address not in missing}, cells),
        differences(wanted, cells))
    bench.check(f"{name}: what it sums up is empty",
                skipped > 0 and {wanted[address] for address in missing} <= {".", " "})
    break_rows = [line for line in run.out.splitlines() if line.endswith("<- program break")]
    row = re.match(r" *0x([0-9a-f]+)", break_rows[0]) if break_rows else None
    start = int(row.group(1), 16) if row else 0
    bench.check(f"{name}: the break is where it is",
                len(break_rows) == 1 and start < picture["break"]["now"] <= start + 82 * picture["cell_bytes"],
                break_rows)


def on_terminal(words, environment):
    """What a command writes to a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(words[0], words, environment)
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(terminal)
    os.waitpid(pid, 0)
    return shown.decode(errors="replace")


def check_colours(bench, name, program, picture):
    environment = bench.environment(COLUMNS="100", TERM="xterm-256color")
    text = on_terminal([bench.acre, "map", "--cell", "4k", "--freeze", str(program.pid)], environment)
    cells = coloured_cells(text, picture["cell_bytes"])
    kinds, levels = cells_of(picture), cells_of(picture, "levels")
    colours = {}
    for address, colour in cells.items():
        colours.setdefault(levels[address] if kinds[address] == "L" else kinds[address], set()).add(colour)
    bench.check(f"{name}: on a terminal each kind and level has one colour", len(cells) > 1000 and
                all(len(found) == 1 for found in colours.values()), colours)
    bench.equal(f"{name}: and no other has it", len({min(found, key=str) for found in colours.values()}), len(colours))


def check_coarser(bench, name, program, picture):
    """Larger cells hold what smaller ones do, and what lies between mappings of acre's that they reach over."""
    coarse = bench.json("map", program.pid, "--cell", "64k", "--freeze")
    kinds, live, resident = (cells_of(picture, what) for what in ("kinds", "live_bytes", "resident_bytes"))
    order, fine = "Lsmfo. ", True
    for address, kind in cells_of(coarse).items():
        inside = [kinds[at] for at in range(address, address + 65536, picture["cell_bytes"]) if at in kinds]
        is_shown_whole = len(inside) == 65536 // picture["cell_bytes"]
        fine &= kind == min(inside, key=order.index, default=" ") or (kind == "o" and not is_shown_whole)
    bench.check(f"{name}: a larger cell is drawn as the first of what is in it", fine)
    for what, small in (("live_bytes", live), ("resident_bytes", resident)):
        bench.equal(f"{name}: {what} are the same in larger cells", sum(cells_of(coarse, what).values()),
                    sum(small.values()))


def check_pictures(bench, name, program):
    program.stop()
    paths = {kind: bench.file("picture." + kind) for kind in ("json", "svg", "html")}
    options = [word for kind, path in paths.items() for word in ("--" + kind, path)]
    run = bench.run("map", *options, "--cell", "4k", "--freeze", program.pid)
    if not bench.check(f"{name}: all three at once", (run.status, run.out, run.err) == (0, "", ""), run.err):
        return
    texts = {kind: open(path).read() for kind, path in paths.items()}
    picture = json.loads(texts["json"])
    check_json(bench, name, picture, program.ledger.read())
    check_terminal(bench, name, program, picture)
    check_colours(bench, name, program, picture)
    kinds = cells_of(picture)
    drawn = svg_cells(texts["svg"], picture["cell_bytes"])
    bench.check(f"{name}: the SVG shows the same", not differences(
        {address: kind for address, kind in kinds.items() if kind != " "},
        {address: kind for address, (kind, _) in drawn.items()}))
    levels = cells_of(picture, "levels")
    fills = {(kind, levels[address]): fill for address, (kind, fill) in drawn.items()}
    bench.equal(f"{name}: the SVG has a colour for each kind and level", len(set(fills.values())), len(fills))
    data = html_data(texts["html"])
    bench.check(f"{name}: the page has the same data", {key: data[key] for key in picture} == picture)
    check_coarser(bench, name, program, picture)
    program.proceed()


def preloaded(bench):
    """the preloaded library, with each source of memory"""
    for source in ("auto", "brk", "mmap"):
        program = bench.heap("fragmented", options=f"source:{source}")
        program.reach("empty")
        program.go_to("full")
        check_pictures(bench, f"source:{source}", program)
        program.go_to("trimmed")
        check_pictures(bench, f"source:{source}, trimmed", program)
        if source == "auto":
            path = bench.kernel_core(program, lambda it: it.go_on(b"a"))
            if path is None:
                bench.skip("the core", "the kernel writes no cores into the working directory here")
            else:
                picture = bench.json("map", path, "--cell", "4k")
                check_json(bench, "its core", picture, program.ledger.read())
        program.end()


def linked(bench):
    """linked with libacre.a"""
    # Without the scavenger, for which libc allocates.
    program = bench.heap("fragmented", library="", program="look_heap_linked", options="scavenger:off")
    program.reach("empty")
    before = bench.json("why", program.pid, "--freeze")
    bench.equal("linked: no block is there before the list begins", before["live_blocks"], 0)
    program.go_to("full")
    check_pictures(bench, "linked", program)
    program.end()


def summed_up(bench):
    """many rows in which nothing is in memory, and the program break behind them"""
    program = look.Program(bench, [os.path.join(bench.build, "examples/guide/holes")],
                           env=bench.environment((), "thp:never"))
    program.reach("3750 of 60000 blocks are left")
    lines = bench.run("map", "--cell", "4k", program.pid).out.splitlines()
    arrows = [line for line in lines if line.endswith("<- program break")]
    bench.check("the arrow is there when its row is not", len(arrows) == 1 and "without a page in memory" in arrows[0],
                lines)


if __name__ == "__main__":
    look.main(__doc__, [preloaded, linked, summed_up])
