/* SPDX-License-Identifier: ISC */
/* What an access token says: a JWT (RFC 7519) checked with public keys of ours, or the answer of an introspection endpoint (RFC 7662). Pure but for memory: time is passed in. A token that is
 * not good is ERR_PERMISSION, with the reason for the log in why, never with the token. Which signature a JWT must have follows from the keys: what its header
 * names is compared with that and decides nothing. */
#ifndef SASL_TOKEN_H
#define SASL_TOKEN_H

#include "crypt/crypt.h"

struct sasl_token_rules {
    slice issuer;   /* "iss" must be this, unless empty */
    slice audience; /* "aud" must be this or have it among it, unless empty; empty: there must be no "aud" */
    slice claim;    /* whose text is the login: "email" */
    int64_t now_s;
};

struct sasl_token_facts {
    buf *login;      /* appended to */
    int64_t until_s; /* INT64_MAX: it says nothing */
};

/* The compact form, at most 8,192 bytes. "exp" is required; "nbf" and "iat" may be a minute ahead of our clock. ERR_PERMISSION, ERR_NOMEM. */
must_check enum err sasl_token_jwt(slice token, const struct crypt_keys *keys, const struct sasl_token_rules *r,
                                   struct sasl_token_facts *facts_r, buf *why);
/* The body of the endpoint's answer. ERR_SYNTAX: it is none. Without the claim "username" is the login. The endpoint has checked issuer and audience: what it names of them must fit all the same, what it does not name is no fault. */
must_check enum err sasl_token_introspection(slice body, const struct sasl_token_rules *r,
                                             struct sasl_token_facts *facts_r, buf *why);

#endif
