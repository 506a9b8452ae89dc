/* SPDX-License-Identifier: ISC */
/* One message over one session: the content streams from the spool as the connection takes it. */
#include "proc/sender/state.h"

#define CHUNK 65536u
#define PENDING_MAX (128u * 1024)
#define MOVES_MAX 10u

/* The envelope of a job: its recipients are of one envelope each, but a list's members and others of the same message may be mixed: those of another reverse-path wait for the next round. */
static uint32_t envelope_of(const struct spool_head *h, uint32_t recipient)
{
    for (uint32_t i = 0; i < h->envelope_count; i++) {
        if (recipient < h->envelopes[i].recipient_count)
            return i;
        recipient -= h->envelopes[i].recipient_count;
    }
    return UINT32_MAX;
}

static uint32_t first_of_envelope(const struct spool_head *h, uint32_t envelope)
{
    uint32_t first = 0;
    for (uint32_t i = 0; i < envelope; i++)
        first += h->envelopes[i].recipient_count;
    return first;
}

static void fail_open(struct sender *s, struct job *j, enum status status)
{
    struct verdict v = status_verdict(status);
    for (uint32_t i = 0; i < j->recipient_count; i++) {
        if (!j->results[i].set)
            sender_job_result_set(j, i, &v, false);
    }
    sender_job_report(s, j, NULL);
}

/* Chooses the recipients for this message: those of the envelope of the first that has no verdict yet. x->map tells where each stands in the job. */
static bool choose(struct session *x, struct job *j, const struct spool_head *h)
{
    uint32_t most = j->recipient_count < RECIPIENTS_MAX ? j->recipient_count : RECIPIENTS_MAX;
    uint32_t *list = arena_array(&j->arena, most, sizeof *list);
    x->map = arena_array(&j->arena, most, sizeof *x->map);
    if (!list || !x->map)
        return false;
    uint32_t envelope = UINT32_MAX, count = 0;
    for (uint32_t i = 0; i < j->recipient_count && count < most; i++) {
        uint32_t of = envelope_of(h, j->recipients[i]);
        if (j->results[i].set || of == UINT32_MAX)
            continue;
        if (envelope == UINT32_MAX)
            envelope = of;
        if (of != envelope)
            continue;
        x->map[count] = i;
        list[count++] = j->recipients[i] - first_of_envelope(h, of);
    }
    if (count == 0)
        return false;
    x->message = (struct smtp_client_message){
        .envelope = &h->envelopes[envelope],
        .recipients = list,
        .recipient_count = count,
        .facts = h->facts,
    };
    return true;
}

static enum err entry_open(struct sender *s, struct session *x, const struct job *j)
{
    enum err e = spool_entry_open(s->reader, &j->place, &x->entry);
    if (e == ERR_OK)
        return ERR_OK;
    char id[QUEUE_ID_TEXT_MAX];
    size_t n = queue_id_write(id, j->place.id);
    log_line(LOG_ERROR, "%.*s: cannot be read from the spool: %s", (int)n, id, err_text(e));
    x->entry = NULL;
    return e;
}

bool sender_transfer_begin(struct sender *s, struct session *x, struct job *j)
{
    if (entry_open(s, x, j) != ERR_OK) {
        fail_open(s, j, STATUS_LOCAL_ERROR);
        return false;
    }
    if (!choose(x, j, spool_entry_head(x->entry))) {
        spool_entry_close(&x->entry);
        fail_open(s, j, STATUS_LOCAL_ERROR);
        return false;
    }
    x->job = j;
    x->body_at = 0;
    x->body_open = false;
    x->started_us = os_now_us();
    if (!j->taken_us)
        j->taken_us = x->started_us;
    smtp_client_send(x->client, loop_now_ms(s->child.loop), &x->message);
    return true;
}

/* The next piece; an error when the content ends before its size: then it is not whole, and must not be ended. */
static enum err piece_read(struct session *x, slice *content_r)
{
    enum err e = spool_entry_content(x->entry, x->body_at, CHUNK, content_r);
    if (e == ERR_OK && content_r->len == 0 && x->body_at < x->message.facts.size)
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
    /* RFC 2033 section 3: what takes mail over LMTP has delivered it. */
    if (x->options.lmtp)
        x->job->results[index].dsn = RESULT_DSN_FINAL;
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

static bool all_set(const struct job *j)
{
    for (uint32_t i = 0; i < j->recipient_count; i++) {
        if (!j->results[i].set)
            return false;
    }
    return true;
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
    if (elsewhere)
        log_line(LOG_INFO, "lost connection with %.*s: trying again", SLICE_ARG(x->host_text));
    if (all_set(j))
        sender_job_report(s, j, x);
    else
        sender_job_wait(d, j);
}
