/* SPDX-License-Identifier: ISC */
/* The private keys are the process keys'. A handshake that needs a signature waits for it, and all the receiver with it: what takes time is the signature itself, which would stop the loop here, too. */
#include "proc/receiver/state.h"

#define SIGN_MS 2000

/* RFC 3207 section 4: a client that hears 454 may go on without TLS, or come again; a handshake that fails costs it the connection. */
void sign_look(struct receiver *r)
{
    const struct hub_peer *keys = ipc_hub_find(r->child.hub, PROCESS_KEYS);
    bool away = r->keys_needed && (!keys || keys->process == r->signing.owing);
    for (size_t i = 0; i < r->listener_count; i++)
        r->listeners[i].options.tls_away = away;
}

static enum err wait_for_answer(struct receiver *r, struct hub_peer *keys)
{
    int64_t until_ms = os_now_ms() + SIGN_MS;
    enum err e = ERR_OK;
    while (e == ERR_OK && !r->signing.answered) {
        int64_t left = until_ms - os_now_ms();
        e = left > 0 ? ipc_hub_wait(r->child.hub, keys, left) : ERR_TIMEOUT;
    }
    if (r->signing.answered)
        return ERR_OK;
    r->signing.owing = keys->process;
    return e;
}

enum err sign_ask(void *ctx, const struct tls_question *q, buf *signature)
{
    struct receiver *r = ctx;
    struct hub_peer *keys = ipc_hub_find(r->child.hub, PROCESS_KEYS);
    r->signing = (struct signing){.token = r->signing.token + 1, .signature = signature, .owing = r->signing.owing};
    struct ipc_message m = {
        .type = IPC_ask_sign,
        .fd = -1,
        .u.ask_sign = {.token = r->signing.token, .key = q->key, .algorithm = q->algorithm, .block = q->bytes}};
    enum err e = ERR_CLOSED;
    if (keys && keys->process == r->signing.owing) {
        e = ERR_TIMEOUT; /* else each client would stop all others for that long */
    } else if (keys) {
        ipc_hub_send(r->child.hub, keys, &m);
        e = wait_for_answer(r, keys);
    }
    r->signing.signature = NULL;
    sign_look(r);
    if (e != ERR_OK)
        log_line(LOG_WARNING, "a handshake fails: no signature by the process keys: %s", err_text(e));
    else if (!r->signing.ok)
        log_line(LOG_WARNING, "a handshake fails: the process keys does not sign; were certificate and key exchanged? "
                              "A reload takes up both");
    return e != ERR_OK ? e : r->signing.ok ? ERR_OK : ERR_TLS;
}

/* One that comes too late is nobody's. */
void sign_answer(struct receiver *r, const struct ipc_answer_sign *answer)
{
    struct signing *s = &r->signing;
    s->owing = 0;
    sign_look(r);
    if (!s->signature || s->answered || answer->token != s->token)
        return;
    s->answered = true;
    s->ok = answer->ok;
    buf_append(s->signature, answer->signature);
}
