"""The table of real programs: what each runs, what it makes, and what of its output is normalised, with the reason.

Only dates, timings and addresses are ever normalised. A command is a shell text run in a fresh directory whose path
is the same for every run; INPUT stands for the folder with the inputs.
"""
from dataclasses import dataclass, field


@dataclass
class Work:
    name: str
    packages: list  # Debian's, that hold the programs below
    programs: list  # all must be installed; the first is looked at for where its malloc is bound
    command: str
    artefacts: list = field(default_factory=list)  # globs, compared byte for byte
    normalise: list = field(default_factory=list)  # (pattern, replacement, reason), on stdout and stderr
    environment: dict = field(default_factory=dict)
    fast: bool = False
    # The preload reaches only a program that the command starts by itself, through this variable.
    preload_variable: str = "LD_PRELOAD"
    notes: list = field(default_factory=list)  # files whose text is shown, not compared
    probe: str = ""  # a short command for the binding probe, when the work itself is no good for it


PYTHON = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
COMPILE = "-std=c++17 -O2 INPUT/templates.cc -o"

WORKS = [
    Work("python3", ["python3"], ["python3"], "python3 INPUT/work.py", environment=PYTHON, fast=True),
    Work("python3-compileall", ["python3"], ["python3"],
         "cp -r /usr/lib/python3.*/json /usr/lib/python3.*/asyncio . && "
         "python3 -m compileall -q --invalidation-mode unchecked-hash json asyncio; python3 -m json.tool --help; "
         "python3 -c 'import this, nosuchmodule'",
         artefacts=["json/__pycache__/*.pyc", "asyncio/__pycache__/*.pyc"],
         environment={key: value for key, value in PYTHON.items() if key != "PYTHONDONTWRITEBYTECODE"}),
    Work("perl", ["perl"], ["perl"], "perl INPUT/work.pl", environment={"PERL_HASH_SEED": "0"}, fast=True),
    Work("ruby", ["ruby"], ["ruby"], "ruby INPUT/work.rb"),
    Work("lua5.4", ["lua5.4"], ["lua5.4"], "lua5.4 INPUT/work.lua", fast=True),
    Work("sqlite3", ["sqlite3"], ["sqlite3"],
         "sqlite3 w.db < INPUT/work.sql; echo $?; sqlite3 w.db .dump > w.dump; sqlite3 w.db 'select count(*) from doc'",
         artefacts=["w.db", "w.dump"], fast=True),
    Work("jq", ["jq"], ["jq"], "jq -n -f INPUT/work.jq > out.json; echo $?; jq . out.json; echo '{' | jq .; echo $?",
         artefacts=["out.json"], fast=True),
    Work("git", ["git"], ["git"], "sh INPUT/git.sh", artefacts=["objects", "packed", "origin/.git/refs/heads/*"]),
    Work("gs", ["ghostscript"], ["gs"],
         "gs -q -dNOPAUSE -dBATCH -dSAFER -sDEVICE=ppmraw -r100 -dTextAlphaBits=4 -dGraphicsAlphaBits=4 "
         "-sOutputFile=page%d.ppm INPUT/work.ps; echo $?; "
         "gs -q -dNOPAUSE -dBATCH -dSAFER -sDEVICE=txtwrite -sOutputFile=text.txt INPUT/work.ps; echo $?; "
         "echo '1 0 div' | gs -q -dNOPAUSE -dBATCH -dSAFER -sDEVICE=nullpage -; echo $?",
         artefacts=["page*.ppm", "text.txt"]),
    Work("z3", ["z3"], ["z3"], "/usr/bin/python3 -I INPUT/sudoku.py > s.smt2; z3 s.smt2; echo $?"),
    Work("g++", ["g++"], ["g++"],
         f"g++ {COMPILE} t.o -c && g++ -std=c++17 -O0 -g INPUT/templates.cc -S -o t.s && g++ t.o -o t && ./t; echo $?; "
         "g++ -c INPUT/broken.cc; echo $?", artefacts=["t.o", "t.s"],
         probe="echo 'int main(){}' | g++ -x c++ -c -o p.o -"),
    Work("clang++", ["clang"], ["clang++"],
         f"clang++ {COMPILE} t.o -c && clang++ -std=c++17 -O0 -g INPUT/templates.cc -S -o t.s && clang++ t.o -o t && "
         "./t; echo $?; clang++ -c INPUT/broken.cc; echo $?", artefacts=["t.o", "t.s"],
         probe="echo 'int main(){}' | clang++ -x c++ -c -o p.o -"),
    Work("redis-server", ["redis-server", "redis-tools"], ["redis-server", "redis-cli", "redis-benchmark"],
         "sh INPUT/redis.sh", preload_variable="REDIS_PRELOAD", probe="redis-server --version",
         notes=["allocator.seen", "maps.seen"],
         normalise=[(r"(?m)^[^\n]*\r", "", "timing: the running rate that redis-benchmark overwrites"),
                    (r"(?m)\d+\.\d+ requests per second, p50=[\d.]+ msec", "RATE", "timing: the final rate")]),
]
