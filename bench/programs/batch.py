"""A batch in a process that lives on: builds MIB of records, a JSON document and a bytearray, drops all, sleeps.
Marks on standard output, as acre-bench-giveback's."""
import gc
import json
import os
import random
import sys
import time

RECORDS_FOR_EACH_MIB = 340  # found by trial with PYTHONMALLOC=malloc on glibc
SEEN_S = 0.05  # all of it stays for so long, so that whoever watches sees it
PIECE = bytes(range(256)) * 64


def mark(name, **values):
    pairs = {"at_ms": int(time.monotonic() * 1000), **values}
    print(name, *(f"{key}={value}" for key, value in pairs.items()), flush=True)


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def record(rng, number):
    return {"id": number, "name": f"customer {rng.getrandbits(40):x}", "note": "x" * rng.randrange(16, 400),
            "place": (rng.random(), rng.random()), "tags": [f"tag {rng.randrange(1000)}" for _ in range(4)],
            "orders": [{"item": rng.getrandbits(32), "price": rng.random()} for _ in range(rng.randrange(4))]}


def through_json(records):
    """A document that came in and one that goes out, as texts and as objects."""
    text = json.dumps(records)
    back = json.loads(text)
    return text, back, json.dumps(back, indent=1)


def grown(size):
    data = bytearray()
    while len(data) < size:
        data += PIECE
    return data


def build(mib):
    rng = random.Random(1)
    records = [record(rng, number) for number in range(mib * RECORDS_FOR_EACH_MIB)]
    index = {entry["name"]: (entry["id"], entry["place"]) for entry in records}
    return records, index, through_json(records[::4]), grown((mib << 20) // 8)


def main():
    mib, sleep_ms = map(int, sys.argv[1:])
    start_bytes = resident_bytes()
    mark("started", pid=os.getpid())
    everything = build(mib)
    time.sleep(SEEN_S)
    mark("built")
    del everything
    gc.collect()
    mark("freed", floor_bytes=start_bytes)
    time.sleep(sleep_ms / 1000)
    mark("ended")


main()
