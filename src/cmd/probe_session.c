/* SPDX-License-Identifier: ISC */
#include "cmd/probe_session.h"

#define DAY_S 86400
#define HIDDEN_LEAST 4u

void probe_fail(struct probe_session *p, int status, const char *format, ...)
{
    if (p->status != 0)
        return;
    buf b;
    va_list args;
    buf_init_fixed(&b, p->words, sizeof p->words - 1);
    va_start(args, format);
    buf_vprintf(&b, format, args);
    va_end(args);
    p->words[b.len] = 0;
    p->status = status;
}

int probe_status(uint16_t code, int refused)
{
    return code >= 500 ? refused : EX_TEMPFAIL;
}

static void lost(struct probe_session *p, enum err e, int64_t us)
{
    char memory[1024];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    if (e == ERR_SYNTAX)
        buf_printf(&b, "no reply of SMTP: \"%.*s\"", SLICE_ARG(slice_of(p->link.seen, p->link.seen_len)));
    else if (e == ERR_TIMEOUT)
        buf_printf(&b, "no reply within %lld s", (long long)(p->o->timeout_ms / 1000));
    else
        buf_append(&b, e == ERR_CLOSED ? SLICE("the connection was closed") : slice_str(err_text(e)));
    probe_show_fault(p->show, buf_slice(&b), us);
    if (e == ERR_SYNTAX || e == ERR_TLS)
        probe_fail(p, EX_PROTOCOL, e == ERR_SYNTAX ? "no SMTP" : "TLS broken");
    else
        probe_fail(p, EX_TEMPFAIL, e == ERR_TIMEOUT ? "no reply in time" : "connection lost");
    probe_link_close(&p->link);
}

bool probe_say(struct probe_session *p, slice line, const char *shown)
{
    buf_clear(&p->line);
    buf_append(&p->line, line);
    buf_append(&p->line, SLICE("\r\n"));
    probe_show_sent(p->show, shown ? slice_str(shown) : line);
    enum err e = buf_ok(&p->line) ? probe_link_write(&p->link, buf_slice(&p->line)) : ERR_LIMIT;
    if (p->line.ptr && shown)
        explicit_bzero(p->line.ptr, p->line.len);
    /* What a host said before it closed is still to be read. */
    if (e == ERR_OK || e == ERR_CLOSED)
        return true;
    lost(p, e, 0);
    return false;
}

static bool repeats(slice text, slice secret)
{
    return secret.len >= HIDDEN_LEAST && slice_find(text, secret) >= 0;
}

bool probe_hear(struct probe_session *p, slice to, struct smtp_reply *reply_r)
{
    int64_t began = os_now_us();
    struct smtp_reply r = {0};
    enum err e = probe_link_read(&p->link, &r);
    int64_t us = os_now_us() - began;
    if (e != ERR_OK) {
        lost(p, e, us);
        return false;
    }
    /* A host could throw back at us what must not be on the screen. */
    if (repeats(r.text, p->secret) || repeats(r.text, buf_slice(&p->hidden)))
        r.text = SLICE("(hidden: it repeats the secret)");
    probe_show_reply(p->show, to, &r, us);
    *reply_r = r;
    return true;
}

bool probe_ask(struct probe_session *p, slice line, struct smtp_reply *reply_r)
{
    slice verb, rest;
    (void)slice_cut(line, ' ', &verb, &rest);
    return probe_say(p, line, NULL) && probe_hear(p, verb, reply_r);
}

bool probe_offered(const struct probe_session *p, slice keyword, slice *arguments_r)
{
    slice line, rest = p->offer, word, arguments;
    (void)slice_cut(rest, '\n', &line, &rest); /* the first is the host's name */
    while (rest.len > 0) {
        (void)slice_cut(rest, '\n', &line, &rest);
        (void)slice_cut(line, ' ', &word, &arguments);
        if (slice_equal_nocase(word, keyword)) {
            if (arguments_r)
                *arguments_r = arguments;
            return true;
        }
    }
    return false;
}

bool probe_greeting(struct probe_session *p)
{
    struct smtp_reply r;
    if (!probe_hear(p, SLICE("connect"), &r))
        return false;
    p->greeted = r.code == 220;
    if (r.code >= 400)
        probe_fail(p, probe_status(r.code, EX_UNAVAILABLE), "refused in the greeting");
    else if (!p->greeted)
        probe_fail(p, EX_PROTOCOL, "a greeting of code %u", r.code);
    return p->greeted;
}

static bool say_helo(struct probe_session *p, const char *verb, struct smtp_reply *reply_r)
{
    slice line;
    if (arena_printf(&p->arena, &line, "%s %.*s", verb, SLICE_ARG(p->helo)) != ERR_OK)
        return false;
    return probe_ask(p, line, reply_r);
}

bool probe_helo(struct probe_session *p)
{
    struct smtp_reply r;
    p->offer = SLICE_NONE;
    if (!say_helo(p, p->o->target.lmtp ? "LHLO" : "EHLO", &r))
        return false;
    if (r.code == 250)
        return arena_copy(&p->arena, r.text, &p->offer) == ERR_OK;
    if (r.code >= 500 && !p->o->target.lmtp && !say_helo(p, "HELO", &r))
        return false;
    if (r.code != 250)
        probe_fail(p, probe_status(r.code, EX_UNAVAILABLE), "our name was refused");
    return r.code == 250;
}

static bool judge_tls(struct probe_session *p, const struct tls_facts *f)
{
    if (p->o->tls != PROBE_TLS_VERIFY || p->verified)
        return true;
    if (!f->has_certificate)
        probe_fail(p, EX_PROTOCOL, "TLS not verified: no certificate");
    else
        probe_fail(p, EX_PROTOCOL, "TLS not verified: %s", f->chain_ok ? "not for this name" : "chain not ok");
    return false;
}

bool probe_secure(struct probe_session *p, const struct tls_client *t)
{
    struct tls_facts f = {0};
    int64_t began = os_now_us();
    enum err e = probe_link_secure(&p->link, t, p->host);
    int64_t us = os_now_us() - began;
    if (e == ERR_OK)
        e = tls_session_facts(p->link.tls, p->host, &p->arena, &f);
    if (e != ERR_OK) {
        char memory[512];
        buf b;
        buf_init_fixed(&b, memory, sizeof memory);
        buf_printf(&b, "TLS failed: %s", p->link.fault[0] ? p->link.fault : err_text(e));
        probe_show_fault(p->show, buf_slice(&b), us);
        probe_fail(p, e == ERR_TIMEOUT ? EX_TEMPFAIL : EX_PROTOCOL, "TLS failed");
        probe_link_close(&p->link);
        return false;
    }
    int64_t left = f.until_s - os_wall_s();
    probe_show_tls(p->show, &f, left / DAY_S - (left % DAY_S < 0), us);
    p->secured = true;
    p->verified = f.name_ok && f.chain_ok;
    return judge_tls(p, &f);
}

/* What came in the clear behind the 220 could be anybody's (CVE-2021-38371). */
static bool early(struct probe_session *p)
{
    if (p->link.in.len == 0)
        return false;
    probe_show_fault(p->show,
                     SLICE("more in the clear behind the 220 to STARTTLS: somebody injects, or the host is broken"), 0);
    probe_fail(p, EX_PROTOCOL, "plaintext behind STARTTLS");
    return true;
}

bool probe_starttls(struct probe_session *p, const struct tls_client *t)
{
    struct smtp_reply r;
    if (p->secured || p->o->tls == PROBE_TLS_NONE)
        return true;
    if (!probe_offered(p, SLICE("STARTTLS"), NULL)) {
        if (p->o->tls == PROBE_TLS_MAY)
            return true;
        probe_show_fault(p->show, SLICE("STARTTLS is not offered"), 0);
        probe_fail(p, EX_PROTOCOL, "no TLS");
        return false;
    }
    if (!probe_ask(p, SLICE("STARTTLS"), &r))
        return false;
    if (r.code != 220 && p->o->tls != PROBE_TLS_MAY)
        probe_fail(p, probe_status(r.code, EX_PROTOCOL), "STARTTLS refused");
    if (r.code != 220)
        return p->o->tls == PROBE_TLS_MAY;
    if (early(p) || !probe_secure(p, t))
        return false;
    return p->o->quit_after == PROBE_QUIT_STARTTLS || probe_helo(p);
}

/* "NAME=VALUE,NAME=VALUE" becomes words: the protocols have spaces between them. */
static bool ask_listed(struct probe_session *p, const char *verb, slice list, struct smtp_reply *reply_r)
{
    buf line;
    buf_init(&line, PROBE_LINE_MAX);
    buf_append(&line, slice_str(verb));
    for (slice word; list.len > 0;) {
        (void)slice_cut(list, ',', &word, &list);
        buf_printf(&line, " %.*s", SLICE_ARG(word));
    }
    bool heard = probe_ask(p, buf_slice(&line), reply_r);
    buf_deinit(&line);
    return heard;
}

/* After XCLIENT the session begins anew, with a greeting. */
bool probe_xclient(struct probe_session *p)
{
    struct smtp_reply r;
    if (p->o->xclient.len == 0)
        return true;
    if (!ask_listed(p, "XCLIENT", p->o->xclient, &r))
        return false;
    if (r.code != 220)
        probe_fail(p, probe_status(r.code, EX_NOPERM), "XCLIENT refused");
    return r.code == 220 && probe_helo(p);
}

bool probe_xforward(struct probe_session *p)
{
    struct smtp_reply r;
    if (p->o->xforward.len == 0)
        return true;
    if (!ask_listed(p, "XFORWARD", p->o->xforward, &r))
        return false;
    if (r.code != 250)
        probe_fail(p, probe_status(r.code, EX_NOPERM), "XFORWARD refused");
    return r.code == 250;
}

/* A refusal is an answer: it is shown, and the next one is said. */
bool probe_commands(struct probe_session *p)
{
    struct smtp_reply r;
    for (size_t i = 0; i < p->o->commands.count; i++) {
        if (!probe_ask(p, p->o->commands.of[i], &r))
            return false;
        if (r.code >= 400)
            probe_fail(p, probe_status(r.code, EX_UNAVAILABLE), "command refused");
    }
    return true;
}

void probe_quit(struct probe_session *p)
{
    struct smtp_reply r;
    if (p->link.fd >= 0)
        (void)probe_ask(p, SLICE("QUIT"), &r);
    probe_link_close(&p->link);
}
