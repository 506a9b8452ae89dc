/* SPDX-License-Identifier: ISC */
#include "proc/console/console.h"

#include "proc/console/state.h"

#define TICK_MS 1000
#define EXIT_UNAVAILABLE 69

static void on_message(void *ctx, struct hub_peer *p, const struct ipc_message *m)
{
    console_answer(ctx, p, m);
}

static void on_peer_down(void *ctx, struct hub_peer *p, bool dead)
{
    (void)dead;
    console_queue_lost(ctx, p);
}

static bool busy(const struct console *k)
{
    LIST_FOREACH(at, &k->clients) {
        const struct console_client *c = LIST_ENTRY(at, struct console_client, link);
        if (c->request_count > 0 || ipc_channel_pending(c->channel) > 0)
            return true;
    }
    return false;
}

static void on_tick(void *ctx)
{
    struct console *k = ctx;
    int64_t now = loop_now_ms(k->child.loop);
    console_clients_tick(k, now);
    if (k->child.draining && (!busy(k) || now >= k->stop_at_ms))
        child_stop(&k->child, 0);
    else
        loop_timer_start(k->tick, k->child.draining ? 20 : TICK_MS);
}

static void on_drain(void *ctx, int64_t limit_ms)
{
    struct console *k = ctx;
    if (k->listener)
        net_listener_close(&k->listener);
    k->stop_at_ms = loop_now_ms(k->child.loop) + limit_ms;
    loop_timer_start(k->tick, 0);
}

static const struct ipc_hub_ops hub_ops = {.peer_down = on_peer_down, .message = on_message, .drain = on_drain};

static enum err begin(struct console *k, const struct child_start *start)
{
    struct sandbox_profile sandbox;
    console_sandbox(start, &sandbox);
    enum err e = loop_timer_open(k->child.loop, on_tick, k, &k->tick);
    if (e == ERR_OK)
        e = loop_at_turn_end(k->child.loop, console_clients_flush, k);
    if (e == ERR_OK)
        e = net_listen(k->child.loop, start->listen_fds[0], console_accepted, k, &k->listener);
    if (e == ERR_OK)
        e = child_become(&k->child, PROCESS_NO_CAPS);
    if (e == ERR_OK)
        e = child_confine(&sandbox);
    return e;
}

int console_main(const struct child_start *start)
{
    struct console k = {0};
    list_init(&k.clients);
    if (child_begin(&k.child, start, "console", &hub_ops, &k) != ERR_OK)
        return EXIT_UNAVAILABLE;
    enum err e = begin(&k, start);
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "cannot serve the control socket: %s", err_text(e));
        log_close();
        return EXIT_UNAVAILABLE;
    }
    loop_timer_start(k.tick, TICK_MS);
    child_ready(&k.child);
    return child_run(&k.child);
}
