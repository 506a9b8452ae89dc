/* SPDX-License-Identifier: ISC */
/* AUTH as client (RFC 4954): opaque challenges and responses in base64. The mechanisms are the caller's. */
#include "smtp/client_state.h"

#include <assert.h>

enum { CHALLENGES_MAX = 16, AUTH_COMMAND_MAX = 512 };

void smtp_client_login(struct smtp_client *c)
{
    if (!c->o.sign_in) {
        smtp_client_ready(c);
    } else if (!(c->secured && c->verified) && !c->o.auth_plaintext_ok) {
        smtp_client_fail_status(c, STATUS_AUTH_NEXT_HOP, SLICE("Login withheld: the next host's TLS is not verified"));
    } else {
        smtp_client_expect(c, SMTP_EXPECT_LOGIN);
        smtp_client_push(c, SMTP_CLIENT_AUTH);
    }
}

/* What of a response may be in nobody's log: behind the last NUL of PLAIN, else all of it. */
static slice secret_of(slice response)
{
    return slice_skip(response, (size_t)(slice_rfind_char(response, 0) + 1));
}

static bool repeats(slice text, slice said)
{
    slice secret = secret_of(said);
    buf encoded;
    buf_init(&encoded, 2 * SMTP_CLIENT_RESPONSE_MAX);
    buf_append_base64(&encoded, said);
    bool in_code = encoded.len > 0 && slice_find(text, buf_slice(&encoded)) >= 0;
    bool in_clear = secret.len > 0 && slice_find(text, secret) >= 0;
    bool unknown = !buf_ok(&encoded);
    smtp_client_wipe(&encoded);
    return in_code || in_clear || unknown;
}

static void remember(struct smtp_client *c, slice response)
{
    smtp_client_wipe(&c->said);
    buf_append(&c->said, response);
}

/* Not the host's own code: that our login is wrong says nothing about the mail, which waits. */
static void fail_login(struct smtp_client *c, const struct smtp_reply *r)
{
    struct verdict said = status_verdict_of_reply(r->code, r->text);
    buf b;
    buf_init_fixed(&b, c->words, sizeof c->words);
    buf_append(&b, status_verdict(STATUS_AUTH_NEXT_HOP).text);
    buf_append(&b, SLICE(": "));
    /* Some hosts repeat the command that they do not like: logs and reports are for others than the password is. */
    said.text = repeats(r->text, buf_slice(&c->said)) ? SLICE("(words that repeat our login)")
                                                      : slice_sub(said.text, 0, sizeof c->words / 2);
    smtp_client_wipe(&c->said);
    status_print(&b, &said);
    smtp_client_fail_status(c, STATUS_AUTH_NEXT_HOP, buf_slice(&b));
}

static void cancel(struct smtp_client *c, slice why)
{
    smtp_client_line(c, SLICE("*"), SLICE_NONE);
    smtp_client_fail_status(c, STATUS_AUTH_NEXT_HOP, why);
}

static void respond(struct smtp_client *c, slice response)
{
    c->secret_sent = true;
    remember(c, response);
    buf_append_base64(&c->out, response);
    buf_append(&c->out, SLICE("\r\n"));
    smtp_client_expect(c, SMTP_EXPECT_AUTH);
    smtp_client_check_output(c);
}

static void on_challenge(struct smtp_client *c, slice text)
{
    smtp_client_wipe(&c->challenge);
    if (++c->challenges > CHALLENGES_MAX) {
        cancel(c, SLICE("The next host's login has no end"));
    } else if (buf_append_base64_decoded(&c->challenge, text) != ERR_OK) {
        cancel(c, SLICE("The next host's challenge is no base64"));
    } else if (c->initial.len > 0) {
        respond(c, buf_slice(&c->initial));
        smtp_client_wipe(&c->initial);
    } else {
        smtp_client_expect(c, SMTP_EXPECT_RESPONSE);
        smtp_client_push(c, SMTP_CLIENT_CHALLENGE);
    }
}

void smtp_client_on_auth(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code == 334) {
        on_challenge(c, r->text);
    } else if (r->code / 100 == VERDICT_OK) {
        c->signed_in = true;
        smtp_client_wipe(&c->said);
        smtp_client_ready(c);
    } else {
        fail_login(c, r);
    }
}

void smtp_client_auth(struct smtp_client *c, int64_t now_ms, slice mechanism, const slice *initial)
{
    assert(c->expect == SMTP_EXPECT_LOGIN || c->expect == SMTP_EXPECT_OVER);
    if (c->expect == SMTP_EXPECT_OVER)
        return;
    c->now_ms = now_ms;
    c->secret_sent = true;
    buf_append(&c->out, SLICE("AUTH "));
    buf_append(&c->out, mechanism);
    bool fits = initial && sizeof "AUTH  \r\n" + mechanism.len + (initial->len + 2) / 3 * 4 < AUTH_COMMAND_MAX;
    if (initial && !fits) {
        buf_append(&c->initial, *initial);
    } else if (initial) {
        remember(c, *initial);
        buf_append_char(&c->out, ' ');
        buf_append_base64(&c->out, *initial);
        if (initial->len == 0)
            buf_append_char(&c->out, '=');
    }
    buf_append(&c->out, SLICE("\r\n"));
    smtp_client_expect(c, SMTP_EXPECT_AUTH);
    if (!buf_ok(&c->initial))
        smtp_client_fail_status(c, STATUS_AUTH_NEXT_HOP, SLICE("The login for the next host is too long"));
    smtp_client_check_output(c);
}

void smtp_client_respond(struct smtp_client *c, int64_t now_ms, slice response)
{
    assert(c->expect == SMTP_EXPECT_RESPONSE || c->expect == SMTP_EXPECT_OVER);
    if (c->expect == SMTP_EXPECT_OVER)
        return;
    c->now_ms = now_ms;
    respond(c, response);
}

void smtp_client_auth_refuse(struct smtp_client *c, int64_t now_ms, slice why)
{
    buf b;
    c->now_ms = now_ms;
    if (c->expect == SMTP_EXPECT_OVER)
        return;
    if (c->expect == SMTP_EXPECT_RESPONSE)
        smtp_client_line(c, SLICE("*"), SLICE_NONE);
    buf_init_fixed(&b, c->words, sizeof c->words);
    buf_append(&b, slice_sub(why, 0, sizeof c->words));
    smtp_client_expect(c, SMTP_EXPECT_LOGIN);
    smtp_client_fail_status(c, STATUS_AUTH_NEXT_HOP, buf_slice(&b));
}
