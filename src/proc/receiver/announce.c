/* SPDX-License-Identifier: ISC */
/* The queue learns what is on disk. Nothing is kept for a queue that is down: the HELLO to the next one tells how far the segments are committed, and it reads the gap itself. */
#include "proc/receiver/state.h"

#define UNACKED_MAX (64u << 20)
#define SILENCE_MAX_MS 30000
#define FRAME_COST 64 /* as the queue counts an announcement, beside its head */

_Static_assert(SPOOL_HEAD_MAX + FRAME_COST < IPC_FRAME_MAX, "what was stored can be announced");

static void count_unacked(struct receiver *r, uint64_t bytes)
{
    if (r->unacked == 0)
        r->unacked_since_ms = receiver_now_ms(r);
    r->unacked += bytes;
}

void announce_message(struct receiver *r, const struct spool_done *done)
{
    count_unacked(r, done->head.len + FRAME_COST);
    if (!r->queue)
        return;
    struct ipc_message m = {.type = IPC_announce, .fd = -1};
    CHILD_PLACE_SET(m.u.announce, &done->place);
    m.u.announce.committed = done->committed;
    m.u.announce.head = done->head;
    ipc_hub_send(r->child.hub, r->queue, &m);
}

void announce_closed(struct receiver *r, uint64_t segment)
{
    struct spool_segment_state state;
    for (size_t i = 0; r->queue && spool_writer_segment(r->writer, i, &state); i++) {
        if (state.segment != segment)
            continue;
        struct ipc_message m = {
            .type = IPC_segment_closed, .fd = -1, .u.segment_closed = {segment, state.epoch, state.committed}};
        ipc_hub_send(r->child.hub, r->queue, &m);
        return;
    }
}

void announce_queue_up(struct receiver *r, struct hub_peer *p)
{
    struct ipc_message m = {.type = IPC_hello_segment, .fd = -1};
    struct spool_segment_state state;
    uint32_t count = 0;
    while (spool_writer_segment(r->writer, count, &state)) {
        m.u.hello_segment = (struct ipc_hello_segment){state.segment, state.epoch, state.committed, state.closed};
        ipc_hub_send(r->child.hub, p, &m);
        count++;
    }
    m = (struct ipc_message){.type = IPC_hello_end, .fd = -1, .u.hello_end = {count}};
    ipc_hub_send(r->child.hub, p, &m);
    r->queue = p;
    r->unacked = 0;
}

void announce_queue_down(struct receiver *r, const struct hub_peer *p)
{
    if (r->queue != p)
        return;
    r->queue = ipc_hub_find(r->child.hub, PROCESS_QUEUE);
    /* at each reload, too; of a queue that has died the master warns */
    if (!r->queue)
        log_line(LOG_INFO, "the queue is down: mail is still taken for a while");
}

void announce_ack(struct receiver *r, const struct hub_peer *p, uint64_t bytes)
{
    if (p != r->queue)
        return;
    r->unacked -= bytes < r->unacked ? bytes : r->unacked;
    r->unacked_since_ms = receiver_now_ms(r);
}

bool announce_queue_busy(const struct receiver *r)
{
    if (r->unacked == 0)
        return false;
    return r->unacked > UNACKED_MAX || receiver_now_ms(r) - r->unacked_since_ms > SILENCE_MAX_MS;
}
