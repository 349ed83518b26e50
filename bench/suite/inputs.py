"""The inputs of the whole programs, made at run time from a fixed seed: nothing to download, the same everywhere."""
import json
import os
import random
import subprocess


def once(path, make):
    """Makes the file or folder at `path` with make(path), unless an earlier workload of this run already did."""
    if not os.path.exists(path):
        make(path)
    return path


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def words(rng, count):
    return ["".join(rng.choices("abcdefghilmnoprstuv", k=rng.randint(2, 11))) for _ in range(count)]


def orders_json(path, count=16000):
    """Orders with nested customers and lines, for jq."""
    rng = random.Random(2)
    names, goods = words(rng, 900), words(rng, 400)
    write(path, json.dumps([{
        "id": number,
        "customer": {"name": rng.choice(names), "address": {"street": rng.choice(names), "number": number % 97}},
        "tags": rng.sample(goods, rng.randint(1, 4)),
        "lines": [{"item": rng.choice(goods), "price": rng.randint(1, 9999) / 100, "count": rng.randint(1, 9)}
                  for _ in range(rng.randint(1, 6))],
    } for number in range(count)]))


def colouring(rng, vertices, edges, width=24):
    """A colouring of a random graph, with sums of the colours' weights as bit vectors."""
    text = ["(set-logic QF_BV)"]
    for v in range(vertices):
        text.append(f"(declare-const c{v} (_ BitVec 2))(declare-const w{v} (_ BitVec {width}))")
        text.append(f"(assert (= w{v} (bvmul ((_ zero_extend {width - 2}) c{v}) (_ bv{rng.randint(3, 999)} {width}))))")
    for _ in range(edges):
        a, b = rng.sample(range(vertices), 2)
        text.append(f"(assert (distinct c{a} c{b}))")
    for _ in range(vertices // 3):
        a, b, c = rng.sample(range(vertices), 3)
        text.append(f"(assert (bvult (bvadd w{a} w{b}) (bvadd w{c} (_ bv{rng.randint(500, 3000)} {width}))))")
    return text + ["(check-sat)", "(reset)"]


def timetable(rng, jobs, machines, slack):
    """Jobs that pass over machines, one at a time on each, to be done by a limit: integers and alternatives."""
    text, on_machine, longest = ["(set-logic QF_LIA)"], [[] for _ in range(machines)], 0
    for job in range(jobs):
        end = "0"
        for machine in rng.sample(range(machines), machines):
            start, length = f"s{job}m{machine}", rng.randint(2, 9)
            text.append(f"(declare-const {start} Int)(assert (>= {start} {end}))")
            on_machine[machine].append((start, length))
            end = f"(+ {start} {length})"
        text.append(f"(assert (<= {end} limit))")
    for tasks in on_machine:
        longest = max(longest, sum(length for _, length in tasks))
        text += [f"(assert (or (<= (+ {a} {n}) {b}) (<= (+ {b} {m}) {a})))"
                 for i, (a, n) in enumerate(tasks) for b, m in tasks[:i]]
    text.insert(1, f"(define-fun limit () Int {int(longest * slack)})")
    return text + ["(check-sat)", "(reset)"]


def puzzles_smt2(path):
    """Many satisfiable puzzles of middling hardness, for z3: one hard one would measure luck, not malloc."""
    rng = random.Random(3)
    text = []
    for _ in range(2):
        text += colouring(rng, 200, 400) + timetable(rng, 16, 6, 1.3)
    write(path, "\n".join(text) + "\n")


CPP_HEAD = """#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct power { static constexpr long value = 3 * power<N - 1>::value % 1000003; };
template <> struct power<0> { static constexpr long value = 1; };
template <class... T> struct bundle { std::tuple<T...> all; long sum() const {
    return std::apply([](const auto &...x) { return (0L + ... + long(x.size())); }, all); } };
"""

CPP_PART = """
struct item_{n} {{ int key = {n}; std::string name; bool operator<(const item_{n} &o) const {{ return name < o.name; }} }};
long use_{n}(std::vector<item_{n}> items, std::map<std::string, std::vector<item_{n}>> &index) {{
    std::sort(items.begin(), items.end(), [](const auto &a, const auto &b) {{ return a.key + {n} < b.key; }});
    std::unordered_map<long, std::shared_ptr<item_{n}>> found;
    std::function<long(const item_{n} &)> weigh = [&](const item_{n} &i) {{ return i.key * power<{n} + 40>::value; }};
    for (auto &item : items) {{ index[item.name].push_back(item); found[weigh(item)] = std::make_shared<item_{n}>(item); }}
    std::variant<long, std::string, item_{n}> either = items.empty() ? item_{n}{{}} : items.front();
    bundle<std::vector<item_{n}>, std::map<int, item_{n}>, std::string> all;
    return all.sum() + std::visit([](const auto &x) {{ return long(sizeof x); }}, either) + long(found.size());
}}
"""


def templates_cpp(path, parts=2):
    """Containers, closures and variants over types of their own, so that nothing is instantiated twice."""
    write(path, CPP_HEAD + "".join(CPP_PART.format(n=n) for n in range(1, parts + 1)))


def drawing_ps(path, pages=30, shapes=900):
    """Pages of text in several fonts and sizes, filled and stroked curves, dashes, clips, an image; for Ghostscript."""
    rng = random.Random(4)
    text = ["%!PS"]
    lexicon = words(rng, 300)
    for page in range(pages):
        for _ in range(shapes):
            x, y, r = rng.randint(0, 550), rng.randint(0, 780), rng.randint(3, 60)
            text.append(f"{rng.random():.2f} {rng.random():.2f} {rng.random():.2f} setrgbcolor newpath")
            text.append(f"{x} {y} moveto {x + r} {y} {x} {y + 2 * r} {x + r} {y + r} curveto closepath")
            text.append(rng.choice(["fill", "stroke", f"[{r % 7 + 1}] 0 setdash stroke [] 0 setdash",
                                    "gsave clip 0 0 moveto 600 800 lineto stroke grestore"]))
        for line in range(60):
            font = rng.choice(["Times-Roman", "Helvetica-Bold", "Courier"])
            text.append(f"0 setgray /{font} {rng.choice([8, 9, 11, 14])} selectfont 40 {770 - 12 * line} moveto")
            text.append(f"({' '.join(rng.choices(lexicon, k=12))}) show")
        text.append(f"gsave 300 100 translate 200 200 scale 64 64 8 [64 0 0 64 0 0] {{ 64 string dup 0 {page} put }}"
                    " image grestore showpage")
    write(path, "\n".join(text) + "\n")


def source_tree(path, folders=40, files=30):
    """Folders of text files, for git add."""
    rng = random.Random(5)
    lexicon = words(rng, 3000)
    for folder in range(folders):
        os.makedirs(f"{path}/part{folder}")
        for file in range(files):
            lines = (" ".join(rng.choices(lexicon, k=rng.randint(1, 14))) for _ in range(rng.randint(20, 300)))
            write(f"{path}/part{folder}/file{file}.txt", "\n".join(lines) + "\n")


def repository(path, commits=3500, files=150):
    """A repository with a history of small edits, made through git fast-import; for git repack and git log."""
    rng = random.Random(6)
    lexicon = words(rng, 2000)
    texts = [[" ".join(rng.choices(lexicon, k=9)) for _ in range(rng.randint(30, 300))] for _ in range(files)]
    stream = []
    for commit in range(commits):
        message = f"change {commit}\n"
        stream.append(f"commit refs/heads/main\ncommitter A Name <a@example.org> {1600000000 + 600 * commit} +0000\n"
                      f"data {len(message)}\n{message}")
        for number in range(files) if commit == 0 else rng.sample(range(files), rng.randint(1, 4)):
            for _ in range(rng.randint(1, 5)):
                line = rng.randrange(len(texts[number]))
                texts[number][line:line + rng.randint(0, 2)] = [" ".join(rng.choices(lexicon, k=9))]
            content = "\n".join(texts[number]) + "\n"
            stream.append(f"M 100644 inline folder{number % 12}/file{number}.txt\ndata {len(content)}\n{content}")
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", path], check=True)
    subprocess.run(["git", f"--git-dir={path}", "fast-import", "--quiet"], input="".join(stream), text=True, check=True)
