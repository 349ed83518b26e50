"""Whole programs of Debian's packages, on inputs that inputs.py makes.

Each has one comment: what it stands for, and what it cannot show. All of them spend much of their time outside
the allocator; that is the point of them.
"""
import os
import shutil
import subprocess
import time

from suite import inputs
from suite.workloads import PROGRAM, Place, Workload, find_executable

SERVER_START_S = 20


def script(place, name):
    return os.path.join(place.scripts, name)


# PYTHONMALLOC: CPython has an allocator of its own for small objects, which would hide ours.
PYTHON = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def python(name, file, *arguments):
    return Workload(name, PROGRAM, lambda place: [find_executable("python3"), script(place, file), *arguments],
                    packages=(("python3", "python3-minimal"),), environment=PYTHON)


def compiler(name, executable, package):
    def command(place):
        source = place.input("templates.cpp", inputs.templates_cpp)
        return [find_executable(executable), "-std=c++17", "-O1", "-c", source, "-o",
                os.path.join(place.work, f"{name}.o")]
    return Workload(name, PROGRAM, command, packages=((executable, package),))


# ---- git

def git(name, *arguments):
    """Each on a repository of its own: repack changes what it works on, and the next command would see it."""
    def command(place):
        folder = place.input(f"{name}.git", inputs.repository)
        return [find_executable("git"), f"--git-dir={folder}", *arguments]
    return Workload(name, PROGRAM, command, packages=(("git", "git"),))


def new_index(place: Place):
    folder = os.path.join(place.work, "new.git")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([find_executable("git"), "init", "-q", "--bare", folder], check=True)


def git_add(place: Place):
    tree = place.input("tree", inputs.source_tree)
    return [find_executable("git"), f"--git-dir={place.work}/new.git", f"--work-tree={tree}", "-c", "core.bare=false",
            "-C", tree, "add", "-A"]


# ---- redis

def redis_socket(place: Place):
    return os.path.join(place.work, "redis.sock")


def redis_server(place: Place):
    return [find_executable("redis-server"), "--port", "0", "--unixsocket", redis_socket(place), "--save", "",
            "--appendonly", "no", "--daemonize", "no", "--dir", place.work]


def redis_client(place: Place):
    """Bounded: a fixed number of requests, then the server is told to end. The client runs on plain glibc."""
    socket = redis_socket(place)
    cli = [find_executable("redis-cli"), "-s", socket]
    end = time.monotonic() + SERVER_START_S
    while subprocess.run([*cli, "ping"], capture_output=True, check=False).returncode != 0:
        if time.monotonic() > end:
            raise TimeoutError("redis-server does not answer")
        time.sleep(0.02)
    try:
        subprocess.run([find_executable("redis-benchmark"), "-s", socket, "-q", "-n", "60000", "-r", "40000", "-d", "200",
                        "-P", "16", "-c", "20",
                        "-t", "set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100"],
                       stdout=subprocess.DEVNULL, check=True, timeout=60)
    finally:
        subprocess.run([*cli, "shutdown", "nosave"], capture_output=True, check=False)


PROGRAMS = [
    # An interpreter's everyday objects: counted, mixed in size, much string work. Not: its own small-object
    # allocator, with which CPython normally runs and which leaves less to malloc.
    python("python-objects", "objects.py", "15000"),
    # A compiler front end written in C: syntax trees and code objects, built and dropped file by file.
    # Depends on the installed library's size: compare within one machine only.
    python("python-compile", "compile.py", "110"),
    # Text work on hashes and scalars; perl keeps what it frees for itself, so it shows taking more than freeing.
    Workload("perl", PROGRAM, lambda place: [find_executable("perl"), script(place, "words.pl"), "50000"],
             packages=(("perl", "perl-base"),), environment={"PERL_HASH_SEED": "0"}),
    # A tracing collector that frees in bulk; its object slots do not come from malloc, strings and arrays do.
    Workload("ruby", PROGRAM, lambda place: [find_executable("ruby"), script(place, "records.rb"), "5"],
             packages=(("ruby", "ruby"),)),
    # A small incremental collector, all through realloc and free; a small heap that changes quickly.
    Workload("lua", PROGRAM, lambda place: [find_executable("lua5.4"), script(place, "tables.lua"), "80"],
             packages=(("lua5.4", "lua5.4"),)),
    # A database on one thread; its page cache takes memory in large pieces, so mostly the parser and rows show.
    Workload("sqlite", PROGRAM,
             lambda place: [find_executable("sqlite3"), ":memory:", f".read {script(place, 'shop.sql')}"],
             packages=(("sqlite3", "sqlite3"),)),
    # A functional language: millions of short-lived counted values. Little beside malloc; one-size worst case.
    Workload("jq", PROGRAM, lambda place: [find_executable("jq"), "-c", "-f", script(place, "orders.jq"),
                                           place.input("orders.json", inputs.orders_json)],
             packages=(("jq", "jq"),)),
    # Hashing, compressing and many small system calls: a program on which malloc should hardly show.
    Workload("git-add", PROGRAM, git_add, packages=(("git", "git"),), before=new_index),
    # Large buffers and delta tables in two threads; which deltas meet varies a little from run to run.
    git("git-repack", "-c", "pack.threads=2", "repack", "-adfq"),
    # Differences of texts: buffers of a few KiB that come and go. Its cache of deltas bounds what it keeps.
    git("git-log", "log", "-p"),
    # A page renderer with pools of its own above malloc, so it asks for larger pieces than its objects are.
    Workload("gs", PROGRAM, lambda place: [find_executable("gs"), "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER",
                                           "-sDEVICE=ppmraw", "-r150", "-sOutputFile=/dev/null",
                                           place.input("drawing.ps", inputs.drawing_ps)],
             packages=(("gs", "ghostscript"),)),
    # A solver: small clauses and big tables that grow, search with restarts. Sums its memory up itself, and a
    # different address order must not change its answers, but may change its path and so its time.
    Workload("z3", PROGRAM, lambda place: [find_executable("z3"), place.input("puzzles.smt2", inputs.puzzles_smt2)],
             packages=(("z3", "z3"),)),
    # The compiler proper and the assembler are children of g++: time is their sum, the peak the largest one's.
    # GCC's trees live in a collected heap of its own from mmap, so malloc sees the rest.
    compiler("g++", "g++", "g++"),
    # The compiler runs inside one process; bump-pointer arenas take slabs from malloc, containers the rest.
    compiler("clang++", "clang++", "clang"),
    # A server driven by a client over a socket: CPU and peak are the server's; its wall time is mostly the
    # client's pace. Debian's is linked with jemalloc: without a preload it would not run on glibc at all.
    Workload("redis", PROGRAM, redis_server, packages=(("redis-server", "redis-server"), ("redis-benchmark", "redis-tools")),
             drive=redis_client, same_output=False),
]
