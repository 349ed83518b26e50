#!/usr/bin/env python3
"""acre trim: trim.py BUILD_DIRECTORY. A process gives back what is free, keeps what is live, and sees nothing of it."""
import os
import re
import signal
import subprocess
import sys

sys.dont_write_bytecode = True

MIB = 1 << 20


def anonymous_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return int(re.search(r"^Anonymous:\s+(\d+) kB", rollup.read(), re.M).group(1)) * 1024


class Build:
    def __init__(self, folder):
        self.acre = os.path.join(folder, "bin", "acre")
        self.program = os.path.join(folder, "tests", "bin", "tool_trim")
        self.library = os.path.join(folder, "libacre.so.1")

    def start(self, options, *arguments):
        environment = dict(os.environ, LD_PRELOAD=self.library, ACRE_OPTIONS=options)
        process = subprocess.Popen([self.program, *arguments], env=environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        return process

    def trim(self, *arguments):
        return subprocess.run([self.acre, "trim", *arguments], capture_output=True, text=True, timeout=60, check=False)


def end(process):
    process.stdin.close()
    status = process.wait(timeout=60)
    process.stdout.close()
    return status


def check_gives_back(build):
    process = build.start("decay_ms:600000")
    files = sorted(os.listdir(f"/proc/{process.pid}/fd"))
    before = anonymous_bytes(process.pid)
    assert before > 50 * MIB, before
    done = build.trim(str(process.pid))
    after = anonymous_bytes(process.pid)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert re.fullmatch(r"[\d.]+ MiB of anonymous memory resident, [\d.]+ MiB before\n", done.stdout), done.stdout
    assert after < 10 * MIB, after
    assert sorted(os.listdir(f"/proc/{process.pid}/fd")) == files
    assert build.trim(str(process.pid)).returncode == 0  # and once more
    assert end(process) == 0


def check_stopped(build):
    process = build.start("decay_ms:600000")
    os.kill(process.pid, signal.SIGSTOP)
    done = build.trim(str(process.pid))
    assert done.returncode == 125 and "did not answer" in done.stderr, done
    os.kill(process.pid, signal.SIGCONT)
    assert build.trim(str(process.pid)).returncode == 0
    assert end(process) == 0


def check_refusals(build):
    for options, arguments in ("scavenger:off", []), ("", ["alone"]):
        process = build.start(options, *arguments)
        done = build.trim(str(process.pid))
        assert done.returncode == 125 and "has no scavenger" in done.stderr, done
        assert done.stderr.count("\n") == 1 and done.stdout == "", done
        assert end(process) == 0
    assert build.trim().returncode == 2
    assert build.trim("core").returncode == 2
    assert build.trim("1", "2").returncode == 2
    done = build.trim("999999999")
    assert done.returncode == 125 and "no process" in done.stderr, done


def main():
    build = Build(os.path.abspath(sys.argv[1]))
    check_gives_back(build)
    check_stopped(build)
    check_refusals(build)


if __name__ == "__main__":
    main()
