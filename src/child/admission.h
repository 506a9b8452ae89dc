/* SPDX-License-Identifier: ISC */
/* What a session's MAIL and RCPT are answered with, as far as configuration, client, login and addresses decide it: receivers ask here, and so does `thurn explain`,
 * which therefore says what a live session would. Not here: what the state of the machine decides (free space, a queue that is behind, counters and
 * rates), and what the engine refuses by itself; the engine's options come from here, too. Nothing is looked up: users and MX are asked of
 * others, the resolver (route/resolve) says when. Owns nothing; what is changed in an address is in the arena given.
 */
#ifndef CHILD_ADMISSION_H
#define CHILD_ADMISSION_H

#include "conf/conf.h"
#include "smtp/smtp.h"

/* A session, as policy sees it. */
struct admission {
    const struct conf *conf;
    const struct route_index *routes;
    const struct conf_listener *listener; /* NULL: the local socket */
    const struct route_session *session;
};

/* on_loopback: of a listener on TCP, whether its address is this machine's own. listener NULL: the local socket. */
struct smtp_server_options admission_options(const struct conf *conf, const struct conf_listener *listener,
                                             bool on_loopback);
/* Does the engine trust the session (smtp_server_trust)? The local socket, who is signed in, and at an mx listener networks that may relay: these are offered what only those get, and
 * each sender is judged at MAIL. */
bool admission_trusts(const struct admission *a);

/* The reverse-path of MAIL: a bare name is completed with origin, the domain gets A-labels (RFC 6531). *path becomes a view of *printed_r, the same as text; both are empty for the
 * null one. STATUS_OK, BAD_PATH_SENDER, LOCAL_ERROR. */
enum status admission_sender_path(const struct conf *conf, struct arena *arena, struct address *path, slice *printed_r);
/* The verdict on MAIL: STATUS_OK or a refusal. trusted: route_session_trusted for this path. */
enum status admission_sender(const struct admission *a, struct address path, const struct smtp_mail_parameters *p,
                             bool trusted);
/* Is the MX of the sender's domain to be asked for before MAIL is answered? RFC 7505 section 4.2: then a null MX is STATUS_NULL_MX_SENDER. */
bool admission_asks_mx(const struct admission *a, struct address path, bool trusted);

/* A recipient's domain in A-labels, and its local part in normal form C where it is ours. STATUS_OK, ASCII_ONLY, BAD_PATH_RECIPIENT. */
enum status admission_recipient_path(const struct conf *conf, const struct route_index *routes, struct arena *arena,
                                     struct address *path);
/* Before the recipient is resolved: STATUS_OK or a refusal. */
enum status admission_recipient(const struct admission *a, struct address reverse_path, struct address recipient);
/* After: STATUS_OK, or NO_REQUIRETLS for a message with REQUIRETLS (flags: enum envelope_flags) that would surely leave here without TLS (RFC 8689 section 4.2.1). */
enum status admission_resolved(const struct admission *a, uint32_t flags, const struct resolve_result *result);

#endif
