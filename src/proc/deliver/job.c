/* SPDX-License-Identifier: ISC */
#include "proc/deliver/state.h"

#define JOB_ARENA_MAX (4u * 1024 * 1024)
#define HEADER_MAX (256u * 1024)

static void job_free(struct job *j)
{
    list_remove(&j->link);
    if (j->entry)
        spool_entry_close(&j->entry);
    arena_deinit(&j->arena);
    free(j);
}

static void end_send(struct deliver *d, struct job *j)
{
    struct hub_peer *queue = ipc_hub_find(d->child.hub, PROCESS_QUEUE);
    struct ipc_message m = {.type = IPC_job_done, .fd = -1};
    m.u.job_done.job = j->number;
    if (queue)
        ipc_hub_send(d->child.hub, queue, &m);
    job_free(j);
}

static void result_send(struct deliver *d, const struct job *j, uint32_t recipient, const struct verdict *v)
{
    struct hub_peer *queue = ipc_hub_find(d->child.hub, PROCESS_QUEUE);
    char raw[sizeof(uint32_t)];
    put_u32(raw, recipient);
    struct ipc_message m = {.type = IPC_result, .fd = -1};
    m.u.result.job = j->number;
    CHILD_VERDICT_SET(m.u.result, v);
    m.u.result.recipients = slice_of(raw, sizeof raw);
    if (queue)
        ipc_hub_send(d->child.hub, queue, &m);
}

static void log_delivery(const struct job *j, const struct recipient *r, const struct verdict *v, int64_t started_us)
{
    int64_t wall_us = os_wall_us(), arrival_us = j->arrival_s * 1000000;
    struct delivery_log l = {
        .id = j->place.id,
        .to = r->address,
        .original_to = r->original,
        .relay = SLICE("local"),
        .delay_us = wall_us - arrival_us,
        .parts_us = {j->dispatch_us - arrival_us, 0, 0, os_now_us() - started_us},
        .verdict = *v,
    };
    delivery_log_line(&l);
}

static void done(struct deliver *d, struct job *j, uint32_t recipient, const struct verdict *v, int64_t started_us)
{
    const struct envelope *envelope;
    const struct recipient *r = spool_head_recipient(spool_entry_head(j->entry), recipient, &envelope);
    if (r)
        log_delivery(j, r, v, started_us);
    result_send(d, j, recipient, v);
    if (--j->open == 0)
        end_send(d, j);
}

void deliver_delivery_done(struct deliver *d, struct delivery *x, const struct verdict *v)
{
    list_remove(&x->link);
    done(d, x->job, x->recipient, v, x->started_us);
}

/* Return-Path and Delivered-To, which are this delivery's alone. */
static enum err trace(struct job *j, const struct envelope *e, const struct recipient *r, slice *trace_r)
{
    buf b;
    buf_init(&b, 8192);
    received_print_return_path(&b, e->reverse_path);
    received_print_delivered_to(&b, r->address);
    enum err err = buf_ok(&b) ? arena_copy(&j->arena, buf_slice(&b), trace_r) : ERR_NOMEM;
    buf_deinit(&b);
    return err;
}

/* Our own Delivered-To for this address in the header: it has been here before. */
static bool loops(struct job *j, const struct recipient *r)
{
    uint32_t len = spool_entry_head(j->entry)->facts.header_len;
    slice header;
    if (spool_entry_content(j->entry, 0, len < HEADER_MAX ? len : HEADER_MAX, &header) != ERR_OK)
        return false;
    return header_count_delivered_to(header, r->address) > 0;
}

static struct verdict prepare(struct deliver *d, struct job *j, struct delivery *x)
{
    const struct envelope *e;
    const struct spool_head *h = spool_entry_head(j->entry);
    const struct recipient *r = spool_head_recipient(h, x->recipient, &e);
    if (!r)
        return status_verdict(STATUS_LOCAL_ERROR);
    struct verdict v = deliver_target_find(d, j, r, x);
    if (!verdict_ok(&v))
        return v;
    if (loops(j, r))
        return status_verdict_text(STATUS_TOO_MANY_HOPS,
                                   SLICE("mail forwarding loop: it was delivered to this address before"));
    struct item *i = &x->item;
    i->number = x->number = ++d->delivery_counter;
    i->body_size = h->facts.size;
    i->sender = e->reverse_path;
    i->recipient = r->address;
    i->user = x->user.name;
    i->home = x->user.home;
    i->hostname = d->conf->route.hostname;
    return trace(j, e, r, &i->trace) == ERR_OK ? v : status_verdict(STATUS_LOCAL_ERROR);
}

static void deliver_one(struct deliver *d, struct job *j, uint32_t recipient)
{
    struct delivery *x = arena_alloc(&j->arena, sizeof *x);
    struct verdict v = status_verdict(STATUS_LOCAL_ERROR);
    int64_t now_us = os_now_us();
    if (x) {
        list_init(&x->link);
        x->job = j;
        x->recipient = recipient;
        x->started_us = now_us;
        v = prepare(d, j, x);
    }
    if (x && verdict_ok(&v))
        deliver_worker_give(d, x);
    else
        done(d, j, recipient, &v, now_us);
}

void deliver_job_take(struct deliver *d, const struct ipc_job *m)
{
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return; /* The lease ends with our death; memory this short will bring it. */
    arena_init(&j->arena, JOB_ARENA_MAX);
    j->number = m->job;
    j->place = CHILD_PLACE_OF(*m);
    j->arrival_s = m->arrival_s;
    j->dispatch_us = m->dispatch_us;
    list_push(&d->jobs, &j->link);
    uint32_t count = (uint32_t)(m->recipients.len / sizeof(uint32_t));
    uint32_t *recipients = arena_array(&j->arena, count, sizeof *recipients);
    enum err e = spool_entry_open(d->reader, &j->place, &j->entry);
    /* One more than there are: the job must not end while it is still being given out. */
    j->open = count + 1;
    for (uint32_t i = 0; recipients && i < count; i++)
        recipients[i] = get_u32(m->recipients.ptr + i * sizeof(uint32_t));
    if (e != ERR_OK || !recipients) {
        char id[QUEUE_ID_TEXT_MAX];
        size_t n = queue_id_write(id, j->place.id);
        struct verdict v = status_verdict(STATUS_LOCAL_ERROR);
        log_line(LOG_ERROR, "%.*s: cannot be read from the spool: %s", (int)n, id, err_text(e));
        for (uint32_t i = 0; recipients && i < count; i++)
            result_send(d, j, recipients[i], &v);
        j->entry = NULL;
        end_send(d, j);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        deliver_one(d, j, recipients[i]);
    if (--j->open == 0)
        end_send(d, j);
}

void deliver_jobs_hello(struct deliver *d, struct hub_peer *queue)
{
    uint32_t count = 0;
    LIST_FOREACH(l, &d->jobs) {
        const struct job *j = LIST_ENTRY(l, struct job, link);
        struct ipc_message m = {.type = IPC_hello_lease, .fd = -1};
        m.u.hello_lease.job = j->number;
        m.u.hello_lease.id = j->place.id;
        ipc_hub_send(d->child.hub, queue, &m);
        count++;
    }
    struct ipc_message end = {.type = IPC_hello_end, .fd = -1};
    end.u.hello_end.count = count;
    ipc_hub_send(d->child.hub, queue, &end);
}
