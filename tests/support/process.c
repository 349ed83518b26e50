#include "support/process.h"

#include "support/check.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#ifdef ACRE_TEST_STATIC
bool process_is_on_acre(void) { return true; }
#else
/* Which object malloc is bound to, not merely which objects are loaded. */
bool process_is_on_acre(void) {
  void *provider = dlsym(RTLD_DEFAULT, "malloc");
  Dl_info where;
  return provider != NULL && dladdr(provider, &where) != 0 && where.dli_fname != NULL &&
         strstr(where.dli_fname, "libacre") != NULL;
}
#endif

void process_expect_malloc(void) {
  const char *expected = getenv("ACRE_TEST_EXPECT");
  if (expected == NULL) return;
  bool wants_acre = strcmp(expected, "acre") == 0;
  CHECKF(wants_acre == process_is_on_acre(), "expected to run on %s, but malloc is %s", expected,
         process_is_on_acre() ? "acre's" : "not acre's");
}

bool process_has_source(const char *name) {
  const char *options = getenv("ACRE_OPTIONS");
  char wanted[64];
  snprintf(wanted, sizeof wanted, "source:%s", name);
  return options != NULL && strstr(options, wanted) != NULL;
}

static ssize_t read_whole(const char *path, char *buffer, size_t capacity_bytes) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  size_t used_bytes = 0;
  ssize_t got;
  while (used_bytes + 1 < capacity_bytes &&
         (got = read(file, buffer + used_bytes, capacity_bytes - 1 - used_bytes)) > 0)
    used_bytes += (size_t)got;
  close(file);
  buffer[used_bytes] = '\0';
  return (ssize_t)used_bytes;
}

/* One line of /proc/self/status; the kernel gives kilobytes. */
static size_t status_value(const char *key) {
  char text[8192];
  CHECK(read_whole("/proc/self/status", text, sizeof text) > 0);
  const char *line = strstr(text, key);
  CHECKF(line != NULL, "no line %s", key);
  return (size_t)strtoull(line + strlen(key), NULL, 10);
}

size_t process_resident_bytes(void) { return status_value("\nVmRSS:") * 1024; }
size_t process_data_bytes(void) { return status_value("\nVmData:") * 1024; }
size_t process_address_space_bytes(void) { return status_value("\nVmSize:") * 1024; }
int process_thread_count(void) { return (int)status_value("\nThreads:"); }

/* Keeps no buffer for the whole file: a process with many mappings has a long one. */
bool process_is_mapped(const void *address) {
  int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  CHECK(file >= 0);
  char text[4096], line[512];
  size_t line_length = 0;
  ssize_t got;
  bool found = false;
  while (!found && (got = read(file, text, sizeof text)) > 0) {
    for (ssize_t i = 0; i < got; i++) {
      if (text[i] != '\n') {
        if (line_length + 1 < sizeof line) line[line_length++] = text[i];
        continue;
      }
      line[line_length] = '\0';
      line_length = 0;
      char *rest;
      uintptr_t start = strtoull(line, &rest, 16), end = strtoull(rest + 1, NULL, 16);
      if (start <= (uintptr_t)address && (uintptr_t)address < end) found = true;
    }
  }
  close(file);
  return found;
}

void process_watchdog(unsigned delay_s) { alarm(delay_s); }

void process_expect_end(int child, unsigned most_s) {
  int status;
  for (unsigned waited_ms = 0; waitpid(child, &status, WNOHANG) == 0; waited_ms += 20) {
    if (waited_ms >= most_s * 1000) {
      kill(child, SIGKILL);
      CHECKF(false, "the child is still there after %u s", most_s);
    }
    usleep(20000);
  }
  CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child ended with status 0x%x", status);
}
