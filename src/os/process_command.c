/* SPDX-License-Identifier: ISC */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/file.h"
#include "os/log.h"
#include "os/process_start.h"

#define COMMAND_ARENA (256 * 1024)
#define COMMAND_DESCRIPTORS 256
#define EXIT_TEMPORARY 75 /* sysexits: what went wrong here may go right later */

/* Everything that a child needs, made before the fork: after it only system calls follow. */
struct prepared {
    struct arena arena;
    char *argv[4];
    char **environment;
    char *folder;
};

/* The system's functions take char * and do not write there. */
static enum err copy_text(struct arena *arena, slice s, char **text_r)
{
    slice copy;
    if (s.len > 0 && memchr(s.ptr, 0, s.len))
        return ERR_SYNTAX;
    enum err e = arena_copy(arena, s, &copy);
    if (e == ERR_OK)
        *text_r = (char *)(uintptr_t)copy.ptr;
    return e;
}

static bool given(const struct process_command *c, slice name_and_equals)
{
    for (size_t i = 0; i < c->environment_count; i++) {
        if (slice_starts(c->environment[i], name_and_equals))
            return true;
    }
    return false;
}

static enum err add_default(struct prepared *p, const struct process_command *c, size_t *at, const slice pair[2])
{
    slice text;
    if (given(c, pair[0]))
        return ERR_OK;
    enum err e = arena_printf(&p->arena, &text, "%.*s%.*s", SLICE_ARG(pair[0]), SLICE_ARG(pair[1]));
    if (e == ERR_OK)
        e = copy_text(&p->arena, text, &p->environment[*at]);
    if (e == ERR_OK)
        (*at)++;
    return e;
}

static enum err prepare_environment(struct prepared *p, const struct process_command *c)
{
    struct os_user user = {.name = SLICE("nobody"), .home = c->folder};
    enum err e = os_user_by_uid(os_uid(), &p->arena, &user);
    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    const slice defaults[][2] = {
        {SLICE("PATH="), SLICE("/usr/local/bin:/usr/bin:/bin")},
        {SLICE("HOME="), user.home},
        {SLICE("USER="), user.name},
        {SLICE("SHELL="), SLICE("/bin/sh")},
        {SLICE("LANG="), SLICE("C.UTF-8")},
    };
    size_t default_count = sizeof(defaults) / sizeof(defaults[0]), at = 0;
    p->environment = arena_array(&p->arena, c->environment_count + default_count + 1, sizeof(char *));
    if (!p->environment)
        return ERR_NOMEM;
    e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < default_count; i++)
        e = add_default(p, c, &at, defaults[i]);
    for (size_t i = 0; e == ERR_OK && i < c->environment_count; i++)
        e = copy_text(&p->arena, c->environment[i], &p->environment[at++]);
    return e;
}

static enum err prepare(struct prepared *p, const struct process_command *c)
{
    enum err e = copy_text(&p->arena, SLICE("sh"), &p->argv[0]);
    if (e == ERR_OK)
        e = copy_text(&p->arena, SLICE("-c"), &p->argv[1]);
    if (e == ERR_OK)
        e = copy_text(&p->arena, c->command, &p->argv[2]);
    if (e == ERR_OK)
        e = copy_text(&p->arena, c->folder.len > 0 ? c->folder : SLICE("/"), &p->folder);
    if (e == ERR_OK)
        e = prepare_environment(p, c);
    return e;
}

static bool limit(__rlimit_resource_t what, rlim_t value)
{
    struct rlimit now;
    if (getrlimit(what, &now) != 0)
        return false;
    rlim_t max = value < now.rlim_max ? value : now.rlim_max;
    struct rlimit wanted = {.rlim_cur = max, .rlim_max = max};
    return setrlimit(what, &wanted) == 0;
}

static bool set_limits(const struct process_command *c)
{
    return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, COMMAND_DESCRIPTORS) &&
           (c->cpu_seconds == 0 || limit(RLIMIT_CPU, c->cpu_seconds)) &&
           (c->memory_max == 0 || limit(RLIMIT_AS, c->memory_max));
}

/* Our ends of pairs do not block; a program reading its standard input takes EAGAIN for a failure. */
static bool may_wait(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

/* Both are moved above 2 first: either may sit in the other's place. */
static bool place_descriptors(const struct process_command *c)
{
    int in = fcntl(c->in_fd, F_DUPFD, 3), out = fcntl(c->out_fd, F_DUPFD, 3);
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        return false;
    process_close_others(NULL, 0);
    return may_wait(0) && may_wait(1);
}

static _Noreturn void become_command(const struct process_command *c, const struct prepared *p, pid_t parent)
{
    process_signals_reset();
    if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) == 0 && getppid() == parent && setpgid(0, 0) == 0 &&
        place_descriptors(c) && chdir(p->folder) == 0 && set_limits(c))
        (void)execve("/bin/sh", p->argv, p->environment);
    _exit(EXIT_TEMPORARY);
}

enum err process_command_start(const struct process_command *c, int *pid_r)
{
    struct prepared p = {0};
    arena_init(&p.arena, COMMAND_ARENA);
    enum err e = prepare(&p, c);
    if (e != ERR_OK)
        goto out;
    log_flush();
    /* Not fork: what libraries want done in a child is not for one that becomes another program at once. */
    pid_t parent = getpid(), pid = _Fork();
    if (pid == 0)
        become_command(c, &p, parent);
    if (pid < 0) {
        e = os_err(errno);
        goto out;
    }
    /* In both processes, so that the group is there whoever runs first. */
    (void)setpgid(pid, pid);
    *pid_r = pid;
out:
    arena_deinit(&p.arena);
    return e;
}
