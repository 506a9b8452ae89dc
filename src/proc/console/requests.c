/* SPDX-License-Identifier: ISC */
#include "proc/console/state.h"

#define REQUESTS_MAX 16u
#define EXIT_TRY_LATER 75

static void forget(struct console_request *r)
{
    list_remove(&r->link);
    r->client->request_count--;
    free(r);
}

static void end_request(struct console_client *c, uint64_t client_token, slice text)
{
    struct ipc_message m = {
        .type = IPC_queue_end, .fd = -1, .u.queue_end = {.token = client_token, .exit = EXIT_TRY_LATER, .text = text}};
    console_client_send(c, &m);
}

static struct console_request *add_request(struct console_client *c, uint64_t client_token, uint32_t queue_process)
{
    struct console_request *r = c->request_count < REQUESTS_MAX ? calloc(1, sizeof *r) : NULL;
    if (!r)
        return NULL;
    r->client = c;
    r->token = ++c->console->last_token;
    r->client_token = client_token;
    r->queue_process = queue_process;
    list_push(&c->requests, &r->link);
    c->request_count++;
    return r;
}

static void ask_queue(struct console_client *c, const struct ipc_message *m)
{
    struct ipc_hub *hub = c->console->child.hub;
    struct hub_peer *queue = ipc_hub_find(hub, PROCESS_QUEUE);
    struct ipc_message copy = *m;
    uint64_t client_token = m->u.queue_request.token;
    struct console_request *r = queue ? add_request(c, client_token, queue->process) : NULL;
    if (!r) {
        end_request(c, client_token,
                    queue ? SLICE("too many requests at a time") : SLICE("the queue is starting; try again"));
        return;
    }
    copy.u.queue_request.token = r->token;
    ipc_hub_send(hub, queue, &copy);
}

static void ask_reload(struct console_client *c, uint64_t client_token, uint8_t dry_run)
{
    struct console_request *r = add_request(c, client_token, 0);
    if (!r) {
        struct ipc_message no = {.type = IPC_reload_done,
                                 .fd = -1,
                                 .u.reload_done = {client_token, 0, SLICE("too many requests at a time\n")}};
        console_client_send(c, &no);
        return;
    }
    struct ipc_message m = {.type = IPC_reload, .fd = -1, .u.reload = {r->token, dry_run}};
    ipc_hub_send(c->console->child.hub, NULL, &m);
}

void console_client_message(void *ctx, const struct ipc_message *m)
{
    struct console_client *c = ctx;
    c->moved_ms = loop_now_ms(c->console->child.loop);
    if (m->type == IPC_queue_request)
        ask_queue(c, m);
    else if (m->type == IPC_reload)
        ask_reload(c, m->u.reload.token, m->u.reload.dry_run);
    else if (m->type == IPC_stop)
        ipc_hub_send(c->console->child.hub, NULL, m);
}

static struct console_request *find_request(struct console *k, uint64_t token)
{
    LIST_FOREACH(at, &k->clients) {
        struct console_client *c = LIST_ENTRY(at, struct console_client, link);
        LIST_FOREACH(link, &c->requests) {
            struct console_request *r = LIST_ENTRY(link, struct console_request, link);
            if (r->token == token)
                return r;
        }
    }
    return NULL;
}

/* Where a message's token is; NULL for those that are no answers. */
static uint64_t *token_of(struct ipc_message *m)
{
    switch (m->type) {
    case IPC_queue_item:
        return &m->u.queue_item.token;
    case IPC_queue_destination:
        return &m->u.queue_destination.token;
    case IPC_queue_text:
        return &m->u.queue_text.token;
    case IPC_queue_end:
        return &m->u.queue_end.token;
    case IPC_queue_progress:
        return &m->u.queue_progress.token;
    case IPC_reload_done:
        return &m->u.reload_done.token;
    default:
        return NULL;
    }
}

void console_answer(struct console *k, const struct hub_peer *p, const struct ipc_message *m)
{
    struct ipc_message copy = *m;
    uint64_t *token = token_of(&copy);
    struct console_request *r = token ? find_request(k, *token) : NULL;
    if (!r || r->queue_process != (p ? p->process : 0))
        return;
    *token = r->client_token;
    console_client_send(r->client, &copy);
    if (m->type == IPC_queue_end || m->type == IPC_reload_done)
        forget(r);
}

void console_queue_lost(struct console *k, const struct hub_peer *p)
{
    LIST_FOREACH(at, &k->clients) {
        struct console_client *c = LIST_ENTRY(at, struct console_client, link);
        LIST_FOREACH(link, &c->requests) {
            struct console_request *r = LIST_ENTRY(link, struct console_request, link);
            if (r->queue_process != p->process)
                continue;
            end_request(c, r->client_token, SLICE("the queue has restarted; try again"));
            forget(r);
        }
    }
}

void console_requests_drop(struct console_client *c)
{
    struct ipc_hub *hub = c->console->child.hub;
    struct hub_peer *queue = ipc_hub_find(hub, PROCESS_QUEUE);
    LIST_FOREACH(link, &c->requests) {
        struct console_request *r = LIST_ENTRY(link, struct console_request, link);
        struct ipc_message gone = {.type = IPC_queue_gone, .fd = -1, .u.queue_gone = {r->token}};
        if (queue && queue->process == r->queue_process)
            ipc_hub_send(hub, queue, &gone);
        forget(r);
    }
}
