/* A server in the manner of HTTP: a few threads, and an arena for each. What a request needs, its headers, its
 * parameters and the pages of its answer, is allocated as it comes and never freed: acre_arena_reset at the
 * request's end takes it all. So no path through the code can leak, and the server holds no more memory after many
 * requests than after the first ones. The texts of the requests are made here, where a real server would read them
 * from a socket. */
#include <acre/acre.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4
#define FIRST_REQUESTS 400
#define REQUESTS 20000
#define TEXT_BYTES 1024
#define ROWS_MOST 300
/* Of the process, between the first requests and the last: what stacks and the like may differ by. What a sanitizer
 * has beside them grows, too. */
#ifndef GROWTH_BYTES_MOST
#define GROWTH_BYTES_MOST ((size_t)1 << 20)
#endif

struct header {
    struct header *next;
    char *name, *value;
};

struct request {
    char *method, *path;
    struct header *headers;
};

struct text {
    char *bytes;
    size_t length, capacity;
};

static atomic_int requests_left;
static atomic_ulong requests_served, bytes_sent;

static void *must(void *block) {
    if (block != NULL) return block;
    fprintf(stderr, "requests: no memory\n");
    exit(1);
}

static char *copy(acre_arena *arena, const char *text, size_t length) {
    char *copied = must(acre_arena_malloc(arena, length + 1));
    memcpy(copied, text, length);
    copied[length] = 0;
    return copied;
}

/* A name and a value of "name: value", or NULL at the empty line that ends the headers. */
static struct header *parse_header(acre_arena *arena, const char *line, size_t length) {
    const char *colon = memchr(line, ':', length);
    if (colon == NULL) return NULL;
    const char *value = colon + 1 + strspn(colon + 1, " ");
    struct header *header = must(acre_arena_malloc(arena, sizeof *header));
    header->name = copy(arena, line, (size_t)(colon - line));
    header->value = copy(arena, value, (size_t)(line + length - value));
    return header;
}

static struct request *parse(acre_arena *arena, const char *text) {
    struct request *request = must(acre_arena_calloc(arena, 1, sizeof *request));
    const char *space = strchr(text, ' '), *line = strstr(text, "\r\n");
    request->method = copy(arena, text, (size_t)(space - text));
    request->path = copy(arena, space + 1, strcspn(space + 1, " "));
    while (line != NULL) {
        line += 2;
        struct header *header = parse_header(arena, line, strcspn(line, "\r"));
        if (header == NULL) break;
        header->next = request->headers;
        request->headers = header;
        line = strstr(line, "\r\n");
    }
    return request;
}

static const char *find(const struct request *request, const char *name) {
    for (const struct header *header = request->headers; header != NULL; header = header->next) {
        if (strcmp(header->name, name) == 0) return header->value;
    }
    return "";
}

static void append(acre_arena *arena, struct text *text, const char *more) {
    size_t length = strlen(more);
    if (text->length + length + 1 > text->capacity) {
        text->capacity = 2 * (text->length + length + 1);
        text->bytes = must(acre_arena_realloc(arena, text->bytes, text->capacity));
    }
    memcpy(text->bytes + text->length, more, length + 1);
    text->length += length;
}

static struct text answer(acre_arena *arena, const struct request *request) {
    struct text body = {NULL, 0, 0};
    char row[160];
    int rows = atoi(find(request, "Rows"));
    append(arena, &body, "<html><table>\n");
    for (int number = 0; number < rows; number++) {
        snprintf(row, sizeof row, "<tr><td>%d</td><td>%.60s</td><td>%.60s</td></tr>\n", number, request->path,
                 find(request, "User-Agent"));
        append(arena, &body, row);
    }
    append(arena, &body, "</table></html>\n");
    return body;
}

/* Stands for the socket. */
static void read_request(int number, char *text) {
    snprintf(text, TEXT_BYTES,
             "GET /orders/%d?page=%d HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: client-%d\r\n"
             "Accept: text/html\r\nRows: %d\r\nCookie: session=%08x; basket=%d\r\n\r\n",
             number, number % 7, number % 100, number % ROWS_MOST, (unsigned)number * 2654435761u, number % 50);
}

static void serve(acre_arena *arena, int number) {
    char text[TEXT_BYTES];
    read_request(number, text);
    struct text body = answer(arena, parse(arena, text));
    atomic_fetch_add(&bytes_sent, body.length);
    atomic_fetch_add(&requests_served, 1);
    acre_arena_reset(arena);
}

static void *work(void *arena) {
    for (int number; (number = atomic_fetch_sub(&requests_left, 1)) > 0;) serve(arena, number);
    return NULL;
}

static void serve_all(acre_arena *arenas[], int requests) {
    pthread_t threads[THREADS];
    atomic_store(&requests_left, requests);
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, arenas[i]) != 0) exit(1);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static size_t resident_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*u %lu", &pages) != 1) exit(1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static bool show(acre_arena *arena, const char *name, void *count) {
    struct acre_arena_figures stats;
    acre_arena_stats(arena, &stats);
    printf("  %-8s live %zu, peak %zu KiB\n", name, stats.live_blocks, stats.held_peak_bytes / 1024);
    ++*(int *)count;
    return true;
}

int main(void) {
    acre_arena *arenas[THREADS];
    char name[32];
    int count = 0;
    for (int i = 0; i < THREADS; i++) {
        snprintf(name, sizeof name, "worker %d", i);
        arenas[i] = must(acre_arena_create(&(struct acre_arena_options){.name = name}));
    }
    serve_all(arenas, FIRST_REQUESTS);
    size_t start_bytes = resident_bytes();
    serve_all(arenas, REQUESTS);
    size_t end_bytes = resident_bytes();

    acre_arena_each(show, &count);
    printf("%lu requests served, %lu MiB sent, %d arenas in use\n", atomic_load(&requests_served),
           atomic_load(&bytes_sent) >> 20, count);
    printf("resident: %zu KiB after the first %d requests, %zu KiB at the end\n", start_bytes / 1024,
           FIRST_REQUESTS, end_bytes / 1024);
    for (int i = 0; i < THREADS; i++) acre_arena_destroy(arenas[i]);
    bool grew = end_bytes > start_bytes + GROWTH_BYTES_MOST;
    printf("%s\n", grew ? "it has grown" : "it has not grown");
    return grew || count != THREADS;
}
