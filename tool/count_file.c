#include "count_file.h"

#include "complain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct acre_count_file *count_file_make(bool children, char path[64]) {
    int descriptor = memfd_create("acre-count", MFD_CLOEXEC);
    if (descriptor < 0 || ftruncate(descriptor, sizeof(struct acre_count_file)) != 0) {
        complain("cannot make the record to count in: %s", strerror(errno));
        return NULL;
    }
    struct acre_count_file *file = mmap(NULL, sizeof *file, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (file == MAP_FAILED) {
        complain("cannot map the record to count in: %s", strerror(errno));
        return NULL;
    }
    file->version = ACRE_COUNT_VERSION;
    file->process_bytes = sizeof(struct acre_count_process);
    file->children = children;
    file->magic = ACRE_COUNT_MAGIC;
    snprintf(path, 64, "/proc/%ld/fd/%d", (long)getpid(), descriptor);
    return file;
}

static uint64_t load(const _Atomic uint64_t *word) { return atomic_load_explicit(word, memory_order_relaxed); }

/* Arenas that change their rows while threads count in them may leave a sum a little below zero. */
static uint64_t load_sum(const _Atomic uint64_t *word) {
    uint64_t sum = load(word);
    return sum > INT64_MAX ? 0 : sum;
}

static void read_arena(const struct acre_count_arena *row, struct arena_figures *arena) {
    *arena = (struct arena_figures){
        .made = load(&row->made),
        .left = load(&row->left),
        .calls = load(&row->calls),
        .failed_calls = load(&row->failed_calls),
        .resets = load(&row->resets),
        .live_peak_bytes = load(&row->live.peak),
        .live_end_bytes = load_sum(&row->live.now),
        .live_end_blocks = load_sum(&row->live.blocks),
        .held_peak_bytes = load(&row->held_peak),
        .held_end_bytes = load_sum(&row->held_now),
        .held_most_bytes = load(&row->held_most),
        .limit_bytes = load(&row->limit),
    };
    memcpy(arena->name, row->name, sizeof arena->name - 1);
}

static int by_held_peak(const void *left, const void *right) {
    const struct arena_figures *a = left, *b = right;
    if (a->held_peak_bytes != b->held_peak_bytes) {
        return a->held_peak_bytes < b->held_peak_bytes ? 1 : -1;
    }
    return a->is_others != b->is_others ? a->is_others - b->is_others : strcmp(a->name, b->name);
}

static void read_arenas(const struct acre_count_arena *rows, struct image_figures *image) {
    for (size_t i = 0; i <= ACRE_COUNT_ARENAS; i++) {
        struct arena_figures *arena = &image->arenas[image->arena_names];
        read_arena(&rows[i], arena);
        arena->is_others = i == 0;
        image->arenas_made += arena->made;
        image->arenas_left += arena->left;
        image->arena_names += arena->made != 0;
    }
    qsort(image->arenas, image->arena_names, sizeof *image->arenas, by_held_peak);
}

static void read_slot(const struct acre_count_process *slot, struct image_figures *image) {
    *image = (struct image_figures){
        .pid = load(&slot->pid),
        .parent_pid = load(&slot->parent_pid),
        .image = load(&slot->image),
        .ended = load(&slot->ended) != 0,
        .failed_calls = load(&slot->failed_calls),
        .break_start = load(&slot->break_start),
        .break_peak = load(&slot->break_peak),
        .break_end = load(&slot->break_end),
        .mapped_end_bytes = load(&slot->mapped_now),
        .mapped_peak_bytes = load(&slot->mapped_peak),
        .live_end_bytes = load(&slot->live.now),
        .live_peak_bytes = load(&slot->live.peak),
        .live_end_blocks = load(&slot->live.blocks),
        .looked_ms = load(&slot->looked_ms),
        .retained_bytes = load(&slot->retained_now),
        .metadata_end_bytes = load(&slot->metadata_now),
        .released_again_bytes = load(&slot->released_again),
    };
    for (size_t i = 0; i < ACRE_COUNT_CALLS; i++) {
        image->calls[i] = load(&slot->calls[i]);
    }
    for (size_t i = 0; i < ACRE_COUNT_SYSCALLS; i++) {
        image->syscalls[i] = load(&slot->syscalls[i]);
    }
    for (size_t i = 0; i < ACRE_COUNT_RELEASED_HOWS; i++) {
        image->released_bytes[i] = load(&slot->released[i]);
    }
    /* The program could write anything here: nothing of it is believed to be in bounds. */
    uint64_t cells = load(&slot->picture_cells);
    image->picture_cells = (unsigned)(cells <= ACRE_COUNT_PICTURE_CELLS ? cells : ACRE_COUNT_PICTURE_CELLS);
    memcpy(image->picture, slot->picture, image->picture_cells);
    snprintf(image->name, sizeof image->name, "%.*s", (int)sizeof slot->name - 1, slot->name);
    read_arenas(slot->arenas, image);
}

static void add_to_total(struct count_total *total, const struct image_figures *image) {
    for (size_t i = 0; i < ACRE_COUNT_CALLS; i++) {
        total->calls[i] += image->calls[i];
    }
    for (size_t i = 0; i < ACRE_COUNT_SYSCALLS; i++) {
        total->syscalls[i] += image->syscalls[i];
    }
    total->failed_calls += image->failed_calls;
    total->images++;
    total->processes += image->image <= 1;
}

static void keep_image(struct count_figures *figures, const struct image_figures *image, uint64_t root_pid) {
    struct image_figures other = *image;
    add_to_total(&figures->total, image);
    if (image->pid == root_pid && (!figures->attached || image->image > figures->root.image)) {
        other = figures->root;
        figures->root = *image;
        if (!figures->attached) {
            figures->attached = true;
            return;
        }
    }
    figures->images[figures->image_count++] = other;
}

void count_figures_read(const struct acre_count_file *file, struct count_figures *figures) {
    *figures = (struct count_figures){.attached = false};
    if (file == NULL) {
        return;
    }
    uint64_t claimed = load(&file->used);
    size_t used = claimed < ACRE_COUNT_PROCESSES ? claimed : ACRE_COUNT_PROCESSES;
    figures->uncounted_images = claimed - used;
    figures->images = calloc(used + 1, sizeof *figures->images);
    for (size_t i = 0; figures->images != NULL && i < used; i++) {
        struct image_figures image;
        read_slot(&file->process[i], &image);
        if (image.pid != 0 && (image.pid == file->root_pid || file->children != 0)) {
            keep_image(figures, &image, file->root_pid);
        }
    }
}

static uint64_t sum(const uint64_t *counts, size_t kinds) {
    uint64_t total = 0;
    for (size_t i = 0; i < kinds; i++) {
        total += counts[i];
    }
    return total;
}

uint64_t count_of_calls(const uint64_t calls[ACRE_COUNT_CALLS]) { return sum(calls, ACRE_COUNT_CALLS); }

uint64_t count_of_released_bytes(const uint64_t bytes[ACRE_COUNT_RELEASED_HOWS]) {
    return sum(bytes, ACRE_COUNT_RELEASED_HOWS);
}

uint64_t count_of_syscalls(const uint64_t syscalls[ACRE_COUNT_SYSCALLS]) {
    return sum(syscalls, ACRE_COUNT_SYSCALLS);
}
