/* SPDX-License-Identifier: ISC */
#include "load.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH 100

struct maildir {
    int tmp, new, count;
    int files[BATCH];
    char names[BATCH][32];
};

static int open_folder(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        load_die(path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        load_die(path);
    return fd;
}

static void write_file(struct maildir *m, int number, const char *bytes, size_t size)
{
    char *name = m->names[m->count];
    snprintf(name, sizeof m->names[0], "%d.bench", number);
    int fd = openat(m->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, bytes, size, 0) != (ssize_t)size)
        load_die("a file in tmp/");
    m->files[m->count++] = fd;
}

/* As a server must: the contents are safe before they have their names in new/, and these before anybody is told. */
static void end_batch(struct maildir *m)
{
    if (m->count > 0 && syncfs(m->files[0]) != 0)
        load_die("syncfs");
    for (int i = 0; i < m->count; i++) {
        if (renameat(m->tmp, m->names[i], m->new, m->names[i]) != 0)
            load_die("rename");
        close(m->files[i]);
    }
    if (m->count > 0 && fsync(m->new) != 0)
        load_die("fsync");
    m->count = 0;
}

void load_maildir(const struct load_options *options)
{
    static struct maildir m;
    char *bytes = options->folder ? malloc((size_t)options->size) : NULL;
    if (!bytes)
        load_die("maildir");
    memset(bytes, 'x', (size_t)options->size);
    m.tmp = open_folder(options->folder, "tmp");
    m.new = open_folder(options->folder, "new");
    double start = load_now();
    int n = 0;
    while (n < options->count && load_now() < start + options->limit_s) {
        write_file(&m, n++, bytes, (size_t)options->size);
        if (m.count == BATCH)
            end_batch(&m);
    }
    end_batch(&m);
    printf("{\"files\":%d,\"start\":%.6f,\"end\":%.6f,\"cpu\":%.3f}\n", n, start, load_now(), load_cpu());
    free(bytes);
}
