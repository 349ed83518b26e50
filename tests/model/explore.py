"""What the models of protocols share: a search through all states that can be reached, and what is said about it."""
import gc
import sys

gc.disable()  # states are in no cycles, and there are many


def explore(starts, next_states, is_wrong, is_useful):
    """How many states there are, and the way to one that is wrong, or None. A model that never comes to a state that
    is useful finds nothing, and is itself wrong."""
    came_from, useful = {start: None for start in starts}, False
    todo = list(came_from)
    while todo:
        state = todo.pop()
        useful = useful or is_useful(state)
        if is_wrong(state):
            return len(came_from), way_to(state, came_from)
        for following in next_states(state):
            if following not in came_from:
                came_from[following] = state
                todo.append(following)
    assert useful, "the model never does what it is about, and so finds nothing"
    return len(came_from), None


def way_to(state, came_from):
    way = []
    while state is not None:
        way.append(state)
        state = came_from[state]
    return way[::-1]


def report(words, way):
    print(words)
    if "-v" in sys.argv[1:] and way:
        for state in way:
            print("   ", *(f"{name}={value}" for name, value in state._asdict().items()))


def report_mistake(states, way, meaning, is_harmless=False):
    """A planted mistake must be found, unless it is known to do no harm; 1 when that is not so."""
    found = way is not None
    if is_harmless:
        word = "found, though it was to be harmless" if found else "harmless, as it should be"
    else:
        word = "found" if found else "NOT FOUND"
    report(f"  {word} after {states} states: {meaning}", way)
    return int(found == is_harmless)
