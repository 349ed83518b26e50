#include "program.h"

#include "command.h"
#include "complain.h"
#include "elf_form.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SCRIPTS_DEEP = 4, FIRST_LINE_BYTES = 256 /* the kernel looks no further */ };

__attribute__((format(printf, 3, 4))) static void refuse(struct program *program, int status, const char *format,
                                                         ...) {
    va_list arguments;
    va_start(arguments, format);
    program->refusal = status;
    vsnprintf(program->reason, sizeof program->reason, format, arguments);
    va_end(arguments);
}

/* Whether `path` can be executed; otherwise says why not. The message names `name`, which is what was typed. */
static bool executable(struct program *program, const char *path, const char *name) {
    struct stat status;
    if (stat(path, &status) != 0) {
        bool missing = errno == ENOENT || errno == ENOTDIR;
        refuse(program, missing ? ACRE_EXIT_NOT_FOUND : ACRE_EXIT_CANNOT_EXECUTE, "%s: %s", name,
               missing ? "not found" : strerror(errno));
    } else if (S_ISDIR(status.st_mode)) {
        refuse(program, ACRE_EXIT_CANNOT_EXECUTE, "%s: is a directory", name);
    } else if (!S_ISREG(status.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0) {
        refuse(program, ACRE_EXIT_CANNOT_EXECUTE, "%s: not executable", name);
    } else {
        program->refusal = 0;
        program->reason[0] = '\0';
        return true;
    }
    return false;
}

/* PATH as a shell walks it: an empty element is the working directory; something that is there but cannot be
 * executed is passed over, but remembered; a directory that may not be searched counts for nothing. */
static void search_path(const char *name, struct program *program) {
    char system_path[256] = "";
    const char *path = getenv("PATH");
    if (path == NULL) {
        confstr(_CS_PATH, system_path, sizeof system_path);
        path = system_path;
    }
    struct program passed_over = {.refusal = 0};
    for (bool more = true; more;) {
        size_t length = strcspn(path, ":");
        snprintf(program->path, sizeof program->path, "%.*s/%s", length == 0 ? 1 : (int)length,
                 length == 0 ? "." : path, name);
        if (executable(program, program->path, program->path)) {
            return;
        }
        if (passed_over.refusal == 0 && access(program->path, F_OK) == 0) {
            passed_over = *program;
        }
        more = path[length] == ':';
        path += length + more;
    }
    if (passed_over.refusal != 0) {
        *program = passed_over;
    } else {
        refuse(program, ACRE_EXIT_NOT_FOUND, "%s: not found in PATH", name);
    }
}

static void find(const char *name, struct program *program) {
    program->refusal = 0;
    program->reason[0] = '\0';
    if (*name == '\0') {
        refuse(program, ACRE_EXIT_NOT_FOUND, "the command is empty");
    } else if (strlen(name) >= sizeof program->path / 2) {
        refuse(program, ACRE_EXIT_NOT_FOUND, "%.40s...: the name is too long", name);
    } else if (strchr(name, '/') == NULL) {
        search_path(name, program);
    } else {
        strcpy(program->path, name);
        executable(program, name, name);
    }
}

/* The kernel starts these in secure mode, where the loader ignores LD_PRELOAD with a path in it. */
static bool gains_privileges(struct program *program, const char *path) {
    struct stat status;
    struct statvfs mount;
    if (stat(path, &status) != 0 || statvfs(path, &mount) != 0 || (mount.f_flag & ST_NOSUID) != 0 ||
        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) {
        return false; /* nothing is gained there, so it is an ordinary program */
    }
    const char *what = NULL;
    if ((status.st_mode & S_ISUID) != 0 && status.st_uid != getuid()) {
        what = "set-user-ID";
    } else if ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status.st_gid != getgid()) {
        what = "set-group-ID";
    } else if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0) {
        what = "given file capabilities";
    }
    if (what != NULL) {
        refuse(program, ACRE_EXIT_CANNOT_EXECUTE, "%s: is %s, so the loader would ignore acre", path, what);
    }
    return what != NULL;
}

/* Sets `interpreter` to what a "#!" line names; what has no such line is run by sh, as execvp(3) does. */
static bool script_interpreter(int file, char interpreter[FIRST_LINE_BYTES]) {
    char line[FIRST_LINE_BYTES + 1];
    ssize_t length = pread(file, line, FIRST_LINE_BYTES, 0);
    line[length < 0 ? 0 : length] = '\0';
    if (strncmp(line, "#!", 2) != 0) {
        strcpy(interpreter, "/bin/sh");
        return true;
    }
    const char *start = line + 2 + strspn(line + 2, " \t");
    size_t path_length = strcspn(start, " \t\n");
    memcpy(interpreter, start, path_length);
    interpreter[path_length] = '\0';
    return path_length > 0;
}

static void examine_elf(struct program *program, const char *path, const struct elf_form *form,
                        const char *library_path) {
    struct elf_form library;
    if (form->linkage == ELF_STATIC) {
        refuse(program, ACRE_EXIT_CANNOT_EXECUTE, "%s: is statically linked without acre", path);
    } else if (form->linkage == ELF_STATIC_WITH_ACRE) {
        strcpy(program->reason, "it is statically linked with acre, which does not count there");
    } else if (form->foreign_libc) {
        strcpy(program->reason, "it uses another C library than glibc");
    } else if (library_path != NULL && elf_form_of_path(library_path, &library) &&
               (library.machine != form->machine || library.word_bits != form->word_bits)) {
        strcpy(program->reason, "it is for another machine or word size than acre");
    }
}

static void examine_file(struct program *program, const char *library_path) {
    char path[PATH_MAX], interpreter[FIRST_LINE_BYTES];
    strcpy(path, program->path);
    for (unsigned deep = 0; deep <= SCRIPTS_DEEP; deep++) {
        struct elf_form form;
        bool is_elf = false, has_interpreter = false;
        int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (file >= 0) {
            is_elf = elf_form_of(file, &form);
            has_interpreter = !is_elf && script_interpreter(file, interpreter);
            close(file);
        }
        if (!has_interpreter) { /* of a script, the kernel ignores these bits */
            if (!gains_privileges(program, path) && is_elf) {
                examine_elf(program, path, &form, library_path);
            }
            return;
        }
        char name[PATH_MAX + FIRST_LINE_BYTES + 32];
        snprintf(name, sizeof name, "%s (the interpreter of %s)", interpreter, path);
        if (!executable(program, interpreter, name)) {
            return;
        }
        strcpy(path, interpreter);
    }
}

void program_examine(const char *name, const char *library_path, struct program *program) {
    find(name, program);
    if (program->refusal == 0) {
        examine_file(program, library_path);
    }
}
