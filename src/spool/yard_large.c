/* SPDX-License-Identifier: ISC */
/* Large bodies: written as they come in, made durable when they are committed, and only then handed to the journal. The file's name must be on
 * the disk before the record that names it, so the folder is synced between; one sync of it serves all bodies that end together. */
#include "spool/large.h"
#include "spool/writer_parts.h"

#define MESSAGES_A_STEP 32
#define QUEUED_LOW (256u << 10)
#define VECTORS 64

static enum err open_file(struct spool_writer *w, struct spool_message *m)
{
    if (m->large_fd >= 0)
        return ERR_OK;
    char name[SPOOL_NAME_SIZE];
    m->large_at = SPOOL_PAGE;
    return os_open(w->o.dir_fd, spool_large_name(name, m->large_file), O_RDWR | O_CREAT | O_EXCL, 0600, &m->large_fd);
}

static void remove_file(struct spool_writer *w, struct spool_message *m)
{
    if (m->large_fd < 0)
        return;
    char name[SPOOL_NAME_SIZE];
    os_close(&m->large_fd);
    enum err e = os_unlink(w->o.dir_fd, spool_large_name(name, m->large_file));
    (void)e; /* without a record it is garbage: the next sweep removes it */
}

static void fail(struct spool_message *m, enum err e)
{
    if (e != ERR_OK)
        atomic_store(&m->large_err, (int)e);
}

static enum err write_chunks(struct spool_writer *w, struct spool_message *m, const struct list *chunks)
{
    struct iovec vectors[VECTORS];
    enum err e = open_file(w, m);
    const struct list *l = chunks->next;
    while (e == ERR_OK && l != chunks) {
        int count = 0;
        size_t bytes = 0;
        for (; count < VECTORS && l != chunks; l = l->next, count++) {
            struct spool_chunk *c = LIST_ENTRY(l, struct spool_chunk, link);
            vectors[count] = (struct iovec){.iov_base = c->bytes, .iov_len = c->len};
            bytes += c->len;
        }
        e = os_pwritev(m->large_fd, vectors, count, m->large_at);
        if (e == ERR_OK)
            os_writeback(m->large_fd, m->large_at, bytes);
        m->large_at += bytes;
    }
    return e;
}

/* What was written is let go, but for the start, which its message keeps. */
static size_t free_chunks(struct spool_writer *w, struct list *chunks)
{
    size_t bytes = 0;
    struct list *l;
    while ((l = list_pop(chunks))) {
        struct spool_chunk *c = LIST_ENTRY(l, struct spool_chunk, link);
        bytes += c->len;
        if (!c->keep)
            spool_chunk_free(w, c);
    }
    return bytes;
}

/* Lock held. */
static void note_written(struct spool_writer *w, struct spool_message *m, size_t bytes)
{
    m->queued -= bytes;
    if (!m->want_drained || m->queued > QUEUED_LOW)
        return;
    m->want_drained = false;
    spool_writer_done(w, &m->drained);
}

/* Lock held, given up for the writing. A message that has come to its end goes to finished. */
static void serve(struct spool_writer *w, struct spool_message *m, struct list *finished)
{
    struct list chunks, *l;
    list_init(&chunks);
    while ((l = list_pop(&m->outbox)))
        list_push(&chunks, l);
    m->in_yard = false;
    bool finish = m->finish, abort = m->abort;
    pthread_mutex_unlock(&w->lock);
    bool write = !abort && !list_empty(&chunks) && atomic_load(&m->large_err) == ERR_OK;
    if (write)
        fail(m, write_chunks(w, m, &chunks));
    size_t bytes = free_chunks(w, &chunks);
    if (abort)
        remove_file(w, m);
    if (finish)
        list_push(finished, &m->finish_link);
    pthread_mutex_lock(&w->lock);
    note_written(w, m, bytes);
    if (abort)
        spool_writer_done(w, &m->commit.node);
}

/* Page 0 goes out in the same sync as the body: nothing believes it before a record names the file. */
static void sync_body(struct spool_message *m)
{
    if (atomic_load(&m->large_err) != ERR_OK)
        return;
    char page[SPOOL_PAGE];
    const struct spool_large_page p = {
        .number = m->large_file, .id = m->commit.id, .size = m->size, .body_crc = m->body_crc};
    spool_large_encode(page, &p);
    enum err e = os_pwrite(m->large_fd, slice_of(page, sizeof(page)), 0);
    if (e == ERR_OK)
        e = os_fdatasync(m->large_fd);
    fail(m, e);
}

static void hand_over(struct spool_writer *w, struct spool_message *m, enum err folder)
{
    struct list one;
    bool wake = true;
    list_init(&one);
    fail(m, folder);
    m->commit.err = (enum err)atomic_load(&m->large_err);
    if (m->commit.err != ERR_OK)
        remove_file(w, m);
    os_close(&m->large_fd);
    pthread_mutex_lock(&w->lock);
    w->finishing--;
    if (m->commit.err == ERR_OK) {
        list_push(&one, &m->commit.node.link);
        wake = spool_journal_submit(w, &one, 1);
    } else {
        spool_writer_done(w, &m->commit.node);
    }
    pthread_mutex_unlock(&w->lock);
    if (wake)
        pthread_cond_signal(&w->journal_wake);
}

static void finish_all(struct spool_writer *w, struct list *finished)
{
    if (list_empty(finished))
        return;
    LIST_FOREACH(l, finished) {
        sync_body(LIST_ENTRY(l, struct spool_message, finish_link));
    }
    enum err folder = spool_folder_sync(w->o.dir_fd, SLICE("large"));
    struct list *l;
    while ((l = list_pop(finished)))
        hand_over(w, LIST_ENTRY(l, struct spool_message, finish_link), folder);
}

void spool_yard_large_step(struct spool_writer *w)
{
    struct list finished;
    list_init(&finished);
    for (unsigned i = 0; i < MESSAGES_A_STEP && !list_empty(&w->yard_messages); i++) {
        struct list *l = list_pop(&w->yard_messages);
        serve(w, LIST_ENTRY(l, struct spool_message, yard_link), &finished);
    }
    pthread_mutex_unlock(&w->lock);
    finish_all(w, &finished);
    pthread_mutex_lock(&w->lock);
}
