/* SPDX-License-Identifier: ISC */
#include "smtp/client_state.h"

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

static void secure(struct smtp_client *c)
{
    bool wanted = c->o.tls != SMTP_CLIENT_TLS_NONE && !c->secured;
    if (wanted && smtp_offer_has(&c->offer, SMTP_STARTTLS)) {
        smtp_client_line(c, SLICE("STARTTLS"), SLICE_NONE);
        smtp_client_expect(c, SMTP_EXPECT_STARTTLS);
    } else if (wanted && c->o.tls == SMTP_CLIENT_TLS_REQUIRE) {
        smtp_client_fail_status(c, STATUS_TLS_FAILED, SLICE("TLS is required, and the next host does not offer it"));
    } else {
        smtp_client_login(c);
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
        smtp_client_login(c);
    }
}
