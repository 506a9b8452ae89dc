/* SPDX-License-Identifier: ISC */
/* Signing in. The mechanisms run in lookup: what the client says goes there as it is, out of the engine's buffer, which wipes it, and what comes back is a challenge or an end. Whoever is wrong waits, longer each time,
 * and hears the same words whether the user exists or not. Only submission listeners come here: on any other the engine is told of no mechanism. */
#include "proc/receiver/state.h"

#define PENALTY_MS 1000
#define PENALTY_DOUBLINGS_MAX 4
#define IDENTITIES_MAX 8192

static slice user_of(const struct session *s)
{
    return slice_of(s->auth->user, s->auth->user_len);
}

static slice client_ip(const struct session *s)
{
    return slice_of(s->route.ip, s->route.ip_len);
}

const char *auth_mechanism(const struct session *s)
{
    if (s->auth)
        return s->auth->mechanism;
    return s->login ? s->login->mechanism : "XCLIENT"; /* nobody else gives a login without one */
}

/* Locking knows no case. */
static slice lower_user(const struct session *s, char memory[AUTH_LOGIN_MAX])
{
    for (size_t i = 0; i < s->auth->user_len; i++)
        memory[i] = ascii_lower(s->auth->user[i]);
    return slice_of(memory, s->auth->user_len);
}

static void count_failure(struct session *s)
{
    char memory[AUTH_LOGIN_MAX];
    if (!s->auth->counted)
        limits_auth_failed(s->r->start->shared, client_ip(s), lower_user(s, memory), os_wall_s());
    s->auth->counted = true;
}

/* A token that is wrong is answered with a challenge that says so (RFC 7628 section 3.2.3). The client need not answer it: it may cancel, or be gone, and has guessed all the same. */
static bool is_refusal(const struct session *s, const struct ipc_answer_sasl *answer)
{
    slice mechanism = slice_str(s->auth->mechanism);
    return answer->challenge.len > 0 &&
           (slice_equal(mechanism, SLICE("OAUTHBEARER")) || slice_equal(mechanism, SLICE("XOAUTH2")));
}

static void fail(struct session *s)
{
    count_failure(s);
    uint32_t doublings = s->auth_failures < PENALTY_DOUBLINGS_MAX ? s->auth_failures : PENALTY_DOUBLINGS_MAX;
    s->auth_failures++;
    log_login(s, TRACE_LOGIN_FAILED, SLICE("authentication failed"), user_of(s));
    session_wait(s, WAIT_LOGIN_FAILED, (int64_t)PENALTY_MS << doublings);
}

static bool is_locked(struct session *s)
{
    const struct receiver *r = s->r;
    char memory[AUTH_LOGIN_MAX];
    return limits_auth_locked(r->start->shared, &r->limits, client_ip(s), lower_user(s, memory), os_wall_s());
}

static void refuse_locked(struct session *s)
{
    char memory[96];
    buf what;
    buf_init_fixed(&what, memory, sizeof(memory));
    buf_append(&what, SLICE("authentication refused: [limits] auth_failures = "));
    buf_append_u64(&what, s->r->limits.auth_failures);
    buf_append(&what, SLICE(" is reached"));
    log_login(s, TRACE_LOGIN_FAILED, buf_slice(&what), user_of(s));
    session_answer_status(s, STATUS_AUTH_LOCKED);
}

static void take_user(struct session *s, slice user)
{
    if (user.len == 0 || user.len > sizeof(s->auth->user))
        return;
    memcpy(s->auth->user, user.ptr, user.len);
    s->auth->user_len = (uint16_t)user.len;
}

/* An exchange of which lookup may still know: the client has cancelled it, or is gone. */
static void drop_exchange(struct session *s)
{
    struct receiver *r = s->r;
    struct hub_peer *lookup = ipc_hub_find(r->child.hub, PROCESS_LOOKUP);
    if (!s->auth || s->auth->exchange == 0)
        return;
    struct ipc_message m = {.type = IPC_sasl_gone, .fd = -1, .u.sasl_gone = {s->auth->exchange}};
    if (lookup)
        ipc_hub_send(r->child.hub, lookup, &m);
    s->auth->exchange = 0;
}

static void end_exchange(struct session *s)
{
    drop_exchange(s);
    free(s->auth);
    s->auth = NULL;
}

static bool take_binding(const struct session *s, uint8_t binding[TLS_BINDING_SIZE])
{
    return !s->spoken_for && net_tls_binding(s->net, binding);
}

static void take_mails(const struct session *s, buf *mails)
{
    if (!s->spoken_for)
        net_tls_client_mails(s->net, mails);
}

static void ask(struct session *s, slice mechanism, uint8_t flags, slice response)
{
    char memory[IDENTITIES_MAX];
    uint8_t binding[TLS_BINDING_SIZE];
    struct ipc_ask_sasl q = {
        .exchange = s->auth->exchange, .mechanism = mechanism, .flags = flags, .response = response};
    buf identities;
    buf_init_fixed(&identities, memory, sizeof(memory));
    if (mechanism.len > 0) {
        bool bound = take_binding(s, binding);
        q.binding = bound ? slice_of(binding, sizeof(binding)) : SLICE_NONE;
        q.flags |= (uint8_t)((smtp_server_is_secured(s->smtp) ? SASL_ASK_SECURED : 0) |
                             (s->offer > 0 && s->r->offers[s->offer - 1].plus ? SASL_ASK_PLUS_OFFERED : 0));
        take_mails(s, &identities);
        q.identities = buf_ok(&identities) ? buf_slice(&identities) : SLICE_NONE;
        q.ip = client_ip(s);
    }
    if (ask_sasl(s, &q)) {
        session_wait(s, WAIT_LOGIN, RECEIVER_ANSWER_MS);
    } else {
        s->auth->exchange = 0; /* lookup has never heard of it */
        end_exchange(s);
        session_answer_status(s, STATUS_AUTH_TEMPORARY);
    }
    explicit_bzero(binding, sizeof(binding));
}

void auth_begin(struct session *s, const struct smtp_server_event *e)
{
    end_exchange(s);
    struct auth *a = calloc(1, sizeof(*a));
    if (!a || e->mechanism.len >= sizeof(a->mechanism)) {
        free(a);
        session_answer_status(s, STATUS_AUTH_TEMPORARY);
        return;
    }
    s->auth = a;
    memcpy(a->mechanism, e->mechanism.ptr, e->mechanism.len);
    a->exchange = ++s->r->last_exchange;
    ask(s, e->mechanism, e->initial ? SASL_ASK_INITIAL : 0, e->text);
}

void auth_response(struct session *s, slice response)
{
    ask(s, SLICE_NONE, 0, response);
}

static void sign_in(struct session *s, slice login)
{
    struct auth_login *l = login.len > 0 && login.len <= AUTH_LOGIN_MAX ? malloc(sizeof(*l) + login.len) : NULL;
    if (!l) {
        session_answer_status(s, STATUS_AUTH_TEMPORARY);
        return;
    }
    memcpy(l->mechanism, s->auth->mechanism, sizeof(l->mechanism));
    for (size_t i = 0; i < login.len; i++)
        l->name[i] = ascii_lower(login.ptr[i]);
    l->len = (uint16_t)login.len;
    free(s->login);
    s->login = l;
    s->route.login = slice_of(l->name, l->len);
    s->counts.auth_ok++;
    log_login(s, TRACE_LOGIN, SLICE("authentication succeeded"), s->route.login);
    session_answer_status(s, STATUS_AUTH_OK);
}

void auth_answered(struct session *s, const struct ipc_answer_sasl *answer)
{
    take_user(s, answer->login);
    if (answer->status == SASL_ANSWER_CHALLENGE) {
        if (is_refusal(s, answer))
            count_failure(s);
        s->wait = WAIT_NONE;
        s->wait_until_ms = INT64_MAX;
        smtp_server_challenge(s->smtp, receiver_now_ms(s->r), answer->challenge);
        return;
    }
    s->auth->exchange = 0;
    /* many sessions may have asked before the first was wrong: who guesses at once learns no more than who guesses in turn */
    bool decided = answer->status == SASL_ANSWER_YES || answer->status == SASL_ANSWER_NO;
    if (answer->status == SASL_ANSWER_LOCKED || (decided && is_locked(s)))
        refuse_locked(s);
    else if (answer->status == SASL_ANSWER_YES)
        sign_in(s, answer->login);
    else if (answer->status == SASL_ANSWER_NO)
        fail(s);
    else if (answer->status == SASL_ANSWER_MALFORMED)
        session_answer_status(s, STATUS_AUTH_BAD_BASE64);
    else
        session_answer_status(s, STATUS_AUTH_TEMPORARY);
    end_exchange(s);
}

void auth_failed(struct session *s)
{
    end_exchange(s);
    session_answer_status(s, STATUS_AUTH_TEMPORARY);
}

void auth_penalty_over(struct session *s)
{
    session_answer_status(s, STATUS_AUTH_FAILED);
}

void auth_forget(struct session *s)
{
    end_exchange(s);
    s->route.login = SLICE_NONE;
    free(s->login);
    s->login = NULL;
    s->auth_failures = 0;
    if (s->offer > 0)
        smtp_server_mechanisms(s->smtp, SLICE_NONE);
    s->offer = 0;
}

/* Of all words those that fit this channel. RFC 5802 section 6: -PLUS is offered when there is a binding, and EXTERNAL when there is somebody (RFC 4422 appendix A). */
static void offer_make(struct auth_offer *o, slice all, unsigned channel)
{
    buf b;
    buf_init_fixed(&b, o->words, sizeof(o->words));
    o->plus = false;
    for (slice word; all.len > 0;) {
        (void)slice_cut(all, ' ', &word, &all);
        bool plus = slice_ends_nocase(word, SLICE("-PLUS")), identity = slice_equal(word, SLICE("EXTERNAL"));
        if (word.len == 0 || (plus && !(channel & AUTH_OFFER_BOUND)) || (identity && !(channel & AUTH_OFFER_IDENTITY)))
            continue;
        o->plus = o->plus || plus;
        buf_append(&b, b.len > 0 ? SLICE(" ") : SLICE_NONE);
        buf_append(&b, word);
    }
    o->len = (uint16_t)(buf_ok(&b) ? b.len : 0);
}

static void offer_tell(struct session *s)
{
    const struct auth_offer *o = &s->r->offers[s->offer - 1];
    smtp_server_mechanisms(s->smtp, slice_of(o->words, o->len));
}

void auth_offer_set(struct receiver *r, slice of_dovecot)
{
    const struct conf_auth *c = &r->conf->auth;
    char memory[2 * AUTH_OFFER_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    if (c->via == CONF_AUTH_STORE)
        buf_append(&b, SLICE("SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-1 "));
    if (c->jwt_key.len > 0 || c->introspection.len > 0)
        buf_append(&b, SLICE("OAUTHBEARER XOAUTH2 "));
    if (c->client_ca.len > 0)
        buf_append(&b, SLICE("EXTERNAL "));
    buf_append(&b, c->via == CONF_AUTH_DOVECOT ? of_dovecot : SLICE("PLAIN LOGIN"));
    for (unsigned i = 0; i < AUTH_OFFERS; i++)
        offer_make(&r->offers[i], buf_ok(&b) ? buf_slice(&b) : SLICE_NONE, i);
    LIST_FOREACH(l, &r->sessions) {
        struct session *s = LIST_ENTRY(l, struct session, link);
        if (s->offer > 0)
            offer_tell(s);
    }
}

void auth_offer(struct session *s)
{
    const struct conf_listener *c = s->listener->conf;
    char memory[IDENTITIES_MAX];
    uint8_t binding[TLS_BINDING_SIZE];
    buf identities;
    if (!c || c->role != CONF_LISTEN_SUBMISSION)
        return;
    buf_init_fixed(&identities, memory, sizeof(memory));
    take_mails(s, &identities);
    unsigned channel = take_binding(s, binding) ? AUTH_OFFER_BOUND : 0;
    explicit_bzero(binding, sizeof(binding));
    channel |= identities.len > 0 ? AUTH_OFFER_IDENTITY : 0;
    s->offer = (uint8_t)(channel + 1);
    offer_tell(s);
}
