/* SPDX-License-Identifier: ISC */
#include "proc/lookup/state.h"

#include <stdlib.h>

#define NAME_TIMEOUT_MS 5000
/* Of an address with many names, so many are tried. */
#define CANDIDATES_MAX 4u

struct name_job;

struct candidate {
    struct name_job *job;
    struct dns_name name;
    struct dns_question question;
};

struct name_job {
    struct lookup_job base;
    uint8_t ip[16];
    size_t ip_len;
    struct dns_question ptr;
    struct candidate candidates[CANDIDATES_MAX];
};

static void send_answer(struct lookup *l, struct asker asker, slice name)
{
    struct ipc_message m = {.type = IPC_answer_name, .fd = -1};
    m.u.answer_name.token = asker.token;
    m.u.answer_name.name = name;
    lookup_answer(l, asker, &m);
}

static void answer(struct name_job *j, slice name)
{
    if (j->base.answered)
        return;
    j->base.answered = true;
    send_answer(j->base.lookup, j->base.asker, name);
}

static void expire(struct lookup_job *base)
{
    answer((struct name_job *)base, SLICE_NONE);
}

static void release(struct lookup_job *base)
{
    free((struct name_job *)base);
}

/* A name that an address claims is believed only when the name has the address. */
static void on_forward(void *ctx, const struct dns_answer *a)
{
    struct candidate *c = ctx;
    struct name_job *j = c->job;
    j->base.pending--;
    for (size_t i = 0; i < a->count; i++) {
        if (slice_equal(a->records[i], slice_of(j->ip, j->ip_len)))
            answer(j, dns_name_slice(&c->name));
    }
    if (j->base.pending == 0)
        answer(j, SLICE_NONE);
    lookup_job_settle(&j->base);
}

static void on_ptr(void *ctx, const struct dns_answer *a)
{
    struct name_job *j = ctx;
    j->base.pending--;
    for (size_t i = 0; !j->base.answered && i < a->count && i < CANDIDATES_MAX; i++) {
        struct candidate *c = &j->candidates[i];
        c->job = j;
        c->question = (struct dns_question){.done = on_forward, .ctx = c};
        if (dns_name_read(&c->name, a->records[i]) == ERR_OK && c->name.len > 0)
            (void)lookup_job_ask(&j->base, &c->name, j->ip_len == 4 ? DNS_A : DNS_AAAA, &c->question);
    }
    if (j->base.pending == 0)
        answer(j, SLICE_NONE);
    lookup_job_settle(&j->base);
}

void name_ask(struct lookup *l, struct asker asker, slice ip)
{
    struct dns_name reverse;
    struct name_job *j = ip.len == 4 || ip.len == 16 ? calloc(1, sizeof *j) : NULL;
    if (!j || !lookup_job_begin(l, &j->base, NAME_TIMEOUT_MS)) {
        free(j);
        send_answer(l, asker, SLICE_NONE);
        return;
    }
    j->base.asker = asker;
    j->base.expire = expire;
    j->base.release = release;
    j->ip_len = ip.len;
    memcpy(j->ip, ip.ptr, ip.len);
    j->ptr = (struct dns_question){.done = on_ptr, .ctx = j};
    dns_name_reverse(&reverse, j->ip, j->ip_len);
    if (!lookup_job_ask(&j->base, &reverse, DNS_PTR, &j->ptr))
        answer(j, SLICE_NONE);
    lookup_job_settle(&j->base);
}
