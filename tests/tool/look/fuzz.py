#!/usr/bin/env python3
"""Cores in which acre's records, or the file itself, say what cannot be: the command ends in time with a picture or
one line, and takes no more memory than a heap of that size is worth.

Every case has a number, by which it can be had again: --first NUMBER --count 1 --keep."""

import ctypes
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
import look
from corefile import Core, Process

LIMIT_S = 10
MEMORY_BYTES = 1 << 30
ADDR_NO_RANDOMIZE = 0x0040000
SEED = 1
HEADER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../src/inspect/description.h")
COMMANDS = (("why", "--json"), ("map", "--json"), ("why",), ("map",), ("map", "--html"), ("map", "--svg"))


class Case:
    """A few changes of the core; they are undone at the end."""

    def __init__(self, core, number):
        self.core, self.random = core, random.Random(SEED * 1000003 + number)
        self.told, self.undo, self.cut = [], [], None

    def write(self, offset, content):
        """As much of it as there is room for where the offset is."""
        for _, size_bytes, start in self.core.parts:
            if start <= offset < start + size_bytes:
                content = content[: start + size_bytes - offset]
        content = content[: max(0, self.core.size_bytes - offset)]
        self.undo.append((offset, self.core.at(offset, len(content))))
        self.core.put(offset, content)

    def address(self):
        """One that leads somewhere."""
        core, pick = self.core, self.random
        base, size_bytes = pick.choice(core.regions)
        return pick.choice((pick.choice(core.records), pick.choice(core.nodes), pick.choice(core.leaves),
                            base + pick.randrange(size_bytes) // 8 * 8, base + pick.randrange(size_bytes),
                            pick.choice(core.records) + 8 * pick.randrange(64), core.description, core.root["MAP"],
                            pick.choice(core.parts)[0], pick.randrange(1 << 47)))

    def value(self, size_bytes):
        pick = self.random
        few = [0, 1, 2, 3, 7, 8, 16, 64, 255, 4096, 65535, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 36,
               1 << 40, 1 << 46, (1 << 47) - 1, 1 << 47, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 4096,
               (1 << 64) - 1]
        value = pick.choice((pick.choice(few), pick.choice(few) + pick.randrange(16), pick.getrandbits(64),
                             pick.getrandbits(8), self.address(), self.address()))
        return (value % (1 << 8 * size_bytes)).to_bytes(size_bytes, "little")

    def target(self):
        return self.random.choice(self.core.targets[self.random.choice(sorted(self.core.targets))])

    # ---- kinds of changes

    def change(self, target):
        value = self.value(target.size_bytes)
        self.told.append(f"{target.name}: {value[::-1].hex()}")
        self.write(target.offset, value)

    def change_field(self):
        self.change(self.target())

    def change_neighbours(self):
        """Several fields of a record, more or less."""
        targets = self.core.targets[self.random.choice(sorted(self.core.targets))]
        at = self.random.randrange(len(targets))
        for target in self.random.choices(targets[max(0, at - 10) : at + 10], k=4):
            self.change(target)

    def add_a_little(self):
        target = self.target()
        old = int.from_bytes(self.core.at(target.offset, target.size_bytes), "little")
        step = self.random.choice((1, 2, 8, 64, 4096, 65536)) * self.random.choice((1, -1))
        self.told.append(f"{target.name}: {step:+}")
        self.write(target.offset, ((old + step) % (1 << 8 * target.size_bytes)).to_bytes(target.size_bytes, "little"))

    def close_loop(self):
        target = self.random.choice(self.core.targets["list"])
        node = self.random.choice(self.core.nodes)
        self.told.append(f"{target.name}: to {node:#x}")
        self.write(target.offset, struct.pack("<Q", node))

    def copy_record(self):
        """Two records that say the same, or what another kind of record says."""
        first, second = (self.random.choice(self.core.records) for _ in range(2))
        size_bytes = self.random.choice((64, 192, 512, 4096))
        self.told.append(f"{size_bytes} bytes of {first:#x} to {second:#x}")
        self.write(self.core.offset(second), self.core.read(first, size_bytes))

    def fill(self):
        """Many entries in a row that are the same, or all different."""
        core, pick = self.core, self.random
        place = pick.choice([core.root["MAP"]] + core.leaves + [pick.choice(core.records)])
        count, address = pick.choice((16, 256, 4096, 16384)), self.address()
        step = pick.choice((0, 0, 8, 64, 4096))
        self.told.append(f"{count} words from {place:#x}: {address:#x}, step {step}")
        words = [(address + i * step) % (1 << 64) for i in range(count)]
        self.write(core.offset(place), struct.pack(f"<{count}Q", *words))

    def scatter(self):
        base, size_bytes = self.random.choice(self.core.regions)
        used = min(size_bytes, 256 << 10)
        count = self.random.choice((1, 10, 100, 1000))
        self.told.append(f"{count} random bytes in {base:#x}")
        for _ in range(count):
            self.write(self.core.offset(base) + self.random.randrange(used), bytes([self.random.getrandbits(8)]))

    def noise(self):
        target = self.target()
        size_bytes = self.random.choice((8, 64, 1000))
        self.told.append(f"{size_bytes} random bytes from {target.name}")
        self.write(target.offset, self.random.randbytes(size_bytes))

    def truncate(self):
        if isinstance(self.core, Process):
            return
        self.cut = self.random.choice((self.random.randrange(self.core.size_bytes), self.random.randrange(65536)))
        self.told.append(f"cut to {self.cut} bytes")

    def make(self):
        kinds = ([self.change_field] * 9 + [self.change_neighbours] * 3 + [self.add_a_little] * 3 +
                 [self.close_loop] * 3 + [self.copy_record] * 2 + [self.fill] * 2 + [self.scatter] * 2 + [self.noise] +
                 [self.truncate])
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 8))):
            self.random.choice(kinds)()

    def revert(self):
        for offset, content in reversed(self.undo):
            self.core.put(offset, content)


def start(bench):
    """A program whose addresses are the same in every run, so that a case is, too."""
    def fix_addresses():
        ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)

    ledger = bench.new_ledger()
    program = look.Program(bench, [os.path.join(bench.bin, "look_heap"), "small", ledger.path], ledger,
                           env=bench.environment([bench.library]), preexec_fn=fix_addresses)
    program.reach("ready")
    return program


def copy_sparsely(path, to):
    subprocess.run(["cp", "--sparse=always", path, to], check=True)


def fault_of(run, words, memory_bytes):
    """What is wrong with a run, or None."""
    if run.status is None:
        return f"took more than {LIMIT_S} s"
    if run.status not in (0, 125):
        return f"status {run.status}: {run.err[-1500:]}"
    if run.peak_bytes > memory_bytes:
        return f"took {run.peak_bytes >> 20} MiB"
    lines = run.err.splitlines()
    if len(lines) > 1 or (run.status == 125 and not lines) or any(not line.startswith("acre: ") for line in lines):
        return f"status {run.status}, on stderr: {lines}"
    if run.status == 0 and "--json" in words:
        figures = json.loads(run.out)
        if words[0] == "why" and sum(figures["buckets"].values()) != figures["resident_bytes"]:
            return "the buckets are not the sum"
    return None


def try_case(bench, core, number, memory_bytes):
    case = Case(core, number)
    case.make()
    path = core.path
    if case.cut is not None:
        path = bench.file("cut")
        copy_sparsely(core.path, path)
        os.truncate(path, case.cut)
    faults = []
    first = number % len(COMMANDS)
    for command in (COMMANDS[first], COMMANDS[(first + 1) % len(COMMANDS)]):
        words = command + ("-",) if len(command) > 1 else command
        # With sanitizers, too, malloc says no to what it cannot have.
        environment = bench.environment(ASAN_OPTIONS="allocator_may_return_null=1")
        run = bench.run(*words, path, limit_s=LIMIT_S, env=environment)
        fault = fault_of(run, command, memory_bytes)
        bench.statuses[run.status] = bench.statuses.get(run.status, 0) + 1
        if fault:
            faults.append(f"{' '.join(command)}: {fault}")
    if faults and bench.arguments.keep:
        copy_sparsely(path, os.path.join(bench.arguments.keep, f"case{number}.core"))
    case.revert()
    return faults, case.told


def blocks_of(bench, core):
    figures = bench.json("why", core.path)
    return figures and [figures[key] for key in ("live_blocks", "live_bytes", "torn_records", "classes")]


def try_cases(bench, core, name):
    arguments, failed = bench.arguments, 0
    whole = blocks_of(bench, core)
    bench.statuses = {}
    for number in range(arguments.first, arguments.first + arguments.count):
        faults, told = try_case(bench, core, number, arguments.memory_mib << 20)
        if faults:
            failed += 1
            bench.check(f"{name} {number}", False, *faults, "changed: " + "; ".join(told[:8]))
            if failed >= arguments.most:
                break
    bench.say(f"exit statuses: {bench.statuses}")
    bench.check(f"{name}: {arguments.count} cases from {arguments.first} on", failed == 0)
    bench.check(f"{name}: pictures and errors were both met", arguments.count < 100 or len(bench.statuses) > 1)
    bench.equal(f"{name}: it is as it was", blocks_of(bench, core), whole)


def hostile_cores(bench):
    """random bytes in every kind of record, loops, and cut files"""
    path = bench.kernel_core(start(bench), lambda program: program.go_on(b"a"))
    if path is None:
        bench.skip("hostile cores", "the kernel writes no cores into the working directory here")
        return
    try_cases(bench, Core(path, HEADER), "core")


def hostile_process(bench):
    """the same in a process that stands still"""
    program = start(bench)
    program.stop()
    try_cases(bench, Process(program.pid, HEADER), "process")


if __name__ == "__main__":
    look.main(__doc__, [hostile_cores, hostile_process], first=0, count=300, memory_mib=1024, keep="", most=1000000)
