/* SPDX-License-Identifier: ISC */
#include "sasl/server.h"

#include <stdlib.h>

#include "sasl/prepare.h"
#include "sasl/server_state.h"

#define IDENTITIES_MAX 8192
#define TEXT_MAX 16384

/* RFC 4954 section 4. What SASLprep leaves alone, ASCII, is looked at here. */
bool server_take_login(struct sasl_server *s, slice login)
{
    char memory[SASL_LOGIN_MAX];
    buf name;
    buf_init_fixed(&name, memory, sizeof memory);
    if (login.len > sizeof memory || sasl_prepare(login, &name) != ERR_OK)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
            return false;
    }
    memcpy(s->login, name.ptr, name.len);
    s->login_len = name.len;
    return true;
}

bool server_is_login(const struct sasl_server *s, slice name)
{
    char memory[SASL_LOGIN_MAX];
    buf prepared;
    buf_init_fixed(&prepared, memory, sizeof memory);
    return sasl_prepare(name, &prepared) == ERR_OK && slice_equal_nocase(buf_slice(&prepared), sasl_server_login(s));
}

slice sasl_server_login(const struct sasl_server *s)
{
    return slice_of(s->login, s->login_len);
}

void server_set(struct sasl_server *s, struct sasl_server_event *e, enum sasl_server_kind kind)
{
    e->kind = kind;
    e->login = sasl_server_login(s);
}

void server_challenge(struct sasl_server *s, struct sasl_server_event *e)
{
    e->kind = buf_ok(&s->text) ? SASL_CHALLENGE : SASL_MALFORMED;
    e->text = buf_slice(&s->text);
}

static void challenge_text(struct sasl_server *s, slice text, struct sasl_server_event *e)
{
    buf_clear(&s->text);
    buf_append(&s->text, text);
    server_challenge(s, e);
}

/* RFC 4616 section 2: [authzid] NUL authcid NUL password. */
static void plain_message(struct sasl_server *s, slice response, struct sasl_server_event *e)
{
    slice authzid, rest, authcid, password;
    if (s->stage > 0 || !slice_cut(response, 0, &authzid, &rest) || !slice_cut(rest, 0, &authcid, &password) ||
        password.len == 0 || slice_find_char(password, 0) >= 0 || !server_take_login(s, authcid))
        return;
    server_set(s, e, authzid.len == 0 || server_is_login(s, authzid) ? SASL_CHECK_PASSWORD : SASL_FAILED);
    e->secret = password;
}

static void login_message(struct sasl_server *s, slice response, struct sasl_server_event *e)
{
    if (s->stage == 0 && server_take_login(s, response)) {
        challenge_text(s, SLICE("Password:"), e);
    } else if (s->stage == 1 && response.len > 0) {
        server_set(s, e, SASL_CHECK_PASSWORD);
        e->secret = response;
    }
}

static void password_checked(struct sasl_server *s, bool good, slice login, struct sasl_server_event *e)
{
    (void)login;
    server_set(s, e, good ? SASL_ACCEPTED : SASL_FAILED);
}

/* RFC 4422 appendix A. A certificate with several names is all of them; without a wish it is the first. */
static void external_message(struct sasl_server *s, slice response, struct sasl_server_event *e)
{
    if (s->stage > 0 || (response.len > 0 && !server_take_login(s, response)))
        return;
    slice rest = buf_slice(&s->identities);
    for (slice identity; rest.len > 0;) {
        (void)slice_cut(rest, '\n', &identity, &rest);
        if (identity.len == 0 || (response.len > 0 && !slice_equal_nocase(identity, response)))
            continue;
        server_set(s, e, server_take_login(s, identity) ? SASL_ACCEPTED : SASL_FAILED);
        e->login = sasl_server_login(s);
        return;
    }
    server_set(s, e, SASL_FAILED);
}

static const struct server_mechanism mechanisms[] = {
    {.name = {"PLAIN", 5}, .message = plain_message, .checked = password_checked},
    {.name = {"LOGIN", 5}, .asks_name = true, .message = login_message, .checked = password_checked},
    {.name = {"EXTERNAL", 8}, .external = true, .message = external_message},
    {.name = {"OAUTHBEARER", 11}, .message = server_bearer_message, .checked = server_token_checked},
    {.name = {"XOAUTH2", 7}, .message = server_xoauth2_message, .checked = server_token_checked},
    {.name = {"SCRAM-SHA-256-PLUS", 18}, .scram = true, .message = server_scram_message},
    {.name = {"SCRAM-SHA-256", 13}, .scram = true, .message = server_scram_message},
    {.name = {"SCRAM-SHA-1-PLUS", 16}, .scram = true, .message = server_scram_message},
    {.name = {"SCRAM-SHA-1", 11}, .scram = true, .message = server_scram_message},
};

static const struct server_mechanism *find(slice name)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (slice_equal(mechanisms[i].name, name))
            return &mechanisms[i];
    }
    return NULL;
}

enum err sasl_server_open(slice mechanism, const struct sasl_server_options *o, struct sasl_server **s_r)
{
    const struct server_mechanism *m = find(mechanism);
    enum crypt_digest digest;
    bool plus = false;
    if (!m || (m->external && o->identities.len == 0) || o->identities.len > IDENTITIES_MAX)
        return ERR_UNSUPPORTED;
    if (m->scram && scram_mechanism(m->name, &digest, &plus) && plus && o->binding.len == 0)
        return ERR_UNSUPPORTED;
    struct sasl_server *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    s->mechanism = m;
    s->offers_plus = o->offers_plus;
    buf_init(&s->identities, IDENTITIES_MAX);
    buf_init(&s->text, TEXT_MAX);
    buf_append(&s->identities, o->identities);
    if (m->scram)
        scram_init(&s->scram, digest, plus, o->binding);
    if (!buf_ok(&s->identities)) {
        sasl_server_close(&s);
        return ERR_NOMEM;
    }
    *s_r = s;
    return ERR_OK;
}

void sasl_server_close(struct sasl_server **s)
{
    if (!*s)
        return;
    if ((*s)->mechanism->scram)
        scram_deinit(&(*s)->scram);
    buf_deinit(&(*s)->identities);
    buf_deinit(&(*s)->text);
    explicit_bzero(*s, sizeof **s);
    free(*s);
    *s = NULL;
}

void sasl_server_start(struct sasl_server *s, bool initial, slice response, struct sasl_server_event *e_r)
{
    *e_r = (struct sasl_server_event){.kind = SASL_MALFORMED};
    if (initial)
        sasl_server_response(s, response, e_r);
    else
        challenge_text(s, s->mechanism->asks_name ? SLICE("Username:") : SLICE_NONE, e_r);
}

void sasl_server_response(struct sasl_server *s, slice response, struct sasl_server_event *e_r)
{
    *e_r = (struct sasl_server_event){.kind = SASL_MALFORMED};
    s->mechanism->message(s, response, e_r);
    s->stage++;
}

void sasl_server_checked(struct sasl_server *s, bool good, slice login, struct sasl_server_event *e_r)
{
    *e_r = (struct sasl_server_event){.kind = SASL_MALFORMED};
    if (s->mechanism->checked)
        s->mechanism->checked(s, good, login, e_r);
}
