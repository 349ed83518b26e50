#!/bin/sh
# System calls between two marker calls, counted by strace.
#   steady.sh steady LOAD LIBRARY          a million malloc/free pairs in steady state make none, with each source
#   steady.sh compare LOAD LIBRARY TOOL    what `acre run --json` reports equals what strace counts
#   steady.sh sources LOAD LIBRARY         which calls each source makes (source:mmap: no brk that moves)
# The report is of the whole process, and start-up and exit lie outside the markers. So each side is taken twice,
# without a workload and with one, and the differences are compared: what strace counts between the markers, and
# what the report has more. Both look at the very same process.
set -u
variant=$1 load=$2 library=$3 tool=${4:-}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

command -v strace > /dev/null || {
    echo "SKIP: strace is not installed"
    exit 77
}
strace -o "$work/probe" true 2> /dev/null || {
    echo "SKIP: strace may not trace here"
    exit 77
}

# The lines between the markers, of the process that makes them (strace -f puts the pid first).
between() {
    awk '/write\(-1, "marker 1"/ { pid = $1; on = 1; next }
         /write\(-1, "marker 2"/ { if ($1 == pid) { on = 0; ended = 1 } }
         on && $1 == pid { print }
         END { if (!ended) exit 1 }' "$1"
}

# between FILE -> number of calls of one name
count() {
    grep -c "^[0-9]* *$2(" "$1"
}

steady() {
    for source in auto brk mmap; do
        # The tracer must not be preloaded itself, or its own allocator would be under test.
        strace -f -o "$work/trace" -E LD_PRELOAD="$library" -E ACRE_TEST_EXPECT=acre \
            -E ACRE_OPTIONS="source:$source" "$load" steady || fail "source:$source: the load failed"
        between "$work/trace" > "$work/calls" || fail "source:$source: the markers are missing"
        calls=$(wc -l < "$work/calls")
        echo "source:$source: $calls system calls in 1000000 malloc/free pairs"
        [ "$calls" -eq 0 ] || {
            fail "source:$source: expected none; the first are"
            head -5 "$work/calls"
        }
    done
}

# One run under the tool, watched from outside; leaves $work/$1.calls and $work/$1.json.
run_reported() {
    # Without address randomisation both runs meet the same break and the same alignments; containers may refuse.
    fixed=""
    setarch -R true 2> /dev/null && fixed="setarch -R"
    $fixed strace -f -o "$work/$1.trace" "$tool" run --json "$work/$1.json" --report /dev/null \
        --option "source:$2" --option "huge_cache:off" --option "scavenger:off" -- "$load" "$1" || fail "source:$2: acre run of $1 failed"
    between "$work/$1.trace" > "$work/$1.calls" || fail "source:$2: the markers of $1 are missing"
}

reported() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["syscalls"][sys.argv[2]])' "$work/$1.json" "$2"
}

compare() {
    [ -x "$tool" ] || {
        fail "no command acre at $tool"
        return
    }
    for source in auto brk mmap; do
        run_reported none "$source"
        run_reported work "$source"
        sum=0
        for name in brk mmap munmap mremap madvise; do
            traced=$(($(count "$work/work.calls" $name) - $(count "$work/none.calls" $name)))
            told=$(($(reported work $name) - $(reported none $name)))
            echo "source:$source: $name: strace $traced, acre run $told"
            [ "$traced" -eq "$told" ] || fail "source:$source: $name differs"
            sum=$((sum + traced))
        done
        # Nothing equals nothing, so the work must have made calls.
        [ "$sum" -ge 10 ] || fail "source:$source: the work made only $sum system calls"
    done
}

sources() {
    for source in auto brk mmap; do
        strace -f -o "$work/trace" -E LD_PRELOAD="$library" -E ACRE_TEST_EXPECT=acre \
            -E ACRE_OPTIONS="source:$source,huge_cache:off" "$load" work || fail "source:$source: the load failed"
        between "$work/trace" > "$work/calls" || fail "source:$source: the markers are missing"
        line=""
        for name in brk mmap munmap mremap madvise; do line="$line $name $(count "$work/calls" $name)"; done
        echo "source:$source:$line"
        brk=$(count "$work/calls" brk) mmap=$(count "$work/calls" mmap)
        case $source in
            auto) [ "$brk" -gt 0 ] && [ "$mmap" -gt 0 ] && [ "$(count "$work/calls" munmap)" -gt 0 ] ||
                fail "auto takes from both and gives huge blocks back" ;;
            brk) [ "$brk" -gt 0 ] || fail "source:brk never moves the break" ;;
            mmap) [ "$brk" -eq 0 ] && [ "$mmap" -gt 0 ] || fail "source:mmap moves the break" ;;
        esac
    done
}

case $variant in
    steady | compare | sources) $variant ;;
    *) fail "unknown variant $variant" ;;
esac
exit $failed
