/* SPDX-License-Identifier: ISC */
/* ETRN (RFC 1985), which is not for submission (RFC 6409 section 7): who is known comes from one of our networks, or is a program of this machine. The queue decides whether a destination may be asked for, and begins. */
#include "proc/receiver/state.h"

static bool is_allowed(const struct session *s)
{
    enum conf_query query = s->r->conf->limits.etrn;
    bool known = route_session_trusted(s->r->routes, &s->route, (struct address){SLICE_NONE, SLICE_NONE}, NULL);
    return query == CONF_QUERY_ANY || (query == CONF_QUERY_AUTHENTICATED && known);
}

void etrn_begin(struct session *s, slice domain)
{
    if (!is_allowed(s)) {
        struct verdict v = status_verdict(STATUS_ETRN_REFUSED);
        log_reject(s, "ETRN", &v, domain);
        session_answer(s, &v);
    } else if (ask_etrn(s, domain)) {
        session_wait(s, WAIT_ETRN, RECEIVER_ANSWER_MS);
    } else {
        session_answer_status(s, STATUS_ETRN_UNABLE);
    }
}

void etrn_answered(struct session *s, unsigned answer, uint32_t count)
{
    static const enum status statuses[] = {[ETRN_NOTHING_WAITS] = STATUS_ETRN_NOTHING_WAITS,
                                           [ETRN_STARTED] = STATUS_ETRN_STARTED,
                                           [ETRN_NOT_OURS] = STATUS_ETRN_REFUSED,
                                           [ETRN_UNABLE] = STATUS_ETRN_UNABLE};
    char memory[64];
    buf b;
    struct verdict v = status_verdict(answer <= ETRN_UNABLE ? statuses[answer] : STATUS_ETRN_UNABLE);
    if (answer == ETRN_STARTED) {
        buf_init_fixed(&b, memory, sizeof(memory));
        buf_printf(&b, "OK, %u pending messages are started", count);
        v.text = buf_slice(&b);
    }
    session_answer(s, &v);
}
