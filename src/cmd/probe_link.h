/* SPDX-License-Identifier: ISC */
/* Inside the room only: one connection of `thurn probe`, plain or TLS, for a program that waits. Each wait is bounded by the link's timeout, a whole reply too,
 * however slowly its bytes come; and all of it by end_ms, where that is set. Replies are bounded by smtp/reply_reader, what is kept unread by 2 MiB. */
#ifndef CMD_PROBE_LINK_H
#define CMD_PROBE_LINK_H

#include "os/os.h"
#include "smtp/smtp.h"

struct probe_link {
    int fd; /* -1: closed */
    struct tls_session *tls;
    int64_t timeout_ms;
    int64_t end_ms; /* monotonic; 0: none */
    struct smtp_reply_reader reader;
    buf in;         /* read and not yet taken */
    char seen[200]; /* the beginning of what the last read was of, for words about what is no reply */
    size_t seen_len;
    char fault[200]; /* of TLS, or empty */
};

/* No connection yet; the times are set by the caller then. */
void probe_link_init(struct probe_link *l);
/* source: NULL, or an address of ours. */
must_check enum err probe_link_open(struct probe_link *l, const struct socket_address *to,
                                    const struct socket_address *source);
/* Harmless on one that is closed. */
void probe_link_close(struct probe_link *l);
must_check enum err probe_link_write(struct probe_link *l, slice data);
/* The next reply; its text lives until the next call. ERR_SYNTAX: what came is no reply of SMTP (seen has its beginning), ERR_CLOSED, ERR_TIMEOUT, ERR_TLS. */
must_check enum err probe_link_read(struct probe_link *l, struct smtp_reply *reply_r);
/* Waits for more bytes and appends them to in. Errors as above. */
must_check enum err probe_link_more(struct probe_link *l);
/* The handshake. name: for SNI. ERR_TLS: fault says why. What came in the clear before stays in `in` and is the caller's to look at. */
must_check enum err probe_link_secure(struct probe_link *l, const struct tls_client *t, slice name);

#endif
