/* SPDX-License-Identifier: ISC */
/* How a session begins: what it may say and must insist on, to which address, and its TLS. */
#include "proc/sender/state.h"

#define CONNECT_MS 30000
#define HANDSHAKE_MS 60000
#define SCALED_LEAST_MS 5000 /* a test's hosts that do answer get that long on a slow machine */
#define INPUT_MAX (256u * 1024)
/* All commands of a message with the most recipients at once, and content behind them. */
#define WRITE_MAX (2u * 1024 * 1024)
#define PORT_SMTP 25

int64_t sender_session_timeout(const struct sender *s, int64_t ms)
{
    int64_t scaled = s->timeout_percent > 0 ? ms * s->timeout_percent / 100 : ms;
    return scaled > SCALED_LEAST_MS ? scaled : SCALED_LEAST_MS;
}

static uint16_t port_of(const struct destination *d)
{
    return d->hop.port ? d->hop.port : PORT_SMTP;
}

/* Its own copy: the destination's targets may be asked for anew while it lasts. */
static void target_set(struct session *x, uint32_t target)
{
    const struct destination *d = x->destination;
    buf b;
    buf_init_fixed(&b, x->host, sizeof x->host);
    if (d->hop.unix_path.len > 0) {
        buf_append(&b, SLICE("unix:"));
        buf_append(&b, d->hop.unix_path);
    } else {
        const struct mx_target *t = &d->targets[target];
        size_t len = t->name.len < sizeof x->name_memory ? t->name.len : sizeof x->name_memory;
        if (len > 0)
            memcpy(x->name_memory, t->name.ptr, len);
        x->name = slice_of(x->name_memory, len);
        x->target = target;
        x->address = t->address;
        buf_append(&b, slice_sub(x->name, 0, 200));
        buf_append_char(&b, '[');
        address_ip_print(&b, t->address.ip, t->address.ip_len);
        buf_append(&b, SLICE("]:"));
        buf_append_u64(&b, port_of(d));
    }
    x->host_text = buf_slice(&b);
}

static void options_set(struct sender *s, struct session *x)
{
    const struct destination *d = x->destination;
    const struct route_override *o = d->hop.override;
    enum route_tls tls = o ? o->tls : ROUTE_TLS_MAY;
    /* A login goes over verified TLS only: without it the session is in vain. */
    bool sign_in = o && o->login.len > 0;
    if (sign_in)
        tls = ROUTE_TLS_VERIFY;
    x->options = (struct smtp_client_options){
        .helo = o && o->helo.len > 0 ? o->helo : s->conf->route.hostname,
        .sign_in = sign_in,
        .lmtp = d->hop.kind == NEXT_LMTP,
        .local = d->hop.unix_path.len > 0 || address_ip_is_nowhere(x->address.ip, x->address.ip_len),
        .implicit_tls = o && o->smtps,
        .timeout_scale_percent = s->timeout_percent,
    };
    if (x->options.lmtp || tls == ROUTE_TLS_NONE || x->plain_only || x->options.implicit_tls)
        x->options.tls = SMTP_CLIENT_TLS_NONE;
    else
        x->options.tls = tls == ROUTE_TLS_MAY ? SMTP_CLIENT_TLS_MAY : SMTP_CLIENT_TLS_REQUIRE;
}

static bool must_verify(const struct session *x)
{
    const struct route_override *o = x->destination->hop.override;
    return o && (o->tls == ROUTE_TLS_VERIFY || o->login.len > 0);
}

enum err sender_session_tls(struct sender *s, struct session *x)
{
    const struct credentials *own = x->destination->credentials;
    const struct tls_client *t = own && own->tls ? own->tls : must_verify(x) ? s->tls_verify : s->tls_open;
    x->state = SESSION_HANDSHAKE;
    x->tls_begun_us = os_now_us();
    x->deadline_ms = loop_now_ms(s->child.loop) + sender_session_timeout(s, HANDSHAKE_MS);
    return net_start_tls_client(x->connection, t, x->name);
}

static enum err connect_to(struct sender *s, struct session *x)
{
    const struct destination *d = x->destination;
    struct socket_address to = {.ip_len = x->address.ip_len}, source;
    struct net_route route = {.to = &to};
    if (d->hop.unix_path.len > 0) {
        memcpy(to.path, d->hop.unix_path.ptr, d->hop.unix_path.len);
    } else {
        to.port = port_of(d);
        memcpy(to.ip, x->address.ip, x->address.ip_len);
    }
    slice from = d->hop.override ? d->hop.override->source : SLICE_NONE;
    if (from.len > 0 && socket_address_parse(from, 0, &source) == ERR_OK && source.ip_len == to.ip_len)
        route.source = &source;
    return net_connect(s->child.loop, &route, &sender_session_ops, x, &x->connection);
}

/* NULL without memory. */
static struct session *session_new(struct sender *s, struct destination *d, uint32_t target, bool plain_only)
{
    struct session *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->destination = d;
    x->plain_only = plain_only;
    x->begun_us = os_now_us();
    x->deadline_ms = loop_now_ms(s->child.loop) + sender_session_timeout(s, CONNECT_MS);
    buf_init(&x->pending, INPUT_MAX);
    target_set(x, target < d->target_count ? target : 0);
    options_set(s, x);
    if (smtp_client_open(&x->options, loop_now_ms(s->child.loop), &x->client) != ERR_OK) {
        free(x);
        return NULL;
    }
    list_push(&d->sessions, &x->link);
    list_push(&s->sessions, &x->all);
    d->session_count++;
    d->opening++;
    s->session_count++;
    sender_pace_begin(s, x);
    trace_gauge_add(TRACE_GAUGE_SESSIONS_OUT, 1);
    return x;
}

void sender_session_open(struct sender *s, struct destination *d, uint32_t target, bool plain_only)
{
    struct session *x = session_new(s, d, target, plain_only);
    if (!x)
        return; /* The sweep tries again for the jobs that wait. */
    enum err e = connect_to(s, x);
    if (e == ERR_OK) {
        net_write_max(x->connection, WRITE_MAX);
        return;
    }
    x->connection = NULL;
    smtp_client_lost(x->client, e);
    sender_session_drive(s, x);
}
