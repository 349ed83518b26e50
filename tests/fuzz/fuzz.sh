#!/bin/bash
# fuzz.sh BUILD SECONDS: runs BUILD's fuzz target for so long, in rounds with different options. What it learns gathers in
# BUILD/fuzz/corpus; what it finds is left in BUILD/fuzz, and ends it with exit status 1.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "$1")
seconds=$2
target=$build/tests/bin/acre-fuzz
work=$build/fuzz
round_most=300
options=(source:auto source:brk,huge_threshold:64k source:mmap,huge_cache:off,decay_ms:0 decay_ms:1,thp:always
    scavenger:off,huge_threshold:64k limit:256m,decay_ms:20)

mkdir -p "$work/corpus"
end=$((SECONDS + seconds)) round=0 runs=0
rounds=${#options[@]}
length=$((seconds / rounds < round_most ? seconds / rounds : round_most))
((length > 0)) || length=1
while ((SECONDS < end)); do
    left=$((end - SECONDS))
    used=${options[round % rounds]}
    log=$work/round.log
    if ! ACRE_OPTIONS=$used "$target" -max_total_time=$((left < length ? left : length)) -max_len=1500 -timeout=60 \
        -artifact_prefix="$work/" -print_final_stats=1 "$work/corpus" tests/fuzz/corpus >"$log" 2>&1; then
        grep -v -E 'NEW|REDUCE|pulse|INFO|recommended dictionary|# Uses' "$log" || true
        echo "fuzz: FOUND something with ACRE_OPTIONS=$used: run $target on the file above"
        exit 1
    fi
    executed=$(awk '/stat::number_of_executed_units/ {print $2}' "$log")
    runs=$((runs + executed)) round=$((round + 1))
    echo "fuzz: $((seconds - (end - SECONDS))) s, $runs runs, $(find "$work/corpus" -type f | wc -l) files learned, now $used:" \
        "$(grep -o -E 'cov: [0-9]+ ft: [0-9]+' "$log" | tail -1)"
done
echo "fuzz: nothing found in $runs runs of $SECONDS s"
