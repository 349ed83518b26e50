/* A parser of texts like JSON, whose tree lives in an arena and dies with it: acre_arena_destroy takes as long as
 * the arena has mappings, however many nodes lie in them. The same parser builds the same tree of malloc's blocks,
 * which is then freed node by node, for comparison. A parser that stops at an error in the middle of a text needs
 * no way back through what it has built, either. */
#include <acre/acre.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RECORDS 40000
#define RECORD_BYTES_MOST 256

enum kind { WORD, NUMBER, STRING, LIST, TABLE };

struct node {
    enum kind kind;
    char *key; /* of a member of a table */
    union {
        double number;
        char *text;
        struct node *first;
    };
    struct node *next; /* in the same list or table */
};

struct parser {
    const char *at;
    acre_arena *arena; /* NULL: blocks come from malloc */
    size_t nodes, bytes;
    bool failed;
};

static struct node *parse_value(struct parser *parser);

static void *allocate(struct parser *parser, size_t size) {
    void *block = parser->arena == NULL ? malloc(size) : acre_arena_malloc(parser->arena, size);
    if (block == NULL) {
        fprintf(stderr, "parser: no memory\n");
        exit(1);
    }
    parser->bytes += size;
    return block;
}

static void skip_space(struct parser *parser) {
    while (isspace((unsigned char)*parser->at)) parser->at++;
}

/* Whether that was the next character, which is then behind. */
static bool accept(struct parser *parser, char wanted) {
    skip_space(parser);
    if (*parser->at != wanted) return false;
    parser->at++;
    return true;
}

static void expect(struct parser *parser, char wanted) {
    if (!accept(parser, wanted)) parser->failed = true;
}

static char *copy(struct parser *parser, size_t length) {
    char *text = allocate(parser, length + 1);
    memcpy(text, parser->at, length);
    text[length] = 0;
    parser->at += length;
    return text;
}

static char *parse_string(struct parser *parser) {
    expect(parser, '"');
    char *text = copy(parser, strcspn(parser->at, "\""));
    expect(parser, '"');
    return text;
}

static struct node *parse_members(struct parser *parser, char end, bool have_keys) {
    struct node *first = NULL, **last = &first;
    if (accept(parser, end)) return NULL;
    do {
        char *key = have_keys ? parse_string(parser) : NULL;
        if (have_keys) expect(parser, ':');
        if (parser->failed) return first; /* NOLINT(clang-analyzer-unix.Malloc): the key ends with the arena */
        *last = parse_value(parser);
        (*last)->key = key;
        last = &(*last)->next;
    } while (!parser->failed && accept(parser, ','));
    expect(parser, end);
    return first;
}

static void parse_scalar(struct parser *parser, struct node *node) {
    char *end;
    node->kind = NUMBER;
    node->number = strtod(parser->at, &end);
    if (end != parser->at) {
        parser->at = end;
        return;
    }
    size_t length = strspn(parser->at, "aeflnrstu"); /* true, false, null */
    node->kind = WORD;
    node->text = copy(parser, length);
    if (length == 0) parser->failed = true;
}

static struct node *parse_value(struct parser *parser) {
    struct node *node = allocate(parser, sizeof *node);
    memset(node, 0, sizeof *node);
    parser->nodes++;
    skip_space(parser);
    if (*parser->at == '"') {
        node->kind = STRING;
        node->text = parse_string(parser);
    } else if (accept(parser, '[')) {
        node->kind = LIST;
        node->first = parse_members(parser, ']', false);
    } else if (accept(parser, '{')) {
        node->kind = TABLE;
        node->first = parse_members(parser, '}', true);
    } else {
        parse_scalar(parser, node);
    }
    return node;
}

/* What the tree of an arena does not need. */
static void free_tree(struct node *node) {
    while (node != NULL) {
        struct node *next = node->next;
        if (node->kind == LIST || node->kind == TABLE) free_tree(node->first);
        if (node->kind == STRING || node->kind == WORD) free(node->text);
        free(node->key);
        free(node);
        node = next;
    }
}

static double sum_of(const struct node *node, const char *key) {
    double sum = 0;
    for (; node != NULL; node = node->next) {
        if (node->kind == NUMBER && node->key != NULL && strcmp(node->key, key) == 0) sum += node->number;
        if (node->kind == LIST || node->kind == TABLE) sum += sum_of(node->first, key);
    }
    return sum;
}

static char *make_text(void) {
    char *text = malloc((size_t)RECORDS * RECORD_BYTES_MOST), *at = text;
    if (text == NULL) exit(1);
    *at++ = '[';
    for (int i = 0; i < RECORDS; i++)
        at += sprintf(at,
                      "%s{\"id\": %d, \"name\": \"customer number %d\", \"is_new\": %s, \"cents\": %d.5,\n"
                      "  \"items\": [\"item %d\", \"item %d\", %d, null], \"place\": {\"x\": %d, \"y\": -%d}}",
                      i == 0 ? "" : ",\n", i, i * 7, i % 3 == 0 ? "true" : "false", i % 1000, i % 50, i % 70, i % 9,
                      i % 360, i % 180);
    strcpy(at, "]");
    return text;
}

static double milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(void) {
    char *text = make_text();
    struct parser of_malloc = {.at = text};
    struct parser in_arena = {.at = text, .arena = acre_arena_create(&(struct acre_arena_options){.name = "tree"})};
    if (in_arena.arena == NULL) return 1;

    struct node *blocks = parse_value(&of_malloc), *tree = parse_value(&in_arena);
    double sum = sum_of(tree, "cents");
    bool same = !of_malloc.failed && !in_arena.failed && of_malloc.nodes == in_arena.nodes &&
                sum == sum_of(blocks, "cents");
    printf("%zu nodes, %zu bytes, cents %.1f: %s trees\n", in_arena.nodes, in_arena.bytes, sum,
           same ? "equal" : "DIFFERENT");

    double start = milliseconds();
    acre_arena_destroy(in_arena.arena);
    double destroyed = milliseconds();
    free_tree(blocks);
    double freed = milliseconds();
    printf("destroy: %.3f ms; node by node: %.3f ms\n", destroyed - start, freed - destroyed);
    free(text);
    return !same;
}
