/* SPDX-License-Identifier: ISC */
/* A message on the loop thread's side, from its first byte to its commit. */
#include <assert.h>

#include "spool/writer_parts.h"

#define CHUNK_FIRST (8u << 10) /* holds most mails whole */
#define CHUNK_FULL (64u << 10)
#define QUEUED_HIGH (1u << 20)
#define IDLE_CHUNKS 64
#define FIRST_CHUNKS 64
#define HEAD_GUESS 512

/* Chunks go round. The allocator would give the pages of full ones back to the kernel and fault them in anew for each large body; the first ones are more than
 * it keeps at hand. */
void spool_chunk_free(struct spool_writer *w, struct spool_chunk *c)
{
    atomic_fetch_sub(&w->memory_used, c->cap);
    bool kept = false;
    if (c->cap == CHUNK_FIRST) {
        kept = w->first_count < FIRST_CHUNKS;
        if (kept) {
            list_push_front(&w->first_chunks, &c->link);
            w->first_count++;
        }
    } else if (c->cap == CHUNK_FULL) {
        pthread_mutex_lock(&w->lock);
        kept = w->idle_count < IDLE_CHUNKS;
        if (kept) {
            list_push_front(&w->idle_chunks, &c->link);
            w->idle_count++;
        }
        pthread_mutex_unlock(&w->lock);
    }
    if (!kept)
        free(c);
}

static struct spool_chunk *chunk_first(struct spool_writer *w)
{
    struct list *l = list_pop(&w->first_chunks);
    w->first_count -= l != NULL;
    return l ? LIST_ENTRY(l, struct spool_chunk, link) : NULL;
}

static struct spool_chunk *chunk_idle(struct spool_writer *w)
{
    pthread_mutex_lock(&w->lock);
    struct list *l = list_pop(&w->idle_chunks);
    w->idle_count -= l != NULL;
    pthread_mutex_unlock(&w->lock);
    return l ? LIST_ENTRY(l, struct spool_chunk, link) : NULL;
}

void spool_commit_free(struct spool_writer *w, struct spool_commit *c)
{
    struct list *l;
    while ((l = list_pop(&c->chunks))) {
        struct spool_chunk *chunk = LIST_ENTRY(l, struct spool_chunk, link);
        if (!chunk->keep)
            spool_chunk_free(w, chunk);
    }
    buf_deinit(&c->head);
    free(c->items);
    if (c->is_large) {
        struct spool_message *m = (struct spool_message *)c;
        spool_chunk_free(w, m->start);
    }
    free(c);
}

static struct spool_chunk *chunk_new(struct spool_writer *w, uint32_t cap)
{
    if (atomic_load(&w->memory_used) + cap > w->o.memory_max)
        return NULL;
    struct spool_chunk *c = cap == CHUNK_FULL ? chunk_idle(w) : chunk_first(w);
    if (!c)
        c = malloc(sizeof(*c) + cap);
    if (!c)
        return NULL;
    atomic_fetch_add(&w->memory_used, cap);
    list_init(&c->link);
    c->len = 0;
    c->cap = cap;
    c->keep = false;
    return c;
}

enum err spool_message_begin(struct spool_writer *w, void *cookie, struct spool_message **message_r)
{
    if (atomic_load(&w->memory_used) + CHUNK_FIRST > w->o.memory_max)
        return ERR_NOMEM;
    struct spool_message *m = malloc(sizeof(*m));
    if (!m)
        return ERR_NOMEM;
    *m = (struct spool_message){.writer = w, .large_fd = -1};
    m->commit.node.what = DONE_COMMIT;
    m->commit.cookie = cookie;
    list_init(&m->commit.node.link);
    list_init(&m->commit.chunks);
    m->drained.what = DONE_DRAINED;
    list_init(&m->drained.link);
    list_init(&m->yard_link);
    list_init(&m->finish_link);
    list_init(&m->outbox);
    w->open++;
    *message_r = m;
    return ERR_OK;
}

/* Lock held. All chunks but the one that still fills. */
static void send_chunk(struct spool_message *m, struct spool_chunk *c)
{
    list_remove(&c->link);
    list_push(&m->outbox, &c->link);
    m->queued += c->len;
}

static void send_to_yard(struct spool_message *m)
{
    struct spool_writer *w = m->writer;
    pthread_mutex_lock(&w->lock);
    LIST_FOREACH(l, &m->commit.chunks) {
        send_chunk(m, LIST_ENTRY(l, struct spool_chunk, link));
    }
    spool_yard_call(w, m);
    pthread_mutex_unlock(&w->lock);
}

static enum err become_large(struct spool_message *m)
{
    struct spool_writer *w = m->writer;
    enum err e = spool_writer_space_take(w, m->size);
    if (e != ERR_OK)
        return e;
    pthread_mutex_lock(&w->lock);
    m->large_file = spool_writer_number(w);
    pthread_mutex_unlock(&w->lock);
    if (m->large_file == 0)
        return ERR_LIMIT;
    m->commit.is_large = true;
    m->start->keep = true;
    w->open--; /* nobody waits for what takes that long */
    return ERR_OK;
}

/* The start stays in one piece up to CHUNK_FULL, so its first chunk is exchanged for a full one instead of followed. */
static enum err grow_start(struct spool_message *m)
{
    struct spool_chunk *full = chunk_new(m->writer, CHUNK_FULL);
    if (!full)
        return ERR_NOMEM;
    memcpy(full->bytes, m->start->bytes, m->start->len);
    full->len = m->start->len;
    list_insert_before(&m->start->link, &full->link);
    list_remove(&m->start->link);
    spool_chunk_free(m->writer, m->start);
    m->start = m->tail = full;
    return ERR_OK;
}

static enum err add_chunk(struct spool_message *m)
{
    if (m->tail && m->tail == m->start && m->start->cap < CHUNK_FULL)
        return grow_start(m);
    if (m->large_file)
        send_to_yard(m);
    m->tail = NULL;
    struct spool_chunk *c = chunk_new(m->writer, m->start ? CHUNK_FULL : CHUNK_FIRST);
    if (!c)
        return ERR_NOMEM;
    list_push(&m->commit.chunks, &c->link);
    m->commit.chunk_count++;
    m->tail = c;
    if (!m->start)
        m->start = c;
    return ERR_OK;
}

enum err spool_message_append(struct spool_message *m, slice content)
{
    enum err e = (enum err)atomic_load(&m->large_err);
    if (e != ERR_OK)
        return e;
    /* What goes to a file of its own takes new space: a second's worth of it could be more than the reserve. */
    if (m->large_file != 0)
        e = spool_writer_space_take(m->writer, content.len);
    if (e != ERR_OK)
        return e;
    m->body_crc = hash_crc32c(m->body_crc, content);
    m->size += content.len;
    while (content.len > 0) {
        if (!m->tail || m->tail->len == m->tail->cap)
            e = add_chunk(m);
        if (e != ERR_OK)
            return e;
        struct spool_chunk *c = m->tail;
        size_t room = c->cap - c->len;
        size_t n = content.len < room ? content.len : room;
        memcpy(c->bytes + c->len, content.ptr, n);
        c->len += (uint32_t)n;
        content = slice_skip(content, n);
    }
    if (m->size > m->writer->inline_max && m->large_file == 0)
        e = become_large(m);
    return e;
}

bool spool_message_congested(const struct spool_message *message)
{
    struct spool_message *m = (struct spool_message *)message;
    if (m->large_file == 0)
        return false;
    pthread_mutex_lock(&m->writer->lock);
    if (m->queued > QUEUED_HIGH)
        m->want_drained = true;
    bool congested = m->want_drained;
    pthread_mutex_unlock(&m->writer->lock);
    return congested;
}

static enum err encode(struct spool_message *m, const struct spool_head *head)
{
    struct spool_commit *c = &m->commit;
    struct spool_head h = *head;
    h.copy = 0;
    h.large_file = m->large_file;
    c->id = h.id;
    size_t body_len = m->large_file ? 0 : m->size;
    size_t head_max = SPOOL_FRAME_SIZE + SPOOL_HEAD_MAX;
    buf_init(&c->head, m->writer->segment_size / 2 < head_max ? m->writer->segment_size / 2 : head_max);
    (void)buf_reserve(&c->head, HEAD_GUESS);
    char *frame = buf_reserve(&c->head, SPOOL_FRAME_SIZE);
    if (!frame)
        return ERR_NOMEM;
    buf_grown(&c->head, SPOOL_FRAME_SIZE);
    spool_head_encode(&c->head, &h);
    if (!buf_ok(&c->head))
        return ERR_LIMIT;
    size_t head_len = c->head.len - SPOOL_FRAME_SIZE;
    c->length = spool_record_length(head_len, body_len);
    if (c->length == 0 || c->length > m->writer->segment_size - SPOOL_PAGE)
        return ERR_LIMIT;
    c->padding = (uint32_t)(c->length - SPOOL_FRAME_SIZE - head_len - body_len);
    const struct spool_record r = {.id = h.id,
                                   .body_crc = m->large_file ? 0 : m->body_crc,
                                   .kind = SPOOL_RECORD_MESSAGE,
                                   .head = {NULL, head_len},
                                   .body = {NULL, body_len}};
    spool_record_frame(c->head.ptr, &r);
    return ERR_OK;
}

static void finish_large(struct spool_message *m)
{
    struct spool_writer *w = m->writer;
    pthread_mutex_lock(&w->lock);
    LIST_FOREACH(l, &m->commit.chunks) {
        send_chunk(m, LIST_ENTRY(l, struct spool_chunk, link));
    }
    m->finish = true;
    w->finishing++;
    w->in_flight++;
    spool_yard_call(w, m);
    pthread_mutex_unlock(&w->lock);
}

enum err spool_message_commit(struct spool_message **message, const struct spool_head *head)
{
    struct spool_message *m = *message;
    struct spool_writer *w = m->writer;
    enum err e = (enum err)atomic_load(&m->large_err);
    if (e == ERR_OK)
        e = encode(m, head);
    if (e != ERR_OK) {
        spool_message_abort(message);
        return e;
    }
    *message = NULL;
    if (m->large_file) {
        finish_large(m);
        return ERR_OK;
    }
    w->open--;
    list_push(&w->submitted, &m->commit.node.link);
    w->submitted_count++;
    return ERR_OK;
}

void spool_message_abort(struct spool_message **message)
{
    struct spool_message *m = *message;
    if (!m)
        return;
    *message = NULL;
    struct spool_writer *w = m->writer;
    if (m->large_file == 0) {
        w->open--;
        spool_commit_free(w, &m->commit);
        return;
    }
    pthread_mutex_lock(&w->lock);
    m->commit.node.what = DONE_ABORTED;
    m->abort = true;
    spool_yard_call(w, m);
    pthread_mutex_unlock(&w->lock);
}

slice spool_message_start(const struct spool_message *m)
{
    return m->start ? slice_of(m->start->bytes, m->start->len) : SLICE_NONE;
}
