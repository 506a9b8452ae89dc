/* SPDX-License-Identifier: ISC */
/* One message over one session: the content streams from the spool as the connection takes it. */
#include "proc/sender/state.h"

#define CHUNK 65536u
#define PENDING_MAX (128u * 1024)
#define MOVES_MAX 10u

static void fail_open(struct sender *s, struct job *j, enum status status)
{
    struct verdict v = status_verdict(status);
    for (uint32_t i = 0; i < j->recipient_count; i++) {
        if (!j->results[i].set)
            sender_job_result_set(j, i, &v, false);
    }
    sender_job_report(s, j, NULL);
}

static enum err entry_open(struct sender *s, struct session *x, const struct job *j)
{
    if (s->arrived == j) {
        x->entry = s->arrived_entry;
        s->arrived = NULL;
        s->arrived_entry = NULL;
        return ERR_OK;
    }
    enum err e = spool_entry_open(s->reader, &j->place, &x->entry);
    if (e == ERR_OK)
        return ERR_OK;
    sender_log_unreadable(j, e);
    x->entry = NULL;
    return e;
}

/* All recipients of the message in work are refused by ourselves; others of the job may not be. */
static void refuse(struct sender *s, struct session *x, struct job *j, enum status status)
{
    struct verdict v = status_verdict(status);
    for (uint32_t i = 0; i < x->message.recipient_count; i++) {
        sender_job_result_set(j, x->map[i], &v, false);
        sender_report_log(j, x->map[i], x, spool_entry_head(x->entry));
    }
    spool_entry_close(&x->entry);
    if (sender_job_open(j))
        sender_job_wait(s, x->destination, j);
    else
        sender_job_report(s, j, x);
}

/* RFC 8689 section 4.2.1: when this host will not do, the next one may. */
static bool waits_for_better(const struct session *x, struct job *j)
{
    uint32_t next = x->target + 1;
    if (!(x->message.envelope->flags & ENVELOPE_REQUIRETLS) || (x->options.lmtp && x->options.local) || x->stale)
        return false;
    if (net_tls_verified(x->connection) && x->offer.requiretls)
        return false;
    if (next >= x->destination->target_count || next >= TARGETS_TRIED_MAX || j->moves >= MOVES_MAX)
        return false;
    j->moves++;
    j->target_first = next;
    return true;
}

bool sender_transfer_begin(struct sender *s, struct session *x, struct job *j)
{
    if (entry_open(s, x, j) != ERR_OK) {
        fail_open(s, j, STATUS_LOCAL_ERROR);
        return false;
    }
    x->body_at = 0;
    x->body_open = false;
    x->started_us = os_now_us();
    if (!j->taken_us)
        j->taken_us = x->started_us;
    enum chosen chosen = sender_choose(x, j, spool_entry_head(x->entry));
    if (chosen == CHOSEN_NONE) {
        spool_entry_close(&x->entry);
        fail_open(s, j, STATUS_LOCAL_ERROR);
        return false;
    }
    if (chosen == CHOSEN_LATER || waits_for_better(x, j)) {
        spool_entry_close(&x->entry);
        sender_job_wait(s, x->destination, j);
        return false;
    }
    enum status status = sender_convert_begin(s, x);
    if (status != STATUS_OK) {
        refuse(s, x, j, status);
        return false;
    }
    x->job = j;
    if (!x->converting_now)
        smtp_client_send(x->client, loop_now_ms(s->child.loop), &x->message);
    return true;
}

void sender_transfer_go_on(struct sender *s, struct session *x, enum status status)
{
    struct job *j = x->job;
    if (status == STATUS_OK) {
        smtp_client_send(x->client, loop_now_ms(s->child.loop), &x->message);
    } else {
        x->job = NULL;
        refuse(s, x, j, status);
        sender_session_next(s, x);
    }
    sender_session_drive(s, x);
}

void sender_transfer_give_up(struct session *x, const struct verdict *v, bool remote)
{
    struct verdict local = status_verdict(STATUS_LOCAL_ERROR);
    bool temporary = verdict_class(v) == VERDICT_TEMPORARY;
    for (uint32_t i = 0; i < x->message.recipient_count; i++)
        sender_job_result_set(x->job, x->map[i], temporary ? v : &local, temporary && remote);
}

/* The next piece; an error when the content ends before its size, or is more than was declared: then it is not whole, and must not be ended. */
static enum err piece_read(struct session *x, slice *content_r)
{
    enum err e = x->conversion ? sender_convert_next(x->conversion, CHUNK, content_r)
                               : spool_entry_content(x->entry, x->body_at, CHUNK, content_r);
    uint64_t left = x->message.facts.size - x->body_at;
    if (e == ERR_OK && (content_r->len > left || (content_r->len == 0 && left > 0)))
        e = ERR_CORRUPT;
    return e;
}

void sender_transfer_body(struct sender *s, struct session *x)
{
    int64_t now_ms = loop_now_ms(s->child.loop);
    while (x->body_open && net_write_pending(x->connection) < PENDING_MAX) {
        slice content;
        enum err e = piece_read(x, &content);
        if (e != ERR_OK) {
            struct verdict v = status_verdict(STATUS_LOCAL_ERROR);
            log_line(LOG_ERROR, "content cannot be read from the spool: %s", err_text(e));
            x->body_open = false;
            smtp_client_body_abort(x->client, &v);
            return;
        }
        buf_clear(&s->out);
        /* The last piece and the end of data leave in one write. */
        bool last = x->body_at + content.len >= x->message.facts.size;
        smtp_client_body(x->client, now_ms, content, &s->out);
        if (last)
            smtp_client_body_end(x->client, now_ms, &s->out);
        x->body_at += content.len;
        x->body_open = !last;
        if (!buf_ok(&s->out) || net_write(x->connection, buf_slice(&s->out)) != ERR_OK) {
            x->body_open = false;
            smtp_client_lost(x->client, ERR_CLOSED);
            x->broken = true;
            return;
        }
    }
}

void sender_transfer_recipient(struct session *x, const struct smtp_client_event *e)
{
    if (!x->job || e->index >= x->message.recipient_count)
        return;
    uint32_t index = x->map[e->index];
    sender_job_result_set(x->job, index, &e->verdict, e->remote);
    x->job->results[index].phase = e->phase;
    /* RFC 2033 section 3: what takes mail over LMTP has delivered it. */
    if (x->options.lmtp)
        x->job->results[index].dsn = RESULT_DSN_FINAL;
    else if (e->dsn_passed)
        x->job->results[index].dsn = RESULT_DSN_PASSED;
    if (x->offer.deliver_by && x->message.envelope->deliver_by_s != 0)
        x->job->results[index].dsn |= RESULT_BY_PASSED;
}

/* Verdicts that say only that this connection broke before the host could judge: another host may take the mail. */
static bool forget_broken(struct job *j, const struct session *x)
{
    bool any = false;
    for (uint32_t i = 0; i < x->message.recipient_count; i++) {
        struct job_result *r = &j->results[x->map[i]];
        if (r->set && (!r->remote || r->verdict.code == 421) && verdict_class(&r->verdict) == VERDICT_TEMPORARY) {
            r->set = false;
            any = true;
        }
    }
    return any;
}

/* Once the end of data was sent the host may have taken it: then the queue decides when to risk a second copy (RFC 1047). Before that, a host that only ended a session that
 * had carried others is tried again, and else the next one, for those who were not judged. */
static bool tries_elsewhere(struct job *j, const struct session *x, enum smtp_client_phase phase)
{
    bool again = x->carried > 0, next = x->target + 1 < x->destination->target_count;
    if (phase >= SMTP_PHASE_END || j->moves >= MOVES_MAX || (!again && !next && !x->stale) || !forget_broken(j, x))
        return false;
    j->moves++;
    j->target_first = x->stale ? 0 : again ? x->target : x->target + 1;
    return true;
}

void sender_transfer_end(struct sender *s, struct session *x, bool failed, enum smtp_client_phase phase)
{
    struct job *j = x->job;
    struct destination *d = x->destination;
    x->job = NULL;
    x->body_open = false;
    if (!j)
        return;
    bool elsewhere = failed && tries_elsewhere(j, x, phase);
    x->carried++;
    for (uint32_t i = 0; i < x->message.recipient_count; i++)
        sender_report_log(j, x->map[i], x, spool_entry_head(x->entry));
    spool_entry_close(&x->entry);
    sender_convert_end(s, x);
    if (elsewhere)
        sender_log_lost(x, j);
    if (sender_job_open(j))
        sender_job_wait(s, d, j);
    else
        sender_job_report(s, j, x);
}
