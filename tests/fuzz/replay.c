/* Runs the fuzz target on files, where there is no libFuzzer: replay FILE... or FOLDER... */
#include "fuzz/fuzz.h"

#include "support/check.h"
#include "support/process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { capacity_bytes = 1 << 16, hang_s = 240 };
static unsigned char bytes[capacity_bytes];

static void run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    CHECKF(file != NULL, "%s cannot be opened", path);
    size_t size_bytes = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size_bytes);
}

static int run_folder(const char *path) {
    DIR *folder = opendir(path);
    int count = 0;
    CHECKF(folder != NULL, "%s cannot be opened", path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        check_say("%s\n", name);
        run_file(name);
        count++;
    }
    closedir(folder);
    return count;
}

int main(int count, char **paths) {
    int files = 0;
    process_expect_malloc();
    process_watchdog(hang_s);
    for (int i = 1; i < count; i++) {
        struct stat info;
        CHECKF(stat(paths[i], &info) == 0, "%s is not there", paths[i]);
        if (S_ISDIR(info.st_mode)) {
            files += run_folder(paths[i]);
        } else {
            run_file(paths[i]);
            files++;
        }
    }
    CHECKF(files > 0, "no files");
    printf("%d files\n", files);
    return 0;
}
