#!/bin/bash
# soak.sh SECONDS BUILD...: the soak under each build, with different options, in equal parts of so many seconds. The
# command that looks from outside is the first build's.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=$1
shift
builds=("$@")
options=(source:auto source:brk,huge_threshold:64k source:mmap,huge_cache:off,decay_ms:1)
part=$((seconds / (${#builds[@]} * ${#options[@]})))
((part >= 5)) || part=5

seed=1
for build in "${builds[@]}"; do
    for used in "${options[@]}"; do
        echo "soak: $build, $used, $part s"
        ACRE_OPTIONS=$used ACRE_TEST_EXPECT=acre "$build/tests/bin/soak" --seconds "$part" --seed $seed \
            --acre "$PWD/${builds[0]}/bin/acre"
        seed=$((seed + 1))
    done
done
echo "soak: all well"
