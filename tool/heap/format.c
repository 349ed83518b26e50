#include "heap/format.h"

#include "complain.h"

#include <gelf.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

/* Headers and notes lie at the beginning of a file. */
#define IMAGE_BYTES ((size_t)16 << 10)
/* No number of a description is above this, but for that of the map's bytes; nor is an offset in a record. */
#define NUMBER_MOST (UINT64_C(1) << 20)
#define MAP_BYTES_MOST (UINT64_C(1) << 30)

struct search {
    struct target *target;
    struct heap_format *format;
    uint32_t version;                                      /* of a description that was found but is not known */
    bool any_note, any_unread, any_file, any_file_missing; /* files: of a core, their first pages */
};

static uint64_t read_bytes(struct record record, uint64_t offset, size_t bytes) {
    uint64_t value = 0;
    if (bytes <= sizeof value && offset < record.bytes && record.bytes - offset >= bytes) {
        memcpy(&value, record.data + offset, bytes); /* little-endian, as all that acre runs on */
    }
    return value;
}

uint64_t record_number(const struct heap_format *format, struct record record, int field) {
    return read_bytes(record, format->field[field].offset, format->field[field].bytes);
}

uint64_t record_word(const struct heap_format *format, struct record record, int field, size_t index,
                     size_t word_bytes) {
    return read_bytes(record, format->field[field].offset + (uint64_t)index * word_bytes, word_bytes);
}

struct record record_part(struct record record, uint64_t offset) {
    if (offset >= record.bytes) {
        return (struct record){NULL, 0};
    }
    return (struct record){record.data + offset, record.bytes - (size_t)offset};
}

static bool has_room(const struct heap_format *format, int record, int field, uint64_t bytes) {
    return format->field[field].offset + bytes <= format->number[record];
}

/* Whether parts lie in the records that they are parts of. */
static bool has_room_for_all(const struct heap_format *format) {
    const uint64_t *number = format->number, classes = number[ACRE_NUMBER_CLASSES];
    return has_room(format, ACRE_NUMBER_CHUNK_BYTES, ACRE_FIELD_CHUNK_PAGE,
                    format->field[ACRE_FIELD_CHUNK_PAGE].bytes) &&
           has_room(format, ACRE_NUMBER_ARENA_BYTES, ACRE_FIELD_ARENA_NODE, 16) &&
           has_room(format, ACRE_NUMBER_HUGE_BYTES, ACRE_FIELD_HUGE_HIGH, 8) &&
           has_room(format, ACRE_NUMBER_HEAP_BYTES, ACRE_FIELD_HEAP_CURSOR,
                    classes * number[ACRE_NUMBER_CURSOR_BYTES]) &&
           has_room(format, ACRE_NUMBER_HEAP_BYTES, ACRE_FIELD_HEAP_RECENT,
                    classes * number[ACRE_NUMBER_RECENT_BYTES]) &&
           has_room(format, ACRE_NUMBER_HEAP_BYTES, ACRE_FIELD_HEAP_READY,
                    classes * number[ACRE_NUMBER_READY_MOST] * 2) &&
           has_room(format, ACRE_NUMBER_CURSOR_BYTES, ACRE_FIELD_CURSOR_BOTTOM, 4) &&
           has_room(format, ACRE_NUMBER_RECENT_BYTES, ACRE_FIELD_RECENT_TOP, 8) &&
           has_room(format, ACRE_NUMBER_RECENT_ENTRY_BYTES, ACRE_FIELD_RECENT_ENTRY_BLOCK, 8) &&
           has_room(format, ACRE_NUMBER_THREAD_BYTES, ACRE_FIELD_THREAD_HEAP, number[ACRE_NUMBER_HEAP_BYTES]) &&
           has_room(format, ACRE_NUMBER_THREAD_BYTES, ACRE_FIELD_THREAD_OUTBOX,
                    number[ACRE_NUMBER_OUTBOX_SLOTS] * number[ACRE_NUMBER_OUTBOX_SLOT_BYTES]);
}

/* Whether what is said there can be; all else is checked where it is used. */
static bool is_possible(const struct heap_format *format) {
    const uint64_t *number = format->number;
    for (int i = 0; i < ACRE_NUMBERS; i++) {
        if (number[i] == 0 || number[i] > (i == ACRE_NUMBER_MAP_BYTES ? MAP_BYTES_MOST : NUMBER_MOST)) {
            return false;
        }
    }
    for (int i = 0; i < ACRE_FIELDS; i++) {
        if (format->field[i].offset > NUMBER_MOST || format->field[i].bytes > NUMBER_MOST) {
            return false;
        }
    }
    return number[ACRE_NUMBER_ADDRESS_BITS] <= 57 && number[ACRE_NUMBER_LEAF_SHIFT] <= 40 &&
           number[ACRE_NUMBER_GRANULE_SHIFT] >= 12 && number[ACRE_NUMBER_GRANULE_SHIFT] <= 21 &&
           number[ACRE_NUMBER_LEAF_SHIFT] > number[ACRE_NUMBER_GRANULE_SHIFT] &&
           number[ACRE_NUMBER_CLASSES] <= 256 && number[ACRE_NUMBER_SMALL_CLASSES] <= number[ACRE_NUMBER_CLASSES] &&
           (number[ACRE_NUMBER_ALIGNMENT] & (number[ACRE_NUMBER_ALIGNMENT] - 1)) == 0 && has_room_for_all(format);
}

/* One of the description's three tables; of a longer one, from a later minor version, what is known here. */
static bool read_table(struct target *target, uint64_t *address, uint32_t count, void *to, size_t known,
                       size_t entry_bytes) {
    if (count < known || count > 4096 ||
        target_read(target, *address, to, known * entry_bytes) != known * entry_bytes) {
        return false;
    }
    *address += (uint64_t)count * entry_bytes;
    return true;
}

static bool read_description(struct search *search, uint64_t address) {
    struct {
        uint64_t magic;
        uint32_t version, roots, numbers, fields;
    } head;
    struct target *target = search->target;
    struct heap_format *format = search->format;
    if (target_read(target, address, &head, sizeof head) != sizeof head || head.magic != ACRE_DESCRIPTION_MAGIC) {
        return false;
    }
    if (head.version != ACRE_DESCRIPTION_VERSION) {
        search->version = head.version;
        return false;
    }
    address += sizeof head;
    return read_table(target, &address, head.roots, format->root, ACRE_ROOTS, sizeof format->root[0]) &&
           read_table(target, &address, head.numbers, format->number, ACRE_NUMBERS, sizeof format->number[0]) &&
           read_table(target, &address, head.fields, format->field, ACRE_FIELDS, sizeof format->field[0]) &&
           is_possible(format);
}

/* Whether the library has begun to serve: a program linked with acre may have another one preloaded. */
static bool is_in_use(struct search *search) {
    uint64_t first = 0;
    target_read(search->target, search->format->root[ACRE_ROOT_THREADS], &first, sizeof first);
    return first != 0 && first != search->format->root[ACRE_ROOT_THREADS];
}

static bool try_note(struct search *search, uint64_t content_address) {
    struct acre_description_note note;
    search->any_note = true;
    if (target_read(search->target, content_address, &note, sizeof note) != sizeof note) {
        search->any_unread = true;
        return false;
    }
    if (note.version != ACRE_DESCRIPTION_VERSION) {
        search->version = note.version;
        return false;
    }
    uint64_t from = content_address + offsetof(struct acre_description_note, distance);
    if (!read_description(search, from + (uint64_t)note.distance)) {
        search->any_unread |= search->version == 0;
        return false;
    }
    return true;
}

/* The address of the content of acre's note, or 0. */
static uint64_t find_note(Elf *elf, const GElf_Phdr *segment, uint64_t bias) {
    Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)segment->p_offset, segment->p_filesz,
                                          segment->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
    GElf_Nhdr note;
    size_t name_at, content_at;
    for (size_t at = 0; data != NULL && (at = gelf_getnote(data, at, &note, &name_at, &content_at)) > 0;) {
        if (note.n_type == ACRE_NOTE_TYPE && note.n_namesz == sizeof ACRE_NOTE_NAME &&
            note.n_descsz >= sizeof(struct acre_description_note) &&
            memcmp((const char *)data->d_buf + name_at, ACRE_NOTE_NAME, sizeof ACRE_NOTE_NAME) == 0) {
            return bias + segment->p_vaddr + content_at;
        }
    }
    return 0;
}

/* Where the file is mapped, less where its headers say; and its writable segment. */
static void note_module(struct heap_format *format, Elf *elf, size_t segments, uint64_t start, uint64_t *bias) {
    GElf_Phdr segment;
    bool first = true;
    format->module_start = start;
    format->data_start = format->data_end = 0;
    for (size_t i = 0; i < segments && gelf_getphdr(elf, (int)i, &segment) != NULL; i++) {
        if (segment.p_type == PT_LOAD && first) {
            *bias = start - (segment.p_vaddr - segment.p_offset);
            first = false;
        }
        if (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) && format->data_end == 0) {
            format->data_start = *bias + segment.p_vaddr;
            format->data_end = format->data_start + segment.p_memsz;
        }
    }
}

static bool try_module(struct search *search, const struct mapping *mapping) {
    static char image[IMAGE_BYTES];
    GElf_Ehdr header;
    size_t segments, got = target_read(search->target, mapping->start, image, sizeof image);
    search->any_file |= got > 0 && *mapping->name != '\0';
    search->any_file_missing |= got == 0 && *mapping->name != '\0';
    if (got < sizeof(Elf64_Ehdr) || memcmp(image, ELFMAG, SELFMAG) != 0) {
        return false;
    }
    Elf *elf = elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_memory(image, got);
    bool found = false;
    GElf_Phdr segment;
    uint64_t bias = 0, note = 0;
    if (elf != NULL && gelf_getehdr(elf, &header) != NULL && elf_getphdrnum(elf, &segments) == 0) {
        note_module(search->format, elf, segments, mapping->start, &bias);
        for (size_t i = 0; i < segments && note == 0 && gelf_getphdr(elf, (int)i, &segment) != NULL; i++) {
            if (segment.p_type == PT_NOTE && segment.p_offset + segment.p_filesz <= got) {
                note = find_note(elf, &segment, bias);
            }
        }
        found = note != 0 && try_note(search, note);
    }
    elf_end(elf);
    return found;
}

/* Whether a core has NT_FILE; qemu's for other processors do not, and leave out what was mapped from files. */
static bool names_files(const struct target *target) {
    for (size_t i = 0; i < target->mapping_count; i++) {
        if (*target->mappings[i].name != '\0') {
            return true;
        }
    }
    return false;
}

static void complain_of(const struct search *search) {
    const struct target *target = search->target;
    char what[128];
    if (target->is_core) {
        snprintf(what, sizeof what, "the core's program");
    } else {
        snprintf(what, sizeof what, "process %ld (%.64s)", (long)target->pid, target->name);
    }
    if (target->is_cut_off) {
        complain("the core is cut off, and what there is of it does not lead to acre's records");
    } else if (search->version != 0) {
        complain("%s is on an acre whose heap has format %u; this command reads %u: use the acre command of that "
                 "library's version",
                 what, search->version, ACRE_DESCRIPTION_VERSION);
    } else if (search->any_unread) {
        complain("%s is on acre, but the description of its heap cannot be read%s", what,
                 target->is_core ? ": the core does not hold all of the program's memory" : "");
    } else if (target->is_core && !names_files(target)) {
        complain(
            "the core does not say which files its program had mapped, as cores of the kernel and of gcore do: "
            "acre's records cannot be found in it");
    } else if (target->is_core && search->any_file_missing && !search->any_file) {
        complain(
            "the core does not hold the first pages of mapped files, by which acre is found: its process had them "
            "left out (bit 4 of coredump_filter, core(5))");
    } else {
        complain(
            "%s is not on acre: no file mapped into it has acre's note. Start it with LD_PRELOAD=libacre.so.1, "
            "or by `acre run --library plain'",
            what);
    }
}

/* Of a process nothing else is even read: the kernel would put pages there, or wait for who is to give them. A
 * file's may have gone from memory, and are read again; those of memory that only looks like a file may never have
 * come. */
static bool may_begin_a_file(struct target *target, const struct mapping *mapping) {
    enum { PAGES = IMAGE_BYTES / 4096 };
    uint8_t states[PAGES];
    if (target->is_core) {
        return mapping->file_offset == 0 || mapping->file_offset == UINT64_MAX;
    }
    bool fine = mapping->file_offset == 0 && *mapping->name == '/';
    if (fine && strncmp(mapping->name, "/memfd:", strlen("/memfd:")) == 0) {
        size_t pages = (size_t)((mapping->end - mapping->start) / target->page_bytes);
        size_t read_pages = (IMAGE_BYTES + target->page_bytes - 1) / target->page_bytes;
        pages = pages < read_pages ? pages : read_pages;
        fine = target_pages(target, mapping->start, pages, states) && memchr(states, PAGE_ABSENT, pages) == NULL;
    }
    return fine;
}

/* Among several the one that serves: a later one only if the first does not. */
bool heap_format_find(struct target *target, struct heap_format *format) {
    struct heap_format candidate, found;
    struct search search = {.target = target, .format = &candidate};
    bool any = false;
    for (size_t i = 0; i < target->mapping_count; i++) {
        const struct mapping *mapping = &target->mappings[i];
        if (!mapping->readable || mapping->shared || !may_begin_a_file(target, mapping) ||
            !try_module(&search, mapping)) {
            continue;
        }
        const char *name = strrchr(mapping->name, '/');
        candidate.is_own_module = name != NULL && strncmp(name, "/libacre", strlen("/libacre")) == 0;
        if (!any || is_in_use(&search)) {
            /* cppcheck-suppress uninitvar ; try_module has set all of it */
            found = candidate;
            any = true;
        }
        if (is_in_use(&search)) {
            break;
        }
    }
    if (!any) {
        complain_of(&search);
        return false;
    }
    *format = found;
    return true;
}

struct heap_scavenger heap_format_scavenger(struct target *target, const struct heap_format *format) {
    unsigned char bytes[64] = {0};
    struct record place = {bytes, sizeof bytes};
    target_read(target, format->root[ACRE_ROOT_SCAVENGER], bytes, sizeof bytes);
    return (struct heap_scavenger){.thread = record_number(format, place, ACRE_FIELD_SCAVENGER_THREAD_ID),
                                   .descriptor = record_number(format, place, ACRE_FIELD_SCAVENGER_DESCRIPTOR)};
}
