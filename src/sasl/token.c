/* SPDX-License-Identifier: ISC */
#include "sasl/token.h"

#include <jansson.h>

#define TOKEN_MAX 8192
#define SKEW_S 60

/* RFC 4648 section 5 without padding (RFC 7515 section 2). */
static bool decode(slice text, buf *out)
{
    char memory[TOKEN_MAX + 4];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '+' || c == '/' || c == '=')
            return false;
        buf_append_char(&b, c == '-' ? '+' : c == '_' ? '/' : c);
    }
    while (b.len % 4 != 0)
        buf_append_char(&b, '=');
    return text.len > 0 && buf_ok(&b) && buf_append_base64_decoded(out, buf_slice(&b)) == ERR_OK;
}

static json_t *parse(slice text)
{
    json_t *root = json_loadb(text.ptr ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, NULL);
    if (root && !json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

static slice text_of(const json_t *value)
{
    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value)) : SLICE_NONE;
}

static bool refuse(buf *why, const char *reason)
{
    buf_append(why, slice_str(reason));
    return false;
}

/* A NumericDate; false when it is there and none. */
static bool time_of(const json_t *root, const char *name, int64_t fallback, int64_t *time_r)
{
    const json_t *value = json_object_get(root, name);
    if (!value) {
        *time_r = fallback;
        return true;
    }
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number > 0 && number < 1e15))
        return false;
    *time_r = (int64_t)number;
    return true;
}

static bool is_for(const json_t *value, slice audience)
{
    size_t i;
    const json_t *one;
    if (audience.len == 0)
        return false;
    if (!json_is_array(value))
        return slice_equal(text_of(value), audience);
    json_array_foreach(value, i, one)
    {
        if (slice_equal(text_of(one), audience))
            return true;
    }
    return false;
}

static bool check_times(const json_t *root, int64_t now_s, int64_t *until_r, buf *why)
{
    int64_t not_before, issued;
    if (!time_of(root, "exp", INT64_MAX, until_r) || !time_of(root, "nbf", 0, &not_before) ||
        !time_of(root, "iat", 0, &issued))
        return refuse(why, "a time in the token is none");
    if (*until_r <= now_s)
        return refuse(why, "the token has expired");
    if (not_before > now_s + SKEW_S || issued > now_s + SKEW_S)
        return refuse(why, "the token is not yet valid");
    return true;
}

static bool check_parties(const json_t *root, const struct sasl_token_rules *r, bool required, buf *why)
{
    const json_t *iss = json_object_get(root, "iss"), *aud = json_object_get(root, "aud");
    if (r->issuer.len > 0 && (iss || required) && !slice_equal(text_of(iss), r->issuer))
        return refuse(why, "the token is of another issuer");
    bool checked = required || r->audience.len > 0;
    if (checked && (aud || (required && r->audience.len > 0)) && !is_for(aud, r->audience))
        return refuse(why, "the token is for another audience");
    return true;
}

static bool take_login(const json_t *root, slice claim, buf *login, buf *why)
{
    char name[128];
    if (claim.len >= sizeof name)
        return refuse(why, "the claim's name is too long");
    memcpy(name, claim.ptr, claim.len);
    name[claim.len] = 0;
    slice text = text_of(json_object_get(root, name));
    if (text.len == 0)
        return refuse(why, "the token has no claim that is a login");
    if (slice_equal(claim, SLICE("email")) && json_is_false(json_object_get(root, "email_verified")))
        return refuse(why, "the address in the token is not verified");
    if (slice_find_char(text, 0) >= 0)
        return refuse(why, "the claim has a NUL in it");
    buf_append(login, text);
    return buf_ok(login) || refuse(why, "the login is too long");
}

static bool kind_of(slice algorithm, enum crypt_signature *kind_r)
{
    static const struct {
        slice name;
        enum crypt_signature kind;
    } rows[] = {{{"RS256", 5}, CRYPT_RS256}, {{"ES256", 5}, CRYPT_ES256}, {{"EdDSA", 5}, CRYPT_EDDSA}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!slice_equal(rows[i].name, algorithm))
            continue;
        *kind_r = rows[i].kind;
        return true;
    }
    return false;
}

/* Extensions that must be understood are not (RFC 7515 section 4.1.11). */
static bool read_header(slice text, enum crypt_signature *kind_r, buf *why)
{
    char memory[TOKEN_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    json_t *root = decode(text, &b) ? parse(buf_slice(&b)) : NULL;
    if (!root)
        return refuse(why, "the token is no JWT");
    bool known = !json_object_get(root, "crit") && kind_of(text_of(json_object_get(root, "alg")), kind_r);
    json_decref(root);
    return known || refuse(why, "the token is signed in a way that we do not know");
}

static bool read_claims(slice text, const struct sasl_token_rules *r, struct sasl_token_facts *facts_r, buf *why)
{
    char memory[TOKEN_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    json_t *root = decode(text, &b) ? parse(buf_slice(&b)) : NULL;
    if (!root)
        return refuse(why, "the token is no JWT");
    int64_t until_s = INT64_MAX;
    bool good = check_times(root, r->now_s, &until_s, why) &&
                (until_s != INT64_MAX || refuse(why, "the token never expires")) && check_parties(root, r, true, why) &&
                take_login(root, r->claim, facts_r->login, why);
    json_decref(root);
    facts_r->until_s = until_s;
    return good;
}

enum err sasl_token_jwt(slice token, const struct crypt_keys *keys, const struct sasl_token_rules *r,
                        struct sasl_token_facts *facts_r, buf *why)
{
    char memory[TOKEN_MAX];
    buf signature;
    slice header, rest, claims, last;
    enum crypt_signature kind;
    buf_init_fixed(&signature, memory, sizeof memory);
    if (token.len > TOKEN_MAX || !slice_cut(token, '.', &header, &rest) || !slice_cut(rest, '.', &claims, &last) ||
        !decode(last, &signature)) {
        (void)refuse(why, "the token is no JWT");
        return ERR_PERMISSION;
    }
    if (!read_header(header, &kind, why))
        return ERR_PERMISSION;
    slice text = slice_sub(token, 0, header.len + 1 + claims.len);
    if (!crypt_keys_verify(keys, kind, text, buf_slice(&signature))) {
        (void)refuse(why, "the token's signature is none of ours");
        return ERR_PERMISSION;
    }
    return read_claims(claims, r, facts_r, why) ? ERR_OK : ERR_PERMISSION;
}

enum err sasl_token_introspection(slice body, const struct sasl_token_rules *r, struct sasl_token_facts *facts_r,
                                  buf *why)
{
    json_t *root = parse(body);
    const json_t *active = root ? json_object_get(root, "active") : NULL;
    if (!json_is_boolean(active)) {
        (void)refuse(why, "the endpoint's answer is none of RFC 7662");
        json_decref(root);
        return ERR_SYNTAX;
    }
    int64_t until_s = INT64_MAX;
    slice claim = json_object_getn(root, r->claim.ptr, r->claim.len) ? r->claim : SLICE("username");
    bool good = (json_is_true(active) || refuse(why, "the token is not active")) &&
                check_times(root, r->now_s, &until_s, why) && check_parties(root, r, false, why) &&
                take_login(root, claim, facts_r->login, why);
    json_decref(root);
    facts_r->until_s = until_s;
    return good ? ERR_OK : ERR_PERMISSION;
}
