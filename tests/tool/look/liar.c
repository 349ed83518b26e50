/* A process on acre that changes what acre says of itself, to lead astray who looks at it: liar.py.
 *
 * descriptor FILE   the scavenger's page is a file that somebody else owns
 * shrinking         the scavenger's page is cut off and grows again all the time
 * leaves COUNT      the map has so many leaves of 2 GiB, where nothing is in memory
 * asleep            a mapping that looks like a file's, whose pages never come
 * files FILE...      its own copies of these files are in its memory
 * headless           the first thread has ended
 *
 * Prints "ready" and waits. */
#include "inspect/description.h"

#include <fcntl.h>
#include <link.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct acre_description *description;

static void look_at_notes(const char *at, const char *end) {
    while (at + sizeof(ElfW(Nhdr)) < end) {
        const ElfW(Nhdr) *note = (const void *)at;
        const char *name = at + sizeof *note;
        const char *content = name + (note->n_namesz + 3) / 4 * 4;
        if (note->n_namesz == sizeof ACRE_NOTE_NAME && memcmp(name, ACRE_NOTE_NAME, sizeof ACRE_NOTE_NAME) == 0) {
            const struct acre_description_note *acre = (const void *)content;
            description = (void *)((uintptr_t)&acre->distance + (uintptr_t)acre->distance);
        }
        at = content + (note->n_descsz + 3) / 4 * 4;
    }
}

static int look_at_module(struct dl_phdr_info *module, size_t bytes, void *unused) {
    (void)bytes, (void)unused;
    for (int i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &module->dlpi_phdr[i];
        const char *start = (const char *)(module->dlpi_addr + segment->p_vaddr);
        if (segment->p_type == PT_NOTE && segment->p_align != 8) look_at_notes(start, start + segment->p_memsz);
    }
    return 0;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Its pages, which the loader made read-only, to write. */
static void open_description(void) {
    uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)description / page_bytes * page_bytes;
    if (mprotect((void *)start, (uintptr_t)(description + 1) - start, PROT_READ | PROT_WRITE) != 0)
        fail("mprotect");
}

static void set_figure(int root, int field, uint32_t value) {
    memcpy((char *)(uintptr_t)description->root[root] + description->field[field].offset, &value, sizeof value);
}

static void name_post(int file) {
    set_figure(ACRE_ROOT_SCAVENGER, ACRE_FIELD_SCAVENGER_THREAD_ID, (uint32_t)syscall(SYS_gettid));
    set_figure(ACRE_ROOT_SCAVENGER, ACRE_FIELD_SCAVENGER_DESCRIPTOR, (uint32_t)file);
}

static void *shrink(void *file) {
    for (;;)
        if (ftruncate(*(int *)file, 0) != 0 || ftruncate(*(int *)file, 4096) != 0) fail("ftruncate");
    return NULL;
}

static void name_shrinking_post(void) {
    static int file;
    pthread_t thread;
    file = memfd_create("post", 0);
    if (file < 0 || ftruncate(file, 4096) != 0 || pthread_create(&thread, NULL, shrink, &file) != 0) fail("memfd");
    name_post(file);
}

static void *map_untouched(size_t bytes) {
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) fail("mmap");
    return start;
}

static void name_leaves(size_t count) {
    uint64_t root_bytes = UINT64_C(1) << 30;
    uint64_t *root = map_untouched(root_bytes), leaf = (uintptr_t)map_untouched((size_t)1 << 40);
    madvise(root, root_bytes, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < count; i++) root[i] = leaf;
    open_description();
    description->number[ACRE_NUMBER_MAP_BYTES] = root_bytes;
    description->number[ACRE_NUMBER_LEAF_SHIFT] = 40;
    description->number[ACRE_NUMBER_GRANULE_SHIFT] = 12;
    description->root[ACRE_ROOT_MAP] = root;
}

/* 77: this process may not have such pages. */
static void map_asleep(void) {
    struct uffdio_api api = {.api = UFFD_API};
    int file = memfd_create("asleep", 0), faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    if (faults < 0 || ioctl(faults, UFFDIO_API, &api) != 0 || file < 0 || ftruncate(file, 1 << 20) != 0) exit(77);
    void *start = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    struct uffdio_register range = {.range = {.start = (uintptr_t)start, .len = 1 << 20},
                                    .mode = UFFDIO_REGISTER_MODE_MISSING};
    if (start == MAP_FAILED || ioctl(faults, UFFDIO_REGISTER, &range) != 0) exit(77);
}

static void copy_file(const char *path) {
    int file = open(path, O_RDONLY);
    off_t bytes = file < 0 ? 0 : lseek(file, 0, SEEK_END);
    void *start = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    if (start == MAP_FAILED) fail(path);
    memset(start, 1, (size_t)bytes);
}

static void *tell_and_wait(void *unused) {
    puts("ready");
    fflush(stdout);
    pause();
    return unused;
}

static void end_first_thread(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, tell_and_wait, NULL) != 0) fail("pthread_create");
    pthread_exit(NULL);
}

int main(int count, char **arguments) {
    const char *how = count > 1 ? arguments[1] : "";
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    free(malloc(1)); /* which begins acre's books */
    dl_iterate_phdr(look_at_module, NULL);
    if (description == NULL) {
        fputs("it is not on acre\n", stderr);
        return 1;
    }
    if (strcmp(how, "descriptor") == 0 && count > 2)
        name_post(open(arguments[2], O_PATH));
    else if (strcmp(how, "shrinking") == 0)
        name_shrinking_post();
    else if (strcmp(how, "leaves") == 0 && count > 2)
        name_leaves(strtoul(arguments[2], NULL, 10));
    else if (strcmp(how, "asleep") == 0)
        map_asleep();
    else if (strcmp(how, "files") == 0)
        for (int i = 2; i < count; i++) copy_file(arguments[i]);
    else if (strcmp(how, "headless") == 0)
        end_first_thread();
    tell_and_wait(NULL);
    return 0;
}
