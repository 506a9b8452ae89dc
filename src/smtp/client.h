/* SPDX-License-Identifier: ISC */
/* The client side of SMTP and LMTP (RFC 5321, 2033) as a pull engine, the mirror of server.h. One engine is one session with one host, many messages:
 *
 *     smtp_client_feed / smtp_client_next / smtp_client_output / smtp_client_sent
 *
 * Replies are hostile: each reply is bounded in lines (128) and bytes (16 KiB in all, the rest is swallowed up to a limit, then the session fails), control and non-UTF-8
 * bytes are replaced before a verdict's text leaves the engine; a reply out of turn or that is no SMTP fails the session as temporary. What comes in plaintext after the 220 to
 * STARTTLS fails the session; so does a 17th challenge of AUTH. Uses only what the host offered in EHLO (after TLS: in the new EHLO). Falls back to HELO when EHLO is refused with 5xx.
 * The caller owns the connection, TLS, the content and the choice of host; the engine owns the dialogue, deadlines (RFC 5321 4.5.3.2) and dot-stuffing. */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include "mail/mail.h"

enum smtp_client_tls { SMTP_CLIENT_TLS_NONE, SMTP_CLIENT_TLS_MAY, SMTP_CLIENT_TLS_REQUIRE };

struct smtp_client_options {
    slice helo; /* our name */
    bool
        sign_in; /* SMTP_CLIENT_AUTH comes once, after TLS; without verified TLS the session fails instead, unless auth_plaintext_ok */
    slice auth; /* AUTH= of MAIL once signed in (RFC 4954 section 5): empty is "<>" */
    enum smtp_client_tls tls;
    bool implicit_tls; /* the connection is TLS before the greeting: call smtp_client_secured before the first feed */
    bool auth_plaintext_ok; /* loopback and unix sockets by explicit choice: else a login needs verified TLS */
    bool lmtp;
    bool local;                    /* the host is this machine: LMTP there delivers REQUIRETLS mail without TLS */
    int64_t timeout_scale_percent; /* of RFC 5321's timeouts: 100; tests use less. 0 is 100 */
};

/* RFC 5321 section 4.5.3.1.6: bytes of a line of text, without CRLF, that every host takes. */
#define SMTP_TEXT_LINE_MAX 998u

/* What to send; all of it must live until MESSAGE_DONE. */
struct smtp_client_message {
    const struct envelope *envelope;
    const uint32_t *recipients; /* indexes into envelope's recipients */
    size_t recipient_count;
    struct body_facts facts; /* of what will be sent, after conversion */
    int64_t now_s;           /* unix time, for what is left of BY */
    bool converted; /* to 7 bits or to less than BINARYMIME by the caller: BODY= is not what the envelope says */
    bool
        as_it_is; /* 8-bit content goes to a host without 8BITMIME undeclared, and lines that are too long go, by choice: it is signed */
    uint64_t extra_size; /* bytes that the caller will send before the stored content (trace fields) */
};

enum smtp_client_event_kind {
    SMTP_CLIENT_STARTTLS, /* do the handshake now, then smtp_client_secured or smtp_client_lost */
    SMTP_CLIENT_AUTH, /* text: mechanisms that the host offers. Call smtp_client_auth, or smtp_client_auth_refuse when none will do */
    SMTP_CLIENT_CHALLENGE, /* text: decoded. Call smtp_client_respond or smtp_client_auth_refuse */
    SMTP_CLIENT_READY,     /* smtp_client_send or smtp_client_quit */
    SMTP_CLIENT_RECIPIENT, /* verdict on recipient `index` (into message.recipients): once each, before MESSAGE_DONE */
    SMTP_CLIENT_BODY, /* 354 came, or recipients were taken and BDAT is used: call smtp_client_body until all is given, then smtp_client_body_end */
    SMTP_CLIENT_MESSAGE_DONE, /* every recipient has its verdict; READY follows unless the session is over */
    SMTP_CLIENT_FAILED, /* the session is over by fault: verdict; a message in work has had its RECIPIENT and DONE events. Nothing follows */
    SMTP_CLIENT_CLOSED, /* over after quit. Nothing follows */
};

/* Where in the dialogue the session is, for logs and to judge a failure: a failure up to AUTH means that another host may be tried. */
enum smtp_client_phase {
    SMTP_PHASE_GREETING,
    SMTP_PHASE_EHLO,
    SMTP_PHASE_STARTTLS,
    SMTP_PHASE_AUTH,
    SMTP_PHASE_IDLE,
    SMTP_PHASE_MAIL,
    SMTP_PHASE_RCPT,
    SMTP_PHASE_DATA,
    SMTP_PHASE_BODY,
    SMTP_PHASE_END,
    SMTP_PHASE_QUIT
};

struct smtp_client_event {
    enum smtp_client_event_kind kind;
    uint32_t index;
    slice text;             /* AUTH (empty: none is offered), CHALLENGE; until the next feed */
    struct verdict verdict; /* text lives until the next feed */
    bool remote;            /* the verdict is the peer's own words, not ours */
    bool
        dsn_passed; /* RECIPIENT with a 2xx: the host has DSN and got NOTIFY and ORCPT, so the reports are its business (RFC 3461 section 5.2.1) */
    enum smtp_client_phase phase;
};

struct smtp_client;

must_check enum err smtp_client_open(const struct smtp_client_options *o, int64_t now_ms,
                                     struct smtp_client **client_r);
void smtp_client_close(struct smtp_client **c);
/* Consumes from in; *used_r bytes are done with: fewer than given when events wait, then pull them and feed the rest. Nothing of in is kept. ERR_NOMEM: the session has failed. */
must_check enum err smtp_client_feed(struct smtp_client *c, int64_t now_ms, slice in, size_t *used_r);
bool smtp_client_next(struct smtp_client *c, struct smtp_client_event *event_r);
slice smtp_client_output(const struct smtp_client *c);
void smtp_client_sent(struct smtp_client *c, size_t n);

/* Only after READY; at most 1,000 recipients. What the message needs and the host does not offer is dealt with by the extension's row (extensions.c): a recipient or the message is refused by
 * ourselves without a word to the host (NO_SMTPUTF8, NO_REQUIRETLS, ...; SIZE exceeded: 552), or the parameter is left out. So is content with lines over SMTP_TEXT_LINE_MAX, unless it is BINARYMIME. 8-bit content that was never declared goes as it is. */
void smtp_client_send(struct smtp_client *c, int64_t now_ms, const struct smtp_client_message *m);
/* Appends the next piece of content, dot-stuffed where needed, to out (the caller's buffer for the connection). Pieces of any size; all of them together are facts.size + extra_size bytes. */
void smtp_client_body(struct smtp_client *c, int64_t now_ms, slice content, buf *out);
/* Appends the end of data (with CRLF first when content did not end in one). */
void smtp_client_body_end(struct smtp_client *c, int64_t now_ms, buf *out);
/* Whether what smtp_client_body_end gave is still on this side of the connection, as far as the caller knows: until it is not, a reply is none to the end of data, and no 250 is believed. */
void smtp_client_body_unwritten(struct smtp_client *c, bool unwritten);
/* The content cannot be read any more (our own disk): the session must be cut, never ended with a dot. Recipients get verdict v. */
void smtp_client_body_abort(struct smtp_client *c, const struct verdict *v);
/* AUTH mechanism, with an initial response unless it is NULL (empty is "="). The engine wipes what it has of it once sent. */
void smtp_client_auth(struct smtp_client *c, int64_t now_ms, slice mechanism, const slice *initial);
void smtp_client_respond(struct smtp_client *c, int64_t now_ms, slice response);
/* No mechanism fits, or the server's proof is wrong (which may be seen at READY, before the first message): cancels with "*" where one is under way and fails the session as AUTH_NEXT_HOP with these words. */
void smtp_client_auth_refuse(struct smtp_client *c, int64_t now_ms, slice why);
void smtp_client_quit(struct smtp_client *c, int64_t now_ms);
/* Handshake done; verified says whether the certificate was checked against the name. */
void smtp_client_secured(struct smtp_client *c, int64_t now_ms, bool verified);
/* The connection (or handshake) failed. */
void smtp_client_lost(struct smtp_client *c, enum err why);
int64_t smtp_client_deadline(const struct smtp_client *c);
void smtp_client_tick(struct smtp_client *c, int64_t now_ms);
enum smtp_client_phase smtp_client_phase(const struct smtp_client *c);
/* What the host offers, after READY: the caller converts content and keeps to limits by it. */
struct smtp_client_offer {
    bool pipelining, eight_bit, chunking, binary, utf8, dsn, deliver_by, priority, requiretls, etrn;
    uint64_t size; /* 0 unknown or none */
    uint32_t rcpt_max, mail_max,
        rcpt_domain_max; /* LIMITS (RFC 9422); 0 unknown. The engine itself keeps to none of them: the caller gives no more */
    int64_t deliver_by_min_s;
};
struct smtp_client_offer smtp_client_offered(const struct smtp_client *c);
bool smtp_client_pipelining(const struct smtp_client *c);

#endif
