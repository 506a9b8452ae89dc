/* SPDX-License-Identifier: ISC */
#include "proc/master/state.h"

#define PATH_MAX_BYTES 4096

static int fail(const char *what, slice path, enum err e)
{
    if (e == ERR_AGAIN)
        log_line(LOG_ERROR, "another thurn runs on \"%.*s\"; stop it first, or give this one a `state_dir` of its own",
                 SLICE_ARG(path));
    else
        log_line(LOG_ERROR, "%s \"%.*s\": %s", what, SLICE_ARG(path), err_text(e));
    return e == ERR_AGAIN ? EXIT_TRY_LATER : e == ERR_PERMISSION ? EXIT_PERMISSION : EXIT_UNAVAILABLE;
}

/* Whatever the umask of whoever started us was. */
static enum err make_folder(slice path, unsigned mode)
{
    int fd = -1;
    enum err e = os_mkdir_all(path, mode);
    if (e == ERR_OK)
        e = os_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (e == ERR_OK)
        e = os_fchmod(fd, mode);
    os_close(&fd);
    return e;
}

/* A folder of ours: made when it is missing, handed to the user, refused when others may write into it. */
static int own_folder(const struct master *m, const struct master_generation *g, slice path, unsigned mode)
{
    struct os_file_stamp stamp;
    enum err e = os_file_stamp(AT_FDCWD, path, false, &stamp);
    if (e == ERR_NOTFOUND)
        e = make_folder(path, mode);
    if (e == ERR_OK)
        e = os_file_stamp(AT_FDCWD, path, false, &stamp);
    if (e == ERR_OK && stamp.is_link) {
        log_line(LOG_ERROR, "\"%.*s\" is a link, which could lead anywhere; name the folder itself", SLICE_ARG(path));
        return EXIT_CONF;
    }
    if (e == ERR_OK && !stamp.is_dir)
        e = ERR_EXISTS;
    if (e == ERR_OK && (stamp.mode & 0002)) {
        log_line(LOG_ERROR, "everybody may write to \"%.*s\"; chmod o-w it", SLICE_ARG(path));
        return EXIT_CONF;
    }
    if (e == ERR_OK && m->root && stamp.uid == 0)
        e = os_chown(AT_FDCWD, path, g->user.uid, g->user.gid);
    else if (e == ERR_OK && stamp.uid != g->user.uid) {
        log_line(LOG_ERROR, "\"%.*s\" belongs to uid %u; it must belong to %.*s (chown -R %.*s it)", SLICE_ARG(path),
                 stamp.uid, SLICE_ARG(g->user.name), SLICE_ARG(g->user.name));
        return EXIT_CONF;
    }
    return e == ERR_OK ? 0 : fail("folder", path, e);
}

static int open_spool(struct master *m, const struct master_generation *g)
{
    char path[PATH_MAX_BYTES];
    buf b;
    buf_init_fixed(&b, path, sizeof path);
    buf_printf(&b, "%.*s%c", SLICE_ARG(g->conf->queue.dir), 0);
    enum err e = buf_ok(&b) ? spool_dir_open(path, &m->spool_fd) : ERR_LIMIT;
    if (e == ERR_OK)
        e = spool_lock(m->spool_fd, &m->lock_fd);
    if (e == ERR_OK)
        e = spool_numbers_take(m->spool_fd, 1, &m->number_floor);
    if (e == ERR_PERMISSION && !m->root)
        log_line(LOG_ERROR,
                 "a file in \"%.*s\" is not %.*s's, as after a start by root: give it back with chown -R %.*s",
                 SLICE_ARG(g->conf->queue.dir), SLICE_ARG(g->user.name), SLICE_ARG(g->user.name));
    return e == ERR_OK ? 0 : fail("spool", g->conf->queue.dir, e);
}

int master_prepare(struct master *m, const struct master_generation *g)
{
    char memory[PATH_MAX_BYTES];
    buf run;
    buf_init_fixed(&run, memory, sizeof memory);
    buf_append(&run, g->conf->state_dir);
    buf_append(&run, SLICE("/run"));
    /* Local programs of every user reach run/smtp.sock, so the state folder lets them through; what is in it has modes of its own. */
    int status = own_folder(m, g, g->conf->state_dir, 0711);
    if (status == 0)
        status = own_folder(m, g, buf_slice(&run), 0755);
    if (status == 0)
        status = own_folder(m, g, g->conf->queue.dir, 0700);
    if (status == 0)
        status = open_spool(m, g);
    if (status != 0)
        return status;
    os_random(m->ticket_key, sizeof m->ticket_key);
    if (m->options.shared.size == 0)
        return 0;
    enum err e = process_shared_memory(m->options.shared.size, &m->shared);
    if (e != ERR_OK)
        return fail("memory for", SLICE("limits"), e);
    if (m->options.shared.init)
        m->options.shared.init(m->shared, os_random_key());
    return 0;
}
