/* SPDX-License-Identifier: ISC */
/* A checkpoint of a million mails is 150 MB: its sync takes a second and more, in which the caller's loop has other things to do. */
#include <pthread.h>
#include <signal.h>

#include "spool/scan.h"

struct spool_checkpoint_thread {
    struct spool_checkpoint *checkpoint;
    const struct spool_freed_list *freed;
    pthread_t thread;
    bool threaded;
    int event_fd;
    enum err err;
};

static void *commit_run(void *ctx)
{
    struct spool_checkpoint_thread *c = ctx;
    c->err = spool_checkpoint_commit(&c->checkpoint);
    spool_freed_look(c->freed);
    os_event_signal(c->event_fd);
    return NULL;
}

/* Signals are the loop thread's business. */
static bool thread_start(struct spool_checkpoint_thread *c)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return false;
    bool started = pthread_create(&c->thread, NULL, commit_run, c) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

enum err spool_checkpoint_thread_begin(struct spool_checkpoint **checkpoint, int event_fd,
                                       const struct spool_freed_list *freed, struct spool_checkpoint_thread **thread_r)
{
    struct spool_checkpoint_thread *c = calloc(1, sizeof(*c));
    if (!c)
        return ERR_NOMEM;
    *c = (struct spool_checkpoint_thread){.checkpoint = *checkpoint, .freed = freed, .event_fd = event_fd};
    *checkpoint = NULL;
    c->threaded = thread_start(c);
    if (!c->threaded)
        (void)commit_run(c);
    *thread_r = c;
    return ERR_OK;
}

enum err spool_checkpoint_thread_end(struct spool_checkpoint_thread **thread)
{
    struct spool_checkpoint_thread *c = *thread;
    if (c->threaded)
        pthread_join(c->thread, NULL);
    enum err e = c->err;
    free(c);
    *thread = NULL;
    return e;
}
