/* SPDX-License-Identifier: ISC */
/* A login has sent more than it may in an hour: the postmaster is told, and what of its mail is in the queue comes to rest, for a stolen account is the commonest disaster. Receivers see to it that
 * this comes once an hour and login. */
#include "proc/queue/state.h"

#define ALARMS_MAX 64u
#define ALARM_MAX 8192u

struct alarm {
    struct alarm *next;
    uint32_t messages, recipients;
    int64_t since_s;
    size_t login_len;
    char login[];
};

static size_t alarm_count(const struct queue *q)
{
    size_t n = 0;
    for (const struct alarm *a = q->alarms; a; a = a->next)
        n++;
    return n;
}

void queue_alarm(struct queue *q, const struct ipc_user_alarm *a)
{
    slice reason;
    if (arena_printf(&q->turn, &reason, "%.*s has sent too much mail in an hour", SLICE_ARG(a->login)) != ERR_OK)
        reason = SLICE("its sender has sent too much mail in an hour");
    queue_control_hold_login(q, a->login, reason);
    struct alarm *x = alarm_count(q) < ALARMS_MAX ? malloc(sizeof *x + a->login.len) : NULL;
    if (!x) {
        log_line(LOG_WARNING, "the postmaster is not told that %.*s has sent too much mail", SLICE_ARG(a->login));
        return;
    }
    *x = (struct alarm){.next = q->alarms,
                        .messages = a->messages,
                        .recipients = a->recipients,
                        .since_s = a->since_s,
                        .login_len = a->login.len};
    if (a->login.len)
        memcpy(x->login, a->login.ptr, a->login.len);
    q->alarms = x;
}

static enum err tell(struct queue *q, const struct alarm *a, uint64_t id)
{
    const struct alarm_facts facts = {.hostname = q->conf->route.hostname,
                                      .postmaster = q->conf->route.postmaster,
                                      .login = slice_of(a->login, a->login_len),
                                      .messages = a->messages,
                                      .recipients = a->recipients,
                                      .since_s = a->since_s,
                                      .now_s = os_wall_s(),
                                      .id = id};
    buf body;
    buf_init(&body, ALARM_MAX);
    alarm_print(&body, &facts);
    static const struct envelope envelope = {.flags = 0};
    const struct spool_head head = {.id = id, .envelopes = &envelope};
    enum err e = buf_ok(&body) ? queue_report_submit(q, head, facts.postmaster, buf_slice(&body)) : ERR_NOMEM;
    buf_deinit(&body);
    return e;
}

void queue_alarm_step(struct queue *q)
{
    while (q->alarms && q->recovered && queue_numbers_left(q)) {
        struct alarm *a = q->alarms;
        q->alarms = a->next;
        queue_batch_unit(q);
        enum err e = tell(q, a, queue_number(q));
        if (e != ERR_OK)
            log_line(LOG_ERROR, "the postmaster cannot be told that %.*s has sent too much mail: %s", (int)a->login_len,
                     a->login, err_text(e));
        free(a);
    }
}
