/*
 * sawtooth: live memory grows to 512 MiB and shrinks to a sixteenth of it, 20 times, a second each: a slope of 450 ms,
 * 50 ms at the peak, a slope, 50 ms at the trough. Blocks of 64 bytes to 16 KiB (each octave as likely), all bytes
 * written; a random one goes. An allocator that is late finishes its slope without pauses.
 * Stands for: batches and requests that come in waves. What is given back too early is faulted in again by the next
 * wave, which shows as CPU time and faults; what is kept too long, as resident memory in the troughs. Cannot show:
 * waves that are longer or shorter than an allocator's delays were made for.
 */
#include "giveback.h"

enum { SIZE_LEAST = 64, SIZE_MOST = 16384, TROUGH_PART = 16, SLOPE_MS = 450, HOLD_MS = 50, STEP_MS = 2 };

struct sawtooth {
    struct random random;
    struct block *blocks;
    size_t count, count_most;
    size_t live_bytes, before_bytes;
};

static void take(struct sawtooth *saw)
{
    size_t size = random_octave(&saw->random, SIZE_LEAST, SIZE_MOST);
    block_take(&saw->blocks[saw->count++], size, tag_of(size));
    saw->live_bytes += size;
    if (saw->count > saw->count_most)
        saw->count_most = saw->count;
}

static void give(struct sawtooth *saw)
{
    struct block *block = &saw->blocks[random_below(&saw->random, saw->count)];
    size_t size = block->size;
    if (block_give(block) != 2u * tag_of(size) + size) /* its ends */
        give_up("a block lost its contents");
    saw->live_bytes -= size;
    *block = saw->blocks[--saw->count];
}

/* In small steps, each up to what is due by the clock. */
static void slope(struct sawtooth *saw, size_t from_bytes, size_t to_bytes)
{
    uint64_t start_ms = now_ms(), passed_ms = 0;
    while (passed_ms < SLOPE_MS) {
        sleep_until_ms(start_ms + passed_ms + STEP_MS);
        passed_ms = now_ms() - start_ms;
        size_t part_ms = passed_ms < SLOPE_MS ? passed_ms : SLOPE_MS;
        if (to_bytes > from_bytes) {
            while (saw->live_bytes < from_bytes + (to_bytes - from_bytes) / SLOPE_MS * part_ms)
                take(saw);
        } else {
            while (saw->live_bytes > from_bytes - (from_bytes - to_bytes) / SLOPE_MS * part_ms)
                give(saw);
        }
    }
}

/* The pages that are in use, what was resident at the start, and the table as far as it was ever filled. */
static size_t floor_of(const struct sawtooth *saw)
{
    struct page_set set;
    page_set_open(&set, saw->live_bytes / page_bytes() + 2 * saw->count);
    page_set_add(&set, saw->blocks, saw->count);
    return saw->before_bytes + pages_round_up(saw->count_most * sizeof *saw->blocks) + page_set_close(&set);
}

/* The marks are made at the end of the pause: that is the moment at which resident memory is looked at. */
static void rest_at_peak(const struct sawtooth *saw)
{
    sleep_until_ms(now_ms() + HOLD_MS);
    mark(now_ms(), "peak", "live_bytes=%zu", saw->live_bytes);
}

static void rest_at_trough(const struct sawtooth *saw)
{
    uint64_t end_ms = now_ms() + HOLD_MS;
    size_t floor_bytes = floor_of(saw);
    sleep_until_ms(end_ms);
    mark(now_ms(), "trough", "live_bytes=%zu floor_bytes=%zu", saw->live_bytes, floor_bytes);
}

void giveback_sawtooth(const struct giveback_options *options)
{
    size_t high_bytes = options->size_bytes, low_bytes = high_bytes / TROUGH_PART;
    struct sawtooth saw = {.random = {1}, .before_bytes = resident_bytes()};
    saw.blocks = books_take((high_bytes / SIZE_LEAST + 1) * sizeof *saw.blocks); /* resident only as far as used */
    for (uint64_t tooth = 0; tooth < options->count; tooth++) {
        slope(&saw, tooth == 0 ? 0 : low_bytes, high_bytes);
        rest_at_peak(&saw);
        slope(&saw, high_bytes, low_bytes);
        rest_at_trough(&saw);
    }
    blocks_check(saw.blocks, saw.count);
}
