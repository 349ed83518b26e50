#!/usr/bin/env python3
"""Does the suite notice? Breaks acre by hand, one invariant at a time, and runs the tests that are to notice it.

    mutants.py [--build FOLDER] [--only NAME,...] [--list]

Works in a copy of the sources under FOLDER (build-mutants). A mutant is text that stands in one place of a file, and what
is put there instead: one whose text is not there any more ends it, since then the list is to be brought up to date. First
the tests run on what is not broken. Exit status 0: each mutant was noticed by a test of its own.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections import namedtuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What is broken; where; the text there, and instead; the targets that must be built, and the tests (ctest -R), of which at
# least one must fail.
Mutant = namedtuple("Mutant", "name meaning file before after targets tests")

MUTANTS = [
    Mutant("calloc-dirty", "calloc does not clear what was used before", "src/api/malloc.c",
           "        return block;\n    if (block != NULL && dirty_bytes > 0) memset(block, 0, acre_min(size_bytes, dirty_bytes));\n",
           "        return block;\n", "model_linked", r"model\.model_linked"),
    Mutant("fresh-zero", "pages that were used before count as zeros", "src/slab/slab.c",
           "slab->zero = place.dirty == 0;", "slab->zero = true;", "fuzz_replay model_linked",
           r"model\.model_linked|fuzz\.replay"),
    Mutant("realloc-short", "realloc copies too little", "src/api/malloc.c",
           "    memcpy(moved, block, acre_min(size_bytes, usable_bytes));\n    ",
           "    memcpy(moved, block, acre_min(size_bytes, usable_bytes) / 2);\n    ", "model_linked", r"model\.model_linked"),
    Mutant("aligned", "aligned blocks are cut from any class", "src/slab/size_class.h",
           "return acre_align_up(acre_max(size_bytes, 1), alignment);", "return acre_max(size_bytes, alignment);",
           "conformance_alignment acre", r"api\.alignment\.auto"),
    Mutant("double-free", "a block that is free is freed again", "src/slab/slab.h",
           "if (ACRE_UNLIKELY(acre_slab_is_free(slab, number))) {", "if (false) {", "misuse_linked", r"api\.misuse_linked\.auto"),
    Mutant("remote-queue", "who frees from afar does not queue the slab", "src/heap/remote.c",
           "    if (acre_slab_must_queue(slab)) queue_slab(atomic_load(&slab->heap), slab);\n", "",
           "soak unit_heap unit_rest", r"soak|unit\.(heap|rest)"),
    Mutant("collect-word", "of remote frees the first word is collected", "src/slab/slab.c",
           "for (uint32_t word = 0; remote != NULL && word < words; word++) {\n        if (atomic_load(&remote[word]",
           "for (uint32_t word = 0; remote != NULL && word < 1; word++) {\n        if (atomic_load(&remote[word]",
           "soak unit_slab fuzz_replay", r"soak|unit\.slab|fuzz\.replay"),
    Mutant("bury-queued", "a dead slab's record is given back though it is queued", "src/slab/slab.c",
           "& ACRE_QUEUED) == 0) bury(slab);", "& ACRE_QUEUED) != 4) bury(slab);", "soak unit_slab unit_heap",
           r"soak|unit\.(slab|heap)"),
    Mutant("outbox-kept", "frees from afar are sent only if they lie in the outbox's first slot", "src/heap/remote.c",
           "slot < ACRE_OUTBOX_SLOTS && thread->outbox.unsent > 0", "slot < 1 && thread->outbox.unsent > 0",
           "soak unit_heap fuzz_replay", r"soak|unit\.heap|fuzz\.replay"),
    Mutant("fork", "nothing is done about a fork", "src/api/fork.c",
           "{ pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }",
           "{ (void)before_fork, (void)after_fork_in_parent, (void)after_fork_in_child; }", "fork_storm acre",
           r"life\.fork_inherit\.auto"),
    Mutant("gate-open", "a refill does not look at the gate", "src/heap/gate.h",
           "    acre_gate_knock(heap);\n    ACRE_GO_IF_SET(acre_gate_is_closed, closed);\n    return;\nclosed:\n    acre_gate_wait(heap);\n",
           "    acre_gate_knock(heap);\n", "unit_holes give_back acre soak", r"unit\.holes|life\.give_back_holes\.auto|soak"),
    Mutant("limit", "an arena may have more than its limit", "src/source/quota.h",
           "if (held_bytes > quota->limit_bytes || size_bytes > quota->limit_bytes - held_bytes) return false;", ";",
           "model_arenas", r"model\.arenas_seed_1\.auto"),
    Mutant("late-lookaside", "the end of an arena leaves its slabs in lookasides", "src/heap/others.c",
           "    forget_slabs(heap->home, heap->depot);\n", "    (void)forget_slabs;\n", "model_arenas fuzz_replay",
           r"model\.arenas_(seed_1|few)\.auto|fuzz\.replay"),
    Mutant("others-noted", "which places of the lookaside an arena's slabs have is not noted", "src/heap/heap.h",
           "if (ACRE_UNLIKELY(!slab->depot->is_default))\n", "if (slab->depot == NULL)\n", "model_arenas fuzz_replay",
           r"model\.arenas_(seed_1|few)\.auto|fuzz\.replay"),
    Mutant("medium-named", "a medium slab that is given away stays in the lookaside", "src/heap/heap.c",
           "if (*found == acre_lookaside_name(slab, granule)) *found",
           "if (acre_slab_is_small(slab) && *found == acre_lookaside_name(slab, granule)) *found",
           "soak unit_heap fuzz_replay", r"soak|unit\.heap|fuzz\.replay"),
    Mutant("late-claim", "a thread past its last destructors gets the short way to an arena", "src/api/arenas.c",
           "    if (heap->home->is_late) return;\n", "", "late_arenas", r"life\.late_arenas_shared\.auto"),
    Mutant("place-bound", "the best place of a slab is looked for up to the heap's top", "src/span/page_heap.c",
           "    left = (uint32_t)acre_max(LOOKED_AT_LEAST, acre_min(left, LOOKED_AT_MOST));\n", "    left = UINT32_MAX;\n",
           "break_moves acre", r"sources\.break_low_20000\.brk"),
    Mutant("wide", "a small class never gets blocks of its own", "src/heap/wide.c",
           "bool many = slabs + 1 >= SLABS_A_THREAD * acre_heap_threads();", "bool many = slabs == UINT32_MAX;",
           "unit_heap", r"unit\.heap"),
    Mutant("wide-first", "a wider class's blocks go out before a class's own that are free", "src/heap/wide.c",
           "many || has_some(heap, narrow)", "many || (has_some(heap, narrow) && many)", "unit_heap", r"unit\.heap"),
    Mutant("depot-count", "what is freed in the depot is not counted", "src/slab/depot.c",
           "slab->free_at_arm += acre_slab_set_free(slab, number);", "acre_slab_set_free(slab, number);", "unit_heap soak",
           r"unit\.heap|soak"),
    Mutant("huge-sparse", "chunks get huge pages however little of the one before is touched", "src/span/page_heap_chunks.c",
           "#define DENSE_PARTS 3 ", "#define DENSE_PARTS 0 ", "huge_pages acre", r"sources\.huge_pages_sparse"),
    Mutant("huge-aligned", "chunks of the break do not begin where huge pages do", "src/span/page_heap_chunks.c",
           "acre_align_down(end, HUGE_PAGE_BYTES) : end;", "end : end;", "huge_pages acre", r"sources\.huge_pages_auto"),
    Mutant("huge-full", "huge blocks get huge pages after any other", "src/span/huge_pages.c",
           "#define FULL_PARTS 7 ", "#define FULL_PARTS 0 ", "unit_huge", r"unit\.huge"),
    Mutant("huge-parts", "what is cut off a mapping with huge pages is said to have none", "src/span/huge_cache.c",
           "    other->huge_pages = huge->huge_pages;\n", "", "unit_huge", r"unit\.huge"),
    Mutant("posix-errno", "posix_memalign leaves its errno behind", "src/api/aligned.c",
           "    errno = kept;\n    if (block == NULL) return ENOMEM;", "    if (block == NULL) return ENOMEM;",
           "conformance_alignment acre fuzz_replay", r"api\.alignment\.auto|fuzz\.replay"),
    Mutant("secure", "ACRE_OPTIONS counts in programs with more rights than their starter", "src/api/start.c",
           'acre_os_is_secure() ? NULL : acre_os_environment("ACRE_OPTIONS")', 'acre_os_environment("ACRE_OPTIONS")',
           "start_static", r"life\.start_set_user_id"),
]


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)


def end(words, output=""):
    sys.exit(f"mutants: {words}\n{output[-4000:]}")


def copy_sources(to):
    files = run(["git", "ls-files", "-z"], cwd=ROOT).stdout.split("\0")
    for name in filter(None, files):
        source, target = os.path.join(ROOT, name), os.path.join(to, name)
        if not os.path.exists(source):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        # One that is as it was is not built again.
        if not os.path.exists(target) or open(source, "rb").read() != open(target, "rb").read():
            shutil.copyfile(source, target)
            shutil.copymode(source, target)


def edit(path, before, after):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.count(before) != 1:
        end(f"{path}: the text of a mutant is there {text.count(before)} times; it must be brought up to date:\n{before}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(before, after))


class Suite:
    def __init__(self, folder):
        self.sources, self.build = os.path.join(folder, "sources"), os.path.join(folder, "build")

    def prepare(self):
        copy_sources(self.sources)
        done = run(["cmake", "-S", self.sources, "-B", self.build, "-DCMAKE_BUILD_TYPE=Release", "-DACRE_BENCH=OFF",
                    "-DACRE_TOOL=OFF"])
        if done.returncode != 0:
            end("it cannot be configured", done.stdout)

    def make(self, targets):
        done = run(["cmake", "--build", self.build, f"-j{os.cpu_count()}", "--target", *sorted(targets)])
        if done.returncode != 0:
            end("it cannot be built", done.stdout)

    def test(self, pattern, *more):
        """The names of those that passed, and of those that did not."""
        done = run(["ctest", "-j2", "--timeout", "120", *more, "-R", pattern], cwd=self.build).stdout
        results = re.findall(r"Test +#\d+: (\S+) \.*(.*)", done)
        passed = [name for name, word in results if "Passed" in word]
        failed = [name for name, word in results if "Passed" not in word and "Skipped" not in word]
        return passed, failed, done


def check(suite, mutant):
    began = time.monotonic()
    edit(os.path.join(suite.sources, mutant.file), mutant.before, mutant.after)
    suite.make(mutant.targets.split())
    passed, failed, _ = suite.test(mutant.tests, "--stop-on-failure")
    copy_sources(suite.sources)
    word = "noticed by " + ", ".join(failed) if failed else "NOT NOTICED by " + (", ".join(passed) or "any test: all were skipped")
    print(f"{mutant.name}: {mutant.meaning}: {word} ({time.monotonic() - began:.0f} s)", flush=True)
    return bool(failed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build-mutants"))
    parser.add_argument("--only", default="", metavar="NAME,...")
    parser.add_argument("--list", action="store_true", help="what is broken, and who is to notice")
    options = parser.parse_args()
    names = set(filter(None, options.only.split(",")))
    mutants = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name:15} {mutant.meaning} ({mutant.file}): {mutant.tests}")
        return 0
    suite = Suite(options.build)
    suite.prepare()
    suite.make({target for mutant in mutants for target in mutant.targets.split()})
    passed, failed, output = suite.test("|".join(mutant.tests for mutant in mutants))
    if failed or not passed:
        end("the tests fail on what is not broken", output)
    print(f"not broken: {len(passed)} tests pass", flush=True)
    noticed = [check(suite, mutant) for mutant in mutants]
    print(f"mutants: {sum(noticed)} of {len(noticed)} noticed")
    return 0 if all(noticed) else 1


if __name__ == "__main__":
    sys.exit(main())
