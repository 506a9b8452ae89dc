/* SPDX-License-Identifier: ISC */
/* Deadlines of all sessions, looked at once a second while there are sessions. */
#include "proc/receiver/state.h"

#define SWEEP_MS 1000
#define STRESS_PERCENT 80 /* of the sessions, or half of the transactions' memory */
#define RELIEF_PERCENT 60
#define HURRY_PERCENT 10

static void wait_over(struct session *s)
{
    switch (s->wait) {
    case WAIT_PREGREET:
        session_answer_status(s, STATUS_OK);
        session_resume(s);
        break;
    case WAIT_HANDSHAKE:
        s->broken = true;
        session_resume(s);
        break;
    case WAIT_SENDER:
    case WAIT_RESOLVE:
    case WAIT_VERIFY:
    case WAIT_LOGIN:
    case WAIT_ETRN:
        ask_failed(s);
        break;
    case WAIT_LOGIN_FAILED:
        auth_penalty_over(s);
        session_resume(s);
        break;
    case WAIT_TARPIT:
        s->wait = WAIT_NONE;
        s->wait_until_ms = INT64_MAX;
        session_resume(s);
        break;
    case WAIT_SLOW:
        development_wait_over(s);
        session_resume(s);
        break;
    case WAIT_NONE:
    case WAIT_STORE:
        break;
    }
}

/* Draining: an idle session goes after the grace, any other at the end of the time, or when it is between transactions and the server stops. */
static bool must_go(const struct session *s, int64_t now_ms)
{
    const struct receiver *r = s->r;
    if (!r->draining)
        return false;
    bool between = !s->transaction && s->wait == WAIT_NONE;
    bool idle = now_ms - s->active_ms > r->drain_grace_ms || now_ms > r->drain_busy_until_ms;
    return (between && idle) || now_ms > r->drain_until_ms;
}

static void sweep_one(struct session *s, int64_t now_ms)
{
    bool last = s->r->draining && now_ms > s->r->drain_until_ms + SWEEP_MS;
    if (now_ms >= s->wait_until_ms) {
        wait_over(s);
    } else if (smtp_server_deadline(s->smtp) <= now_ms) {
        smtp_server_tick(s->smtp, now_ms);
        session_resume(s);
    } else if (last && s->wait != WAIT_STORE) {
        s->broken = true;
        session_resume(s);
    } else if (must_go(s, now_ms)) {
        smtp_server_shutdown(s->smtp, now_ms);
        session_resume(s);
    }
}

void sessions_sweep_start(struct receiver *r)
{
    if (r->sweeping)
        return;
    r->sweeping = true;
    loop_timer_start(r->sweep, SWEEP_MS);
}

/* RFC 5321 section 4.5.3.2 asks for patience. When there is hardly room for another client we have less of it, until there is clearly room again. */
static bool is_stressed(const struct receiver *r)
{
    uint64_t percent = r->hurry < 100 ? RELIEF_PERCENT : STRESS_PERCENT;
    bool crowded =
        r->limits.sessions > 0 && (uint64_t)limits_sessions(r->start->shared) * 100 >= percent * r->limits.sessions;
    return crowded || r->transaction_bytes * 100 >= percent * (RECEIVER_ARENAS_MAX / 2);
}

static void hurry(struct receiver *r)
{
    uint32_t percent = is_stressed(r) ? HURRY_PERCENT : 100;
    if (percent == r->hurry)
        return;
    r->hurry = percent;
    log_line(LOG_WARNING, percent < 100 ? "under stress: clients have a tenth of the time" : "no longer under stress");
    LIST_FOREACH(l, &r->sessions)
        smtp_server_hurry(LIST_ENTRY(l, struct session, link)->smtp, percent);
}

void sessions_sweep(void *ctx)
{
    struct receiver *r = ctx;
    int64_t now_ms = receiver_now_ms(r);
    hurry(r);
    LIST_FOREACH(l, &r->sessions)
        sweep_one(LIST_ENTRY(l, struct session, link), now_ms);
    proxied_sweep(r, now_ms);
    r->sweeping = false;
    if (!list_empty(&r->sessions) || !list_empty(&r->proxied) || r->hurry < 100)
        sessions_sweep_start(r);
}
