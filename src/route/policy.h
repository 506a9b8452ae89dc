/* SPDX-License-Identifier: ISC */
/* Who may send what. What is accepted is derived, never written: the recipient's domain is ours, or the session is trusted. The same
 * functions serve sessions and the open-relay self-test of `thurn check`, start and reload. */
#ifndef ROUTE_POLICY_H
#define ROUTE_POLICY_H

#include "route/tables.h"

struct route_session {
    uint8_t ip[16];
    uint8_t ip_len; /* 0: local socket */
    bool local_socket;
    bool
        own_only; /* never trusted by its address: an LMTP listener takes mail for our domains and no other, and the address may be that of a proxy that does not say for whom it speaks */
    slice login;  /* "alice@example.org" when signed in, else empty */
};

/* Is the session trusted to relay for this reverse-path? *network_r (may be NULL) is the [relay.network] that says so. */
bool route_session_trusted(const struct route_index *index, const struct route_session *s, struct address reverse_path,
                           const struct route_network **network_r);
/* May a signed-in session use this address as reverse-path or From: its own address (subaddress too), aliases that lead only to it, [send_as]? Null reverse-path: yes. */
bool route_sender_allowed(const struct route_index *index, slice login, struct address sender);
/* Is the address (of 4 or 16 bytes, 0: none) in one of these networks? */
bool route_networks_contain(const struct route_network *networks, size_t count, const uint8_t *ip, uint8_t ip_len);
/* Whether a domain is none, an address, one of ours, or has a dot: others cannot be found by anybody (RFC 6409 section 5.1). */
bool route_domain_whole(const struct route_index *index, slice domain);
/* At MAIL: STATUS_OK, SENDER_NOT_YOURS. */
enum status route_policy_mail(const struct route_index *index, const struct route_session *s,
                              struct address reverse_path);
/* At RCPT, before the recipient is resolved: STATUS_OK (ours, or trusted), RELAY_DENIED. */
enum status route_policy_rcpt(const struct route_index *index, const struct route_session *s,
                              struct address reverse_path, struct address recipient);
/* Asks the evaluator as strangers from a sample of networks with forged senders; false when any may relay, then `why` says which, in one line. */
bool route_self_test(const struct route_index *index, buf *why);
/* Plain English, one statement a line: who may send where, and each domain's way of delivery. */
void route_policy_describe(const struct route_index *index, buf *out);

#endif
