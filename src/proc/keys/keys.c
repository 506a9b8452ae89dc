/* SPDX-License-Identifier: ISC */
#include "proc/keys/keys.h"

#define EXIT_UNAVAILABLE 69
#define EXIT_CONFIGURATION 78
#define QUESTIONS_TURN 8u  /* of one receiver, which asks one at a time */
#define PENDING_MAX 65536u /* answers that it does not read */

struct keys {
    struct child child;
    struct tls_keys *keys;
};

/* Counted in the peer's user pointer until the turn's end. */
static bool may_ask(const struct keys *k, struct hub_peer *p)
{
    uintptr_t asked = (uintptr_t)p->user + 1;
    if (asked <= QUESTIONS_TURN && ipc_hub_pending(k->child.hub, p) <= PENDING_MAX) {
        p->user = (void *)asked;
        return true;
    }
    if (asked == QUESTIONS_TURN + 1) {
        p->user = (void *)asked;
        log_line(LOG_WARNING, "receiver %u asks for too many signatures: some are not answered", p->process);
    }
    return false;
}

static void turn_ends(void *ctx)
{
    struct keys *k = ctx;
    for (struct hub_peer *p = ipc_hub_next(k->child.hub, NULL); p; p = ipc_hub_next(k->child.hub, p))
        p->user = NULL;
}

static void on_message(void *ctx, struct hub_peer *p, const struct ipc_message *m)
{
    struct keys *k = ctx;
    char memory[TLS_SIGNATURE_MAX];
    buf signature;
    if (!p || m->type != IPC_ask_sign || !may_ask(k, p))
        return;
    const struct ipc_ask_sign *a = &m->u.ask_sign;
    const struct tls_question q = {a->key, a->block, a->algorithm};
    buf_init_fixed(&signature, memory, sizeof memory);
    enum err e = tls_keys_sign(k->keys, &q, &signature);
    if (e != ERR_OK)
        log_line(LOG_WARNING, "receiver %u asks for a signature that it does not get: %s", p->process,
                 e == ERR_NOTFOUND ? "there is no such key" : err_text(e));
    struct ipc_message answer = {.type = IPC_answer_sign,
                                 .fd = -1,
                                 .u.answer_sign = {.token = a->token,
                                                   .ok = e == ERR_OK,
                                                   .signature = e == ERR_OK ? buf_slice(&signature) : SLICE_NONE}};
    ipc_hub_send(k->child.hub, p, &answer);
}

/* The master drains keys when those who ask are gone. */
static void on_drain(void *ctx, int64_t limit_ms)
{
    struct keys *k = ctx;
    (void)limit_ms;
    child_stop(&k->child, 0);
}

static const struct ipc_hub_ops hub_ops = {.message = on_message, .drain = on_drain};

static enum err load(struct keys *k)
{
    const struct conf *c = k->child.conf;
    struct tls_pair *pairs = calloc(c->tls_count ? c->tls_count : 1, sizeof *pairs);
    if (!pairs)
        return ERR_NOMEM;
    for (size_t i = 0; i < c->tls_count; i++)
        pairs[i] = (struct tls_pair){.cert = c->tls[i].cert, .key = c->tls[i].key};
    char text[512];
    buf why;
    buf_init_fixed(&why, text, sizeof text);
    enum err e = tls_keys_open(pairs, c->tls_count, &k->keys, &why);
    if (e != ERR_OK)
        log_line(LOG_ERROR, "no keys: %.*s", SLICE_ARG(why.len > 0 ? buf_slice(&why) : slice_str(err_text(e))));
    free(pairs);
    return e;
}

static enum err begin(struct keys *k)
{
    struct sandbox_profile sandbox;
    keys_sandbox(k->child.start, &sandbox);
    enum err e = loop_at_turn_end(k->child.loop, turn_ends, k);
    if (e == ERR_OK)
        e = child_become(&k->child, PROCESS_NO_CAPS);
    if (e == ERR_OK)
        e = child_confine(&sandbox);
    return e;
}

int keys_main(const struct child_start *start)
{
    struct keys k = {.keys = NULL};
    if (child_begin(&k.child, start, "keys", &hub_ops, &k) != ERR_OK)
        return EXIT_UNAVAILABLE;
    if (load(&k) != ERR_OK) {
        log_close();
        return EXIT_CONFIGURATION;
    }
    enum err e = begin(&k);
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "cannot start: %s", err_text(e));
        log_close();
        return EXIT_UNAVAILABLE;
    }
    child_ready(&k.child);
    int status = child_run(&k.child);
    tls_keys_close(&k.keys);
    return status;
}
