/* SPDX-License-Identifier: ISC */
/* What one run over a document has understood so far: the nodes of the keys that need more than a type check, a struct for each kind of
 * table, and the places that later checks speak of. Rows of the option table point into these structs by offset. Everything is
 * in the configuration's arena; nothing outlives conf_parse but the values made from it.
 * A node pointer is NULL when the key is absent (or was wrong, which is said already).
 * Values of simple types are in place with their defaults.
 */
#ifndef CONF_DRAFT_H
#define CONF_DRAFT_H

#include "conf/conf.h"
#include "conf/toml_tree.h"

struct draft_top {
    const struct toml_node *hostname, *origin, *postmaster, *state_dir, *user;
    const struct toml_node *queue, *listen, *tls, *domain, *address, *list, *route, *relay, *send_as, *trust, *limits,
        *auth, *batch, *log;
};

struct draft_queue {
    const struct toml_node *dir, *retry, *signed_8bit;
    int64_t give_up_s, warn_after_s;
    uint64_t min_free;
    uint32_t connections_per_destination;
};

struct draft_listen {
    const struct toml_node *mx, *submission, *lmtp;
};

struct draft_trust {
    const struct toml_node *proxy, *xclient, *xforward;
};

struct draft_tls {
    const struct toml_node *cert, *key;
};

struct draft_auth {
    const struct toml_node *via, *client_ca, *introspection, *introspection_id, *introspection_secret_file,
        *introspection_ca, *jwt_key, *jwt_issuer, *jwt_audience, *claim;
    uint32_t hash;
    bool plaintext_on_loopback;
};

struct draft_domain {
    const struct toml_node *self;
    const struct toml_node *deliver, *deliver_as, *users, *catch_all, *aliases, *subaddress, *same_as;
    bool smtputf8;
};

struct draft_address {
    const struct toml_node *deliver;
};

struct draft_list {
    const struct toml_node *members, *post, *owner;
};

struct draft_route {
    const struct toml_node *via, *tls, *password_file, *token_file, *cert, *key, *source, *helo;
};

struct draft_relay {
    const struct toml_node *allow, *network;
};

struct draft_batch {
    const struct toml_node *folder, *allow, *administrators, *dead_letter;
    uint32_t error_limit;
    enum conf_bad_job bad_job;
};

struct draft_network {
    const struct toml_node *senders;
    bool is_public;
};

#endif
