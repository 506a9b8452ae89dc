/* SPDX-License-Identifier: ISC */
/* Jobs: parts that are out with sender or deliver. A job's lease ends by its result, by its return, or by the confirmed death of the process that has it: never by a time-out. */
#include "proc/queue/state.h"

#define JOB_ARENA_MAX (256u * 1024)
#define PENDING_MAX (4u * 1024 * 1024)
#define RESULTS_MAX 200000u /* twice as many as a message can have recipients */
#define TEXT_MAX 512u

static slice key_of(const struct job *j)
{
    return slice_of(&j->number, sizeof j->number);
}

/* NULL without memory, or when the number is there already. */
static struct job *job_new(struct queue *q, uint64_t number, struct hub_peer *peer)
{
    struct list *l = list_pop(&q->jobs_free);
    struct job *j = l ? LIST_ENTRY(l, struct job, link) : calloc(1, sizeof *j);
    if (!j)
        return NULL;
    if (!l)
        arena_init(&j->arena, JOB_ARENA_MAX);
    j->number = number;
    j->peer = peer;
    j->part = 0;
    j->ended = false;
    if (table_get(&q->job_by_number, key_of(j)) || table_put(&q->job_by_number, key_of(j), j) != ERR_OK) {
        list_push(&q->jobs_free, &j->link);
        return NULL;
    }
    list_push(&q->jobs, &j->link);
    return j;
}

static void job_free(struct queue *q, struct job *j)
{
    (void)table_remove(&q->job_by_number, key_of(j));
    arena_reset(&j->arena);
    j->result_count = 0;
    if (j->segment)
        queue_segment_live_drop(q, j->segment);
    j->segment = 0;
    list_remove(&j->link);
    list_push_front(&q->jobs_free, &j->link);
}

static struct job *job_find(struct queue *q, const struct hub_peer *p, uint64_t number)
{
    struct job *j = table_get(&q->job_by_number, slice_of(&number, sizeof number));
    return j && j->peer == p ? j : NULL;
}

static struct hub_peer *worker_for(struct queue *q, uint8_t kind)
{
    return ipc_hub_find(q->child.hub, kind == NEXT_LOCAL ? PROCESS_DELIVER : PROCESS_SENDER);
}

static void job_send(struct queue *q, struct job *j, const struct sched_part *p, int64_t now_us)
{
    const struct sched_message *m = sched_message(q->sched, p->message);
    const uint32_t *list;
    uint32_t count = sched_part_recipients(q->sched, j->part, &list);
    struct spool_place place = {m->segment, m->id, m->offset, m->length, m->epoch, m->copy};
    /* The message may move meanwhile: what the job reads from must stay. */
    j->segment = m->segment;
    queue_segment_live_add(q, j->segment);
    struct ipc_message out = {.type = IPC_job, .fd = -1};
    struct ipc_job *job = &out.u.job;
    job->job = j->number;
    job->destination = p->destination;
    job->connections = q->conf->queue.connections_per_destination;
    CHILD_PLACE_SET(*job, &place);
    job->arrival_s = m->arrival_s;
    job->dispatch_us = now_us;
    char *bytes = arena_array(&q->turn, count, sizeof(uint32_t));
    if (bytes) {
        for (uint32_t i = 0; i < count; i++)
            put_u32(bytes + i * sizeof(uint32_t), list[i]);
        job->recipients = slice_of(bytes, count * sizeof(uint32_t));
    }
    ipc_hub_send(q->child.hub, j->peer, &out);
}

void queue_dispatch(struct queue *q)
{
    if (!q->recovered || q->child.draining || queue_batch_behind(q) || !queue_numbers_left(q))
        return;
    int64_t now_us = os_wall_us();
    for (int i = 0; i < 512; i++) {
        if (!ipc_hub_find(q->child.hub, PROCESS_SENDER) || !ipc_hub_find(q->child.hub, PROCESS_DELIVER))
            return;
        uint32_t part = sched_dispatch(q->sched);
        if (!part)
            return;
        if (queue_intake_handled_here(q, part))
            continue;
        const struct sched_part *p = sched_part(q->sched, part);
        struct hub_peer *peer = worker_for(q, sched_destination(q->sched, p->destination)->kind);
        struct job *j = NULL;
        if (ipc_hub_pending(q->child.hub, peer) < PENDING_MAX)
            j = job_new(q, (uint64_t)q->child.start->process << 40 | (++q->job_counter & 0xffffffffffu), peer);
        if (!j) {
            sched_part_return(q->sched, part);
            return;
        }
        j->part = part;
        j->id = sched_message(q->sched, p->message)->id;
        job_send(q, j, p, now_us);
    }
    /* More is ready than one turn should take: go on after other events had theirs. */
    loop_timer_start(q->tick, 0);
}

static bool results_room(struct job *j, size_t more)
{
    if (j->result_count + more <= j->result_cap)
        return true;
    if (j->result_count + more > RESULTS_MAX)
        return false;
    size_t cap = (j->result_count + more) * 2;
    struct result *results = realloc(j->results, cap * sizeof *results);
    if (!results)
        return false;
    j->results = results;
    j->result_cap = cap;
    return true;
}

/* The words of a success are kept for its report only. */
static bool wanted_whole(const struct queue *q, const struct job *j)
{
    return !j->part || queue_wish(q, sched_part(q->sched, j->part)->message);
}

void queue_dispatch_result(struct queue *q, struct hub_peer *p, const struct ipc_result *r)
{
    struct job *j = job_find(q, p, r->job);
    size_t count = r->recipients.len / sizeof(uint32_t);
    if (!j || !results_room(j, count))
        return; /* Without memory the recipients stay open and are tried again: twice rather than never. */
    struct result result = {.code = r->code,
                            .remote = r->remote != 0,
                            .dsn = r->dsn & RESULT_DSN_MASK,
                            .by_passed = (r->dsn & RESULT_BY_PASSED) != 0};
    result.enhanced[0] = r->enhanced_class;
    result.enhanced[1] = r->enhanced_subject;
    result.enhanced[2] = r->enhanced_detail;
    if ((r->code / 100 != 2 || wanted_whole(q, j)) &&
        (arena_copy(&j->arena, slice_sub(r->text, 0, TEXT_MAX), &result.text) != ERR_OK ||
         arena_copy(&j->arena, slice_sub(r->host, 0, TEXT_MAX), &result.host) != ERR_OK))
        result.text = result.host = SLICE_NONE;
    for (size_t i = 0; i < count; i++) {
        result.recipient = get_u32(r->recipients.ptr + i * sizeof(uint32_t));
        j->results[j->result_count++] = result;
    }
}

/* A job from the queue before us stands for all parts of its message that are not another such job's. */
static bool last_of_message(const struct queue *q, const struct job *j)
{
    LIST_FOREACH(l, &q->jobs) {
        const struct job *other = LIST_ENTRY(l, const struct job, link);
        if (other != j && other->part == 0 && other->id == j->id)
            return false;
    }
    return true;
}

bool queue_dispatch_has_job(const struct queue *q, uint32_t part)
{
    LIST_FOREACH(l, &q->jobs) {
        if (LIST_ENTRY(l, const struct job, link)->part == part)
            return true;
    }
    return false;
}

/* Whose part cannot be told: all of them go back with the last of these jobs, but those that have been given out anew. */
static void message_parts_return(struct queue *q, const struct job *j)
{
    uint32_t message = sched_message_find(q->sched, j->id);
    if (!message || !last_of_message(q, j))
        return;
    for (uint32_t part = sched_message(q->sched, message)->first_part, next; part; part = next) {
        next = sched_part(q->sched, part)->next_in_message;
        if (sched_part(q->sched, part)->state == SCHED_LEASED && !queue_dispatch_has_job(q, part))
            sched_part_return(q->sched, part);
    }
}

static void job_end(struct queue *q, struct job *j)
{
    /* Without numbers no report could be made of it. */
    if (!q->recovered || !queue_numbers_left(q)) {
        j->ended = true;
        j->peer = NULL;
        return;
    }
    if (j->result_count > 0)
        queue_outcome_job(q, j);
    else if (j->part)
        sched_part_return(q->sched, j->part);
    if (!j->part)
        message_parts_return(q, j);
    job_free(q, j);
}

void queue_dispatch_job_end(struct queue *q, struct hub_peer *p, uint64_t number)
{
    struct job *j = job_find(q, p, number);
    if (j)
        job_end(q, j);
}

void queue_dispatch_lease(struct queue *q, struct hub_peer *p, const struct ipc_hello_lease *l)
{
    /* Whoever came later has no job that we did not give. */
    struct job *j = q->recovered ? NULL : job_new(q, l->job, p);
    if (j)
        j->id = l->id;
}

/* What was under way had been due, whatever its record says of the next attempt, and was held, if it is, only when it was under way: an admin had ordered it. */
static void lease_due(struct queue *q, const struct job *j)
{
    uint32_t message = sched_message_find(q->sched, j->id);
    if (!message)
        return;
    bool held = (sched_message(q->sched, message)->flags & SCHED_HELD) != 0;
    for (uint32_t part = sched_message(q->sched, message)->first_part; part;
         part = sched_part(q->sched, part)->next_in_message) {
        const struct sched_destination *d = sched_destination(q->sched, sched_part(q->sched, part)->destination);
        sched_part_until(q->sched, part, 0);
        if (held && d->kind != NEXT_HOLD)
            sched_part_release(q->sched, part);
    }
}

static void lease_take(struct queue *q, struct job *j)
{
    uint32_t message = sched_message_find(q->sched, j->id);
    if (!message)
        return;
    j->segment = sched_message(q->sched, message)->segment;
    queue_segment_live_add(q, j->segment);
    for (uint32_t part = sched_message(q->sched, message)->first_part; part;
         part = sched_part(q->sched, part)->next_in_message) {
        if (sched_part(q->sched, part)->state == SCHED_READY)
            sched_part_lease(q->sched, part);
    }
}

void queue_dispatch_leases_take(struct queue *q)
{
    LIST_FOREACH(l, &q->jobs)
        lease_due(q, LIST_ENTRY(l, struct job, link));
    (void)sched_tick(q->sched, os_wall_s());
    LIST_FOREACH(l, &q->jobs)
        lease_take(q, LIST_ENTRY(l, struct job, link));
    queue_dispatch_ended_take(q);
}

void queue_dispatch_ended_take(struct queue *q)
{
    LIST_FOREACH(l, &q->jobs) {
        struct job *j = LIST_ENTRY(l, struct job, link);
        if (j->ended)
            job_end(q, j);
    }
}

static slice down_reason(struct queue *q, const struct ipc_destination_down *d)
{
    struct verdict v = CHILD_VERDICT_OF(*d);
    buf b;
    char *memory = arena_alloc(&q->turn, 768);
    if (!memory)
        return v.text;
    buf_init_fixed(&b, memory, 768);
    if (d->host.len > 0)
        buf_printf(&b, "%.*s: ", SLICE_ARG(slice_sub(d->host, 0, 200)));
    status_print(&b, &v);
    return buf_slice(&b);
}

void queue_dispatch_destination_down(struct queue *q, const struct ipc_destination_down *d)
{
    /* The number came back from another process: it is checked like any input. */
    if (d->destination == 0 || sched_destination_next(q->sched, d->destination - 1) != d->destination)
        return;
    (void)sched_destination_down(q->sched, d->destination, os_wall_s(), down_reason(q, d));
    q->sweep_wanted = true;
}

void queue_dispatch_peer_dead(struct queue *q, const struct hub_peer *p)
{
    /* What it had reported before it died counts. */
    LIST_FOREACH(l, &q->jobs) {
        struct job *j = LIST_ENTRY(l, struct job, link);
        if (j->peer == p)
            job_end(q, j);
    }
}

void queue_dispatch_close(struct queue *q)
{
    struct list *lists[2] = {&q->jobs, &q->jobs_free};
    for (size_t i = 0; i < 2; i++) {
        for (struct list *l = list_pop(lists[i]); l; l = list_pop(lists[i])) {
            struct job *j = LIST_ENTRY(l, struct job, link);
            arena_deinit(&j->arena);
            free(j->results);
            free(j);
        }
    }
    table_deinit(&q->job_by_number);
}
