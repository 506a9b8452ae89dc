/* SPDX-License-Identifier: ISC */
#include "proc/lookup/logins.h"

#include <stdlib.h>

#define EXCHANGE_MS (int64_t)360000 /* a client has five minutes for a command */
#define TICK_MS 5000

static int64_t now_ms(const struct logins *l)
{
    return loop_now_ms(l->lookup->child.loop);
}

/* Harmless on one that is out of the list already. */
static void leave(struct exchange *x)
{
    list_remove(&x->link);
    list_init(&x->link);
    x->gone = true;
}

static void end(struct exchange *x)
{
    leave(x);
    if (x->request != 0)
        dovecot_cancel(x->logins->dovecot, x);
    else if (x->waits)
        return; /* exchange_checked will */
    sasl_server_close(&x->server);
    x->logins->count--;
    free(x);
}

static void say(struct exchange *x, enum sasl_answer status, slice login, slice challenge)
{
    struct ipc_message m = {.type = IPC_answer_sasl, .fd = -1};
    m.u.answer_sasl.token = x->asker.token;
    m.u.answer_sasl.status = (uint8_t)status;
    m.u.answer_sasl.login = login;
    m.u.answer_sasl.challenge = challenge;
    if (!x->gone)
        lookup_answer(x->logins->lookup, x->asker, &m);
}

static void say_last(struct exchange *x, enum sasl_answer status, slice login)
{
    say(x, status, login, SLICE_NONE);
    x->waits = false;
    end(x);
}

/* As the receiver counts them. */
static bool is_locked(const struct exchange *x, slice login)
{
    char memory[SASL_LOGIN_MAX];
    const struct logins *l = x->logins;
    if (login.len > sizeof memory || !l->lookup->child.start->shared)
        return false;
    for (size_t i = 0; i < login.len; i++)
        memory[i] = ascii_lower(login.ptr[i]);
    return limits_auth_locked(l->lookup->child.start->shared, &l->limits, slice_of(x->ip, x->ip_len),
                              slice_of(memory, login.len), os_wall_s());
}

static void ask(struct exchange *x, const struct sasl_server_event *e)
{
    struct logins *l = x->logins;
    bool asked;
    if (is_locked(x, e->login)) {
        say_last(x, SASL_ANSWER_LOCKED, e->login);
        return;
    }
    x->waits = true;
    x->by_token = e->kind == SASL_CHECK_TOKEN;
    if (x->by_token && l->web)
        asked = web_ask(l->web, x, e);
    else if (e->kind == SASL_CHECK_PASSWORD && l->dovecot)
        asked = dovecot_password(l->dovecot, x, e->login, e->secret);
    else
        asked = checks_ask(l->checks, x, e);
    if (!asked)
        say_last(x, SASL_ANSWER_TEMPORARY, e->login);
}

/* login: in place of the event's, unless empty. */
static void go_on(struct exchange *x, const struct sasl_server_event *e, slice login)
{
    switch (e->kind) {
    case SASL_CHALLENGE:
        say(x, SASL_ANSWER_CHALLENGE, sasl_server_login(x->server), e->text);
        break;
    case SASL_CHECK_PASSWORD:
    case SASL_FIND_KEYS:
    case SASL_CHECK_TOKEN:
        ask(x, e);
        break;
    case SASL_ACCEPTED:
        say_last(x, SASL_ANSWER_YES, login.len > 0 ? login : e->login);
        break;
    case SASL_FAILED:
        say_last(x, SASL_ANSWER_NO, e->login);
        break;
    case SASL_MALFORMED:
        say_last(x, SASL_ANSWER_MALFORMED, SLICE_NONE);
        break;
    }
}

/* Whoever signs tokens signs them for others, too: signed in is who belongs here, an address of our domains (as every account is) or somebody whom [send_as] names. */
static bool belongs_here(const struct exchange *x, slice login)
{
    const struct route_tables *t = &x->logins->lookup->child.conf->route;
    char memory[256];
    buf name;
    for (size_t i = 0; i < t->send_as_count; i++)
        if (slice_equal_nocase(t->send_as[i].login, login))
            return true;
    ptrdiff_t at = slice_rfind_char(login, '@');
    buf_init_fixed(&name, memory, sizeof memory);
    if (at <= 0 || idna_to_ascii(slice_skip(login, (size_t)at + 1), &name) != ERR_OK)
        return false;
    for (size_t i = 0; i < t->domain_count; i++)
        if (slice_equal_nocase(t->domains[i].name, buf_slice(&name)))
            return true;
    return false;
}

static enum check_answer judge_token(const struct exchange *x, slice login)
{
    if (belongs_here(x, login))
        return CHECK_GOOD;
    log_line(LOG_INFO, "an OAuth token is refused: its login %.*s is in no domain of ours, and not in [send_as]",
             SLICE_ARG(login));
    return CHECK_WRONG;
}

void exchange_checked(struct exchange *x, enum check_answer answer, slice login)
{
    struct sasl_server_event e;
    x->waits = false;
    if (x->gone) {
        end(x);
        return;
    }
    if (answer == CHECK_UNKNOWN) {
        say_last(x, SASL_ANSWER_TEMPORARY, login);
        return;
    }
    if (x->by_token && answer == CHECK_GOOD)
        answer = judge_token(x, login);
    if (!x->server) {
        say_last(x, answer == CHECK_GOOD ? SASL_ANSWER_YES : SASL_ANSWER_NO, login);
        return;
    }
    sasl_server_checked(x->server, answer == CHECK_GOOD, login, &e);
    go_on(x, &e, login);
}

void exchange_keys(struct exchange *x, const struct sasl_scram_keys *keys)
{
    struct sasl_server_event e;
    if (x->gone || !keys) {
        exchange_checked(x, CHECK_UNKNOWN, SLICE_NONE);
        return;
    }
    x->waits = false;
    sasl_server_keys(x->server, keys, &e);
    go_on(x, &e, SLICE_NONE);
}

void exchange_challenge(struct exchange *x, slice challenge)
{
    x->waits = false;
    say(x, SASL_ANSWER_CHALLENGE, SLICE_NONE, challenge);
}

static struct exchange *find(struct logins *l, uint32_t process, uint64_t number)
{
    LIST_FOREACH(at, &l->exchanges) {
        struct exchange *x = LIST_ENTRY(at, struct exchange, link);
        if (x->number == number && x->asker.process == process)
            return x;
    }
    return NULL;
}

static struct exchange *exchange_new(struct logins *l, uint32_t process, const struct ipc_ask_sasl *m)
{
    struct exchange *x = l->count < EXCHANGES_MAX ? calloc(1, sizeof *x) : NULL;
    if (!x)
        return NULL;
    x->logins = l;
    x->asker = (struct asker){process, m->token};
    x->number = m->exchange;
    x->secured = m->flags & SASL_ASK_SECURED;
    if (m->ip.len == 4 || m->ip.len == 16) {
        memcpy(x->ip, m->ip.ptr, m->ip.len);
        x->ip_len = (uint8_t)m->ip.len;
    }
    list_push(&l->exchanges, &x->link);
    l->count++;
    return x;
}

static void refuse(struct logins *l, struct asker to, enum sasl_answer status)
{
    struct ipc_message m = {.type = IPC_answer_sasl, .fd = -1};
    m.u.answer_sasl.token = to.token;
    m.u.answer_sasl.status = (uint8_t)status;
    lookup_answer(l->lookup, to, &m);
}

static void begin(struct logins *l, uint32_t process, const struct ipc_ask_sasl *m)
{
    struct sasl_server_event e;
    struct asker asker = {process, m->token};
    struct exchange *x = exchange_new(l, process, m);
    if (!x) {
        refuse(l, asker, SASL_ANSWER_TEMPORARY);
        return;
    }
    x->deadline_ms = now_ms(l) + EXCHANGE_MS;
    if (l->dovecot && dovecot_has(l->dovecot, m->mechanism)) {
        x->waits = true;
        if (!dovecot_begin(l->dovecot, x, m->mechanism, m))
            say_last(x, SASL_ANSWER_TEMPORARY, SLICE_NONE);
        return;
    }
    struct sasl_server_options o = {m->binding, m->identities, m->flags & SASL_ASK_PLUS_OFFERED};
    if (sasl_server_open(m->mechanism, &o, &x->server) != ERR_OK) {
        say_last(x, SASL_ANSWER_TEMPORARY, SLICE_NONE);
        return;
    }
    sasl_server_start(x->server, m->flags & SASL_ASK_INITIAL, m->response, &e);
    go_on(x, &e, SLICE_NONE);
}

void logins_ask(struct logins *l, uint32_t process, const struct ipc_ask_sasl *m)
{
    struct sasl_server_event e;
    struct asker asker = {process, m->token};
    struct exchange *x = find(l, process, m->exchange);
    if (!x && m->mechanism.len > 0) {
        begin(l, process, m);
        return;
    }
    if (!x || x->waits || m->mechanism.len > 0) { /* of another generation's lookup, too late, or twice */
        refuse(l, asker, SASL_ANSWER_TEMPORARY);
        return;
    }
    x->asker = asker;
    x->deadline_ms = now_ms(l) + EXCHANGE_MS;
    if (!x->server) {
        x->waits = true;
        if (!dovecot_continue(l->dovecot, x, m->response))
            say_last(x, SASL_ANSWER_TEMPORARY, SLICE_NONE);
        return;
    }
    sasl_server_response(x->server, m->response, &e);
    go_on(x, &e, SLICE_NONE);
}

void logins_gone(struct logins *l, uint32_t process, uint64_t number)
{
    struct exchange *x = find(l, process, number);
    if (x)
        end(x);
}

static bool is_overdue(const struct exchange *x, int64_t now)
{
    return x->deadline_ms <= now;
}

void logins_process_gone(struct logins *l, uint32_t process)
{
    LIST_FOREACH(at, &l->exchanges) {
        struct exchange *x = LIST_ENTRY(at, struct exchange, link);
        if (x->asker.process == process)
            end(x);
    }
}

static void tick(void *ctx)
{
    struct logins *l = ctx;
    int64_t now = now_ms(l);
    LIST_FOREACH(at, &l->exchanges) {
        struct exchange *x = LIST_ENTRY(at, struct exchange, link);
        if (is_overdue(x, now))
            end(x);
    }
    loop_timer_start(l->tick, TICK_MS);
}

void logins_offer(struct logins *l, struct hub_peer *p)
{
    char memory[LOGIN_WORDS_MAX];
    buf words;
    struct ipc_hub *hub = l->lookup->child.hub;
    if (!l->dovecot)
        return; /* a receiver knows it from the configuration */
    buf_init_fixed(&words, memory, sizeof memory);
    dovecot_offer(l->dovecot, &words);
    struct ipc_message m = {.type = IPC_sasl_offer, .fd = -1, .u.sasl_offer = {buf_slice(&words)}};
    for (struct hub_peer *at = NULL; (at = ipc_hub_next(hub, at)) != NULL;) {
        if (at->kind == PROCESS_RECEIVER && at->up && (!p || at == p))
            ipc_hub_send(hub, at, &m);
    }
}

enum err logins_open(struct lookup *lookup, struct logins **logins_r)
{
    struct logins *l = calloc(1, sizeof *l);
    if (!l)
        return ERR_NOMEM;
    l->lookup = lookup;
    l->conf = &lookup->child.conf->auth;
    l->limits.auth_failures = lookup->child.conf->limits.auth_failures;
    list_init(&l->exchanges);
    enum err e = checks_open(l, &l->checks);
    if (e == ERR_OK && l->conf->introspection.len > 0)
        e = web_open(l, &l->web);
    if (e != ERR_OK) {
        logins_close(&l);
        return e;
    }
    *logins_r = l;
    return ERR_OK;
}

enum err logins_start(struct logins *l)
{
    enum err e = checks_start(l->checks);
    if (e == ERR_OK && l->web)
        e = web_start(l->web);
    if (e == ERR_OK && l->conf->via == CONF_AUTH_DOVECOT)
        e = dovecot_open(l, &l->dovecot);
    if (e == ERR_OK)
        e = loop_timer_open(l->lookup->child.loop, tick, l, &l->tick);
    if (e == ERR_OK)
        loop_timer_start(l->tick, TICK_MS);
    return e;
}

void logins_close(struct logins **logins)
{
    struct logins *l = *logins;
    if (!l)
        return;
    if (l->tick)
        loop_timer_close(&l->tick);
    LIST_FOREACH(at, &l->exchanges)
        LIST_ENTRY(at, struct exchange, link)->gone = true;
    checks_close(&l->checks); /* what has not come back is given up, and its exchange ends */
    web_close(&l->web);
    while (!list_empty(&l->exchanges)) {
        struct exchange *x = LIST_ENTRY(l->exchanges.next, struct exchange, link);
        x->waits = false;
        end(x);
    }
    dovecot_close(&l->dovecot);
    free(l);
    *logins = NULL;
}
