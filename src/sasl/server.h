/* SPDX-License-Identifier: ISC */
/* The server side of one login, as a pull engine. It knows no accounts: where it needs one it says so and waits for the answer.
 *
 *     sasl_server_open; sasl_server_start with what came along with the mechanism's name
 *     CHALLENGE       send text, then sasl_server_response with the client's answer
 *     CHECK_PASSWORD  is secret the password of login? sasl_server_checked
 *     FIND_KEYS       sasl_server_keys: keys of login for digest; for an unknown login keys that nobody can have a password for
 *     CHECK_TOKEN     is secret a good token, and whose? (login is whom the client means, or empty) sasl_server_checked with the token's login
 *     ACCEPTED        login has signed in.  FAILED: wrong, whatever was. MALFORMED: no message of this mechanism
 *
 * The last three end it. Slices of an event look into the handle or into the response, and live until the next call. Nobody acts for somebody else here: an authorization identity must be the login itself or empty. Logins are as SASLprep (RFC 4013) has them. */
#ifndef SASL_SERVER_H
#define SASL_SERVER_H

#include "sasl/scram.h"

#define SASL_LOGIN_MAX 320u

struct sasl_server_options {
    slice binding;    /* 32 bytes of this channel, or empty: then there is no -PLUS */
    slice identities; /* of the client's verified certificate, each with an LF behind it: EXTERNAL */
    bool
        offers_plus; /* the client was offered a -PLUS of SCRAM: one that says it was not has been lied to (RFC 5802 section 6) */
};

enum sasl_server_kind {
    SASL_CHALLENGE,
    SASL_CHECK_PASSWORD,
    SASL_FIND_KEYS,
    SASL_CHECK_TOKEN,
    SASL_ACCEPTED,
    SASL_FAILED,
    SASL_MALFORMED
};

struct sasl_server_event {
    enum sasl_server_kind kind;
    slice text; /* CHALLENGE */
    slice login, secret;
    enum crypt_digest digest; /* FIND_KEYS */
};

struct sasl_server;

/* mechanism in upper case. ERR_UNSUPPORTED: not known, or not possible with these options. ERR_NOMEM. */
must_check enum err sasl_server_open(slice mechanism, const struct sasl_server_options *o, struct sasl_server **s_r);
void sasl_server_close(struct sasl_server **s);
/* initial: response is the initial response, and may be empty; else there was none. */
void sasl_server_start(struct sasl_server *s, bool initial, slice response, struct sasl_server_event *e_r);
void sasl_server_response(struct sasl_server *s, slice response, struct sasl_server_event *e_r);
/* login: whose token it is; not looked at for a password, nor when it is not good. */
void sasl_server_checked(struct sasl_server *s, bool good, slice login, struct sasl_server_event *e_r);
void sasl_server_keys(struct sasl_server *s, const struct sasl_scram_keys *keys, struct sasl_server_event *e_r);
/* Who wants to sign in, as far as it is known yet; empty before. */
slice sasl_server_login(const struct sasl_server *s);

#endif
