#!/bin/bash
# make check: every build and every test, in steps. Stops at the first step that fails and names it. The last line
# sums up all runs of ctest. Expects that the tools are installed (see the Makefile).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
unset ACRE_OPTIONS LD_PRELOAD CFLAGS CXXFLAGS LDFLAGS MAKEFLAGS MFLAGS

jobs=$(nproc)
results=$(mktemp) || exit 1
trap 'rm -f "$results"' EXIT
has_unit_tests=false
[[ ! -f tests/unit/CMakeLists.txt ]] || has_unit_tests=true

# Passed, failed and skipped tests over all of ctest's summaries; ctest itself counts a skipped test as passed.
sum_up() {
    awk '/tests passed, [0-9]+ tests? failed out of [0-9]+/ {
             match($0, /[0-9]+ tests? failed/); failed = substr($0, RSTART) + 0
             match($0, /out of [0-9]+/); all = substr($0, RSTART + 7) + 0
             failures += failed; passes += all - failed
         }
         /^ *[0-9]+\/[0-9]+ Test .*\*\*\*Skipped/ { skips++ }
         END {
             if (skips) printf "check: %d skipped; ctest names them above\n", skips
             printf "%d passed, %d failed\n", passes - skips, failures
         }' "$results"
}

# step NAME COMMAND...
step() {
    local name=$1 started=$SECONDS
    shift
    echo "check: === $name"
    if "$@"; then
        echo "check: === $name: done in $((SECONDS - started)) s"
        return
    fi
    echo "check: FAILED: $name (after $((SECONDS - started)) s)"
    [[ $name != test* ]] || sum_up
    exit 1
}

# configure FOLDER COMPILER ARGUMENT...: the compiler is chosen when the folder is new
configure() {
    local folder=$1 compiler=$2
    shift 2
    case $compiler in
    gcc) CC=gcc CXX=g++ cmake -S . -B "$folder" "$@" ;;
    clang) CC=clang CXX=clang++ cmake -S . -B "$folder" "$@" ;;
    esac >"$results.cmake" 2>&1
    local status=$?
    [[ $status -eq 0 ]] || cat "$results.cmake"
    rm -f "$results.cmake"
    return $status
}

# build FOLDER [TARGET...]
build() {
    local folder=$1
    shift
    cmake --build "$folder" -j"$jobs" ${1:+--target "$@"}
}

# run_tests FOLDER ARGUMENT...
run_tests() {
    local folder=$1
    shift
    (cd "$folder" && ctest -j2 --output-on-failure --no-tests=error "$@") 2>&1 | tee -a "$results"
}

step 'configure gcc, release, -Werror' configure build gcc -DCMAKE_BUILD_TYPE=Release -DACRE_WERROR=ON
step 'build gcc, release, -Werror' build build
step 'test gcc, release: everything' run_tests build

step 'configure gcc, debug, checks on' configure build-debug gcc -DCMAKE_BUILD_TYPE=Debug -DACRE_DEBUG=ON \
    -DACRE_TOOL=OFF -DACRE_BENCH=OFF
step 'build gcc, debug, checks on' build build-debug
step 'test gcc, debug: unit, model, api, fuzz, soak, examples' run_tests build-debug -L 'unit|model|api|fuzz|soak|examples'

step 'configure clang, -Werror' configure build-clang clang -DCMAKE_BUILD_TYPE=Release -DACRE_WERROR=ON \
    -DACRE_BENCH=OFF -DBUILD_TESTING=OFF
step 'build clang, -Werror' build build-clang acre acre_static acre_count acre_tool

# libFuzzer's copy of acre, over what it has learned and then for a few seconds on its own.
step 'configure clang, fuzz target' configure build-fuzz clang -DCMAKE_BUILD_TYPE=Debug -DACRE_FUZZ=ON \
    -DACRE_TOOL=OFF -DACRE_BENCH=OFF
step 'build clang, fuzz target' build build-fuzz acre-fuzz
step 'fuzz' tests/fuzz/fuzz.sh build-fuzz 12

if $has_unit_tests; then
    step 'configure gcc, sanitizers' configure build-asan gcc -DCMAKE_BUILD_TYPE=Debug \
        -DACRE_SANITIZE=address,undefined -DACRE_TOOL=OFF -DACRE_BENCH=OFF
    step 'build gcc, sanitizers' build build-asan
    step 'test gcc, sanitizers: unit' run_tests build-asan -L unit
fi

# acre itself under sanitizers that leave malloc to it; of the tests those that are linked with it, and do not take long.
step 'configure gcc, acre under UBSan' configure build-ubsan gcc -DCMAKE_BUILD_TYPE=Debug \
    -DACRE_SANITIZE=undefined -DACRE_TOOL=OFF -DACRE_BENCH=OFF
step 'build gcc, acre under UBSan' build build-ubsan
step 'test gcc, acre under UBSan: examples and what is linked' run_tests build-ubsan \
    -L 'sanitized|examples|api|model|life|fuzz' -R '^examples|auto$' -E fork_storm
step 'configure gcc, acre under ThreadSanitizer' configure build-tsan gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DACRE_SANITIZE=thread -DACRE_TOOL=OFF -DACRE_BENCH=OFF
step 'build gcc, acre under ThreadSanitizer' build build-tsan
step 'test gcc, acre under ThreadSanitizer: examples, and threads' run_tests build-tsan \
    -R '^(sanitized|examples)|(arenas_threads|arenas_few|model_linked|memory_resource_linked|thread_short_linked).auto$'

# Only the library, the unit tests and some static programs, on Debian's ARM build of cmocka.
if $has_unit_tests; then
    step 'packages for aarch64' packaging/need.sh libcmocka-dev:arm64
fi
step 'configure aarch64' configure build-aarch64 gcc -G 'Unix Makefiles' -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_TOOLCHAIN_FILE="$PWD/packaging/aarch64.cmake" -DACRE_WERROR=ON -DACRE_TOOL=OFF -DACRE_BENCH=OFF \
    -DBUILD_TESTING="$has_unit_tests"
step 'build aarch64: library' build build-aarch64 acre acre_static acre_count
if $has_unit_tests; then
    step 'build aarch64: unit tests' make -C build-aarch64/tests/unit -j"$jobs" --no-print-directory
    step 'test aarch64 under qemu: unit' run_tests build-aarch64 -L unit
    # Pages of 16 and 64 KiB. Of programs only static ones: the loader's own data lie on a page that qemu maps in part.
    step 'build aarch64: static programs' build build-aarch64 model_static phases_static operators_static
    for page_bytes in 16384 65536; do
        export QEMU_PAGESIZE=$page_bytes
        step "test aarch64 under qemu, pages of $page_bytes bytes: unit, static programs" run_tests build-aarch64 \
            -L 'unit|model|life|api' -R '^unit|(model|phases|operators)_static'
    done
    unset QEMU_PAGESIZE
fi

echo "check: all steps done in $SECONDS s"
sum_up
