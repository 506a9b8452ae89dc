/* SPDX-License-Identifier: ISC */
#include "proc/lookup/state.h"

#define TICK_MS 250

bool lookup_job_begin(struct lookup *l, struct lookup_job *j, int64_t timeout_ms)
{
    if (l->job_count >= LOOKUP_JOBS_MAX)
        return false;
    j->lookup = l;
    j->deadline_ms = loop_now_ms(l->child.loop) + timeout_ms;
    list_push(&l->jobs, &j->link);
    l->job_count++;
    if (!l->ticking)
        loop_timer_start(l->tick, TICK_MS);
    l->ticking = true;
    return true;
}

void lookup_job_settle(struct lookup_job *j)
{
    if (!j->answered || j->pending > 0)
        return;
    list_remove(&j->link);
    j->lookup->job_count--;
    j->release(j);
}

bool lookup_job_ask(struct lookup_job *j, const struct dns_name *name, enum dns_type type, struct dns_question *q)
{
    if (dns_ask(j->lookup->dns, name, type, q) != ERR_OK)
        return false;
    j->pending++;
    return true;
}

void lookup_tick(void *ctx)
{
    struct lookup *l = ctx;
    int64_t now = loop_now_ms(l->child.loop);
    LIST_FOREACH(at, &l->jobs) {
        struct lookup_job *j = LIST_ENTRY(at, struct lookup_job, link);
        if (j->answered || j->deadline_ms > now)
            continue;
        j->expire(j);
        lookup_job_settle(j);
    }
    l->ticking = !list_empty(&l->jobs);
    if (l->ticking)
        loop_timer_start(l->tick, TICK_MS);
}

void lookup_answer(struct lookup *l, struct asker to, const struct ipc_message *m)
{
    for (struct hub_peer *p = NULL; (p = ipc_hub_next(l->child.hub, p)) != NULL;) {
        if (p->process == to.process && p->up) {
            ipc_hub_send(l->child.hub, p, m);
            return;
        }
    }
}
