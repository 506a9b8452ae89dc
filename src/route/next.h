/* SPDX-License-Identifier: ISC */
/* How a final recipient leaves: the delivery of its own domain, or a next hop. Asked by the queue at dispatch with the configuration of that moment; the answer's
 * key names the destination for scheduling: mails with equal keys share sessions, back-off and one retry record. */
#ifndef ROUTE_NEXT_H
#define ROUTE_NEXT_H

#include "route/tables.h"

enum next_kind {
    NEXT_LOCAL /* process deliver */,
    NEXT_SMTP,
    NEXT_LMTP,
    NEXT_DISCARD,
    NEXT_HOLD,
    NEXT_UNKNOWN /* the domain or alias entry is gone: temporary failure */,
    NEXT_NOTICE /* nobody: the queue makes a report (RECIPIENT_NOTICE) */
};

struct next_hop {
    enum next_kind kind;
    slice host; /* SMTP, LMTP: fixed host, or empty: MX of domain */
    uint16_t port;
    slice unix_path;                       /* LMTP */
    slice domain;                          /* whose MX; also what people see as destination */
    bool backup_mx;                        /* DELIVER_MX: only hosts better than us */
    const struct route_override *override; /* or NULL */
    const struct deliver_spec *deliver;    /* LOCAL */
    const struct route_domain *owner;      /* own domain, or NULL */
};

struct next_hop route_next(const struct route_index *index, const struct recipient *recipient);
/* Writes the destination's key: "smtp:example.com", "smtp:[relay.isp.example]:465", "lmtp:unix:/run/..", "local:example.org". At most 320 bytes. */
void route_next_key(buf *b, const struct next_hop *hop);
/* {user}, {local}, {domain} of a path or command template. Refuses (ERR_SYNTAX) values that are empty, "." or "..", or contain '/', NUL or control characters, or start with '.' or '-' in a path. Lower case user without subaddress. */
must_check enum err route_expand(buf *b, slice template, const struct route_domain *domain, slice address);
/* The path or command of this delivery for this address, into b: route_expand, and for a pipe the rule that only letters, digits and ._+-=@ go into a command
 * line (what else an address may have is in the command's environment). ERR_SYNTAX: this address can have no mailbox here; it is refused at RCPT. */
must_check enum err route_deliver_expand(buf *b, const struct deliver_spec *spec, const struct route_domain *domain,
                                         slice address);
/* The pipe or file of a stored alias target, or NULL when the table no longer has it. */
const struct alias_target *route_alias_target(const struct route_index *index, const struct recipient *recipient);

#endif
