#!/usr/bin/env python3
"""The layer check: layers.py [SOURCE_DIR] prints violations as file:line: text and exits 1 if there are any.

A layer is a folder of src/. A file includes only its own layer and lower ones; two side rooms have rules of their
own. `layers.py --self-test` shows that each rule is noticed when it is broken.
"""
import os
import re
import sys
import tempfile

LAYERS = {"base": 0, "os": 1, "metadata": 2, "source": 3, "span": 4, "slab": 5, "heap": 6, "arena": 7, "api": 8}
LINES_LIMIT = 800
# The one header that the tool and every layer share: the record of figures.
OPEN_TO_ALL = {"inspect/count_record.h"}
CONDITION_ROOMS = {"base", "os", "options"}
# Switches of the build that these rooms may test as well: a switch elsewhere hides behind a macro of base.
BUILD_SWITCHES = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*\bACRE_(?:COUNT|DEBUG)\b")

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
CONDITION = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b")


def may_include(room, target):
    """None if a file of this room may include that room's headers, else the reason why not."""
    if room == target or target == "base":
        return None
    if target == "options":  # a side room above base and os
        return None if LAYERS.get(room, 0) >= 1 or room == "inspect" else f"{room} may not include options"
    if room == "options":
        return None if target == "os" else f"options may include only base and os, not {target}"
    if target == "inspect":
        return None if room == "api" else f"only api may include inspect, not {room}"
    if room == "inspect":
        return None if LAYERS[target] <= LAYERS["arena"] else f"inspect may not include {target}"
    if LAYERS[target] > LAYERS[room]:
        return f"{room} (layer {LAYERS[room]}) may not include {target} (layer {LAYERS[target]})"
    return None


def check_include(source, room, file_room_path, name):
    """The complaint about one #include "name", or None."""
    if name.endswith((".c", ".cc")):
        return f"includes a source file: {name}"
    if name in OPEN_TO_ALL or name.startswith("acre/"):
        return None
    if "/" not in name:
        beside = os.path.join(os.path.dirname(file_room_path), name)
        return None if os.path.exists(beside) else f'"{name}" names no room: write "room/{name}"'
    target = name.split("/")[0]
    if target == "..":
        return f"leaves its room by a relative path: {name}"
    if target not in LAYERS and target not in ("options", "inspect"):
        return f"unknown room: {name}"
    if not os.path.exists(os.path.join(source, name)):
        return f"no such file: {name}"
    return may_include(room, target)


def guard_line(lines):
    """The index of an include guard's #ifndef (its #define follows), or -1."""
    for index, line in enumerate(lines[:-1]):
        opened = re.match(r"^\s*#\s*ifndef\s+(\w+)", line)
        if opened and re.match(rf"^\s*#\s*define\s+{opened.group(1)}\b", lines[index + 1]):
            return index
        if CONDITION.match(line):
            return -1
    return -1


def check_file(source, path):
    room = os.path.relpath(path, source).split(os.sep)[0]
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    if len(lines) - 1 >= LINES_LIMIT:
        yield LINES_LIMIT, f"{len(lines) - 1} lines: a file stays under {LINES_LIMIT}"
    if room not in LAYERS and room not in ("options", "inspect"):
        yield 1, f"{room} is no room of the house"
        return
    guard = guard_line(lines) if path.endswith(".h") else -1
    for number, line in enumerate(lines, 1):
        included = INCLUDE.match(line)
        if included:
            complaint = check_include(source, room, path, included.group(1))
            if complaint:
                yield number, complaint
        if CONDITION.match(line) and number - 1 != guard and room not in CONDITION_ROOMS:
            if not (room == "inspect" and BUILD_SWITCHES.match(line)):
                yield number, f"a preprocessor condition in {room}: {line.strip()}"


def check(source):
    """All violations under source, as lines to print, and the number of files read."""
    violations, files = [], 0
    for folder, _, names in sorted(os.walk(source)):
        for name in sorted(names):
            if name.endswith((".c", ".h", ".cc", ".def")):
                files += 1
                path = os.path.join(folder, name)
                shown = os.path.relpath(path, os.path.dirname(os.path.abspath(source)))
                violations += [f"{shown}:{number}: {text}" for number, text in check_file(source, path)]
    return violations, files


SELF_TEST = {  # file: (content, number of violations)
    "base/base.h": ("#ifndef B_H\n#define B_H\n#ifdef ACRE_DEBUG\n#endif\n#endif\n", 0),
    "os/os.h": ('#include "base/base.h"\n#if X\n#endif\n', 0),
    "os/up.c": ('#include "slab/slab.h"\n', 1),
    "slab/slab.h": ('#ifndef S_H\n#define S_H\n#include "os/os.h"\n#include <stdio.h>\n#endif\n', 0),
    "slab/bad.c": ('#include "slab/slab.c"\n#ifdef ACRE_COUNT\n#endif\n#include "nowhere/x.h"\n', 3),
    "slab/look.c": ('#include "inspect/figures.h"\n#include "inspect/count_record.h"\n#include "options/options.h"\n', 1),
    "inspect/figures.h": ('#include "arena/arena.h"\n#if ACRE_COUNT\n#endif\n#if OTHER\n#endif\n', 1),
    "inspect/count_record.h": ("\n", 0),
    "inspect/bad.c": ('#include "api/api.h"\n', 1),
    "arena/arena.h": ("\n", 0),
    "api/api.h": ('#include "inspect/figures.h"\n#include "heap/missing.h"\n', 1),
    "options/options.h": ('#include "os/os.h"\n#include "slab/slab.h"\n', 1),
    "base/bad.c": ('#include "options/options.h"\n', 1),
    "heap/long.c": ("\n" * 800, 1),
    "other/x.c": ("\n", 1),
}


def self_test():
    wrong = 0
    with tempfile.TemporaryDirectory() as top:
        source = os.path.join(top, "src")
        for name, (content, _) in SELF_TEST.items():
            os.makedirs(os.path.dirname(os.path.join(source, name)), exist_ok=True)
            with open(os.path.join(source, name), "w", encoding="utf-8") as file:
                file.write(content)
        violations, _ = check(source)
        for name, (_, wanted) in SELF_TEST.items():
            found = sum(line.startswith(f"src/{name}:") for line in violations)
            if found != wanted:
                print(f"FAIL: {name}: {found} violations noticed, {wanted} planted")
                wrong += 1
    print(f"self-test: {len(SELF_TEST)} files, {wrong} wrong")
    return wrong


def main():
    if "--self-test" in sys.argv[1:]:
        return 1 if self_test() else 0
    here = os.path.dirname(os.path.abspath(__file__))
    source = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "src"))
    violations, files = check(source)
    for line in violations:
        print(line)
    print(f"layers: {files} files, {len(violations)} violations")
    return 1 if violations or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
