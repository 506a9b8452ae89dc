/* SPDX-License-Identifier: ISC */
/* From a recipient as given at RCPT to final recipients: own domain, lists, aliases (recursively, bounded at 20 levels and 10,000 recipients, duplicates once), users, catch-all,
 * subaddress, the fall-backs to postmaster. A resumable machine: where only another process knows whether a user exists, it asks and waits.
 * Foreign addresses are final as they are (policy has allowed them before). */
#ifndef ROUTE_RESOLVE_H
#define ROUTE_RESOLVE_H

#include "route/policy.h"

enum resolve_step {
    RESOLVE_DONE, /* recipients (and lists) are ready */
    RESOLVE_REFUSED, /* status tells why: USER_UNKNOWN, POST_REFUSED, ALIAS_LOOP, TOO_MANY_RECIPIENTS, LOOKUP_UNAVAILABLE */
    RESOLVE_ASK,     /* ask whether `user` exists in `kind`, then route_resolve_answer and step again */
};

enum resolve_answer { RESOLVE_YES, RESOLVE_NO, RESOLVE_UNKNOWN /* look-up failed: 451 */ };

/* One envelope's worth: with list NULL the recipients keep the message's own reverse-path; with a list its owner becomes the reverse-path. */
struct resolve_group {
    const struct route_list *list;
    bool inner; /* the list is a member of another one */
    struct recipient *recipients;
    size_t count;
};

struct resolve_result {
    struct resolve_group *groups;
    size_t group_count;
    slice full_name; /* of the one user that it is, when known: VRFY */
    enum status status;
};

struct resolve; /* lives in the arena given */

/* Whose recipient it is: session and reverse-path matter for lists' post policy. Copied, but for what the slices look at. */
struct resolve_request {
    const struct route_session *session;
    struct address reverse_path, recipient;
};

/* Header facts (List-Id, Auto-Submitted) are checked at end of data by route_list_refuses. ERR_NOMEM. */
must_check enum err route_resolve_begin(const struct route_index *index, struct arena *arena,
                                        const struct resolve_request *request, struct resolve **resolve_r);
/* With RESOLVE_ASK *user_r is the full address in lower case for USERS_ACCOUNTS, the name of the user for USERS_SYSTEM. */
enum resolve_step route_resolve_step(struct resolve *r, enum users_kind *kind_r, slice *user_r);
void route_resolve_answer(struct resolve *r, enum resolve_answer answer);
const struct resolve_result *route_resolve_result(const struct resolve *r);

/* What became of an address on the way, for people. In the order in which they are tried: the first that fits is it. */
enum resolve_how {
    RESOLVED_FOREIGN,
    RESOLVED_LIST,
    RESOLVED_ADDRESS, /* [address] */
    RESOLVED_ALIAS,
    RESOLVED_USER,
    RESOLVED_SUB_ALIAS, /* of the name without its subaddress */
    RESOLVED_SUB_USER,
    RESOLVED_OWNER,      /* of a list: the postmaster has it */
    RESOLVED_POSTMASTER, /* a name that must be reachable: the configuration's postmaster has it */
    RESOLVED_BARE,
    RESOLVED_CATCH_ALL,
    RESOLVED_UNKNOWN, /* found is empty, but for the last resort and a null client */
};
struct resolve_item;
struct resolve_trail {
    const struct resolve_item *item, *parent; /* who led here; NULL: it is the recipient itself */
    enum resolve_how how;
    struct address address;
    const struct route_domain *domain; /* ours, or NULL */
    const struct alias_entry *alias;
    const struct route_list *list;
    const struct route_user *user;
    slice found;  /* the final recipient that it became; that of an alias's pipes and files is their entry's */
    bool looped;  /* an alias leads back here */
    bool refused; /* here the whole was refused */
};
/* The addresses in the order in which they came up; *at is NULL at first. False at the end. */
bool route_resolve_trail(const struct resolve *r, const struct resolve_item **at, struct resolve_trail *trail_r);

/* At end of data: true when this list must not expand this message (its own List-Id, null reverse-path, Auto-Submitted other than "no"). */
bool route_list_refuses(const struct route_list *list, slice reverse_path, slice header);
/* "List-Id: <name.domain>" CRLF. */
void route_list_id_print(buf *b, const struct route_list *list);

/* VRFY and EXPN: bare names are looked up in every own domain. Candidates are resolved by the caller one after the other with route_resolve_*: this gives the i-th domain to try.
 * Those that take any name come last: they know nobody. */
const struct route_domain *route_vrfy_domain(const struct route_index *index, size_t i);
/* The full name and canonical address of a listed user, or false. */
bool route_user_find(const struct route_domain *domain, slice local, slice *full_name_r);

#endif
