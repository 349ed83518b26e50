#!/usr/bin/env python3
"""What a process on acre can do to who looks at it, by lies about itself or by odd names: nothing."""

import json
import os
import sys

sys.dont_write_bytecode = True
import look

MEMORY_MOST_BYTES = 256 << 20
SECONDS_MOST = 10


def liar(bench, *words):
    program = look.Program(bench, [os.path.join(bench.bin, "look_liar"), *words],
                           env=bench.environment([bench.library]))
    program.reach("ready")
    return program


def refused(bench, name, run, *statuses):
    lines = run.err.splitlines()
    bench.check(f"{name}: refused with a line", run.status in statuses and len(lines) == 1 and
                lines[0].startswith("acre"), f"status {run.status}", run.err)


def file_as_page(bench):
    """acre trim is led to a file that the process may not write"""
    path, content = bench.file("victim"), bytes(8192)
    with open(path, "wb") as file:
        os.chmod(path, 0o600)
        file.write(content)
    program = liar(bench, "descriptor", path)
    run = bench.run("trim", program.pid)
    refused(bench, "a file", run, 125)
    with open(path, "rb") as file:
        bench.check("the file is as it was", file.read() == content)
    device = liar(bench, "descriptor", "/dev/zero")
    refused(bench, "a device", bench.run("trim", device.pid), 125)


def shrinking_page(bench):
    """the page that acre trim writes into is cut off"""
    program = liar(bench, "shrinking")
    for _ in range(5):
        run = bench.run("trim", program.pid)
        bench.check("acre trim ends by itself", run.status in (0, 125), f"status {run.status}", run.err)


def many_leaves(bench):
    """a map with thousands of leaves, of which nothing is in memory"""
    for count in ("100", "60000"):
        program = liar(bench, "leaves", count)
        for words in (["why", program.pid], ["map", program.pid], ["top", "--batch", "1"]):
            run = bench.run(*words, limit_s=SECONDS_MOST)
            bench.check(f"acre {words[0]}, {count} leaves: little memory and time", run.status in (0, 125) and
                        run.peak_bytes < MEMORY_MOST_BYTES and run.seconds < SECONDS_MOST, f"status {run.status}",
                        f"{run.peak_bytes >> 20} MiB, {run.seconds:.1f} s")
        program.end()


def pages_that_never_come(bench):
    """a mapping with userfaultfd, which looks like a program's file"""
    program = look.Program(bench, [os.path.join(bench.bin, "look_liar"), "asleep"],
                           env=bench.environment([bench.library]))
    if program.process.stdout.readline() != b"ready\n":
        bench.skip("userfaultfd", "it is not to be had here")
        return
    for words in (["why", program.pid], ["map", program.pid], ["top", "--batch", "1"]):
        run = bench.run(*words, limit_s=20)
        bench.check(f"acre {words[0]} does not wait for it", run.status == 0, f"status {run.status}", run.err)


def odd_names(bench):
    """mapped files whose names are no UTF-8, or are cut within a character"""
    sizes = {b"\xffa": 8 << 20, b"\xfea": 4 << 20, "é".encode() * 125: 2 << 20}
    for name, size_bytes in sizes.items():
        with open(os.path.join(bench.work.encode(), name), "wb") as file:
            file.truncate(size_bytes)
    for names in ([b"\xffa", b"\xfea"], ["é".encode() * 125]):
        program = liar(bench, "files", *names)
        figures = json.loads(bench.run("why", "--json", "-", program.pid, "--freeze").out)
        bench.equal("buckets add up", sum(figures["buckets"].values()), figures["resident_bytes"])
        bench.check("there is advice", "Most of it is not malloc's" in figures.get("advice", ""), figures.get("advice"))
        program.end()


def headless(bench):
    """a process whose first thread has ended"""
    program = liar(bench, "headless")
    for words in (["why", program.pid], ["map", program.pid], ["top", "--batch", "1"]):
        run = bench.run(*words)
        bench.check(f"acre {words[0]} looks at it", run.status == 0 and str(program.pid) in run.out, run.out, run.err)


if __name__ == "__main__":
    look.main(__doc__, [file_as_page, shrinking_page, many_leaves, pages_that_never_come, odd_names, headless])
