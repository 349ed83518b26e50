#!/bin/sh
# all.sh BUILD [SEEDS]: every system call that the workload makes is refused once, alone and together with all that
# come after it, and then many at random; for each way that memory comes by. Takes a quarter of an hour.
set -u
faults=$1/tests/bin/faults seeds=${2:-200} failed=0
for options in source:auto,scavenger:off source:auto,decay_ms:1 source:brk,decay_ms:0,scavenger:off \
    source:mmap,huge_cache:off,scavenger:off source:mmap,huge_threshold:64k,thp:always,scavenger:off; do
    for how in one on "random --seeds $seeds"; do
        # shellcheck disable=SC2086 # two words
        ACRE_OPTIONS=$options "$faults" $how || failed=1
    done
done
[ "$failed" -eq 0 ] || echo "check-faults: FAILED"
exit "$failed"
