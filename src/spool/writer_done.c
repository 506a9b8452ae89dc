/* SPDX-License-Identifier: ISC */
/* The hand-over between the loop thread and the others: commits go down once a loop turn, completions come up a batch at a time. */
#include <assert.h>

#include "spool/writer_parts.h"

int spool_writer_wake_fd(const struct spool_writer *w)
{
    return w->wake_fd;
}

void spool_writer_done(struct spool_writer *w, struct done_node *node)
{
    list_push(&w->done, &node->link);
    if (w->signalled)
        return;
    /* With the lock held, so that a clear and this cannot pass each other. */
    w->signalled = true;
    os_event_signal(w->wake_fd);
}

void spool_writer_flush(struct spool_writer *w)
{
    if (w->submitted_count == 0 && (w->in_flight == 0 || w->open == w->open_shown))
        return;
    pthread_mutex_lock(&w->lock);
    w->open_seen = w->open_shown = w->open;
    w->in_flight += w->submitted_count;
    bool wake = spool_journal_submit(w, &w->submitted, w->submitted_count);
    w->submitted_count = 0;
    pthread_mutex_unlock(&w->lock);
    if (wake)
        pthread_cond_signal(&w->journal_wake);
}

static void fetch_done(struct spool_writer *w)
{
    pthread_mutex_lock(&w->lock);
    if (w->signalled) {
        w->signalled = false;
        os_event_clear(w->wake_fd);
    }
    struct list *l;
    while ((l = list_pop(&w->done))) {
        if (l == &w->numbers_node.link)
            w->numbers_reaped = true;
        else
            list_push(&w->reaped, l);
    }
    pthread_mutex_unlock(&w->lock);
}

static void place_of_item(const struct spool_commit *c, const struct group_item *item, struct spool_place *place_r)
{
    *place_r = (struct spool_place){
        .segment = c->segment,
        .id = item->id,
        .offset = c->offset + item->offset,
        .length = item->length,
        .epoch = c->epoch,
        .copy = item->copy,
    };
}

static slice head_of_item(const struct spool_commit *c, const struct group_item *item)
{
    return slice_of(c->head.ptr + item->offset + SPOOL_FRAME_SIZE, item->head_len);
}

static void describe(const struct spool_commit *c, struct spool_done *d)
{
    *d = (struct spool_done){.kind = SPOOL_DONE_COMMITTED,
                             .err = c->err,
                             .cookie = c->cookie,
                             .closed_segment = c->closed.number,
                             .closed_epoch = c->closed.epoch};
    if (c->err != ERR_OK)
        return;
    d->segment = c->segment;
    d->committed = c->committed;
    d->epoch = c->epoch;
    if (c->is_group) {
        if (c->item_count == 0)
            return;
        place_of_item(c, &c->items[0], &d->place);
        d->head = head_of_item(c, &c->items[0]);
        return;
    }
    const struct group_item whole = {
        .id = c->id, .length = c->length, .head_len = (uint32_t)(c->head.len - SPOOL_FRAME_SIZE)};
    place_of_item(c, &whole, &d->place);
    d->head = head_of_item(c, &whole);
}

/* False: the node says nothing to the caller. */
static bool take_node(struct spool_writer *w, struct done_node *n, struct spool_done *done_r)
{
    struct spool_message *m;
    switch (n->what) {
    case DONE_COMMIT:
        w->last = LIST_ENTRY(n, struct spool_commit, node);
        describe(w->last, done_r);
        w->in_flight--;
        if (done_r->err == ERR_NOSPACE)
            w->full_until_ms = os_now_ms() + SPACE_ASK_MS;
        return true;
    case DONE_DRAINED:
        m = LIST_ENTRY(n, struct spool_message, drained);
        *done_r = (struct spool_done){.kind = SPOOL_DONE_DRAINED, .cookie = m->commit.cookie};
        return !m->abort && !m->finish;
    case DONE_ABORTED:
        spool_commit_free(w, LIST_ENTRY(n, struct spool_commit, node));
        return false;
    case DONE_NUMBERS:
        break;
    }
    return false;
}

bool spool_writer_next_done(struct spool_writer *w, struct spool_done *done_r)
{
    if (w->last)
        spool_commit_free(w, w->last);
    w->last = NULL;
    if (list_empty(&w->reaped))
        fetch_done(w);
    if (w->numbers_reaped) {
        w->numbers_reaped = false;
        *done_r = (struct spool_done){.kind = SPOOL_DONE_NUMBERS_LOW};
        return true;
    }
    struct list *l;
    while ((l = list_pop(&w->reaped))) {
        if (take_node(w, LIST_ENTRY(l, struct done_node, link), done_r))
            return true;
    }
    return false;
}

bool spool_done_place(const struct spool_writer *w, size_t i, struct spool_place *place_r, slice *head_r)
{
    const struct spool_commit *c = w->last;
    if (!c || c->err != ERR_OK || i >= c->item_count)
        return false;
    place_of_item(c, &c->items[i], place_r);
    *head_r = head_of_item(c, &c->items[i]);
    return true;
}
