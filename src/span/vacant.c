#include "span/vacant.h"

#include "metadata/metadata.h"

static uintptr_t end_of(const struct acre_huge *huge) { return huge->span.base + huge->mapped_bytes; }
static size_t longest_in(const struct acre_huge *tree) { return tree == NULL ? 0 : tree->longest_bytes; }

/* Any number that does not follow the order of addresses, whatever the distances between them. (Steele, Lea, Flood:
 * Fast splittable pseudorandom number generators, 2014: their mixing function.) */
static uint32_t priority(const struct acre_huge *huge) {
    uint64_t mixed = (uint64_t)(huge->span.base >> 12) * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(mixed ^ mixed >> 31);
}

static struct acre_huge *updated(struct acre_huge *tree) {
    tree->longest_bytes = acre_max(tree->mapped_bytes, acre_max(longest_in(tree->low), longest_in(tree->high)));
    return tree;
}

/* Below the address, and the rest. */
static void split(struct acre_huge *tree, uintptr_t address, struct acre_huge **low, struct acre_huge **high) {
    if (tree == NULL) {
        *low = *high = NULL;
    } else if (tree->span.base < address) {
        split(tree->high, address, &tree->high, high);
        *low = updated(tree);
    } else {
        split(tree->low, address, low, &tree->low);
        *high = updated(tree);
    }
}

static struct acre_huge *merge(struct acre_huge *low, struct acre_huge *high) {
    if (low == NULL || high == NULL) return low == NULL ? high : low;
    if (priority(low) > priority(high)) {
        low->high = merge(low->high, high);
        return updated(low);
    }
    high->low = merge(low, high->low);
    return updated(high);
}

static struct acre_huge *insert(struct acre_huge *tree, struct acre_huge *huge) {
    if (tree == NULL || priority(huge) > priority(tree)) {
        split(tree, huge->span.base, &huge->low, &huge->high);
        return updated(huge);
    }
    if (huge->span.base < tree->span.base)
        tree->low = insert(tree->low, huge);
    else
        tree->high = insert(tree->high, huge);
    return updated(tree);
}

static struct acre_huge *without(struct acre_huge *tree, const struct acre_huge *huge) {
    if (tree == huge) return merge(tree->low, tree->high);
    if (huge->span.base < tree->span.base)
        tree->low = without(tree->low, huge);
    else
        tree->high = without(tree->high, huge);
    return updated(tree);
}

static void add(struct acre_vacant *vacant, struct acre_huge *huge) {
    vacant->root = insert(vacant->root, huge);
    vacant->count++;
    vacant->bytes += huge->mapped_bytes;
}

void acre_vacant_remove(struct acre_vacant *vacant, struct acre_huge *huge) {
    vacant->root = without(vacant->root, huge);
    vacant->count--;
    vacant->bytes -= huge->mapped_bytes;
}

/* The last one that begins before the address. */
static struct acre_huge *find_before(const struct acre_vacant *vacant, uintptr_t address) {
    struct acre_huge *found = NULL;
    for (struct acre_huge *tree = vacant->root; tree != NULL;) {
        bool is_before = tree->span.base < address;
        if (is_before) found = tree;
        tree = is_before ? tree->high : tree->low;
    }
    return found;
}

static struct acre_huge *find_at(const struct acre_vacant *vacant, uintptr_t address) {
    struct acre_huge *found = find_before(vacant, address + 1);
    return found != NULL && found->span.base == address ? found : NULL;
}

static void take_over(struct acre_vacant *vacant, struct acre_huge *huge, struct acre_huge *other) {
    acre_vacant_remove(vacant, other);
    huge->span.base = acre_min(huge->span.base, other->span.base);
    huge->mapped_bytes += other->mapped_bytes;
    acre_metadata_give(ACRE_RECORD_HUGE, other);
}

struct acre_huge *acre_vacant_put(struct acre_vacant *vacant, struct acre_huge *huge) {
    struct acre_huge *before = find_before(vacant, huge->span.base), *behind = find_at(vacant, end_of(huge));
    if (behind != NULL) take_over(vacant, huge, behind);
    if (before != NULL && end_of(before) == huge->span.base) take_over(vacant, huge, before);
    add(vacant, huge);
    return huge;
}

uintptr_t acre_vacant_take(struct acre_vacant *vacant, size_t size_bytes) {
    struct acre_huge *huge = vacant->root;
    if (longest_in(huge) < size_bytes) return 0;
    while (longest_in(huge->low) >= size_bytes || huge->mapped_bytes < size_bytes)
        huge = longest_in(huge->low) >= size_bytes ? huge->low : huge->high;
    acre_vacant_remove(vacant, huge);
    uintptr_t base = huge->span.base;
    huge->span.base += size_bytes;
    huge->mapped_bytes -= size_bytes;
    if (huge->mapped_bytes > 0)
        add(vacant, huge);
    else
        acre_metadata_give(ACRE_RECORD_HUGE, huge);
    return base;
}

struct acre_huge *acre_vacant_highest(const struct acre_vacant *vacant) {
    return find_before(vacant, UINTPTR_MAX);
}

struct sums {
    size_t count, bytes;
    uintptr_t end; /* of the extent before */
    bool valid;
};

static void add_up(const struct acre_huge *tree, struct sums *sums) {
    if (tree == NULL) return;
    add_up(tree->low, sums);
    size_t longest_bytes = acre_max(tree->mapped_bytes, acre_max(longest_in(tree->low), longest_in(tree->high)));
    sums->valid &= tree->span.base > sums->end && tree->mapped_bytes > 0 && tree->longest_bytes == longest_bytes;
    sums->valid &= tree->low == NULL || priority(tree->low) <= priority(tree);
    sums->valid &= tree->high == NULL || priority(tree->high) <= priority(tree);
    sums->end = end_of(tree);
    sums->bytes += tree->mapped_bytes;
    sums->count++;
    add_up(tree->high, sums);
}

bool acre_vacant_is_valid(const struct acre_vacant *vacant) {
    struct sums sums = {0, 0, 0, true};
    add_up(vacant->root, &sums);
    return sums.valid && sums.count == vacant->count && sums.bytes == vacant->bytes;
}
