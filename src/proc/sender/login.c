/* SPDX-License-Identifier: ISC */
#include "proc/sender/state.h"

#define RESPONSE_MAX (48u * 1024)

static void wipe(buf *b)
{
    volatile char *p = b->ptr;
    for (size_t i = 0; i < b->cap; i++)
        p[i] = 0;
    buf_deinit(b);
}

static void refuse(struct sender *s, struct session *x, const char *why)
{
    sasl_client_close(&x->sasl);
    smtp_client_auth_refuse(x->client, loop_now_ms(s->child.loop), slice_str(why));
}

/* The next message, or the end of it all. */
static void step(struct sender *s, struct session *x, slice challenge, bool first, buf *response)
{
    enum sasl_status status = sasl_client_step(x->sasl, challenge, first, response);
    if (status == SASL_REFUSED || !buf_ok(response))
        refuse(s, x, "The next host's part of the login is wrong");
    x->proved = status == SASL_DONE;
}

static void begin(struct sender *s, struct session *x, slice mechanism)
{
    int64_t now_ms = loop_now_ms(s->child.loop);
    slice initial;
    buf response;
    if (!sasl_client_begins(x->sasl)) {
        smtp_client_auth(x->client, now_ms, mechanism, NULL);
        return;
    }
    buf_init(&response, RESPONSE_MAX);
    step(s, x, SLICE_NONE, true, &response);
    initial = buf_slice(&response);
    if (x->sasl)
        smtp_client_auth(x->client, now_ms, mechanism, &initial);
    wipe(&response);
}

void sender_login_begin(struct sender *s, struct session *x, slice offered)
{
    const struct destination *d = x->destination;
    const struct route_override *o = d->hop.override;
    uint8_t binding[TLS_BINDING_SIZE];
    bool bound = net_tls_binding(x->connection, binding);
    const struct sasl_client_options options = {
        .login = o->login,
        .secret = d->credentials->secret,
        .token = o->token_file.len > 0,
        .host = x->name,
        .port = d->hop.port,
        .binding = bound ? slice_of(binding, sizeof binding) : SLICE_NONE,
        .certificate = d->credentials->tls != NULL,
        .may_plain = net_tls_verified(x->connection),
    };
    slice mechanism = sasl_client_choose(offered, &options);
    x->proved = false;
    if (mechanism.len == 0)
        refuse(s, x, "The next host offers no login that we know");
    else if (sasl_client_open(mechanism, &options, &x->sasl) != ERR_OK)
        refuse(s, x, "The login for the next host cannot begin");
    else
        begin(s, x, mechanism);
}

void sender_login_challenge(struct sender *s, struct session *x, slice challenge)
{
    buf response;
    buf_init(&response, RESPONSE_MAX);
    step(s, x, challenge, false, &response);
    if (x->sasl)
        smtp_client_respond(x->client, loop_now_ms(s->child.loop), buf_slice(&response));
    wipe(&response);
}

bool sender_login_end(struct sender *s, struct session *x)
{
    if (!x->sasl)
        return true;
    bool proved = x->proved;
    if (!proved)
        refuse(s, x, "The next host took our login without having proved that it knows the password");
    sasl_client_close(&x->sasl);
    return proved;
}
