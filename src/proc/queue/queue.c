/* SPDX-License-Identifier: ISC */
#include "proc/queue/queue.h"

#include "proc/queue/state.h"

#define JOBS_MAX 4096u
#define TURN_MAX (256u * 1024 * 1024)
#define NUMBERS 16384u
#define NUMBERS_LOW 4096u
#define DRAIN_JOBS_MS 2000

static void numbers_ask(struct queue *q)
{
    if (q->numbers_asked)
        return;
    struct ipc_message m = {.type = IPC_numbers_wanted, .fd = -1};
    m.u.numbers_wanted.count = NUMBERS;
    ipc_hub_send(q->child.hub, NULL, &m);
    q->numbers_asked = true;
}

bool queue_numbers_left(struct queue *q)
{
    if (q->number_end - q->number_next < NUMBERS_LOW)
        numbers_ask(q);
    return q->number_next < q->number_end;
}

uint64_t queue_number(struct queue *q)
{
    return queue_numbers_left(q) ? q->number_next++ : 0;
}

/* One range serves both: names of segments and ids of our own mail. */
static void numbers_take(struct queue *q, const struct ipc_numbers *n)
{
    uint32_t half = n->count / 2;
    q->numbers_asked = false;
    q->number_next = n->first;
    q->number_end = n->first + half;
    spool_writer_supply_numbers(q->writer, n->first + half, n->count - half);
    if (q->recovered)
        queue_dispatch_ended_take(q);
}

static void peer_up(void *ctx, struct hub_peer *p)
{
    struct queue *q = ctx;
    if (p->kind != PROCESS_RECEIVER && p->kind != PROCESS_SENDER && p->kind != PROCESS_DELIVER)
        return;
    p->user = calloc(1, sizeof(struct peer_state));
    /* Without it we would not wait for its HELLO, and read what it has not committed. */
    if (!p->user)
        queue_break(q, "another process");
}

static void peer_down(void *ctx, struct hub_peer *p, bool dead)
{
    struct queue *q = ctx;
    queue_control_peer_down(q, p);
    if (!dead)
        return;
    queue_dispatch_peer_dead(q, p);
    if (p->kind == PROCESS_RECEIVER)
        queue_recover_left(q, p);
    free(p->user);
    p->user = NULL;
    queue_segments_release_all(q);
    queue_recover_when_settled(q);
    loop_timer_start(q->tick, 0);
}

static void hello_end(struct queue *q, struct hub_peer *p)
{
    struct peer_state *state = p->user;
    if (state)
        state->hello_done = true;
    queue_recover_when_settled(q);
}

static void segment_closed(struct queue *q, struct hub_peer *p, const struct ipc_segment_closed *c)
{
    struct segment *s = queue_segment_get(q, c->segment);
    if (s)
        queue_segment_epoch(s, c->epoch);
    if (!s || s->freed)
        return;
    s->owner = p;
    s->writer = p->process;
    s->closed = true;
    if (c->committed > s->committed)
        s->committed = c->committed;
    queue_segment_release(q, s);
}

static void message(void *ctx, struct hub_peer *p, const struct ipc_message *m)
{
    struct queue *q = ctx;
    switch (m->type) {
    case IPC_numbers:
        numbers_take(q, &m->u.numbers);
        break;
    case IPC_hello_segment:
        queue_recover_lease_limits(q, &m->u.hello_segment, p);
        break;
    case IPC_hello_lease:
        queue_dispatch_lease(q, p, &m->u.hello_lease);
        break;
    case IPC_hello_end:
        hello_end(q, p);
        break;
    case IPC_announce:
        queue_intake_announce(q, p, &m->u.announce);
        break;
    case IPC_segment_closed:
        segment_closed(q, p, &m->u.segment_closed);
        break;
    case IPC_result:
        queue_dispatch_result(q, p, &m->u.result);
        break;
    case IPC_job_done:
        queue_dispatch_job_end(q, p, m->u.job_done.job);
        break;
    case IPC_job_returned:
        queue_dispatch_job_end(q, p, m->u.job_returned.job);
        break;
    case IPC_destination_down:
        queue_dispatch_destination_down(q, &m->u.destination_down);
        break;
    case IPC_queue_request:
        queue_control_request(q, p, &m->u.queue_request);
        break;
    case IPC_etrn:
        queue_control_etrn(q, p, &m->u.etrn);
        break;
    case IPC_user_alarm:
        queue_alarm(q, &m->u.user_alarm);
        break;
    case IPC_queue_gone:
        queue_control_gone(q, p, m->u.queue_gone.token);
        break;
    default:
        break;
    }
}

static void drain(void *ctx, int64_t limit_ms)
{
    struct queue *q = ctx;
    q->drain_until_ms = loop_now_ms(q->child.loop) + (limit_ms < DRAIN_JOBS_MS ? limit_ms : DRAIN_JOBS_MS);
    q->child.draining = true;
    loop_timer_start(q->tick, 0);
}

static void settled(void *ctx)
{
    struct queue *q = ctx;
    q->settled = true;
    queue_recover_when_settled(q);
}

static void master_gone(void *ctx)
{
    struct queue *q = ctx;
    child_stop(&q->child, 0);
}

static void writer_reap(struct queue *q)
{
    struct spool_done done;
    while (spool_writer_next_done(q->writer, &done)) {
        if (done.closed_segment) {
            struct segment *s = queue_segment_get(q, done.closed_segment);
            if (s) {
                queue_segment_epoch(s, done.closed_epoch);
                s->mine = true;
                s->closed = true;
            }
        }
        if (done.kind == SPOOL_DONE_COMMITTED)
            queue_batch_committed(q, &done);
        else if (done.kind == SPOOL_DONE_NUMBERS_LOW)
            numbers_ask(q);
    }
}

static void writer_wakes(void *ctx, bool readable, bool writable)
{
    (void)readable;
    (void)writable;
    writer_reap(ctx);
}

static void acks_send(struct queue *q)
{
    for (struct hub_peer *p = ipc_hub_next(q->child.hub, NULL); p; p = ipc_hub_next(q->child.hub, p)) {
        struct peer_state *state = p->user;
        if (!state || state->unacked == 0 || p->kind != PROCESS_RECEIVER)
            continue;
        struct ipc_message m = {.type = IPC_announce_ack, .fd = -1};
        m.u.announce_ack.bytes = state->unacked;
        state->unacked = 0;
        ipc_hub_send(q->child.hub, p, &m);
    }
}

/* What is under way is waited for, so that its results are recorded by us; what takes longer is told to the next queue by its HELLO. */
static bool jobs_are_back(const struct queue *q)
{
    return list_empty(&q->jobs) || loop_now_ms(q->child.loop) >= q->drain_until_ms;
}

/* A disk that takes no records is not waited for: what was not recorded is done again at the next start. */
static bool records_are_stuck(const struct queue *q)
{
    return q->batches_waiting > 0 && loop_now_ms(q->child.loop) >= q->drain_until_ms;
}

/* A checkpoint says what the records before it say, so there is none where these are missing. */
static void end_when_drained(struct queue *q)
{
    if (!q->child.draining || !jobs_are_back(q))
        return;
    if (queue_batch_idle(q) && !queue_control_busy(q)) {
        if (q->recovered)
            queue_checkpoint_whole(q);
        child_stop(&q->child, 0);
    } else if (records_are_stuck(q)) {
        log_line(LOG_WARNING, "ending with outcomes that cannot be recorded: some mail may be delivered again");
        child_stop(&q->child, 0);
    }
}

static void gauges_set(const struct queue *q)
{
    trace_gauge_set(TRACE_GAUGE_MESSAGES, sched_message_count(q->sched));
    trace_gauge_set(TRACE_GAUGE_MESSAGES_ACTIVE, sched_jobs(q->sched));
    trace_gauge_set(TRACE_GAUGE_MESSAGES_HELD, sched_held(q->sched));
    trace_gauge_set(TRACE_GAUGE_DESTINATIONS, sched_message_count(q->sched) ? sched_destination_count(q->sched) : 0);
}

static void turn_end(void *ctx)
{
    struct queue *q = ctx;
    if (q->broken)
        return;
    queue_dispatch(q);
    queue_outcome_sweep(q);
    queue_alarm_step(q);
    queue_control_step(q);
    queue_checkpoint_step(q);
    queue_batch_submit(q);
    spool_writer_flush(q->writer);
    acks_send(q);
    arena_reset(&q->turn);
    gauges_set(q);
    end_when_drained(q);
}

static void tick(void *ctx)
{
    struct queue *q = ctx;
    int64_t now_s = os_wall_s();
    spool_reader_trim(q->reader);
    if (now_s < q->clock_s)
        sched_waits_shorten(q->sched, now_s);
    q->clock_s = now_s;
    int64_t next_s = sched_tick(q->sched, now_s);
    bool more = queue_wish_step(q, now_s);
    queue_aside_step(q);
    int64_t wait_ms = next_s == INT64_MAX || next_s - now_s > 1 ? 1000 : (next_s - now_s) * 1000;
    loop_timer_start(q->tick, more || wait_ms < 10 ? 10 : wait_ms);
}

static enum err timers_open(struct queue *q)
{
    enum err e = loop_timer_open(q->child.loop, tick, q, &q->tick);
    if (e == ERR_OK)
        e = loop_timer_open(q->child.loop, queue_batch_retry, q, &q->retry_batches);
    if (e == ERR_OK)
        e = loop_timer_open(q->child.loop, queue_batch_gathered, q, &q->gathered);
    if (e == ERR_OK)
        e = queue_checkpoint_open(q);
    if (e == ERR_OK)
        e = loop_at_turn_end(q->child.loop, turn_end, q);
    if (e != ERR_OK)
        return e;
    loop_timer_start(q->tick, 0);
    loop_timer_start(q->checkpoint_timer, 60 * 1000);
    return ERR_OK;
}

static enum err spool_open(struct queue *q, const struct child_start *start)
{
    struct spool_writer_options o = {
        .dir_fd = start->spool_fd,
        .writer = start->process,
        .min_free = q->conf->queue.min_free,
        .memory_max = 256u * 1024 * 1024,
        .inline_max = 16u * 1024 * 1024,
        .outcomes_only = true,
    };
    enum err e = spool_writer_open(&o, &q->writer);
    if (e == ERR_OK)
        e = loop_watch_open(q->child.loop, spool_writer_wake_fd(q->writer), writer_wakes, q, &q->writer_watch);
    if (e == ERR_OK)
        loop_watch_set(q->writer_watch, true, false);
    if (e == ERR_OK)
        e = spool_reader_open(start->spool_fd, &q->reader);
    return e;
}

static enum err tables_open(struct queue *q, const struct child_start *start)
{
    q->key = start->hash_key;
    q->sched_options = (struct sched_options){
        .retry_s = q->conf->queue.retry_s,
        .retry_count = q->conf->queue.retry_count,
        .connections = q->conf->queue.connections_per_destination,
        .jobs_max = JOBS_MAX,
    };
    q->route_stamp = queue_checkpoint_route_stamp(q->conf);
    table_init(&q->segments, q->key, false, UINT32_MAX / 2);
    table_init(&q->job_by_number, q->key, false, UINT32_MAX / 2);
    list_init(&q->jobs);
    list_init(&q->jobs_free);
    list_init(&q->batches);
    arena_init(&q->turn, TURN_MAX);
    slab_init(&q->wishes, sizeof(struct wish));
    q->wish_due_s = INT64_MAX;
    enum err e = sched_open(&q->sched_options, q->key, &q->sched);
    if (e == ERR_OK)
        e = route_index_open(&q->conf->route, q->key, &q->routes);
    return e;
}

static void close_all(struct queue *q)
{
    queue_checkpoint_close(q);
    queue_batch_close(q);
    queue_dispatch_close(q);
    spool_writer_close(&q->writer);
    spool_reader_close(&q->reader);
    queue_segments_close(q);
    slab_deinit(&q->wishes);
    sched_close(&q->sched);
    route_index_close(&q->routes);
    arena_deinit(&q->turn);
    free(q->limits);
    free(q->dead);
    free(q->aside);
}

int queue_main(const struct child_start *start)
{
    static const struct ipc_hub_ops ops = {
        .peer_up = peer_up,
        .peer_down = peer_down,
        .message = message,
        .drain = drain,
        .settled = settled,
        .master_gone = master_gone,
    };
    static struct queue queue;
    struct queue *q = &queue;
    struct sandbox_profile sandbox;
    queue_sandbox(start, &sandbox);
    q->conf = start->conf;
    enum err e = tables_open(q, start);
    if (e == ERR_OK)
        e = child_begin(&q->child, start, "qmgr", &ops, q);
    if (e == ERR_OK)
        e = child_become(&q->child, PROCESS_NO_CAPS);
    if (e == ERR_OK)
        e = child_confine(&sandbox);
    if (e == ERR_OK)
        e = spool_open(q, start);
    if (e == ERR_OK)
        e = timers_open(q);
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "the queue cannot start: %s", err_text(e));
        log_close();
        return 1;
    }
    child_ready(&q->child);
    int status = child_run(&q->child);
    close_all(q);
    return status;
}
