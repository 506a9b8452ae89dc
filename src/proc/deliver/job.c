/* SPDX-License-Identifier: ISC */
#include "proc/deliver/state.h"

#define JOB_ARENA_MAX (32u * 1024 * 1024)
#define HEADER_MAX (256u * 1024)
/* Contents that wait for their workers; what is more is read again when its turn comes. */
#define ENTRIES_MAX 256u
#define ENTRIES_BYTES (64u * 1024 * 1024)

static void content_close(struct deliver *d, struct job *j)
{
    if (!j->entry)
        return;
    spool_entry_close(&j->entry);
    d->entries--;
    d->entries_bytes -= j->place.length;
}

enum err deliver_job_content_begin(struct deliver *d, struct job *j)
{
    if (j->entry)
        return ERR_OK;
    enum err e = spool_entry_open(d->reader, &j->place, &j->entry);
    if (e != ERR_OK) {
        j->entry = NULL;
        return e;
    }
    d->entries++;
    d->entries_bytes += j->place.length;
    return ERR_OK;
}

void deliver_job_content_end(struct deliver *d, struct job *j)
{
    if (--j->unsent == 0 || d->entries > ENTRIES_MAX || d->entries_bytes > ENTRIES_BYTES)
        content_close(d, j);
}

static void job_free(struct deliver *d, struct job *j)
{
    list_remove(&j->link);
    content_close(d, j);
    arena_deinit(&j->arena);
    free(j);
}

static void end_send(struct deliver *d, struct hub_peer *queue, struct job *j)
{
    struct ipc_message m = {.type = IPC_job_done, .fd = -1, .u.job_done = {j->number}};
    ipc_hub_send(d->child.hub, queue, &m);
    job_free(d, j);
}

static void job_end(struct deliver *d, struct job *j)
{
    struct hub_peer *queue = ipc_hub_find(d->child.hub, PROCESS_QUEUE);
    content_close(d, j);
    if (queue) {
        end_send(d, queue, j);
        return;
    }
    list_remove(&j->link);
    list_push(&d->done, &j->link);
}

static void result_send(struct deliver *d, struct hub_peer *queue, const struct job *j, const struct kept_result *r)
{
    char raw[sizeof(uint32_t)];
    put_u32(raw, r->recipient);
    struct ipc_message m = {.type = IPC_result, .fd = -1};
    m.u.result.job = j->number;
    m.u.result.dsn = RESULT_DSN_FINAL;
    CHILD_VERDICT_SET(m.u.result, &r->verdict);
    m.u.result.recipients = slice_of(raw, sizeof raw);
    ipc_hub_send(d->child.hub, queue, &m);
}

static void result(struct deliver *d, struct job *j, uint32_t recipient, const struct verdict *v)
{
    struct hub_peer *queue = ipc_hub_find(d->child.hub, PROCESS_QUEUE);
    struct kept_result now = {.recipient = recipient, .verdict = *v};
    if (queue) {
        result_send(d, queue, j, &now);
        return;
    }
    struct kept_result *r = arena_alloc(&j->arena, sizeof *r);
    if (!r)
        return; /* It is delivered again: twice rather than never. */
    *r = now;
    if (arena_copy(&j->arena, v->text, &r->verdict.text) != ERR_OK)
        r->verdict.text = SLICE_NONE;
    list_push(&j->kept, &r->link);
}

static void log_delivery(const struct job *j, const struct delivery *x, const struct verdict *v)
{
    int64_t wall_us = os_wall_us();
    struct delivery_log l = {
        .id = j->place.id,
        .to = x->item.recipient,
        .original_to = x->original,
        .relay = SLICE("local"),
        .delay_us = wall_us - j->arrival_us,
        .parts_us = {j->dispatch_us - j->arrival_us, 0, 0, os_now_us() - x->started_us},
        .verdict = *v,
    };
    delivery_log_line(&l);
}

void deliver_delivery_done(struct deliver *d, struct delivery *x, const struct verdict *v)
{
    struct job *j = x->job;
    list_remove(&x->link);
    log_delivery(j, x, v);
    result(d, j, x->recipient, v);
    if (--j->open == 0)
        job_end(d, j);
}

/* Return-Path and Delivered-To, which are this delivery's alone. */
static enum err trace(struct job *j, const struct envelope *e, const struct recipient *r, slice *trace_r)
{
    char memory[8192];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    received_print_return_path(&b, e->reverse_path);
    received_print_delivered_to(&b, r->address);
    return buf_ok(&b) ? arena_copy(&j->arena, buf_slice(&b), trace_r) : ERR_NOMEM;
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
    /* It may have been closed when the recipient before this one found no worker. */
    if (deliver_job_content_begin(d, j) != ERR_OK)
        return status_verdict(STATUS_LOCAL_ERROR);
    const struct spool_head *h = spool_entry_head(j->entry);
    const struct recipient *r = spool_head_recipient(h, x->recipient, &e);
    if (!r)
        return status_verdict(STATUS_LOCAL_ERROR);
    struct item *i = &x->item;
    /* The log needs them when the content is no longer there. */
    if (arena_copy(&j->arena, e->reverse_path, &i->sender) != ERR_OK ||
        arena_copy(&j->arena, r->address, &i->recipient) != ERR_OK ||
        arena_copy(&j->arena, r->original, &x->original) != ERR_OK)
        return status_verdict(STATUS_LOCAL_ERROR);
    struct verdict v = deliver_target_find(d, j, r, x);
    if (!verdict_ok(&v))
        return v;
    if (loops(j, r))
        return status_verdict_text(STATUS_TOO_MANY_HOPS,
                                   SLICE("mail forwarding loop: it was delivered to this address before"));
    i->number = x->number = ++d->delivery_counter;
    i->body_size = h->facts.size;
    i->user = x->user.name;
    i->home = x->user.home;
    i->hostname = d->conf->route.hostname;
    return trace(j, e, r, &i->trace) == ERR_OK ? v : status_verdict(STATUS_LOCAL_ERROR);
}

static void deliver_one(struct deliver *d, struct job *j, uint32_t recipient)
{
    struct delivery *x = arena_alloc(&j->arena, sizeof *x);
    if (!x) {
        struct verdict v = status_verdict(STATUS_LOCAL_ERROR);
        result(d, j, recipient, &v);
        j->open--;
        return;
    }
    list_init(&x->link);
    x->job = j;
    x->recipient = recipient;
    x->started_us = os_now_us();
    struct verdict v = prepare(d, j, x);
    if (!verdict_ok(&v)) {
        deliver_delivery_done(d, x, &v);
        return;
    }
    j->unsent++;
    deliver_worker_give(d, x);
}

static void log_unreadable(uint64_t id, enum err why)
{
    struct trace_event e;
    char line[256], text[QUEUE_ID_TEXT_MAX];
    buf b;
    buf_init_fixed(&b, line, sizeof line);
    queue_id_print(&b, id);
    buf_append(&b, SLICE(": cannot be read from the spool: "));
    buf_append(&b, slice_str(err_text(why)));
    trace_event_init(&e, TRACE_NOTE, LOG_ERROR);
    trace_add(&e, TRACE_KEY_ID, slice_of(text, queue_id_write(text, id)));
    trace_add(&e, TRACE_KEY_REASON, slice_str(err_text(why)));
    trace_emit(&e, buf_slice(&b));
}

static void unreadable(struct deliver *d, struct job *j, const struct ipc_job *m, enum err e)
{
    struct verdict v = status_verdict(STATUS_LOCAL_ERROR);
    log_unreadable(j->place.id, e);
    for (size_t i = 0; i + sizeof(uint32_t) <= m->recipients.len; i += sizeof(uint32_t))
        result(d, j, get_u32(m->recipients.ptr + i), &v);
    job_end(d, j);
}

void deliver_job_take(struct deliver *d, const struct ipc_job *m)
{
    struct job *j = calloc(1, sizeof *j);
    if (!j) {
        child_job_defer(&d->child, m);
        return;
    }
    arena_init(&j->arena, JOB_ARENA_MAX);
    list_init(&j->kept);
    j->number = m->job;
    j->place = CHILD_PLACE_OF(*m);
    j->arrival_us = m->arrival_s * 1000000;
    j->dispatch_us = m->dispatch_us;
    list_push(&d->jobs, &j->link);
    enum err e = deliver_job_content_begin(d, j);
    if (e != ERR_OK) {
        unreadable(d, j, m, e);
        return;
    }
    j->arrival_us += spool_entry_head(j->entry)->arrival_us;
    uint32_t count = (uint32_t)(m->recipients.len / sizeof(uint32_t));
    /* One more than there are: the job must not end, nor lose its content, while it is still being given out. */
    j->open = count + 1;
    j->unsent = 1;
    for (uint32_t i = 0; i < count; i++)
        deliver_one(d, j, get_u32(m->recipients.ptr + i * sizeof(uint32_t)));
    deliver_job_content_end(d, j);
    if (--j->open == 0)
        job_end(d, j);
}

static uint32_t leases_send(struct deliver *d, struct hub_peer *queue, struct list *jobs)
{
    uint32_t count = 0;
    LIST_FOREACH(l, jobs) {
        const struct job *j = LIST_ENTRY(l, struct job, link);
        struct ipc_message m = {.type = IPC_hello_lease, .fd = -1, .u.hello_lease = {j->number, j->place.id}};
        ipc_hub_send(d->child.hub, queue, &m);
        count++;
    }
    return count;
}

static void kept_send(struct deliver *d, struct hub_peer *queue, struct job *j)
{
    for (struct list *l = list_pop(&j->kept); l; l = list_pop(&j->kept))
        result_send(d, queue, j, LIST_ENTRY(l, struct kept_result, link));
}

void deliver_jobs_hello(struct deliver *d, struct hub_peer *queue)
{
    struct ipc_message end = {.type = IPC_hello_end, .fd = -1};
    end.u.hello_end.count = leases_send(d, queue, &d->jobs) + leases_send(d, queue, &d->done);
    ipc_hub_send(d->child.hub, queue, &end);
    LIST_FOREACH(l, &d->jobs)
        kept_send(d, queue, LIST_ENTRY(l, struct job, link));
    LIST_FOREACH(l, &d->done) {
        struct job *j = LIST_ENTRY(l, struct job, link);
        kept_send(d, queue, j);
        end_send(d, queue, j);
    }
}
