"""acre's records in a core or in a process, by the description of the heap: what the fuzzer changes."""

import os
import re
import struct


def description_names(header):
    """The names of roots, numbers and fields, in the order of src/inspect/description.h."""
    with open(header) as file:
        text = file.read()
    names = []
    for table in ("ROOTS", "NUMBERS", "FIELDS"):
        body = re.search(rf"#define ACRE_DESCRIPTION_{table}\(X\)(.*?)\n\n", text, re.S).group(1)
        names.append(re.findall(r"X\((\w+), ", body))
    return names


class Target:
    """Bytes that say one thing."""

    def __init__(self, name, offset, size_bytes):
        self.name, self.offset, self.size_bytes = name, offset, size_bytes


class Records:
    """What is common: `parts` are (address, bytes, offset in the file), the file is open to be written to."""

    MAGIC = b"acreheap"

    def __init__(self, header):
        self.targets = {}
        self.nodes = []
        self.read_description(*description_names(header))
        for at in range(0, self.description_bytes, 4):
            self.add("description", "word", self.description + at, 8 if at % 8 == 0 else 4)
        self.collect()

    def at(self, offset, size_bytes):
        return os.pread(self.file.fileno(), size_bytes, offset)

    def put(self, offset, content):
        os.pwrite(self.file.fileno(), content, offset)

    def offset(self, address):
        for start, size_bytes, offset in self.parts:
            if start <= address < start + size_bytes:
                return offset + address - start
        return None

    def read(self, address, size_bytes):
        offset = self.offset(address)
        return b"" if offset is None else self.at(offset, size_bytes)

    def number(self, address, size_bytes=8):
        content = self.read(address, size_bytes)
        return int.from_bytes(content, "little") if len(content) == size_bytes else 0

    # ---- the description

    def find_description(self):
        for start, size_bytes, offset in self.parts:
            content = self.at(offset, min(size_bytes, 4 << 20))
            for found in re.finditer(re.escape(self.MAGIC), content):
                if found.start() % 8 == 0 and content[found.start() + 8 : found.start() + 12] == b"\2\0\0\0":
                    return start + found.start()
        raise RuntimeError("no description is there")

    def read_description(self, roots, numbers, fields):
        self.description = at = self.find_description()
        counts = struct.unpack("<III", self.read(at + 12, 12))
        if counts != (len(roots), len(numbers), len(fields)):
            raise RuntimeError("the description has other tables than its header says")
        at += 24
        self.root = dict(zip(roots, struct.unpack(f"<{len(roots)}Q", self.read(at, 8 * len(roots)))))
        at += 8 * len(roots)
        self.value = dict(zip(numbers, struct.unpack(f"<{len(numbers)}Q", self.read(at, 8 * len(numbers)))))
        at += 8 * len(numbers)
        self.field = {name: struct.unpack("<II", self.read(at + 8 * i, 8)) for i, name in enumerate(fields)}
        self.description_bytes = at + 8 * len(fields) - self.description

    # ---- what may be changed

    def add(self, group, name, address, size_bytes):
        offset = self.offset(address)
        if offset is not None:
            self.targets.setdefault(group, []).append(Target(f"{group} {name} at {address:#x}", offset, size_bytes))

    def add_record(self, group, address, prefixes):
        """The fields of a record: whole, or one word of those that are arrays."""
        for name, (offset, size_bytes) in self.field.items():
            if name.startswith(prefixes):
                for at in range(0, min(size_bytes, 64), 8):
                    self.add(group, name, address + offset + at, min(8, size_bytes - at))

    def collect(self):
        self.collect_map()
        self.collect_regions()
        for name, group in (("ARENAS", "arena"), ("THREADS", "thread")):
            self.collect_list(self.root[name], group)
        self.add_record("arena", self.root["DEFAULT_ARENA"], ("ARENA_", "PAGE_HEAP_"))
        self.add_record("os", self.root["OS"], ("OS_",))
        for name in ("HUGE_HOLES", "HUGE_VACANT"):
            self.add("vacant", name, self.root[name] + self.field["VACANT_ROOT"][0], 8)

    def collect_map(self):
        root, self.leaves, records = self.root["MAP"], [], set()
        leaf_bytes = 8 << (self.value["LEAF_SHIFT"] - self.value["GRANULE_SHIFT"])
        for i, leaf in enumerate(struct.unpack(f"<{self.value['MAP_BYTES'] // 8}Q",
                                               self.read(root, self.value["MAP_BYTES"]))):
            if leaf:
                self.add("map", "root", root + i * 8, 8)
                self.add("map", "root", root + i * 8 + 8, 8)
                self.leaves.append(leaf)
        for leaf in self.leaves:
            for i, record in enumerate(struct.unpack(f"<{leaf_bytes // 8}Q", self.read(leaf, leaf_bytes))):
                if record:
                    self.add("map", "leaf", leaf + i * 8, 8)
                    records.add(record)
        self.records = sorted(records)
        kinds = {1: "slab", 2: "slab", 3: "chunk", 4: "huge"}
        for record in self.records:
            kind = kinds.get(self.number(record + self.field["SPAN_KIND"][0], self.field["SPAN_KIND"][1]))
            if kind:
                self.add_record(kind, record, ("SPAN_", kind.upper() + "_"))
        for record in self.records:
            if self.number(record + self.field["SPAN_KIND"][0], self.field["SPAN_KIND"][1]) == 3:
                offset, size_bytes = self.field["CHUNK_PAGE"]
                for at in range(0, min(size_bytes, 256), 4):
                    self.add("run", "page", record + offset + at, 4)

    def collect_regions(self):
        self.regions = []
        for i in range(self.value["METADATA_REGIONS"]):
            record = self.root["METADATA"] + i * self.value["REGION_RECORD_BYTES"]
            base = self.number(record + self.field["REGION_BASE"][0])
            size_bytes = self.number(record + self.field["REGION_BYTES"][0])
            self.add_record("region", record, ("REGION_",)) if i < 4 else None
            if size_bytes:
                self.regions.append((base, size_bytes))
        self.regions.append((self.root["FIRST_METADATA"], self.value["METADATA_FIRST_BYTES"]))

    def collect_list(self, head, group):
        """The records on a list, and their heaps."""
        self.nodes.append(head)
        self.add("list", group, head, 8)
        node = self.number(head)
        while node not in (0, head):
            self.nodes.append(node)
            self.add("list", group, node, 8)
            record = node - self.field[group.upper() + "_NODE"][0]
            self.add_record(group, record, (group.upper() + "_", "PAGE_HEAP_"))
            if group == "thread":
                self.collect_thread(record)
            node = self.number(node)

    def collect_thread(self, record):
        heap = record + self.field["THREAD_HEAP"][0]
        others = record + self.field["THREAD_OTHERS"][0]
        slots = record + self.field["THREAD_OUTBOX"][0]
        for i in range(self.value["OUTBOX_SLOTS"]):
            self.add_record("outbox", slots + i * self.value["OUTBOX_SLOT_BYTES"],
                            ("OUTBOX_SLAB", "OUTBOX_WORD", "OUTBOX_BITS"))
        self.collect_heap(heap)
        self.nodes.append(others)
        self.add("list", "heaps", others, 8)
        node = self.number(others)
        while node not in (0, others):
            self.nodes.append(node)
            self.add("list", "heaps", node, 8)
            self.collect_heap(node - self.field["HEAP_HOME_NODE"][0])
            node = self.number(node)

    def collect_heap(self, heap):
        self.add_record("heap", heap, ("HEAP_THREAD", "HEAP_READY"))
        for size_class in range(1, self.value["CLASSES"]):
            self.add_record("cursor", heap + self.field["HEAP_CURSOR"][0] + size_class * self.value["CURSOR_BYTES"],
                            ("CURSOR_",))
            self.add_record("recent", heap + self.field["HEAP_RECENT"][0] + size_class * self.value["RECENT_BYTES"],
                            ("RECENT_TOP",))


class Core(Records):
    """A core file, its headers and notes included."""

    def __init__(self, path, header):
        self.path = path
        self.file = open(path, "r+b", buffering=0)
        self.size_bytes = os.path.getsize(path)
        self.parts = []
        self.headers_at, = struct.unpack("<Q", self.at(32, 8))
        self.header_count, = struct.unpack("<H", self.at(56, 2))
        notes = []
        for i in range(self.header_count):
            kind, _, offset, address, _, file_bytes, _, _ = struct.unpack(
                "<IIQQQQQQ", self.at(self.headers_at + i * 56, 56))
            if kind == 1 and file_bytes:
                self.parts.append((address, file_bytes, offset))
            elif kind == 4:
                notes.append((offset, file_bytes))
        super().__init__(header)
        for at in range(0, 64 + self.header_count * 56, 8):
            self.targets.setdefault("elf", []).append(Target(f"elf header at {at}", at, 8))
        for offset, size_bytes in notes:
            for at in range(offset, offset + size_bytes, 4):
                self.targets.setdefault("notes", []).append(Target(f"note at {at}", at, 4))


class Process(Records):
    """A process that stands still."""

    def __init__(self, pid, header):
        self.path = str(pid)
        self.file = open(f"/proc/{pid}/mem", "r+b", buffering=0)
        self.parts = []
        with open(f"/proc/{pid}/maps") as maps:
            for line in maps:
                words = line.split()
                start, end = (int(number, 16) for number in words[0].split("-"))
                if words[1].startswith("rw") and not words[-1].startswith("[v"):
                    self.parts.append((start, end - start, start))
        self.size_bytes = 1 << 47
        super().__init__(header)
