/* SPDX-License-Identifier: ISC */
/* OAuth tokens: OAUTHBEARER (RFC 7628) and its forerunner XOAUTH2. Both end a failure with a challenge that says why, and an answer that says nothing. */
#include "sasl/server_state.h"

#define TOKEN_MAX 8192

/* RFC 6750 section 2.1: the scheme's name knows no case; one space or more, then b64token. */
static bool take_token(slice value, slice *token_r)
{
    if (!slice_starts_nocase(value, SLICE("Bearer ")))
        return false;
    slice token = slice_trim(slice_skip(value, 7));
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] <= 0x20 || token.ptr[i] >= 0x7f)
            return false;
    }
    *token_r = token;
    return token.len > 0 && token.len <= TOKEN_MAX;
}

/* key=value parts, each with \1 behind it, and a \1 at the end. The value of key, or empty. */
static bool find_value(slice parts, slice key, slice *value_r)
{
    *value_r = SLICE_NONE;
    while (parts.len > 0) {
        slice part, name, value;
        if (!slice_cut(parts, 1, &part, &parts))
            return false;
        if (part.len == 0)
            return parts.len == 0;
        if (!slice_cut(part, '=', &name, &value))
            return false;
        if (slice_equal(name, key))
            *value_r = value;
    }
    return false;
}

static void ask(struct sasl_server *s, slice token, struct sasl_server_event *e)
{
    server_set(s, e, SASL_CHECK_TOKEN);
    e->secret = token;
}

void server_bearer_message(struct sasl_server *s, slice response, struct sasl_server_event *e)
{
    char memory[SASL_LOGIN_MAX + 1];
    buf name;
    slice flag, authzid, parts, value, token;
    if (s->stage > 0) { /* the dummy response of RFC 7628 section 3.2.3, whatever it is */
        server_set(s, e, SASL_FAILED);
        return;
    }
    buf_init_fixed(&name, memory, sizeof memory);
    if (!slice_cut(response, ',', &flag, &parts) || !slice_cut(parts, ',', &authzid, &parts) || parts.len == 0 ||
        parts.ptr[0] != 1 || !(slice_equal(flag, SLICE("n")) || slice_equal(flag, SLICE("y"))))
        return;
    if (authzid.len > 0 && (!slice_starts(authzid, SLICE("a=")) || !scram_name_decode(slice_skip(authzid, 2), &name) ||
                            !server_take_login(s, buf_slice(&name))))
        return;
    if (find_value(slice_skip(parts, 1), SLICE("auth"), &value) && take_token(value, &token))
        ask(s, token, e);
}

void server_xoauth2_message(struct sasl_server *s, slice response, struct sasl_server_event *e)
{
    slice user, value, token;
    if (s->stage > 0) {
        server_set(s, e, SASL_FAILED);
        return;
    }
    if (find_value(response, SLICE("user"), &user) && server_take_login(s, user) &&
        find_value(response, SLICE("auth"), &value) && take_token(value, &token))
        ask(s, token, e);
}

void server_token_checked(struct sasl_server *s, bool good, slice login, struct sasl_server_event *e)
{
    bool same = s->login_len == 0 || server_is_login(s, login);
    if (good && same && server_take_login(s, login)) {
        server_set(s, e, SASL_ACCEPTED);
        return;
    }
    buf_clear(&s->text);
    if (slice_equal(s->mechanism->name, SLICE("XOAUTH2")))
        buf_append(&s->text, SLICE("{\"status\":\"400\",\"schemes\":\"Bearer\",\"scope\":\"\"}"));
    else
        buf_append(&s->text, SLICE("{\"status\":\"invalid_token\"}")); /* RFC 7628 section 3.2.2 */
    server_challenge(s, e);
}
