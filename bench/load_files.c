/* SPDX-License-Identifier: ISC */
#include "load.h"
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define GATHER_US 5000 /* being woken for each file would cost 12 microseconds a mail; so long may the end be late */

static int count_files(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return 0;
    int n = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static int count_events(int inotify)
{
    static char bytes[65536] __attribute__((aligned(8)));
    ssize_t len = read(inotify, bytes, sizeof bytes);
    int n = 0;
    for (ssize_t at = 0; at < len; n++)
        at += (ssize_t)(sizeof(struct inotify_event) + ((struct inotify_event *)(void *)(bytes + at))->len);
    return n;
}

/* The folder is listed when as many events have come as files are missing: listing it all the time would cost the
 * server its processor. */
void load_files(const struct load_options *options)
{
    double start = load_now(), stop = start + options->limit_s;
    int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), have = 0;
    if (!options->folder || inotify < 0)
        load_die("files");
    while (inotify_add_watch(inotify, options->folder, IN_CREATE | IN_MOVED_TO) < 0 && load_now() < stop)
        usleep(2000);
    have = count_files(options->folder);
    int missing = options->count - have;
    while (missing > 0 && load_now() < stop) {
        struct pollfd wait = {.fd = inotify, .events = POLLIN};
        if (poll(&wait, 1, 200) == 1) {
            usleep(GATHER_US);
            missing -= count_events(inotify);
        } else {
            missing = options->count - count_files(options->folder);
        }
        if (missing <= 0)
            missing = options->count - count_files(options->folder);
    }
    double end = load_now();
    printf("{\"files\":%d,\"start\":%.6f,\"end\":%.6f,\"cpu\":%.3f}\n", count_files(options->folder), start, end,
           load_cpu());
    close(inotify);
}
