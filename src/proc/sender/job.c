/* SPDX-License-Identifier: ISC */
#include "proc/sender/state.h"

#define JOB_ARENA_MAX (1u * 1024 * 1024)

/* Jobs that were done: their memory serves the next ones. */
static struct {
    struct list free;
    bool ready;
} pool;

static struct job *job_new(void)
{
    if (!pool.ready) {
        list_init(&pool.free);
        pool.ready = true;
    }
    struct list *l = list_pop(&pool.free);
    struct job *j = l ? LIST_ENTRY(l, struct job, link) : calloc(1, sizeof *j);
    if (j && !l) {
        arena_init(&j->arena, JOB_ARENA_MAX);
        list_init(&j->link);
    }
    return j;
}

static void job_forget(struct job *j)
{
    list_remove(&j->link);
    list_remove(&j->all);
    arena_reset(&j->arena);
    list_push_front(&pool.free, &j->link);
}

static enum err fill(struct job *j, const struct ipc_job *m)
{
    j->number = m->job;
    j->place = CHILD_PLACE_OF(*m);
    j->arrival_s = m->arrival_s;
    j->dispatch_us = m->dispatch_us;
    j->taken_us = 0;
    j->queue_destination = m->destination;
    j->target_first = 0;
    j->recipient_count = (uint32_t)(m->recipients.len / sizeof(uint32_t));
    j->recipients = arena_array(&j->arena, j->recipient_count, sizeof *j->recipients);
    j->results = arena_array(&j->arena, j->recipient_count, sizeof *j->results);
    if (!j->recipients || !j->results)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < j->recipient_count; i++)
        j->recipients[i] = get_u32(m->recipients.ptr + i * sizeof(uint32_t));
    return ERR_OK;
}

/* The hop of its first recipient is that of all: the queue groups them by it. */
static enum err find_destination(struct sender *s, const struct job *j, uint32_t connections, struct destination **d_r)
{
    struct spool_entry *entry;
    enum err e = spool_entry_open_head(s->reader, &j->place, &entry);
    if (e != ERR_OK)
        return e;
    const struct envelope *envelope;
    const struct recipient *r =
        j->recipient_count ? spool_head_recipient(spool_entry_head(entry), j->recipients[0], &envelope) : NULL;
    if (r) {
        struct next_hop hop = route_next(s->routes, r);
        *d_r = hop.kind == NEXT_SMTP || hop.kind == NEXT_LMTP ? sender_destination_get(s, &hop, connections) : NULL;
    }
    spool_entry_close(&entry);
    return r && *d_r ? ERR_OK : ERR_NOTFOUND;
}

void sender_job_take(struct sender *s, const struct ipc_job *m)
{
    struct job *j = job_new();
    if (!j)
        return; /* The queue's lease ends with our death; memory this short will bring it. */
    list_push(&s->jobs, &j->all);
    struct destination *d = NULL;
    enum err e = fill(j, m);
    if (e == ERR_OK)
        e = find_destination(s, j, m->connections, &d);
    if (e != ERR_OK) {
        struct verdict v = status_verdict(STATUS_LOCAL_ERROR);
        log_line(LOG_ERROR, "job of the queue cannot be read from the spool: %s", err_text(e));
        for (uint32_t i = 0; j->results && i < j->recipient_count; i++)
            sender_job_result_set(j, i, &v, false);
        sender_job_report(s, j, NULL);
        return;
    }
    sender_job_wait(d, j);
    sender_destination_pump(s, d);
}

void sender_job_result_set(struct job *j, uint32_t index, const struct verdict *v, bool remote)
{
    if (index >= j->recipient_count)
        return;
    struct job_result *r = &j->results[index];
    r->verdict = *v;
    r->set = true;
    r->remote = remote;
    if (arena_copy(&j->arena, slice_sub(v->text, 0, 2048), &r->verdict.text) != ERR_OK)
        r->verdict.text = SLICE_NONE;
}

static void result_send(struct sender *s, const struct job *j, const struct session *from, uint32_t index)
{
    const struct job_result *r = &j->results[index];
    char recipient[sizeof(uint32_t)];
    put_u32(recipient, j->recipients[index]);
    struct ipc_message m = {.type = IPC_result, .fd = -1};
    m.u.result.job = j->number;
    m.u.result.remote = r->remote;
    CHILD_VERDICT_SET(m.u.result, &r->verdict);
    m.u.result.recipients = slice_of(recipient, sizeof recipient);
    if (from) {
        m.u.result.host = from->host_text;
        m.u.result.connect_ms = (uint32_t)((from->ready_us - from->begun_us) / 1000);
        m.u.result.transmit_ms = (uint32_t)((os_now_us() - from->started_us) / 1000);
    }
    ipc_hub_send(s->child.hub, ipc_hub_find(s->child.hub, PROCESS_QUEUE), &m);
}

static void end_send(struct sender *s, const struct job *j, enum ipc_type type)
{
    struct ipc_message m = {.type = type, .fd = -1};
    if (type == IPC_job_done)
        m.u.job_done.job = j->number;
    else
        m.u.job_returned.job = j->number;
    struct hub_peer *queue = ipc_hub_find(s->child.hub, PROCESS_QUEUE);
    if (queue)
        ipc_hub_send(s->child.hub, queue, &m);
}

void sender_job_report(struct sender *s, struct job *j, const struct session *from)
{
    if (ipc_hub_find(s->child.hub, PROCESS_QUEUE)) {
        for (uint32_t i = 0; j->results && i < j->recipient_count; i++) {
            if (j->results[i].set)
                result_send(s, j, from, i);
        }
    }
    end_send(s, j, IPC_job_done);
    job_forget(j);
}

void sender_job_return(struct sender *s, struct job *j)
{
    end_send(s, j, IPC_job_returned);
    job_forget(j);
}

void sender_job_wait(struct destination *d, struct job *j)
{
    list_push(&d->jobs, &j->link);
    d->job_count++;
}

struct job *sender_job_next(struct destination *d)
{
    struct list *l = list_pop(&d->jobs);
    if (!l)
        return NULL;
    d->job_count--;
    return LIST_ENTRY(l, struct job, link);
}

void sender_jobs_hello(struct sender *s, struct hub_peer *queue)
{
    uint32_t count = 0;
    LIST_FOREACH(l, &s->jobs) {
        const struct job *j = LIST_ENTRY(l, struct job, all);
        struct ipc_message m = {.type = IPC_hello_lease, .fd = -1};
        m.u.hello_lease.job = j->number;
        m.u.hello_lease.id = j->place.id;
        ipc_hub_send(s->child.hub, queue, &m);
        count++;
    }
    struct ipc_message end = {.type = IPC_hello_end, .fd = -1};
    end.u.hello_end.count = count;
    ipc_hub_send(s->child.hub, queue, &end);
}
