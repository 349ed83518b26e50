"""What the tests of `acre map` and `acre why` have in common: programs to look at, their ledgers, and checks.

A test is a function that is given a Bench. Output is TAP; the exit status is 1 when a check failed."""

import argparse
import json
import mmap
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

PAGE_BYTES = os.sysconf("SC_PAGESIZE")
DEADLINE_S = 120
SKIPPED = 77  # ctest's exit status of a test that could not run
SHARDS, SLOTS = 64, 16384  # ledger.h
HEAD_BYTES, ENTRY_BYTES = 64, 24


class Ledger:
    """The blocks that ledger.h keeps in a file: those of look_heap, or of any program by libledger.so."""

    def __init__(self, path):
        self.path = path

    def read(self):
        """[(address, bytes as acre counts them, bytes asked for)] by address"""
        blocks = []
        with open(self.path, "rb") as file:
            content = file.read()
        lost = struct.unpack_from("<Q", content, 8)[0]
        if lost:
            raise RuntimeError(f"the ledger lost {lost} blocks")
        shard_bytes = 16 + SLOTS * ENTRY_BYTES
        for shard in range(SHARDS):
            start = HEAD_BYTES + shard * shard_bytes + 16
            entries = content[start : start + SLOTS * ENTRY_BYTES]
            blocks += [(address, of_class or asked, asked)
                       for address, asked, of_class in struct.iter_unpack("<QQQ", entries) if address]
        return sorted(blocks)

    def steps(self):
        with open(self.path, "rb") as file:
            return struct.unpack("<Q", file.read(8))[0]


class Program:
    """A started program; look_heap says what it has reached, and goes on when it is told."""

    def __init__(self, bench, words, ledger=None, **more):
        self.ledger = ledger
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=bench.work, **more)
        self.pid = self.process.pid
        bench.programs.append(self)

    def reach(self, phase):
        line = self.process.stdout.readline().decode().strip()
        if line != phase:
            raise RuntimeError(f"the program said {line!r}, not {phase!r}")

    def go_on(self, letter=b"g"):
        self.process.stdin.write(letter)
        self.process.stdin.flush()

    def go_to(self, phase):
        self.go_on()
        self.reach(phase)

    def stop(self):
        """Until it is let go on: the test reads the kernel's figures and acre's of the same state."""
        self.process.send_signal(signal.SIGSTOP)
        while proc_state(self.pid) != "T":
            time.sleep(0.001)

    def proceed(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


def proc_state(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def smaps(pid, figure="Anonymous", modes="p"):
    """{(start, end): bytes} of the mappings that have these modes"""
    mappings, place = {}, None
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            first = line.split(None, 1)[0]
            if not first.endswith(":"):
                place = tuple(int(number, 16) for number in first.split("-"))
                is_wanted = set(modes) <= set(line.split()[1])
                if is_wanted:
                    mappings[place] = 0
            elif first == figure + ":" and is_wanted:
                mappings[place] = int(line.split()[1]) * 1024
    return mappings


class Run:
    def __init__(self, status, out, err, seconds, peak_bytes):
        self.status, self.out, self.err = status, out, err
        self.seconds, self.peak_bytes = seconds, peak_bytes


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.build = os.path.abspath(arguments.build)
        self.acre = os.path.abspath(arguments.acre or os.path.join(self.build, "bin/acre"))
        self.library = os.path.join(self.build, "libacre.so.1")
        self.bin = os.path.join(self.build, "tests/bin")
        self.work = tempfile.mkdtemp(prefix="acre-look.", dir=os.environ.get("TMPDIR", "/tmp"))
        self.programs = []
        self.checks = self.failures = self.skips = self.ledgers = 0

    # ---- checks

    def check(self, name, fine, *told):
        self.checks += 1
        self.failures += not fine
        print(f"{'ok' if fine else 'not ok'} {self.checks} - {name}")
        for text in told if not fine else ():
            for line in str(text).splitlines() or [""]:
                print(f"# {line}")
        sys.stdout.flush()
        return fine

    def equal(self, name, got, wanted):
        return self.check(name, got == wanted, f"got    {got}", f"wanted {wanted}")

    def near(self, name, got, wanted, tolerance):
        return self.check(name, abs(got - wanted) <= tolerance, f"got {got}, wanted {wanted} +- {tolerance}")

    def say(self, text):
        print(f"# {text}", flush=True)

    def skip(self, name, reason):
        self.checks += 1
        self.skips += 1
        print(f"ok {self.checks} - {name} # SKIP {reason}", flush=True)

    # ---- programs

    def file(self, name):
        return os.path.join(self.work, name)

    def environment(self, preload=(), options="", **more):
        environment = {key: value for key, value in os.environ.items()
                       if key not in ("LD_PRELOAD", "ACRE_OPTIONS", "ACRE_COUNT", "COLUMNS", "NO_COLOR")}
        environment["LC_ALL"] = "C"
        if preload:
            environment["LD_PRELOAD"] = ":".join(preload)
        if options:
            environment["ACRE_OPTIONS"] = options
        environment.update(more)
        return environment

    def new_ledger(self):
        self.ledgers += 1
        return Ledger(self.file(f"ledger{self.ledgers}"))

    def heap(self, kind, library=None, options="", program="look_heap", listed=True, more=()):
        """look_heap, on a preloaded acre unless library is "". listed: its libraries' blocks are in the ledger, too."""
        ledger = self.new_ledger()
        library = self.library if library is None else library
        preload = ([os.path.join(self.bin, "libledger.so")] if listed and library else []) + [library] * bool(library)
        words = [program if "/" in program else os.path.join(self.bin, program), kind, ledger.path, *more]
        return Program(self, words, ledger, env=self.environment(preload, options, LEDGER=ledger.path))

    def on_ledger(self, words, options="", **more):
        """Any program on acre, with all its blocks in a ledger."""
        ledger = self.new_ledger()
        preload = [os.path.join(self.bin, "libledger.so"), self.library]
        environment = self.environment(preload, options, LEDGER=ledger.path, **more)
        return Program(self, words, ledger, env=environment)

    def run(self, *words, limit_s=DEADLINE_S, memory_bytes=0, env=None, cwd=None, before=None):
        """The command acre. A run that takes longer has a status of None."""

        def prepare():
            if memory_bytes:
                resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
            if before:
                before()

        started = time.monotonic()
        with open(self.file("out"), "wb+") as out, open(self.file("err"), "wb+") as err:
            child = subprocess.Popen([self.acre, *map(str, words)], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                     env=env or self.environment(), cwd=cwd or self.work, preexec_fn=prepare)
            status, usage = wait(child, limit_s)
            out.seek(0)
            err.seek(0)
            return Run(status, out.read().decode(errors="replace"), err.read().decode(errors="replace"),
                       time.monotonic() - started, usage.ru_maxrss * 1024)

    def json(self, command, words, *more, env=None):
        """What `acre COMMAND --json` says of a process or a core; checks that it went well."""
        run = self.run(command, "--json", "-", *more, words, env=env)
        if run.status != 0 or run.err:
            self.check(f"acre {command} {words}", False, f"status {run.status}", run.err)
            return None
        return json.loads(run.out)

    # ---- cores

    def gcore(self, program):
        """A core by gdb of a process, which goes on; None: there is no gdb."""
        if shutil.which("gcore") is None:
            return None
        path = self.file("gcore")
        subprocess.run(["gcore", "-o", path, str(program.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=DEADLINE_S)
        return f"{path}.{program.pid}" if os.path.exists(f"{path}.{program.pid}") else None

    def kernel_core(self, program, end):
        """The core that the kernel writes when end(program) ends it; None: it writes none here."""
        with open("/proc/sys/kernel/core_pattern") as file:
            pattern = file.read().strip()
        if pattern.startswith(("|", "/")) or "%" in pattern.replace("%p", ""):
            return None
        resource.prlimit(program.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        end(program)
        program.process.wait(DEADLINE_S)
        with_pid = os.path.exists("/proc/sys/kernel/core_uses_pid") and "%p" not in pattern
        for name in (pattern.replace("%p", str(program.pid)), f"{pattern}.{program.pid}" if with_pid else pattern):
            if os.path.exists(self.file(name)):
                path = self.file(f"kernel-core.{program.pid}")
                os.rename(self.file(name), path)
                return path
        return None

    def close(self):
        for program in self.programs:
            program.end()
        shutil.rmtree(self.work, ignore_errors=True)


def wait(child, limit_s):
    """Status (None: it had to be killed) and resources used, of this child alone."""
    ended = time.monotonic() + limit_s
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode, usage
        if time.monotonic() > ended:
            child.kill()
            child.returncode = -signal.SIGKILL
            return None, os.wait4(child.pid, 0)[2]
        time.sleep(0.001)


def main(description, tests, **options):
    """Runs the tests, or those that are named; options: further arguments and their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("build", help="the build directory")
    parser.add_argument("--acre", help="the command under test, if not the build's")
    parser.add_argument("--only", help="names of tests, with commas")
    for name, default in options.items():
        kind = {"action": "store_true"} if default is False else {"type": type(default), "default": default}
        parser.add_argument("--" + name.replace("_", "-"), **kind)
    arguments = parser.parse_args()
    bench = Bench(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of the end below
    names = arguments.only.split(",") if arguments.only else None
    try:
        for test in tests:
            if names is None or test.__name__ in names:
                print(f"# {test.__name__}: {test.__doc__}")
                test(bench)
    finally:
        bench.close()
    print(f"1..{bench.checks}")
    print(f"# {bench.checks - bench.failures} of {bench.checks} passed")
    sys.exit(1 if bench.failures else SKIPPED if bench.skips == bench.checks else 0)
