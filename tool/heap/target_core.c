/* A core file, by libelf. */
#include "heap/target.h"

#include "complain.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

struct target_core {
    int file;
    Elf *elf;
    uint64_t file_bytes;
    struct part { /* of the address space that the file holds */
        uint64_t start, bytes, offset;
    } * parts;
    size_t part_count;
};

uint64_t target_core_file_bytes(const struct target *target) { return target->core->file_bytes; }

/* The first that ends behind the address: they are in the order of their addresses. */
static size_t first_part(const struct target_core *core, uint64_t address) {
    size_t low = 0, high = core->part_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (core->parts[middle].start + core->parts[middle].bytes <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t target_core_read(struct target *target, uint64_t address, void *to, size_t size_bytes) {
    const struct target_core *core = target->core;
    size_t done_bytes = 0;
    for (size_t i = first_part(core, address); i < core->part_count && done_bytes < size_bytes; i++) {
        const struct part *part = &core->parts[i];
        uint64_t at = address + done_bytes;
        if (part->bytes == 0) {
            continue;
        }
        if (at < part->start) {
            break;
        }
        uint64_t left_bytes = part->bytes - (at - part->start);
        size_t wanted_bytes = size_bytes - done_bytes < left_bytes ? size_bytes - done_bytes : (size_t)left_bytes;
        ssize_t got =
            pread(core->file, (char *)to + done_bytes, wanted_bytes, (off_t)(part->offset + (at - part->start)));
        if (got <= 0) {
            break;
        }
        done_bytes += (size_t)got;
    }
    return done_bytes;
}

static bool add_segment(struct target *target, const GElf_Phdr *segment) {
    struct target_core *core = target->core;
    struct mapping *mapping = &target->mappings[target->mapping_count];
    uint64_t end = segment->p_vaddr + segment->p_memsz;
    bool in_order = target->mapping_count == 0 || mapping[-1].end <= segment->p_vaddr;
    if (segment->p_memsz == 0 || end < segment->p_vaddr || !in_order || segment->p_filesz > segment->p_memsz) {
        return segment->p_memsz == 0;
    }
    *mapping = (struct mapping){.start = segment->p_vaddr,
                                .end = end,
                                .file_offset = UINT64_MAX, /* of no file, as far as is known yet */
                                .readable = segment->p_flags & PF_R,
                                .writable = segment->p_flags & PF_W,
                                .executable = segment->p_flags & PF_X,
                                .name = strdup("")};
    target->mapping_count++;
    uint64_t there_bytes = segment->p_filesz;
    if (segment->p_offset > core->file_bytes || there_bytes > core->file_bytes - segment->p_offset) {
        target->is_cut_off = true;
        there_bytes = segment->p_offset > core->file_bytes ? 0 : core->file_bytes - segment->p_offset;
    }
    core->parts[core->part_count++] = (struct part){segment->p_vaddr, there_bytes, segment->p_offset};
    return mapping->name != NULL;
}

static struct mapping *mapping_that_begins(struct target *target, uint64_t start) {
    const struct mapping *mapping = target_mapping_of(target, start);
    return mapping != NULL && mapping->start == start ? &target->mappings[mapping - target->mappings] : NULL;
}

/* NT_FILE: how many, the unit of offsets; start, end and offset of each; the names, one behind the other. */
static void name_mappings(struct target *target, const char *content, size_t size_bytes) {
    uint64_t head[2], entry[3];
    if (size_bytes < sizeof head) {
        return;
    }
    memcpy(head, content, sizeof head);
    if (head[0] > (size_bytes - sizeof head) / sizeof entry) {
        return;
    }
    const char *name = content + sizeof head + head[0] * sizeof entry, *end = content + size_bytes;
    for (uint64_t i = 0; i < head[0]; i++) {
        const char *name_end = memchr(name, '\0', (size_t)(end - name));
        if (name_end == NULL) {
            return;
        }
        memcpy(entry, content + sizeof head + i * sizeof entry, sizeof entry);
        struct mapping *mapping = mapping_that_begins(target, entry[0]);
        char *copy = mapping == NULL ? NULL : strdup(name);
        if (copy != NULL) {
            free(mapping->name);
            mapping->name = copy;
            mapping->file_offset = entry[2] * head[1];
        }
        name = name_end + 1;
    }
}

static void note_program(struct target *target, const void *content, size_t size_bytes) {
    struct elf_prpsinfo info;
    if (size_bytes < sizeof info) {
        return;
    }
    memcpy(&info, content, sizeof info);
    target->pid = info.pr_pid;
    memcpy(target->name, info.pr_fname, sizeof info.pr_fname);
    target->name[sizeof info.pr_fname] = '\0';
}

static void note_page_bytes(struct target *target, const char *content, size_t size_bytes) {
    Elf64_auxv_t entry;
    for (size_t at = 0; at + sizeof entry <= size_bytes; at += sizeof entry) {
        memcpy(&entry, content + at, sizeof entry);
        uint64_t bytes = entry.a_un.a_val;
        if (entry.a_type == AT_PAGESZ && bytes >= 4096 && bytes <= 65536 && (bytes & (bytes - 1)) == 0) {
            target->page_bytes = bytes;
        }
    }
}

static void read_notes(struct target *target, const GElf_Phdr *segment) {
    Elf_Data *data =
        elf_getdata_rawchunk(target->core->elf, (int64_t)segment->p_offset, segment->p_filesz, ELF_T_NHDR);
    GElf_Nhdr note;
    size_t name_at, content_at;
    for (size_t at = 0; data != NULL && (at = gelf_getnote(data, at, &note, &name_at, &content_at)) > 0;) {
        const char *content = (const char *)data->d_buf + content_at;
        if (note.n_type == NT_FILE) {
            name_mappings(target, content, note.n_descsz);
        } else if (note.n_type == NT_PRPSINFO) {
            note_program(target, content, note.n_descsz);
        } else if (note.n_type == NT_AUXV) {
            note_page_bytes(target, content, note.n_descsz);
        }
    }
}

static bool read_segments(struct target *target, size_t count) {
    struct target_core *core = target->core;
    target->mappings = calloc(count, sizeof *target->mappings);
    core->parts = calloc(count, sizeof *core->parts);
    GElf_Phdr segment;
    for (size_t i = 0; target->mappings != NULL && core->parts != NULL && i < count; i++) {
        if (gelf_getphdr(core->elf, (int)i, &segment) == NULL ||
            (segment.p_type == PT_LOAD && !add_segment(target, &segment))) {
            return false;
        }
    }
    for (size_t i = 0; i < count && target->mapping_count > 0; i++) {
        if (gelf_getphdr(core->elf, (int)i, &segment) != NULL && segment.p_type == PT_NOTE) {
            read_notes(target, &segment);
        }
    }
    return target->mapping_count > 0;
}

/* NULL: it was opened; otherwise what is wrong with it. */
static const char *open_core(struct target *target, const char *path) {
    struct target_core *core = target->core;
    GElf_Ehdr header;
    struct stat status;
    size_t segments;
    core->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait for its other end */
    if (core->file < 0 || fstat(core->file, &status) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return "not a file";
    }
    core->file_bytes = (uint64_t)status.st_size;
    core->elf = elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_begin(core->file, ELF_C_READ, NULL);
    if (core->elf == NULL || elf_kind(core->elf) != ELF_K_ELF || gelf_getehdr(core->elf, &header) == NULL ||
        header.e_type != ET_CORE) {
        return "not a core file";
    }
    if (gelf_getclass(core->elf) != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
        return "a core of a program that is not 64-bit little-endian: acre does not run there";
    }
    if (elf_getphdrnum(core->elf, &segments) != 0 || segments == 0 || !read_segments(target, segments)) {
        return "a broken core file: its table of segments cannot be read";
    }
    return NULL;
}

bool target_core_open(struct target *target, const char *path) {
    *target = (struct target){.is_core = true, .page_bytes = 4096, .core = calloc(1, sizeof *target->core)};
    if (target->core == NULL) {
        complain("out of memory");
        return false;
    }
    target->core->file = -1;
    const char *reason = open_core(target, path);
    if (reason != NULL) {
        bool is_word = target->core->file < 0 && errno == ENOENT && strchr(path, '/') == NULL;
        complain("%s: %s%s", path, reason, is_word ? ", neither a process's number nor a core file" : "");
    }
    return reason == NULL;
}

void target_core_close(struct target *target) {
    elf_end(target->core->elf);
    if (target->core->file >= 0) {
        close(target->core->file);
    }
    free(target->core->parts);
    free(target->core);
    target->core = NULL;
}
