/* acre top: processes on acre, or one of them, as they change. */
#include "top.h"

#include "child.h"
#include "command.h"
#include "complain.h"
#include "terminal.h"
#include "trim.h"

#include <argp.h>
#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEY_TOP_DELAY = 0x100, KEY_TOP_BATCH };
enum { BATCH_ROWS = 200, BATCH_COLUMNS = 120, BATCHES_MOST = 1000000 };
static const double delay_least_s = 0.1, delay_most_s = 3600;

struct top_arguments {
    pid_t pid; /* 0: all */
    double delay_s;
    long batches; /* 0: on the terminal */
};

static const struct argp_option top_options[] = {
    {"delay", KEY_TOP_DELAY, "SECONDS", 0, "time from one look to the next (1)", 0},
    {"batch", KEY_TOP_BATCH, "TIMES", 0, "print so many looks as text instead, and end", 0},
    {0},
};

/* Whole, in decimal digits alone, as for the other commands. */
static bool parse_whole(const char *text, double most, double *number) {
    *number = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || *number > most) {
            return false;
        }
        *number = *number * 10 + (*c - '0');
    }
    return *number >= 1 && *number <= most;
}

static bool parse_number(const char *text, double least, double most, double *number) {
    char *end;
    errno = 0;
    *number = strtod(text, &end);
    return errno == 0 && end != text && *end == '\0' && *number >= least && *number <= most;
}

static error_t parse_top(int key, char *argument, struct argp_state *state) {
    struct top_arguments *arguments = state->input;
    double number;
    switch (key) {
    case KEY_TOP_DELAY:
        if (!parse_number(argument, delay_least_s, delay_most_s, &arguments->delay_s)) {
            argp_error(state, "--delay takes 0.1 to 3600 seconds, not '%s'", argument);
        }
        return 0;
    case KEY_TOP_BATCH:
        if (!parse_whole(argument, BATCHES_MOST, &number)) {
            argp_error(state, "--batch takes a number from 1 to %d, not '%s'", BATCHES_MOST, argument);
        }
        arguments->batches = (long)number;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->pid != 0) {
            argp_error(state, "one process at a time: '%s' is too much", argument);
        }
        if (!parse_whole(argument, 0x7fffffff, &number)) {
            argp_error(state, "'%s' is no process: acre top takes its number", argument);
        }
        arguments->pid = (pid_t)number;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp top_argp = {
    .options = top_options,
    .parser = parse_top,
    .args_doc = "[PID]",
    .doc =
        "Show the processes that run on acre, or one of them: what it holds, what is free, the break, its system "
        "calls, sizes of blocks, and a picture."
        "\vKeys: q ends; + and - look less and more often; t asks the process to give back what is free, as "
        "acre trim does; in the list the arrow keys and Enter choose a process, and b goes back. Exit status: 0; "
        "1: the output "
        "could not be written; 125: there is no such process, or it cannot be looked at; 2: wrong usage.",
};

double top_now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void top_say(struct top_screen *screen, enum top_line_kind kind, const char *format, ...) {
    char text[1024];
    va_list arguments;
    if (screen->count == screen->room) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct top_line *line = &screen->lines[screen->count++];
    *line = (struct top_line){.kind = kind};
    printable(line->text, screen->columns + 1 < sizeof line->text ? screen->columns + 1 : sizeof line->text, text);
}

static bool make_screen(struct top_screen *screen, size_t rows, unsigned columns) {
    *screen = (struct top_screen){.room = rows, .columns = columns};
    screen->lines = calloc(rows + 1, sizeof *screen->lines);
    return screen->lines != NULL;
}

/* false after one line on stderr. */
static bool look(struct top_screen *screen, pid_t pid, double delay_s, struct top_sample *before) {
    char reason[512];
    if (pid == 0) {
        top_list(screen, delay_s);
        return true;
    }
    if (top_process(screen, pid, delay_s, before, reason)) {
        return true;
    }
    complain("%s", reason);
    return false;
}

static int run_batches(const struct top_arguments *arguments) {
    struct top_sample before = {.pid = 0};
    struct timespec pause = {.tv_sec = (time_t)arguments->delay_s};
    pause.tv_nsec = (long)((arguments->delay_s - (double)pause.tv_sec) * 1e9);
    for (long i = 0; i < arguments->batches; i++) {
        struct top_screen screen;
        if (i > 0) {
            clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
            putchar('\n');
        }
        if (!make_screen(&screen, BATCH_ROWS, BATCH_COLUMNS) ||
            !look(&screen, arguments->pid, arguments->delay_s, &before)) {
            return ACRE_EXIT_FAILED;
        }
        for (size_t line = 0; line < screen.count; line++) {
            puts(screen.lines[line].text);
        }
        free(screen.lines);
        if (!command_finish_output()) {
            return ACRE_EXIT_OUTPUT;
        }
    }
    return ACRE_EXIT_OK;
}

/* ---- on the terminal */

enum { PAIR_FULL = 1, PAIR_HALF, PAIR_FEW, PAIR_STOCK, PAIR_METADATA, PAIR_FREE, PAIR_OTHER };

static void start_colours(void) {
    if (!has_colors() || !terminal_wants_colour(STDOUT_FILENO)) {
        return;
    }
    start_color();
    use_default_colors();
    static const short colours[] = {0,          COLOR_GREEN,   COLOR_CYAN, COLOR_YELLOW,
                                    COLOR_BLUE, COLOR_MAGENTA, COLOR_RED,  COLOR_WHITE};
    for (int pair = PAIR_FULL; pair <= PAIR_OTHER; pair++) {
        init_pair((short)pair, colours[pair], -1);
    }
}

static int pair_of(char letter) {
    if (letter >= '1' && letter <= '8') {
        return letter >= '7' ? PAIR_FULL : letter >= '4' ? PAIR_HALF : PAIR_FEW;
    }
    switch (letter) {
    case 's':
        return PAIR_STOCK;
    case 'm':
        return PAIR_METADATA;
    case 'f':
        return PAIR_FREE;
    case 'o':
        return PAIR_OTHER;
    default:
        return 0;
    }
}

static void draw_line(int row, const struct top_line *line, bool chosen) {
    if (line->kind == TOP_MAP) {
        for (int column = 0; line->text[column] != '\0'; column++) {
            attr_t pair = (attr_t)COLOR_PAIR(column < 17 ? 0 : pair_of(line->text[column]));
            mvaddch(row, column, (chtype)(unsigned char)line->text[column] | pair);
        }
        return;
    }
    attr_t attribute = line->kind == TOP_HEAD ? A_BOLD : chosen ? A_REVERSE : A_NORMAL;
    attron(attribute);
    mvaddstr(row, 0, line->text);
    attroff(attribute);
}

struct session {
    double delay_s;
    pid_t pid, chosen; /* 0: the list; in the list the one that Enter opens */
    bool has_list;     /* it was in the list, where it goes back to when a process ends */
    struct top_sample before;
    char note[512]; /* the last line */
};

static void choose(struct session *session, const struct top_screen *screen, int step) {
    pid_t first = 0, last = 0, found = 0;
    bool is_there = false; /* it may have ended */
    for (size_t i = 0; i < screen->count; i++) {
        pid_t pid = screen->lines[i].kind == TOP_PROCESS ? screen->lines[i].pid : 0;
        if (pid == 0) {
            continue;
        }
        if (step < 0 && pid == session->chosen && last != 0) {
            found = last;
        }
        if (step > 0 && last == session->chosen && last != 0) {
            found = pid;
        }
        first = first == 0 ? pid : first;
        last = pid;
        is_there |= pid == session->chosen;
    }
    if (found != 0) {
        session->chosen = found;
    } else if (!is_there) {
        session->chosen = first;
    }
}

static volatile sig_atomic_t ended_by; /* a signal, or 0 */

static void ask_to_trim(struct session *session) {
    pid_t pid = session->pid != 0 ? session->pid : session->chosen;
    if (pid == 0) {
        return;
    }
    complain_into(session->note, sizeof session->note);
    if (trim_ask(pid, &ended_by)) {
        snprintf(session->note, sizeof session->note, "process %ld has given back what was free", (long)pid);
    }
    complain_into(NULL, 0);
}

/* false: it ends. */
static bool handle(struct session *session, const struct top_screen *screen, int key) {
    switch (key) {
    case 'q':
        return false;
    case '+':
        session->delay_s = session->delay_s * 2 < delay_most_s ? session->delay_s * 2 : delay_most_s;
        break;
    case '-':
        session->delay_s = session->delay_s / 2 > delay_least_s ? session->delay_s / 2 : delay_least_s;
        break;
    case 't':
        ask_to_trim(session);
        break;
    case KEY_UP:
    case KEY_DOWN:
        choose(session, screen, key == KEY_UP ? -1 : 1);
        break;
    case '\n':
    case KEY_ENTER:
        if (session->pid == 0 && session->chosen != 0) {
            session->pid = session->chosen;
            session->before = (struct top_sample){.pid = 0};
        }
        break;
    case 'b':
        session->chosen = session->pid != 0 ? session->pid : session->chosen;
        session->pid = 0;
        break;
    default:
        break;
    }
    return true;
}

static void draw(const struct session *session, const struct top_screen *screen) {
    erase();
    for (size_t i = 0; i < screen->count; i++) {
        const struct top_line *line = &screen->lines[i];
        draw_line((int)i, line, line->kind == TOP_PROCESS && line->pid == session->chosen);
    }
    mvaddnstr(LINES - 1, 0, session->note, COLS - 1);
    refresh();
}

/* true: it goes on. */
static bool look_once(struct session *session, struct top_screen *screen, char reason[512]) {
    if (session->pid != 0) {
        if (top_process(screen, session->pid, session->delay_s, &session->before, reason)) {
            return true;
        }
        if (!session->has_list) {
            return false;
        }
        snprintf(session->note, sizeof session->note, "%s", reason);
        reason[0] = '\0';
        session->pid = 0;
    }
    session->has_list = true;
    top_list(screen, session->delay_s);
    choose(session, screen, 0);
    return true;
}

static void note_signal(int number) { ended_by = number; }

/* Before the terminal is taken: it has to be put back first. Where they are ignored they stay so. */
static void catch_signals(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct sigaction action = {.sa_handler = note_signal}, before;
        sigemptyset(&action.sa_mask);
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            sigaction(signals[i], &action, NULL);
        }
    }
}

/* A signal that comes just before is not seen until then. */
#define KEY_WAIT_MOST_S 1.0

/* A terminal that is gone answers at once, and for ever. */
static bool has_terminal(void) {
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&in, 1, 0) <= 0 || (in.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

static int wait_for_key(double most_s) {
    timeout((int)((most_s < KEY_WAIT_MOST_S ? most_s : KEY_WAIT_MOST_S) * 1000) + 1);
    return getch();
}

/* Looks until q, a signal, or until the process or the terminal is gone, which is said afterwards in `reason`. */
static void run_session(struct session *session, char reason[512]) {
    bool goes_on = true;
    while (goes_on && ended_by == 0) {
        struct top_screen screen;
        if (!make_screen(&screen, LINES > 2 ? (size_t)LINES - 1 : 1, COLS > 20 ? (unsigned)COLS - 1 : 20)) {
            return;
        }
        goes_on = look_once(session, &screen, reason);
        double until_s = top_now_s() + session->delay_s;
        for (double left_s; goes_on && ended_by == 0 && (left_s = until_s - top_now_s()) > 0;) {
            draw(session, &screen);
            int key = wait_for_key(left_s);
            if (key == ERR && !has_terminal()) {
                snprintf(reason, 512, "the terminal is gone");
                goes_on = false;
            }
            if (key != ERR) {
                pid_t shown = session->pid;
                session->note[0] = '\0';
                goes_on = handle(session, &screen, key);
                if (key == 't' || key == KEY_RESIZE || session->pid != shown) {
                    break; /* looks at once */
                }
            }
        }
        free(screen.lines);
    }
}

static int run_on_terminal(const struct top_arguments *arguments) {
    struct session session = {.delay_s = arguments->delay_s, .pid = arguments->pid};
    char reason[512] = "";
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        complain("acre top needs a terminal; --batch 1 prints one look");
        return ACRE_EXIT_USAGE;
    }
    catch_signals();
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (screen == NULL) {
        complain("the terminal '%s' is not known; --batch 1 prints one look",
                 getenv("TERM") == NULL ? "" : getenv("TERM"));
        return ACRE_EXIT_FAILED;
    }
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    start_colours();
    run_session(&session, reason);
    endwin();
    delscreen(screen);
    if (ended_by != 0) {
        child_die_alike(ended_by);
    }
    if (reason[0] != '\0') {
        complain("%s", reason);
    }
    return reason[0] == '\0' ? ACRE_EXIT_OK : ACRE_EXIT_FAILED;
}

static int top(int argc, char **argv) {
    struct top_arguments arguments = {.delay_s = 1};
    if (argp_parse(&top_argp, argc, argv, 0, NULL, &arguments) != 0) {
        return ACRE_EXIT_FAILED;
    }
    return arguments.batches > 0 ? run_batches(&arguments) : run_on_terminal(&arguments);
}

const struct acre_command acre_command_top = {
    .name = "top",
    .summary = "show processes on acre as they change",
    .enter = top,
};
