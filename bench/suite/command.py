"""What the commands of this folder have in common: options, what they say about the run, missing peers."""
import os
import platform
import re
import sys
import tempfile
import time

from suite import allocators, measure, system_calls


def add_allocator_options(parser):
    parser.add_argument("--build", default="build", help="build folder, with libacre.so.1 and the bench programs")
    parser.add_argument("--acre", default="", help="another file to measure as acre")
    parser.add_argument("--allocators", default="", metavar="LIST", help="only these, by name, with commas")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=FILE.so", help="one more peer")


def check_options(parser, options):
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    if any("=" not in peer for peer in options.peer):
        parser.error("--peer: NAME=FILE.so")


def matching(regex, things, name_of):
    try:
        pattern = re.compile(regex)
    except re.error as error:
        sys.exit(f"bench: --only: {error}")
    chosen = [thing for thing in things if pattern.search(name_of(thing))]
    if not chosen:
        sys.exit(f"bench: no workload matches {regex}")
    return chosen


def must_be_writable(*paths):
    """Asked before a run of many minutes, not after it."""
    for path in paths:
        try:
            open(path, "a", encoding="utf-8").close()
        except OSError as error:
            sys.exit(f"bench: cannot write {path}: {error.strerror}")


def say_missing(missing_peers):
    for name, package in missing_peers:
        print(f"bench: no peer {name}: apt-get install {package}", file=sys.stderr)


def find_tracer(work):
    try:
        return system_calls.Tracer(work)
    except system_calls.Unavailable as reason:
        print(f"bench: memory system calls are not counted: {reason}", file=sys.stderr)
        return None


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.lower().startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown processor"


def header(rounds, bench, chosen):
    lines = [f"{time.strftime('%Y-%m-%d')}, {processor()}, {os.cpu_count()} cores, Linux {platform.release()}, "
             f"{rounds} rounds", f"the launcher adds at most {bench.floor_kib()} KiB to a peak"]
    if "ACRE_OPTIONS" in os.environ:
        lines.append(f"ACRE_OPTIONS={os.environ['ACRE_OPTIONS']}")
    return "\n".join(lines + measure.describe(chosen))


def in_work_folder(run, options):
    """What run(options, folder) returns. The folder is gone afterwards, however it ends."""
    measure.end_tidily()
    with tempfile.TemporaryDirectory(prefix="acre-bench-") as work:
        try:
            return run(options, work)
        except (allocators.BrokenPreload, measure.Failure) as problem:
            sys.exit(f"bench: {problem}")
