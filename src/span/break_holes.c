#include "span/break_holes.h"

#include "metadata/metadata.h"
#include "os/os.h"
#include "source/source.h"
#include "span/released.h"

static struct acre_huge *of_node(struct acre_node *node) { return ACRE_CONTAINER_OF(node, struct acre_huge, node); }
static uintptr_t end_of(const struct acre_huge *hole) { return hole->span.base + hole->mapped_bytes; }

static void drop(struct acre_huge *hole) {
    acre_list_remove(&hole->node);
    acre_metadata_give(ACRE_RECORD_HUGE, hole);
}

void acre_break_hole_make(struct acre_node *holes, struct acre_huge *huge) {
    struct acre_node *node = holes->next;
    while (node != holes && of_node(node)->span.base < huge->span.base) node = node->next;
    acre_list_insert(node->prev, &huge->node);
    struct acre_node *before = huge->node.prev, *after = huge->node.next;
    if (acre_os_release((void *)huge->span.base, huge->mapped_bytes))
        acre_released_note(ACRE_RELEASED_PAGES, huge->mapped_bytes);
    if (after != holes && of_node(after)->span.base == end_of(huge)) {
        huge->mapped_bytes += of_node(after)->mapped_bytes;
        drop(of_node(after));
    }
    if (before != holes && end_of(of_node(before)) == huge->span.base) {
        huge->span.base = of_node(before)->span.base;
        huge->mapped_bytes += of_node(before)->mapped_bytes;
        drop(of_node(before));
    }
    if (acre_source_lower_break(end_of(huge), huge->mapped_bytes)) drop(huge);
}

uintptr_t acre_break_hole_take(struct acre_node *holes, size_t size_bytes) {
    struct acre_huge *best = NULL;
    for (struct acre_node *node = holes->next; node != holes; node = node->next) {
        struct acre_huge *hole = of_node(node);
        if (hole->mapped_bytes >= size_bytes && (best == NULL || hole->mapped_bytes < best->mapped_bytes))
            best = hole;
    }
    if (best == NULL) return acre_source_grow_break(size_bytes, size_bytes).base;
    acre_released_used_again(size_bytes);
    uintptr_t base = best->span.base;
    best->span.base += size_bytes;
    best->mapped_bytes -= size_bytes;
    if (best->mapped_bytes == 0) drop(best);
    return base;
}

bool acre_break_hole_lower(struct acre_node *holes) {
    bool any = false;
    while (!acre_list_is_empty(holes)) {
        struct acre_huge *highest = of_node(holes->prev);
        if (!acre_source_lower_break(end_of(highest), highest->mapped_bytes)) break;
        drop(highest);
        any = true;
    }
    return any;
}
