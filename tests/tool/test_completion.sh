#!/bin/bash
# Tests of the completion of acre in bash. Usage: test_completion.sh BUILD_DIRECTORY
# Prints TAP; exits 1 when a test failed.
set -u
build=$(cd "${1:?usage: test_completion.sh BUILD_DIRECTORY}" && pwd) || exit 2
source "$(dirname "$0")/../../packaging/acre.bash-completion" || exit 2
PATH=$build/bin:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/acre-completion.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" && touch core.17 saved.smaps || exit 2
tests=0 failures=0

# press LINE: the answers when tab is pressed at the end of the line, sorted
press() {
    COMP_LINE=$1 COMP_POINT=${#1}
    read -ra COMP_WORDS <<<"$1"
    [[ $1 != *" " ]] || COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    _acre 2>/dev/null
    printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' '
}

# completes LINE WANTED
completes() {
    local got
    got=$(press "$1")
    tests=$((tests + 1))
    if [[ $got == "$2 " ]]; then
        echo "ok $tests - $1"
    else
        failures=$((failures + 1))
        printf 'not ok %d - %s\n# got:    %s\n# wanted: %s\n' "$tests" "$1" "$got" "$2"
    fi
}

# Every option that --help knows is completed, and no other.
knows_options_of() {
    local known
    known=$(acre "$1" --help | grep -oE -- '--[a-z]+' | grep -vE -- '--usage' | sort -u | tr '\n' ' ')
    [[ $1 != run ]] || known="-- $known"
    completes "acre $1 --" "${known% }"
}

completes "acre " "--help --version help map options run sources top trim why"
completes "acre help " "help map options run sources top trim why"
for command in run map why top trim sources options; do knows_options_of "$command"; done
completes "acre why cor" "core.17"
for line in "acre why --freeze" "acre map" "acre trim" "acre top"; do
    tests=$((tests + 1)) # others may begin with the same digits
    if [[ " $(press "$line $$")" == *" $$ "* ]]; then
        echo "ok $tests - $line PID"
    else
        failures=$((failures + 1))
        echo "not ok $tests - $line PID"
    fi
done
completes "acre map --cell 2" "256k"
completes "acre map --svg sa" "saved.smaps"
completes "acre why --smaps sa" "saved.smaps"
completes "acre run --library p" "plain"
completes "acre run --option source:mm" "mmap"
echo "1..$tests"
[[ $failures -eq 0 ]]
