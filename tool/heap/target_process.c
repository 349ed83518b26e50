/* A running process: nothing is attached to it, and nothing of it is stopped unless that is asked for. */
#include "heap/target_process.h"

#include "complain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A thread stops at once, unless it waits for something that no signal ends: a device, or a child of vfork. */
#define STOP_MOST_S 3
#define STOP_PAUSE_NS 50000

char *target_proc_path(char path[64], pid_t pid, const char *file) {
    snprintf(path, 64, "/proc/%ld/%s", (long)pid, file);
    return path;
}

/* The first line of a small file; "" when it cannot be read. */
static void read_line(const char *path, char *text, size_t room_bytes) {
    FILE *stream = fopen(path, "re");
    if (stream == NULL || fgets(text, (int)room_bytes, stream) == NULL) {
        *text = '\0';
    }
    text[strcspn(text, "\n")] = '\0';
    if (stream != NULL) {
        fclose(stream);
    }
}

static bool has_ended(pid_t thread) {
    char path[64], line[256];
    read_line(target_proc_path(path, thread, "stat"), line, sizeof line);
    const char *state = strrchr(line, ')'); /* behind the name */
    return state == NULL || strncmp(state, ") Z", 3) == 0 || strncmp(state, ") X", 3) == 0;
}

pid_t target_living_thread(pid_t pid) {
    char path[64];
    DIR *threads = has_ended(pid) ? opendir(target_proc_path(path, pid, "task")) : NULL;
    pid_t found = pid;
    for (struct dirent *entry; threads != NULL && found == pid && (entry = readdir(threads)) != NULL;) {
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        found = thread > 0 && !has_ended(thread) ? thread : pid;
    }
    if (threads != NULL) {
        closedir(threads);
    }
    return found;
}

/* Why the kernel refused, in words that say what to do. */
static void complain_of_access(pid_t pid, int error) {
    char yama[16];
    read_line("/proc/sys/kernel/yama/ptrace_scope", yama, sizeof yama);
    if (error == ESRCH || error == ENOENT) {
        complain("there is no process %ld", (long)pid);
    } else if (error != EPERM && error != EACCES) {
        complain("cannot look into process %ld: %s", (long)pid, strerror(error));
    } else if (*yama == '3') {
        complain(
            "may not look into process %ld: kernel.yama.ptrace_scope is 3, which keeps everybody from it until "
            "the next boot; a core file can be read",
            (long)pid);
    } else if ((*yama == '1' || *yama == '2') && geteuid() != 0) {
        complain(
            "may not look into process %ld: kernel.yama.ptrace_scope is %s, which keeps users from looking into "
            "each other's processes and their own; run acre as root, or set it to 0 (sysctl)",
            (long)pid, yama);
    } else if (geteuid() == 0) {
        complain("may not look into process %ld: root is kept from it, as in a container without CAP_SYS_PTRACE",
                 (long)pid);
    } else {
        complain("may not look into process %ld: it is another user's, or privileged; run acre as that user or as "
                 "root",
                 (long)pid);
    }
}

bool target_read_mappings(struct target *target, bool kernel_figures) {
    struct mapping *mappings;
    size_t count;
    char path[64];
    if (target->is_core) {
        return true;
    }
    if (!mappings_parse(target_proc_path(path, target->process->thread, kernel_figures ? "smaps" : "maps"),
                        &mappings, &count)) {
        return false;
    }
    target_take_mappings(target, mappings, count);
    return true;
}

/* Whether its memory may be read, which takes more than its files in /proc do (Yama). */
static bool may_read(const struct target *target) {
    char byte;
    struct iovec local = {&byte, 1}, remote = {(void *)(uintptr_t)target->mappings[0].start, 1};
    return process_vm_readv(target->process->thread, &local, 1, &remote, 1, 0) == 1 || errno != EPERM;
}

/* In another namespace of processes than one's own, a number means two: one to kill(2), one in /proc. */
static bool is_proc_own(void) {
    char text[32];
    ssize_t length = readlink("/proc/self", text, sizeof text - 1);
    text[length < 0 ? 0 : length] = '\0';
    if (strtol(text, NULL, 10) == (long)getpid()) {
        return true;
    }
    complain("%s", length < 0 ? "there is no /proc, by which processes are looked at"
                              : "/proc is of other processes than those around acre: mount it anew, as unshare "
                                "--mount-proc does");
    return false;
}

bool target_process_open(struct target *target, pid_t pid) {
    char path[64];
    if (!is_proc_own()) {
        return false;
    }
    if (kill(pid, 0) != 0 && errno == ESRCH) {
        complain_of_access(pid, ESRCH);
        return false;
    }
    struct target_process *process = calloc(1, sizeof *process);
    if (process == NULL) {
        complain("out of memory");
        return false;
    }
    *process = (struct target_process){.thread = target_living_thread(pid), .can_scan = true};
    *target = (struct target){.pid = pid, .page_bytes = (uint64_t)sysconf(_SC_PAGESIZE), .process = process};
    process->pagemap = open(target_proc_path(path, process->thread, "pagemap"), O_RDONLY | O_CLOEXEC);
    int error = process->pagemap < 0 ? errno : 0;
    errno = 0;
    if (error == 0 && !target_read_mappings(target, false)) {
        error = errno == EACCES || errno == EPERM ? errno : ESRCH;
    }
    if (error == ESRCH && kill(pid, 0) == 0) {
        complain("process %ld has no memory of its own: it is the kernel's, or has ended", (long)pid);
    } else if (error != 0) {
        complain_of_access(pid, error);
    }
    read_line(target_proc_path(path, pid, "comm"), target->name, sizeof target->name);
    if (target->mapping_count > 0 && !may_read(target)) {
        complain_of_access(pid, EPERM);
        return false;
    }
    return target->mapping_count > 0;
}

void target_process_close(struct target *target) {
    target_thaw(target);
    target_process_forget_pages(target);
    if (target->process->pagemap >= 0) {
        close(target->process->pagemap);
    }
    free(target->process);
    target->process = NULL;
}

uint64_t target_process_resident_bytes(const struct target *target) {
    char path[64], line[128];
    unsigned long long pages = 0;
    read_line(target_proc_path(path, target->process->thread, "statm"), line, sizeof line);
    sscanf(line, "%*u %llu", &pages);
    return pages * target->page_bytes;
}

size_t target_process_read(struct target *target, uint64_t address, void *to, size_t size_bytes) {
    size_t done_bytes = 0;
    while (done_bytes < size_bytes) {
        struct iovec local = {(char *)to + done_bytes, size_bytes - done_bytes};
        struct iovec remote = {(void *)(uintptr_t)(address + done_bytes), size_bytes - done_bytes};
        ssize_t got = process_vm_readv(target->process->thread, &local, 1, &remote, 1, 0);
        if (got <= 0) {
            break;
        }
        done_bytes += (size_t)got;
    }
    return done_bytes;
}

uint64_t target_anonymous_bytes(struct target *target) {
    uint64_t sum_bytes = 0;
    if (target->is_core) {
        for (size_t i = 0; i < target->mapping_count; i++) {
            sum_bytes += target->mappings[i].anonymous_bytes;
        }
        return sum_bytes;
    }
    char path[64];
    struct mapping *all;
    size_t count;
    if (mappings_parse(target_proc_path(path, target->process->thread, "smaps_rollup"), &all, &count)) {
        sum_bytes = all[0].anonymous_bytes;
        mappings_free(all, count);
    }
    return sum_bytes;
}

/* ---- stopping it */

static bool is_frozen(const struct target_process *process, pid_t thread) {
    for (size_t i = 0; i < process->frozen_count; i++) {
        if (process->frozen[i].thread == thread) {
            return true;
        }
    }
    return false;
}

static bool is_before(const struct timespec *ended) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec < ended->tv_sec || (now.tv_sec == ended->tv_sec && now.tv_nsec < ended->tv_nsec);
}

/* As waitpid, but in time: otherwise ETIMEDOUT. */
static pid_t wait_for_stop(pid_t thread, int *status, const struct timespec *ended) {
    const struct timespec pause = {0, STOP_PAUSE_NS};
    pid_t changed;
    while ((changed = waitpid(thread, status, __WALL | WNOHANG)) == 0 && is_before(ended)) {
        nanosleep(&pause, NULL);
    }
    if (changed == 0) {
        errno = ETIMEDOUT;
        return -1;
    }
    return changed;
}

/* Without a signal that the process or its parent could see; and if acre ends, the kernel lets it go on. */
static bool freeze_thread(struct target_process *process, pid_t thread, const struct timespec *ended) {
    struct frozen *more = realloc(process->frozen, (process->frozen_count + 1) * sizeof *more);
    if (more == NULL) {
        return false;
    }
    process->frozen = more;
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0) {
        int error = errno;
        bool is_gone = error == ESRCH || has_ended(thread);
        errno = error;
        return is_gone;
    }
    struct frozen *frozen = &more[process->frozen_count++];
    *frozen = (struct frozen){.thread = thread};
    if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) != 0) {
        return errno == ESRCH;
    }
    int status;
    if (wait_for_stop(thread, &status, ended) != thread) {
        return errno == ECHILD;
    }
    if (WIFSTOPPED(status) && status >> 16 != PTRACE_EVENT_STOP) {
        frozen->signal = WSTOPSIG(status);
    }
    return true;
}

/* Freezes the threads that are not yet; *any: there were some. */
static bool freeze_new(struct target *target, bool *any, const struct timespec *ended) {
    char path[64];
    DIR *threads = opendir(target_proc_path(path, target->pid, "task"));
    bool fine = threads != NULL;
    *any = false;
    for (struct dirent *entry; fine && (entry = readdir(threads)) != NULL;) {
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread > 0 && !is_frozen(target->process, thread)) {
            size_t before = target->process->frozen_count;
            fine = freeze_thread(target->process, thread, ended);
            *any |= target->process->frozen_count > before;
        }
    }
    if (threads != NULL) {
        closedir(threads);
    }
    return fine;
}

bool target_freeze(struct target *target) {
    bool any = true;
    struct timespec ended;
    if (target->is_core) {
        return true;
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    ended.tv_sec += STOP_MOST_S;
    while (any) {
        if (!freeze_new(target, &any, &ended)) {
            int error = errno;
            target_thaw(target);
            if (error == ETIMEDOUT) {
                complain("cannot stop process %ld within %d s: a thread waits in the kernel, for a device or for a "
                         "child of vfork",
                         (long)target->pid, STOP_MOST_S);
            } else {
                complain("cannot stop process %ld: %s (is a debugger attached to it?)", (long)target->pid,
                         strerror(error));
            }
            return false;
        }
    }
    return true;
}

void target_thaw(struct target *target) {
    struct target_process *process = target->process;
    for (size_t i = 0; process != NULL && i < process->frozen_count; i++) {
        struct frozen *frozen = &process->frozen[i];
        ptrace(PTRACE_DETACH, frozen->thread, NULL, (void *)(intptr_t)frozen->signal);
    }
    if (process != NULL) {
        free(process->frozen);
        process->frozen = NULL;
        process->frozen_count = 0;
    }
}
