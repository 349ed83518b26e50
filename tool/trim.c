/* acre trim: asks a process to give back what is free.
 *
 * Its scavenger keeps a page that it shares with whoever may open its descriptors (src/span/decay.h): nothing is
 * attached to the process, and no signal is sent. */
#include "trim.h"

#include "command.h"
#include "complain.h"
#include "heap/format.h"
#include "units.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MOST_S = 10 };

/* The page is only touched by the kernel in acre's name: who has it may cut it off, and an access would then end
 * acre. */
struct post {
    int file;
    unsigned char *page;
    size_t bytes;
    const struct heap_format *format;
};

static error_t parse_trim(int key, char *argument, struct argp_state *state) {
    const char **words = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (*words != NULL) {
            argp_error(state, "one process at a time: '%s' is too much", argument);
        }
        if (*argument == '\0') { /* as pidof gives it that finds none */
            argp_error(state, "which process? The argument is empty");
        }
        *words = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which process?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp trim_argp = {
    .parser = parse_trim,
    .args_doc = "PID",
    .doc = "Ask a process on acre to give back to Linux what is free, as acre_release() in it would."
           "\vThe process's scavenger does it, a thread that is there once the process has threads and holds some "
           "memory, or has much that is free. No signal is sent and nothing is attached. Exit status: 0; 1: the "
           "output could not be written; 125: it could not be asked, or did not answer; 2: wrong usage.",
};

static bool is_in_page(const struct post *post, int field, size_t bytes) {
    const struct acre_description_field *place = &post->format->field[field];
    return place->bytes == bytes && place->offset % bytes == 0 && place->offset + bytes <= post->bytes;
}

/* Whether it is memory that has no name anywhere, as memfd_create makes it: all such lies on one file system, where
 * nothing else is. The process chose what stands behind the descriptor, and acre may have rights that it
 * has not. */
static bool is_nameless_memory(const struct stat *status) {
    struct stat own;
    int file = memfd_create("acre", MFD_CLOEXEC);
    bool is_alike = file >= 0 && fstat(file, &own) == 0 && S_ISREG(status->st_mode) && status->st_dev == own.st_dev;
    if (file >= 0) {
        close(file);
    }
    return is_alike;
}

/* A descriptor of the process's descriptor, to read and write, or -1. It is looked at before it is really opened,
 * which does something to a device. */
static int open_descriptor(const char *path, size_t least_bytes) {
    struct stat status;
    char again[64];
    int file = -1, name = open(path, O_PATH | O_CLOEXEC);
    if (name >= 0 && fstat(name, &status) == 0) {
        errno = EBADF;
        if (is_nameless_memory(&status) && (size_t)status.st_size >= least_bytes) {
            snprintf(again, sizeof again, "/proc/self/fd/%d", name);
            file = open(again, O_RDWR | O_CLOEXEC);
        }
    }
    int error = errno;
    if (name >= 0) {
        close(name);
    }
    errno = error;
    return file;
}

static void close_post(struct post *post) {
    if (post->page != MAP_FAILED) {
        munmap(post->page, post->bytes);
    }
    if (post->file >= 0) {
        close(post->file);
    }
}

/* Maps the scavenger's page; false after one line on stderr. */
static bool open_post(struct target *target, struct post *post) {
    const struct heap_format *format = post->format;
    struct heap_scavenger scavenger = heap_format_scavenger(target, format);
    char path[96];
    if (scavenger.thread == 0) {
        complain(
            "process %ld has no scavenger to ask: one starts when a process that has threads holds some memory, "
            "or when much is free; none with scavenger:off or before Linux 5.9",
            (long)target->pid);
        return false;
    }
    snprintf(path, sizeof path, "/proc/%ld/task/%" PRIu64 "/fd/%" PRIu64, (long)target->pid, scavenger.thread,
             scavenger.descriptor);
    post->bytes = (size_t)target->page_bytes;
    post->file = open_descriptor(path, post->bytes);
    post->page =
        post->file < 0 ? MAP_FAILED : mmap(NULL, post->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, post->file, 0);
    if (post->page == MAP_FAILED) {
        complain("cannot open the scavenger's page of process %ld: %s", (long)target->pid,
                 errno == EBADF ? "it is no such page" : strerror(errno));
    } else if (!is_in_page(post, ACRE_FIELD_POST_BELL, 4) || !is_in_page(post, ACRE_FIELD_POST_WANTED, 4) ||
               !is_in_page(post, ACRE_FIELD_POST_SERVED, 4)) {
        complain("the scavenger's page of process %ld is damaged", (long)target->pid);
    } else {
        return true;
    }
    close_post(post);
    return false;
}

static bool has_passed(const struct timespec *start) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec - start->tv_sec - (now.tv_nsec < start->tv_nsec) >= ANSWER_MOST_S;
}

static uint32_t *word_of(const struct post *post, int field) {
    return (uint32_t *)(void *)(post->page + post->format->field[field].offset);
}

/* false: the page is gone. */
static bool read_word(const struct post *post, int field, uint32_t *value) {
    return pread(post->file, value, sizeof *value, (off_t)post->format->field[field].offset) == sizeof *value;
}

/* Adds one in one step, and wakes who waits for the word (futex(2), FUTEX_WAKE_OP). */
static bool add_one(const struct post *post, int field) {
    uint32_t *word = word_of(post, field);
    return syscall(SYS_futex, word, FUTEX_WAKE_OP, INT_MAX, 0L, word,
                   FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0)) >= 0;
}

/* false: no answer in time, or before *stop. If somebody else asks at the same time, both wait for the later
 * one. */
static bool ask(const struct post *post, const volatile sig_atomic_t *stop) {
    const struct timespec part = {.tv_nsec = 100000000};
    struct timespec start;
    uint32_t mine = 1, seen = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (!add_one(post, ACRE_FIELD_POST_WANTED) || !read_word(post, ACRE_FIELD_POST_WANTED, &mine) ||
        !add_one(post, ACRE_FIELD_POST_BELL)) {
        return false;
    }
    while (read_word(post, ACRE_FIELD_POST_SERVED, &seen) && (int32_t)(seen - mine) < 0) {
        if (has_passed(&start) || *stop != 0) {
            return false;
        }
        if (syscall(SYS_futex, word_of(post, ACRE_FIELD_POST_SERVED), FUTEX_WAIT, seen, &part, NULL, 0) != 0 &&
            errno == EFAULT) {
            return false;
        }
    }
    return (int32_t)(seen - mine) >= 0;
}

bool trim_ask(pid_t pid, const volatile sig_atomic_t *stop) {
    struct target target;
    if (!target_open_process(&target, pid)) {
        return false;
    }
    struct heap_format format;
    struct post post = {.format = &format};
    bool answered = heap_format_find(&target, &format) && open_post(&target, &post);
    if (answered) {
        answered = ask(&post, stop);
        close_post(&post);
        if (!answered) {
            complain("process %ld did not answer within %d s: is it stopped?", (long)pid, ANSWER_MOST_S);
        }
    }
    target_close(&target);
    return answered;
}

static int trim(int argc, char **argv) {
    const char *words = NULL;
    struct target target;
    if (argp_parse(&trim_argp, argc, argv, 0, NULL, &words) != 0) {
        return ACRE_EXIT_FAILED;
    }
    if (strspn(words, "0123456789") != strlen(words)) {
        complain("'%s' is no process: acre trim takes its number", words);
        return ACRE_EXIT_USAGE;
    }
    if (!target_open(&target, words, NULL)) {
        return ACRE_EXIT_FAILED;
    }
    uint64_t before_bytes = target_anonymous_bytes(&target);
    static const volatile sig_atomic_t never;
    bool done = trim_ask(target.pid, &never);
    if (done) {
        uint64_t after_bytes = target_anonymous_bytes(&target);
        printf("%s of anonymous memory resident, %s before\n", human_bytes(after_bytes).text,
               human_bytes(before_bytes).text);
    }
    target_close(&target);
    return !done ? ACRE_EXIT_FAILED : command_finish_output() ? ACRE_EXIT_OK : ACRE_EXIT_OUTPUT;
}

const struct acre_command acre_command_trim = {
    .name = "trim",
    .summary = "ask a process to give back what is free",
    .enter = trim,
};
