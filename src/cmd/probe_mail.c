/* SPDX-License-Identifier: ISC */
#include "cmd/probe_session.h"

#define PIECE (256u * 1024)

struct transaction {
    struct probe_session *p;
    slice content;
    size_t accepted;
    bool ended; /* what was given was replied to */
};

static void parameter(buf *line, const char *name, slice value)
{
    if (value.len > 0)
        buf_printf(line, " %s=%.*s", name, SLICE_ARG(value));
}

static void xtext_parameter(buf *line, const char *name, slice value)
{
    if (value.len == 0)
        return;
    buf_printf(line, " %s=", name);
    xtext_encode(line, value);
}

static void mail_line(const struct transaction *t, buf *line)
{
    const struct probe_options *o = t->p->o;
    buf_printf(line, "MAIL FROM:<%.*s>", SLICE_ARG(o->from));
    if (o->size)
        buf_printf(line, " SIZE=%zu", t->content.len);
    if (o->eight_bit || o->binary)
        buf_append(line, o->binary ? SLICE(" BODY=BINARYMIME") : SLICE(" BODY=8BITMIME"));
    buf_append(line, o->smtputf8 ? SLICE(" SMTPUTF8") : SLICE_NONE);
    buf_append(line, o->requiretls ? SLICE(" REQUIRETLS") : SLICE_NONE);
    parameter(line, "RET", o->ret);
    xtext_parameter(line, "ENVID", o->envid);
}

static void rcpt_line(const struct transaction *t, slice to, buf *line)
{
    const struct probe_options *o = t->p->o;
    buf_printf(line, "RCPT TO:<%.*s>", SLICE_ARG(to));
    parameter(line, "NOTIFY", o->notify);
    if (o->orcpt.len > 0) {
        buf_append(line, SLICE(" ORCPT="));
        xtext_encode_orcpt(line, o->orcpt, o->smtputf8);
    }
}

/* What is asked for goes out whether it is offered or not: but it is told. */
static void note_missing(struct probe_session *p)
{
    const struct probe_options *o = p->o;
    const struct {
        bool wanted;
        const char *keyword;
    } rows[] = {{o->size, "SIZE"},
                {o->eight_bit, "8BITMIME"},
                {o->binary, "BINARYMIME"},
                {o->smtputf8, "SMTPUTF8"},
                {o->requiretls, "REQUIRETLS"},
                {o->bdat, "CHUNKING"},
                {o->pipelining, "PIPELINING"},
                {o->ret.len + o->envid.len + o->notify.len + o->orcpt.len > 0, "DSN"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char memory[64];
        buf b;
        if (!rows[i].wanted || probe_offered(p, slice_str(rows[i].keyword), NULL))
            continue;
        buf_init_fixed(&b, memory, sizeof memory);
        buf_printf(&b, "%s is not offered, and used all the same", rows[i].keyword);
        probe_show_note(p->show, buf_slice(&b));
    }
}

static bool on_mail(struct transaction *t, const struct smtp_reply *r)
{
    if (r->code != 250)
        probe_fail(t->p, r->code == 530 ? EX_NOPERM : probe_status(r->code, EX_UNAVAILABLE), "sender refused");
    return r->code == 250;
}

static void on_rcpt(struct transaction *t, const struct smtp_reply *r)
{
    if (r->code / 100 == 2)
        t->accepted++;
    else
        probe_fail(t->p, r->code == 530 ? EX_NOPERM : probe_status(r->code, EX_NOUSER), "recipient refused");
}

/* One command at a time; a refused MAIL ends it. */
static bool envelope_in_turn(struct transaction *t, buf *line)
{
    struct probe_session *p = t->p;
    struct smtp_reply r;
    mail_line(t, line);
    if (!probe_ask(p, buf_slice(line), &r) || !on_mail(t, &r) || p->o->quit_after == PROBE_QUIT_MAIL)
        return false;
    for (size_t i = 0; i < p->o->to_count; i++) {
        buf_clear(line);
        rcpt_line(t, p->o->to[i], line);
        if (!probe_ask(p, buf_slice(line), &r))
            return false;
        on_rcpt(t, &r);
    }
    return true;
}

/* MAIL and all RCPT leave in one write (RFC 2920), and the replies come in their order. */
static bool envelope_at_once(struct transaction *t, buf *line)
{
    struct probe_session *p = t->p;
    struct smtp_reply r;
    buf all;
    buf_init(&all, PROBE_LINE_MAX);
    size_t count = p->o->quit_after == PROBE_QUIT_MAIL ? 0 : p->o->to_count;
    for (size_t i = 0; i <= count; i++) {
        buf_clear(line);
        if (i == 0)
            mail_line(t, line);
        else
            rcpt_line(t, p->o->to[i - 1], line);
        probe_show_sent(p->show, buf_slice(line));
        buf_append(&all, buf_slice(line));
        buf_append(&all, SLICE("\r\n"));
    }
    enum err e = buf_ok(&all) ? probe_link_write(&p->link, buf_slice(&all)) : ERR_LIMIT;
    buf_deinit(&all);
    bool taken = (e == ERR_OK || e == ERR_CLOSED) && probe_hear(p, SLICE("MAIL"), &r);
    bool good = taken && on_mail(t, &r);
    for (size_t i = 0; taken && i < count; i++) {
        if (!probe_hear(p, SLICE("RCPT"), &r))
            return false;
        if (good)
            on_rcpt(t, &r);
    }
    return good && count > 0;
}

static bool put_content(struct transaction *t, slice content)
{
    struct probe_session *p = t->p;
    for (size_t from = 0; from < content.len; from += PIECE) {
        enum err e = probe_link_write(&p->link, slice_sub(content, from, from + PIECE));
        if (e == ERR_CLOSED)
            break; /* its last words are still to be read */
        if (e != ERR_OK) {
            probe_show_fault(p->show, slice_str(err_text(e)), 0);
            probe_fail(p, EX_TEMPFAIL, "the connection broke in the content");
            probe_link_close(&p->link);
            return false;
        }
    }
    return true;
}

/* LMTP gives a reply for each recipient that was taken (RFC 2033 section 4.2). */
static bool hear_end(struct transaction *t, slice to)
{
    struct smtp_reply r;
    size_t replies = t->p->o->target.lmtp ? t->accepted : 1;
    bool good = true;
    for (size_t i = 0; i < replies; i++) {
        if (!probe_hear(t->p, to, &r))
            return false;
        good = good && r.code / 100 == 2;
        if (r.code / 100 != 2)
            probe_fail(t->p, probe_status(r.code, EX_UNAVAILABLE), "mail refused");
    }
    t->ended = true;
    return good;
}

static bool give_data(struct transaction *t)
{
    struct probe_session *p = t->p;
    struct smtp_reply r;
    struct smtp_stuffer stuffer;
    char words[64];
    buf out, shown;
    if (!probe_ask(p, SLICE("DATA"), &r))
        return false;
    if (r.code != 354) {
        probe_fail(p, probe_status(r.code, EX_UNAVAILABLE), "DATA refused");
        return false;
    }
    if (p->o->quit_after == PROBE_QUIT_DATA) {
        probe_show_note(p->show, SLICE("cut here: nothing is delivered"));
        probe_link_close(&p->link);
        return true;
    }
    buf_init(&out, 3 * t->content.len + 64);
    smtp_stuffer_init(&stuffer);
    smtp_stuffer_write(&stuffer, t->content, &out);
    smtp_stuffer_end(&stuffer, &out);
    buf_init_fixed(&shown, words, sizeof words);
    buf_printf(&shown, "(message of %zu bytes)", t->content.len);
    probe_show_sent(p->show, buf_slice(&shown));
    probe_show_sent(p->show, SLICE("."));
    bool put = buf_ok(&out) && put_content(t, buf_slice(&out));
    buf_deinit(&out);
    return put && hear_end(t, SLICE("."));
}

static bool give_chunk(struct transaction *t, slice chunk, bool last)
{
    struct probe_session *p = t->p;
    struct smtp_reply r;
    char words[64];
    buf line;
    buf_init_fixed(&line, words, sizeof words);
    buf_printf(&line, "BDAT %zu%s", chunk.len, last ? " LAST" : "");
    if (!probe_say(p, buf_slice(&line), NULL) || !put_content(t, chunk))
        return false;
    if (last)
        return hear_end(t, SLICE("BDAT"));
    if (!probe_hear(p, SLICE("BDAT"), &r))
        return false;
    if (r.code != 250)
        probe_fail(p, probe_status(r.code, EX_UNAVAILABLE), "BDAT refused");
    return r.code == 250;
}

static bool give_chunks(struct transaction *t)
{
    size_t size = t->p->o->bdat_size > 0 ? (size_t)t->p->o->bdat_size : t->content.len, from = 0;
    bool last = false;
    while (!last) {
        slice chunk = slice_sub(t->content, from, from + size);
        from += chunk.len;
        last = from >= t->content.len;
        if (!give_chunk(t, chunk, last))
            return false;
    }
    return true;
}

bool probe_mail(struct probe_session *p, slice content)
{
    struct transaction t = {.p = p, .content = content};
    buf line;
    if (p->o->to_count == 0 && p->o->quit_after != PROBE_QUIT_MAIL)
        return true;
    note_missing(p);
    buf_init(&line, PROBE_LINE_MAX);
    bool good = p->o->pipelining ? envelope_at_once(&t, &line) : envelope_in_turn(&t, &line);
    buf_deinit(&line);
    if (!good || t.accepted == 0 || p->o->quit_after == PROBE_QUIT_MAIL || p->o->quit_after == PROBE_QUIT_RCPT)
        return good;
    bool bdat = p->o->bdat && p->o->quit_after != PROBE_QUIT_DATA;
    return bdat ? give_chunks(&t) : give_data(&t);
}
