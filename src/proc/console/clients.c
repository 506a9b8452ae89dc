/* SPDX-License-Identifier: ISC */
#include "proc/console/state.h"

#define CLIENTS_MAX 64u
#define PAUSE_ABOVE (1u << 20)
#define RESUME_BELOW (256u << 10)
#define STUCK_MS 10000
#define SILENT_MS 60000

static bool permitted(const struct console *k, uint32_t uid)
{
    return uid == 0 || uid == k->child.start->user.uid || uid == os_uid();
}

void console_client_close(struct console_client *c)
{
    struct console *k = c->console;
    console_requests_drop(c);
    list_remove(&c->link);
    k->client_count--;
    if (c->watch)
        loop_watch_close(&c->watch);
    ipc_channel_close(&c->channel);
    free(c);
}

static void set_over(struct console_client *c)
{
    c->over = true;
    loop_watch_set(c->watch, false, false);
}

static void client_event(void *ctx, bool readable, bool writable)
{
    struct console_client *c = ctx;
    (void)writable; /* written at the turn's end, whatever woke us */
    if (!readable || c->over)
        return;
    enum err e = ipc_channel_read(c->channel, console_client_message, c);
    if (e != ERR_OK && e != ERR_AGAIN)
        set_over(c);
}

void console_accepted(void *ctx, int fd, const struct socket_address *peer)
{
    struct console *k = ctx;
    uint32_t uid = UINT32_MAX, pid = 0;
    (void)peer;
    enum err e = socket_peer_user(fd, &uid, &pid);
    bool welcome = e == ERR_OK && permitted(k, uid);
    if (!welcome || k->client_count >= CLIENTS_MAX) {
        log_line(LOG_WARNING, "client of uid %u (process %u) refused: %s", uid, pid,
                 welcome ? "too many clients" : "only root and the server's user");
        os_close(&fd);
        return;
    }
    struct console_client *c = calloc(1, sizeof *c);
    if (!c) {
        os_close(&fd);
        return;
    }
    c->console = k;
    c->moved_ms = loop_now_ms(k->child.loop);
    list_init(&c->requests);
    list_push(&k->clients, &c->link);
    k->client_count++;
    e = ipc_channel_open(fd, PROCESS_CONSOLE, PROCESS_COMMAND, &c->channel);
    if (e == ERR_OK)
        e = loop_watch_open(k->child.loop, fd, client_event, c, &c->watch);
    if (e != ERR_OK) {
        console_client_close(c);
        return;
    }
    loop_watch_set(c->watch, true, false);
}

void console_client_send(struct console_client *c, const struct ipc_message *m)
{
    if (c->over)
        return;
    /* What it may take long to read begins here; what came before was its wait for us. */
    if (ipc_channel_pending(c->channel) == 0)
        c->moved_ms = loop_now_ms(c->console->child.loop);
    ipc_channel_send(c->channel, m);
}

static void client_flush(struct console_client *c)
{
    size_t before = ipc_channel_pending(c->channel);
    if (c->over || before == 0)
        return;
    enum err e = ipc_channel_flush(c->channel);
    if (e != ERR_OK && e != ERR_AGAIN) {
        set_over(c);
        return;
    }
    if (ipc_channel_pending(c->channel) < before)
        c->moved_ms = loop_now_ms(c->console->child.loop);
    loop_watch_set(c->watch, true, e == ERR_AGAIN);
}

/* A client that reads slowly slows the queue's telling down: nothing piles up here. */
static void pace_queue(struct console *k)
{
    size_t most = 0;
    LIST_FOREACH(at, &k->clients) {
        const struct console_client *c = LIST_ENTRY(at, struct console_client, link);
        size_t pending = ipc_channel_pending(c->channel);
        most = pending > most ? pending : most;
    }
    bool pause = k->queue_paused ? most > RESUME_BELOW : most > PAUSE_ABOVE;
    k->queue_paused = pause;
    for (struct hub_peer *p = NULL; (p = ipc_hub_next(k->child.hub, p)) != NULL;)
        ipc_hub_pause(k->child.hub, p, pause);
}

void console_clients_flush(void *ctx)
{
    struct console *k = ctx;
    LIST_FOREACH(at, &k->clients) {
        struct console_client *c = LIST_ENTRY(at, struct console_client, link);
        client_flush(c);
        if (c->over)
            console_client_close(c);
    }
    pace_queue(k);
}

void console_clients_tick(struct console *k, int64_t now_ms)
{
    LIST_FOREACH(at, &k->clients) {
        struct console_client *c = LIST_ENTRY(at, struct console_client, link);
        bool pending = ipc_channel_pending(c->channel) > 0;
        int64_t still = now_ms - c->moved_ms;
        if ((pending && still > STUCK_MS) || (!pending && c->request_count == 0 && still > SILENT_MS)) {
            log_line(LOG_INFO, "client closed: %s", pending ? "it reads nothing" : "it asks nothing");
            console_client_close(c);
        }
    }
}
