/* operator new called where no C++ runtime is loaded at all: it cannot throw, and must abort with one line rather
 * than return null to code that never checks. Only a preloaded acre offers the symbol then. */
#include "support/check.h"
#include "support/process.h"

#include <dlfcn.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

int main(void) {
    process_expect_malloc();
    void *(*operator_new)(size_t) = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "_Znwm");
    CHECKF(operator_new != NULL, "acre exports no operator new");
    void (*operator_delete)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "_ZdlPv");
    CHECK(operator_delete != NULL);
    void *block = operator_new(100);
    CHECK(block != NULL);
    memset(block, 1, 100);
    operator_delete(block);

    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], 2);
        alarm(30);
        operator_new((size_t)PTRDIFF_MAX);
        _exit(0);
    }
    close(ends[1]);
    char text[512] = {0};
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %d", status);
    CHECKF(strncmp(text, "acre: ", 6) == 0, "stderr: %s", text);
    return 0;
}
