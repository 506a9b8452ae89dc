/* SPDX-License-Identifier: ISC */
#include "dns/dns.h"

#include <stdlib.h>
#include <unbound.h>

#define CLASS_IN 1
#define RCODE_NOERROR 0
#define RCODE_NXDOMAIN 3

#define RESOLV_CONF "/etc/resolv.conf"
#define LOOK_MS 2000
#define SETTLED_NS 1000000000 /* who rewrites the file in its place may not be done yet */

struct dns_context {
    struct ub_ctx *ub;
    struct loop_watch *watch;
    size_t open;     /* questions */
    bool processing; /* its answers are being told */
};

struct dns {
    struct loop *loop;
    struct dns_context *now, *old; /* old: has questions open, and gets no more; or NULL */
    struct os_file_stamp seen;     /* the file that `now` was made from */
    struct os_file_stamp refused;  /* it has been told of */
    int64_t look_ms;
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
    q->asked->open--;
    q->done(q->ctx, &answer);
    ub_resolve_free(r);
}

static void on_readable(void *ctx, bool readable, bool writable)
{
    struct dns_context *c = ctx;
    (void)writable;
    if (!readable)
        return;
    c->processing = true;
    int error = ub_process(c->ub);
    c->processing = false;
    if (error != 0)
        log_line(LOG_ERROR, "dns: %s", ub_strerror(error));
}

static void set_option(struct dns_context *c, const char *name, const char *value)
{
    int error = ub_ctx_set_option(c->ub, name, value);
    if (error != 0)
        log_line(LOG_WARNING, "dns: option %s %s: %s", name, value, ub_strerror(error));
}

/* Returns why its name servers, or those behind a wrong line, are not known; 0. A name server that was away is asked again soon after it is back, and one on
 * loopback is as good as another. Names below test. and reverse names of private networks are the local name server's business. */
static int set_options(struct dns_context *c)
{
    set_option(c, "do-not-query-localhost:", "no");
    set_option(c, "unblock-lan-zones:", "yes");
    set_option(c, "infra-keep-probing:", "yes");
    set_option(c, "infra-host-ttl:", "30");
    int unread = ub_ctx_resolvconf(c->ub, NULL), error = ub_ctx_hosts(c->ub, NULL);
    if (error != 0)
        log_line(LOG_WARNING, "dns: /etc/hosts: %s", ub_strerror(error));
    /* Last: a context takes no more settings once it has a zone. */
    error = ub_ctx_zone_add(c->ub, "test.", "nodefault");
    if (error != 0)
        log_line(LOG_WARNING, "dns: zone test.: %s", ub_strerror(error));
    return unread;
}

static void context_close(struct dns_context **c)
{
    if (!*c)
        return;
    if ((*c)->watch)
        loop_watch_close(&(*c)->watch);
    ub_ctx_delete((*c)->ub);
    free(*c);
    *c = NULL;
}

/* unread_r: of set_options. */
static enum err context_open(struct loop *loop, struct dns_context **context_r, int *unread_r)
{
    struct dns_context *c = calloc(1, sizeof *c);
    if (!c)
        return ERR_NOMEM;
    c->ub = ub_ctx_create();
    if (!c->ub) {
        free(c);
        return ERR_NOMEM;
    }
    enum err e = ub_ctx_async(c->ub, 1) == 0 ? ERR_OK : ERR_SYSTEM;
    *unread_r = set_options(c);
    if (e == ERR_OK)
        e = loop_watch_open(loop, ub_fd(c->ub), on_readable, c, &c->watch);
    if (e != ERR_OK) {
        context_close(&c);
        return e;
    }
    loop_watch_set(c->watch, true, false);
    *context_r = c;
    return ERR_OK;
}

/* Wrong lines stay wrong: what stands before the first of them counts. */
static void tell_unread(int unread)
{
    if (unread == UB_SYNTAX)
        log_line(LOG_WARNING,
                 "dns: " RESOLV_CONF
                 ": a nameserver line has no address; those before it are asked, without any the root servers");
    else if (unread != 0)
        log_line(LOG_WARNING, "dns: " RESOLV_CONF ": %s; names are asked for from the root down", ub_strerror(unread));
}

enum err dns_open(struct loop *loop, struct dns **dns_r)
{
    struct dns *d = calloc(1, sizeof *d);
    if (!d)
        return ERR_NOMEM;
    d->loop = loop;
    d->look_ms = loop_now_ms(loop) + LOOK_MS;
    /* before it is read: a change in between is seen later */
    if (os_file_stamp(AT_FDCWD, SLICE(RESOLV_CONF), true, &d->seen) != ERR_OK)
        d->seen = (struct os_file_stamp){0};
    int unread = 0;
    enum err e = context_open(loop, &d->now, &unread);
    if (e != ERR_OK) {
        dns_close(&d);
        return e;
    }
    tell_unread(unread);
    *dns_r = d;
    return ERR_OK;
}

void dns_close(struct dns **d)
{
    if (!*d)
        return;
    context_close(&(*d)->now);
    context_close(&(*d)->old);
    free(*d);
    *d = NULL;
}

/* A file that is gone, or still being written, is not looked at: the servers are those that there were. */
static bool has_changed(const struct dns *d, struct os_file_stamp *stamp)
{
    if (os_file_stamp(AT_FDCWD, SLICE(RESOLV_CONF), true, stamp) != ERR_OK || os_file_stamp_equal(stamp, &d->seen))
        return false;
    int64_t age_ns = os_wall_us() * 1000 - stamp->mtime_ns;
    return stamp->size > 0 && (age_ns < 0 || age_ns >= SETTLED_NS);
}

static void refuse(struct dns *d, const struct os_file_stamp *stamp, const char *why)
{
    if (!os_file_stamp_equal(stamp, &d->refused))
        log_line(LOG_WARNING,
                 "dns: " RESOLV_CONF
                 " has changed, and cannot be followed yet: %s; the name servers that it had are asked on",
                 why);
    d->refused = *stamp;
}

/* Questions under way are answered by whom they were asked. A context whose answers are being told cannot be closed by what an answer leads to. */
static void follow_file(struct dns *d)
{
    struct os_file_stamp stamp;
    struct dns_context *c = NULL;
    int64_t now = loop_now_ms(d->loop);
    if (d->old && d->old->open == 0 && !d->old->processing)
        context_close(&d->old);
    if (d->old || now < d->look_ms)
        return;
    d->look_ms = now + LOOK_MS;
    if (!has_changed(d, &stamp))
        return;
    int unread = 0;
    enum err e = context_open(d->loop, &c, &unread);
    if (e != ERR_OK || (unread != 0 && unread != UB_SYNTAX)) {
        refuse(d, &stamp, e != ERR_OK ? err_text(e) : ub_strerror(unread));
        context_close(&c);
        return;
    }
    tell_unread(unread);
    log_line(LOG_INFO, "dns: " RESOLV_CONF " has changed: its name servers are asked from now on");
    d->seen = stamp; /* not before: what failed is tried again */
    d->old = d->now;
    d->now = c;
}

enum err dns_ask(struct dns *d, const struct dns_name *name, enum dns_type type, struct dns_question *q)
{
    follow_file(d);
    q->asked = d->now;
    int error = ub_resolve_async(d->now->ub, name->text, (int)type, CLASS_IN, q, on_result, NULL);
    if (error != 0)
        return ERR_SYSTEM;
    d->now->open++;
    return ERR_OK;
}
