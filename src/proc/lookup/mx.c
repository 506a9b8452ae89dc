/* SPDX-License-Identifier: ISC */
#include "proc/lookup/state.h"

#include <stdlib.h>

/* The sender tries again later anyway; libunbound has given up on most by then. */
#define MX_TIMEOUT_MS 30000
#define ANSWER_MAX (64u * 1024)

struct mx_job;

struct mx_host_questions {
    struct mx_job *job;
    struct host *host;
    struct dns_question a, aaaa;
};

struct mx_job {
    struct lookup_job base;
    struct dns_name domain;
    struct dns_question mx;
    struct host *hosts;
    struct mx_host_questions *questions;
    size_t host_count;
    bool implicit; /* the domain is its own host */
};

static void send_answer(struct lookup *l, struct asker asker, enum lookup_status status, slice hosts)
{
    struct ipc_message m = {.type = IPC_answer_mx, .fd = -1};
    m.u.answer_mx.token = asker.token;
    m.u.answer_mx.status = (uint8_t)status;
    m.u.answer_mx.hosts = hosts;
    lookup_answer(l, asker, &m);
}

static void answer(struct mx_job *j, enum lookup_status status)
{
    buf hosts;
    if (j->base.answered)
        return;
    j->base.answered = true;
    buf_init(&hosts, ANSWER_MAX);
    if (status == LOOKUP_FOUND)
        hosts_encode(&hosts, j->hosts, j->host_count);
    send_answer(j->base.lookup, j->base.asker, buf_ok(&hosts) ? status : LOOKUP_TEMPORARY, buf_slice(&hosts));
    buf_deinit(&hosts);
}

/* A host whose addresses are not known now may have been the only way: only when none has one. */
static void answer_hosts(struct mx_job *j, bool complete)
{
    bool some = false, temporary = !complete;
    for (size_t i = 0; i < j->host_count; i++) {
        const struct host *h = &j->hosts[i];
        some = some || h->addresses.v4_count + h->addresses.v6_count > 0;
        temporary = temporary || h->temporary;
    }
    if (some)
        answer(j, LOOKUP_FOUND);
    else
        answer(j, temporary ? LOOKUP_TEMPORARY : j->implicit ? LOOKUP_NONE : LOOKUP_FOUND);
}

static void expire(struct lookup_job *base)
{
    answer_hosts((struct mx_job *)base, false);
}

static void release(struct lookup_job *base)
{
    struct mx_job *j = (struct mx_job *)base;
    free(j->hosts);
    free(j->questions);
    free(j);
}

static void on_address(void *ctx, const struct dns_answer *a)
{
    struct mx_host_questions *q = ctx;
    struct mx_job *j = q->job;
    j->base.pending--;
    for (size_t i = 0; i < a->count; i++)
        host_add_address(&q->host->addresses, a->records[i]);
    if (a->status == DNS_TEMPORARY)
        q->host->temporary = true;
    if (j->base.pending == 0)
        answer_hosts(j, true);
    lookup_job_settle(&j->base);
}

static void ask_addresses(struct mx_job *j)
{
    j->questions = calloc(j->host_count, sizeof *j->questions);
    if (!j->questions) {
        answer(j, LOOKUP_TEMPORARY);
        return;
    }
    for (size_t i = 0; i < j->host_count; i++) {
        struct mx_host_questions *q = &j->questions[i];
        q->job = j;
        q->host = &j->hosts[i];
        q->a = q->aaaa = (struct dns_question){.done = on_address, .ctx = q};
        bool asked = lookup_job_ask(&j->base, &q->host->name, DNS_AAAA, &q->aaaa);
        asked = lookup_job_ask(&j->base, &q->host->name, DNS_A, &q->a) && asked;
        q->host->temporary = !asked;
    }
    if (j->base.pending == 0)
        answer_hosts(j, true);
}

/* RFC 5321 section 5.1: a domain without MX is its own host, with preference 0. */
static void ask_itself(struct mx_job *j)
{
    j->implicit = true;
    j->hosts = calloc(1, sizeof *j->hosts);
    if (!j->hosts) {
        answer(j, LOOKUP_TEMPORARY);
        return;
    }
    j->hosts[0].name = j->domain;
    j->host_count = 1;
    ask_addresses(j);
}

static void ask_hosts(struct mx_job *j, const struct dns_answer *a)
{
    j->hosts = calloc(a->count, sizeof *j->hosts);
    if (!j->hosts) {
        answer(j, LOOKUP_TEMPORARY);
        return;
    }
    switch (hosts_of_mx(a->records, a->count, j->hosts, &j->host_count)) {
    case HOSTS_MX_SOME:
        ask_addresses(j);
        break;
    case HOSTS_MX_NULL:
        answer(j, LOOKUP_NULL_MX);
        break;
    case HOSTS_MX_NONE:
        answer(j, LOOKUP_FOUND); /* MX that no one can use: no hosts, and no implicit one */
        break;
    }
}

static void on_mx(void *ctx, const struct dns_answer *a)
{
    struct mx_job *j = ctx;
    j->base.pending--;
    if (!j->base.answered) {
        switch (a->status) {
        case DNS_FOUND:
            ask_hosts(j, a);
            break;
        case DNS_NODATA:
            ask_itself(j);
            break;
        case DNS_NXDOMAIN:
            answer(j, LOOKUP_NONE);
            break;
        case DNS_TEMPORARY:
            answer(j, LOOKUP_TEMPORARY);
            break;
        }
    }
    lookup_job_settle(&j->base);
}

/* An address in place of a name needs no question. */
static bool answer_literal(struct lookup *l, struct asker asker, slice name)
{
    uint8_t ip[16];
    size_t len;
    buf out;
    char memory[512];
    struct host h = {.preference = 0};
    if (address_ip_parse(name, ip, &len) != ERR_OK)
        return false;
    buf_init_fixed(&out, h.name.text, sizeof h.name.text - 1);
    address_ip_print(&out, ip, len);
    h.name.len = out.len;
    host_add_address(&h.addresses, slice_of(ip, len));
    buf_init_fixed(&out, memory, sizeof memory);
    hosts_encode(&out, &h, 1);
    send_answer(l, asker, LOOKUP_FOUND, buf_slice(&out));
    return true;
}

void mx_ask(struct lookup *l, struct asker asker, slice name, bool by_mx)
{
    struct dns_name domain;
    if (answer_literal(l, asker, name))
        return;
    if (dns_name_set(&domain, name) != ERR_OK) {
        send_answer(l, asker, LOOKUP_NONE, SLICE_NONE);
        return;
    }
    struct mx_job *j = calloc(1, sizeof *j);
    if (!j || !lookup_job_begin(l, &j->base, MX_TIMEOUT_MS)) {
        free(j);
        send_answer(l, asker, LOOKUP_TEMPORARY, SLICE_NONE);
        return;
    }
    j->base.asker = asker;
    j->base.expire = expire;
    j->base.release = release;
    j->domain = domain;
    j->mx = (struct dns_question){.done = on_mx, .ctx = j};
    if (!by_mx)
        ask_itself(j);
    else if (!lookup_job_ask(&j->base, &domain, DNS_MX, &j->mx))
        answer(j, LOOKUP_TEMPORARY);
    lookup_job_settle(&j->base);
}
