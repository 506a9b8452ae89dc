/* SPDX-License-Identifier: ISC */
/* Inside the room only: one login on the server side, and the row of its mechanism. A mechanism is a function that gets the client's messages one after the other (stage counts them) and
 * fills the event; answers to what it asked come back through `checked` and `keys`. What a function does not set in the event is empty, and its kind
 * is MALFORMED. */
#ifndef SASL_SERVER_STATE_H
#define SASL_SERVER_STATE_H

#include "sasl/scram_parts.h"
#include "sasl/server.h"

struct server_mechanism {
    slice name;
    bool scram, external;
    bool asks_name; /* begins with "Username:", the others with an empty challenge */
    void (*message)(struct sasl_server *s, slice response, struct sasl_server_event *e);
    void (*checked)(struct sasl_server *s, bool good, slice login, struct sasl_server_event *e);
};

struct sasl_server {
    const struct server_mechanism *mechanism;
    unsigned stage;
    bool offers_plus;
    struct scram scram;
    uint8_t stored[CRYPT_DIGEST_MAX], server_key[CRYPT_DIGEST_MAX];
    size_t login_len;
    char login[SASL_LOGIN_MAX];
    buf identities;
    buf text; /* of a challenge */
};

/* Keeps the name as SASLprep has it. False when it is empty, before or after, too long, has a control character inside, or cannot be prepared. */
bool server_take_login(struct sasl_server *s, slice login);
/* Whether the name, prepared, is the login: no matter the case of ASCII letters. */
bool server_is_login(const struct sasl_server *s, slice name);
void server_set(struct sasl_server *s, struct sasl_server_event *e, enum sasl_server_kind kind);
void server_challenge(struct sasl_server *s, struct sasl_server_event *e);

/* server_scram.c */
void server_scram_message(struct sasl_server *s, slice response, struct sasl_server_event *e);
/* server_token.c */
void server_bearer_message(struct sasl_server *s, slice response, struct sasl_server_event *e);
void server_xoauth2_message(struct sasl_server *s, slice response, struct sasl_server_event *e);
void server_token_checked(struct sasl_server *s, bool good, slice login, struct sasl_server_event *e);

#endif
