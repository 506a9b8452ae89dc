/* SPDX-License-Identifier: ISC */
/* What is on the disk and not in the index: a mail for which there was no memory, a segment that the disk does not give. The rest goes on meanwhile; the queue is started again when
 * it may be had, and reads everything anew. Until then no checkpoint is written, and the segments stay. */
#include "proc/queue/state.h"

#define MEMORY_MS 10000 /* how long a shortage of memory is given to pass */
#define DISK_MS 10000   /* between two looks at a segment */

void queue_incomplete(struct queue *q)
{
    q->incomplete = true;
    if (q->again_ms == 0)
        q->again_ms = loop_now_ms(q->child.loop) + (q->aside_count > 0 ? DISK_MS : MEMORY_MS);
}

void queue_break(struct queue *q, const char *what)
{
    if (!q->broken)
        log_line(LOG_ERROR, "out of memory (%s): starting again", what);
    q->broken = true;
    child_stop(&q->child, 1);
}

void queue_aside_add(struct queue *q, uint64_t number)
{
    struct segment *s = queue_segment_get(q, number);
    uint64_t *aside = realloc(q->aside, (q->aside_count + 1) * sizeof *aside);
    if (aside)
        q->aside = aside;
    /* The sweep would take it for nobody's. */
    if (!s || !aside) {
        queue_break(q, "a segment that cannot be read");
        return;
    }
    s->damaged = true;
    q->aside[q->aside_count++] = number;
    queue_incomplete(q);
    log_line(LOG_ERROR, "spool segment %016llx cannot be read: its mail waits until it can, the rest goes on",
             (unsigned long long)number);
}

void queue_aside_print(const struct queue *q, buf *text)
{
    for (size_t i = 0; i < q->aside_count; i++)
        buf_printf(text, "segment %016llx cannot be read: its mail waits until it can\n",
                   (unsigned long long)q->aside[i]);
}

static bool one_is_back(const struct queue *q)
{
    for (size_t i = 0; i < q->aside_count; i++) {
        if (spool_segment_probe(q->child.start->spool_fd, q->aside[i]) == ERR_OK)
            return true;
    }
    return q->aside_count == 0;
}

void queue_aside_step(struct queue *q)
{
    int64_t now_ms = loop_now_ms(q->child.loop);
    if (!q->incomplete || now_ms < q->again_ms || q->child.draining)
        return;
    q->again_ms = now_ms + DISK_MS;
    if (!one_is_back(q))
        return;
    log_line(LOG_INFO, "starting again, to read what could not be taken before");
    child_stop(&q->child, 1);
}
