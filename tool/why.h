/* acre why: parts of it. */
#ifndef ACRE_TOOL_WHY_H
#define ACRE_TOOL_WHY_H

#include "heap/account.h"
#include "look.h"

#include <stdio.h>

struct why_view {
    const struct look_request *request;
    const struct heap *heap;
    const struct account *account;
    uint64_t kernel_after_bytes; /* the kernel's figure once more, after acre was read; 0: not known */
};

void why_report(FILE *stream, const struct why_view *view);
json_t *why_json(const struct why_view *view); /* NULL: no memory */
/* What somebody should do about it, in one sentence. */
void why_advice(const struct why_view *view, char advice[512]);

#endif
