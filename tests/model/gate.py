#!/usr/bin/env python3
"""The gate of refills, explored exhaustively: gate.py [-v]

One block that fills a page; its owner, which frees it and takes it again in every way that there is; and a scavenger
that closes the gate, looks, and releases the page (src/heap/gate.h, src/slab/holes.h, src/heap/recent.h). Every
interleaving of their accesses to memory is tried, with the owner's stores delayed as processors delay them: in their
order (x86-64), or each variable for itself (weaker ones). The page must never go while the program holds the block.

A model that finds nothing proves little, so each step that the protocol needs is left out in turn, and that must be
found. Exit status 0: the protocol is sound and every planted mistake is found.
"""
import sys
from collections import namedtuple

sys.dont_write_bytecode = True
from explore import explore, report, report_mistake  # noqa: E402

# Memory that both see, the owner's stores on their way to it, and what only one of them knows. `step` is where a
# thread stands; `held`: the program has the block; `recent`: it is on the owner's stack of recent blocks.
State = namedtuple("State", "closed inside bit keeps remote buffer owner held recent scavenger seen")
START = State(0, 0, 0, 0, 0, (), "idle", True, False, "idle", 0)

MISTAKES = {
    "no fence": "the gate is closed without a barrier in the owner",
    "nobody asked": "the scavenger does not look whether the owner is inside",
    "refill without gate": "a refill does not look at the gate",
    "admit without gate": "a slab begins to keep recent blocks while the gate is closed",
    "recent blocks not asked": "the page of a slab that keeps recent blocks is released",
    "opened early": "the gate opens before the page is released",
    "expel without release": "that a slab keeps no recent blocks any more is seen before what was taken of them",
    "remote bits first": "frees by others are read before the bitmap, and both count what is free",
    "leave without release": "that the owner is outside is seen before what it took",
}
ONLY_WEAK = {"expel without release", "leave without release"}  # an ordinary store is a release on x86-64
HARMLESS = {"remote bits first"}  # a block on its way is seen in neither or both


def read(state, name):
    """The owner sees its own stores before anybody else does."""
    for variable, value, _ in reversed(state.buffer):
        if variable == name:
            return value
    return getattr(state, name)


def store(state, name, value, release=False):
    return state._replace(buffer=state.buffer + ((name, value, release),))


class Model:
    def __init__(self, weak, mistake=None):
        self.weak, self.mistake = weak, mistake

    def has(self, mistake):
        return self.mistake == mistake

    def arrivals(self, state):
        """A store of the owner reaches memory: the oldest, or on weak processors the oldest of any variable, but
        a releasing store after all before it."""
        gone = set()
        for at, (name, value, release) in enumerate(state.buffer):
            if at > 0 and (not self.weak or release):
                break
            if name not in gone:
                rest = state.buffer[:at] + state.buffer[at + 1:]
                yield state._replace(buffer=rest, **{name: value})
            gone.add(name)

    def owner(self, state):
        step = state.owner
        if step == "idle":
            yield from self.owner_begins(state)
        elif step in ("refill", "admit"):  # it has said that it is inside; now the gate
            skips = self.has(step + " without gate")
            yield state._replace(owner=step + (" passed" if state.closed == 0 or skips else " waits"))
        elif step in ("refill waits", "admit waits"):
            if read(state, "inside"):
                yield store(state, "inside", 0, True)
            elif state.closed == 0:
                yield self.enter(state, step.split()[0])
        elif step == "refill passed":
            taken = read(state, "bit") == 1
            after = store(state, "bit", 0) if taken else state
            yield self.leave(after)._replace(owner="idle", held=taken)
        elif step == "admit passed":
            yield self.leave(store(state, "keeps", 1))._replace(owner="idle")
        elif step == "collect":
            yield store(state, "bit", 1)._replace(owner="idle")

    def enter(self, state, step):
        return store(state, "inside", 1)._replace(owner=step)

    def leave(self, state):
        return store(state, "inside", 0, not self.has("leave without release"))

    def owner_begins(self, state):
        keeps = read(state, "keeps") == 1
        if state.held:
            yield store(state, "bit", 1)._replace(held=False, recent=keeps)
            if not keeps:
                yield state._replace(remote=1, held=False)  # another thread frees it: an atomic step
        elif state.recent:
            yield store(state, "bit", 0)._replace(held=True, recent=False)
        elif read(state, "bit") == 1:
            yield self.enter(state, "refill")
        elif state.remote == 1:
            yield state._replace(remote=0, owner="collect", buffer=(), **dict(
                (name, value) for name, value, _ in state.buffer))  # an atomic exchange drains the stores
        if keeps:
            yield store(state, "keeps", 0, not self.has("expel without release"))._replace(recent=False)
        else:
            yield self.enter(state, "admit")

    def scavenger(self, state):
        step = state.scavenger
        if step == "idle":
            yield state._replace(closed=1, scavenger="fence")
        elif step == "fence":
            fenced = state
            if not self.has("no fence"):
                fenced = state._replace(buffer=(), **dict((name, value) for name, value, _ in state.buffer))
            yield fenced._replace(scavenger="ask")
        elif step == "ask":
            if state.inside == 0 or self.has("nobody asked"):
                yield state._replace(scavenger="recent")
            else:
                yield state._replace(scavenger="open")
        elif step == "recent":
            go_on = state.keeps == 0 or self.has("recent blocks not asked")
            yield state._replace(scavenger="first" if go_on else "open")
        elif step in ("first", "second"):
            remote_first = self.has("remote bits first")
            name = "remote" if (step == "first") == remote_first else "bit"
            seen = state.seen | getattr(state, name)
            if step == "first":
                yield state._replace(seen=seen, scavenger="second")
            else:
                yield state._replace(seen=0, scavenger="release" if seen else "open",
                                     closed=0 if self.has("opened early") and seen else state.closed)
        elif step == "release":
            yield state._replace(scavenger="open")
        elif step == "open":
            yield state._replace(closed=0, scavenger="idle")

    def next_states(self, state):
        yield from self.arrivals(state)
        yield from self.scavenger(state)
        if len(state.buffer) < 4:
            yield from self.owner(state)

    def explore(self):
        """How many states there are, and the way to one where a held block's page is released, or None."""
        return explore([START], self.next_states, lambda state: state.scavenger == "release" and state.held,
                       lambda state: state.scavenger == "release")


def main():
    failed = 0
    for weak in (False, True):
        order = "stores of each variable in order" if weak else "all stores in order"
        states, way = Model(weak).explore()
        failed += way is not None
        report(f"{order}: {states} states, {'NOT SOUND' if way else 'sound'}", way)
        for mistake, meaning in MISTAKES.items():
            is_harmless = mistake in HARMLESS or (mistake in ONLY_WEAK and not weak)
            failed += report_mistake(*Model(weak, mistake).explore(), meaning, is_harmless)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
