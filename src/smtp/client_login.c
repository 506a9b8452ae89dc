/* SPDX-License-Identifier: ISC */
#include "smtp/client_state.h"

#include "smtp/sasl.h"

static void fail_remote(struct smtp_client *c, const struct smtp_reply *r)
{
    struct verdict v = status_verdict_of_reply(r->code, r->text);
    if (r->code / 100 < VERDICT_TEMPORARY)
        smtp_client_fail_status(c, STATUS_PEER_GARBAGE, SLICE_NONE);
    else
        smtp_client_fail(c, &v, true);
}

void smtp_client_introduce(struct smtp_client *c)
{
    c->offer = (struct smtp_offer){0};
    smtp_client_line(c, c->o.lmtp ? SLICE("LHLO ") : SLICE("EHLO "), c->o.helo);
    smtp_client_expect(c, SMTP_EXPECT_EHLO);
}

void smtp_client_on_greeting(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code / 100 == VERDICT_OK)
        smtp_client_introduce(c);
    else
        fail_remote(c, r);
}

/* Not the host's own code: that our login is wrong says nothing about the mail, which waits. */
static void fail_login(struct smtp_client *c, const struct smtp_reply *r)
{
    struct verdict said = status_verdict_of_reply(r->code, r->text);
    buf b;
    buf_init_fixed(&b, c->words, sizeof c->words);
    buf_append(&b, status_verdict(STATUS_AUTH_NEXT_HOP).text);
    buf_append(&b, SLICE(": "));
    said.text = slice_sub(said.text, 0, sizeof c->words / 2);
    status_print(&b, &said);
    smtp_client_fail_status(c, STATUS_AUTH_NEXT_HOP, buf_slice(&b));
}

static void send_plain(struct smtp_client *c)
{
    char memory[1024];
    buf message;
    buf_init_fixed(&message, memory, sizeof memory);
    sasl_plain_encode(&message, c->o.login, c->o.password);
    if (!buf_ok(&message)) {
        smtp_client_fail_status(c, STATUS_AUTH_NEXT_HOP, SLICE("The login for the next host is too long"));
    } else {
        c->secret_sent = true;
        buf_append(&c->out, SLICE("AUTH PLAIN "));
        buf_append_base64(&c->out, buf_slice(&message));
        buf_append(&c->out, SLICE("\r\n"));
        smtp_client_expect(c, SMTP_EXPECT_AUTH_END);
    }
    volatile char *p = memory;
    for (size_t i = 0; i < sizeof memory; i++)
        p[i] = 0;
}

static void login(struct smtp_client *c)
{
    bool may_be_seen = c->secured && c->verified;
    if (c->o.login.len == 0) {
        smtp_client_ready(c);
    } else if (!may_be_seen && !c->o.auth_plaintext_ok) {
        smtp_client_fail_status(c, STATUS_AUTH_NEXT_HOP, SLICE("Login withheld: the next host's TLS is not verified"));
    } else if (c->offer.plain) {
        send_plain(c);
    } else if (c->offer.login) {
        smtp_client_line(c, SLICE("AUTH LOGIN"), SLICE_NONE);
        smtp_client_expect(c, SMTP_EXPECT_AUTH_USER);
    } else {
        smtp_client_fail_status(c, STATUS_AUTH_NEXT_HOP, SLICE("The next host offers no login that we know"));
    }
}

static void secure(struct smtp_client *c)
{
    bool wanted = c->o.tls != SMTP_CLIENT_TLS_NONE && !c->secured;
    if (wanted && smtp_offer_has(&c->offer, SMTP_STARTTLS)) {
        smtp_client_line(c, SLICE("STARTTLS"), SLICE_NONE);
        smtp_client_expect(c, SMTP_EXPECT_STARTTLS);
    } else if (wanted && c->o.tls == SMTP_CLIENT_TLS_REQUIRE) {
        smtp_client_fail_status(c, STATUS_TLS_FAILED, SLICE("TLS is required, and the next host does not offer it"));
    } else {
        login(c);
    }
}

void smtp_client_on_ehlo(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code / 100 == VERDICT_PERMANENT && !c->o.lmtp) {
        smtp_client_line(c, SLICE("HELO "), c->o.helo);
        smtp_client_expect(c, SMTP_EXPECT_HELO);
        return;
    }
    if (r->code / 100 != VERDICT_OK) {
        fail_remote(c, r);
        return;
    }
    slice line, rest;
    (void)slice_cut(r->text, '\n', &line, &rest);
    while (rest.len > 0) {
        (void)slice_cut(rest, '\n', &line, &rest);
        smtp_offer_learn(&c->offer, line);
    }
    secure(c);
}

void smtp_client_on_helo(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code / 100 == VERDICT_OK)
        secure(c);
    else
        fail_remote(c, r);
}

void smtp_client_fail_early(struct smtp_client *c)
{
    smtp_client_fail_status(c, STATUS_PEER_GARBAGE, SLICE("Plaintext came after the reply to STARTTLS"));
}

void smtp_client_on_starttls(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code / 100 == VERDICT_OK && c->more_input) {
        smtp_client_fail_early(c);
    } else if (r->code / 100 == VERDICT_OK) {
        smtp_client_expect(c, SMTP_EXPECT_HANDSHAKE);
        smtp_client_push(c, SMTP_CLIENT_STARTTLS);
    } else if (c->o.tls == SMTP_CLIENT_TLS_REQUIRE) {
        smtp_client_fail_status(c, STATUS_TLS_FAILED, SLICE("TLS is required, and the next host refused STARTTLS"));
    } else {
        login(c);
    }
}

static void answer_challenge(struct smtp_client *c, const struct smtp_reply *r, slice answer, enum smtp_expect next)
{
    if (r->code != 334) {
        fail_login(c, r);
        return;
    }
    c->secret_sent = true;
    buf_append_base64(&c->out, answer);
    buf_append(&c->out, SLICE("\r\n"));
    smtp_client_expect(c, next);
}

void smtp_client_on_auth_user(struct smtp_client *c, const struct smtp_reply *r)
{
    answer_challenge(c, r, c->o.login, SMTP_EXPECT_AUTH_PASSWORD);
}

void smtp_client_on_auth_password(struct smtp_client *c, const struct smtp_reply *r)
{
    answer_challenge(c, r, c->o.password, SMTP_EXPECT_AUTH_END);
}

void smtp_client_on_auth_end(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code / 100 == VERDICT_OK)
        smtp_client_ready(c);
    else
        fail_login(c, r);
}
