/* Layer 7: what is due goes back to the OS: free pages, huge blocks in the cache, holes of slabs. */
#ifndef ACRE_ARENA_SCAVENGE_H
#define ACRE_ARENA_SCAVENGE_H

#include "arena/arena.h"

struct acre_scavenged {
    bool any;   /* something was released */
    bool waits; /* something waits that will be due, or could not be released this time */
    bool busy;  /* what it needed was in use: all is to be looked at again */
};

/* Any thread, with no lock held. Releases what has been free for as long as from one call to the next. */
struct acre_scavenged acre_scavenge_due(void);
/* Releases everything that is free, whoever owns it, but for pad_bytes at the break. Blocks that lie ready in
 * another thread's cursors count as live, and so do those that it freed last, where it keeps these (heap/recent.h).
 */
struct acre_scavenged acre_scavenge_all(size_t pad_bytes);
/* The same for what one arena has to itself; whether anything was released. */
bool acre_scavenge_arena(struct acre_arena *arena);

/* For fork: held while the gate of refills is closed. In the child: a visitor that is not here has gone. */
struct acre_lock *acre_scavenge_lock(void);
void acre_scavenge_after_fork(void);

#endif
