/* SPDX-License-Identifier: ISC */
/* The yard's thread: everything that may take longer than a sync. A segment that the journal waits for comes before large bodies, large bodies before spares. */
#include "spool/writer_parts.h"

static void wait_for_work(struct spool_writer *w)
{
    bool later = spool_yard_segment_wanted(w, INT64_MAX);
    if (!later) {
        pthread_cond_wait(&w->yard_wake, &w->lock);
        return;
    }
    const struct timespec until = {.tv_sec = w->birth_retry_us / 1000000,
                                   .tv_nsec = w->birth_retry_us % 1000000 * 1000};
    pthread_cond_timedwait(&w->yard_wake, &w->lock, &until);
}

static void segment_step(struct spool_writer *w)
{
    pthread_mutex_unlock(&w->lock);
    spool_yard_segment_step(w);
    pthread_mutex_lock(&w->lock);
}

void *spool_yard_run(void *writer)
{
    struct spool_writer *w = writer;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        if (!w->stop_yard && w->segment_needed && spool_yard_segment_wanted(w, os_now_us()))
            segment_step(w);
        else if (!list_empty(&w->yard_messages))
            spool_yard_large_step(w);
        else if (w->stop_yard)
            break;
        else if (spool_yard_segment_wanted(w, os_now_us()))
            segment_step(w);
        else
            wait_for_work(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

void spool_yard_call(struct spool_writer *w, struct spool_message *m)
{
    if (m->in_yard)
        return;
    m->in_yard = true;
    list_push(&w->yard_messages, &m->yard_link);
    pthread_cond_signal(&w->yard_wake);
}
