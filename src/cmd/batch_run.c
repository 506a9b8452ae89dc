/* SPDX-License-Identifier: ISC */
#include "cmd/batch_run.h"

#include <string.h>

#include "cmd/batch_job.h"
#include "cmd/batch_late.h"
#include "cmd/batch_link.h"

#define ARENA_MAX (1u << 20)
#define CONTENT_MAX ((size_t)1 << 30)
#define COPY_PIECE 65536u

int batch_place_open(struct batch_place *p, const struct command *command, const struct conf *conf)
{
    *p = (struct batch_place){.command = command, .conf = conf};
    arena_init(&p->arena, ARENA_MAX);
    enum err e = arena_printf(&p->arena, &p->dir, "%.*s/batch", SLICE_ARG(conf->state_dir));
    if (e == ERR_OK && os_uid() == 0) {
        e = os_user_by_name(conf->user, &p->arena, &p->owner);
        p->chown = &p->owner;
    }
    if (e == ERR_OK)
        e = batch_checkpoint_folder(p->dir, p->chown);
    if (e == ERR_OK)
        return 0;
    if (e != ERR_PERMISSION)
        command_say("%.*s: %s", SLICE_ARG(p->dir), err_text(e));
    arena_deinit(&p->arena);
    return e == ERR_PERMISSION ? EX_NOPERM : e == ERR_NOTFOUND ? EX_TEMPFAIL : EX_CONFIG;
}

void batch_place_close(struct batch_place *p)
{
    arena_deinit(&p->arena);
}

static struct smtp_server_options engine_options(const struct conf *conf)
{
    const struct conf_limits *l = &conf->limits;
    return (struct smtp_server_options){.hostname = conf->route.hostname,
                                        .max_size = l->max_size,
                                        .max_recipients = l->recipients,
                                        .hops = l->hops,
                                        .strict_paths = l->strict_paths,
                                        .bare_newline_reject = l->bare_newline_reject};
}

static slice bad_state(enum conf_bad_job bad)
{
    return bad == CONF_BAD_JOB_DELETE        ? SLICE("deleted")
           : bad == CONF_BAD_JOB_DEAD_LETTER ? SLICE("dead")
                                             : SLICE("held");
}

static enum err run_to_state(struct batch_run *r, struct batch_job *j)
{
    const struct conf *conf = r->place->conf;
    enum err e = r->refusal ? ERR_OK : batch_job_run(j);
    if (e != ERR_OK)
        return e;
    bool bad = r->refusal || j->bad;
    return batch_job_settle(j, bad ? bad_state(conf->batch.bad_job) : SLICE("done"),
                            slice_str(r->refusal ? r->refusal : j->reason));
}

enum err batch_run_report(const struct batch_run *r, struct batch_report *report_r)
{
    buf content;
    buf_init(&content, CONTENT_MAX);
    enum err e = batch_checkpoint_read(r->checkpoint, &content);
    if (e == ERR_OK)
        e = batch_report_init(report_r, &r->checkpoint->progress, buf_slice(&content), os_wall_s());
    buf_deinit(&content);
    return e;
}

static enum err send_report(struct batch_run *r, struct batch_job *j)
{
    const struct conf *conf = r->place->conf;
    struct batch_report report;
    buf message;
    struct batch_report_mail mail = {.hostname = conf->route.hostname,
                                     .recipients = conf->batch.administrators,
                                     .recipient_count = conf->batch.administrator_count,
                                     .offset_min = os_utc_offset_min(os_wall_s())};
    enum err e = batch_run_report(r, &report);
    if (e != ERR_OK)
        return e;
    buf_init(&message, 4 * BATCH_REPORT_MAX);
    batch_report_message(&report, &mail, &message);
    e = buf_ok(&message) ? batch_job_report(j, mail.recipients, mail.recipient_count, buf_slice(&message)) : ERR_LIMIT;
    buf_deinit(&message);
    batch_report_deinit(&report);
    return e;
}

enum err batch_run(struct batch_run *r)
{
    struct batch_link link;
    const struct conf *conf = r->place->conf;
    enum err e = batch_link_init(&link, r->place->command, conf);
    struct batch_server server = batch_link_server(&link);
    struct batch_job j = {.checkpoint = r->checkpoint,
                          .server = &server,
                          .options = engine_options(conf),
                          .error_limit = conf->batch.error_limit,
                          .fd = r->fd,
                          .reply_fd = r->reply_fd,
                          .reply_stream = r->reply_stream};
    if (e == ERR_OK && r->checkpoint->progress.state == BATCH_RUNNING)
        e = run_to_state(r, &j);
    if (e == ERR_OK && conf->batch.administrator_count > 0)
        e = send_report(r, &j);
    if (e == ERR_OK && r->checkpoint->progress.state != BATCH_HELD)
        e = batch_late_keep(r->checkpoint, &server);
    memcpy(r->reason, j.reason, sizeof r->reason);
    if (e != ERR_OK && r->reason[0] == 0)
        memcpy(r->reason, err_text(e), strlen(err_text(e)) + 1);
    batch_link_deinit(&link);
    return e;
}

enum err batch_run_late(const struct batch_place *p)
{
    struct batch_link link;
    if (!batch_late_any(p->dir))
        return ERR_OK;
    enum err e = batch_link_init(&link, p->command, p->conf);
    struct batch_server server = batch_link_server(&link);
    if (e == ERR_OK)
        e = batch_late_sweep(p->dir, &server);
    batch_link_deinit(&link);
    return e;
}

int batch_run_status(const struct batch_progress *p)
{
    if (p->state != BATCH_DONE || p->errors > 0)
        return EX_DATAERR;
    return p->refused + p->lost > 0 ? EX_UNAVAILABLE : 0;
}

static enum err copy(int from, int to)
{
    char piece[COPY_PIECE];
    uint64_t at = 0;
    for (size_t got = 1; got > 0; at += got) {
        enum err e = os_pread(from, piece, sizeof piece, at, &got);
        if (e == ERR_OK && got > 0)
            e = os_write(to, slice_of(piece, got));
        if (e != ERR_OK)
            return e;
    }
    return os_fsync(to);
}

enum err batch_dead_letter(const struct batch_place *p, int fd, slice name)
{
    slice dir = p->conf->batch.dead_letter;
    int dir_fd = -1, to = -1;
    enum err e = os_mkdir_all(dir, 0700);
    if (e == ERR_OK)
        e = os_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, &dir_fd);
    if (e == ERR_OK) {
        e = os_unlink(dir_fd, name);
        e = e == ERR_NOTFOUND ? ERR_OK : e;
    }
    if (e == ERR_OK)
        e = os_open(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600, &to);
    if (e == ERR_OK)
        e = copy(fd, to);
    if (e == ERR_OK)
        e = os_fsync(dir_fd);
    os_close(&to);
    os_close(&dir_fd);
    return e;
}
