/* SPDX-License-Identifier: ISC */
/* Questions to the process lookup, and one to the queue. A session has at most two open: the reverse name of its client, which nothing waits for, and the one thing that it waits for. */
#include "proc/receiver/state.h"

#define ASKS_MAX 100000u

static uint32_t ask_new(struct session *s, bool name)
{
    struct receiver *r = s->r;
    uint32_t number = r->ask_free;
    if (number == 0 && r->ask_count == r->ask_cap) {
        uint32_t cap = r->ask_cap ? 2 * r->ask_cap : 64;
        struct ask *grown = cap > ASKS_MAX ? NULL : realloc(r->asks, cap * sizeof(*grown));
        if (!grown)
            return 0;
        r->asks = grown;
        r->ask_cap = cap;
    }
    if (number == 0) {
        number = ++r->ask_count;
        r->asks[number - 1].generation = 0;
    } else {
        r->ask_free = r->asks[number - 1].next_free;
    }
    struct ask *a = &r->asks[number - 1];
    *a = (struct ask){.session = s, .generation = a->generation + 1, .name = name};
    return number;
}

static void ask_free(struct receiver *r, uint32_t *number)
{
    if (*number == 0)
        return;
    struct ask *a = &r->asks[*number - 1];
    a->session = NULL;
    a->next_free = r->ask_free;
    r->ask_free = *number;
    *number = 0;
}

static uint64_t token_of(const struct receiver *r, uint32_t number)
{
    return (uint64_t)r->asks[number - 1].generation << 32 | number;
}

/* NULL: nobody waits for it any more. */
static struct ask *ask_of(const struct receiver *r, uint64_t token)
{
    uint32_t number = (uint32_t)token;
    if (number == 0 || number > r->ask_count)
        return NULL;
    struct ask *a = &r->asks[number - 1];
    return a->session && a->generation == token >> 32 ? a : NULL;
}

bool ask_user(struct session *s, enum users_kind kind, slice name)
{
    struct receiver *r = s->r;
    struct hub_peer *lookup = ipc_hub_find(r->child.hub, PROCESS_LOOKUP);
    if (!lookup || (s->asked = ask_new(s, false)) == 0)
        return false;
    struct ipc_message m = {.type = IPC_ask_user, .fd = -1, .u.ask_user = {token_of(r, s->asked), (uint8_t)kind, name}};
    ipc_hub_send(r->child.hub, lookup, &m);
    return true;
}

bool ask_mx(struct session *s, slice domain)
{
    struct receiver *r = s->r;
    struct hub_peer *lookup = ipc_hub_find(r->child.hub, PROCESS_LOOKUP);
    if (!lookup || (s->asked = ask_new(s, false)) == 0)
        return false;
    struct ipc_message m = {.type = IPC_ask_mx, .fd = -1, .u.ask_mx = {token_of(r, s->asked), domain}};
    ipc_hub_send(r->child.hub, lookup, &m);
    return true;
}

bool ask_sasl(struct session *s, struct ipc_ask_sasl *q)
{
    struct receiver *r = s->r;
    struct hub_peer *lookup = ipc_hub_find(r->child.hub, PROCESS_LOOKUP);
    if (!lookup || (s->asked = ask_new(s, false)) == 0)
        return false;
    q->token = token_of(r, s->asked);
    struct ipc_message m = {.type = IPC_ask_sasl, .fd = -1, .u.ask_sasl = *q};
    ipc_hub_send(r->child.hub, lookup, &m);
    return true;
}

bool ask_etrn(struct session *s, slice domain)
{
    struct receiver *r = s->r;
    if (!r->queue || (s->asked = ask_new(s, false)) == 0)
        return false;
    struct ipc_message m = {.type = IPC_etrn, .fd = -1, .u.etrn = {token_of(r, s->asked), domain}};
    ipc_hub_send(r->child.hub, r->queue, &m);
    return true;
}

void ask_name(struct session *s)
{
    struct receiver *r = s->r;
    struct hub_peer *lookup = ipc_hub_find(r->child.hub, PROCESS_LOOKUP);
    if (!lookup || (s->asked_name = ask_new(s, true)) == 0)
        return;
    struct ipc_message m = {.type = IPC_ask_name, .fd = -1};
    m.u.ask_name.token = token_of(r, s->asked_name);
    m.u.ask_name.ip = slice_of(s->route.ip, s->route.ip_len);
    ipc_hub_send(r->child.hub, lookup, &m);
}

void ask_cancel_name(struct session *s)
{
    ask_free(s->r, &s->asked_name);
}

void ask_cancel(struct session *s)
{
    ask_free(s->r, &s->asked);
    ask_free(s->r, &s->asked_name);
}

/* Who waits for a user's existence, a recipient or VRFY. */
static void user_answered(struct session *s, enum resolve_answer answer, slice full_name)
{
    if (s->wait == WAIT_RESOLVE)
        transaction_rcpt_answered(s, answer);
    else if (s->wait == WAIT_VERIFY)
        verify_answered(s, answer, full_name);
}

static enum resolve_answer answer_of(uint8_t answer)
{
    if (answer > 1)
        return RESOLVE_UNKNOWN;
    return answer == 1 ? RESOLVE_YES : RESOLVE_NO;
}

static uint64_t answer_token(const struct ipc_message *m)
{
    switch (m->type) {
    case IPC_answer_user:
        return m->u.answer_user.token;
    case IPC_answer_sasl:
        return m->u.answer_sasl.token;
    case IPC_answer_etrn:
        return m->u.answer_etrn.token;
    case IPC_answer_mx:
        return m->u.answer_mx.token;
    default:
        return m->u.answer_name.token;
    }
}

void ask_answer(struct receiver *r, const struct ipc_message *m)
{
    struct ask *a = ask_of(r, answer_token(m));
    if (!a)
        return;
    struct session *s = a->session;
    bool name = a->name;
    ask_free(r, name ? &s->asked_name : &s->asked);
    if (name) {
        if (m->type == IPC_answer_name)
            name_arrived(s, m->u.answer_name.name);
        return;
    }
    if (m->type == IPC_answer_user)
        user_answered(s, answer_of(m->u.answer_user.answer), m->u.answer_user.full_name);
    else if (m->type == IPC_answer_sasl && s->wait == WAIT_LOGIN)
        auth_answered(s, &m->u.answer_sasl);
    else if (m->type == IPC_answer_etrn && s->wait == WAIT_ETRN)
        etrn_answered(s, m->u.answer_etrn.status, m->u.answer_etrn.count);
    else if (m->type == IPC_answer_mx && s->wait == WAIT_SENDER)
        transaction_mail_answered(s, m->u.answer_mx.status == LOOKUP_NULL_MX);
    session_resume(s);
}

void ask_failed(struct session *s)
{
    ask_free(s->r, &s->asked);
    if (s->wait == WAIT_LOGIN)
        auth_failed(s);
    else if (s->wait == WAIT_ETRN)
        etrn_answered(s, ETRN_UNABLE, 0);
    else if (s->wait == WAIT_SENDER)
        transaction_mail_answered(s, false);
    else
        user_answered(s, RESOLVE_UNKNOWN, SLICE_NONE);
    session_resume(s);
}

void ask_lookup_down(struct receiver *r)
{
    for (uint32_t i = 0; i < r->ask_count; i++) {
        struct session *s = r->asks[i].session;
        if (!s)
            continue;
        if (r->asks[i].name)
            ask_free(r, &s->asked_name);
        else if (s->wait != WAIT_ETRN)
            ask_failed(s);
    }
}
