#!/usr/bin/env python3
"""acre top: top.py BUILD_DIRECTORY. As text, and on a terminal of 80 columns and 24 rows, by its keys."""
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

sys.dont_write_bytecode = True
from trim import Build, anonymous_bytes, end  # noqa: E402

ROWS, COLUMNS = 24, 80


class Terminal:
    """A command on a terminal of its own; what a screen shows is kept by following the cursor."""

    def __init__(self, *command):
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="vt100", LC_ALL="C")
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            time.sleep(0.05)
            os.execv(command[0], command)
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.shown = ""

    def read(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.file], [], [], left)[0]:
                break
            try:
                piece = os.read(self.file, 65536)
            except OSError:
                break
            if not piece:
                break
            self.shown += piece.decode("ascii", "replace")

    def wait_for(self, pattern, seconds=20):
        until = time.monotonic() + seconds
        while not re.search(pattern, self.shown):
            assert time.monotonic() < until, (pattern, self.shown[-2000:])
            self.read(0.1)

    def type(self, keys):
        self.shown = ""
        os.write(self.file, keys.encode())

    def end(self):
        self.read(1)
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.file)
        return os.waitstatus_to_exitcode(status)

    def farthest(self):
        """The greatest row and column that text was put to by a move of the cursor."""
        moves = [(int(row), int(column)) for row, column in re.findall(r"\x1b\[(\d+);(\d+)H", self.shown)]
        return max(row for row, _ in moves), max(column for _, column in moves)


def check_one(build):
    process = build.start("decay_ms:600000")
    terminal = Terminal(build.acre, "top", "--delay", "0.2", str(process.pid))
    terminal.wait_for(r"acre top: %d \(tool_trim\)" % process.pid)
    terminal.wait_for(r"BLOCK SIZE")
    terminal.wait_for(r"a cell; 1-8 live")
    terminal.wait_for(r"calls/s")
    row, column = terminal.farthest()
    assert row <= ROWS and column <= COLUMNS, (row, column)
    for end_of_line in "b back", "not in memory", "B/s":  # nothing is cut off
        assert end_of_line in terminal.shown, end_of_line
    before = anonymous_bytes(process.pid)
    terminal.type("t")
    terminal.wait_for("has given back what was free")
    assert anonymous_bytes(process.pid) < before / 2
    terminal.type("+")
    terminal.wait_for(r"\x1b\[1;\d+H[^H]*4")  # 0.4 s: one digit of the first line
    terminal.type("q")
    assert terminal.end() == 0
    terminal = Terminal(build.acre, "top", "--delay", "0.2", str(process.pid))
    terminal.wait_for("BLOCK SIZE")
    assert end(process) == 0
    assert terminal.end() == 125
    assert f"there is no process {process.pid}" in terminal.shown


def check_signals(build):
    """Ended by a signal it puts the terminal back and ends like other programs."""
    for number in signal.SIGINT, signal.SIGTERM:
        terminal = Terminal(build.acre, "top", "--delay", "60")
        terminal.wait_for("on acre|none of yours")
        os.kill(terminal.pid, number)
        assert terminal.end() == -number
        assert terminal.shown.rstrip().endswith("\x1b[?1l\x1b>"), terminal.shown[-40:]


def check_signal_while_asking(build):
    """A process that is stopped does not answer; nobody has to wait for that."""
    process = build.start("decay_ms:600000")
    terminal = Terminal(build.acre, "top", "--delay", "60", str(process.pid))
    terminal.wait_for("BLOCK SIZE")
    os.kill(process.pid, signal.SIGSTOP)
    terminal.type("t")
    time.sleep(0.5)
    started = time.monotonic()
    os.kill(terminal.pid, signal.SIGINT)
    assert terminal.end() == -signal.SIGINT
    assert time.monotonic() - started < 5
    os.kill(process.pid, signal.SIGCONT)
    assert end(process) == 0


def check_terminal_gone(build):
    """Where SIGHUP is ignored, as by nohup, it ends when it finds that out."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    terminal = Terminal(build.acre, "top", "--delay", "60")
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    terminal.wait_for("on acre|none of yours")
    os.close(terminal.file)
    until = time.monotonic() + 20
    while os.waitpid(terminal.pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > until:
            os.kill(terminal.pid, signal.SIGKILL)
            raise AssertionError("it goes on without a terminal")
        time.sleep(0.05)


def check_words(build):
    for words in ["0x10"], ["010x"], ["+1"], ["0"], ["1.5"], ["--batch", "1.5"], ["--batch", "0"]:
        run = subprocess.run([build.acre, "top", *words], capture_output=True, text=True, check=False)
        assert run.returncode == 2, (words, run)
        assert words[-1] in run.stderr, (words, run)


def check_list(build):
    process = build.start("decay_ms:600000")
    terminal = Terminal(build.acre, "top", "--delay", "0.2")
    terminal.wait_for(r"%d\s+tool_trim" % process.pid)
    terminal.type("\n")
    terminal.wait_for(r"b back")
    terminal.type("b")
    terminal.wait_for(r"on acre")
    terminal.type("q")
    assert terminal.end() == 0
    assert end(process) == 0


def check_end_in_list(build):
    """From one process to the list and back; when it ends the list is there again, and q is a good end."""
    process, other = build.start("decay_ms:600000"), build.start("decay_ms:600000")
    terminal = Terminal(build.acre, "top", "--delay", "0.2", str(process.pid))
    terminal.wait_for("BLOCK SIZE")
    terminal.type("b")
    terminal.wait_for("on acre")
    terminal.type("\n")
    terminal.wait_for("BLOCK SIZE")
    assert end(process) == 0
    terminal.wait_for(f"process {process.pid}(?s:.*)PARTLY USED|PARTLY USED(?s:.*)process {process.pid}")
    terminal.type("\n")  # another one is chosen by now
    terminal.wait_for("BLOCK SIZE")
    terminal.type("q")
    assert terminal.end() == 0
    assert f"process {process.pid}" not in terminal.shown
    assert end(other) == 0


def size_bytes(text):
    number, unit = text.split()
    return float(number) * {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[unit]


def check_figures_of_list(build):
    """What a process holds and never touched is not in memory; a process that only looks like one on acre is told."""
    size = r"([\d.]+ (?:|.i)B)"
    with tempfile.TemporaryDirectory() as folder:
        with open("/proc/self/maps", encoding="ascii") as maps:
            libc = re.search(r"\S+/libc[.-]\S+", maps.read()).group()
        library = shutil.copy(libc, os.path.join(folder, "libacre-not"))
        other = subprocess.Popen(["sleep", "300"], env=dict(os.environ, LD_PRELOAD=library))
        holder = subprocess.Popen([sys.executable, "-c", "held = bytes(256 << 20); print(flush=True); input()"],
                                  env=dict(os.environ, LD_PRELOAD=build.library), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        holder.stdout.readline()
        shown = subprocess.run([build.acre, "top", "--batch", "1"], capture_output=True, text=True, timeout=60,
                               check=True).stdout
        row = re.search(rf"^ *{holder.pid}  \S+ +{size} +{size} +{size} +{size}$", shown, re.M)
        assert row and size_bytes(row[2]) < size_bytes(row[1]) < 128 << 20, shown
        assert re.search(r"^\d+ more cannot be looked at; `acre why \d+' says why", shown, re.M), shown
        other.kill()
        other.wait()
        holder.communicate("\n")


def check_text(build):
    process = build.start("decay_ms:600000")
    one = subprocess.run([build.acre, "top", "--batch", "2", "--delay", "0.1", str(process.pid)], capture_output=True,
                         text=True, timeout=60, check=True)
    assert one.stderr == "" and one.stdout.count(f"acre top: {process.pid} (tool_trim)") == 2, one
    assert re.search(r"calls/s   brk 0 mmap 0", one.stdout), one.stdout
    several = subprocess.run([build.acre, "top", "--batch", "1"], capture_output=True, text=True, timeout=60, check=True)
    assert re.search(rf"^ *{process.pid}  tool_trim ", several.stdout, re.M), several.stdout
    assert end(process) == 0


def check_refusals(build):
    def run(*arguments, **more):
        return subprocess.run([build.acre, "top", *arguments], capture_output=True, text=True, timeout=60, check=False,
                              stdin=subprocess.DEVNULL, **more)
    for arguments in ("x",), ("--delay", "0"), ("--batch", "0"), ("1", "2"), ():
        done = run(*arguments)
        assert done.returncode == 2 and done.stderr != "", (arguments, done)
    done = run("--batch", "1", "999999999")
    assert done.returncode == 125 and done.stderr.count("\n") == 1, done


def main():
    build = Build(os.path.abspath(sys.argv[1]))
    check_text(build)
    check_one(build)
    check_list(build)
    check_end_in_list(build)
    check_figures_of_list(build)
    check_refusals(build)
    check_signals(build)
    check_signal_while_asking(build)
    check_terminal_gone(build)
    check_words(build)


if __name__ == "__main__":
    main()
