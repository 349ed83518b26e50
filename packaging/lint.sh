#!/bin/bash
# lint.sh: clang-tidy (.clang-tidy says what it looks for) and cppcheck over src, tool, include and examples. What they
# find is to be mended, or said to be right where it is, with the reason.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

jobs=$(nproc)
CC=clang CXX=clang++ cmake -S . -B build-lint -DCMAKE_BUILD_TYPE=Release -DCMAKE_EXPORT_COMPILE_COMMANDS=ON \
    -DACRE_BENCH=OFF >build-lint.log 2>&1 || { cat build-lint.log; rm -f build-lint.log; exit 1; }
rm -f build-lint.log

mapfile -t files < <(git ls-files src tool examples | grep -E '\.(c|cc)$')
failed=0
printf '%s\n' "${files[@]}" | xargs -P "$jobs" -n 6 clang-tidy -p build-lint --quiet 2>/dev/null || failed=1

# It takes the parentheses of ::new and of a constructor for those of other things.
false_alarms=(--suppress=accessMoved:include/acre/memory_resource.hpp
    --suppress=legacyUninitvar:include/acre/memory_resource.hpp)
cppcheck --quiet -j "$jobs" --std=c17 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
    --suppress=missingIncludeSystem "${false_alarms[@]}" -D__x86_64__=1 -D__BYTE_ORDER__=1234 \
    -D__ORDER_LITTLE_ENDIAN__=1234 -I src -I include -I tool src tool examples || failed=1

[[ $failed -eq 0 ]] && echo "lint: ${#files[@]} files, nothing found"
exit $failed
