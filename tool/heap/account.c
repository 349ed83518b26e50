#include "heap/account.h"

#include "complain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE_CLASS UINT64_MAX

struct making {
    struct account *account;
    struct heap *heap;
    struct account_mapping *mapping; /* of the last page */
    uint64_t piece_resident_bytes;
    size_t class_room;
    bool out_of_memory;
};

uint64_t account_sum(const uint64_t bytes[BUCKETS]) {
    uint64_t sum_bytes = 0;
    for (int i = 0; i < BUCKETS; i++) {
        sum_bytes += bytes[i];
    }
    return sum_bytes;
}

static struct account_mapping *mapping_of(struct making *making, uint64_t address) {
    struct account *account = making->account;
    struct account_mapping *last = making->mapping;
    if (last != NULL && address >= last->mapping->start && address < last->mapping->end) {
        return last;
    }
    const struct mapping *mapping = target_mapping_of(making->heap->target, address);
    making->mapping = mapping == NULL ? NULL : &account->mappings[mapping - making->heap->target->mappings];
    return making->mapping;
}

static void add_page(const struct page *page, void *context) {
    struct making *making = context;
    struct account *account = making->account;
    struct account_mapping *mapping = mapping_of(making, page->address);
    uint64_t all_bytes = page->count * making->heap->target->page_bytes, bytes[BUCKETS];
    if (mapping == NULL) {
        return;
    }
    account->swapped_bytes += page->state == PAGE_SWAPPED ? all_bytes : 0;
    mapping->acre_bytes += all_bytes;
    if (!page->is_resident) {
        return;
    }
    page_split(making->heap, page, bytes);
    for (int i = 0; i < BUCKETS; i++) {
        mapping->bytes[i] += page->count * bytes[i];
        account->bytes[i] += page->count * bytes[i];
    }
    making->piece_resident_bytes += all_bytes;
    if (page->live == 0 && page->piece->kind != PIECE_METADATA) {
        account->trim_bytes += all_bytes;
    }
}

/* ---- by size class */

static struct account_class *class_of(struct making *making, uint64_t block_bytes) {
    struct account *account = making->account;
    size_t at = 0;
    while (at < account->class_count && account->classes[at].block_bytes < block_bytes) {
        at++;
    }
    if (at < account->class_count && account->classes[at].block_bytes == block_bytes) {
        return &account->classes[at];
    }
    if (account->class_count == making->class_room) {
        size_t more = making->class_room * 2 + 16;
        struct account_class *moved = realloc(account->classes, more * sizeof *moved);
        if (moved == NULL) {
            making->out_of_memory = true;
            return NULL;
        }
        account->classes = moved;
        making->class_room = more;
    }
    memmove(&account->classes[at + 1], &account->classes[at],
            (account->class_count - at) * sizeof account->classes[0]);
    account->class_count++;
    account->classes[at] = (struct account_class){.block_bytes = block_bytes};
    return &account->classes[at];
}

/* ---- what keeps the most for the least */

static uint64_t kept_by(const struct account_span *span) { return span->resident_bytes - span->live_bytes; }

static void offer_span(struct account *account, const struct account_span *span) {
    size_t at = account->span_count;
    while (at > 0 && kept_by(&account->spans[at - 1]) < kept_by(span)) {
        at--;
    }
    if (at == ACCOUNT_SPANS_MOST) {
        return;
    }
    size_t moved = (account->span_count < ACCOUNT_SPANS_MOST ? account->span_count : ACCOUNT_SPANS_MOST - 1) - at;
    memmove(&account->spans[at + 1], &account->spans[at], moved * sizeof *span);
    account->spans[at] = *span;
    account->span_count += account->span_count < ACCOUNT_SPANS_MOST;
}

static void add_piece(const struct piece *piece, void *context) {
    struct making *making = context;
    struct account *account = making->account;
    uint64_t resident_bytes = making->piece_resident_bytes;
    making->piece_resident_bytes = 0;
    if (piece->kind != PIECE_SLAB && piece->kind != PIECE_LARGE && piece->kind != PIECE_HUGE) {
        return;
    }
    account->live_blocks += piece->live_blocks;
    account->live_bytes += piece->live_bytes;
    if (piece->arena != HEAP_NO_ARENA) {
        struct account_arena *arena = &account->arenas[piece->arena];
        arena->live_blocks += piece->live_blocks;
        arena->live_bytes += piece->live_bytes;
        arena->resident_bytes += resident_bytes;
    }
    struct account_class *class = class_of(making, piece->kind == PIECE_SLAB ? piece->block_bytes : LARGE_CLASS);
    if (class != NULL) {
        class->spans++;
        class->live_blocks += piece->live_blocks;
        class->live_bytes += piece->live_bytes;
        class->ready_blocks += piece->ready_blocks;
        class->resident_bytes += resident_bytes;
    }
    struct account_span span = {.address = piece->base,
                                .resident_bytes = resident_bytes,
                                .live_bytes = piece->live_bytes,
                                .live_blocks = piece->live_blocks,
                                .block_bytes = piece->block_bytes,
                                .arena = piece->arena};
    if (piece->kind == PIECE_SLAB && piece->live_blocks > 0 && resident_bytes > piece->live_bytes) {
        account->pinned_by_spans_bytes += kept_by(&span);
        account->pinning_spans++;
        offer_span(account, &span);
    }
}

/* ---- what is not acre's */

static bool has_thread(const struct heap *heap, const struct mapping *mapping) {
    for (size_t i = 0; i < heap->thread_count; i++) {
        if (heap->threads[i] >= mapping->start && heap->threads[i] < mapping->end) {
            return true;
        }
    }
    return false;
}

static void name_other(const struct heap *heap, const struct account_mapping *mapping, char name[256]) {
    const char *of = mapping->mapping->name;
    if (mapping->acre_bytes > 0 && (strcmp(of, "[heap]") == 0 || *of == '\0')) {
        snprintf(name, 256, "%s",
                 strcmp(of, "[heap]") == 0 ? "[heap], by others than acre" : "beside acre's pages");
    } else if (*of == '\0') {
        snprintf(name, 256, "%s", has_thread(heap, mapping->mapping) ? "thread stacks and variables" : "[anon]");
    } else {
        snprintf(name, 256, "%s", of);
    }
}

static bool add_other(struct account *account, const char *name, uint64_t bytes) {
    account->other_bytes += bytes;
    for (size_t i = 0; i < account->other_count; i++) {
        if (strcmp(account->others[i].name, name) == 0) {
            account->others[i].bytes += bytes;
            return true;
        }
    }
    struct account_other *moved = realloc(account->others, (account->other_count + 1) * sizeof *moved);
    if (moved == NULL) {
        return false;
    }
    account->others = moved;
    struct account_other *other = &moved[account->other_count++];
    snprintf(other->name, sizeof other->name, "%s", name);
    other->bytes = bytes;
    return true;
}

/* Resident anonymous pages of a whole mapping, as the kernel's page tables have it now. */
static uint64_t count_resident(struct target *target, const struct mapping *mapping) {
    enum { WINDOW_PAGES = 65536 };
    static uint8_t states[WINDOW_PAGES];
    uint64_t found = 0;
    for (uint64_t at = mapping->start; at < mapping->end;) {
        uint64_t pages = (mapping->end - at) / target->page_bytes;
        pages = pages < WINDOW_PAGES ? pages : WINDOW_PAGES;
        if (!target_pages(target, at, (size_t)pages, states)) {
            return 0;
        }
        for (size_t i = 0; i < pages; i++) {
            found += states[i] == PAGE_ANONYMOUS;
        }
        at += pages * target->page_bytes;
    }
    return found * target->page_bytes;
}

/* Of a process whose figures were not asked for. The kernel's own pages ([vdso] and the like) look like a
 * process's. */
static bool may_hold_other(const struct target *target, const struct mapping *mapping) {
    return !target->is_core && !mapping->has_kernel_figures && !mapping->shared &&
           strncmp(mapping->name, "[v", 2) != 0;
}

static bool add_others(struct making *making) {
    struct account *account = making->account;
    struct target *target = making->heap->target;
    for (size_t i = 0; i < account->mapping_count; i++) {
        struct account_mapping *mapping = &account->mappings[i];
        uint64_t acre_bytes = account_sum(mapping->bytes);
        uint64_t all_bytes = mapping->kernel_bytes;
        if (mapping->acre_bytes > 0 || may_hold_other(target, mapping->mapping)) {
            all_bytes = target->is_core ? acre_bytes : count_resident(target, mapping->mapping);
        }
        mapping->other_bytes = all_bytes > acre_bytes ? all_bytes - acre_bytes : 0;
        char name[256];
        name_other(making->heap, mapping, name);
        if (mapping->other_bytes > 0 && !add_other(account, name, mapping->other_bytes)) {
            return false;
        }
        account->kernel_bytes += mapping->kernel_bytes;
    }
    account->resident_bytes = account_sum(account->bytes) + account->other_bytes;
    return true;
}

static int by_bytes(const void *one, const void *other) {
    const struct account_other *a = one, *b = other;
    return (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

bool account_make(struct account *account, struct heap *heap) {
    const struct target *target = heap->target;
    struct making making = {.account = account, .heap = heap};
    *account = (struct account){.mapping_count = target->mapping_count};
    account->mappings = calloc(target->mapping_count + 1, sizeof *account->mappings);
    account->arenas = calloc(heap->arena_count + 1, sizeof *account->arenas);
    bool fine = account->mappings != NULL && account->arenas != NULL;
    for (size_t i = 0; fine && i < target->mapping_count; i++) {
        account->mappings[i].mapping = &target->mappings[i];
        account->mappings[i].kernel_bytes = target->mappings[i].anonymous_bytes;
    }
    fine = fine && pages_each(heap, add_page, add_piece, &making) && !making.out_of_memory && add_others(&making);
    if (!fine) {
        complain("out of memory");
        account_free(account);
        return false;
    }
    if (account->other_count > 0) {
        qsort(account->others, account->other_count, sizeof account->others[0], by_bytes);
    }
    return true;
}

void account_free(struct account *account) {
    free(account->mappings);
    free(account->classes);
    free(account->arenas);
    free(account->others);
    *account = (struct account){.mapping_count = 0};
}
