/* SPDX-License-Identifier: ISC */
#include "proc/lookup/lookup.h"

#include "proc/lookup/logins.h"

#define EXIT_UNAVAILABLE 69

static void on_message(void *ctx, struct hub_peer *p, const struct ipc_message *m)
{
    struct lookup *l = ctx;
    if (!p)
        return;
    if (m->type == IPC_ask_user)
        accounts_ask_user(l->accounts, (struct asker){p->process, m->u.ask_user.token},
                          (enum users_kind)m->u.ask_user.users_kind, m->u.ask_user.name);
    else if (m->type == IPC_ask_sasl)
        logins_ask(l->logins, p->process, &m->u.ask_sasl);
    else if (m->type == IPC_sasl_gone)
        logins_gone(l->logins, p->process, m->u.sasl_gone.exchange);
    else if (m->type == IPC_ask_mx)
        mx_ask(l, (struct asker){p->process, m->u.ask_mx.token}, m->u.ask_mx.domain, true);
    else if (m->type == IPC_ask_host)
        mx_ask(l, (struct asker){p->process, m->u.ask_host.token}, m->u.ask_host.name, false);
    else if (m->type == IPC_ask_name)
        name_ask(l, (struct asker){p->process, m->u.ask_name.token}, m->u.ask_name.ip);
}

/* The master drains lookup when those who ask are gone. */
static void on_drain(void *ctx, int64_t limit_ms)
{
    struct lookup *l = ctx;
    (void)limit_ms;
    child_stop(&l->child, 0);
}

static void on_peer_up(void *ctx, struct hub_peer *p)
{
    struct lookup *l = ctx;
    if (p->kind == PROCESS_RECEIVER && l->logins)
        logins_offer(l->logins, p);
}

static void on_peer_down(void *ctx, struct hub_peer *p, bool dead)
{
    struct lookup *l = ctx;
    (void)dead;
    if (p->kind == PROCESS_RECEIVER && l->logins)
        logins_process_gone(l->logins, p->process);
}

static const struct ipc_hub_ops hub_ops = {
    .peer_up = on_peer_up, .peer_down = on_peer_down, .message = on_message, .drain = on_drain};

static enum err confine(struct lookup *l)
{
    struct sandbox_profile sandbox;
    if (os_names_load() != ERR_OK)
        log_line(LOG_WARNING, "the name service does not answer");
    lookup_sandbox(l->child.start, &sandbox);
    accounts_places(l->accounts, &sandbox);
    return child_confine(&sandbox);
}

static enum err begin(struct lookup *l)
{
    enum err e = logins_open(l, &l->logins); /* keys and secrets may be root's */
    if (e == ERR_OK)
        e = child_become(&l->child, PROCESS_NO_CAPS);
    if (e == ERR_OK)
        e = accounts_open(l, &l->accounts);
    if (e == ERR_OK)
        e = confine(l);
    if (e == ERR_OK)
        e = loop_timer_open(l->child.loop, lookup_tick, l, &l->tick);
    if (e == ERR_OK)
        e = dns_open(l->child.loop, &l->dns);
    if (e == ERR_OK)
        e = accounts_start(l->accounts);
    if (e == ERR_OK)
        e = logins_start(l->logins);
    return e;
}

static void release_jobs(struct lookup *l)
{
    for (struct list *link; (link = list_pop(&l->jobs)) != NULL;) {
        struct lookup_job *j = LIST_ENTRY(link, struct lookup_job, link);
        j->release(j);
    }
}

int lookup_main(const struct child_start *start)
{
    struct lookup l = {.job_count = 0};
    list_init(&l.jobs);
    if (child_begin(&l.child, start, "lookup", &hub_ops, &l) != ERR_OK)
        return EXIT_UNAVAILABLE;
    enum err e = begin(&l);
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "cannot start: %s", err_text(e));
        log_close();
        return EXIT_UNAVAILABLE;
    }
    child_ready(&l.child);
    int status = child_run(&l.child);
    logins_close(&l.logins);
    accounts_close(&l.accounts);
    dns_close(&l.dns);
    release_jobs(&l);
    return status;
}
