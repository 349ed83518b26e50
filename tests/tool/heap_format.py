#!/usr/bin/env python3
"""Reads the heap of a process by what docs/heap-format.md says, and checks what it finds.

usage: heap_format.py BUILD_DIRECTORY

The names come from the page's tables, which must be those of the library's source; nothing else of acre's is used.
The process is of heap_format.c, which says which blocks it has; `acre why` must count as many as are found here.
"""
import collections
import glob
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "../../docs/heap-format.md")
HEADER = os.path.join(HERE, "../../src/inspect/description.h")
MAGIC, VERSION = 0x7061656865726361, 2
SMALL, MEDIUM, CHUNK, HUGE = 1, 2, 3, 4
FREE_RUN, LARGE_RUN, SLAB_RUN = 1, 2, 3
STEPS_MOST = 1000000
TABLES = ("Roots", "Numbers", "Fields")
STATES = {"live", "free", "ready", "recent", "remote", "in an outbox", "mixed live", "mixed free", "mixed ready",
          "large live", "huge live", "huge cached"}


def names_of(section):
    """The names in a table of the page, in their order; their numbers must be 0, 1, 2, ..."""
    with open(PAGE) as page:
        text = page.read().split("\n## %s\n" % section)[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", text, re.M)
    assert rows and [int(number) for number, _ in rows] == list(range(len(rows))), section
    return [name for _, name in rows]


def names_in_source(table):
    with open(HEADER) as header:
        text = header.read().split("#define ACRE_DESCRIPTION_%s(X)" % table)[1].split("\n\n")[0]
    return re.findall(r"\bX\((\w+),", text)


class Heap:
    def __init__(self, pid):
        self.memory = open("/proc/%d/mem" % pid, "rb", buffering=0)
        self.page_bytes = max(os.sysconf("SC_PAGESIZE"), 4096)
        for description in self.find_descriptions(pid):
            self.read_description(description)
            if list(self.list_of(self.root["THREADS"], 0)):
                return
        raise SystemExit("no acre that serves in process %d" % pid)

    def read(self, address, size_bytes):
        return os.pread(self.memory.fileno(), size_bytes, address)

    def u64(self, address):
        return struct.unpack("<Q", self.read(address, 8))[0]

    def number_at(self, record, name):
        offset, size_bytes = self.field[name]
        return int.from_bytes(self.read(record + offset, size_bytes), "little")

    def bit(self, bitmap, number):
        return self.u64(bitmap + number // 64 * 8) >> number % 64 & 1

    def find_descriptions(self, pid):
        for line in open("/proc/%d/maps" % pid):
            start, modes, offset = re.match(r"(\w+)-\w+ (\S+) (\w+)", line).groups()
            if modes[0] != "r" or modes[3] != "p" or int(offset, 16) != 0:
                continue
            start = int(start, 16)
            if self.read(start, 4) == b"\x7fELF":
                yield from self.find_note(start)

    def find_note(self, start):
        table, = struct.unpack("<Q", self.read(start + 32, 8))
        size_bytes, count = struct.unpack("<HH", self.read(start + 54, 4))
        segments = [struct.unpack("<IIQQQQQQ", self.read(start + table + i * size_bytes, 56)) for i in range(count)]
        loaded = next(segment for segment in segments if segment[0] == 1)
        bias = start - loaded[3] + loaded[2]
        for kind, _, _, address, _, length, _, alignment in segments:
            at, end = bias + address, bias + address + length
            while kind == 4 and at < end:
                name_bytes, content_bytes, note_type = struct.unpack("<III", self.read(at, 12))
                step = 8 if alignment == 8 else 4
                content = at + 12 + (name_bytes + 3) // 4 * 4
                content = bias + address + (content - bias - address + step - 1) // step * step
                if self.read(at + 12, name_bytes) == b"acre\0" and note_type == 1:
                    version, _, distance = struct.unpack("<IIq", self.read(content, 16))
                    assert version == VERSION and content_bytes >= 16
                    yield content + 8 + distance
                at = content + (content_bytes + step - 1) // step * step

    def read_description(self, at):
        magic, version, roots, numbers, fields = struct.unpack("<QIIII", self.read(at, 24))
        assert magic == MAGIC and version == VERSION
        values = struct.unpack("<%dQ" % (roots + numbers), self.read(at + 24, 8 * (roots + numbers)))
        pairs = list(struct.iter_unpack("<II", self.read(at + 24 + 8 * (roots + numbers), 8 * fields)))
        names = [names_of(table) for table in TABLES]
        assert [roots, numbers, fields] == [len(table) for table in names]
        self.root = dict(zip(names[0], values))
        self.number = dict(zip(names[1], values[roots:]))
        self.field = dict(zip(names[2], pairs))

    def list_of(self, head, node_offset):
        node = self.u64(head)
        for _ in range(STEPS_MOST):
            if node in (0, head):
                return
            yield node - node_offset
            node = self.u64(node)

    def span_of(self, address):
        leaf = self.u64(self.root["MAP"] + 8 * (address >> self.number["LEAF_SHIFT"]))
        inside = address & ((1 << self.number["LEAF_SHIFT"]) - 1)
        return self.u64(leaf + 8 * (inside >> self.number["GRANULE_SHIFT"])) if leaf else 0

    def spans(self):
        """The chunks and the huge blocks that the map leads to."""
        found = {CHUNK: set(), HUGE: set()}
        table = self.read(self.root["MAP"], self.number["MAP_BYTES"])
        leaf_bytes = 8 << (self.number["LEAF_SHIFT"] - self.number["GRANULE_SHIFT"])
        for leaf, in struct.iter_unpack("<Q", table):
            entries = self.read(leaf, leaf_bytes) if leaf else b""
            for record in {entry for entry, in struct.iter_unpack("<Q", entries)} - {0}:
                kind = self.number_at(record, "SPAN_KIND")
                if kind in (SMALL, MEDIUM):
                    kind, record = CHUNK, self.number_at(record, "SLAB_CHUNK")
                found[kind].add(record)
        return found

    def cursor_blocks(self, heap, size_class):
        """Ranges of addresses: the blocks that begin there lie ready."""
        cursor = heap + self.field["HEAP_CURSOR"][0] + size_class * self.number["CURSOR_BYTES"]
        yield self.number_at(cursor, "CURSOR_NEXT"), self.number_at(cursor, "CURSOR_END")
        most, base = self.number["READY_MOST"], self.number_at(cursor, "CURSOR_BASE")
        for place in range(self.number_at(cursor, "CURSOR_BOTTOM"), self.number_at(cursor, "CURSOR_TOP")):
            at = heap + self.field["HEAP_READY"][0] + 2 * (size_class * most + place)
            unit_bytes = self.number_at(self.span_of(base), "SLAB_UNIT_BYTES")
            block = base + int.from_bytes(self.read(at, 2), "little") * unit_bytes
            yield block, block + 1

    def recent_blocks(self, heap, size_class):
        recent = heap + self.field["HEAP_RECENT"][0] + size_class * self.number["RECENT_BYTES"]
        entry = self.number_at(recent, "RECENT_TOP")
        for _ in range(self.number["RECENT_MOST"]):
            block = self.number_at(entry, "RECENT_ENTRY_BLOCK")
            if block == 0:
                return
            yield block
            entry -= self.number["RECENT_ENTRY_BYTES"]

    def outbox_blocks(self, thread):
        outbox = thread + self.field["THREAD_OUTBOX"][0]
        for slot in range(self.number["OUTBOX_SLOTS"]):
            at = outbox + slot * self.number["OUTBOX_SLOT_BYTES"]
            slab = self.number_at(at, "OUTBOX_SLAB")
            for bit in range(64 if slab else 0):
                if self.number_at(at, "OUTBOX_BITS") >> bit & 1:
                    number = 64 * self.number_at(at, "OUTBOX_WORD") + bit
                    yield self.number_at(slab, "SPAN_BASE") + number * self.block_bytes(slab)

    def block_bytes(self, slab):
        return self.number_at(slab, "SLAB_STRIDE") * self.number_at(slab, "SLAB_UNIT_BYTES")

    def read_threads(self):
        self.ready, self.recent, self.sent = [], set(), set()
        for thread in self.list_of(self.root["THREADS"], self.field["THREAD_NODE"][0]):
            others = self.list_of(thread + self.field["THREAD_OTHERS"][0], self.field["HEAP_HOME_NODE"][0])
            for heap in [thread + self.field["THREAD_HEAP"][0], *others]:
                for size_class in range(1, self.number["CLASSES"]):
                    self.ready += [pair for pair in self.cursor_blocks(heap, size_class) if pair[0] < pair[1]]
                    self.recent |= set(self.recent_blocks(heap, size_class))
            self.sent |= set(self.outbox_blocks(thread))

    def slab_blocks(self, slab):
        """Address, size and state of each block that was handed out."""
        base, block_bytes = self.number_at(slab, "SPAN_BASE"), self.block_bytes(slab)
        end = self.number_at(slab, "SLAB_FRESH_BYTES") // block_bytes
        bits = slab + self.field["SLAB_LIVE"][0]
        begins = bits + 8 * self.number_at(slab, "SLAB_WORDS") + self.number["HOLES_BYTES"]
        is_mixed = self.number_at(slab, "SPAN_KIND") == SMALL and self.number_at(slab, "SPAN_CLASS") == 0
        numbers = [number for number in range(end) if not is_mixed or self.bit(begins, number)]
        remote, stride = self.number_at(slab, "SLAB_REMOTE"), self.number_at(slab, "SLAB_STRIDE")
        assert self.number_at(slab, "SLAB_REMOTE_LIST") == 0
        for number, following in zip(numbers, numbers[1:] + [end]):
            block, is_free = base + number * block_bytes, not self.bit(bits, number * stride)
            is_ready = any(start <= block < stop for start, stop in self.ready)
            assert not (is_free and is_ready) and (is_free or block not in self.recent)
            if remote and self.bit(remote, number):
                state = "remote"
            elif block in self.sent:
                state = "in an outbox"
            else:
                state = "recent" if block in self.recent else "free" if is_free else "ready" if is_ready else "live"
            yield block, (following - number) * block_bytes, "mixed " + state if is_mixed else state

    def chunk_blocks(self, chunk):
        assert self.number_at(chunk, "SPAN_KIND") == CHUNK
        base, page, pages = self.number_at(chunk, "SPAN_BASE"), 0, self.number_at(chunk, "CHUNK_PAGES")
        free_pages, was_free = 0, False
        while page < pages:
            tag, = struct.unpack("<I", self.read(chunk + self.field["CHUNK_PAGE"][0] + 4 * page, 4))
            state, length, address = tag & 3, tag >> 2 & 0x7ff, base + page * self.page_bytes
            assert state and length and not (state == FREE_RUN and was_free)
            if state == LARGE_RUN:
                yield address, length * self.page_bytes - (tag >> 13), "large live"
            elif state == SLAB_RUN:
                slab = self.span_of(address)
                assert self.number_at(slab, "SPAN_BASE") == address
                assert self.number_at(slab, "SPAN_KIND") in (SMALL, MEDIUM)
                yield from self.slab_blocks(slab)
            was_free = state == FREE_RUN
            free_pages += length if was_free else 0
            page += length
        assert page == pages and free_pages == self.number_at(chunk, "CHUNK_FREE_PAGES")

    def blocks(self):
        self.read_threads()
        found = self.spans()
        for chunk in found[CHUNK]:
            yield from self.chunk_blocks(chunk)
        for huge in found[HUGE]:
            state = {1: "huge live", 2: "huge cached"}[self.number_at(huge, "SPAN_STATE")]
            yield self.number_at(huge, "SPAN_BASE"), self.number_at(huge, "HUGE_ASKED_BYTES"), state

    def arena_names(self):
        offset, size_bytes = self.field["ARENA_NAME"]
        arenas = self.list_of(self.root["ARENAS"], self.field["ARENA_NODE"][0])
        return [self.read(arena + offset, size_bytes).split(b"\0")[0].decode() for arena in arenas]


def start(build, work):
    program = os.path.join(work, "heap_format")
    subprocess.run(["cc", "-O1", "-pthread", "-I", os.path.join(HERE, "../../include"), "-o", program,
                    os.path.join(HERE, "heap_format.c"), "-L", build, "-lacre", "-Wl,-rpath," + build], check=True)
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    environment["ACRE_OPTIONS"] = "decay_ms:never"  # what is cached stays there
    return subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def check(build, process):
    wanted, gone = {}, set()
    for line in process.stdout:
        words = line.split()
        if words[0] == "ready":
            break
        if words[0] == "live":
            wanted[int(words[1], 16)] = int(words[2])
        else:
            gone.add(int(words[1], 16))
    heap = Heap(process.pid)
    blocks = list(heap.blocks())
    found = {address: size_bytes for address, size_bytes, state in blocks if state.endswith("live")}
    states = collections.Counter(state for _, _, state in blocks)
    print(", ".join("%s %d" % pair for pair in sorted(states.items())))
    why = subprocess.run([os.path.join(build, "bin/acre"), "why", "--json", "-", str(process.pid)], check=True,
                         stdout=subprocess.PIPE)
    figures = json.loads(why.stdout)
    checks = {
        "the page's tables are the source's": all(names_of(each) == names_in_source(each.upper()) for each in TABLES),
        "every block that the program has is live": all(block in found for block in wanted),
        "and not shorter": all(found.get(block, 0) >= size_bytes for block, size_bytes in wanted.items()),
        "none that it has freed is": not any(block in found for block in gone),
        "hardly any other is": len(found) - len(wanted) < 16,
        "acre why counts as many": [figures["live_blocks"], figures["live_bytes"]] == [len(found), sum(found.values())],
        "every state was seen": states.keys() >= STATES,
        "arenas have their names": heap.arena_names() == ["parts"],
        "figures of the OS": heap.number_at(heap.root["OS"], "OS_BREAK_NOW") == figures["break"]["now"],
    }
    for number, (name, is_so) in enumerate(checks.items(), 1):
        print("%s %d - %s" % ("ok" if is_so else "not ok", number, name))
    print("1..%d" % len(checks))
    return all(checks.values())


def main():
    build = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as work, start(build, work) as process:
        try:
            fine = check(build, process)
        finally:
            process.kill()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
