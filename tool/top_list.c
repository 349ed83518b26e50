/* acre top: the list of processes. */
#include "top.h"

#include "complain.h"
#include "elf_form.h"
#include "units.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROW_MOST_MS = 5000 };

struct row {
    pid_t pid;
    char name[64];
    uint64_t resident_bytes, live_bytes, free_bytes, partly_bytes;
};

/* Cheaply, before anything else is read: the library by its name, or a program that has acre in it. */
static bool may_be_on_acre(pid_t pid) {
    char path[64], *line = NULL;
    size_t room = 0;
    bool found = false;
    struct elf_form form;
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)target_living_thread(pid));
    FILE *maps = fopen(path, "re");
    while (maps != NULL && !found && getline(&line, &room, maps) > 0) {
        found = strstr(line, "/libacre") != NULL;
    }
    free(line);
    if (maps != NULL) {
        fclose(maps);
    }
    snprintf(path, sizeof path, "/proc/%ld/exe", (long)pid);
    return found || (elf_form_of_path(path, &form) && form.has_acre);
}

static bool read_row(pid_t pid, struct row *row) {
    struct target target;
    struct heap heap;
    struct account account;
    bool fine = false;
    if (!target_open_process(&target, pid)) {
        return false;
    }
    if (heap_read(&heap, &target)) {
        fine = account_make(&account, &heap);
        if (fine) {
            const uint64_t *bytes = account.bytes;
            *row = (struct row){.pid = pid,
                                .resident_bytes = account.resident_bytes,
                                .live_bytes = bytes[BUCKET_LIVE],
                                .free_bytes = bytes[BUCKET_WAITING] + bytes[BUCKET_PINNED] + bytes[BUCKET_STOCK] +
                                              bytes[BUCKET_FRESH],
                                .partly_bytes = bytes[BUCKET_PARTLY]};
            printable(row->name, sizeof row->name, target.name);
            account_free(&account);
        }
        heap_free(&heap);
    }
    target_close(&target);
    return fine;
}

/* In a process of its own, since nobody asked for just this one: what it may do to who looks at it is not to end
 * the list. One whose pages do not come, since they are another program's to give, is given up. */
static bool read_row_aside(pid_t pid, struct row *row) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(read_row(pid, row) && write(ends[1], row, sizeof *row) == sizeof *row ? 0 : 1);
    }
    close(ends[1]);
    struct pollfd answer = {.fd = ends[0], .events = POLLIN};
    bool fine = child > 0 && poll(&answer, 1, ROW_MOST_MS) == 1 && read(ends[0], row, sizeof *row) == sizeof *row;
    close(ends[0]);
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    return fine;
}

static int by_resident(const void *one, const void *other) {
    const struct row *a = one, *b = other;
    return (a->resident_bytes < b->resident_bytes) - (a->resident_bytes > b->resident_bytes);
}

static size_t read_rows(struct row **rows, size_t *refused, pid_t *of_refused) {
    size_t count = 0, room = 0;
    char reason[512];
    DIR *processes = opendir("/proc");
    *rows = NULL;
    *refused = 0;
    complain_into(reason, sizeof reason); /* they come and go: none of that is worth a line */
    for (struct dirent *entry; processes != NULL && (entry = readdir(processes)) != NULL;) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || !may_be_on_acre(pid)) {
            continue;
        }
        if (count == room) {
            room = room * 2 + 16;
            struct row *moved = realloc(*rows, room * sizeof *moved);
            if (moved == NULL) {
                break;
            }
            *rows = moved;
        }
        if (read_row_aside(pid, &(*rows)[count])) {
            count++;
        } else if ((*refused)++ == 0) {
            *of_refused = pid;
        }
    }
    complain_into(NULL, 0);
    if (processes != NULL) {
        closedir(processes);
    }
    if (count > 0) {
        qsort(*rows, count, sizeof **rows, by_resident);
    }
    return count;
}

/* In the second line, which is empty otherwise. */
static void say_what_is_missing(struct top_screen *screen, size_t count, size_t refused, pid_t of_refused) {
    if (refused > 0) {
        top_say(screen, TOP_PLAIN, "%zu more cannot be looked at; `acre why %ld' says why%s", refused,
                (long)of_refused, refused == 1 ? "" : " of one");
    } else if (count == 0) {
        top_say(screen, TOP_PLAIN, "none%s: LD_PRELOAD=libacre.so.1 or `acre run --library plain' starts one",
                geteuid() == 0 ? "" : " of yours");
    } else {
        top_say(screen, TOP_PLAIN, "%s", "");
    }
}

void top_list(struct top_screen *screen, double delay_s) {
    struct row *rows;
    size_t refused;
    pid_t of_refused = 0;
    size_t count = read_rows(&rows, &refused, &of_refused);
    top_say(screen, TOP_HEAD, "acre top: %zu process%s on acre   %.3g s   q quit  + - delay  Enter open  t trim",
            count, count == 1 ? "" : "es", delay_s);
    say_what_is_missing(screen, count, refused, of_refused);
    top_say(screen, TOP_HEAD, "%8s  %-20s %11s %11s %11s %11s", "PID", "NAME", "RESIDENT", "LIVE", "PARTLY USED",
            "FREE");
    for (size_t i = 0; i < count; i++) {
        size_t at = screen->count;
        top_say(screen, TOP_PROCESS, "%8ld  %-20.20s %11s %11s %11s %11s", (long)rows[i].pid, rows[i].name,
                human_bytes(rows[i].resident_bytes).text, human_bytes(rows[i].live_bytes).text,
                human_bytes(rows[i].partly_bytes).text, human_bytes(rows[i].free_bytes).text);
        if (screen->count > at) {
            screen->lines[at].pid = rows[i].pid;
        }
    }
    free(rows);
}
