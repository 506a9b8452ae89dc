/* SPDX-License-Identifier: ISC */
/* What a login may send in an hour, counted over all receivers. Above the limit mail is taken and rests, and the postmaster is told once: a stolen password shows itself before it has done
 * much, and a user who has good reasons loses nothing. Above twice the limit nothing is taken. */
#include "proc/receiver/state.h"

static bool is_counted(const struct session *s)
{
    const struct limits_config *c = &s->r->limits;
    return s->route.login.len > 0 && (c->user_messages || c->user_recipients);
}

enum status rate_admits(const struct session *s, uint32_t recipients)
{
    const struct receiver *r = s->r;
    if (!is_counted(s))
        return STATUS_OK;
    struct limits_user u = limits_user_sent(r->start->shared, s->route.login, os_wall_s());
    u.messages++;
    u.recipients += recipients;
    return limits_user_over(&r->limits, &u, r->conf->limits.user_alarm ? 2 : 1) ? STATUS_USER_RATE : STATUS_OK;
}

static void alarm(struct session *s, const struct limits_user *u)
{
    struct receiver *r = s->r;
    slice login = s->route.login;
    /* without a queue the next message asks again */
    if (!r->queue || !limits_user_alarm_once(r->start->shared, login, os_wall_s()))
        return;
    char memory[128];
    buf rule;
    buf_init_fixed(&rule, memory, sizeof(memory));
    log_rule(&rule, r->conf, STATUS_USER_RATE);
    struct trace_event e;
    char line[512];
    buf b;
    buf_init_fixed(&b, line, sizeof(line));
    buf_printf(&b, "%.*s has sent %u messages to %u recipients in this hour: its mail is held%.*s", SLICE_ARG(login),
               u->messages, u->recipients, SLICE_ARG(buf_slice(&rule)));
    log_event_begin(&e, s, TRACE_NOTE, LOG_WARNING);
    trace_emit(&e, buf_slice(&b));
    struct ipc_message m = {
        .type = IPC_user_alarm, .fd = -1, .u.user_alarm = {login, u->messages, u->recipients, u->since_s}};
    ipc_hub_send(r->child.hub, r->queue, &m);
}

void rate_count(struct session *s)
{
    struct receiver *r = s->r;
    struct transaction *t = s->transaction;
    if (!is_counted(s))
        return;
    struct limits_user u = limits_user_add(r->start->shared, s->route.login, t->rcpt_count, t->arrival_s);
    if (!r->conf->limits.user_alarm || !limits_user_over(&r->limits, &u, 1))
        return;
    t->flags |= ENVELOPE_HELD;
    alarm(s, &u);
}
