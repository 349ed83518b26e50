#!/bin/bash
# Tests of the command acre. Usage: test_run.sh BUILD_DIRECTORY
# Prints TAP; exits 1 when a test failed. Needs a C compiler and python3.
set -u
build=$(cd "${1:?usage: test_run.sh BUILD_DIRECTORY}" && pwd) || exit 2
here=$(cd "$(dirname "$0")" && pwd)
acre=$build/bin/acre
work=$(mktemp -d "${TMPDIR:-/tmp}/acre-tool.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
chmod 755 "$work"
unset ACRE_OPTIONS ACRE_LIBRARY_DIR ACRE_COUNT LD_PRELOAD NO_COLOR COLUMNS
export LC_ALL=C
tests=0 failures=0

# is NAME GOT WANTED
is() {
    tests=$((tests + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $tests - $1"
    else
        failures=$((failures + 1))
        echo "not ok $tests - $1"
        printf '# got:    %s\n# wanted: %s\n' "$2" "$3"
    fi
}

# has NAME TEXT PATTERN: an extended regular expression that must match in TEXT
has() {
    tests=$((tests + 1))
    if printf '%s\n' "$2" | grep -Eq -- "$3"; then
        echo "ok $tests - $1"
    else
        failures=$((failures + 1))
        echo "not ok $tests - $1"
        printf '%s\n' "$2" | sed 's/^/# /'
        printf '# wanted: %s\n' "$3"
    fi
}

skip() {
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

# status COMMAND...: its exit status as a shell sees it; its stderr is left in the file err
status() {
    "$@" >out 2>err
    echo $?
}

# json FILE EXPRESSION: Python, with the object as d
json() {
    python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}

as_other_user() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
    else
        "$@"
    fi
}

lines() { wc -l <"$1" | tr -d ' '; }

compile() { # OUTPUT FLAGS...: C from standard input
    local output=$1
    shift
    "${CC:-cc}" -O0 -x c -o "$output" - "$@" || echo "# cannot compile $output"
}

test_commands() {
    is "no command: status" "$(status "$acre")" 2
    is "help is --help" "$("$acre" help)" "$("$acre" --help)"
    is "--help: status" "$(status "$acre" --help)" 0
    has "--help lists the commands" "$(cat out)" '^ +run '
    has "--version" "$("$acre" --version)" '^acre [0-9]+\.[0-9]+\.[0-9]+$'
    is "unknown command: status" "$(status "$acre" rnu)" 2
    is "unknown command: one line" "$(cat err)" "acre: there is no command 'rnu'; the nearest is 'acre run'"
    for command in run options help; do
        is "help $command" "$("$acre" help $command)" "$("$acre" $command --help)"
    done
    is "help for nothing known: status" "$(status "$acre" help optoins)" 2
    is "full device is noticed" "$("$acre" options 2>err >/dev/full; echo $?)" 1
}

test_options() {
    is "options: status" "$(status "$acre" options)" 0
    has "options: default" "$(cat out)" '^source +auto +auto +default '
    for width in 40 60 80 132; do
        is "options fits $width columns" "$(COLUMNS=$width "$acre" options | awk -v w=$width 'length > w && !/^[a-zK]/' | wc -l)" 0
    done
    has "options: set" "$(ACRE_OPTIONS=source:brk,brk_limit:1m,source:mmap "$acre" options)" \
        '^source +auto +mmap +ACRE_OPTIONS'
    has "options: a size" "$(ACRE_OPTIONS=brk_limit:2048K "$acre" options)" '^brk_limit +64MiB +2MiB +ACRE_OPTIONS'
    is "options: unknown key" "$(ACRE_OPTIONS=sorce:brk "$acre" options 2>&1 >/dev/null)" \
        "acre: ACRE_OPTIONS: there is no option 'sorce'; the nearest is 'source'"
    is "options: out of range" "$(ACRE_OPTIONS=huge_threshold:1k "$acre" options 2>&1 >/dev/null)" \
        "acre: ACRE_OPTIONS: huge_threshold takes a size from 64KiB to 2MiB, not '1k'"
    is "options: no choice" "$(ACRE_OPTIONS=source:disk "$acre" options 2>&1 >/dev/null)" \
        "acre: ACRE_OPTIONS: source takes one of auto|brk|mmap, not 'disk'"
    for bad in brk_limit:-1 brk_limit:1x brk_limit: brk_limit decay_ms:10k decay_ms:3600001 \
        brk_limit:99999999999999999999 brk_limit:99999999999t; do
        has "options: bad $bad" "$(ACRE_OPTIONS=$bad "$acre" options 2>&1 >/dev/null)" '^acre: ACRE_OPTIONS: '
    done
    ACRE_OPTIONS=decay_ms:5 "$acre" options --json >options.json
    is "options --json: schema" "$(json options.json 'd["schema"]')" acre-options/1
    is "options --json: value" \
        "$(json options.json '[(o["default"], o["value"], o["from"]) for o in d["options"] if o["key"] == "decay_ms"]')" \
        "[(200, 5, 'ACRE_OPTIONS')]"
    is "roff has every key" "$("$acre" options --roff | grep -c '^\.TP')" "$(json options.json 'len(d["options"])')"
}

test_passthrough() {
    is "exit status 0" "$(status "$acre" run -- true)" 0
    is "exit status 37" "$(status "$acre" run -- sh -c 'exit 37')" 37
    is "exit status 255" "$(status "$acre" run -- sh -c 'exit 255')" 255
    head -c 300000 /dev/urandom >bytes
    "$acre" run -- cat <bytes >copy 2>/dev/null
    is "stdin to stdout, byte for byte" "$(cmp bytes copy 2>&1)" ""
    is "the command's stderr comes first" "$("$acre" run -- sh -c 'echo mine >&2' 2>&1 | head -1)" mine
    is "words are not split" "$("$acre" run -- printf '<%s>' 'a b' '' "c'd" 2>/dev/null)" "<a b><><c'd>"
    is "options of the command stay its own" "$("$acre" run echo --json x 2>/dev/null)" "--json x"
    is "environment of --option" "$(ACRE_OPTIONS=source:brk "$acre" run --option source:mmap --option decay_ms:1 -- \
        sh -c 'echo $ACRE_OPTIONS' 2>/dev/null)" "source:brk,source:mmap,decay_ms:1"
    has "LD_PRELOAD keeps what was there" "$(LD_PRELOAD=/none/libx.so "$acre" run -- \
        sh -c 'echo $LD_PRELOAD' 2>/dev/null)" '^/.*/libacre-count\.so\.1:/none/libx\.so$'
    has "--library plain" "$("$acre" run --library plain -- sh -c 'echo $LD_PRELOAD' 2>/dev/null)" '/libacre\.so\.1$'
    has "inside another acre run there is one allocator" "$("$acre" run -- "$acre" run --library plain -- \
        sh -c 'echo $LD_PRELOAD' 2>/dev/null)" '^[^:]*/libacre\.so\.1$'
    is "no descriptors are left open" "$("$acre" run -- sh -c 'ls /proc/self/fd' 2>/dev/null)" \
        "$(sh -c 'ls /proc/self/fd' 2>/dev/null)"
}

test_signals() {
    for signal in TERM KILL SEGV ABRT INT HUP USR1 PIPE; do
        is "ended by SIG$signal" "$(status "$acre" run -- sh -c "kill -$signal \$\$")" \
            "$(status sh -c "kill -$signal \$\$")"
    done
    has "the report names the signal" "$("$acre" run -- sh -c 'kill -KILL $$' 2>&1)" 'signal 9, SIGKILL'
    is "a real signal, not 128+N" "$(python3 -c 'import subprocess, sys
print(subprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL).returncode)' "$acre" run -- sh -c 'kill -TERM $$')" -15
    for signal in TERM HUP INT; do
        # The marker says that the trap is set. (Background jobs of a script ignore SIGINT; python does not.)
        is "SIG$signal to acre reaches the command" "$(python3 -c 'import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
p = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
p.stdout.readline()
p.send_signal(getattr(signal, "SIG" + sys.argv[1]))
print(p.wait(20))' $signal "$acre" run -- bash -c "trap 'exit 7' $signal; echo ready; while :; do sleep 0.05; done")" 7
    done
    for prelude in ':' "trap '' HUP INT" "trap '' CHLD PIPE USR1"; do
        is "dispositions and mask after $prelude" \
            "$(sh -c "$prelude; exec '$acre' run -- grep -E '^Sig(Pnd|Blk|Ign|Cgt)' /proc/self/status" 2>/dev/null)" \
            "$(sh -c "$prelude; exec grep -E '^Sig(Pnd|Blk|Ign|Cgt)' /proc/self/status")"
    done
    cat >once.py <<'PY'
import signal, time
got = []
signal.signal(signal.SIGINT, lambda *_: got.append(1))
print("ready", flush=True)
deadline = time.monotonic() + 10
while not got and time.monotonic() < deadline:
    time.sleep(0.01)
time.sleep(0.3)
print("interrupts:", len(got), flush=True)
PY
    has "the terminal's Ctrl-C comes once" \
        "$(python3 "$here/terminal.py" --type '\x03' --after ready "$acre" run -- python3 once.py)" 'interrupts: 1'
}

test_refusals() {
    is "not found: status" "$(status "$acre" run -- no-such-command-here)" 127
    is "not found: line" "$(cat err)" "acre: no-such-command-here: not found in PATH"
    is "no such file: status" "$(status "$acre" run -- ./missing)" 127
    is "no such file: one line" "$(cat err)" "acre: ./missing: not found"
    echo text >plain && chmod 644 plain
    is "not executable: status" "$(status "$acre" run -- ./plain)" 126
    is "not executable: line" "$(cat err)" "acre: ./plain: not executable"
    is "directory: status" "$(status "$acre" run -- ./)" 126
    is "directory: line" "$(cat err)" "acre: ./: is a directory"
    is "empty command" "$(status "$acre" run -- '')" 127
    printf '#!/no/such/interpreter\n' >orphan && chmod 755 orphan
    is "script without its interpreter" "$(status "$acre" run -- ./orphan)" 127
    printf 'exit 9\n' >bare && chmod 755 bare
    is "script without #! is run by sh" "$(status "$acre" run -- ./bare)" 9
    is "PATH passes over what cannot be executed" "$(PATH=$work:$PATH; mkdir -p true; status "$acre" run -- true)" 0
    rmdir true
    printf '#!/bin/sh\nexit 4\n' >here && chmod 755 here
    is "an empty part of PATH is the working directory" "$(PATH=":$PATH" status "$acre" run -- here)" 4
    is "no command: status" "$(status "$acre" run --)" 2
    is "unknown option: status" "$(status "$acre" run --jsno x -- true)" 2
    is "bad --library: status" "$(status "$acre" run --library fast -- true)" 2
    is "bad --option: status" "$(status "$acre" run --option source:disk -- touch started)" 2
    is "bad --option: one line" "$(lines err)" 1
    is "unknown --option: status" "$(status "$acre" run --option sorce:brk -- touch started)" 2
    is "--json that cannot be opened: status" "$(status "$acre" run --json /no/such/file -- touch started)" 125
    is "--json that cannot be opened: one line" "$(lines err)" 1
    is "--report that cannot be opened: status" "$(status "$acre" run --report /no/such/file -- touch started)" 125
    is "nothing was started" "$(ls started 2>/dev/null)" ""
    status "$acre" run --json refused.json -- no-such-command-here >/dev/null
    is "--json of a refusal" "$(json refused.json 'd["exit"], d["attached"], d["calls"]["malloc"]')" \
        "({'status': 127}, False, None)"
}

test_static() {
    echo 'int main(void) { return 5; }' | compile static -static
    is "static: status" "$(status "$acre" run -- ./static)" 126
    is "static: line" "$(cat err)" "acre: ./static: is statically linked without acre"
    echo 'int main(void) { return 5; }' | compile static-pie -static-pie
    is "static-pie: status" "$(status "$acre" run -- ./static-pie)" 126
    printf '#!%s/static\n' "$work" >static-script && chmod 755 static-script
    is "script of a static interpreter: status" "$(status "$acre" run -- ./static-script)" 126
    compile static-acre -static <<'C'
__asm__(".pushsection .note.acre,\"a\",%note\n.balign 4\n.long 5, 4, 1\n.asciz \"acre\"\n.balign 4\n.long 0\n.popsection");
int main(void) { return 5; }
C
    is "static with acre: runs" "$(status "$acre" run -- ./static-acre)" 5
    has "static with acre: says why it is not counted" "$(cat err)" 'not counted .*statically linked with acre'
    compile own-malloc -rdynamic <<'C'
#include <stddef.h>
static char heap[1 << 20];
static size_t used;
void *malloc(size_t size) { return &heap[(used += (size + 31) / 16 * 16) - (size + 15) / 16 * 16]; }
void free(void *block) { (void)block; }
int main(void) { return malloc(10) == NULL; }
C
    is "a malloc of its own: runs" "$(status "$acre" run -- ./own-malloc)" 0
    has "a malloc of its own: says so" "$(cat err)" 'no call came to acre: .*a malloc of its own'
    local loader
    loader=$(ldd "$(type -P true)" | awk '$1 ~ /^\/.*ld/ { print $1 }')
    is "the loader as the command" "$(status "$acre" run --json loader.json -- "$loader" "$(type -P true)")" 0
    is "the loader honours LD_PRELOAD" "$(json loader.json 'd["attached"]')" True
}

# Whether executing a file of that directory can give privileges at all.
gives_privileges() {
    grep -q '^NoNewPrivs:[[:space:]]*0' /proc/self/status &&
        python3 -c 'import os, sys; sys.exit(os.statvfs(sys.argv[1]).f_flag & os.ST_NOSUID != 0)' "$1"
}

test_privileges() {
    cp "$acre" "$build/libacre-count.so.1" . && chmod 755 acre libacre-count.so.1
    local su
    su=$(type -P su)
    if [ -u "$su" ] && gives_privileges "$su" && as_other_user ./acre --version >/dev/null 2>&1; then
        is "set-user-ID: status" "$(status as_other_user ./acre run -- "$su" --version)" 126
        has "set-user-ID: line" "$(cat err)" '^acre: /.*su: is set-user-ID, so the loader would ignore acre$'
    else
        skip "set-user-ID" "no set-user-ID su, or no second user"
    fi
    [ "$(id -u)" = 0 ] || { skip "privileges as root" "not root"; return; }
    gives_privileges . || { skip "privileges of own files" "nosuid"; return; }
    [ ! -u "$su" ] || is "set-user-ID for that user is fine" "$(status "$acre" run -- "$su" --version)" 0
    cp "$(type -P true)" setgid && chgrp 65534 setgid && chmod 2755 setgid
    is "set-group-ID: status" "$(status "$acre" run -- ./setgid)" 126
    is "set-group-ID without new privileges" "$(status setpriv --no-new-privs "$acre" run -- ./setgid)" 0
    cp "$(type -P true)" capable
    if python3 -c 'import os, struct
os.setxattr("capable", "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0))' 2>/dev/null; then
        is "file capabilities: status" "$(status as_other_user ./acre run -- ./capable)" 126
        has "file capabilities: line" "$(cat err)" 'given file capabilities'
        is "file capabilities for root" "$(status "$acre" run -- ./capable)" 0
    else
        skip "file capabilities" "cannot be set here"
    fi
}

# 1000 blocks of 100 bytes, 400 of them freed; then it ends in the way that the first argument says.
write_exact() {
    compile exact <<'C'
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static void *volatile blocks[1000];
int main(int argc, char **argv) {
    char how = argc > 1 ? argv[1][0] : 'r';
    for (int i = 0; i < 1000; i++) {
        blocks[i] = malloc(100);
    }
    for (int i = 0; i < 400; i++) {
        free(blocks[i]);
    }
    if (how == '_') {
        _exit(3);
    } else if (how == 'k') {
        raise(SIGKILL);
    } else if (how == 'x') {
        execl("/no/such/program", "program", (char *)0);
        _exit(3);
    } else if (how == 'f') {
        blocks[0] = malloc((size_t)1 << 60);
    }
    return 3;
}
C
}

test_figures() {
    local wanted="(1000, 400, 60000, 600, 100000)"
    write_exact
    for how in return _exit exec-failure; do
        is "exact figures, $how: status" "$(status "$acre" run --json exact.json -- ./exact $how)" 3
        is "exact figures, $how" "$(json exact.json '(d["calls"]["malloc"], d["calls"]["free"], d["live"]["end"],
d["live"]["blocks"], d["live"]["peak"])')" "$wanted"
    done
    is "exact figures, killed: status" "$(status "$acre" run --json exact.json -- ./exact kill)" 137
    is "exact figures, killed" "$(json exact.json '(d["calls"]["malloc"], d["calls"]["free"], d["live"]["end"],
d["live"]["blocks"], d["live"]["peak"])')" "$wanted"
    is "killed: exit" "$(json exact.json 'd["exit"]')" "{'signal': 9}"
    has "killed: the picture says of when it is" "$(cat err)" 'as it was [0-9.]+ m?s before the end'
    has "killed: what is retained is not known" "$(cat err)" 'retained +- +- +not known'
    is "killed: nor in the JSON" "$(json exact.json '(d["retained"]["end"], d["regular_exit"])')" "(None, False)"
    status "$acre" run --json exact.json -- ./exact return >/dev/null
    is "by exit: it is" "$(json exact.json '(d["retained"]["end"] is None, d["regular_exit"])')" "(False, True)"
    is "by exit: no word of another time" "$(grep -c 'before the end' err)" 0
    status "$acre" run --json exact.json -- ./exact fail >/dev/null
    is "failed calls" "$(json exact.json 'd["calls"]["failed"]')" 1
    status "$acre" run -- ./exact return >/dev/null
    has "report: calls" "$(cat err)" 'library calls +malloc 1,000  calloc 0  realloc 0  free 400  aligned 0'
    has "report: live" "$(cat err)" 'live +97\.7 KiB +58\.6 KiB +as requested; 600 blocks at the end'
    has "report: next" "$(cat err)" 'next +acre run .*-- ./exact return'
    is "nothing is counted with the plain library" \
        "$(status "$acre" run --library plain --json plain.json -- ./exact return)" 3
    is "plain: attached" "$(json plain.json '(d["attached"], d["calls"]["malloc"], d["resident"]["peak"] > 0)')" \
        "(False, None, True)"
    "$acre" run --json - -- printf '' 2>/dev/null >stdout.json
    is "--json -" "$(json stdout.json 'd["schema"]')" acre-run/1
    "$acre" run --json words.json -- printf %s $'\xff\e[1m' >out 2>err
    is "--json of a word that is not UTF-8" "$(json words.json 'd["command"][2] == chr(0xfffd) + chr(27) + "[1m"')" True
    is "no control characters in the report" "$(tr -d '\n[:print:]' <err | tr -d '\200-\377' | wc -c)" 0
}

test_report() {
    is "report has at most 27 lines" "$(status "$acre" run -- sh -c 'exec env true'; [ "$(lines err)" -le 27 ] && echo yes)" "0
yes"
    has "programs before exec" "$(cat err)" 'before exec +.*env \('
    status "$acre" run --json later.json -- env -i sh -c 'exit 3' >/dev/null
    has "a program that is not on acre came after" "$(cat err)" 'after exec +sh, which is not counted'
    is "its name in the JSON" "$(json later.json 'd["ended_as"]')" sh
    is "no reason where a program of a later directory ran" \
        "$(PATH=/nowhere:$PATH "$acre" run --library plain --json - -- true 2>/dev/null | grep -c reason)" 0
    has "the report to a closed standard output" "$("$acre" run --report - -- true 2>&1 >&-)" \
        'report could not be written.*Bad file descriptor'
    has "under a limit on the size of files" "$(ulimit -f 0; "$acre" run -- echo hi 2>&1)" 'File too large'
    is "--report: stderr is the command's" "$(status "$acre" run --report report.txt -- sh -c 'echo x >&2'; cat err)" "0
x"
    has "--report: the file" "$(cat report.txt)" '^acre run: sh -c '
    "$acre" run --report /dev/full -- sh -c 'exit 6' 2>err
    is "a report that cannot be written leaves the status" "$?" 6
    has "a report that cannot be written is told" "$(cat err)" '^acre: the report could not be written'
    is "plain letters in LC_ALL=C" "$("$acre" run -- true 2>&1 | LC_ALL=C tr -d '\11\12\40-\176' | wc -c)" 0
    local escape=$'\e'
    has "colour on a terminal" "$(TERM=xterm python3 "$here/terminal.py" "$acre" run -- true)" "$escape"
    for setting in NO_COLOR=1 TERM=dumb; do
        is "no colour with $setting" \
            "$(env TERM=xterm $setting python3 "$here/terminal.py" "$acre" run -- true | grep -c "$escape")" 0
    done
    is "no colour without a terminal" "$(TERM=xterm "$acre" run -- true 2>&1 | grep -c "$escape")" 0
}

test_children() {
    local many='i=0; while [ $i -lt 30 ]; do ./exact return; i=$((i + 1)); done; exec sleep 0'
    is "--children: status" "$(status "$acre" run --children --json children.json -- sh -c "$many")" 0
    is "--children: at most 27 lines" "$([ "$(lines err)" -le 27 ] && echo yes)" yes
    is "--children: eight processes" "$(grep -c 'live; pid' err)" 8
    is "--children: all are counted" \
        "$(json children.json '[(p["calls"]["malloc"], p["live"]["end"]) for p in d["processes"] if p["name"] == "exact"] == [(1000, 60000)] * 30')" True
    is "--children: totals" "$(json children.json 'd["totals"]["calls"]["malloc"] == sum(p["calls"]["malloc"] for p in d["processes"])')" True
    is "--children: the top is the started process" "$(json children.json 'd["processes"][0]["calls"] == d["calls"]')" True
    status "$acre" run --json single.json -- sh -c "./exact return; :" >/dev/null
    is "without --children there are no others" "$(json single.json '("processes" in d, d["calls"]["malloc"] < 1000)')" \
        "(False, True)"
}

compile_on_acre() { # OUTPUT: C from standard input, linked with libacre
    compile "$1" -I"$here/../../include" -I"$here/../../src" -x none "$build/libacre.so.1" -Wl,-rpath,"$build" -pthread
}

# Arenas: `exact` with 60 of 100 blocks left and others by malloc; `full` to its limit; 50 times `request`. What
# acre_arena_stats says of peaks is on standard output; then it ends in the way that the first argument says.
write_arenas() {
    compile_on_acre arenas <<'C'
#include <acre/acre.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void *blocks[100];
static acre_arena *make(const char *name, size_t limit_bytes) {
    return acre_arena_create(&(struct acre_arena_options){.name = name, .limit_bytes = limit_bytes});
}
static size_t held_peak(acre_arena *arena) {
    struct acre_arena_figures stats;
    acre_arena_stats(arena, &stats);
    return stats.held_peak_bytes;
}
static acre_arena *use_exact(void) {
    acre_arena *arena = make("exact", 0);
    for (int i = 0; i < 100; i++) {
        blocks[i] = acre_arena_malloc(arena, 1000);
    }
    for (int i = 0; i < 40; i++) {
        free(blocks[i]);
    }
    acre_arena_enter(arena);
    blocks[0] = malloc(50);
    blocks[1] = calloc(3, 10);
    blocks[2] = realloc(malloc(7), 3000000);
    acre_arena_leave();
    free(blocks[2]);
    blocks[3] = acre_arena_realloc(arena, malloc(500), 700);
    return arena;
}
static size_t use_full(void) {
    acre_arena *arena = make("full", 1 << 20);
    while (acre_arena_malloc(arena, 10000) != NULL) {
    }
    acre_arena_calloc(arena, 2, 1 << 20);
    acre_arena_enter(arena);
    free(malloc(2 << 20));
    acre_arena_leave();
    size_t peak = held_peak(arena);
    acre_arena_destroy(arena);
    return peak;
}
static void use_requests(void) {
    for (int i = 0; i < 50; i++) {
        acre_arena *arena = make("request", 0);
        for (int j = 0; j < 3; j++) {
            acre_arena_malloc(arena, 200 + i * 10);
            acre_arena_malloc(arena, 100000);
            acre_arena_reset(arena);
        }
        acre_arena_malloc(arena, 5);
        acre_arena_destroy(arena);
    }
}
int main(int argc, char **argv) {
    (void)argc;
    acre_arena *exact = use_exact();
    size_t full_peak = use_full();
    use_requests();
    printf("%zu %zu\n", held_peak(exact), full_peak);
    fflush(stdout);
    if (argv[1][0] == '_') {
        _exit(3);
    } else if (argv[1][0] == 'k') {
        raise(SIGKILL);
    }
    return 3;
}
C
}

# arenas FILE EXPRESSION: as json, with the rows of arenas by name as A
arenas() {
    json "$1" "(lambda A: $2)({a['name']: a for a in d['arenas']})"
}

test_arenas() {
    write_arenas
    for how in return _exit kill; do
        is "arenas, $how: status" "$(status "$acre" run --json arenas.json -- ./arenas $how)" \
            $([ $how = kill ] && echo 137 || echo 3)
        is "arenas, $how: made and left" "$(json arenas.json '(d["arenas_made"], d["arenas_left"], len(d["arenas"]))')" \
            "(52, 1, 3)"
        is "arenas, $how: calls" \
            "$(arenas arenas.json '(A["exact"]["calls"], A["exact"]["failed"], A["request"]["calls"], A["full"]["failed"])')" \
            "(105, 0, 350, 3)"
        is "arenas, $how: ends" \
            "$(arenas arenas.json '[(A[n]["made"], A[n]["left"], A[n]["resets"]) for n in ("exact", "full", "request")]')" \
            "[(1, 1, 0), (1, 0, 0), (50, 0, 150)]"
        is "arenas, $how: live" \
            "$(arenas arenas.json '[tuple(A[n]["live"][k] for k in ("peak", "end", "blocks")) for n in ("exact", "request")]')" \
            "[(3060087, 60780, 63), (100690, 0, 0)]"
        is "arenas, $how: live in the one that was full" \
            "$(arenas arenas.json '(A["full"]["live"]["peak"] > 700000, A["full"]["live"]["end"])')" "(True, 0)"
        is "arenas, $how: held as acre_arena_stats has it" \
            "$(arenas arenas.json '"%d %d" % (A["exact"]["held"]["most"], A["full"]["held"]["most"])')" "$(cat out)"
        is "arenas, $how: held at the end" \
            "$(arenas arenas.json '(0 < A["exact"]["held"]["end"] <= A["exact"]["held"]["peak"], A["full"]["held"]["end"])')" \
            "(True, 0)"
        is "arenas, $how: limits" "$(arenas arenas.json '(A["exact"]["limit"], A["full"]["limit"])')" "(0, 1048576)"
    done
    status "$acre" run -- ./arenas return >/dev/null
    has "report: arenas" "$(cat err)" 'arenas +peak +end   held; made 52, left 1$'
    has "report: the arena at its limit" "$(cat err)" ' 1\.0 MiB +0 B   full: live .*; limit 1\.0 MiB; failed 3$'
    has "report: arenas of one name" "$(cat err)" ' 0 B   request: live 98\.3 KiB; 50 made, one held .*; resets 150$'
    has "report: blocks left in an arena" "$(cat err)" ' exact: live 2\.9 MiB, 59\.4 KiB at the end$'
    is "report: no arenas" "$("$acre" run -- true 2>&1 | grep -c arenas)" 0
    status "$acre" run --json none.json -- true >/dev/null
    is "no arenas" "$(json none.json '(d["arenas"], d["arenas_made"], d["arenas_left"])')" "([], 0, 0)"
    status "$acre" run --library plain --json plain.json -- true >/dev/null
    is "arenas where nothing is counted" "$(json plain.json '(d["arenas"], d["arenas_made"])')" "(None, None)"
    for example in requests plugin parser containers; do
        is "arenas of the example $example" "$(status "$acre" run --json example.json -- "$build/examples/bin/$example")" 0
        is "arenas of the example $example: none is left, nor a block" \
            "$(json example.json '(d["arenas_made"] > 0, d["arenas_left"], sum(a["live"]["end"] for a in d["arenas"]))')" "(True, 0, 0)"
    done
}

# Names as the arguments say, each twice as big as the one before, but for those with a !, which fail; --all makes 100 more that grow, 50 at a time.
write_names() {
    compile_on_acre names <<'C'
#include <acre/acre.h>
#include <stdio.h>
#include <string.h>
static acre_arena *make(const char *name, size_t size_bytes) {
    acre_arena *arena = acre_arena_create(&(struct acre_arena_options){.name = name});
    acre_arena_malloc(arena, size_bytes);
    return arena;
}
int main(int argc, char **argv) {
    acre_arena *arenas[50];
    char name[32];
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '!') {
            make(argv[i], (size_t)1 << 20 << i);
        } else {
            struct acre_arena_options options = {.name = argv[i], .limit_bytes = 1 << 16};
            acre_arena_malloc(acre_arena_create(&options), 1 << 20);
        }
    }
    for (int i = 0; argc > 1 && strcmp(argv[1], "--all") == 0 && i < 100; i++) {
        snprintf(name, sizeof name, "number %d", i);
        arenas[i % 50] = make(name, 100000 * (size_t)(i + 1));
        for (int j = 0; i % 50 == 49 && j < 50; j++) {
            acre_arena_destroy(arenas[j]);
        }
    }
    make("the last", 90 << 20);
    return 0;
}
C
}

test_arena_names() {
    local hostile=$'<&">\'%s\e[31m\x9b31m\xc2\x9b1m\r\n\t\xff\x7f' shown='<&">'"'"'%s\?\[31m\?31m\?\?1m\?\?\?\?\?'
    write_names
    is "a hostile name: status" "$(status "$acre" run --json names.json -- ./names "$hostile" "" $'caf\xc3\xa9')" 0
    has "a hostile name: what is shown of it" "$(cat err)" "   $shown: live "
    has "a name in UTF-8" "$(cat err)" $'   caf\xc3\xa9: live 8'
    is "a hostile name: no control characters in the report" "$(tr -d '\n[:print:]' <err | sed $'s/\xc3\xa9//g' | wc -c)" 0
    is "a hostile name: on a terminal" "$(NO_COLOR=1 python3 "$here/terminal.py" "$acre" run --json - -- ./names "$hostile" |
        tr -d '\r\n\40-\176' | wc -c)" 0
    is "a hostile name: JSON has it, but for what is not UTF-8" \
        "$(json names.json '[a["name"] for a in d["arenas"]][3] == "<&\">'"'"'%s\x1b[31m\ufffd31m\ufffd\ufffd1m\r\n\t\ufffd\x7f"')" True
    is "an empty name" "$(json names.json '[a["name"] for a in d["arenas"]][2]')" ""
    is "many names: status" "$(status "$acre" run --json names.json -- ./names --all)" 0
    is "many names: the biggest, and the others in a row without a name" \
        "$(json names.json '(d["arenas_made"], d["arenas_left"], [a["name"] for a in d["arenas"]][:5])')" \
        "(102, 2, [None, 'the last', 'number 99', 'number 98', 'number 97'])"
    is "many names: figures of one that got its row late" \
        "$(arenas names.json '(len(A), [A["number 99"][k] for k in ("made", "left")], A["number 99"]["live"]["peak"], A["number 99"]["live"]["end"])')" \
        "(33, [1, 0], 10000000, 0)"
    is "many names: sums" "$(json names.json '[sum(a["live"][k] for a in d["arenas"]) for k in ("end", "blocks")]')" \
        "[$(((2 << 20) + (90 << 20))), 2]"
    has "many names: report" "$(cat err)" 'made 102, left 2; the biggest, and 29 more$'
    has "many names: those without a row" "$(cat err)" '   other names: live .*; 70 made, one held '
    is "many names: rows" "$(grep -c ': live ' err)" 4
    is "a little one that failed: status" "$(status "$acre" run -- ./names '!little' one two three four)" 0
    has "a little one that failed: report" "$(cat err)" 'left 6; the failed and biggest, and 2 more$'
    has "a little one that failed: is told of" "$(cat err)" '   !little: live 0 B; limit 64\.0 KiB; failed 1$'
    is "a little one that failed: rows" "$(grep -c ': live ' err)" 4
    is "many names and processes: status" "$(status "$acre" run --children -- sh -c \
        'i=0; while [ $i -lt 30 ]; do ./exact return; i=$((i + 1)); done; exec ./names --all')" 0
    is "many names and processes: at most 27 lines" "$([ "$(lines err)" -le 27 ] && echo yes)" yes
    is "many names and processes: rows" "$(grep -c ': live ' err) $(grep -c 'live; pid' err)" "4 4"
}

# Malloc in the visitor of arenas, in an arena's source, and in a thread that either waits for; and exits there.
write_inside() {
    compile_on_acre inside <<'C'
#include <acre/acre.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static bool exits;
static void *work(void *unused) {
    for (int i = 0; i < 40; i++) {
        free(malloc(40 << 20));
        usleep(5000);
    }
    return unused;
}
static void work_here_and_there(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    work(NULL);
    pthread_join(thread, NULL);
    if (exits) {
        exit(0);
    }
}
static bool visit(acre_arena *arena, const char *name, void *context) {
    struct acre_arena_figures stats;
    (void)name, (void)context;
    acre_arena_stats(arena, &stats);
    work_here_and_there();
    return true;
}
static void *take(void *context, size_t size_bytes, size_t alignment) {
    (void)context, (void)size_bytes, (void)alignment;
    work_here_and_there();
    return NULL;
}
int main(int argc, char **argv) {
    struct acre_arena_options options = {.name = "custom", .source = ACRE_SOURCE_CUSTOM, .functions = {take, NULL, NULL}};
    exits = argc > 2;
    if (strcmp(argv[1], "visitor") == 0) {
        acre_arena_create(NULL);
        acre_arena_each(visit, NULL);
    } else {
        acre_arena_malloc(acre_arena_create(&options), 100);
    }
    return exits;
}
C
}

test_inside() {
    write_inside
    for place in visitor source; do
        for end in "" exit; do
            # shellcheck disable=SC2086
            is "malloc inside a $place $end" "$(status timeout 30 "$acre" run -- ./inside $place $end)" 0
        done
    done
}

# A child whose parent goes on at once.
write_parent() {
    compile_on_acre parent <<'C'
#include <acre/acre.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    for (int i = 0; i < 100; i++) {
        struct acre_arena_options options = {.name = "shared", .limit_bytes = 8 << 20};
        acre_arena *arena = acre_arena_create(&options);
        void *block = malloc(5000);
        acre_arena_malloc(arena, 1000);
        acre_arena_malloc(arena, 3000000);
        pid_t child = fork();
        if (child == 0) {
            acre_arena_malloc(arena, 77);
            _exit(0);
        }
        acre_arena_destroy(arena);
        free(block);
        waitpid(child, NULL, 0);
    }
    return 0;
}
C
}

test_arena_children() {
    write_parent
    is "children of a fork: status" "$(status "$acre" run --children --json forks.json -- ./parent)" 0
    is "children of a fork: they start with what was live" \
        "$(json forks.json '{(p["live"]["end"], p["live"]["blocks"]) for p in d["processes"][1:]}')" "{(3006077, 4)}"
    is "children of a fork: and with the arenas" \
        "$(json forks.json '{(p["arenas_made"], p["arenas_left"], a["name"], a["made"], a["left"], a["calls"], a["limit"], tuple(a["live"].values())) for p in d["processes"][1:] for a in p["arenas"]}')" \
        "{(1, 1, 'shared', 1, 1, 1, 8388608, (3001077, 3001077, 3))}"
    is "children of a fork: what they hold" \
        "$(json forks.json '{3000000 < a["held"]["end"] <= a["held"]["most"] < 8388608 for p in d["processes"][1:] for a in p["arenas"]}')" "{True}"
    is "children of a fork: the parent" "$(json forks.json '(len(d["processes"]), d["arenas_made"], d["arenas_left"], d["arenas"][0]["live"]["end"])')" \
        "(101, 100, 0, 0)"
}

# Writes over its own record before it ends.
write_vandal() {
    compile_on_acre vandal <<'C'
#include "inspect/count_record.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int argc, char **argv) {
    (void)argc;
    int descriptor = open(getenv(ACRE_COUNT_ENVIRONMENT), O_RDWR);
    struct acre_count_file *file = mmap(NULL, sizeof *file, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (file == MAP_FAILED || file->process[0].pid != (uint64_t)getpid()) {
        return 1;
    }
    file->process[0].image = 1;
    char *from = (char *)file->process[0].calls;
    memset(from, (int)strtol(argv[1], NULL, 0), (size_t)((char *)&file->process[1] - from));
    _exit(3);
}
C
}

test_vandal() {
    write_vandal
    for byte in 0xff 0x41 0x1b 0x9b 0x80 0x7f; do
        is "a record full of $byte: status" "$(status "$acre" run --json vandal.json -- ./vandal $byte)" 3
        is "a record full of $byte: it is told as it is" \
            "$(json vandal.json '(len(d["arenas"]), len(d["arenas"][0]["name"]))') $(grep -c ': live ' err)" "(33, 31) 4"
        is "a record full of $byte: no control characters" "$(tr -d '\n[:print:]' <err | wc -c)" 0
        is "a record full of $byte: at most 27 lines" "$([ "$(lines err)" -le 27 ] && echo yes)" yes
    done
}

test_library_path() {
    mkdir -p elsewhere alone/bin && cp "$acre" alone/bin/
    cp "$build/libacre-count.so.1" elsewhere/
    has "ACRE_LIBRARY_DIR comes first" \
        "$(ACRE_LIBRARY_DIR=elsewhere "$acre" run -- sh -c 'echo $LD_PRELOAD' 2>/dev/null)" '/elsewhere/libacre-count\.so\.1$'
    has "ACRE_LIBRARY_DIR without the library is told" \
        "$(ACRE_LIBRARY_DIR=/none "$acre" run -- true 2>&1)" 'is not in ACRE_LIBRARY_DIR=/none; taking '
    if env -u ACRE_LIBRARY_DIR alone/bin/acre run -- true >/dev/null 2>&1; then
        skip "no library: status" "one is installed"
    else
        is "no library: status" "$(status alone/bin/acre run -- true)" 125
        is "no library: line" "$(cat err)" "acre: libacre-count.so.1 not found; set ACRE_LIBRARY_DIR to its directory"
    fi
    mkdir -p alone/lib && cp "$build/libacre-count.so.1" alone/lib/
    is "an install tree that was moved" "$(status alone/bin/acre run -- true)" 0
    mkdir -p 'with blank' && cp "$build/libacre-count.so.1" 'with blank/'
    is "a directory that LD_PRELOAD cannot name" "$(ACRE_LIBRARY_DIR='with blank' status "$acre" run -- true)" 125
}

for group in commands options passthrough signals refusals static privileges figures report children arenas arena_names inside arena_children vandal \
    library_path; do
    echo "# $group"
    "test_$group"
done
echo "1..$tests"
[ "$failures" = 0 ] || echo "# $failures of $tests failed"
[ "$failures" = 0 ]
