#!/usr/bin/env python3
"""Frees from afar and the passing on of slabs, explored exhaustively: remote.py [-v] [--long]

One slab of two blocks, its record, and three threads: each frees blocks that it holds, takes free blocks of the slab if
it owns it, looks at its queue, gives the slab up when it is full, adopts it, takes it from the depot, and ends
(src/heap/remote.c, free.c and exit.c; src/slab/slab.c and depot.c). The record of a slab that is gone may serve
another one at once. Every interleaving of their accesses to memory is tried.

What a thread does stands in `todo` as the steps that are still to come, each of which is one access to memory. All are
sequentially consistent, as in the code, but for the store of a slab's heap, which arrives later.

Always: what belongs to the owner is touched by the owner, or under the depot's lock where the depot is it; a block is
free once; nothing is on two queues; a record is given back once, and on no queue. When all threads rest: no
freed block waits for ever, nor in a full slab without an owner for a thread that may sleep, and what is empty is gone.
(In a slab that has an owner, or is on the depot's list, it may wait for a thread that sleeps, if its message was sent
while the slab moved.) Then each step is left out in turn, or done in another order, and that must be found. Exit status
0: the protocol is sound and every planted mistake is found.
"""
import sys
from collections import namedtuple

sys.dont_write_bytecode = True
from explore import explore, report, report_mistake  # noqa: E402

BLOCKS = 2
ALL = (1 << BLOCKS) - 1
NONE, SHARED, GONE = "none", "shared", "gone"
NOBODY = None

# The record: owner, heap (whose queue it belongs to), queued and alive (the bits of `queued`), remote and bits (the two
# bitmaps), buried (given back). The depot's lock. queues: who has it on a queue. unused: heaps whose thread has ended.
# held: who has each block. todo: for each thread its steps. lands: stores of `heap` on their way. takes, reuses: what may
# still happen, so that there is an end. wrong: what was seen.
State = namedtuple("State", "owner heap queued alive remote bits buried lock queues unused held todo lands gone takes "
                            "reuses leavers wrong")

MISTAKES = {
    "bits after queueing": "a freer queues the slab, and then sets its bit",
    "freer does not queue": "a freer does not queue the slab",
    "freer does not see to it": "a freer does not look at the owner after it has queued the slab",
    "disown without look": "who gives a slab up does not look whether it is queued",
    "look before disowning": "who gives a slab up looks whether it is queued, and then gives it up",
    "hand on without look": "a thread that ends gives a full slab up and does not look whether it is queued",
    "hand on without second look": "likewise, and it did not help",
    "adopt without comparing": "who adopts a slab does not make sure that it still has no owner",
    "adopt without collecting": "who adopts a slab does not collect what was freed",
    "shared is not seen to": "a slab of the depot is not looked at for frees that came late",
    "free without asking": "who frees into a slab of the depot does not ask whether it is still there",
    "free in the depot without lock": "who frees into a slab of the depot does so without the depot's lock",
    "collect in two steps": "who collects reads the bits, and then clears them",
    "collect first": "a slab is collected, and then taken off its queue",
    "message not passed on": "who finds another's slab on its queue does not pass it on",
    "message not seen to": "who finds a slab on its queue does not look whether it has an owner",
    "passed on while it is queued": "a message is passed on without a look whether the slab is queued again",
    "not seen to without a heap": "a thread that ends does not see to the slabs on its queue at its last look",
    "pusher does not drain": "who pushes on the queue of a thread that has ended leaves it there",
    "no last look": "a thread that ends does not look at its queue after it has said so",
    "buried on a queue": "a dead slab's record is given back while it is on a queue",
    "not buried by the queue": "who takes a dead slab off a queue does not give its record back",
    "owner not gone": "a dead slab's owner stays what it was",
    "heap before queueing": "a freer reads whose queue it is, and then queues the slab",
}
# A queue that is no more the slab's passes the message on. (Where the queue may be gone, at the end of an arena, it would
# do harm: this is not in the model.)
HARMLESS = {"heap before queueing"}


# Steps that look at nothing but what is the thread's own.
UNSEEN = {"send", "settle", "unlock", "hand_on", "hand_on_again"}


def put(values, at, value):
    return values[:at] + (value,) + values[at + 1:]


class Model:
    """Each step is a function of the same name: the states that may follow, with the step taken off `todo`."""

    def __init__(self, mistake=None):
        self.mistake = mistake

    def has(self, mistake):
        return self.mistake == mistake

    # ---- what the steps are made of

    @staticmethod
    def then(state, me, *steps):
        return state._replace(todo=put(state.todo, me, steps + state.todo[me]))

    @staticmethod
    def fails(state, words):
        return state._replace(wrong=words)

    @staticmethod
    def landed(state, me):
        """My store of `heap` comes before my next atomic step."""
        if not state.lands[me]:
            return state
        return state._replace(heap=me, lands=put(state.lands, me, False))

    @staticmethod
    def heap_seen_by(state, me):
        return me if state.lands[me] else state.heap

    @staticmethod
    def may_touch(state, me):
        return state.owner == me or (state.owner == SHARED and state.lock == me)

    def set_free(self, state, me, blocks):
        if not self.may_touch(state, me):
            return self.fails(state, "the owner's bits are touched by another")
        if state.bits & blocks:
            return self.fails(state, "a block is free twice")
        return state._replace(bits=state.bits | blocks)

    # ---- collecting, and the end of a slab

    def collect(self, state, me):
        state = self.landed(state, me)
        if self.has("collect in two steps"):
            return [self.then(state, me, ("clear", state.remote))]
        return [self.set_free(state, me, state.remote)._replace(remote=0)]

    def clear(self, state, me, seen):
        return [self.set_free(state, me, seen)._replace(remote=0)]

    def settle(self, state, me):
        if not self.may_touch(state, me):
            return [self.fails(state, "the slab is filed by another than its owner")]
        return [self.then(state, me, ("destroy",)) if state.bits == ALL else state]

    def destroy(self, state, me):
        state = self.landed(state, me)
        if state.remote or any(holder is not NOBODY for holder in state.held):
            return [self.fails(state, "a slab is destroyed that is in use")]
        owner = state.owner if self.has("owner not gone") else GONE
        return [self.then(state._replace(owner=owner, bits=0), me, ("die",))]

    def die(self, state, me):
        dead = state._replace(alive=False)
        if dead.queued and not self.has("buried on a queue"):
            return [dead]
        return [self.bury(dead)]

    def bury(self, state):
        if state.buried:
            return self.fails(state, "a record is given back twice")
        if state.queues:
            return self.fails(state, "a record is given back that is on a queue")
        return state._replace(buried=True)

    # ---- who owns it

    def adopt(self, state, me, otherwise=()):
        """By compare-and-swap, out of NONE."""
        if state.owner != NONE and not self.has("adopt without comparing"):
            return [self.then(state, me, *otherwise)]
        return [self.adopted(self.landed(state, me)._replace(owner=me), me)]

    def adopted(self, state, me):
        """A thread that is ending has no heap to file it in, and hands it on."""
        if me in state.unused:
            return self.then(state, me, ("collect",), ("hand_on",))
        state = state._replace(lands=put(state.lands, me, True))
        collects = () if self.has("adopt without collecting") else (("collect",),)
        return self.then(state, me, *collects, ("settle",))

    def see_to(self, state, me):
        if me in state.unused and self.has("not seen to without a heap"):
            return [state]
        if state.owner == NONE:
            return [self.then(state, me, ("adopt",))]
        if state.owner == SHARED and not self.has("shared is not seen to"):
            return [self.then(state, me, ("lock",), ("free_shared", 0))]
        return [state]

    def give_up(self, state, me, again):
        """A slab that is full: nobody's, and then the look at the queue; `again`: what to do when it is mine again."""
        state = self.landed(state, me)
        if self.has("look before disowning") and not state.queued:
            return [self.then(state, me, ("drop_owner",))]
        looks = () if self.has(again + " without look") else (("look_after", again),)
        return [self.then(state._replace(owner=NONE), me, *looks)]

    def drop_owner(self, state, me):
        return [self.landed(state, me)._replace(owner=NONE)]

    def look_after(self, state, me, again):
        if not state.queued:
            return [state]
        return [self.then(state, me, ("adopt",) if again == "disown" else ("take_again",))]

    def take_again(self, state, me):
        """Of a thread that ends."""
        if state.owner != NONE:
            return [state]
        return [self.then(state._replace(owner=me), me, ("collect",), ("hand_on_again",))]

    # ---- the depot

    def lock(self, state, me):
        if self.has("free in the depot without lock"):
            return [state]
        return [self.landed(state, me)._replace(lock=me)] if state.lock is NOBODY else []

    def unlock(self, state, me):
        return [self.landed(state, me)._replace(lock=state.lock if state.lock != me else NOBODY)]

    def claim(self, state, me):
        """Out of the depot's list, for its allocations."""
        return [self.adopted(self.then(self.landed(state, me)._replace(owner=me), me, ("unlock",)), me)]

    def free_shared(self, state, me, block):
        """block: its bit, or 0: only what was freed from afar."""
        if state.owner != SHARED and not self.has("free without asking"):
            return [self.then(state, me, ("unlock",), *((("send", block),) if block else ()))]
        collects = (("collect",),) if state.queued or not block else ()
        return [self.then(state, me, *collects, ("finish_shared", block))]

    def finish_shared(self, state, me, block):
        state = self.landed(self.set_free(state, me, block), me)
        if state.bits == ALL:
            return [self.then(state._replace(owner=me), me, ("unlock",), ("destroy",))]
        stays = self.then(state, me, ("unlock",))
        # Else it may have been the last of several in a row.
        if not block or me in state.unused:
            return [stays]
        return [stays, self.adopted(self.then(state._replace(owner=me), me, ("unlock",)), me)]

    # ---- free

    def free(self, state, me, block):
        if state.owner == me:
            return [self.then(self.set_free(state, me, block), me, ("settle",))]
        if state.owner == NONE:
            return [self.then(state, me, ("adopt_and_free", block))]
        if state.owner == SHARED:
            return [self.then(state, me, ("lock",), ("free_shared", block))]
        return [self.then(state, me, ("send", block))]

    def adopt_and_free(self, state, me, block):
        if state.owner != NONE and not self.has("adopt without comparing"):
            return [self.then(state, me, ("send", block))]
        return self.adopt(self.then(state, me, ("free", block)), me)

    def send(self, state, me, block):
        steps = [("set_remote", block), ("queue",), ("see_to",)]
        if self.has("bits after queueing"):
            steps = [("queue",), ("set_remote", block), ("see_to",)]
        if self.has("freer does not queue"):
            steps.remove(("queue",))
        if self.has("freer does not see to it"):
            steps.remove(("see_to",))
        return [self.then(state, me, *steps)]

    def set_remote(self, state, me, block):
        if state.remote & block or not state.alive:
            return [self.fails(state, "a block is freed twice, or in a dead slab")]
        return [self.landed(state, me)._replace(remote=state.remote | block)]

    def queue(self, state, me, whence=NOBODY):
        """whence: the queue that the message was on, if it is passed on."""
        if self.has("heap before queueing"):
            return [self.then(state, me, ("queue_there", whence, self.heap_seen_by(state, me)))]
        return self.queue_there(state, me, whence)

    def queue_there(self, state, me, whence, heap=NOBODY):
        """Unless it is queued, or dead."""
        state = self.landed(state, me)
        looks = whence is NOBODY or not self.has("passed on while it is queued")
        if looks and (state.queued or not state.alive):
            return [state]
        return [self.then(state._replace(queued=True), me, ("push", whence, heap))]

    def push(self, state, me, whence, heap):
        """Who pushes back where the message was empties that queue anyway."""
        state = self.landed(state, me)
        to = state.heap if heap is NOBODY else heap
        if state.queues:
            return [self.fails(state, "a slab is on two queues")]
        state = state._replace(queues=frozenset({to}))
        if to == whence or self.has("pusher does not drain"):
            return [state]
        return [self.then(state, me, ("drain_if_unused", to))]

    def drain_if_unused(self, state, me, heap):
        return [self.then(state, me, ("drain", heap)) if heap in state.unused else state]

    # ---- a queue is emptied

    def drain(self, state, me, heap):
        state = self.landed(state, me)
        if heap not in state.queues:
            return [state]
        state = state._replace(queues=state.queues - {heap})
        steps = (("collect_early",), ("unqueue", heap)) if self.has("collect first") else (("unqueue", heap),)
        return [self.then(state, me, *steps, ("drain_if_unused", heap))]

    def collect_early(self, state, me):
        return [self.then(state, me, ("collect",), ("settle",)) if state.owner == me else state]

    def unqueue(self, state, me, heap):
        off = self.landed(state, me)._replace(queued=False)
        if off.alive:
            return [self.then(off, me, ("deliver", heap))]
        return [off if self.has("not buried by the queue") else self.bury(off)]

    def deliver(self, state, me, heap):
        sees_to = () if self.has("message not seen to") else (("see_to",),)
        if state.owner == me and self.heap_seen_by(state, me) == me:
            collects = () if self.has("collect first") else (("collect",), ("settle",))
            return [self.then(state, me, *collects, *sees_to)]
        if state.owner in (NONE, SHARED, GONE) or self.has("message not passed on"):
            return [self.then(state, me, *sees_to)]
        return [self.then(state, me, ("queue", heap), *sees_to)]

    # ---- the end of a thread

    def hand_on(self, state, me):
        if state.bits == ALL:
            return [self.then(state, me, ("destroy",))]
        if state.bits == 0:
            return [self.then(state, me, ("give_up", "hand on"))]
        return [self.then(state, me, ("lock",), ("share",), ("unlock",))]

    def hand_on_again(self, state, me):
        """It may be queued still, with a thread that sleeps."""
        looks = () if self.has("hand on without second look") else (("look_for_remote",),)
        return [self.then(state, me, *([("hand_on",)] if state.bits else [("drop_owner",), *looks]))]

    def look_for_remote(self, state, me):
        return [self.then(state, me, ("take_again",)) if state.remote else state]

    def share(self, state, me):
        return [self.landed(state, me)._replace(owner=SHARED)]

    def leave(self, state, me):
        """Drains and hands on until there is nothing left."""
        if me in state.queues:
            return [self.then(state, me, ("drain", me), ("leave",))]
        if state.owner == me:
            return [self.then(state, me, ("collect",), ("hand_on",), ("leave",))]
        looks = () if self.has("no last look") else (("drain", me),)
        return [self.then(self.landed(state, me), me, ("be_unused",), *looks)]

    def be_unused(self, state, me):
        return [state._replace(unused=state.unused | {me})]

    def begin(self, state, me):
        """The second part of making a slab: its record can be queued."""
        return [self.landed(state, me)._replace(alive=True, queued=False)]

    # ---- what a thread may do next

    def idle(self, state, me):
        for block in range(BLOCKS):
            if state.held[block] == me:
                freed = state._replace(held=put(state.held, block, NOBODY))
                yield self.then(freed, me, ("free", 1 << block))
        if state.owner == me:
            yield from self.as_owner(state, me)
        if me in state.queues:
            yield self.then(state, me, ("drain", me))
        if state.owner == SHARED:
            yield self.then(state, me, ("lock",), ("claim",))
        if state.buried and state.reuses > 0 and me == 2:
            yield self.then(state._replace(buried=False, owner=me, lands=put(state.lands, me, True), held=(me,) * BLOCKS,
                                           reuses=state.reuses - 1), me, ("begin",))
        if me in state.leavers:  # with blocks that nobody frees, perhaps
            yield self.then(state._replace(gone=state.gone | {me}), me, ("leave",))

    def as_owner(self, state, me):
        if state.bits == 0:
            yield self.then(state, me, ("give_up", "disown"))
        for block in range(BLOCKS):
            if state.bits & 1 << block and state.takes > 0:
                if state.held[block] is not NOBODY:
                    yield self.fails(state, "a block is handed out twice")
                yield state._replace(bits=state.bits & ~(1 << block), held=put(state.held, block, me),
                                     takes=state.takes - 1)

    def step(self, state, me):
        (name, *details), rest = state.todo[me][0], state.todo[me][1:]
        return getattr(self, name)(state._replace(todo=put(state.todo, me, rest)), me, *details)

    def run(self, state, me):
        """One step, and then those that nobody else can see. The depot's lock is taken with what comes first under it,
        and given back with what came last."""
        todo = [state]
        if state.todo[me][0][0] == "lock":
            todo = self.step(state, me)
        todo = [after for before in todo for after in self.step(before, me)]
        while todo:
            after = todo.pop()
            if after.todo[me] and after.todo[me][0][0] in UNSEEN and not after.wrong:
                todo.extend(self.step(after, me))
            else:
                yield after

    def next_states(self, state):
        for me in range(len(state.todo)):
            if state.lands[me]:
                yield self.landed(state, me)
            if state.todo[me]:
                yield from self.run(state, me)
            elif me not in state.gone:
                for begun in self.idle(state, me):
                    yield from self.run(begun, me) if begun.todo[me] else [begun]

    @staticmethod
    def rests_wrongly(state):
        """What must not be when nobody has anything left to do but what it may also leave."""
        if any(state.todo) or any(state.lands):
            return False
        if any(heap not in state.gone for heap in state.queues):  # whose thread comes by, unless it sleeps
            return "frees wait for a thread that may sleep" if state.remote and state.owner == NONE else False
        held = sum(1 << block for block in range(BLOCKS) if state.held[block] is not NOBODY)
        if state.queues:
            return "on the queue of a thread that has ended"
        if state.buried:
            return "a record is given back that is in use" if state.alive or state.queued else False
        if not state.alive:
            return "a dead record is not given back"
        if state.remote:
            return "freed blocks wait for ever"
        if state.owner in state.gone:
            return "the owner is gone"
        return "blocks are lost, or an empty slab stays" if held | state.bits != ALL or not held else False

    def explore(self, starts):
        return explore(starts, self.next_states, lambda state: state.wrong or self.rests_wrongly(state),
                       lambda state: state.buried)


def start(owner, held, reuses, takes, leavers):
    bits = sum(1 << block for block in range(BLOCKS) if held[block] is NOBODY)
    threads = 3
    return State(owner=owner, heap=0, queued=False, alive=True, remote=0, bits=bits, buried=False, lock=NOBODY,
                 queues=frozenset(), unused=frozenset(), held=held, todo=((),) * threads, lands=(False,) * threads,
                 gone=frozenset(), takes=takes, reuses=reuses, leavers=leavers,
                 wrong="")


# The owner is thread 0. Two frees from afar, and threads that end; an owner that takes blocks again; records that serve
# again. --long: more of these at once (some minutes).
STARTS = [start(0, (1, 2), 0, 0, (0, 1)), start(0, (1, 0), 0, 1, (0,)), start(0, (1, 0), 1, 0, ())]
LONG_STARTS = [start(0, (1, 2), 1, 0, (0,)), start(0, (1, 0), 1, 1, (0,)), start(0, (1, 0), 0, 1, (0, 1))]


def main():
    starts = STARTS + (LONG_STARTS if "--long" in sys.argv[1:] else [])
    states, way = Model().explore(starts)
    failed = int(way is not None)
    report(f"{states} states, {'NOT SOUND: ' + str(way[-1].wrong or Model.rests_wrongly(way[-1])) if way else 'sound'}", way)
    for mistake, meaning in MISTAKES.items():
        states, way = Model(mistake).explore(starts)
        failed += report_mistake(states, way, meaning, mistake in HARMLESS)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
