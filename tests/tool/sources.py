#!/usr/bin/env python3
"""acre sources: sources.py BUILD_DIRECTORY. That it measures, and that what it says can be."""
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

ACRE = os.path.join(os.path.abspath(sys.argv[1]), "bin", "acre")


def run(*arguments):
    return subprocess.run([ACRE, "sources", *arguments], capture_output=True, text=True, timeout=100, check=False)


def check_costs(costs):
    for cost in costs:
        assert 0 < cost["low_ns"] <= cost["median_ns"] <= cost["high_ns"] < 1e9, cost


def check_json(folder):
    plot = os.path.join(folder, "plot.svg")
    done = run("--rounds", "3", "--json", "-", "--svg", plot)
    assert (done.returncode, done.stderr) == (0, ""), done
    figures = json.loads(done.stdout)
    assert figures["schema"] == "acre-sources/1" and figures["rounds"] == 3
    calls = figures["calls"]
    check_costs(calls.values())
    check_costs(figures["back"].values())
    for part in "grow_and_touch", "shrink":
        assert set(figures[part]) == {"break", "mmap", "break_huge", "mmap_huge"}
        for way in figures[part].values():
            assert [entry["size_bytes"] for entry in way] == [64 << 10, 1 << 20, 16 << 20, 64 << 20]
            check_costs(entry["page"] for entry in way)
    # What is so on every machine: a malloc is no system call, and a fault is no touch.
    assert calls["malloc_free"]["median_ns"] < calls["mmap_munmap"]["median_ns"]
    assert figures["back"]["again"]["median_ns"] > calls["malloc_free"]["median_ns"]
    xml.etree.ElementTree.parse(plot)


def check_text():
    done = run("--rounds", "3")
    assert (done.returncode, done.stderr) == (0, ""), done
    for words in "malloc and free of 24 bytes", "64.0 MiB", "MADV_DONTNEED", "What it means here":
        assert words in done.stdout, (words, done.stdout)


def check_refusals():
    for arguments in ("--rounds", "0"), ("--rounds", "x"), ("more",):
        assert run(*arguments).returncode == 2, arguments
    assert run("--rounds", "3", "--svg", "/nowhere/plot.svg").returncode == 1


def main():
    with tempfile.TemporaryDirectory(prefix="acre-sources-") as folder:
        check_json(folder)
    check_text()
    check_refusals()


if __name__ == "__main__":
    main()
