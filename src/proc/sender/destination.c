/* SPDX-License-Identifier: ISC */
#include "proc/sender/state.h"

#define IDLE_DESTINATION_MS (60 * 1000)
#define TARGET_ARENA_MAX 262144u

void sender_destinations_init(struct sender *s, struct hash_key key)
{
    list_init(&s->destinations);
    list_init(&s->waiting);
    list_init(&s->asking);
    table_init(&s->destination_by_key, key, false, 1u << 24);
    table_init(&s->destination_by_token, key, false, 1u << 24);
}

static void destination_used(struct sender *s, struct destination *d)
{
    d->used_ms = loop_now_ms(s->child.loop);
    list_remove(&d->link);
    list_push(&s->destinations, &d->link);
}

static slice string_put(char **at, slice from)
{
    slice kept = slice_of(*at, from.len);
    if (from.len > 0)
        memcpy(*at, from.ptr, from.len);
    *at += from.len;
    return kept;
}

/* With its names, which may be a recipient's and not the configuration's. */
static struct destination *destination_alloc(const struct next_hop *hop, slice key)
{
    struct destination *d = calloc(1, sizeof *d + key.len + hop->host.len + hop->unix_path.len + hop->domain.len);
    if (!d)
        return NULL;
    char *at = d->strings;
    d->key = string_put(&at, key);
    d->hop = *hop;
    d->hop.host = string_put(&at, hop->host);
    d->hop.unix_path = string_put(&at, hop->unix_path);
    d->hop.domain = string_put(&at, hop->domain);
    return d;
}

static struct destination *destination_new(struct sender *s, const struct next_hop *hop, slice key)
{
    struct destination *d = destination_alloc(hop, key);
    if (!d)
        return NULL;
    list_init(&d->link);
    list_init(&d->jobs);
    list_init(&d->sessions);
    list_init(&d->waits);
    list_init(&d->opens);
    list_init(&d->asks);
    arena_init(&d->target_arena, TARGET_ARENA_MAX);
    if (table_put(&s->destination_by_key, d->key, d) != ERR_OK) {
        free(d);
        return NULL;
    }
    d->credentials = sender_credentials_find(s, d->hop.override);
    return d;
}

struct destination *sender_destination_get(struct sender *s, const struct next_hop *hop, uint32_t connections)
{
    char memory[512];
    buf key;
    buf_init_fixed(&key, memory, sizeof memory);
    route_next_key(&key, hop);
    struct destination *d = table_get(&s->destination_by_key, buf_slice(&key));
    if (!d)
        d = destination_new(s, hop, buf_slice(&key));
    if (d) {
        d->connections = connections ? connections : 1;
        destination_used(s, d);
    }
    return d;
}

static bool more_sessions(struct sender *s, struct destination *d)
{
    /* A session that is being opened will take one of the waiting jobs; more of them are opened only for jobs beyond those, two for each. */
    if (d->session_count > 0 && loop_now_ms(s->child.loop) < d->no_more_until_ms)
        return false;
    return d->job_count > d->opening * 2 && d->session_count < d->connections && sender_pace_allows(s, d);
}

/* Gives a waiting job to an idle session; false when nothing fits any more. The session is driven at once: it may be done with the job without a word to its host. */
static bool idle_used(struct sender *s, struct destination *d)
{
    if (d->idle == 0 || d->job_count == 0)
        return false;
    struct session *x = LIST_ENTRY(d->sessions.next, struct session, link);
    sender_session_next(s, x);
    sender_session_drive(s, x);
    return true;
}

/* The first job's: a session there can take all others too that have failed at fewer targets. */
static uint32_t target_wanted(const struct destination *d)
{
    uint32_t first = LIST_ENTRY(d->jobs.next, struct job, link)->target_first;
    if (first >= d->target_count)
        first = 0;
    return first > d->target_first ? first : d->target_first;
}

void sender_destination_pump(struct sender *s, struct destination *d)
{
    while (idle_used(s, d))
        continue;
    if (d->job_count > 0 && d->credentials && d->credentials->missing) {
        struct verdict v =
            status_verdict_text(STATUS_AUTH_NEXT_HOP, SLICE("The login for the next host could not be read"));
        sender_destination_down(s, d, &v, SLICE_NONE, false);
    }
    if (d->job_count == 0 || !sender_targets_ready(s, d))
        return;
    while (more_sessions(s, d)) {
        uint32_t before = d->session_count;
        sender_session_open(s, d, target_wanted(d), false);
        if (d->session_count == before)
            break;
    }
}

static void down_send(struct sender *s, uint32_t number, const struct verdict *v, slice host, bool remote)
{
    struct hub_peer *queue = ipc_hub_find(s->child.hub, PROCESS_QUEUE);
    if (!queue)
        return;
    struct ipc_message m = {.type = IPC_destination_down, .fd = -1};
    m.u.destination_down.destination = number;
    m.u.destination_down.remote = remote;
    CHILD_VERDICT_SET(m.u.destination_down, v);
    m.u.destination_down.host = host;
    ipc_hub_send(s->child.hub, queue, &m);
}

static void fail(struct sender *s, struct job *j, const struct verdict *v, bool remote)
{
    for (uint32_t i = 0; i < j->recipient_count; i++) {
        if (!j->results[i].set)
            sender_job_result_set(j, i, v, remote);
    }
    sender_job_report(s, j, NULL);
}

void sender_destination_down(struct sender *s, struct destination *d, const struct verdict *v, slice host, bool remote)
{
    bool permanent = verdict_class(v) == VERDICT_PERMANENT;
    uint32_t told = 0;
    d->targets_until_ms = 0;
    d->target_first = 0;
    if (d->job_count > 0 && !permanent)
        sender_log_down(d, v, host);
    for (struct job *j = sender_job_first(d); j; j = sender_job_first(d)) {
        sender_report_log_unsent(s, j, v, host);
        if (permanent) {
            fail(s, j, v, remote);
            continue;
        }
        if (j->queue_destination != 0 && j->queue_destination != told)
            down_send(s, j->queue_destination, v, host, remote);
        told = j->queue_destination;
        sender_job_return(s, j);
    }
}

static void destination_free(struct sender *s, struct destination *d)
{
    sender_targets_forget(s, d);
    (void)table_remove(&s->destination_by_key, d->key);
    list_remove(&d->link);
    list_remove(&d->waits);
    list_remove(&d->opens);
    arena_deinit(&d->target_arena);
    free(d);
}

/* They lie in the order of their last use: those that are idle for too long come first. One that is long busy counts as used again, so each is looked at once in that time. */
static void idle_sweep(struct sender *s)
{
    int64_t now_ms = loop_now_ms(s->child.loop);
    while (!list_empty(&s->destinations)) {
        struct destination *d = LIST_ENTRY(s->destinations.next, struct destination, link);
        if (now_ms - d->used_ms <= IDLE_DESTINATION_MS)
            return;
        if (d->session_count == 0 && d->job_count == 0 && !d->asking)
            destination_free(s, d);
        else
            destination_used(s, d);
    }
}

void sender_destination_sweep(struct sender *s)
{
    /* Whatever kept their jobs waiting (no memory, too many sessions in all) may be over. A job that comes back at once waits for the next sweep. */
    struct list turn;
    list_init(&turn);
    for (struct list *l = list_pop(&s->waiting); l; l = list_pop(&s->waiting))
        list_push(&turn, l);
    for (struct list *l = list_pop(&turn); l; l = list_pop(&turn)) {
        list_push(&s->waiting, l);
        sender_destination_pump(s, LIST_ENTRY(l, struct destination, waits));
    }
    idle_sweep(s);
}

void sender_destination_close_all(struct sender *s)
{
    LIST_FOREACH(l, &s->destinations)
        destination_free(s, LIST_ENTRY(l, struct destination, link));
    table_deinit(&s->destination_by_key);
    table_deinit(&s->destination_by_token);
}
