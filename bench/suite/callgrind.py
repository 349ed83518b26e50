"""Instructions of a hot malloc+free pair of 24 bytes, counted by callgrind; see instructions.py."""
import collections
import os
import re
import subprocess

from suite import allocators

UNKNOWN, SERVED = "???", "malloc or free of an unknown object"
BARE_FUNCTIONS = ("bare_take", "bare_give")  # of load/bare.c
COST = re.compile(r"^[0-9+*-]\S* (\d+)$")


class Names:
    """Callgrind writes a name in full once, as "(id) name", and then only "(id)"."""

    def __init__(self):
        self.names = {}

    def read(self, line):
        key, _, name = line.partition("=")[2].partition(" ")
        return self.names.setdefault(key, name)


def costs_of(path):
    """{(object, function): self cost} of a callgrind file."""
    objects, functions, costs = Names(), Names(), collections.Counter()
    current, where = "", ("", "")
    callee_next = False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in map(str.rstrip, file):
            if line.startswith("ob="):
                current = objects.read(line)
                where = current, ""
            elif line.startswith("cob="):
                objects.read(line)
            elif line.startswith("fn="):
                # Code in a section of its own (tcmalloc's malloc) has no object for valgrind, only a name.
                function = functions.read(line)
                nameless = function in ("malloc", "free") and current == UNKNOWN
                where = SERVED if nameless else current, function
            elif line.startswith("cfn="):
                functions.read(line)
            elif line.startswith("calls="):
                callee_next = True  # the next line is the callee's cost, counted where it is the callee's own
            elif match := COST.match(line):
                if not callee_next:
                    costs[where] += int(match[1])
                callee_next = False
    return costs


class Callgrind:
    def __init__(self, valgrind, load_program, folder):
        self.valgrind, self.load_program, self.folder = valgrind, load_program, folder

    def count(self, loop, preload, pairs):
        out = os.path.join(self.folder, "callgrind.out")
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.folder}
        command = [self.valgrind, "--tool=callgrind", f"--callgrind-out-file={out}", "-q"]
        if preload:
            environment["LD_PRELOAD"] = preload
        done = subprocess.run([*command, self.load_program, loop, "--count", str(pairs)], env=environment,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise allocators.BrokenPreload(f"{preload or loop}: under callgrind: {done.stderr.strip()[-200:]}")
        costs = costs_of(out)
        os.unlink(out)
        return costs

    def difference(self, loop, preload, pairs):
        """{(object, function): what it executes in each pair}."""
        once, twice = self.count(loop, preload, pairs), self.count(loop, preload, 2 * pairs)
        return {where: (twice[where] - once[where]) / pairs for where in twice}

    def per_pair(self, allocator, pairs):
        """(inside the library, in other objects), without the program itself."""
        inside = elsewhere = 0
        for (name, _), cost in self.difference("pairs", allocator.preload, pairs).items():
            if name == SERVED or os.path.realpath(name) == allocator.library:
                inside += cost
            elif os.path.realpath(name) != os.path.realpath(self.load_program):
                elsewhere += cost
        if inside < 1:
            raise allocators.BrokenPreload(f"{allocator.name}: nothing is executed in {allocator.library}")
        return inside, elsewhere

    def bare_pair(self, pairs):
        """The floor: what taking and giving cost on a bare list, without the loop around them."""
        costs = self.difference("bare", "", pairs)
        return sum(cost for (_, function), cost in costs.items() if function in BARE_FUNCTIONS)
