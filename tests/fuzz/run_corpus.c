/* SPDX-License-Identifier: ISC */

/* Runs a fuzz driver once over every file that is named on the command line, and over every file in the folders
 * that are named there (their subfolders are left out). Ends with 0 when at least one input ran and none crashed. */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (16L << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs_run;

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "%s: %s\n", path, what);
    exit(1);
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail("cannot be opened", path);
    struct stat st;
    if (fstat(fileno(file), &st) != 0 || st.st_size > INPUT_MAX)
        fail("is larger than 16 MiB, or cannot be examined", path);
    size_t size = (size_t)st.st_size;
    /* A block of exactly the input's size, so that a sanitizer sees a read one byte past it. */
    uint8_t *data = malloc(size ? size : 1);
    if (!data || fread(data, 1, size, file) != size)
        fail("cannot be read", path);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    inputs_run++;
}

static void run_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        fail("cannot be listed", path);
    for (int i = 0; i < count; i++) {
        char name[4096];
        struct stat st;
        int length = snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (length < 0 || (size_t)length >= sizeof name)
            fail("has a name too long", path);
        if (stat(name, &st) == 0 && S_ISREG(st.st_mode))
            run_file(name);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) != 0)
            fail("is not there", argv[i]);
        if (S_ISDIR(st.st_mode))
            run_folder(argv[i]);
        else
            run_file(argv[i]);
    }
    printf("%u inputs\n", inputs_run);
    return inputs_run > 0 ? 0 : 1;
}
