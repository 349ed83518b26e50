/* acre options: what can be set, what is set, and where it came from. */
#include "command.h"
#include "complain.h"
#include "option_values.h"
#include "terminal.h"

#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_SCHEMA "acre-options/1"

enum options_form { FORM_TABLE, FORM_JSON, FORM_ROFF, FORM_COMPLETIONS };
enum { KEY_JSON = 0x100, KEY_ROFF, KEY_COMPLETIONS };

static error_t parse_options(int key, char *argument, struct argp_state *state) {
    enum options_form *form = state->input;
    (void)argument;
    switch (key) {
    case KEY_JSON:
        *form = FORM_JSON;
        return 0;
    case KEY_ROFF:
        *form = FORM_ROFF;
        return 0;
    case KEY_COMPLETIONS:
        *form = FORM_COMPLETIONS;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "takes no arguments");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options_options[] = {
    {"json", KEY_JSON, NULL, 0, "write JSON, schema " OPTIONS_SCHEMA, 0},
    {"roff", KEY_ROFF, NULL, OPTION_HIDDEN, NULL, 0},
    {"completions", KEY_COMPLETIONS, NULL, OPTION_HIDDEN, NULL, 0},
    {0},
};

static const struct argp options_argp = {
    .options = options_options,
    .parser = parse_options,
    .doc = "Show the options of libacre: key, default, current value, where that came from, and what it means."
           "\vOptions are set in the environment: ACRE_OPTIONS=key:value,key:value",
};

/* What a value may be, for people: "auto|brk|mmap" or "64KiB to 2MiB". */
static void print_accepted(FILE *stream, const struct option_entry *entry) {
    if (entry->kind == OPTION_CHOICE) {
        fputs(entry->choices, stream);
    } else {
        fprintf(stream, "%s to %s", option_value_text(entry, entry->least).text,
                option_value_text(entry, entry->most).text);
    }
}

/* Prints `text` in lines that end before column `right`; the cursor stands at column `left`. */
static void print_wrapped(const char *text, unsigned left, unsigned right) {
    unsigned column = left;
    while (*text != '\0') {
        unsigned word_length = (unsigned)strcspn(text, " ");
        if (column > left && column + 1 + word_length > right) {
            printf("\n%*s", (int)left, "");
            column = left;
        } else if (column > left) {
            putchar(' ');
            column++;
        }
        fwrite(text, 1, word_length, stdout);
        column += word_length;
        text += word_length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_meaning(const struct option_entry *entry, unsigned left, unsigned right) {
    char *text = NULL;
    size_t length_bytes = 0;
    FILE *stream = open_memstream(&text, &length_bytes);
    if (stream == NULL) {
        return;
    }
    fprintf(stream, "%s [", entry->meaning);
    print_accepted(stream, entry);
    fputc(']', stream);
    if (fclose(stream) == 0) {
        print_wrapped(text, left, right);
    }
    free(text);
}

static void print_table(const struct option_value *values) {
    static const char row[] = "%-15s %-8s %-8s %-13s";
    enum { MEANING_COLUMN = 48, MEANING_LEAST = 28, INDENT = 4 };
    unsigned width = terminal_width_columns(STDOUT_FILENO);
    bool beside = width >= MEANING_COLUMN + MEANING_LEAST;
    printf(row, "KEY", "DEFAULT", "CURRENT", "FROM");
    puts(beside ? "MEANING" : "");
    struct option_value defaults[OPTION_COUNT];
    option_values_default(defaults);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_entry *entry = &option_table[i];
        printf(row, entry->key, option_value_text(entry, defaults[i].value).text,
               option_value_text(entry, values[i].value).text,
               values[i].given ? ACRE_OPTIONS_ENVIRONMENT : "default");
        if (!beside) {
            printf("\n%*s", INDENT, "");
        }
        print_meaning(entry, beside ? MEANING_COLUMN : INDENT, width);
    }
}

static json_t *value_json(const struct option_entry *entry, uint64_t value) {
    bool is_word = entry->kind == OPTION_CHOICE || (entry->kind == OPTION_TIME && value == ACRE_OPTION_NEVER);
    return is_word ? json_string(option_value_text(entry, value).text) : json_integer((json_int_t)value);
}

static json_t *accepted_json(const struct option_entry *entry) {
    if (entry->kind == OPTION_TIME) {
        return json_pack("{s:I, s:I, s:[s]}", "least", (json_int_t)entry->least, "most", (json_int_t)entry->most,
                         "choices", "never");
    }
    if (entry->kind != OPTION_CHOICE) {
        return json_pack("{s:I, s:I}", "least", (json_int_t)entry->least, "most", (json_int_t)entry->most);
    }
    json_t *choices = json_array();
    for (uint64_t position = 0;; position++) {
        struct figure_text word = option_choice_word(entry->choices, position);
        if (word.text[0] == '\0') {
            return json_pack("{s:o}", "choices", choices);
        }
        json_array_append_new(choices, json_string(word.text));
    }
}

static bool print_json(const struct option_value *values) {
    static const char *const kinds[] = {"choice", "size", "number", "time"};
    struct option_value defaults[OPTION_COUNT];
    option_values_default(defaults);
    json_t *list = json_array();
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_entry *entry = &option_table[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:o}", "key", entry->key, "kind",
                                              kinds[entry->kind], "default", value_json(entry, defaults[i].value),
                                              "value", value_json(entry, values[i].value), "from",
                                              values[i].given ? ACRE_OPTIONS_ENVIRONMENT : "default", "meaning",
                                              entry->meaning, "accepted", accepted_json(entry)));
    }
    json_t *root = json_pack("{s:s, s:o}", "schema", OPTIONS_SCHEMA, "options", list);
    bool written = root != NULL && json_dumpf(root, stdout, JSON_INDENT(2)) == 0;
    putchar('\n');
    json_decref(root);
    return written;
}

/* Entries for acre-options(7). A '-' in the text is a hyphen there, a line that starts with a dot or a quote
 * would be a request; the texts of the table are prose and start with neither. */
static void print_roff(void) {
    struct option_value defaults[OPTION_COUNT];
    option_values_default(defaults);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_entry *entry = &option_table[i];
        printf(".TP\n.BR %s \" (default \" %s )\n", entry->key, option_value_text(entry, defaults[i].value).text);
        for (const char *c = entry->meaning; *c != '\0'; c++) {
            fputs(*c == '\\' ? "\\e" : (char[]){*c, '\0'}, stdout);
        }
        fputs(".\nAccepted: ", stdout);
        print_accepted(stdout, entry);
        fputs(".\n", stdout);
    }
}

/* One "key:" or "key:choice" a line, for completion in shells. */
static void print_completions(void) {
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_entry *entry = &option_table[i];
        if (entry->kind != OPTION_CHOICE) {
            printf("%s:\n", entry->key);
            continue;
        }
        for (uint64_t position = 0;; position++) {
            struct figure_text word = option_choice_word(entry->choices, position);
            if (word.text[0] == '\0') {
                break;
            }
            printf("%s:%s\n", entry->key, word.text);
        }
    }
}

static int options(int argc, char **argv) {
    enum options_form form = FORM_TABLE;
    if (argp_parse(&options_argp, argc, argv, 0, NULL, &form) != 0) {
        return ACRE_EXIT_FAILED;
    }
    struct option_value values[OPTION_COUNT];
    option_values_default(values);
    const char *set = getenv(ACRE_OPTIONS_ENVIRONMENT);
    if (set != NULL && (form == FORM_TABLE || form == FORM_JSON)) {
        option_values_parse(set, values, ACRE_OPTIONS_ENVIRONMENT);
    }
    bool made = true;
    switch (form) {
    case FORM_TABLE:
        print_table(values);
        break;
    case FORM_JSON:
        made = print_json(values);
        break;
    case FORM_ROFF:
        print_roff();
        break;
    case FORM_COMPLETIONS:
        print_completions();
        break;
    }
    return command_finish_output() && made ? ACRE_EXIT_OK : ACRE_EXIT_OUTPUT;
}

const struct acre_command acre_command_options = {
    .name = "options",
    .summary = "show what can be set in ACRE_OPTIONS, and what is set",
    .enter = options,
};
