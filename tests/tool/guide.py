#!/usr/bin/env python3
"""docs/guide.md says what is so: runs each command in it again and compares. --write puts the new outputs into the page,
and the pictures beside it (make guide).

A marker in the page is a comment with one of these, and the indented block behind it is made from it:
    code: FILE FUNCTION     a function of examples/guide/FILE
    start: COMMAND &        a program that is looked at by the next ones; until the next start
    run: COMMAND            a command; a picture that it writes is kept in docs/guide
"""

import argparse
import collections
import ctypes
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "docs", "guide.md")
PICTURES = os.path.join(ROOT, "docs", "guide")
PICTURE_MOST_BYTES = 30 << 10
MARKER = re.compile(r"<!-- (code|start|run): (.+) -->")
TRIES = 3      # a machine that stands still for a moment lets memory go back in the middle of a program
LIMIT_S = 60

# Lines with figures that other libraries, another kernel or the clock have a part in, and how far these may be off.
KIB = 1 << 10
ABOUT = ((re.compile(r"anonymous memory|metadata|not acre's|acre's own records|resident  "), 0.15, 192 * KIB),
         (re.compile(r"^  program break|^ +start 0x|^program break, "), 0.05, 128 * KIB),
         (re.compile(r"MiB in memory$"), 0.1, 3 << 20))
PERCENT_POINTS = 2
UNITS = {"B": 1, "KiB": KIB, "MiB": KIB << 10, "GiB": KIB << 20}
SIZE = re.compile(r"(\d[\d,.]*) (B|KiB|MiB|GiB|%)(?!\w)")
TIME = re.compile(r"\d[\d,.]* (ns|us|\u00b5s|ms|s)\b")


def allow_looking():
    """Where Yama is, it lets only those look who started the process: not acre here."""
    ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(-1))  # PR_SET_PTRACER, anybody


class Guide:
    """The page, in parts: text, and markers with their blocks."""

    def __init__(self, build):
        self.build, self.process = build, None
        self.programs = os.path.join(build, "examples", "guide")
        self.work = tempfile.mkdtemp(prefix="acre-guide-")
        for name in os.listdir(self.programs):
            os.symlink(os.path.join(self.programs, name), os.path.join(self.work, name))
        self.environment = {
            "PATH": os.pathsep.join((os.path.join(build, "bin"), "/usr/local/bin", "/usr/bin", "/bin")),
            "LC_ALL": "C.UTF-8", "COLUMNS": "80", "HOME": self.work, "ACRE_OPTIONS": "thp:never"}

    def close(self):
        self.end_process()
        shutil.rmtree(self.work)

    def make(self, kind, words):
        return {"code": self.code, "start": self.start, "run": self.run}[kind](words)

    def code(self, words):
        name, function = words.split()
        with open(os.path.join(ROOT, "examples", "guide", name)) as file:
            found = re.search(rf"^\w[^\n]*\b{function}\(.*?^}}\n|^\w[^\n]*\b{function}\([^\n]*}}\n", file.read(), re.M | re.S)
        if not found:
            raise SystemExit(f"guide: there is no function {function} in {name}")
        return found.group(0).splitlines()

    def start(self, words):
        self.end_process()
        command = words.removesuffix("&").strip()
        with open(os.path.join(self.work, "said"), "w+") as said:
            # env: a command may begin with the setting of a variable
            self.process = subprocess.Popen(["env", *command.split()], cwd=self.work, env=self.environment,
                                            stdin=subprocess.DEVNULL, stdout=said, start_new_session=True,
                                            preexec_fn=allow_looking)
            self.wait_until_quiet(said, command)
            said.seek(0)
            return ["$ " + words, *said.read().splitlines()]

    def wait_until_quiet(self, said, command):
        """It has said something and sleeps, looked at a few times in a row."""
        deadline, quiet, before = time.monotonic() + LIMIT_S, 0, None
        while quiet < 5:
            with open(f"/proc/{self.process.pid}/stat") as file:
                words = file.read().rpartition(")")[2].split()
            now = words[11:13], os.fstat(said.fileno()).st_size
            quiet = quiet + 1 if words[0] == "S" and now == before and now[1] > 0 else 0
            before = now
            if time.monotonic() > deadline or words[0] == "Z":
                raise SystemExit(f"guide: {command} does not come to where it waits")
            time.sleep(0.05)

    def end_process(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def run(self, words):
        """$(pidof NAME) is the program that was started last: there may be others of that name."""
        pid = self.process.pid if self.process else 0
        done = subprocess.run(["sh", "-c", f"pidof() {{ echo {pid}; }}\n{words}"], cwd=self.work, env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=LIMIT_S)
        if done.returncode != 0:
            raise SystemExit(f"guide: status {done.returncode}: {words}\n{done.stdout}")
        return ["$ " + words, *done.stdout.rstrip().splitlines()]

    def pictures(self):
        return sorted(name for name in os.listdir(self.work) if name.endswith(".svg"))


def take_apart(text):
    """The page as (kind, words, lines): lines of text, where kind is None, or those of a marker's block."""
    parts, lines, at = [], text.splitlines(), 0
    while at < len(lines):
        marker = MARKER.fullmatch(lines[at])
        if not marker:
            parts.append((None, None, [lines[at]]))
            at += 1
            continue
        at += 1
        block = []
        while at < len(lines) and (lines[at] == "" or lines[at].startswith("    ")):
            block.append(lines[at][4:])
            at += 1
        while block and block[-1] == "":
            block.pop()
        parts.append((*marker.groups(), block[1:] if block[:1] == [""] else block))
    return parts


def put_together(parts):
    lines = []
    for kind, words, block in parts:
        if kind is None:
            lines += block
        else:
            lines += [f"<!-- {kind}: {words} -->", "", *("    " + line if line else "" for line in block), ""]
    return "\n".join(lines) + "\n"


# ---- what is the same

def cells_of(lines):
    """Of a drawn map: the break's cells in a row, and how many cells of live blocks the mappings have. Where rows begin,
    and what lies between mappings, depends on chance."""
    cell = re.search(r"^a cell is ([\d.]+ \w+);", "\n".join(lines), re.M)
    kind, cells = None, collections.defaultdict(str)
    for line in lines:
        if re.match(r"(program break|mappings), ", line):
            kind = line.split(",")[0]
        row = re.match(r" *0x[0-9a-f]+  (.*)$", line)
        skipped = re.match(r" *\.\.\.  ([\d.]+ \w+) without", line)
        if kind and row:
            cells[kind] += row.group(1).removesuffix("<- program break")
        elif kind and skipped and cell:
            cells[kind] += "." * round(size_of(skipped.group(1)) / size_of(cell.group(1)))
    return [cells["program break"].strip(" .o"), sorted(re.sub("[^1-8]", "", cells["mappings"]))]


def colours_of(svg):
    """The same of a picture: runs of a colour from the first live block of the break to the last, and how much is live in
    mappings, by colour."""
    runs, counts, kind = [], collections.Counter(), None
    live = svg[svg.rindex("a cell is"):]
    live = re.findall(r'fill="(#\w+)"', live)[:8]
    for found in re.finditer(r'>(program break|mappings), |<rect x="\d+" y="\d+" width="(\d+)" height="\d+" fill="(#\w+)"><title>',
                             svg):
        head, width, colour = found.groups()
        kind = head or kind
        if head:
            continue
        if kind == "mappings":
            counts[colour] += int(width) if colour in live else 0
        elif runs and runs[-1][0] == colour:
            runs[-1][1] += int(width)
        else:
            runs.append([colour, int(width)])
    while runs and runs[0][0] not in live:
        runs.pop(0)
    while runs and runs[-1][0] not in live:
        runs.pop()
    return [runs, ">program break</text>" in svg, +counts]


def size_of(text):
    number, unit = text.split()
    return float(number.replace(",", "")) * UNITS.get(unit, 1)


def tolerance_of(line, size, unit):
    if unit == "%":
        return PERCENT_POINTS
    return max((max(part * size, least) for pattern, part, least in ABOUT if pattern.search(line)), default=0)


def alike(old, new):
    """Two lines: words and counts are equal, sizes within what is allowed."""
    def plain(line):
        line = TIME.sub("TIME", re.sub(r"0x[0-9a-f]+", "ADDRESS", re.sub(r"process \d+", "process PID", line)))
        return " ".join(SIZE.sub("SIZE", line).split())
    sizes = list(zip(SIZE.findall(old), SIZE.findall(new)))
    return plain(old) == plain(new) and all(
        abs(size_of(" ".join(one)) - size_of(" ".join(other))) <= tolerance_of(old, size_of(" ".join(one)), one[1])
        for one, other in sizes)


def is_row(line):
    return re.match(r" *(0x[0-9a-f]+|\.\.\.)  .", line) is not None


def differences(words, old, new):
    if words.startswith("acre map"):
        if cells_of(old) != cells_of(new):
            return list(difflib.ndiff(old, new))
        old, new = ([line for line in lines if not is_row(line)] for lines in (old, new))
    if len(old) == len(new) and all(map(alike, old, new)):
        return []
    return list(difflib.ndiff(old, new))


# ---- the two uses

def make_all(guide, parts):
    return [(kind, words, lines if kind is None else guide.make(kind, words)) for kind, words, lines in parts]


def check(guide, parts):
    """The lines of what is not as the page says."""
    wrong = []
    for kind, words, old in parts:
        if kind is None:
            continue
        new = guide.make(kind, words)
        found = differences(words, old, new) if kind == "run" else [] if old == new else list(difflib.ndiff(old, new))
        if found:
            wrong += [f"{kind}: {words}", *("    " + line for line in found)]
    for name in guide.pictures():
        with open(os.path.join(guide.work, name)) as new:
            try:
                with open(os.path.join(PICTURES, name)) as old:
                    if colours_of(old.read()) != colours_of(new.read()):
                        wrong.append(f"the picture {name} has changed")
            except FileNotFoundError:
                wrong.append(f"there is no picture {name}")
    wrong += [f"the picture {name} is of no command" for name in os.listdir(PICTURES) if name not in guide.pictures()]
    wrong += [f"the picture {name} is too big" for name in os.listdir(PICTURES)
              if os.path.getsize(os.path.join(PICTURES, name)) > PICTURE_MOST_BYTES]
    return wrong


def write(guide, parts):
    text = put_together(make_all(guide, parts))
    with open(PAGE, "w") as file:
        file.write(text)
    os.makedirs(PICTURES, exist_ok=True)
    for name in os.listdir(PICTURES):
        os.unlink(os.path.join(PICTURES, name))
    for name in guide.pictures():
        shutil.copy(os.path.join(guide.work, name), PICTURES)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="the build directory")
    parser.add_argument("--write", action="store_true", help="write the page anew")
    arguments = parser.parse_args()
    with open(PAGE) as file:
        parts = take_apart(file.read())
    for number in range(TRIES):
        guide = Guide(os.path.abspath(arguments.build))
        try:
            if arguments.write:
                write(guide, parts)
                return
            wrong = check(guide, parts)
        finally:
            guide.close()
        if not wrong:
            print(f"ok: {sum(kind is not None for kind, _, _ in parts)} blocks of the page are as it says")
            return
        print(f"try {number + 1} of {TRIES}:", *wrong, sep="\n")
    sys.exit("docs/guide.md does not say what is so; make guide writes it anew")


if __name__ == "__main__":
    main()
