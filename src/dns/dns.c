/* SPDX-License-Identifier: ISC */
#include "dns/dns.h"

#include <stdlib.h>
#include <unbound.h>

#define CLASS_IN 1
#define RCODE_NOERROR 0
#define RCODE_NXDOMAIN 3

struct dns {
    struct ub_ctx *ub;
    struct loop_watch *watch;
};

static enum dns_status status_of(int error, const struct ub_result *r)
{
    if (error != 0 || !r || r->bogus)
        return DNS_TEMPORARY;
    if (r->rcode == RCODE_NXDOMAIN || r->nxdomain)
        return DNS_NXDOMAIN;
    if (r->rcode != RCODE_NOERROR)
        return DNS_TEMPORARY;
    return r->havedata ? DNS_FOUND : DNS_NODATA;
}

static void on_result(void *data, int error, struct ub_result *r)
{
    struct dns_question *q = data;
    slice records[DNS_RECORDS_MAX];
    struct dns_answer answer = {.status = status_of(error, r), .records = records};
    for (size_t i = 0; answer.status == DNS_FOUND && i < DNS_RECORDS_MAX && r->data[i]; i++)
        records[answer.count++] = slice_of(r->data[i], (size_t)r->len[i]);
    q->done(q->ctx, &answer);
    ub_resolve_free(r);
}

static void on_readable(void *ctx, bool readable, bool writable)
{
    struct dns *d = ctx;
    (void)writable;
    if (!readable)
        return;
    int error = ub_process(d->ub);
    if (error != 0)
        log_line(LOG_ERROR, "dns: %s", ub_strerror(error));
}

static void set_option(struct dns *d, const char *name, const char *value)
{
    int error = ub_ctx_set_option(d->ub, name, value);
    if (error != 0)
        log_line(LOG_WARNING, "dns: option %s %s: %s", name, value, ub_strerror(error));
}

/* A name server that was away is asked again soon after it is back, and one on loopback is as good as another. Names below test. and reverse names of private networks
 * are the local name server's business. */
static void set_options(struct dns *d)
{
    set_option(d, "do-not-query-localhost:", "no");
    set_option(d, "unblock-lan-zones:", "yes");
    set_option(d, "infra-keep-probing:", "yes");
    set_option(d, "infra-host-ttl:", "30");
    int error = ub_ctx_resolvconf(d->ub, NULL);
    if (error != 0)
        log_line(LOG_WARNING, "dns: /etc/resolv.conf: %s; names are asked for from the root down", ub_strerror(error));
    error = ub_ctx_hosts(d->ub, NULL);
    if (error != 0)
        log_line(LOG_WARNING, "dns: /etc/hosts: %s", ub_strerror(error));
    /* Last: a context takes no more settings once it has a zone. */
    error = ub_ctx_zone_add(d->ub, "test.", "nodefault");
    if (error != 0)
        log_line(LOG_WARNING, "dns: zone test.: %s", ub_strerror(error));
}

enum err dns_open(struct loop *loop, struct dns **dns_r)
{
    struct dns *d = calloc(1, sizeof *d);
    if (!d)
        return ERR_NOMEM;
    d->ub = ub_ctx_create();
    if (!d->ub) {
        free(d);
        return ERR_NOMEM;
    }
    enum err e = ub_ctx_async(d->ub, 1) == 0 ? ERR_OK : ERR_SYSTEM;
    set_options(d);
    if (e == ERR_OK)
        e = loop_watch_open(loop, ub_fd(d->ub), on_readable, d, &d->watch);
    if (e != ERR_OK) {
        dns_close(&d);
        return e;
    }
    loop_watch_set(d->watch, true, false);
    *dns_r = d;
    return ERR_OK;
}

void dns_close(struct dns **d)
{
    if (!*d)
        return;
    if ((*d)->watch)
        loop_watch_close(&(*d)->watch);
    ub_ctx_delete((*d)->ub);
    free(*d);
    *d = NULL;
}

enum err dns_ask(struct dns *d, const struct dns_name *name, enum dns_type type, struct dns_question *q)
{
    int error = ub_resolve_async(d->ub, name->text, (int)type, CLASS_IN, q, on_result, NULL);
    return error == 0 ? ERR_OK : ERR_SYSTEM;
}
