#!/usr/bin/env python3
"""Which free blocks of a slab are recent ones of its owner, told from outside: recent.py [-v] [--blocks N]

Recent blocks are handed out without passing the gate, so their pages must stay. The scavenger cannot stop the owner;
it reads the slab's countdown, then the owner's stack of recent blocks, then the bitmap. If the free blocks that are not on
the stack are as many as the countdown says, then these are none of the recent ones, and stay free as long as the gate
is closed (src/slab/holes.c): what the countdown knew to be free still is and has its bit, so that there is no other.

Every interleaving of the accesses to memory of an owner and a scavenger is tried for a slab of two blocks (three take
some minutes), with the owner's stores arriving late but in their order, as on x86-64. The gate is closed all the time. No block that was
taken for free may be handed out afterwards. Then each step is left out in turn, and that must be found. Exit status
0: sound, and every planted mistake is found.
"""
import itertools
import sys
from collections import namedtuple

sys.dont_write_bytecode = True
from explore import explore, report, report_mistake  # noqa: E402

BLOCKS = int(sys.argv[sys.argv.index("--blocks") + 1]) if "--blocks" in sys.argv else 2
ARMED = 9
STORES_MOST = 4  # on their way to memory

# Memory: bits, the countdown, the stack's height and its entries. The owner's: which blocks the program holds, what is
# left of the operation in hand, and stores on their way. The scavenger's: where it stands and what it has read.
State = namedtuple("State", "bits countdown top entries held program buffer step first stack seen released")

MISTAKES = {
    "countdown last": "the countdown is read after the bitmap",
    "not counted": "what is left is not compared with the countdown",
    "stack not read": "recent blocks are taken for free ones, though there are too many",
    "stores in any order": "the owner's stores arrive in any order, as on weaker processors",
}


def starts(first):
    """Every block is held, free, or recent."""
    for kinds in itertools.product("hfr", repeat=BLOCKS):
        recent = tuple(block for block in range(BLOCKS) if kinds[block] == "r")
        entries = recent + (None,) * (BLOCKS - len(recent))
        bits = tuple(int(kind != "h") for kind in kinds)
        countdown = ARMED - kinds.count("f")
        held = frozenset(block for block in range(BLOCKS) if kinds[block] == "h")
        yield State(bits, countdown, len(recent), entries, held, (), (), (first, -1), None, frozenset(), frozenset(), None)


def put(values, at, value):
    return values[:at] + (value,) + values[at + 1:]


def arrive(state, store):
    name, at, value = store
    if at is None:
        return state._replace(**{name: value})
    return state._replace(**{name: put(getattr(state, name), at, value)})


def drained(state):
    """What the owner sees."""
    for store in state.buffer:
        state = arrive(state, store)
    return state


class Model:
    def __init__(self, mistake=None):
        self.mistake = mistake

    def has(self, mistake):
        return self.mistake == mistake

    def arrivals(self, state):
        last = len(state.buffer) if self.has("stores in any order") else min(1, len(state.buffer))
        for at in range(last):
            if any(store[:2] == state.buffer[at][:2] for store in state.buffer[:at]):
                continue
            yield arrive(state, state.buffer[at])._replace(buffer=state.buffer[:at] + state.buffer[at + 1:])

    def owner(self, state):
        if state.program:
            operation, *rest = state.program
            yield (state._replace(held=state.held | {operation[1]}, program=tuple(rest)) if operation[0] == "hand out"
                   else state._replace(buffer=state.buffer + (operation,), program=tuple(rest)))
            return
        mine = drained(state)
        for block in state.held:  # acre_slab_set_free; acre_recent_put
            after = state._replace(held=state.held - {block})
            yield after._replace(program=(("bits", block, 1), ("countdown", None, mine.countdown - 1)))
            yield after._replace(program=(("entries", mine.top, block), ("bits", block, 1), ("top", None, mine.top + 1)))
        if mine.top > 0:  # acre_recent_take
            block = mine.entries[mine.top - 1]
            yield state._replace(program=(("top", None, mine.top - 1), ("bits", block, 0), ("hand out", block)))
            # acre_recent_expel: all of them are ordinary free blocks from now on
            yield state._replace(program=(("top", None, 0), ("countdown", None, mine.countdown - mine.top)))

    def reads(self):
        """In which order."""
        return ("stack", "bits", "countdown") if self.has("countdown last") else ("countdown", "stack", "bits")

    def scavenger(self, state):
        if state.step == "end":
            return
        what, at = state.step
        order = self.reads()
        follows = dict(zip(order, order[1:] + ("compare",)))
        if what == "countdown":
            yield state._replace(step=(follows[what], -1), first=state.countdown)
        elif what == "stack" and at < 0:
            yield state._replace(step=(what, 0 if self.has("stack not read") else state.top))
        elif what == "stack":  # from the top down
            if at == 0:
                yield state._replace(step=(follows[what], -1))
            else:
                yield state._replace(step=(what, at - 1), stack=state.stack | {state.entries[at - 1]})
        elif what == "bits":
            at = max(at, 0)
            seen = state.seen | ({at} if state.bits[at] else set())
            yield state._replace(step=(what, at + 1) if at + 1 < BLOCKS else (follows[what], -1), seen=seen)
        else:
            free, expected = state.seen - state.stack, ARMED - state.first
            counts = len(free) == expected or self.has("not counted")
            if self.has("stack not read"):
                counts = len(free) >= expected
            yield state._replace(step="end", released=free if counts else frozenset())

    def next_states(self, state):
        yield from self.arrivals(state)
        yield from self.scavenger(state)
        if len(state.buffer) < STORES_MOST:
            yield from self.owner(state)

    def explore(self):
        """How many states there are, and the way to one where a released block is held, or None."""
        return explore(starts(self.reads()[0]), self.next_states, lambda state: state.released and state.released & state.held,
                       lambda state: state.released)


def main():
    states, way = Model().explore()
    failed = int(way is not None)
    report(f"{states} states, {'NOT SOUND' if way else 'sound'}", way)
    for mistake, meaning in MISTAKES.items():
        failed += report_mistake(*Model(mistake).explore(), meaning)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
