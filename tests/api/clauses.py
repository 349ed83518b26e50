#!/usr/bin/env python3
"""clauses.py FOLDER: checks that clauses.md names every test of conformance_*.c, and no other."""
import pathlib
import re
import sys

folder = pathlib.Path(sys.argv[1])
named = set(re.findall(r"`([a-z0-9_]+)`", (folder / "clauses.md").read_text().split("| --- |", 1)[1]))
there = set()
for source in sorted(folder.glob("conformance_*.c")):
    there |= set(re.findall(r"cmocka_unit_test\((\w+)\)", source.read_text()))
for name in sorted(named - there):
    print(f"clauses.md names {name}, which is no test")
for name in sorted(there - named):
    print(f"clauses.md has no clause for {name}")
sys.exit(0 if named == there and there else 1)
