/* SPDX-License-Identifier: ISC */
#include "cmd/init.h"

#include <inttypes.h>
#include <unistd.h>

#define ARENA_MAX (64u * 1024)
#define USERADD                                                                                                        \
    "/usr/sbin/useradd --system --user-group --no-create-home --home-dir " INIT_STATE                                  \
    " --shell /usr/sbin/nologin --comment 'Thurn mail server' " INIT_USER
#define USERADD_MEMORY (1u << 30)
#define USERADD_CPU_S 60
#define WAIT_MS 50

static enum err run_useradd(void)
{
    struct process_command c = {.command = SLICE(USERADD),
                                .folder = SLICE("/"),
                                .in_fd = STDIN_FILENO,
                                .out_fd = STDERR_FILENO,
                                .memory_max = USERADD_MEMORY,
                                .cpu_seconds = USERADD_CPU_S};
    int pid = 0, ended = 0, status = 0;
    enum err e = os_open(AT_FDCWD, SLICE("/dev/null"), O_RDONLY, 0, &c.in_fd);
    if (e == ERR_OK)
        e = process_command_start(&c, &pid);
    while (e == ERR_OK && ended != pid) {
        enum err reaped = process_reap(&ended, &status);
        if (reaped == ERR_AGAIN)
            os_sleep_ms(WAIT_MS);
        else
            e = reaped;
    }
    os_close(&c.in_fd);
    return e == ERR_OK && process_status_code(status) != 0 ? ERR_SYSTEM : e;
}

int init_make_user(const struct init *n)
{
    struct arena arena;
    struct os_user user;
    arena_init(&arena, ARENA_MAX);
    enum err e = os_user_by_name(n->system_user, &arena, &user);
    arena_deinit(&arena);
    if (e != ERR_NOTFOUND || !slice_equal(n->system_user, SLICE(INIT_USER)))
        return 0;
    e = run_useradd();
    if (e == ERR_OK) {
        (void)fprintf(stderr, "made  system user " INIT_USER "\n");
        return 0;
    }
    command_say("the system user \"" INIT_USER "\" cannot be made; make it yourself, then try again:");
    (void)fprintf(stderr, "  " USERADD "\n");
    return EX_OSERR;
}

static enum err hand_over(const struct init *n, slice path)
{
    struct arena arena;
    struct os_user user;
    if (!n->root)
        return ERR_OK;
    arena_init(&arena, ARENA_MAX);
    enum err e = os_user_by_name(n->system_user, &arena, &user);
    if (e == ERR_OK)
        e = os_chown(AT_FDCWD, path, user.uid, user.gid);
    arena_deinit(&arena);
    return e;
}

/* Whatever the umask says. What is there stays as it is. */
static enum err make_folder(const struct init *n, struct init_item *i)
{
    struct os_file_stamp stamp;
    int fd = -1;
    enum err e = os_file_stamp(AT_FDCWD, i->path, true, &stamp);
    if (e != ERR_NOTFOUND)
        return e;
    e = os_mkdir_all(i->path, 0755);
    if (e == ERR_OK)
        e = os_open(AT_FDCWD, i->path, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (e == ERR_OK)
        e = os_fchmod(fd, i->mode);
    os_close(&fd);
    i->made = e == ERR_OK;
    return e == ERR_OK && i->owned ? hand_over(n, i->path) : e;
}

static enum err write_beside(struct arena *arena, struct init_item *i)
{
    uint64_t random;
    int fd = -1;
    slice beside;
    os_random(&random, sizeof random);
    enum err e = arena_printf(arena, &beside, "%.*s.%016" PRIx64 ".new", SLICE_ARG(i->path), random);
    if (e == ERR_OK)
        e = os_open(AT_FDCWD, beside, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd);
    if (e != ERR_OK)
        return e;
    i->beside = beside;
    e = os_write(fd, i->content);
    if (e == ERR_OK)
        e = os_fchmod(fd, i->mode);
    if (e == ERR_OK)
        e = os_fsync(fd);
    os_close(&fd);
    return e;
}

/* A link fails where something is: what somebody else made in the meantime stays. */
static enum err put_in_place(struct init_item *i)
{
    enum err e = os_link(AT_FDCWD, i->beside, AT_FDCWD, i->path);
    i->made = e == ERR_OK;
    if (e == ERR_OK)
        e = os_unlink(AT_FDCWD, i->beside);
    if (e == ERR_OK)
        i->beside = SLICE_NONE;
    return e;
}

static void undo_file(struct init_item *i)
{
    if (i->beside.len > 0 && os_unlink(AT_FDCWD, i->beside) != ERR_OK)
        command_say("%.*s is left behind; remove it", SLICE_ARG(i->beside));
    if (i->made && os_unlink(AT_FDCWD, i->path) != ERR_OK)
        command_say("%.*s is left behind; remove it", SLICE_ARG(i->path));
    i->made = false;
}

static void undo(struct init_plan *p)
{
    for (size_t k = p->count; k > 0; k--) {
        struct init_item *i = &p->items[k - 1];
        if (i->kind == INIT_FILE)
            undo_file(i);
        else if (i->made)
            command_say("the folder %.*s was made", SLICE_ARG(i->path));
    }
}

static enum err step(const struct init *n, struct init_plan *p, struct arena *arena, struct init_item **failed_r)
{
    for (size_t k = 0; k < p->count; k++) {
        struct init_item *i = *failed_r = &p->items[k];
        enum err e = i->kind == INIT_FOLDER ? make_folder(n, i)
                     : i->kind == INIT_FILE ? write_beside(arena, i)
                                            : ERR_OK;
        if (e != ERR_OK)
            return e;
    }
    for (size_t k = 0; k < p->count; k++) {
        struct init_item *i = *failed_r = &p->items[k];
        enum err e = i->kind == INIT_FILE ? put_in_place(i) : ERR_OK;
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static void say_made(const struct init_plan *p)
{
    for (size_t k = 0; k < p->count; k++) {
        const struct init_item *i = &p->items[k];
        if (i->made)
            (void)fprintf(stderr, "made  %.*s%s\n", SLICE_ARG(i->path), i->kind == INIT_FOLDER ? "/" : "");
    }
}

int init_make(const struct init *n, struct init_plan *p)
{
    struct arena arena;
    struct init_item *failed = NULL;
    arena_init(&arena, ARENA_MAX);
    enum err e = step(n, p, &arena, &failed);
    if (e == ERR_OK) {
        say_made(p);
    } else {
        command_say("%.*s: %s", SLICE_ARG(failed->path), err_text(e));
        undo(p);
        command_say("no file was made");
    }
    arena_deinit(&arena);
    return e == ERR_OK ? 0 : EX_CANTCREAT;
}
