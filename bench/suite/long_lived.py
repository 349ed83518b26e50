"""Cases of giveback.py over whole programs of Debian's packages: each fills up, drops all of it, and lives on.

Each has one comment: what it stands for, and what it cannot show.
"""
import os
import random
import socket
import struct
import time
from dataclasses import dataclass
from typing import Callable

from suite import programs
from suite.resident import CPU, FLOOR, MARKS, Row, after, half_of, resident_bytes
from suite.workloads import PROGRAM, Place, Workload, find_executable

AFTER_MS = [100, 500, 1000, 2000, 5000]  # the drop
SLEEP_MS = 5500
SEEN_S = 0.05  # all of it stays for so long, so that whoever watches sees it
PROBE_MIB = 1
ROWS = [Row("before", after("built", 0)),
        *(Row(f"+{ms / 1000:g} s", after("freed", ms), starred=True) for ms in AFTER_MS), FLOOR, CPU]


@dataclass
class ProgramCase:
    name: str
    title: str
    make: Callable  # of the MiB that it fills and the ms that it sleeps: a Workload
    unit = "resident MiB"
    rows = ROWS

    def workload(self, _, mib):
        return self.make(self.name, half_of(mib), SLEEP_MS)

    def probe(self):
        """The same in small, for the check."""
        return self.make(self.name, PROBE_MIB, 0)


# ---- redis

VALUE_LEAST, VALUE_MOST = 16, 1024
NEW_FOR_EACH_MIB = 1580  # keys; found by trial on glibc
BATCH = 500  # requests that are sent before their answers are read
CLIENT_LIMIT_S = 60
SET = b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n"
DONE = b"+OK\r\n"


class Client:
    """Little enough that it says what is sent and when; redis-cli keeps its own pace and asks on its own."""

    def __init__(self, path):
        self.socket = connected(path)
        self.server, _, _ = struct.unpack("3i", self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, request, answers=1):
        """All answers are the same, so it is their length that says when all are there."""
        self.socket.sendall(request)
        wanted, answer = DONE * answers, b""
        while len(answer) < len(wanted):
            part = self.socket.recv(len(wanted) - len(answer))
            if not part:
                raise ConnectionError("redis-server has ended")
            answer += part
        if answer != wanted:
            raise ConnectionError(f"redis-server says {answer[:80]!r}")


def connected(path):
    end = time.monotonic() + programs.SERVER_START_S
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(CLIENT_LIMIT_S)
        try:
            client.connect(path)
            return client
        except (FileNotFoundError, ConnectionRefusedError) as error:
            client.close()
            if time.monotonic() > end:
                raise TimeoutError("redis-server does not answer") from error
        time.sleep(0.02)


def sets(count):
    """As a cache is written: new keys, and among four writes one to an old key, whose value then has another size."""
    rng = random.Random(1)
    text = rng.randbytes(2 * VALUE_MOST)
    new = 0
    while new < count:
        number = rng.randrange(new) if new and rng.random() < 0.25 else new
        new += number == new
        key = b"page:%d" % number
        first, size = rng.randrange(VALUE_MOST), rng.randint(VALUE_LEAST, VALUE_MOST)
        yield SET % (len(key), key, size, text[first:first + size])


def fill(client, mib):
    batch = []
    for request in sets(mib * NEW_FOR_EACH_MIB):
        batch.append(request)
        if len(batch) == BATCH:
            client.send(b"".join(batch), BATCH)
            batch.clear()
    client.send(b"".join(batch), len(batch))


def resident_of(number):
    with open(f"/proc/{number}/statm", "rb", buffering=0) as statm:
        return resident_bytes(statm)


def mark(place, name, **values):
    """On the server's behalf."""
    pairs = {"at_ms": int(time.monotonic() * 1000), **values}
    with open(os.path.join(place.work, MARKS), "a", encoding="utf-8") as file:
        file.write(" ".join([name, *(f"{key}={value}" for key, value in pairs.items())]) + "\n")


def drive_redis(place: Place, how, mib, sleep_ms):
    with Client(programs.redis_socket(place)) as client:
        start_bytes = resident_of(client.server)
        mark(place, "started", pid=client.server)
        fill(client, mib)
        time.sleep(SEEN_S)
        mark(place, "built")
        client.send(b"FLUSHALL %s\r\n" % how.encode())
        mark(place, "freed", floor_bytes=start_bytes)
        time.sleep(sleep_ms / 1000)  # the connection stays open: to close it would be work for the server
        mark(place, "ended")
        client.socket.sendall(b"SHUTDOWN NOSAVE\r\n")
        client.socket.recv(1)  # nothing: it has ended


def redis(how):
    def make(name, mib, sleep_ms):
        # What it logs would otherwise stand among the marks.
        return Workload(name, PROGRAM, lambda place: [*programs.redis_server(place), "--logfile", os.devnull],
                        packages=(("redis-server", "redis-server"),), same_output=False,
                        drive=lambda place: drive_redis(place, how, mib, sleep_ms))
    return make


# ---- python

PYMALLOC = {name: value for name, value in programs.PYTHON.items() if name != "PYTHONMALLOC"}


def python(environment):
    def make(name, mib, sleep_ms):
        return Workload(name, PROGRAM, lambda place: [find_executable("python3"), programs.script(place, "batch.py"),
                                                      str(mib), str(sleep_ms)],
                        packages=(("python3", "python3-minimal"),), environment=environment, same_output=False)
    return make


CASES = [
    # A cache that is emptied and waits. Its serverCron runs ten times a second and calls malloc and free a little on
    # the main thread, so no allocator sees perfect silence. Debian's is built for jemalloc and speaks to it: it turns
    # jemalloc's background thread on (`jemalloc-bg-thread yes`, so both columns of jemalloc have one), and purges it
    # after this FLUSHALL; under other allocators both calls reach a jemalloc that holds nothing. Its active
    # defragmentation asks for redis's own jemalloc, which Debian's is not, and is off. Cannot show: keys that expire
    # one by one while others come.
    ProgramCase("redis/sync", "redis sync: a cache of 16 to 1,024 bytes each, FLUSHALL SYNC, and then no command",
                redis("SYNC")),
    # The same, freed by a thread that took none of it, and without the purge. 0 s is the server's answer, which it
    # gives before that thread has freed.
    ProgramCase("redis/async", "redis async: as redis sync, but a thread of its own frees (FLUSHALL ASYNC)",
                redis("ASYNC")),
    # A long-lived interpreter after a batch, every object through malloc. Cannot show: objects that survive in between.
    ProgramCase("python/malloc", "python malloc: dicts, strings, JSON, a growing bytearray; drops all, sleeps",
                python(programs.PYTHON)),
    # The same as it runs everywhere: CPython's allocator takes small objects out of 1 MiB arenas of its own, from
    # mmap, and gives them back itself. Objects above 512 bytes, such as tables, texts and the bytearray, are malloc's.
    ProgramCase("python/pymalloc", "python pymalloc: the same with CPython's own allocator for small objects",
                python(PYMALLOC)),
]
