#!/usr/bin/env python3
"""What malloc_info and malloc_stats tell of arenas, whatever their names: arenas_info.py PROGRAM

The XML is read by expat, and the figures are compared with those of acre_arena_stats.
"""
import random
import subprocess
import sys
import xml.etree.ElementTree

failures = 0


def check(name, got, wanted):
    global failures
    if got != wanted:
        failures += 1
        print(f"FAIL: {name}: got {got!r}, wanted {wanted!r}")


def is_shown(character):
    code = ord(character)
    return code >= 0x20 and not 0x7f <= code < 0xa0 and code & 0xfffe != 0xfffe


def shown(name):
    """The name as it is to appear: at most 31 bytes of it, and ? for each byte that is not of a character to show."""
    text, rest = "", name[:31]
    while rest:
        for length in (1, 2, 3, 4):
            character = rest[:length].decode("utf-8", "ignore")
            if len(character) == 1 and is_shown(character) and character.encode() == rest[:length]:
                break
        else:
            character, length = "?", 1
        text, rest = text + character, rest[length:]
    return text


def run(program, how, names):
    return subprocess.run([program, how, *names], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100,
                          check=True)


def number(heap, element, attribute):
    return int(heap.find(element).get(attribute))


def check_info(program, names):
    ran = run(program, "info", names)
    root = xml.etree.ElementTree.fromstring(ran.stdout)
    heaps = root.findall("heap")
    check("root", (root.tag, root.get("version")), ("malloc", "1"))
    check("names", [heap.get("name") for heap in heaps], ["default"] + [shown(name) for name in names])
    check("numbers", [int(heap.get("nr")) for heap in heaps], list(range(len(heaps))))
    told = []
    for heap in heaps[1:]:
        live, huge, system = heap.find("total[@type='live']"), heap.find("huge"), heap.find("system[@type='current']")
        blocks, size = int(live.get("count")) + int(huge.get("count")), int(live.get("size")) + int(huge.get("size"))
        told.append([blocks, size] + [number(heap, "held", key) for key in ("size", "peak", "limit")])
        if not int(live.get("size")) <= int(system.get("size")) <= number(heap, "held", "size"):
            check("live, system and held", xml.etree.ElementTree.tostring(heap), "in order")
    check("figures", told, [[int(word) for word in line.split()] for line in ran.stderr.decode().splitlines()])
    for path, key in (("total[@type='live']", "size"), ("total[@type='live']", "count")):
        check(f"sum of {path} {key}", number(root, path, key), sum(number(heap, path, key) for heap in heaps))
    check("huge blocks", number(root, "total[@type='mmap']", "count"), sum(number(h, "huge", "count") for h in heaps))
    system = "system[@type='current']"
    if number(root, system, "size") < sum(number(heap, system, "size") for heap in heaps):
        check("system of all", number(root, system, "size"), "at least the sum")


def check_stats(program, names):
    lines = run(program, "stats", names).stderr.split(b"\n")
    arenas = [line.split(b": live ")[0] for line in lines if line.startswith(b"arena ")]
    check("malloc_stats", arenas, [b"arena " + shown(name).encode() for name in names])


def main():
    program = sys.argv[1]
    chance = random.Random(1)
    check("no bytes that are shown", shown(b"<&\x1b[m\x9b\xc2\x9b\xc3\xa9\xff"), "<&?[m???é?")  # shown() can tell
    sets = [[], [b""], [b"plug-in", b"worker 1", b"worker 1"], [b"<&\"'>]]>-->", b"a\tb\nc\rd", b"\x1b[31m", b"\x9b31m"],
            [bytes([byte]) for byte in range(1, 256)], [bytes([byte, 0x9b]) for byte in range(0x80, 256)],
            ["é€𝄞\ufffd".encode(), b"\xc0\xaf\xe0\x80\xaf\xed\xa0\x80\xf4\x90\x80\x80", b"\xef\xbf\xbe\xef\xbf\xbf",
             b"x" * 30 + "é".encode(), b"&" * 40, b"\xf0\x9d\x84", b"\xf0\x9f\xbf\xbe"],
            [bytes(chance.choice(b"\xc2\x9b\xe2\x80\xa8\xf0\x9f\xed\xa0\xbf\xef<&\"a\x1b") for _ in range(31))
             for _ in range(300)]]
    for names in sets:
        check_info(program, names)
        check_stats(program, names)
    print(f"{sum(len(names) for names in sets)} names, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
