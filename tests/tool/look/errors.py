#!/usr/bin/env python3
"""What acre map and acre why say when they cannot look, and what they must be able to look into all the same."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import look

NOBODY = 65534


def refuses(bench, name, words, status, *parts, **more):
    """One line on stderr that names the command and has these parts; nothing on stdout."""
    run = bench.run(*words, **more)
    lines = run.err.splitlines()
    if status == 2 and len(lines) == 2 and lines[1].startswith("Try `acre"):
        lines.pop()
    fine = (run.status == status and len(lines) == 1 and lines[0].startswith("acre") and run.out == "" and
            all(part in lines[0] for part in parts))
    bench.check(f"{name}: {parts[-1] if parts else 'refused'}", fine, f"status {run.status}", run.err, run.out[:200])


def both(bench, name, words, status, *parts, **more):
    for command in ("map", "why"):
        refuses(bench, f"{command}, {name}", [command, *words], status, *parts, **more)


def as_nobody():
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def sleeper(bench, **more):
    """A process that is not on acre."""
    return look.Program(bench, ["sleep", "300"], env=bench.environment(), **more)


def processes(bench):
    """processes that are not there, not on acre, or somebody else's"""
    gone = subprocess.Popen(["true"])
    gone.wait()
    both(bench, "no such process", [gone.pid], 125, f"there is no process {gone.pid}")
    both(bench, "number that no process has", ["99999999999999999999"], 125, "there is no process")
    both(bench, "process 0", ["0"], 125, "there is no process 0")
    both(bench, "name of a program", ["redis-server"], 125, "neither a process's number nor a core file")
    other = sleeper(bench)
    both(bench, "not on acre", [other.pid], 125, f"process {other.pid} (sleep) is not on acre")
    both(bench, "--smaps with a process", ["--smaps", "/proc/self/smaps", other.pid], 125, "--smaps is for core files")
    zombie = subprocess.Popen(["true"])
    while look.proc_state(zombie.pid) != "Z":
        time.sleep(0.001)
    both(bench, "zombie", [zombie.pid], 125, "has no memory of its own")
    zombie.wait()
    threads = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_of_kernel(int(pid))]
    if threads:
        both(bench, "kernel thread", [threads[0]], 125, "has no memory of its own")
    else:
        bench.skip("kernel thread", "none is seen from here")


def is_of_kernel(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[6]) & 0x00200000 != 0
    except OSError:
        return False


def other_users(bench):
    """somebody else's process, and one's own that lost no privileges"""
    if os.getuid() != 0:
        bench.skip("another user's process", "not root")
        return
    os.chmod(bench.work, 0o755)
    acre = bench.file("acre")
    shutil.copy(bench.acre, acre)
    whole, bench.acre = bench.acre, acre
    mine = bench.heap("idle")
    mine.reach("ready")
    both(bench, "root's process", [mine.pid], 125, "may not look into process", before=as_nobody)
    both(bench, "process 1", ["1"], 125, "may not look into process", before=as_nobody)
    library, ledger = bench.file("libacre.so.1"), bench.new_ledger()
    shutil.copy(bench.library, library)
    program = bench.file("look_heap")
    shutil.copy(os.path.join(bench.bin, "look_heap"), program)
    with open(ledger.path, "w"):
        os.chmod(ledger.path, 0o666)
    theirs = look.Program(bench, [program, "idle", ledger.path], ledger, env=bench.environment([library]),
                          preexec_fn=as_nobody)
    theirs.reach("ready")
    run = bench.run("why", "--json", "-", theirs.pid, before=as_nobody)
    if run.status == 125 and "ptrace_scope" in run.err:
        bench.skip("one's own process", "kernel.yama.ptrace_scope")
    else:
        fine = run.status == 0 and json.loads(run.out)["live_blocks"] == 1
        bench.check("one's own process can be looked at", fine, run.err)
    bench.check("and by root", bench.run("why", theirs.pid).status == 0)
    bench.acre = whole


def namespaces(bench):
    """/proc of other processes than those around acre"""
    run = subprocess.run(["unshare", "--pid", "--fork", bench.acre, "why", "1"], capture_output=True, text=True)
    if "unshare" in run.stderr:
        bench.skip("namespace of processes", run.stderr.strip())
    else:
        bench.check("namespace of processes without its /proc", run.returncode == 125 and run.stdout == "" and
                    "mount it anew" in run.stderr and run.stderr.count("\n") == 1, run)


def small_core(bench, coredump_filter=None):
    program = bench.heap("small")
    program.reach("ready")
    if coredump_filter is not None:
        with open(f"/proc/{program.pid}/coredump_filter", "w") as file:
            file.write(coredump_filter)
    program.stop()
    shutil.copy(f"/proc/{program.pid}/smaps", bench.file("own.smaps"))
    program.proceed()
    return bench.kernel_core(program, lambda it: it.go_on(b"a"))


def cores(bench):
    """files that are no cores, cores that are damaged or of others"""
    for name, path, part in (("no file", bench.file("none"), "No such file"), ("text", __file__, "not a core file"),
                             ("program", bench.acre, "not a core file"), ("directory", bench.work, "not a file"),
                             ("device", "/dev/zero", "not a file")):
        both(bench, name, [path], 125, part)
    os.mkfifo(bench.file("fifo"))
    both(bench, "FIFO", [bench.file("fifo")], 125, "not a file", limit_s=5)
    open(bench.file("empty"), "w").close()
    both(bench, "empty file", [bench.file("empty")], 125, "not a core file")
    other = sleeper(bench)
    other_core = bench.kernel_core(other, lambda it: it.process.send_signal(signal.SIGABRT))
    headless = small_core(bench, "0x1")
    core = small_core(bench)
    if core is None or other_core is None:
        bench.skip("damaged cores", "the kernel writes no cores into the working directory here")
        return
    both(bench, "core without files", [headless], 125, "bit 4 of coredump_filter")
    both(bench, "core of another program", [other_core], 125, "is not on acre")
    check_nameless(bench, other_core)
    both(bench, "--smaps of another process", ["--smaps", f"/proc/{os.getpid()}/smaps", core], 125,
         "of another process")
    both(bench, "--smaps that is none", ["--smaps", __file__, core], 125, "not a saved /proc/PID/smaps")
    both(bench, "--smaps that is not there", ["--smaps", bench.file("none"), core], 125, "No such file")
    bench.check("--smaps of its own", bench.run("why", "--smaps", bench.file("own.smaps"), core).status == 0)
    check_cut(bench, core)
    check_kind(bench, core)


def check_nameless(bench, core):
    """Without the names of mapped files, as qemu writes cores."""
    with open(core, "rb") as file:
        content = file.read()
    with open(bench.file("cut"), "wb") as file:
        file.write(content.replace(b"ELIFCORE\0", b"NONECORE\0", 1))
    both(bench, "core that names no files", [bench.file("cut")], 125, "does not say which files")


def check_cut(bench, core):
    for size_bytes in (1, 63, 64, 1000):
        cut(bench, core, size_bytes)
        both(bench, f"core cut to {size_bytes} bytes", [bench.file("cut")], 125, "core file")
    with open(core, "rb") as file:
        headers_at, = struct.unpack("<Q", file.read(40)[32:])
        count, = struct.unpack("<H", file.read(18)[16:])
    cut(bench, core, headers_at + count * 56)
    both(bench, "core cut behind its headers", [bench.file("cut")], 125, "cut off")
    cut(bench, core, os.path.getsize(core) - 4096)
    run = bench.run("why", bench.file("cut"))
    bench.check("core that lacks its last page is looked at with a remark",
                run.status == 0 and len(run.err.splitlines()) == 1 and "is cut off" in run.err, run.status, run.err)


def cut(bench, core, size_bytes):
    subprocess.run(["cp", "--sparse=always", core, bench.file("cut")], check=True)
    os.truncate(bench.file("cut"), size_bytes)


def check_kind(bench, core):
    """32-bit, big-endian, without segments"""
    for name, at, byte, part in (("32-bit core", 4, 1, "not 64-bit"), ("big-endian core", 5, 2, "core"),
                                 ("no segments", 56, 0, "broken core")):
        cut(bench, core, os.path.getsize(core))
        with open(bench.file("cut"), "r+b") as file:
            file.seek(at)
            file.write(bytes([byte] + [0] * (at == 56)))
        both(bench, name, [bench.file("cut")], 125, part)


def usage(bench):
    """wrong usage"""
    both(bench, "no argument", [], 2, "which process")
    both(bench, "empty argument", [""], 2, "The argument is empty")
    refuses(bench, "word that is nothing like a command", ["nothing"], 2, "'acre help' lists them")
    both(bench, "two arguments", ["1", "2"], 2, "one process or core at a time")
    both(bench, "unknown option", ["--bogus", "1"], 2, "--bogus")
    for size in ("0", "1", "4095", "4097", "5000", "-4k", "2t", "4x", "", "k", "4kk", "4k4", "0x1000", "3k",
                 "99999999999999m", "18446744073709551616", " 4k", "4 k"):
        refuses(bench, f"--cell '{size}'", ["map", "--cell", size, "1"], 2, "--cell takes a power of two from 4k to 1t")
    refuses(bench, "--cell of why", ["why", "--cell", "4k", "1"], 2, "--cell")


def outputs(bench):
    """output that cannot be written"""
    for words in (["--help"], ["--version"], ["map", "--help"], ["run", "--version"]):
        with open("/dev/full", "w") as full:
            run = subprocess.run([bench.acre, *words], stdout=full, stderr=subprocess.PIPE, text=True)
        bench.check(f"{' '.join(words)} to a full device", run.returncode == 1 and "standard output" in run.stderr, run)
    program = bench.heap("idle")
    program.reach("ready")
    for command, kinds in (("map", ("json", "svg", "html")), ("why", ("json",))):
        for kind in kinds:
            for path in ("/no/such/file", "/dev/full"):
                refuses(bench, f"{command} --{kind}", [command, "--" + kind, path, program.pid], 1,
                        f"cannot write to {path}")
        for words in ([], ["--json", "-"]):
            with open("/dev/full", "w") as full:
                run = subprocess.run([bench.acre, command, *words, str(program.pid)], stdout=full,
                                     stderr=subprocess.PIPE, text=True)
            lines = run.stderr.splitlines()
            bench.check(f"{command} {' '.join(words)} to a full device",
                        run.returncode == 1 and len(lines) == 1 and "standard output" in lines[0], run)
        with subprocess.Popen([bench.acre, command, str(program.pid)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as run:
            run.stdout.close()
            run.stderr.read()
        bench.check(f"{command} to a reader that goes away ends", run.returncode in (0, 1, -signal.SIGPIPE),
                    run.returncode)


# ---- what works

def works(bench, name, program):
    figures = bench.json("why", program.pid, "--freeze")
    blocks = program.ledger.read()
    wanted = len(blocks), sum(counted for _, counted, _ in blocks)
    seen = figures and (figures["live_blocks"], figures["live_bytes"])
    bench.check(f"{name}: its blocks are seen", blocks and seen == wanted, seen, wanted)
    return figures


def libraries(bench):
    """the counting library; one whose file was deleted, replaced, or has another name"""
    program = bench.heap("small", library=os.path.join(bench.build, "libacre-count.so.1"))
    program.reach("ready")
    works(bench, "counting library", program)
    for change in ("delete", "replace", "rename"):
        library = bench.file(f"{change}/libacre.so.1")
        os.mkdir(bench.file(change))
        shutil.copy(bench.library, library)
        program = bench.heap("small", library=library)
        program.reach("ready")
        before = works(bench, "library", program)
        if change == "delete":
            os.unlink(library)
        elif change == "replace":
            with open(library + ".new", "wb") as file:
                file.write(b"\x7fELF" + b"another one" * 1000)
            os.rename(library + ".new", library)
        else:
            os.rename(library, bench.file("rename/other.so"))
        figures = works(bench, f"library after {change}", program)
        if change != "rename":  # it is by its name that a library is known to be acre's alone
            bench.equal(f"and the same of it is acre's own after {change}", figures["buckets"]["metadata"],
                        before["buckets"]["metadata"])
    program = bench.heap("small", library=bench.library, program="look_heap_linked")
    program.reach("ready")
    bench.check("one linked with acre, and acre preloaded, too", bench.run("why", program.pid).status == 0)


def threads_that_do_not_stop(bench):
    """processes that are stopped, traced, half ended, or wait in the kernel"""
    program = bench.heap("threads")
    program.reach("full")
    program.stop()
    works(bench, "stopped by SIGSTOP", program)
    bench.equal("and is stopped still", look.proc_state(program.pid), "T")
    program.proceed()
    program.go_to("full")
    works(bench, "and when it goes on", program)
    program.end()

    program = bench.heap("leaderless")
    program.reach("ready")
    while look.proc_state(program.pid) != "Z":
        time.sleep(0.01)
    figures = bench.json("why", program.pid)
    bench.check("its first thread has ended", figures is not None and figures["live_blocks"] >= 1)
    bench.check("and is stopped all the same", bench.json("why", program.pid, "--freeze") is not None)
    program.end()

    program = bench.heap("vfork", listed=False)
    program.reach("ready")
    time.sleep(0.2)
    bench.check("waiting for a child of vfork", bench.run("why", program.pid).status == 0)
    refuses(bench, "waiting for a child of vfork", ["why", "--freeze", program.pid], 125, "cannot stop process",
            limit_s=20)
    program.end()

    if shutil.which("gdb"):
        program = bench.heap("idle")
        program.reach("ready")
        debugger = subprocess.Popen(["gdb", "-q", "-nx", "-p", str(program.pid)], stdin=subprocess.PIPE,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=bench.environment())
        while look.proc_state(program.pid) != "t":
            time.sleep(0.01)
        works_unfrozen = bench.run("why", program.pid)
        bench.check("traced by a debugger", works_unfrozen.status == 0, works_unfrozen.err)
        refuses(bench, "traced by a debugger", ["why", "--freeze", program.pid], 125, "is a debugger attached to it?")
        debugger.kill()
        debugger.communicate()
    else:
        bench.skip("traced by a debugger", "no gdb")


def signals(bench):
    """what a process that is stopped again and again makes of it"""
    program = bench.heap("interrupted", listed=False)
    program.reach("ready")
    for number in range(60):
        program.process.send_signal(signal.SIGUSR1)
        bench.run("why", "--freeze", "--json", os.devnull, program.pid)
    program.go_on()
    line = program.process.stdout.readline().decode().split()
    bench.check("no signal is lost and none comes twice", line[:1] == ["signals"] and 50 <= int(line[1]) <= 60, line)
    bench.equal("it ends as it would", program.process.wait(20), 0)
    program = bench.heap("churn", listed=False)
    program.reach("ready")
    for number in range(5):
        look_at = subprocess.Popen([bench.acre, "why", "--freeze", str(program.pid)], stdout=subprocess.DEVNULL)
        time.sleep(0.002 * number)
        look_at.kill()
        look_at.wait()
    before = program.ledger.steps()
    time.sleep(0.3)
    bench.check("it goes on when acre is killed meanwhile", program.ledger.steps() > before)


if __name__ == "__main__":
    look.main(__doc__, [processes, namespaces, other_users, cores, usage, outputs, libraries, threads_that_do_not_stop,
                        signals])
