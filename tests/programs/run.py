#!/usr/bin/env python3
"""Runs real programs on glibc and on acre with each source, and compares output, exit status and artefacts.

    run.py --library build/libacre.so.1 [--fast] [--only NAME,NAME] [--source auto,brk,mmap] [--allow-missing]
    run.py --glibc-only      compares glibc with itself: shows that the works are deterministic

Every work first runs twice on glibc: what differs there would prove nothing. That the preload is in effect is shown
by the loader itself (LD_DEBUG=bindings): the program's malloc is bound to the library, and to nothing else.
"""
import argparse
import difflib
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from works import WORKS  # noqa: E402

INPUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "input")
PATH = "/usr/local/bin:/usr/bin:/bin"
TIMEOUT_S = 400
EXCERPT_LINES = 12


def base_environment(home, work):
    """Everything that a program's output could depend on is fixed."""
    date = "2024-01-02T03:04:05Z"
    environment = {
        "PATH": PATH, "HOME": home, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", "SOURCE_DATE_EPOCH": "1704164645",
        "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_NOSYSTEM": "1", "TERM": "dumb"}
    environment.update(work.environment)
    return environment


def malloc_environment(work, library, source):
    """What is added to run on acre; nothing for glibc."""
    if library is None:
        return {}
    return {work.preload_variable: library, "ACRE_OPTIONS": f"source:{source}"}


def run_in_fresh_directory(top, work, command, extra):
    """Runs a shell command; the directory has the same path each time, as paths appear in outputs."""
    directory = os.path.join(top, "run")
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    environment = base_environment(os.path.join(top, "home"), work)
    # The shell is not under test: the preload starts with the programs that it starts.
    assignments = "".join(f"export {key}='{value}'; " for key, value in extra.items())
    shell = ["/bin/sh", "-c", assignments + command.replace("INPUT", INPUT)]
    try:
        done = subprocess.run(shell, cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=TIMEOUT_S, check=False)
        return done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as expired:
        return "timeout", expired.stdout or b"", expired.stderr or b""


def normalise(work, data):
    text = data.decode("utf-8", "backslashreplace")
    for pattern, replacement, _ in work.normalise:
        text = re.sub(pattern, replacement, text)
    return text


def observe(top, work, library, source):
    """One run: a dictionary of what is compared, and one of what is only told."""
    status, out, err = run_in_fresh_directory(top, work, work.command, malloc_environment(work, library, source))
    seen = {"exit status": str(status), "stdout": normalise(work, out), "stderr": normalise(work, err)}
    directory = os.path.join(top, "run")
    for pattern in work.artefacts:
        paths = sorted(glob.glob(os.path.join(directory, pattern)))
        seen[f"list of {pattern}"] = "\n".join(os.path.relpath(path, directory) for path in paths)
        for path in paths:
            with open(path, "rb") as file:
                seen[os.path.relpath(path, directory)] = file.read()
    told = {}
    for name in work.notes:
        path = os.path.join(directory, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                told[name] = " ".join(file.read().split())
    return seen, told


def describe(key, wanted, found):
    """A short excerpt of how two observations differ."""
    if isinstance(wanted, bytes) or isinstance(found, bytes):
        short = [f"{len(data)} bytes, sha1 {hashlib.sha1(data).hexdigest()[:12]}" if data is not None else "missing"
                 for data in (wanted, found)]
        return f"    {key}: glibc {short[0]}; acre {short[1]}"
    lines = list(difflib.unified_diff((wanted or "").splitlines(), (found or "").splitlines(), "glibc", "acre", "", "", 1, ""))
    more = [f"    ... {len(lines) - EXCERPT_LINES} lines more"] if len(lines) > EXCERPT_LINES else []
    return "\n".join([f"    {key}:"] + ["      " + line[:200] for line in lines[:EXCERPT_LINES]] + more)


def differences(wanted, found):
    keys = list(wanted) + [key for key in found if key not in wanted]
    return [describe(key, wanted.get(key), found.get(key)) for key in keys if wanted.get(key) != found.get(key)]


def probe_binding(top, work, library):
    """What the loader bound in the work's programs: a set of (from, to, symbol)."""
    command = work.probe or work.command
    prefix = f"export LD_PRELOAD='{library}' LD_BIND_NOW=1 LD_DEBUG=bindings LD_DEBUG_OUTPUT=\"$PWD/loader\"; "
    run_in_fresh_directory(top, work, prefix + command, {})
    pattern = re.compile(r"binding file (\S+) \[0\] to (\S+) \[0\]: normal symbol `(malloc|free|calloc|realloc)'")
    bound = set()
    for path in glob.glob(os.path.join(top, "run", "loader.*")):
        with open(path, encoding="utf-8", errors="replace") as file:
            for match in pattern.finditer(file.read()):
                bound.add((os.path.basename(match.group(1)), os.path.basename(match.group(2)), match.group(3)))
    return bound


def check_binding(top, work, library):
    """(complaint or None, a line to tell). A program that takes malloc's address may lead others to it through an
    entry of its own: that counts as bound to the library if the entry is."""
    bound = probe_binding(top, work, library)
    names = {os.path.basename(os.path.realpath(library)), os.path.basename(library)}
    ours = {(origin, symbol) for origin, target, symbol in bound if target in names}
    others = sorted({f"{symbol} of {origin} to {target}" for origin, target, symbol in bound
                     if target not in names and (target, symbol) not in ours})
    if not any(symbol == "malloc" for _, symbol in ours):
        return "the loader bound no malloc to the preloaded library", ""
    if others:
        return f"the loader bound {', '.join(others[:4])}", ""
    return None, f"{len(ours)} bindings of malloc and its kin, all to {os.path.basename(library)}"


def missing_packages(works):
    missing = {}
    for work in works:
        absent = [program for program in work.programs if shutil.which(program, path=PATH) is None]
        if absent:
            missing[work.name] = work.packages
    return missing


def is_deterministic(top, work, baseline):
    again, _ = observe(top, work, None, None)
    found = differences(baseline, again)
    if found:
        print(f"FAIL {work.name}: glibc differs from itself, so nothing can be compared")
        print("\n".join(found))
    return not found


def run_work(top, work, options):
    """True if all runs of one work equal glibc's."""
    baseline, told = observe(top, work, None, None)
    if not is_deterministic(top, work, baseline):
        return False
    size = len(baseline["stdout"]) + sum(len(data) for data in baseline.values() if isinstance(data, bytes))
    if size == 0 or baseline["exit status"] == "timeout":
        print(f"FAIL {work.name}: the run on glibc gave nothing to compare (status {baseline['exit status']})")
        print(baseline["stderr"][:500])
        return False
    if options.glibc_only:
        print(f"ok   {work.name}: {size} bytes of output, the same twice; {told or ''}")
        return True
    complaint, binding = check_binding(top, work, options.library)
    if complaint:
        print(f"FAIL {work.name}: {complaint}")
        return False
    for source in options.source.split(","):
        seen, acre_told = observe(top, work, options.library, source)
        found = differences(baseline, seen)
        if found:
            print(f"FAIL {work.name} with source:{source}")
            print("\n".join(found))
            return False
        # Said by the running program, where one can be asked.
        if "maps.seen" in work.notes and "acre" not in acre_told.get("maps.seen", ""):
            print(f"FAIL {work.name}: the library is not in the maps of the running server: {acre_told}")
            return False
    reasons = "".join(f"; normalised {reason}" for _, _, reason in work.normalise)
    print(f"ok   {work.name} ({options.source}; {size} bytes compared; {binding}{reasons})")
    if told:
        print(f"     on glibc run: {told}; on acre run: {acre_told}")
    return True


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", help="the library to preload")
    parser.add_argument("--glibc-only", action="store_true", help="only compare glibc with itself")
    parser.add_argument("--fast", action="store_true", help="a subset, with source auto and less work")
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--source", default="auto,brk,mmap")
    parser.add_argument("--allow-missing", action="store_true", help="go on without programs that are not installed")
    options = parser.parse_args()
    if not options.glibc_only:
        if not options.library or not os.path.exists(options.library):
            parser.error(f"no library at {options.library}")
        options.library = os.path.abspath(options.library)
    return options


def choose(options):
    works = WORKS
    if options.only:
        works = [work for work in WORKS if work.name in options.only.split(",")]
    elif options.fast:
        works = [work for work in WORKS if work.fast]
        options.source = "auto"
        for work in works:
            work.environment = {**work.environment, "WORK_SIZE": "5"}
    return works


def main():
    options = parse()
    works = choose(options)
    missing = missing_packages(works)
    packages = sorted({package for names in missing.values() for package in names})
    if missing and not options.allow_missing:
        print(f"FAIL: not installed: {', '.join(missing)}; apt-get install {' '.join(packages)}")
        return 1
    failed = []
    with tempfile.TemporaryDirectory(prefix="acre-programs-") as top:
        os.makedirs(os.path.join(top, "home"))
        for work in works:
            if work.name in missing:
                print(f"SKIP {work.name}: not installed (packages {' '.join(work.packages)})")
            elif not run_work(top, work, options):
                failed.append(work.name)
            sys.stdout.flush()
    run = len(works) - len(missing)
    print(f"programs: {run - len(failed)} of {run} equal glibc"
          + (f"; failed: {', '.join(failed)}" if failed else "") + (f"; {len(missing)} skipped" if missing else ""))
    return 1 if failed or run == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
