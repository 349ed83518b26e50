"""A real piece of work for CPython: text, numbers, compression, a database, compiling, threads, and garbage."""
import ast, collections, decimal, gc, glob, hashlib, json, os, random, re, sqlite3, string, threading, zlib

size = int(os.environ.get("WORK_SIZE", "20"))
random.seed(4)
words = ["".join(random.choices(string.ascii_lowercase, k=random.randint(1, 12))) for _ in range(size * 1000)]
text = " ".join(words)
counts = collections.Counter(re.findall(r"[a-z]+", text))
print(counts.most_common(5), len(counts))
table = [{"name": word, "rank": rank, "parts": list(word)} for rank, word in enumerate(words)]
dumped = json.dumps(table, sort_keys=True)
print(len(dumped), hashlib.sha256(dumped.encode()).hexdigest())
print(sum(len(entry["parts"]) for entry in json.loads(dumped)))
packed = zlib.compress(dumped.encode(), 6)
print(len(packed), zlib.crc32(zlib.decompress(packed)))
decimal.getcontext().prec = size * 20
print(hashlib.md5(str(decimal.Decimal(2).sqrt()).encode()).hexdigest())
print(hashlib.md5(str(3 ** (size * 2000) % 10 ** (size * 100)).encode()).hexdigest())

database = sqlite3.connect(":memory:")
database.execute("create table word (text, length)")
database.executemany("insert into word values (?, ?)", ((word, len(word)) for word in words))
print(database.execute("select length, count(*) from word group by length order by length").fetchall())

nodes = 0
for path in sorted(glob.glob(os.path.join(os.path.dirname(os.__file__), "*.py")))[:size]:
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    nodes += sum(1 for _ in ast.walk(tree))
    compile(tree, path, "exec")
print(nodes)


class Node:
    def __init__(self, below):
        self.below, self.above = below, None
        if below:
            below.above = self  # a cycle, for the collector


results = [0] * 4


def work(number):
    for _ in range(size):
        chain = None
        for _ in range(1000):
            chain = Node(chain)
        results[number] += len("".join(str(i) for i in range(2000)))


threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
gc.collect()
print(results)
try:
    bytearray(1 << 62)
except MemoryError:
    print("MemoryError, as it should be")
