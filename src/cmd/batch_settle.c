/* SPDX-License-Identifier: ISC */
#include "cmd/batch_job.h"

#include <string.h>

#include "cmd/command.h"

#define LINE_MAX_BYTES 1024

/* 4xx is "later"; a report that is refused for good is not sent, which is no reason to keep the job. */
static enum err say(const struct batch_server *s, slice line, uint16_t wanted, bool *refused_r)
{
    struct verdict v;
    enum err e = s->command(s->ctx, line, &v);
    if (e != ERR_OK)
        return e;
    if (verdict_class(&v) == VERDICT_TEMPORARY)
        return ERR_AGAIN;
    *refused_r = v.code != wanted;
    return ERR_OK;
}

static enum err say_recipients(const struct batch_server *s, const slice *recipients, size_t count, size_t *taken_r)
{
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        char memory[LINE_MAX_BYTES];
        bool refused = false;
        buf line;
        buf_init_fixed(&line, memory, sizeof memory);
        buf_printf(&line, "RCPT TO:<%.*s>", SLICE_ARG(recipients[i]));
        e = say(s, buf_slice(&line), 250, &refused);
        *taken_r += !refused;
        if (refused)
            command_say("no report to <%.*s>: refused", SLICE_ARG(recipients[i]));
    }
    return e;
}

struct report {
    slice mail; /* the command */
    const slice *recipients;
    size_t count;
    slice content;
};

/* *id_r is left when nobody may have it. */
static enum err hand_over(const struct batch_server *s, const struct report *r, uint64_t *id_r)
{
    bool refused = false;
    size_t taken = 0;
    struct verdict v;
    enum err e = say(s, r->mail, 250, &refused);
    if (e == ERR_OK && !refused)
        e = say_recipients(s, r->recipients, r->count, &taken);
    if (e == ERR_OK && taken > 0)
        e = say(s, SLICE("DATA"), 354, &refused);
    if (e != ERR_OK || refused || taken == 0)
        return e;
    e = s->content(s->ctx, r->content);
    if (e == ERR_OK)
        e = s->end(s->ctx, &v);
    if (e != ERR_OK || !verdict_ok(&v))
        return e == ERR_OK && verdict_class(&v) == VERDICT_TEMPORARY ? ERR_AGAIN : e;
    ptrdiff_t space = slice_rfind_char(v.text, ' ');
    return queue_id_read(slice_skip(v.text, (size_t)(space + 1)), id_r);
}

static enum err purge_doubts(struct batch_job *j)
{
    const struct batch_progress *p = &j->checkpoint->progress;
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < p->doubt_count; i++)
        e = batch_job_purge(j, &p->doubts[i]);
    return e;
}

enum err batch_job_report(struct batch_job *j, const slice *recipients, size_t count, slice content)
{
    const struct batch_progress *p = &j->checkpoint->progress;
    char memory[LINE_MAX_BYTES];
    uint64_t number = p->reports + 1, id = 0;
    buf mail;
    if (p->report > 0)
        return batch_job_release(j, false);
    enum err e = batch_job_purge(j, &(struct batch_doubt){.report = number});
    struct batch_record begin = {.kind = BATCH_RECORD_BEGIN, .number = {0, number}};
    if (e != ERR_OK)
        return e;
    batch_checkpoint_add(j->checkpoint, &begin);
    e = batch_checkpoint_commit(j->checkpoint);
    buf_init_fixed(&mail, memory, sizeof memory);
    buf_printf(&mail, "MAIL FROM:<> BODY=8BITMIME XTAG=%.*s/0.%llu", BATCH_JOB_ID, p->job, (unsigned long long)number);
    if (e == ERR_OK)
        e = hand_over(j->server, &(struct report){buf_slice(&mail), recipients, count, content}, &id);
    if (e != ERR_OK || id == 0) {
        j->server->abandon(j->server->ctx);
        return e;
    }
    struct batch_record r = {.kind = BATCH_RECORD_REPORT, .number = {id}};
    batch_checkpoint_add(j->checkpoint, &r);
    e = batch_checkpoint_commit(j->checkpoint);
    if (e == ERR_OK)
        e = batch_job_release(j, true);
    return e == ERR_OK ? purge_doubts(j) : e;
}

static enum err release_unsure(struct batch_job *j)
{
    struct batch_doubt unsure[BATCH_DOUBTS_MAX];
    size_t count = j->checkpoint->progress.unsure_count;
    enum err e = ERR_OK;
    memcpy(unsure, j->checkpoint->progress.unsure, count * sizeof *unsure);
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        struct batch_record r = {.kind = BATCH_RECORD_RELEASED, .number = {unsure[i].id}};
        e = j->server->release(j->server->ctx, unsure[i].id, false);
        if (e == ERR_OK)
            batch_checkpoint_add(j->checkpoint, &r);
        e = e == ERR_NOTFOUND ? ERR_OK : e;
    }
    return e;
}

enum err batch_job_settle(struct batch_job *j, slice state, slice why)
{
    struct batch_record r = {.kind = BATCH_RECORD_STATE, .number = {(uint64_t)os_wall_s()}, .text = {state, why}};
    enum err e = batch_job_release(j, false);
    if (e == ERR_OK)
        e = release_unsure(j);
    if (e == ERR_OK)
        e = purge_doubts(j);
    if (e != ERR_OK)
        return e;
    batch_checkpoint_add(j->checkpoint, &r);
    return batch_checkpoint_commit(j->checkpoint);
}
