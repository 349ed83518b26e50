#include "elf_form.h"

#include "inspect/description.h"

#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

static bool has_acre_note(Elf *elf, const GElf_Phdr *segment) {
    Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)segment->p_offset, segment->p_filesz,
                                          segment->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
    GElf_Nhdr note;
    size_t name_offset, description_offset;
    for (size_t offset = 0;
         data != NULL && (offset = gelf_getnote(data, offset, &note, &name_offset, &description_offset)) > 0;) {
        if (note.n_type == ACRE_NOTE_TYPE && note.n_namesz == sizeof ACRE_NOTE_NAME &&
            memcmp((const char *)data->d_buf + name_offset, ACRE_NOTE_NAME, sizeof ACRE_NOTE_NAME) == 0) {
            return true;
        }
    }
    return false;
}

/* The dynamic loader has no interpreter either, but a name of its own, which static programs lack. Started as a
 * command it loads another program and honours LD_PRELOAD. */
static bool has_own_name(Elf *elf, const GElf_Phdr *segment) {
    Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)segment->p_offset, segment->p_filesz, ELF_T_DYN);
    GElf_Dyn entry;
    for (int i = 0; data != NULL && gelf_getdyn(data, i, &entry) != NULL && entry.d_tag != DT_NULL; i++) {
        if (entry.d_tag == DT_SONAME) {
            return true;
        }
    }
    return false;
}

static bool is_musl(Elf *elf, const GElf_Phdr *segment) {
    Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)segment->p_offset, segment->p_filesz, ELF_T_BYTE);
    return data != NULL && memmem(data->d_buf, data->d_size, "ld-musl", strlen("ld-musl")) != NULL;
}

static bool read_form(Elf *elf, struct elf_form *form) {
    GElf_Ehdr header;
    size_t segments;
    if (elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == NULL || elf_getphdrnum(elf, &segments) != 0) {
        return false;
    }
    bool dynamic = false, with_acre = false;
    *form = (struct elf_form){.machine = header.e_machine, .word_bits = gelf_getclass(elf) == ELFCLASS32 ? 32 : 64};
    for (size_t i = 0; i < segments; i++) {
        GElf_Phdr segment;
        if (gelf_getphdr(elf, (int)i, &segment) == NULL) {
            return false;
        }
        if (segment.p_type == PT_INTERP) {
            dynamic = true;
            form->foreign_libc = is_musl(elf, &segment);
        } else if (segment.p_type == PT_DYNAMIC) {
            dynamic |= has_own_name(elf, &segment);
        } else if (segment.p_type == PT_NOTE) {
            with_acre |= has_acre_note(elf, &segment);
        }
    }
    form->has_acre = with_acre;
    form->linkage = dynamic ? ELF_DYNAMIC : with_acre ? ELF_STATIC_WITH_ACRE : ELF_STATIC;
    return true;
}

bool elf_form_of(int file, struct elf_form *form) {
    if (elf_version(EV_CURRENT) == EV_NONE) {
        return false;
    }
    Elf *elf = elf_begin(file, ELF_C_READ, NULL);
    bool known = elf != NULL && read_form(elf, form);
    elf_end(elf);
    return known;
}

bool elf_form_of_path(const char *path, struct elf_form *form) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool known = file >= 0 && elf_form_of(file, form);
    if (file >= 0) {
        close(file);
    }
    return known;
}
