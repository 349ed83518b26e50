#!/usr/bin/env python3
"""acre why: its figures are those of the kernel, mapping by mapping, and of a list of all blocks that the program and
its libraries hold; of a core as of the process."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import look

LIVE_TOLERANCE_BYTES = 1 << 20  # of a process that does nothing, but may be woken
REDIS_KEYS = 40000
REDIS_OTHERS_BYTES = 700000


def check_mappings(bench, name, figures, kernel):
    """kernel: what the test read itself. Within 1 %, for a mapping of few pages to the byte."""
    wrong, compared = [], 0
    for mapping in figures["mappings"]:
        place = mapping["start"], mapping["end"]
        told = sum(mapping["buckets"].values()) + mapping["other_bytes"]
        if mapping["acre_bytes"] > 0:
            compared += 1
            if place not in kernel or abs(told - kernel[place]) > kernel[place] / 100:
                wrong.append(f"{place[0]:#x}-{place[1]:#x} {mapping['name']}: {told}, the kernel {kernel.get(place)}")
    bench.check(f"{name}: each mapping agrees with the kernel", compared > 0 and not wrong, *wrong[:5])
    bench.equal(f"{name}: together to the byte", figures["resident_bytes"], sum(kernel.values()))
    bench.equal(f"{name}: and that is the kernel's figure", figures["kernel_bytes"], sum(kernel.values()))


def check_sums(bench, name, figures):
    """What must be so whatever the heap looks like."""
    buckets = figures["buckets"]
    everywhere = [sum(mapping["buckets"].values()) + mapping["other_bytes"] for mapping in figures["mappings"]]
    numbers = [figures[key] for key in ("resident_bytes", "live_bytes", "live_blocks", "trim_bytes", "torn_records")]
    bench.check(f"{name}: buckets are the whole", sum(buckets.values()) == figures["resident_bytes"] == sum(everywhere),
                buckets, figures["resident_bytes"], sum(everywhere))
    bench.check(f"{name}: nothing is below 0", min(numbers + list(buckets.values())) >= 0, figures)
    bench.equal(f"{name}: classes are the whole", sum(each["live_bytes"] for each in figures["classes"]),
                figures["live_bytes"])
    bench.equal(f"{name}: arenas are the whole", sum(each["live_bytes"] for each in figures["arenas"]),
                figures["live_bytes"])
    too_full = [each for each in figures["arenas"] if each["live_bytes"] > each["held_bytes"]]
    bench.check(f"{name}: no arena has more live than it holds", not too_full, too_full)


def check_blocks(bench, name, figures, blocks, others=(0, 0)):
    """others: blocks and bytes that were there before the list was begun."""
    wanted = len(blocks) + others[0], sum(counted for _, counted, _ in blocks) + others[1]
    bench.equal(f"{name}: live blocks and bytes are those of the list", (figures["live_blocks"], figures["live_bytes"]),
                wanted)
    bench.equal(f"{name}: nothing is torn", figures["torn_records"], 0)


def page_table_bytes(pid):
    with open(f"/proc/{pid}/status") as file:
        return [line.split()[1] for line in file if line.startswith("VmPTE:")]


def check_running(bench, name, program):
    """Without --freeze: between what the kernel says before and afterwards."""
    before = sum(look.smaps(program.pid).values())
    figures = bench.json("why", program.pid)
    after = sum(look.smaps(program.pid).values())
    low, high = min(before, after) - LIVE_TOLERANCE_BYTES, max(before, after) + LIVE_TOLERANCE_BYTES
    bench.check(f"{name}, running: resident is between the kernel's readings", low <= figures["resident_bytes"] <= high,
                figures["resident_bytes"], (before, after))


def check_process(bench, name, program, others=(0, 0)):
    """Stopped by the test; so the kernel's figures, acre's and the list are of one state."""
    program.stop()
    before = look.smaps(program.pid, "Rss", "wp"), page_table_bytes(program.pid)
    figures = bench.json("why", program.pid, "--freeze")
    bench.equal(f"{name}: not a page of it is there because it was looked at",
                (look.smaps(program.pid, "Rss", "wp"), page_table_bytes(program.pid)), before)
    check_mappings(bench, name, figures, look.smaps(program.pid))
    check_sums(bench, name, figures)
    check_blocks(bench, name, figures, program.ledger.read(), others)
    program.proceed()
    check_running(bench, name, program)
    program.stop()
    return figures


def check_cores(bench, name, program, by_signal, others=(0, 0)):
    """The process is stopped, and ends by this."""
    wanted = program.ledger.read()
    shutil.copy(f"/proc/{program.pid}/smaps", bench.file("smaps"))
    kernel_bytes = sum(look.smaps(program.pid).values())
    cores = {"gdb's core": bench.gcore(program)}

    def end(it):
        it.process.send_signal(by_signal)
        it.proceed()

    cores["the kernel's core"] = bench.kernel_core(program, end)
    for kind, path in cores.items():
        if path is None:
            bench.skip(f"{name}, {kind}", "no gdb" if kind.startswith("gdb") else "core_pattern writes none here")
            continue
        figures = bench.json("why", path)
        check_blocks(bench, f"{name}, {kind}", figures, wanted, others)
        check_sums(bench, f"{name}, {kind}", figures)
        bench.equal(f"{name}, {kind}: its process", figures["pid"], program.pid)
        with_smaps = bench.json("why", path, "--smaps", bench.file("smaps"))
        told = bench.json("why", path, "--smaps", bench.file("smaps"))["kernel_bytes"]
        # Before it ends by a signal, the scavenger may have given something back.
        bench.check(f"{name}, {kind}: the kernel's figures from a saved smaps",
                    told == kernel_bytes if kind.startswith("gdb") else kernel_bytes * 0.8 < told <= kernel_bytes,
                    told, kernel_bytes)
        os.unlink(path)


# ---- the programs

def fragmented(bench):
    """look_heap: blocks of all kinds, most of them freed again"""
    program = bench.heap("fragmented")
    program.reach("empty")
    program.go_to("full")
    check_process(bench, "fragmented", program)
    older = bench.environment([os.path.join(bench.bin, "libno_scan.so")])
    before, now = bench.json("why", program.pid, "--freeze", env=older), bench.json("why", program.pid, "--freeze")
    bench.equal("fragmented: the same blocks on an older kernel", (before["live_blocks"], before["live_bytes"]),
                (now["live_blocks"], now["live_bytes"]))
    # There a page that was read and never written looks like one of the process's own; few are.
    bench.check("fragmented: and the same pages but for pages of zeros",
                0 <= before["resident_bytes"] - now["resident_bytes"] <= 16 * look.PAGE_BYTES,
                before["resident_bytes"], now["resident_bytes"])
    check_cores(bench, "fragmented", program, signal.SIGABRT)


def linked(bench):
    """the same, linked with libacre.a, and wholly static and stripped"""
    for name in ("look_heap_linked", "look_heap_static"):
        path = bench.file(name)
        shutil.copy(os.path.join(bench.bin, name), path)
        if name.endswith("static"):
            if shutil.which("strip") is None:
                bench.skip(name, "no strip")
                continue
            subprocess.run(["strip", path], check=True)
        # Without the scavenger, for which libc allocates later on.
        program = bench.heap("fragmented", library="", program=path, options="scavenger:off")
        program.reach("empty")
        figures = bench.json("why", program.pid, "--freeze")
        others = figures["live_blocks"], figures["live_bytes"]
        bench.check(f"{name}: hardly any block is there before the list begins", others[0] < 16, others)
        program.go_to("full")
        check_process(bench, name, program, others)
        check_cores(bench, name, program, signal.SIGABRT, others)


def threads(bench):
    """16 threads that free each other's blocks, at a barrier: also what is on its way between them"""
    program = bench.heap("threads")
    stock = 0
    for round_number in range(3):
        program.reach("full")
        figures = check_process(bench, f"threads, round {round_number}", program)
        stock += sum(each["ready_blocks"] for each in figures["classes"])
        program.proceed()
        if round_number < 2:
            program.go_on()
    bench.check("threads: some blocks were held ready or on their way", stock > 1000, stock)
    program.stop()
    check_cores(bench, "threads", program, signal.SIGABRT)


def python(bench):
    """Python with all objects from malloc"""
    code = ("import json, sys; kept = [json.dumps(list(range(i % 300))) for i in range(30000)]; del kept[::2]; "
            "print('ready', flush=True); sys.stdin.read()")
    program = bench.on_ledger([sys.executable if "/usr/" in sys.executable else "/usr/bin/python3", "-c", code],
                              PYTHONMALLOC="malloc")
    program.reach("ready")
    check_process(bench, "python", program)
    check_cores(bench, "python", program, signal.SIGABRT)


def redis(bench):
    """redis-server after most of its keys were deleted"""
    if shutil.which("redis-server") is None or shutil.which("redis-cli") is None:
        bench.skip("redis", "redis-server or redis-cli is not installed")
        return
    socket = bench.file("redis")
    program = bench.on_ledger(["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", bench.work,
                               "--crash-log-enabled", "no"])

    def tell(*words):
        return subprocess.run(["redis-cli", "-s", socket, *words], stdout=subprocess.PIPE, check=True, text=True).stdout

    ended = time.monotonic() + 30
    while not os.path.exists(socket) and time.monotonic() < ended:
        time.sleep(0.05)
    tell("eval", f"for i = 1, {REDIS_KEYS} do redis.call('set', 'key:' .. i, string.rep('x', i % 900)) end", "0")
    tell("eval", f"for i = 1, {REDIS_KEYS} do if i % 4 ~= 0 then redis.call('del', 'key:' .. i) end end", "0")
    used = int(tell("info", "memory").split("used_memory:")[1].split()[0])
    figures = check_process(bench, "redis", program)
    # INFO counts what redis asked for through its own zmalloc, as malloc_usable_size had it: not what its libraries
    # hold (OpenSSL, systemd, libc: some 450 KB here); but of large blocks the whole pages. And INFO allocates for its
    # own answer. So it is a little less.
    bench.say(f"live {figures['live_bytes']}, used_memory {used}")
    bench.check("redis: INFO memory says a little less",
                used * 0.99 <= figures["live_bytes"] <= used + REDIS_OTHERS_BYTES)
    check_cores(bench, "redis", program, signal.SIGQUIT)


def words(bench):
    """what the report says besides figures is so"""
    code = ("import sys, threading, time; untouched = bytes(64 << 20); "
            "held = [bytes([i % 256]) * 60 for i in range(200000)]; {}; print('ready', flush=True); sys.stdin.read()")
    python = sys.executable if "/usr/" in sys.executable else "/usr/bin/python3"

    def report(options, step="pass"):
        environment = bench.environment([bench.library], options, PYTHONMALLOC="malloc")
        program = look.Program(bench, [python, "-c", code.format(step)], env=environment)
        program.reach("ready")
        return bench.run("why", program.pid).out.splitlines()

    lines = report("thp:never")
    bench.check("what was never touched is told beside what is live in memory",
                re.search(r"^  live .*  6[34]\.\d MiB more are not in memory$", lines[2]),
                lines[2])
    bench.check("and that the program holds it", lines[-1].startswith("The program holds"), lines[-1])
    thread = "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    lines = report("thp:never,decay_ms:600000", f"{thread}; del held")
    bench.check("much that is free: trim is advised", "acre trim" in lines[-1], lines[-1])
    lines = report("thp:never,decay_ms:600000,scavenger:off", f"{thread}; del held")
    bench.check("and is not, where nobody would hear", "no scavenger" in lines[-1] and "acre trim" not in lines[-1],
                lines[-1])
    lines = report("thp:never", "held = held[::16]")
    bench.check("few blocks on many pages: an arena is advised", "acre_arena_create" in lines[-1], lines[-1])


if __name__ == "__main__":
    look.main(__doc__, [fragmented, linked, threads, python, redis, words])
