/* SPDX-License-Identifier: ISC */
/* What few messages ask for beside delivery: reports of success, a time before which nothing is tried (RFC 4865), a time to be delivered by (RFC 2852), a tag to be found by. It is
 * read from the head when the message comes and kept while it lives; a message that asks nothing has no entry and costs nothing. */
#include "proc/queue/state.h"

/* Of a step: as many looks, or a report for so many of them. */
#define STEP_WORK 20000u
#define REPORT_WORK 100u

static struct wish *at(const struct queue *q, uint32_t handle)
{
    return slab_at(&q->wishes, handle);
}

static uint32_t seconds(int64_t unix_s)
{
    return unix_s <= 0 ? 0 : unix_s > UINT32_MAX ? UINT32_MAX : (uint32_t)unix_s;
}

static void read_recipients(struct wish *w, const struct envelope *e)
{
    for (uint32_t i = 0; i < e->recipient_count; i++)
        w->flags |= e->recipients[i].notify & NOTIFY_SUCCESS ? WISH_SUCCESS : 0;
}

/* Of several envelopes the latest release and the earliest deadline count for all; of several tags the head must tell. */
static void read_envelope(struct wish *w, const struct envelope *e)
{
    uint32_t release_s = seconds(e->release_s), by_s = seconds(e->deliver_by_s);
    if (release_s > w->release_s)
        w->release_s = release_s;
    if (by_s && (!w->deliver_by_s || by_s < w->deliver_by_s)) {
        w->deliver_by_s = by_s;
        w->flags |= e->flags & ENVELOPE_BY_RETURN ? WISH_BY_RETURN : 0;
    }
    w->flags |= e->flags & ENVELOPE_BY_TRACE ? WISH_TRACE : 0;
    if (e->tag.len > 0) {
        w->tag = w->flags & WISH_TAG ? 0 : queue_wish_tag(e->tag);
        w->flags |= WISH_TAG;
    }
    read_recipients(w, e);
}

uint32_t queue_wish_tag(slice tag)
{
    return hash_crc32c(0, tag);
}

struct wish queue_wish_read(const struct spool_head *head)
{
    struct wish w = {0};
    for (uint16_t i = 0; i < head->envelope_count; i++)
        read_envelope(&w, &head->envelopes[i]);
    /* RFC 2852 section 4: with mode N a time that was over when it came was told by whoever had it then. */
    if (w.deliver_by_s && (int64_t)w.deliver_by_s <= head->arrival_s && !(w.flags & WISH_BY_RETURN))
        w.flags |= WISH_BY_DONE;
    return w;
}

enum err queue_wish_set(struct queue *q, uint32_t message, struct wish wish)
{
    struct sched_message *m = sched_message(q->sched, message);
    if (!wish.release_s && !wish.deliver_by_s && !wish.flags)
        return ERR_OK;
    if (!m->extra)
        m->extra = slab_alloc(&q->wishes);
    if (!m->extra)
        return ERR_NOMEM;
    wish.message = message;
    *at(q, m->extra) = wish;
    if (wish.deliver_by_s && wish.deliver_by_s < q->wish_due_s)
        q->wish_due_s = wish.deliver_by_s;
    return ERR_OK;
}

struct wish *queue_wish(const struct queue *q, uint32_t message)
{
    const struct sched_message *m = sched_message(q->sched, message);
    return m->extra ? at(q, m->extra) : NULL;
}

void queue_wish_drop(struct queue *q, uint32_t message)
{
    struct sched_message *m = sched_message(q->sched, message);
    if (m->extra)
        slab_free(&q->wishes, m->extra);
    m->extra = 0;
}

struct wish *queue_wish_next(const struct queue *q, uint32_t *cursor)
{
    while (*cursor < q->wishes.used) {
        struct wish *w = at(q, ++*cursor);
        if (w->message)
            return w;
    }
    return NULL;
}

bool queue_wish_waits(const struct queue *q, uint32_t message, int64_t now_s)
{
    const struct wish *w = queue_wish(q, message);
    return w && w->release_s > now_s;
}

/* RFC 4865 section 4: it is not tried before. */
void queue_wish_hold_back(struct queue *q, uint32_t message)
{
    const struct wish *w = queue_wish(q, message);
    if (!w || w->release_s <= os_wall_s())
        return;
    char memory[128];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_append(&b, SLICE("held until "));
    date_print_rfc5322(&b, w->release_s, 0);
    buf_append(&b, SLICE(" as the sender asked"));
    for (uint32_t part = sched_message(q->sched, message)->first_part; part;
         part = sched_part(q->sched, part)->next_in_message)
        sched_part_restore(q->sched, part, sched_part(q->sched, part)->tries, w->release_s, buf_slice(&b));
    q->sweep_wanted = true;
}

int64_t queue_wish_begin_s(const struct queue *q, uint32_t message)
{
    const struct wish *w = queue_wish(q, message);
    int64_t arrival_s = sched_message(q->sched, message)->arrival_s;
    return w && w->release_s > arrival_s ? w->release_s : arrival_s;
}

bool queue_wish_by_passed(const struct queue *q, uint32_t message, int64_t now_s)
{
    const struct wish *w = queue_wish(q, message);
    return w && w->deliver_by_s && w->deliver_by_s <= now_s;
}

bool queue_wish_step(struct queue *q, int64_t now_s)
{
    if (!q->recovered || (q->wish_at == 0 && now_s < q->wish_due_s))
        return false;
    if (q->wish_at == 0)
        q->wish_due_s = INT64_MAX;
    for (uint32_t work = 0; work < STEP_WORK && !queue_batch_behind(q); work++) {
        const struct wish *w = queue_wish_next(q, &q->wish_at);
        if (!w) {
            q->wish_at = 0;
            return false;
        }
        if (!w->deliver_by_s || w->flags & WISH_BY_DONE)
            continue;
        if (w->deliver_by_s > now_s) {
            q->wish_due_s = w->deliver_by_s < q->wish_due_s ? w->deliver_by_s : q->wish_due_s;
            continue;
        }
        queue_outcome_by_passed(q, w->message);
        work += REPORT_WORK;
    }
    return true;
}

static void show_date(buf *text, const char *name, int64_t at_s)
{
    buf_printf(text, "%-11s", name);
    date_print_rfc3339(text, at_s);
    buf_append_char(text, '\n');
}

void queue_wish_show(const struct queue *q, uint32_t message, buf *text)
{
    const struct wish *w = queue_wish(q, message);
    int8_t priority = sched_message(q->sched, message)->priority;
    if (w && w->release_s)
        show_date(text, "not before", w->release_s);
    if (w && w->deliver_by_s)
        show_date(text, w->flags & WISH_BY_RETURN ? "return at" : "tell at", w->deliver_by_s);
    if (priority)
        buf_printf(text, "%-11s%d\n", "priority", priority);
}
