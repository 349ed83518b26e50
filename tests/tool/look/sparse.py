#!/usr/bin/env python3
"""acre map and acre why of 20 GiB of address space of which hardly a page is in memory: fast, and with little memory
of their own."""

import json
import os
import sys

sys.dont_write_bytecode = True
import look

LIMIT_S = 2.0
MEMORY_MOST_BYTES = 200 << 20
HEAP_LEAST_BYTES = 20 << 30
RESIDENT_MOST_BYTES = 300 << 20


def sparse(bench):
    """huge blocks, large ones touched at a page each, and tens of thousands of slabs"""
    # No huge pages: one that is touched would be 2 MiB.
    program = bench.heap("sparse", options="thp:never", listed=False)
    program.reach("ready")
    for words in (("map",), ("why",), ("map", "--freeze"), ("map", "--json", os.devnull), ("map", "--svg", os.devnull),
                  ("map", "--html", os.devnull), ("map", "--html", os.devnull, "--cell", "256k")):
        name = "acre " + " ".join(words)
        run = bench.run(*words, program.pid)
        bench.say(f"{name}: {run.seconds:.2f} s, {run.peak_bytes / (1 << 20):.0f} MiB")
        bench.check(f"{name} goes well", run.status == 0 and run.err == "", run.err)
        bench.check(f"{name} takes less than {LIMIT_S} s", run.seconds < LIMIT_S, run.seconds)
        bench.check(f"{name} takes less than {MEMORY_MOST_BYTES >> 20} MiB", run.peak_bytes < MEMORY_MOST_BYTES,
                    run.peak_bytes)
    figures = bench.json("why", program.pid)
    spans = {each["block_bytes"]: each["spans"] for each in figures["classes"]}
    bench.check("it was that big", figures["live_bytes"] >= HEAP_LEAST_BYTES, figures["live_bytes"])
    bench.check("with that many slabs and large blocks",
                sum(spans.values()) > 30000 and spans.get(None, 0) > 16000, spans)
    bench.check("and that sparse", figures["resident_bytes"] < RESIDENT_MOST_BYTES, figures["resident_bytes"])
    bench.equal("to the byte", figures["resident_bytes"], sum(look.smaps(program.pid).values()))
    wanted = sum(counted for _, counted, _ in program.ledger.read()) + (512 << 20) + (256 << 20)
    bench.equal("and all of it is live", figures["live_bytes"], wanted)


def reserved(bench):
    """something of acre's in mappings of a terabyte: an arena in a range of the program's own"""
    program = bench.heap("reserved", listed=False)
    program.reach("ready")
    run = bench.run("map", "--json", "-", program.pid)
    bench.check("acre map goes well", run.status == 0 and run.err == "", run.err)
    bench.check("in little time and memory", run.seconds < LIMIT_S and run.peak_bytes < MEMORY_MOST_BYTES, run.seconds,
                run.peak_bytes)
    if run.status == 0:
        live = sum(sum(segment["live_bytes"]) for segment in json.loads(run.out)["segments"])
        bench.equal("and shows all of it", live, sum(counted for _, counted, _ in program.ledger.read()))


if __name__ == "__main__":
    look.main(__doc__, [sparse, reserved])
