/* acre why --json; docs/why-json.md says what each key means. */
#include "why.h"

#define WHY_SCHEMA "acre-why/1"

static json_t *number(uint64_t value) { return json_integer((json_int_t)value); }

static json_t *arena_name(const struct heap *heap, size_t arena) {
    return arena == HEAP_NO_ARENA ? json_null() : look_json_text(heap->arenas[arena].name);
}

static json_t *buckets_json(const uint64_t bytes[BUCKETS]) {
    json_t *object = json_object();
    for (int i = 0; i < BUCKETS; i++) {
        json_object_set_new(object, bucket_keys[i], number(bytes[i]));
    }
    return object;
}

/* What is not acre's is a bucket for each of its names. Names that differ in what is no character are one here. */
static json_t *all_buckets_json(const struct account *account) {
    json_t *object = buckets_json(account->bytes);
    for (size_t i = 0; i < account->other_count; i++) {
        char key[300];
        snprintf(key, sizeof key, "other:%s", account->others[i].name);
        json_t *text = look_json_text(key);
        json_int_t before = json_integer_value(json_object_get(object, json_string_value(text)));
        json_object_set_new(object, json_string_value(text), number((uint64_t)before + account->others[i].bytes));
        json_decref(text);
    }
    return object;
}

static json_t *mapping_json(const struct account_mapping *mapping, bool kernel_known) {
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "start", number(mapping->mapping->start), "end",
                     number(mapping->mapping->end), "name", look_json_text(mapping->mapping->name), "acre_bytes",
                     number(mapping->acre_bytes), "kernel_bytes",
                     kernel_known ? number(mapping->kernel_bytes) : json_null(), "buckets",
                     buckets_json(mapping->bytes), "other_bytes", number(mapping->other_bytes));
}

static json_t *mappings_json(const struct account *account) {
    json_t *array = json_array();
    for (size_t i = 0; i < account->mapping_count; i++) {
        const struct account_mapping *mapping = &account->mappings[i];
        if (mapping->acre_bytes > 0 || mapping->other_bytes > 0 || mapping->kernel_bytes > 0) {
            json_array_append_new(array, mapping_json(mapping, mapping->mapping->has_kernel_figures));
        }
    }
    return array;
}

static json_t *span_json(const struct heap *heap, const struct account_span *span) {
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "address", number(span->address), "block_bytes",
                     span->block_bytes == 0 ? json_null() : number(span->block_bytes), "live_blocks",
                     number(span->live_blocks), "live_bytes", number(span->live_bytes), "resident_bytes",
                     number(span->resident_bytes), "arena", arena_name(heap, span->arena));
}

static json_t *spans_json(const struct why_view *view) {
    json_t *array = json_array();
    for (size_t i = 0; i < view->account->span_count; i++) {
        json_array_append_new(array, span_json(view->heap, &view->account->spans[i]));
    }
    return array;
}

static json_t *classes_json(const struct account *account) {
    json_t *array = json_array();
    for (size_t i = 0; i < account->class_count; i++) {
        const struct account_class *class = &account->classes[i];
        bool one_size = class->block_bytes != 0 && class->block_bytes != UINT64_MAX;
        json_array_append_new(array, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "kind",
                                               class->block_bytes == 0 ? "mixed"
                                               : one_size              ? "class"
                                                                       : "large",
                                               "block_bytes", one_size ? number(class->block_bytes) : json_null(),
                                               "spans", number(class->spans), "live_blocks",
                                               number(class->live_blocks), "live_bytes", number(class->live_bytes),
                                               "ready_blocks", number(class->ready_blocks), "resident_bytes",
                                               number(class->resident_bytes)));
    }
    return array;
}

static json_t *arenas_json(const struct why_view *view) {
    json_t *array = json_array();
    for (size_t i = 0; i < view->heap->arena_count; i++) {
        const struct heap_arena *arena = &view->heap->arenas[i];
        const struct account_arena *figures = &view->account->arenas[i];
        if (arena->record == 0) {
            continue; /* what small arenas share belongs to each of them */
        }
        json_array_append_new(
            array, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "name", look_json_text(arena->name),
                             "live_blocks", number(figures->live_blocks), "live_bytes", number(figures->live_bytes),
                             "resident_bytes", number(figures->resident_bytes), "held_bytes",
                             number(arena->held_bytes), "held_peak_bytes", number(arena->peak_bytes), "limit_bytes",
                             arena->limit_bytes == UINT64_MAX ? json_null() : number(arena->limit_bytes), "parked",
                             (int)arena->is_parked));
    }
    return array;
}

json_t *why_json(const struct why_view *view) {
    const struct account *account = view->account;
    const struct heap *heap = view->heap;
    const struct target *target = heap->target;
    bool kernel_known = target->is_core ? view->request->smaps_path != NULL : view->request->kernel_figures;
    char advice[512];
    why_advice(view, advice);
    json_t *object = json_pack(
        "{s:s, s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:o}", "schema", WHY_SCHEMA, "pid", number((uint64_t)target->pid),
        "name", look_json_text(target->name), "core", (int)target->is_core, "frozen", (int)view->request->freeze,
        "resident_bytes", number(account->resident_bytes), "kernel_bytes",
        kernel_known ? number(account->kernel_bytes) : json_null(), "kernel_after_bytes",
        kernel_known ? number(view->kernel_after_bytes) : json_null(), "buckets", all_buckets_json(account));
    if (object == NULL) {
        return NULL;
    }
    json_object_set_new(object, "live_blocks", number(account->live_blocks));
    json_object_set_new(object, "live_bytes", number(account->live_bytes));
    json_object_set_new(object, "swapped_bytes", number(account->swapped_bytes));
    json_object_set_new(object, "trim_bytes", number(account->trim_bytes));
    json_object_set_new(object, "trim_faults", number(account->trim_bytes / target->page_bytes));
    json_object_set_new(object, "break",
                        json_pack("{s:o, s:o, s:o}", "start", number(heap->break_start), "now",
                                  number(heap->break_now), "peak", number(heap->break_peak)));
    json_object_set_new(object, "torn_records", number(heap->torn));
    json_object_set_new(object, "mappings", mappings_json(account));
    json_object_set_new(object, "pinning_spans", spans_json(view));
    json_object_set_new(object, "classes", classes_json(account));
    json_object_set_new(object, "arenas", arenas_json(view));
    json_object_set_new(object, "advice", look_json_text(advice));
    return object;
}
