/* SPDX-License-Identifier: ISC */
/* Parameters of MAIL and RCPT that the envelope keeps. The engine has read and bounded them; what they may mean here depends on who asks. */
#include "proc/receiver/state.h"

static void set_schedule(struct transaction *t, const struct smtp_mail_parameters *p)
{
    int64_t now_us = p->hold_s > 0 || p->by ? os_wall_us() : 0, now_s = now_us / 1000000;
    /* The second that has begun is not over: not before all of the interval has passed (RFC 4865). */
    t->release_s = p->hold_s > 0 ? (now_us + 999999) / 1000000 + p->hold_s : p->release_s;
    t->deliver_by_s = p->by ? now_s + p->by_s : 0;
}

enum status parameters_mail(struct transaction *t, const struct smtp_mail_parameters *p)
{
    set_schedule(t, p);
    if (arena_copy(&t->arena, p->envid, &t->envid) != ERR_OK || arena_copy(&t->arena, p->tag, &t->tag) != ERR_OK)
        return STATUS_LOCAL_ERROR;
    /* whoever marked it has it rest until all of its job is here */
    t->flags |= t->tag.len > 0 ? ENVELOPE_HELD : 0U;
    t->priority_lowered = p->priority > 0 && !t->trusted;
    t->priority = t->priority_lowered ? 0 : p->priority;
    return STATUS_OK;
}

enum err parameters_rcpt(struct transaction *t, const struct smtp_rcpt_parameters *p)
{
    t->rcpt_notify = p->notify;
    t->rcpt_orcpt = SLICE_NONE;
    return p->orcpt.len > 0 ? arena_copy(&t->arena, p->orcpt, &t->rcpt_orcpt) : ERR_OK;
}
