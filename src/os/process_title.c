/* SPDX-License-Identifier: ISC */
/* Linux shows as a process's command line the memory that argv lay in at the start. The environment lies right behind it, so both
 * together are the room for a title; their strings are copied away first, because others hold pointers to them. */
#include "os/process.h"

#include <errno.h>
#include <sys/prctl.h>

extern char **environ;

static char *title_memory;
static size_t title_size;

static bool move_away(char **strings, char **end)
{
    for (size_t i = 0; strings[i]; i++) {
        if (*end && strings[i] != *end)
            return true;
        char *copy = strdup(strings[i]);
        if (!copy)
            return false;
        *end = strings[i] + strlen(strings[i]) + 1;
        strings[i] = copy;
    }
    return true;
}

void process_title_init(int argc, char **argv)
{
    char *end = NULL;
    if (argc < 1 || !argv[0])
        return;
    char *start = argv[0];
    if (!move_away(argv, &end) || !move_away(environ, &end))
        return;
    program_invocation_name = argv[0];
    char *slash = strrchr(argv[0], '/');
    program_invocation_short_name = slash ? slash + 1 : argv[0];
    title_memory = start;
    title_size = (size_t)(end - start);
}

/* "thurn: receiver" is "thurn-receiver" where the kernel has room for 15 bytes only. */
static void set_comm(const char *title)
{
    char comm[16];
    size_t len = 0;
    for (; *title && len < sizeof(comm) - 1; title++) {
        if (*title == ':' && title[1] == ' ')
            continue;
        comm[len++] = *title == ' ' ? '-' : *title;
    }
    comm[len] = 0;
    (void)prctl(PR_SET_NAME, comm, 0, 0, 0);
}

void process_title(const char *title)
{
    set_comm(title);
    if (title_size == 0)
        return;
    size_t len = strlen(title);
    if (len > title_size - 1)
        len = title_size - 1;
    memset(title_memory, 0, title_size);
    memcpy(title_memory, title, len);
}
