"""Writes an SMT-LIB problem with exactly one answer: a sudoku over bit vectors, and an equality to refute."""
GRID = ("53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79")
print("(set-logic QF_BV)")
for cell in range(81):
    print(f"(declare-const c{cell} (_ BitVec 4))")
    if GRID[cell] == ".":
        print(f"(assert (and (bvuge c{cell} #x1) (bvule c{cell} #x9)))")
    else:
        print(f"(assert (= c{cell} #x{GRID[cell]}))")
groups = [[r * 9 + c for c in range(9)] for r in range(9)] + [[r * 9 + c for r in range(9)] for c in range(9)]
groups += [[(b // 3 * 3 + i // 3) * 9 + b % 3 * 3 + i % 3 for i in range(9)] for b in range(9)]
for group in groups:
    print(f"(assert (distinct {' '.join(f'c{cell}' for cell in group)}))")
print("(check-sat)")
print(f"(get-value ({' '.join(f'c{cell}' for cell in range(81))}))")
print("(push)(assert (not (= c2 #x4)))(check-sat)(pop)(reset)")
print("(declare-const x (_ BitVec 24))(declare-const y (_ BitVec 24))")
print("(assert (not (= (bvmul (bvadd x y) (bvadd x y)) (bvadd (bvmul x x) (bvmul #x000002 (bvmul x y)) (bvmul y y)))))")
print("(check-sat)")
