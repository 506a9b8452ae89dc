/* SPDX-License-Identifier: ISC */
/* The handler marks the signal and signals an event; the loop sees that and makes the calls. In a forked child that has not put the
 * signals back yet the handler wakes the parent's loop, which then finds no mark. */
#include "os/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

#include "os/event.h"
#include "os/file.h"
#include "os/loop_state.h"

static struct {
    atomic_int fd; /* the loop's event */
    atomic_bool came[NSIG];
} signals = {.fd = -1};

static void on_signal(int number)
{
    int before = errno;
    atomic_store(&signals.came[number], true);
    os_event_signal(atomic_load(&signals.fd));
    errno = before;
}

static void make_calls(void *ctx, bool readable, bool writable)
{
    struct loop *l = ctx;
    (void)readable;
    (void)writable;
    os_event_clear(l->signal_fd);
    for (size_t i = 0; i < l->signal_count; i++) {
        if (atomic_exchange(&signals.came[l->signals[i].number], false))
            l->signals[i].call(l->signals[i].ctx, l->signals[i].number);
    }
}

static enum err open_event(struct loop *l)
{
    if (l->signal_fd >= 0)
        return ERR_OK;
    enum err e = os_event_open(&l->signal_fd);
    if (e == ERR_OK)
        e = loop_watch_open(l, l->signal_fd, make_calls, l, &l->signal_watch);
    if (e != ERR_OK) {
        os_close(&l->signal_fd);
        return e;
    }
    loop_watch_set(l->signal_watch, true, false);
    atomic_store(&signals.fd, l->signal_fd);
    return ERR_OK;
}

enum err loop_signal(struct loop *l, int signal_number, void (*call)(void *ctx, int signal_number), void *ctx)
{
    if (l->signal_count == LOOP_SIGNALS_MAX)
        return ERR_LIMIT;
    enum err e = open_event(l);
    if (e != ERR_OK)
        return e;
    struct sigaction how = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&how.sa_mask);
    atomic_store(&signals.came[signal_number], false);
    if (sigaction(signal_number, &how, NULL) != 0)
        return os_err(errno);
    l->signals[l->signal_count].call = call;
    l->signals[l->signal_count].ctx = ctx;
    l->signals[l->signal_count].number = signal_number;
    l->signal_count++;
    return ERR_OK;
}

void loop_signals_close(struct loop *l)
{
    for (size_t i = 0; i < l->signal_count; i++)
        (void)signal(l->signals[i].number, SIG_DFL);
    loop_watch_close(&l->signal_watch);
    os_close(&l->signal_fd);
}
