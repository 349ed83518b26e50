"""CPython's own compiler on CPython's own library: tokens, syntax trees, code objects; many small, linked, mixed."""
import ast
import pathlib
import sys
import sysconfig

library = pathlib.Path(sysconfig.get_path("stdlib"))
nodes = constants = 0
for path in sorted(library.glob("*.py"))[: int(sys.argv[1])]:
    source = path.read_text(encoding="utf-8", errors="replace")
    tree = ast.parse(source)
    nodes += sum(1 for _ in ast.walk(tree))
    constants += len(compile(tree, path.name, "exec").co_consts)
print(nodes, constants)
