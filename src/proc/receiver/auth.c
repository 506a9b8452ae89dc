/* SPDX-License-Identifier: ISC */
/* Signing in: PLAIN and LOGIN. No secret is kept here: a password goes from the engine's buffer, which it wipes, to lookup. Whoever gives a wrong one waits, longer each time,
 * and hears the same words whether the user exists or not. */
#include "proc/receiver/state.h"

#define PENALTY_MS 1000
#define PENALTY_DOUBLINGS_MAX 4

static slice user_of(const struct session *s)
{
    return slice_of(s->auth->user, s->auth->user_len);
}

static slice client_ip(const struct session *s)
{
    return slice_of(s->route.ip, s->route.ip_len);
}

static const char *mechanism_of(const struct session *s)
{
    return s->auth->step == AUTH_PLAIN ? "PLAIN" : "LOGIN";
}

/* Locking knows no case. */
static slice lower_user(const struct session *s, char memory[RECEIVER_NAME_MAX])
{
    for (size_t i = 0; i < s->auth->user_len; i++)
        memory[i] = ascii_lower(s->auth->user[i]);
    return slice_of(memory, s->auth->user_len);
}

static void fail(struct session *s)
{
    struct receiver *r = s->r;
    char memory[RECEIVER_NAME_MAX];
    limits_auth_failed(r->start->shared, client_ip(s), lower_user(s, memory), os_wall_s());
    uint32_t doublings = s->auth->failures < PENALTY_DOUBLINGS_MAX ? s->auth->failures : PENALTY_DOUBLINGS_MAX;
    s->auth->failures++;
    log_line(LOG_WARNING, "%.*s[%.*s]: SASL %s authentication failed: sasl_username=%.*s", SLICE_ARG(session_name(s)),
             SLICE_ARG(session_ip(s)), mechanism_of(s), SLICE_ARG(user_of(s)));
    session_wait(s, WAIT_LOGIN_FAILED, (int64_t)PENALTY_MS << doublings);
}

static bool is_locked(struct session *s)
{
    const struct receiver *r = s->r;
    char memory[RECEIVER_NAME_MAX];
    return limits_auth_locked(r->start->shared, &r->limits, client_ip(s), lower_user(s, memory), os_wall_s());
}

static void refuse_locked(struct session *s)
{
    log_line(LOG_WARNING,
             "%.*s[%.*s]: SASL %s authentication refused: [limits] auth_failures = %u is reached: sasl_username=%.*s",
             SLICE_ARG(session_name(s)), SLICE_ARG(session_ip(s)), mechanism_of(s), s->r->limits.auth_failures,
             SLICE_ARG(user_of(s)));
    session_answer_status(s, STATUS_AUTH_LOCKED);
}

static void check(struct session *s, slice password)
{
    if (is_locked(s))
        refuse_locked(s);
    else if (ask_login(s, user_of(s), password))
        session_wait(s, WAIT_LOGIN, RECEIVER_ANSWER_MS);
    else
        session_answer_status(s, STATUS_AUTH_TEMPORARY);
}

static bool take_user(struct session *s, slice user)
{
    if (user.len == 0 || user.len >= sizeof(s->auth->user))
        return false;
    memcpy(s->auth->user, user.ptr, user.len);
    s->auth->user_len = (uint16_t)user.len;
    return true;
}

static void take_plain(struct session *s, slice response)
{
    struct sasl_plain p;
    if (sasl_plain_decode(response, &p) != ERR_OK || !take_user(s, p.authcid))
        session_answer_status(s, STATUS_AUTH_BAD_BASE64);
    else if (p.authzid.len > 0 && !slice_equal_nocase(p.authzid, p.authcid))
        fail(s); /* nobody acts for somebody else here */
    else
        check(s, p.password);
}

static void challenge(struct session *s, slice text)
{
    smtp_server_challenge(s->smtp, receiver_now_ms(s->r), text);
}

static void take_login_user(struct session *s, slice user)
{
    if (!take_user(s, user)) {
        session_answer_status(s, STATUS_AUTH_BAD_BASE64);
        return;
    }
    s->auth->step = AUTH_LOGIN_PASSWORD;
    challenge(s, SLICE("Password:"));
}

void auth_begin(struct session *s, const struct smtp_server_event *e)
{
    if (!s->auth)
        s->auth = calloc(1, sizeof(*s->auth));
    if (!s->auth) {
        session_answer_status(s, STATUS_AUTH_TEMPORARY);
        return;
    }
    bool plain = slice_equal(e->mechanism, SLICE("PLAIN"));
    s->auth->step = plain ? AUTH_PLAIN : AUTH_LOGIN_USER;
    s->auth->user_len = 0;
    if (e->initial)
        auth_response(s, e->text);
    else
        challenge(s, plain ? SLICE_NONE : SLICE("Username:"));
}

void auth_response(struct session *s, slice response)
{
    switch (s->auth->step) {
    case AUTH_PLAIN:
        take_plain(s, response);
        break;
    case AUTH_LOGIN_USER:
        take_login_user(s, response);
        break;
    case AUTH_LOGIN_PASSWORD:
        check(s, response);
        break;
    }
}

void auth_answered(struct session *s, unsigned answer, slice login)
{
    struct auth *a = s->auth;
    /* many sessions may have asked before the first was wrong: who guesses at once learns no more than who guesses in turn */
    if (answer <= 1 && is_locked(s)) {
        refuse_locked(s);
        return;
    }
    if (answer == 0) {
        fail(s);
        return;
    }
    if (answer != 1 || login.len == 0 || login.len > sizeof(a->login)) {
        session_answer_status(s, STATUS_AUTH_TEMPORARY);
        return;
    }
    memcpy(a->login, login.ptr, login.len);
    a->login_len = (uint16_t)login.len;
    s->route.login = slice_of(a->login, a->login_len);
    s->counts.auth_ok++;
    session_answer_status(s, STATUS_AUTH_OK);
}

void auth_penalty_over(struct session *s)
{
    session_answer_status(s, STATUS_AUTH_FAILED);
}

void auth_forget(struct session *s)
{
    s->route.login = SLICE_NONE;
    free(s->auth);
    s->auth = NULL;
}
