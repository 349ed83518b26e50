/* How an ELF file is linked. */
#ifndef ACRE_TOOL_ELF_FORM_H
#define ACRE_TOOL_ELF_FORM_H

#include <stdbool.h>

enum elf_linkage {
    ELF_DYNAMIC, /* loaded by an interpreter, or is one: preloading works */
    ELF_STATIC,
    ELF_STATIC_WITH_ACRE
};

struct elf_form {
    enum elf_linkage linkage;
    bool has_acre; /* acre is in it */
    unsigned machine; /* EM_... */
    unsigned word_bits;
    bool foreign_libc; /* its interpreter is not glibc's */
};

/* False when it is no ELF file, or too broken for libelf. */
bool elf_form_of(int file, struct elf_form *form);
bool elf_form_of_path(const char *path, struct elf_form *form);

#endif
