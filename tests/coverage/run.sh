#!/bin/sh
# run.sh BUILD: builds the library with gcov, runs the tests on it, and says what ran; at least 95 % of the lines of src/
# must have. Tests that fork in signal handlers are left out: gcov's own locks are not made for that. So are those that
# count system calls, allow few of them, or start the library as another user, which would see what gcov does.
set -eu
cd "$(dirname "$0")/../.."
build=$1
unset ACRE_OPTIONS LD_PRELOAD CFLAGS CXXFLAGS LDFLAGS MAKEFLAGS MFLAGS

cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Debug -DACRE_COVERAGE=ON -DACRE_BENCH=OFF >/dev/null
cmake --build "$build" -j"$(nproc)" | grep -E 'error|warning|\*\*\*' || true
find "$build" -name '*.gcda' -delete
(cd "$build" && ctest -j2 -L 'unit|api|model|life|sources|arenas|faults|fuzz|examples' -LE glibc \
    -E 'fork_signal|set_user_id|strace|seccomp') >"$build/tests.log" 2>&1 || true
(cd "$build" && ctest -R '^tool\.(run|run_html|trim)$') >>"$build/tests.log" 2>&1 || true
# What fails here and not in make check is disturbed by gcov; its lines are none the less run.
awk '/The following tests FAILED/ { on = 1 } on && /Failed|Timeout|SIG|Exception/ { print "coverage: failed: " $3 }
     /Errors while running/ { on = 0 }' "$build/tests.log"
python3 tests/coverage/report.py "$build" --least 95
