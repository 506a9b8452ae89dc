/* SPDX-License-Identifier: ISC */
/* The client side: which mechanism to take of those that a server offers, and its messages. One handle is one login.
 *
 *     mechanism = sasl_client_choose(offered, &o)        empty: none will do
 *     sasl_client_open(mechanism, &o, &c)
 *     if sasl_client_begins(c): step(c, SLICE_NONE, true, &out), and out is the initial response (it may be empty: "=" in SMTP)
 *     each challenge: step(c, challenge, false, &out), and out is the response
 *
 * The server's word that the login is good counts only once the last step was SASL_DONE: a server of SCRAM that says so without having shown
 * its proof does not have the password. */
#ifndef SASL_CLIENT_H
#define SASL_CLIENT_H

#include "base/base.h"

struct sasl_client_options {
    slice login, secret; /* at most 1,000 and 16,000 bytes; secret: the password, or a token */
    bool token;          /* secret is an OAuth access token, and good for nothing else */
    slice host;          /* of the server, as the token's resource: OAUTHBEARER */
    uint16_t port;
    slice binding;    /* TLS_BINDING_SIZE bytes of this channel, or empty */
    bool certificate; /* the handshake showed a certificate of ours: EXTERNAL */
    bool may_plain;   /* the server may see the secret itself: its certificate was checked against its name */
};

enum sasl_status {
    SASL_MORE,    /* send the response; the server must say more */
    SASL_DONE,    /* send the response; on our side nothing is missing */
    SASL_REFUSED, /* the server's proof or message is wrong, or we have nothing more to say: send nothing, cancel */
};

struct sasl_client;

/* The best of the words in offered (upper or lower case) for what o has, as a constant of ours; empty when none will do. In order: SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS (binding), SCRAM-SHA-256,
 * SCRAM-SHA-1 (password), OAUTHBEARER, XOAUTH2 (token, may_plain), EXTERNAL (certificate), PLAIN, LOGIN (password, may_plain). */
slice sasl_client_choose(slice offered, const struct sasl_client_options *o);
/* mechanism as sasl_client_choose gave it. With a binding of ours and a mechanism without -PLUS, SCRAM says to the server that we saw no -PLUS offered; the server
 * knows whether somebody between us has cut it out (RFC 5802 section 6). ERR_UNSUPPORTED: not for these options; ERR_LIMIT, ERR_NOMEM. */
must_check enum err sasl_client_open(slice mechanism, const struct sasl_client_options *o, struct sasl_client **c_r);
void sasl_client_close(struct sasl_client **c);
/* Whether the mechanism begins with a message of the client. Not so LOGIN: AUTH LOGIN goes without an initial response. */
bool sasl_client_begins(const struct sasl_client *c);
/* first: there is no challenge yet. Appends to response, which is the caller's to wipe. */
enum sasl_status sasl_client_step(struct sasl_client *c, slice challenge, bool first, buf *response);

#endif
