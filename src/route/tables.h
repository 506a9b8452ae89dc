/* SPDX-License-Identifier: ISC */
/* The tables of one configuration generation: plain values that room conf fills in and nobody changes afterwards. All slices and
 * arrays live in the generation's arena. Domain names are lower case; lookups by name go through route_index, built once. `line` is where the configuration says it,
 * for people; 0: nowhere. */
#ifndef ROUTE_TABLES_H
#define ROUTE_TABLES_H

#include "mail/mail.h"

enum deliver_kind {
    DELIVER_NONE,
    DELIVER_MAILDIR,
    DELIVER_MBOX,
    DELIVER_LMTP,
    DELIVER_SMTP,
    DELIVER_MX,
    DELIVER_PIPE,
    DELIVER_DISCARD,
    DELIVER_HOLD
};

/* One value of `deliver`, read. */
struct deliver_spec {
    enum deliver_kind kind;
    slice text;     /* as written, for people */
    slice argument; /* MAILDIR, MBOX: path template; PIPE: command line template; LMTP over unix: socket path */
    slice host;     /* LMTP, SMTP over TCP */
    uint16_t port;
    bool home; /* maildir:~/...: the system user's own, as their uid */
};

enum users_kind { USERS_ACCOUNTS, USERS_LIST, USERS_SYSTEM, USERS_ANY };

struct route_user {
    slice local; /* lower case */
    slice full_name;
    uint32_t line;
};

/* The content of an aliases file, or nothing. */
struct alias_table;

struct route_domain {
    slice name;
    struct deliver_spec deliver;
    slice deliver_as; /* user that writes virtual mailboxes; empty: the configuration's `user` */
    enum users_kind users;
    const struct route_user *user_list; /* USERS_LIST */
    size_t user_count;
    slice catch_all;                    /* an address, or empty */
    const struct alias_table *aliases;  /* or NULL */
    slice subaddress;                   /* separator characters, "+" by default; empty: none */
    const struct route_domain *same_as; /* or NULL */
    bool ascii_only;                    /* recipients that are not ASCII are refused */
    bool implied;                       /* made from `hostname`, not written as a [domain] */
    uint32_t line, catch_all_line;
};

struct route_address {
    slice address; /* lower case domain, local as written */
    struct deliver_spec deliver;
    uint32_t line;
};

enum list_post { LIST_POST_MEMBERS, LIST_POST_AUTHENTICATED, LIST_POST_ANY, LIST_POST_ADDRESSES };

struct route_list {
    slice address;
    const slice *members; /* addresses */
    size_t member_count;
    enum list_post post;
    const slice *posters; /* LIST_POST_ADDRESSES */
    size_t poster_count;
    slice owner; /* becomes the reverse-path; NAME-owner@DOMAIN by default, always deliverable */
    uint32_t line;
};

enum route_tls { ROUTE_TLS_MAY, ROUTE_TLS_NONE, ROUTE_TLS_REQUIRE, ROUTE_TLS_VERIFY };

/* [route."DOMAIN"], [route."*"] */
struct route_override {
    slice domain; /* "*" for all */
    slice host;   /* empty: by MX */
    uint16_t port;
    bool smtps;
    bool by_address; /* host is an address literal */
    slice login;
    slice password_file; /* of the login; or */
    slice token_file;    /* with an OAuth access token; or EXTERNAL by the certificate */
    slice cert, key;     /* shown to the host, or empty */
    enum route_tls tls;
    slice source; /* local address, or empty */
    slice helo;   /* or empty */
    uint32_t line;
};

struct route_network {
    slice text; /* as written */
    uint8_t ip[16];
    uint8_t ip_len; /* 4 or 16 */
    uint8_t bits;
    const slice *senders; /* "@d", ".d", "a@b", "*" */
    size_t sender_count;
    uint32_t line;
};

struct route_send_as {
    slice login;
    const slice *patterns; /* "*@example.org", "a@b" */
    size_t pattern_count;
    uint32_t line;
};

struct route_tables {
    slice hostname, origin, postmaster;
    struct route_domain *domains;
    size_t domain_count;
    struct route_address *addresses;
    size_t address_count;
    struct route_list *lists;
    size_t list_count;
    struct route_override *overrides;
    size_t override_count;
    struct route_network *networks;
    size_t network_count;
    struct route_send_as *send_as;
    size_t send_as_count;
    bool allow_authenticated, allow_local_socket;
    uint32_t allow_line, postmaster_line;
    bool null_client;             /* no domain and no mx listener */
    bool no_strangers, no_logins; /* no listener where they could come in; all false: not known */
};

/* The tables with their hash indexes. Owns the indexes only. */
struct route_index;

/* tables must outlive the index. ERR_NOMEM. */
must_check enum err route_index_open(const struct route_tables *tables, struct hash_key key,
                                     struct route_index **index_r);
void route_index_close(struct route_index **index);
const struct route_tables *route_index_tables(const struct route_index *index);
/* The domain that is ours (same_as followed), or NULL. */
const struct route_domain *route_domain_find(const struct route_index *index, slice name);
const struct route_list *route_list_find(const struct route_index *index, slice address);

#endif
