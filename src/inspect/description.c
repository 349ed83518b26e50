#include "inspect/description.h"

#include "arena/arena.h"
#include "heap/recent.h"
#include "metadata/map.h"
#include "metadata/metadata.h"
#include "os/os.h"
#include "slab/holes.h"
#include "span/decay.h"
#include "span/huge.h"
#include "span/released.h"

#include <stddef.h>

#define ROOT(name, object) [ACRE_ROOT_##name] = &object,
#define NUMBER(name, value) [ACRE_NUMBER_##name] = value,
#define FIELD(name, record, member) [ACRE_FIELD_##name] = {offsetof(record, member), sizeof((record *)0)->member},

/* Not constant for the linker, since core files leave out what no program can write to. */
__attribute__((used)) struct acre_description acre_description = {
    .magic = ACRE_DESCRIPTION_MAGIC,
    .version = ACRE_DESCRIPTION_VERSION,
    .roots = ACRE_ROOTS,
    .numbers = ACRE_NUMBERS,
    .fields = ACRE_FIELDS,
    .root = {ACRE_DESCRIPTION_ROOTS(ROOT)},
    .number = {ACRE_DESCRIPTION_NUMBERS(NUMBER)},
    .field = {ACRE_DESCRIPTION_FIELDS(FIELD)},
};

/* struct acre_description_note in a note; the distance is known when it is linked. */
__asm__(".pushsection .note.acre, \"a\", %note\n"
        "\t.balign 4\n"
        "\t.long 5, 16, 1\n" /* bytes of the name and of the content, the type */
        "\t.asciz \"acre\"\n"
        "\t.balign 4\n"
        "\t.long 2, 0\n"
        "1:\t.quad acre_description - 1b\n"
        "\t.popsection\n");
/* Two of the constants happen to be the same: NOLINTNEXTLINE(misc-redundant-expression) */
_Static_assert(sizeof(struct acre_description_note) == 16 && sizeof ACRE_NOTE_NAME == 5 && ACRE_NOTE_TYPE == 1 &&
                   ACRE_DESCRIPTION_VERSION == 2,
               "the note says so");
