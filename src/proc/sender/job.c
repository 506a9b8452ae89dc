/* SPDX-License-Identifier: ISC */
#include "proc/sender/state.h"

/* Two thousand bytes of verdict for each of ten thousand recipients. */
#define JOB_ARENA_MAX (24u * 1024 * 1024)
#define READ_AHEAD_MAX 65536u

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
    j->arrival_us = m->arrival_s * 1000000;
    j->dispatch_us = m->dispatch_us;
    j->taken_us = 0;
    j->queue_destination = m->destination;
    j->target_first = j->moves = 0;
    j->connect_ms = j->transmit_ms = 0;
    j->host = SLICE_NONE;
    j->recipient_count = (uint32_t)(m->recipients.len / sizeof(uint32_t));
    j->recipients = arena_array(&j->arena, j->recipient_count, sizeof *j->recipients);
    j->results = arena_array(&j->arena, j->recipient_count, sizeof *j->results);
    if (!j->recipients || !j->results)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < j->recipient_count; i++)
        j->recipients[i] = get_u32(m->recipients.ptr + i * sizeof(uint32_t));
    return ERR_OK;
}

/* Most likely a session is idle for it, and will need all of it. */
static enum err arrived_open(struct sender *s, const struct job *j)
{
    if (s->idle > 0 && j->place.length <= READ_AHEAD_MAX &&
        spool_entry_open(s->reader, &j->place, &s->arrived_entry) == ERR_OK) {
        s->arrived = j;
        return ERR_OK;
    }
    return spool_entry_open_head(s->reader, &j->place, &s->arrived_entry);
}

static void arrived_close(struct sender *s)
{
    s->arrived = NULL;
    spool_entry_close(&s->arrived_entry);
}

/* The hop of its first recipient is that of all: the queue groups them by it. */
static enum err find_destination(struct sender *s, struct job *j, uint32_t connections, struct destination **d_r)
{
    enum err e = arrived_open(s, j);
    if (e != ERR_OK)
        return e;
    const struct spool_head *head = spool_entry_head(s->arrived_entry);
    j->arrival_us += head->arrival_us;
    const struct envelope *envelope;
    const struct recipient *r = j->recipient_count ? spool_head_recipient(head, j->recipients[0], &envelope) : NULL;
    if (r) {
        struct next_hop hop = route_next(s->routes, r);
        *d_r = hop.kind == NEXT_SMTP || hop.kind == NEXT_LMTP ? sender_destination_get(s, &hop, connections) : NULL;
    }
    return r && *d_r ? ERR_OK : ERR_NOTFOUND;
}

void sender_job_take(struct sender *s, const struct ipc_job *m)
{
    struct job *j = job_new();
    if (!j) {
        child_job_defer(&s->child, m);
        return;
    }
    list_push(&s->jobs, &j->all);
    struct destination *d = NULL;
    enum err e = fill(j, m);
    if (e != ERR_OK) {
        job_forget(j);
        child_job_defer(&s->child, m);
        return;
    }
    if (s->child.draining) {
        /* Given back now it would come again at once: the queue knows nobody else. It has it back when we end. */
        list_remove(&j->all);
        list_push(&s->held, &j->all);
        return;
    }
    e = find_destination(s, j, m->connections, &d);
    if (e != ERR_OK) {
        struct verdict v = status_verdict(STATUS_LOCAL_ERROR);
        log_line(LOG_ERROR, "job of the queue cannot be read from the spool: %s", err_text(e));
        for (uint32_t i = 0; i < j->recipient_count; i++)
            sender_job_result_set(j, i, &v, false);
        sender_job_report(s, j, NULL);
    } else {
        sender_job_wait(s, d, j);
        sender_destination_pump(s, d);
    }
    arrived_close(s);
}

void sender_job_result_set(struct job *j, uint32_t index, const struct verdict *v, bool remote)
{
    if (index >= j->recipient_count)
        return;
    struct job_result *r = &j->results[index];
    r->verdict = *v;
    r->set = true;
    r->remote = remote;
    r->dsn = RESULT_DSN_RELAYED;
    if (arena_copy(&j->arena, slice_sub(v->text, 0, 2048), &r->verdict.text) != ERR_OK)
        r->verdict.text = SLICE_NONE;
}

static void result_send(struct sender *s, struct hub_peer *queue, const struct job *j, uint32_t index)
{
    const struct job_result *r = &j->results[index];
    char recipient[sizeof(uint32_t)];
    put_u32(recipient, j->recipients[index]);
    struct ipc_message m = {.type = IPC_result, .fd = -1};
    m.u.result.job = j->number;
    m.u.result.remote = r->remote;
    m.u.result.dsn = r->dsn;
    CHILD_VERDICT_SET(m.u.result, &r->verdict);
    m.u.result.recipients = slice_of(recipient, sizeof recipient);
    m.u.result.host = j->host;
    m.u.result.connect_ms = j->connect_ms;
    m.u.result.transmit_ms = j->transmit_ms;
    ipc_hub_send(s->child.hub, queue, &m);
}

static void results_send(struct sender *s, struct hub_peer *queue, struct job *j)
{
    for (uint32_t i = 0; j->results && i < j->recipient_count; i++) {
        if (j->results[i].set)
            result_send(s, queue, j, i);
    }
    struct ipc_message m = {.type = IPC_job_done, .fd = -1, .u.job_done = {j->number}};
    ipc_hub_send(s->child.hub, queue, &m);
    job_forget(j);
}

void sender_job_report(struct sender *s, struct job *j, const struct session *from)
{
    struct hub_peer *queue = ipc_hub_find(s->child.hub, PROCESS_QUEUE);
    list_remove(&j->link);
    if (from) {
        j->connect_ms = (uint32_t)((from->ready_us - from->begun_us) / 1000);
        j->transmit_ms = (uint32_t)((os_now_us() - from->started_us) / 1000);
        if (arena_copy(&j->arena, from->host_text, &j->host) != ERR_OK)
            j->host = SLICE_NONE;
    }
    if (queue) {
        results_send(s, queue, j);
        return;
    }
    list_remove(&j->all);
    list_push(&s->done, &j->all);
}

/* Without a queue nobody needs to be told: what is not leased at HELLO is given out again. */
void sender_job_return(struct sender *s, struct job *j)
{
    struct hub_peer *queue = ipc_hub_find(s->child.hub, PROCESS_QUEUE);
    struct ipc_message m = {.type = IPC_job_returned, .fd = -1, .u.job_returned = {j->number}};
    if (queue)
        ipc_hub_send(s->child.hub, queue, &m);
    job_forget(j);
}

void sender_job_wait(struct sender *s, struct destination *d, struct job *j)
{
    if (list_empty(&d->waits))
        list_push(&s->waiting, &d->waits);
    list_push(&d->jobs, &j->link);
    d->job_count++;
}

static struct job *take(struct destination *d, struct job *j)
{
    list_remove(&j->link);
    if (--d->job_count == 0)
        list_remove(&d->waits);
    return j;
}

struct job *sender_job_next(struct destination *d, uint32_t target)
{
    LIST_FOREACH(l, &d->jobs) {
        struct job *j = LIST_ENTRY(l, struct job, link);
        /* The targets may be fewer than when it failed. */
        if (j->target_first <= target || j->target_first >= d->target_count)
            return take(d, j);
    }
    return NULL;
}

struct job *sender_job_first(struct destination *d)
{
    return list_empty(&d->jobs) ? NULL : take(d, LIST_ENTRY(d->jobs.next, struct job, link));
}

bool sender_job_open(const struct job *j)
{
    for (uint32_t i = 0; i < j->recipient_count; i++)
        if (!j->results[i].set)
            return true;
    return false;
}

static uint32_t leases_send(struct sender *s, struct hub_peer *queue, struct list *jobs)
{
    uint32_t count = 0;
    LIST_FOREACH(l, jobs) {
        struct job *j = LIST_ENTRY(l, struct job, all);
        struct ipc_message m = {.type = IPC_hello_lease, .fd = -1, .u.hello_lease = {j->number, j->place.id}};
        ipc_hub_send(s->child.hub, queue, &m);
        /* Its destinations have other numbers. */
        j->queue_destination = 0;
        count++;
    }
    return count;
}

void sender_jobs_hello(struct sender *s, struct hub_peer *queue)
{
    struct ipc_message end = {.type = IPC_hello_end, .fd = -1};
    end.u.hello_end.count =
        leases_send(s, queue, &s->jobs) + leases_send(s, queue, &s->held) + leases_send(s, queue, &s->done);
    ipc_hub_send(s->child.hub, queue, &end);
    LIST_FOREACH(l, &s->done)
        results_send(s, queue, LIST_ENTRY(l, struct job, all));
}
