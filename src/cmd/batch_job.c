/* SPDX-License-Identifier: ISC */
#include "cmd/batch_job.h"

#include <stdlib.h>

#include "cmd/batch_tag.h"

#define TO_MAX (64u << 20)
#define REPLIES_MAX (1u << 20)
#define REPLIES_BATCH (64u * 1024)
#define GROUP_BATCH (1u << 20)
#define TEXT_SHOWN 512u

static void record(struct batch_job *j, const struct batch_record *r)
{
    batch_checkpoint_add(j->checkpoint, r);
    if (j->failed == ERR_OK && j->checkpoint->group.len > GROUP_BATCH)
        j->failed = batch_checkpoint_commit(j->checkpoint);
}

static enum err write_replies(struct batch_job *j)
{
    enum err e = j->reply_fd >= 0 && j->replies.len > 0 ? os_write(j->reply_fd, buf_slice(&j->replies)) : ERR_OK;
    buf_clear(&j->replies);
    return e;
}

/* --- what the dialogue tells --- */

static enum err on_begin(void *ctx, uint64_t line, slice tag)
{
    struct batch_job *j = ctx;
    struct batch_record r = {.kind = BATCH_RECORD_BEGIN, .number = {line}};
    (void)tag;
    buf_clear(&j->to);
    enum err e = j->checking ? batch_job_purge(j, &(struct batch_doubt){.line = line}) : ERR_OK;
    if (e != ERR_OK)
        return e;
    batch_checkpoint_add(j->checkpoint, &r);
    return batch_checkpoint_commit(j->checkpoint);
}

static void on_recipient(void *ctx, uint64_t line, slice address)
{
    struct batch_job *j = ctx;
    struct batch_record r = {.kind = BATCH_RECORD_TO, .number = {line}, .text = {address}};
    batch_record_print(&j->to, &r);
}

static enum err on_taken(void *ctx, slice sender, slice id_text)
{
    struct batch_job *j = ctx;
    uint64_t id = 0;
    enum err e = queue_id_read(id_text, &id);
    if (e == ERR_OK)
        e = write_replies(j);
    if (e != ERR_OK)
        return e;
    struct batch_record r = {.kind = BATCH_RECORD_MAIL,
                             .number = {j->checkpoint->progress.pending.line, id, j->lines->offset, j->lines->crc,
                                        j->lines->number, j->reply_length, j->session.verbose},
                             .text = {buf_slice(&j->session.helo), sender}};
    if (buf_ok(&j->to))
        buf_append(&j->checkpoint->group, buf_slice(&j->to));
    buf_clear(&j->to);
    batch_checkpoint_add(j->checkpoint, &r);
    e = batch_checkpoint_commit(j->checkpoint);
    j->checking = false;
    return e == ERR_OK ? batch_job_release(j, true) : e;
}

static void on_refused(void *ctx, uint64_t line, slice command, slice reply, bool syntax)
{
    struct batch_job *j = ctx;
    struct batch_record r = {.kind = syntax ? BATCH_RECORD_ERROR : BATCH_RECORD_REFUSED,
                             .number = {line},
                             .text = {slice_sub(command, 0, TEXT_SHOWN), slice_sub(reply, 0, TEXT_SHOWN)}};
    record(j, &r);
}

static void on_lost(void *ctx, uint64_t line)
{
    struct batch_job *j = ctx;
    struct batch_record r = {.kind = BATCH_RECORD_LOST, .number = {line}};
    buf_clear(&j->to);
    record(j, &r);
}

static void on_reply(void *ctx, slice text)
{
    struct batch_job *j = ctx;
    buf_append(&j->replies, text);
    j->reply_length += text.len;
    if (j->failed == ERR_OK && j->replies.len > REPLIES_BATCH)
        j->failed = write_replies(j);
}

/* --- the file --- */

static enum err fill(struct batch_job *j, uint64_t *at)
{
    char piece[16384];
    size_t got = 0, used = 0;
    enum err e = os_pread(j->fd, piece, sizeof piece, *at, &got);
    if (e != ERR_OK)
        return e;
    if (got == 0)
        batch_lines_end(j->lines);
    batch_lines_feed(j->lines, slice_of(piece, got), &used);
    *at += used;
    return ERR_OK;
}

/* The next line; *over_r at the file's end. */
static enum err next_line(struct batch_job *j, uint64_t *at, struct batch_line *line, bool *over_r)
{
    while (!batch_lines_next(j->lines, line)) {
        if (j->lines->end) {
            *over_r = true;
            return ERR_OK;
        }
        enum err e = fill(j, at);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static void set_bad(struct batch_job *j, const char *why)
{
    buf b;
    j->bad = true;
    buf_init_fixed(&b, j->reason, sizeof j->reason - 1);
    buf_append(&b, slice_str(why));
    j->reason[b.len] = 0;
}

/* What was read before must be what it was, or the lines behind it are not those that are left. */
static enum err skip_taken(struct batch_job *j, uint64_t *at)
{
    const struct batch_progress *p = &j->checkpoint->progress;
    struct batch_line line;
    bool over = false;
    while (j->lines->offset < p->offset && !over) {
        enum err e = next_line(j, at, &line, &over);
        if (e != ERR_OK)
            return e;
    }
    if (j->lines->offset != p->offset || j->lines->crc != p->crc)
        set_bad(j, "the part of the file whose mails are in the queue already is not what it was");
    return ERR_OK;
}

static enum err read_lines(struct batch_job *j, uint64_t at)
{
    struct batch_line line;
    for (bool over = false;;) {
        enum err e = next_line(j, &at, &line, &over);
        if (e == ERR_OK && !over)
            e = batch_session_line(&j->session, &line);
        if (e == ERR_OK)
            e = j->failed;
        if (e != ERR_OK)
            return e;
        if (j->error_limit > 0 && j->checkpoint->progress.errors_now >= j->error_limit) {
            set_bad(j, "too many lines are not understood");
            return ERR_OK;
        }
        if (over)
            break;
    }
    if (!batch_session_end(&j->session))
        set_bad(j, "the file ends inside a message");
    return ERR_OK;
}

/* --- the queue --- */

enum err batch_job_purge(struct batch_job *j, const struct batch_doubt *d)
{
    return batch_tag_purge(j->server, slice_of(j->checkpoint->progress.job, BATCH_JOB_ID), d);
}

enum err batch_job_release(struct batch_job *j, bool fresh)
{
    struct batch_doubt held = j->checkpoint->progress.held;
    struct batch_record r = {.kind = BATCH_RECORD_RELEASED, .number = {held.id}};
    if (held.id == 0)
        return ERR_OK;
    /* Not there: it was let go, and has been delivered since; or the queue is very slow to hear of it. */
    enum err e = j->server->release(j->server->ctx, held.id, fresh);
    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    record(j, &r);
    if (e == ERR_NOTFOUND) {
        r = (struct batch_record){.kind = BATCH_RECORD_UNSURE, .number = {held.line, held.report, held.id}};
        record(j, &r);
    }
    return ERR_OK;
}

/* Replies behind the last record are of lines that are read again. */
static enum err cut_replies(struct batch_job *j)
{
    struct os_file_stamp stamp;
    uint64_t length = j->checkpoint->progress.replies;
    j->reply_length = length;
    if (j->reply_fd < 0 || j->reply_stream)
        return ERR_OK;
    enum err e = os_fd_stamp(j->reply_fd, &stamp);
    return e == ERR_OK && stamp.size > length ? os_ftruncate(j->reply_fd, length) : e;
}

/* A job that was begun before. */
static enum err take_up(struct batch_job *j)
{
    struct batch_record r = {.kind = BATCH_RECORD_RESUMED, .number = {(uint64_t)os_wall_s()}};
    const struct batch_progress *p = &j->checkpoint->progress;
    enum err e = batch_job_release(j, false);
    if (e != ERR_OK)
        return e;
    batch_checkpoint_add(j->checkpoint, &r);
    e = batch_checkpoint_commit(j->checkpoint);
    for (size_t i = 0; e == ERR_OK && i < p->doubt_count; i++)
        e = batch_job_purge(j, &p->doubts[i]);
    if (e == ERR_OK)
        e = batch_session_restore(&j->session, buf_slice(&p->helo), p->verbose);
    return e;
}

/* --- all of it --- */

static const struct batch_session_ops session_ops = {.begin = on_begin,
                                                     .recipient = on_recipient,
                                                     .taken = on_taken,
                                                     .refused = on_refused,
                                                     .lost = on_lost,
                                                     .reply = on_reply};

static enum err begin(struct batch_job *j, struct batch_session_ops *ops)
{
    *ops = session_ops;
    ops->ctx = j;
    j->session = (struct batch_session){.options = j->options,
                                        .server = j->server,
                                        .ops = ops,
                                        .job = slice_of(j->checkpoint->progress.job, BATCH_JOB_ID)};
    buf_init(&j->to, TO_MAX);
    buf_init(&j->replies, REPLIES_MAX);
    j->lines = malloc(sizeof *j->lines);
    j->bad = false;
    j->failed = ERR_OK;
    j->reply_length = 0;
    if (!j->lines)
        return ERR_NOMEM;
    batch_lines_init(j->lines);
    return batch_session_open(&j->session);
}

static void keep_reason(struct batch_job *j, enum err e)
{
    buf b;
    slice why = j->session.why.len > 0 ? buf_slice(&j->session.why) : slice_str(err_text(e));
    buf_init_fixed(&b, j->reason, sizeof j->reason - 1);
    buf_append(&b, slice_sub(why, 0, sizeof j->reason - 1));
    j->reason[b.len] = 0;
}

/* What was not on disk when it failed is found out again. */
static enum err finish(struct batch_job *j, enum err e)
{
    bool end = e == ERR_OK;
    if (end || j->reply_stream) {
        enum err written = write_replies(j);
        e = end ? written : e;
    }
    if (e == ERR_OK && j->reply_fd >= 0 && !j->reply_stream)
        e = os_fsync(j->reply_fd);
    if (e == ERR_OK)
        e = batch_checkpoint_commit(j->checkpoint);
    if (e != ERR_OK)
        keep_reason(j, e);
    batch_session_close(&j->session);
    buf_deinit(&j->to);
    buf_deinit(&j->replies);
    free(j->lines);
    j->lines = NULL;
    return e;
}

enum err batch_job_run(struct batch_job *j)
{
    struct batch_session_ops ops;
    uint64_t at = 0;
    enum err e = begin(j, &ops);
    j->checking = j->checkpoint->progress.records > 1;
    if (e == ERR_OK && j->checking)
        e = take_up(j);
    if (e == ERR_OK)
        e = cut_replies(j);
    if (e == ERR_OK)
        e = skip_taken(j, &at);
    if (e == ERR_OK && !j->bad)
        e = read_lines(j, at);
    if (e != ERR_OK)
        j->server->abandon(j->server->ctx);
    return finish(j, e);
}
