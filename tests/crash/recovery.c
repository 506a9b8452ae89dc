/* SPDX-License-Identifier: ISC */
#include "recovery.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "disk.h"
#include "proc/queue/state.h"

#define CONTENT_MAX (64u << 20)

struct recovery {
    struct queue queue;
    struct child_start start;
    int dir_fd, control[2];
};

static void nothing(void *ctx)
{
    (void)ctx;
}

static enum err queue_open(struct queue *q, const struct child_start *start)
{
    static const struct ipc_hub_ops ops = {0};
    q->conf = start->conf;
    q->child.start = start;
    q->child.conf = start->conf;
    q->key = start->hash_key;
    q->sched_options = (struct sched_options){.retry_s = q->conf->queue.retry_s,
                                              .retry_count = q->conf->queue.retry_count,
                                              .connections = q->conf->queue.connections_per_destination,
                                              .jobs_max = 4096};
    q->route_stamp = queue_checkpoint_route_stamp(q->conf);
    table_init(&q->segments, q->key, false, UINT32_MAX / 2);
    table_init(&q->job_by_number, q->key, false, UINT32_MAX / 2);
    list_init(&q->jobs);
    list_init(&q->jobs_free);
    list_init(&q->batches);
    arena_init(&q->turn, 256u << 20);
    slab_init(&q->wishes, sizeof(struct wish));
    q->wish_due_s = INT64_MAX;
    enum err e = sched_open(&q->sched_options, q->key, &q->sched);
    if (e == ERR_OK)
        e = route_index_open(&q->conf->route, q->key, &q->routes);
    if (e == ERR_OK)
        e = loop_open(&q->child.loop);
    if (e == ERR_OK)
        e = ipc_hub_open(q->child.loop, (struct ipc_hub_self){PROCESS_QUEUE, start->control_fd}, &ops, q,
                         &q->child.hub);
    if (e == ERR_OK)
        e = loop_timer_open(q->child.loop, nothing, q, &q->tick);
    if (e == ERR_OK)
        e = queue_checkpoint_open(q);
    if (e == ERR_OK)
        e = spool_reader_open(start->spool_fd, &q->reader);
    return e;
}

bool recovery_begin(const char *path, const struct conf *conf, struct recovery **r_r)
{
    struct recovery *r = calloc(1, sizeof(*r));
    if (!r || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, r->control) != 0)
        abort();
    r->start = (struct child_start){.kind = PROCESS_QUEUE,
                                    .process = 1,
                                    .generation = 1,
                                    .conf = conf,
                                    .hash_key = {3, 4},
                                    .control_fd = r->control[0]};
    enum err e = spool_dir_open(path, &r->dir_fd);
    if (e == ERR_OK)
        e = spool_numbers_take(r->dir_fd, 1, &r->start.number_floor);
    r->start.spool_fd = r->dir_fd;
    if (e == ERR_OK)
        e = queue_open(&r->queue, &r->start);
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "the spool cannot be opened: %s", err_text(e));
        return false;
    }
    r->queue.settled = true;
    queue_recover_when_settled(&r->queue);
    *r_r = r;
    return r->queue.recovered;
}

void recovery_checkpoint(struct recovery *r)
{
    queue_checkpoint_whole(&r->queue);
}

void recovery_end(struct recovery **recovery)
{
    struct recovery *r = *recovery;
    struct queue *q = &r->queue;
    loop_timer_close(&q->tick);
    queue_checkpoint_close(q);
    loop_watch_close(&q->commit_watch);
    os_close(&q->commit_fd);
    loop_timer_close(&q->checkpoint_timer);
    spool_reader_close(&q->reader);
    queue_segments_close(q);
    slab_deinit(&q->wishes);
    sched_close(&q->sched);
    route_index_close(&q->routes);
    arena_deinit(&q->turn);
    os_close(&r->dir_fd);
    os_close(&r->control[1]);
    free(r);
    *recovery = NULL;
}

uint64_t recovery_number(const struct recovery *r)
{
    return r->start.number_floor;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void parts_take(struct queue *q, uint32_t message, struct recovery_message *m, uint32_t **open)
{
    for (uint32_t part = sched_message(q->sched, message)->first_part; part;
         part = sched_part(q->sched, part)->next_in_message) {
        const struct sched_part *p = sched_part(q->sched, part);
        const uint32_t *list;
        uint32_t count = sched_part_recipients(q->sched, part, &list);
        *open = realloc(*open, (m->open_count + count + 1) * sizeof(**open));
        if (!*open)
            abort();
        memcpy(*open + m->open_count, list, count * sizeof(*list));
        m->open_count += count;
        uint64_t h = hash_siphash(q->key, slice_str(sched_destination(q->sched, p->destination)->key));
        h = disk_hash(h, p->tries);
        /* What is due is ready as soon as somebody looks. */
        h = disk_hash(h, p->state == SCHED_WAITING && p->next_s > os_wall_s() + 60 ? p->next_s : 0);
        h = disk_hash(h, p->state == SCHED_PART_HELD);
        for (uint32_t i = 0; i < count; i++)
            h = disk_hash(h, list[i]);
        m->schedule += h; /* parts have no order */
    }
    if (m->open_count)
        qsort(*open, m->open_count, sizeof(**open), ascending);
    m->open = *open;
}

static enum err content_take(struct spool_entry *entry, buf *all)
{
    for (;;) {
        slice piece;
        enum err e = spool_entry_content(entry, all->len, 1 << 20, &piece);
        if (e != ERR_OK || piece.len == 0)
            return e;
        buf_append(all, piece);
        if (!buf_ok(all))
            return ERR_NOMEM;
    }
}

void recovery_list(struct recovery *r, void (*take)(void *ctx, const struct recovery_message *m), void *ctx)
{
    struct queue *q = &r->queue;
    buf all;
    buf_init(&all, CONTENT_MAX);
    for (uint32_t i = sched_message_next(q->sched, 0); i; i = sched_message_next(q->sched, i)) {
        const struct sched_message *s = sched_message(q->sched, i);
        const struct spool_place place = {s->segment, s->id, s->offset, s->length, s->epoch, s->copy};
        struct recovery_message m = {.id = s->id, .copy = s->copy, .schedule = disk_hash(s->flags, s->copy)};
        uint32_t *open = NULL;
        struct spool_entry *entry = NULL;
        parts_take(q, i, &m, &open);
        buf_clear(&all);
        m.err = spool_entry_open(q->reader, &place, &entry);
        if (m.err == ERR_OK)
            m.err = content_take(entry, &all);
        m.head = m.err == ERR_OK ? spool_entry_head(entry) : NULL;
        m.content = buf_slice(&all);
        take(ctx, &m);
        spool_entry_close(&entry);
        free(open);
    }
    buf_deinit(&all);
}
