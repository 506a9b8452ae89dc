/* SPDX-License-Identifier: ISC */
#include "cmd/submit.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "cmd/command.h"

#define PIECE (64u * 1024)
#define OUT_MAX (4u * PIECE)
#define WORDS_MAX 2048

struct talk {
    struct submit *submit;
    struct smtp_client *client;
    struct smtp_client_message message;
    uint32_t *indexes;
    struct body_scan scan;
    buf out;
    bool sent, broken, over;
};

int submit_exit_status(const struct verdict *v)
{
    if (verdict_class(v) != VERDICT_PERMANENT)
        return EX_TEMPFAIL;
    if (v->enhanced[1] == 1 && v->enhanced[2] != 7 && v->enhanced[2] != 8)
        return EX_NOUSER;
    return v->enhanced[1] == 7 || v->code == 530 || v->code == 553 ? EX_NOPERM : EX_UNAVAILABLE;
}

static void show(const struct talk *t, const char *mark, slice text)
{
    slice line;
    while (t->submit->verbose && text.len > 0) {
        char memory[4 * WORDS_MAX];
        buf b;
        (void)slice_cut(text, '\n', &line, &text);
        buf_init_fixed(&b, memory, sizeof memory);
        buf_append_escaped(&b, slice_trim(slice_sub(line, 0, WORDS_MAX)));
        (void)fprintf(stderr, "%s %.*s\n", mark, SLICE_ARG(buf_slice(&b)));
    }
}

static void lost(struct talk *t, enum err e)
{
    t->broken = true;
    smtp_client_lost(t->client, e);
}

static void write_all(struct talk *t, slice data)
{
    while (data.len > 0 && !t->over) {
        size_t n = 0;
        enum err e = socket_send_fd(t->submit->fd, data, -1, &n);
        if (e == ERR_AGAIN)
            e = socket_wait(t->submit->fd, true, smtp_client_deadline(t->client) - os_now_ms());
        if (e != ERR_OK) {
            lost(t, e);
            return;
        }
        data = slice_skip(data, n);
    }
}

static void flush(struct talk *t)
{
    slice out = smtp_client_output(t->client);
    show(t, ">", out);
    write_all(t, out);
    smtp_client_sent(t->client, out.len);
}

/* Calls take with one piece of the message after the other. */
static enum err each_piece(struct talk *t, void (*take)(struct talk *t, slice piece))
{
    char memory[PIECE];
    const struct submit *s = t->submit;
    size_t got = s->more ? PIECE : 0;
    for (size_t from = 0; from < s->content.len; from += PIECE)
        take(t, slice_sub(s->content, from, from + PIECE));
    for (uint64_t at = 0; got == PIECE; at += got) {
        enum err e = os_pread(fileno(s->more), memory, PIECE, at, &got);
        if (e != ERR_OK)
            return e;
        take(t, slice_of(memory, got));
    }
    return ERR_OK;
}

static void scan_piece(struct talk *t, slice piece)
{
    body_scan_feed(&t->scan, piece);
}

static void give_piece(struct talk *t, slice piece)
{
    if (t->broken)
        return;
    smtp_client_body(t->client, os_now_ms(), piece, &t->out);
    write_all(t, buf_slice(&t->out));
    buf_clear(&t->out);
}

static void give_body(struct talk *t)
{
    flush(t);
    if (each_piece(t, give_piece) != ERR_OK) {
        struct verdict v = status_verdict(STATUS_LOCAL_ERROR);
        smtp_client_body_abort(t->client, &v);
        return;
    }
    smtp_client_body_end(t->client, os_now_ms(), &t->out);
    write_all(t, buf_slice(&t->out));
    buf_clear(&t->out);
    show(t, ">", SLICE("(the message)\n."));
}

static void refused(struct talk *t, const struct verdict *v, slice recipient)
{
    char memory[WORDS_MAX];
    buf words;
    buf_init_fixed(&words, memory, sizeof memory);
    status_print(&words, v);
    if (recipient.len > 0)
        command_say("<%.*s>: %.*s", SLICE_ARG(recipient), SLICE_ARG(buf_slice(&words)));
    else
        command_say("%.*s", SLICE_ARG(buf_slice(&words)));
    if (t->submit->status == 0)
        t->submit->status = submit_exit_status(v);
}

static void on_recipient(struct talk *t, const struct smtp_client_event *e)
{
    struct submit *s = t->submit;
    if (!verdict_ok(&e->verdict)) {
        refused(t, &e->verdict, s->envelope->recipients[e->index].address);
        return;
    }
    s->accepted = true;
    s->reply_len = e->verdict.text.len < sizeof s->reply ? e->verdict.text.len : sizeof s->reply;
    if (s->reply_len > 0)
        memcpy(s->reply, e->verdict.text.ptr, s->reply_len);
}

static void on_event(struct talk *t, const struct smtp_client_event *e)
{
    switch (e->kind) {
    case SMTP_CLIENT_READY:
        if (t->sent)
            smtp_client_quit(t->client, os_now_ms());
        else
            smtp_client_send(t->client, os_now_ms(), &t->message);
        t->sent = true;
        break;
    case SMTP_CLIENT_RECIPIENT:
        on_recipient(t, e);
        break;
    case SMTP_CLIENT_BODY:
        give_body(t);
        break;
    case SMTP_CLIENT_FAILED:
        if (!t->submit->accepted && t->submit->status == 0)
            refused(t, &e->verdict, SLICE_NONE);
        t->over = true;
        break;
    case SMTP_CLIENT_CLOSED:
        t->over = true;
        break;
    case SMTP_CLIENT_STARTTLS: /* never asked for */
    case SMTP_CLIENT_AUTH:
    case SMTP_CLIENT_CHALLENGE:
    case SMTP_CLIENT_MESSAGE_DONE:
        break;
    }
}

static void step(struct talk *t)
{
    struct smtp_client_event e;
    while (!t->over && smtp_client_next(t->client, &e))
        on_event(t, &e);
    if (!t->over)
        flush(t);
}

static void feed(struct talk *t, slice in)
{
    show(t, "<", in);
    while (in.len > 0 && !t->over) {
        size_t used = 0;
        enum err e = smtp_client_feed(t->client, os_now_ms(), in, &used);
        if (e != ERR_OK)
            lost(t, e);
        step(t);
        if (e != ERR_OK || used == 0)
            break;
        in = slice_skip(in, used);
    }
}

static void read_some(struct talk *t)
{
    char memory[PIECE];
    enum err e = socket_wait(t->submit->fd, false, smtp_client_deadline(t->client) - os_now_ms());
    if (e == ERR_TIMEOUT) {
        smtp_client_tick(t->client, os_now_ms());
    } else if (e == ERR_OK) {
        ssize_t n = recv(t->submit->fd, memory, sizeof memory, 0);
        if (n > 0) {
            feed(t, slice_of(memory, (size_t)n));
            return;
        }
        lost(t, ERR_CLOSED);
    } else {
        lost(t, e);
    }
    step(t);
}

static enum err prepare(struct talk *t)
{
    const struct envelope *envelope = t->submit->envelope;
    struct smtp_client_options options = {.helo = t->submit->helo, .tls = SMTP_CLIENT_TLS_NONE};
    t->indexes = calloc(envelope->recipient_count, sizeof *t->indexes);
    if (!t->indexes)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < envelope->recipient_count; i++)
        t->indexes[i] = i;
    body_scan_init(&t->scan);
    enum err e = each_piece(t, scan_piece);
    if (e != ERR_OK)
        return e;
    t->message = (struct smtp_client_message){.envelope = envelope,
                                              .recipients = t->indexes,
                                              .recipient_count = envelope->recipient_count,
                                              .facts = body_scan_end(&t->scan),
                                              .as_it_is = true}; /* our own server has no limit for lines */
    return smtp_client_open(&options, os_now_ms(), &t->client);
}

void submit_run(struct submit *s)
{
    struct talk t = {.submit = s};
    buf_init(&t.out, OUT_MAX);
    enum err e = prepare(&t);
    if (e != ERR_OK) {
        command_say("%s", err_text(e));
        s->status = EX_TEMPFAIL;
    } else {
        step(&t);
        while (!t.over)
            read_some(&t);
        smtp_client_close(&t.client);
    }
    free(t.indexes);
    buf_deinit(&t.out);
}
