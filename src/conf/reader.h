/* SPDX-License-Identifier: ISC */
/* One run over a document: the configuration in the making, its messages, and what the files read_*.c share. Each of them reads
 * one kind of section from the draft into struct conf, says everything that is wrong, and goes on; whoever runs them looks at messages.failed
 * in the end. Memory that runs out is remembered once (out_of_memory), and reading goes on with less.
 * Names are stored in lower case, as A-labels.
 */
#ifndef CONF_READER_H
#define CONF_READER_H

#include "conf/conf.h"
#include "conf/draft.h"
#include "conf/message.h"
#include "conf/option.h"

#define SOURCES_MAX 1000

struct reader {
    struct conf *conf;
    struct arena *arena;
    struct toml_memory memory;
    struct messages m;
    const struct toml_node *root;
    struct draft_top top;
    struct draft_domain *domains; /* beside conf->route.domains, but for the implied one */
    size_t written_domains;
    bool alone;                /* other files are left alone, and their tables stay empty */
    struct os_file_stamp read; /* of what reader_file has read last */
};

/* An array in the arena; at want of memory an empty one that is remembered. */
void *reader_array(struct reader *r, size_t count, size_t size);
slice reader_lower(struct reader *r, slice text);
/* A local part in Unicode's normal form C; what is no UTF-8 stays. */
slice reader_normal(struct reader *r, slice local);
/* A name's A-labels in lower case ("münchen.example" is xn--mnchen-3ya.example), as all are stored; empty when it has none. */
slice reader_ascii(struct reader *r, slice name);
slice reader_join(struct reader *r, slice a, const char *between, slice b);

/* Text as an address, completed with domain when it has none (empty: then it must have one); its domain in lower case. On failure an
 * error that begins with what, and an empty slice. */
slice reader_address(struct reader *r, const struct toml_node *node, slice domain);
slice reader_address_text(struct reader *r, struct toml_place place, slice text, slice domain);
/* local@domain as it is stored: a's domain, or else domain, by reader_ascii; the local part in normal form C. Empty when the domain is no name. */
slice reader_complete(struct reader *r, struct address a, slice domain);
/* A domain name as it is stored, or empty with an error. */
slice reader_domain(struct reader *r, struct toml_place place, slice text);
/* "HOST:PORT", "[::1]:25", "HOST" with default_port (0: the port is required). False with an error. */
struct reader_host {
    slice host; /* without brackets; lower case */
    uint16_t port;
    bool is_ip;
};
bool reader_host_port(struct reader *r, struct toml_place place, slice text, uint16_t default_port,
                      struct reader_host *host_r);
/* The domain written as [domain], or NULL; same_as is not followed. */
struct route_domain *reader_domain_find(struct reader *r, slice name);
/* Whether this address (in lower case) is in a domain of ours. */
bool reader_is_own(struct reader *r, slice address);

/* A regular file's content, of at most max bytes, which is in the arena; it becomes one of the configuration's sources. False with an error
 * about that file, or when files are left alone. */
bool reader_file(struct reader *r, struct toml_place place, slice path, size_t max, slice *content_r);
void reader_add_source(struct reader *r, slice path, const struct os_file_stamp *stamp, bool pair);
/* An error unless path is a regular file that can be opened. A warning when secret and others may read it. Nothing when files are left alone. */
void reader_check_file(struct reader *r, struct toml_place place, slice path, bool secret);
/* Both files of a pair, of which only that they are there is looked at; they become sources. */
void reader_check_pair(struct reader *r, const struct toml_node *cert, const struct toml_node *key);

/* read_*.c, in the order in which they run. */
void read_basics(struct reader *r);
void read_queue(struct reader *r);
void read_tls(struct reader *r);
void read_trust(struct reader *r);
void read_auth(struct reader *r);
void read_listen(struct reader *r);
void read_domains(struct reader *r);
void read_addresses(struct reader *r);
void read_lists(struct reader *r);
void read_routes(struct reader *r);
void read_relay(struct reader *r);
void read_send_as(struct reader *r);
void read_batch(struct reader *r);
void read_log(struct reader *r);
void check_whole(struct reader *r);

/* read_network.c: "10.1.2.0/24" or an address. False with an error. */
bool read_network_text(struct reader *r, struct toml_place place, slice text, struct route_network *n_r);
/* Address space that no stranger on the Internet can have. */
bool read_network_is_private(const struct route_network *n);
/* Longest prefix that public address space may be written with. An error when n is larger and public. */
void read_network_check_size(struct reader *r, struct toml_place place, const struct route_network *n);

/* read_deliver.c: users tells which users the domain has. False with an error. */
bool read_deliver(struct reader *r, const struct toml_node *node, enum users_kind users,
                  struct deliver_spec *deliver_r);
/* read_users.c */
void read_users(struct reader *r, const struct toml_node *node, struct route_domain *domain);
/* read_aliases.c: the table of a file, read once a run; NULL with an error. */
const struct alias_table *read_aliases(struct reader *r, struct toml_place place, slice path);

#endif
