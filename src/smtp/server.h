/* SPDX-License-Identifier: ISC */
/* The server side of SMTP (RFC 5321) as a pull engine. Drive it like this:
 *
 *     smtp_server_feed(s, now, in, &used);            consumes input up to the next event
 *     while (smtp_server_next(s, &event)) ...         at most one event that needs an answer at a time
 *     smtp_server_answer(s, now, &verdict);           resumes; then feed again with what was not used
 *     smtp_server_output(s) / smtp_server_sent(s, n)  bytes for the client, in order
 *
 * While an event waits for its answer, feed consumes nothing (used 0): so pipelined replies stay in order, and the caller stops reading.
 * Slices in an event live until the next feed or answer. The engine owns the state of session and transaction, the limits, deadlines
 * and the reply texts; it does not own addresses accepted so far, the content, users or policy: those are the caller's. End of data is CRLF . CRLF and
 * nothing else. Memory: a small fixed struct, one line's buffer only while a line is incomplete, output bounded at 64 KiB, with LMTP at 640 KiB (feed stops until sent). */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include "mail/mail.h"

/* One for all sessions of a listener; must outlive them. Zero means no limit where a limit is counted. */
struct smtp_server_options {
    slice hostname;
    slice auth_mechanisms;      /* "PLAIN LOGIN"; empty: AUTH is not offered */
    slice help_url;             /* a line of HELP, or empty */
    uint64_t max_size;          /* bytes, SIZE and 552 */
    uint32_t max_recipients;    /* 452 4.5.3 beyond, each command answered */
    uint32_t max_errors;        /* refused or wrong commands before 421; a message taken forgives all */
    uint32_t max_messages;      /* a session; 421 at MAIL beyond */
    uint32_t max_line;          /* bytes of a command line; default 2048 when 0; AUTH responses 12288 */
    uint32_t hops;              /* Received fields; 554 5.4.6 at end of data beyond */
    uint32_t min_rate;          /* bytes a second that content must keep up on average after data_grace_ms; 0 none */
    int64_t command_timeout_ms; /* for one complete command from the reply before it (RFC 5321 4.5.3.2: 5 min) */
    int64_t data_timeout_ms;    /* between two pieces of content (3 min) */
    int64_t data_grace_ms;      /* default 60 s when 0 */
    bool starttls;              /* offered while the session is plain */
    bool tls_away;              /* STARTTLS is answered 454 (RFC 3207 section 4); may change while sessions live */
    bool auth_required;         /* MAIL, VRFY, EXPN before login: 530 5.7.0 (STARTTLS first while plain) */
    bool auth_plaintext_ok;     /* AUTH without TLS is taken (loopback by explicit choice) */
    bool strict_paths;          /* brackets required */
    bool bare_newline_reject;   /* else bare LF becomes CRLF and a stray CR a space */
    bool lmtp; /* RFC 2033: LHLO instead of HELO and EHLO; after the content a reply for each recipient taken */
    bool etrn; /* offered */
    bool expn; /* EXPN may say more than 252: EHLO lists it (RFC 5321 section 3.5.2) */
    int64_t
        future_release_max_s; /* FUTURERELEASE (RFC 4865), offered to who may relay (smtp_server_trust); 0 not at all */
    int64_t deliver_by_min_s; /* DELIVERBY (RFC 2852): least by-time of mode R; 0 any, below 0: not offered */
};

/* Parameters of MAIL beyond SIZE and BODY, decoded; zero or empty where not given. Flags (RET, BODY, SMTPUTF8, REQUIRETLS, BY's mode) are in the event. */
struct smtp_mail_parameters {
    slice envid;       /* RFC 3461 section 4.4 */
    slice auth;        /* RFC 4954 section 5: "<>" or an address */
    slice tag;         /* XTAG: SMTP_PERMIT_TAG only */
    int64_t hold_s;    /* HOLDFOR: seconds from now */
    int64_t release_s; /* HOLDUNTIL: unix time */
    bool by;           /* BY was given */
    int64_t by_s;      /* seconds from now; not above 0 only with mode N */
    int8_t priority;   /* MT-PRIORITY */
};

struct smtp_rcpt_parameters {
    uint8_t notify; /* enum notify, or-ed; 0 not given */
    slice orcpt;    /* "type;address", decoded */
};

/* What one session may do beyond others: smtp_server_permit. Never by default. */
enum smtp_permit {
    SMTP_PERMIT_XCLIENT = 1,
    SMTP_PERMIT_XFORWARD = 2,
    SMTP_PERMIT_TAG = 4, /* MAIL FROM:<> XTAG=xtext, a local program's own mark on its mail */
};

/* XCLIENT and XFORWARD (Postfix's XCLIENT_README, XFORWARD_README), decoded from xtext. given has a bit an attribute (1 << enum); an attribute that is given and empty is [UNAVAILABLE] or [TEMPUNAVAIL]. */
enum smtp_peer_attribute {
    SMTP_PEER_NAME,
    SMTP_PEER_ADDR, /* "192.0.2.1" or "IPV6:2001:db8::1" as text without the tag */
    SMTP_PEER_PORT,
    SMTP_PEER_PROTO,
    SMTP_PEER_HELO,
    SMTP_PEER_LOGIN,
    SMTP_PEER_DESTADDR,
    SMTP_PEER_DESTPORT,
    SMTP_PEER_IDENT,
    SMTP_PEER_SOURCE,
    SMTP_PEER_ATTRIBUTES
};
struct smtp_peer_attributes {
    uint32_t given;
    slice value[SMTP_PEER_ATTRIBUTES];
};

enum smtp_server_event_kind {
    SMTP_SERVER_CONNECT,  /* answer: STATUS_OK to greet 220, or 421/554 to refuse; first event of every session */
    SMTP_SERVER_HELO,     /* answer: STATUS_OK or a refusal; the reply's text is the engine's */
    SMTP_SERVER_MAIL,     /* answer */
    SMTP_SERVER_RCPT,     /* answer */
    SMTP_SERVER_DATA,     /* answer: STATUS_OK gives 354; a refusal ends the transaction */
    SMTP_SERVER_BODY,     /* content, dots undone, CRLF; no answer */
    SMTP_SERVER_BODY_END, /* answer: the verdict on the message, after it is on disk. Not sent for a message that the engine refuses by itself (too big, hops, bare newline): then RESET */
    SMTP_SERVER_RESET, /* forget the transaction: RSET, HELO/EHLO, STARTTLS, a message that the engine refuses; no answer. It is over, too, without this event, by the answer to BODY_END and by a refusal of DATA */
    SMTP_SERVER_STARTTLS, /* 220 is in output: send it all, then do the handshake and call smtp_server_secured; input that was read with the command is discarded by the engine. No answer */
    SMTP_SERVER_AUTH,     /* answer with smtp_server_answer (235, 535...) or smtp_server_challenge */
    SMTP_SERVER_AUTH_RESPONSE, /* the same; text is the decoded response */
    SMTP_SERVER_VRFY,          /* answer */
    SMTP_SERVER_EXPN,          /* answer */
    SMTP_SERVER_ETRN,          /* answer; text is the domain, "@domain" or "#queue" */
    SMTP_SERVER_XCLIENT, /* answer; when taken the engine greets anew (220) and has forgotten everything but TLS; permits are asked anew by the caller */
    SMTP_SERVER_XFORWARD, /* answer */
    SMTP_SERVER_REFUSED, /* the engine refuses by a limit of its options: status says which (for the log: the first of a transaction), text the verb of COMMAND_DENIED; no answer */
    SMTP_SERVER_CLOSE, /* last event: send what is in output, then close; text says why ("quit", "timeout", "too many errors") */
};

struct smtp_server_event {
    enum smtp_server_event_kind kind;
    slice text;      /* HELO: name. BODY: content. AUTH: initial response, decoded. VRFY, EXPN: argument. CLOSE: why */
    slice mechanism; /* AUTH: upper case */
    bool esmtp;      /* HELO: it was EHLO */
    bool initial;    /* AUTH: an initial response was given (it may be empty) */
    struct address path;     /* MAIL, RCPT, and the last of these at REFUSED; null reverse-path: both parts empty */
    uint64_t size;           /* MAIL: SIZE=, 0 when not given */
    uint32_t envelope_flags; /* MAIL: ENVELOPE_BODY_8BIT...; VRFY, EXPN: ENVELOPE_SMTPUTF8 when it was said */
    const struct smtp_mail_parameters *mail; /* MAIL; until it is answered */
    const struct smtp_rcpt_parameters *rcpt; /* RCPT; until it is answered */
    const struct smtp_peer_attributes *peer; /* XCLIENT, XFORWARD; until it is answered */
    bool chunking;                           /* DATA: it was BDAT (RFC 3030): no 354 is sent, content follows at once */
    const struct body_facts *facts;          /* BODY_END */
    enum status status;                      /* REFUSED */
};

struct smtp_server;

/* now_ms: any monotonic milliseconds. ERR_NOMEM. */
must_check enum err smtp_server_open(const struct smtp_server_options *o, int64_t now_ms,
                                     struct smtp_server **server_r);
void smtp_server_close(struct smtp_server **s);
/* Between two sessions: what the last one said is forgotten, and little memory kept. Then only smtp_server_renew and smtp_server_close. */
void smtp_server_rest(struct smtp_server *s);
/* Another session, as smtp_server_open begins it. */
void smtp_server_renew(struct smtp_server *s, const struct smtp_server_options *o, int64_t now_ms);

/* Consumes from in; *used_r bytes are done with (0 while an event waits to be pulled or answered, or output is full). ERR_NOMEM: the session must end (421 is in output). */
must_check enum err smtp_server_feed(struct smtp_server *s, int64_t now_ms, slice in, size_t *used_r);
/* The next event; false when more input, an answer or time is needed. */
bool smtp_server_next(struct smtp_server *s, struct smtp_server_event *event_r);
/* v's text may be of several lines (joined by LF). An empty text of an accepted MAIL or RCPT becomes the textbook's "<a@b>... Sender ok". A code of 421 also closes the session. For LMTP (1000 recipients a message at most) the verdict on BODY_END is said once for each recipient taken. */
void smtp_server_answer(struct smtp_server *s, int64_t now_ms, const struct verdict *v);
/* 334 with this challenge, base64-coded by the engine; the response comes as SMTP_SERVER_AUTH_RESPONSE. */
void smtp_server_challenge(struct smtp_server *s, int64_t now_ms, slice challenge);
/* The TLS handshake is done (RFC 3207 section 4.2: everything known is forgotten, smtp_server_trust too: call it again where it comes from the connection). */
void smtp_server_secured(struct smtp_server *s, int64_t now_ms);
/* The session is signed in (set with a 235) or trusted by its socket: auth_required is met. */
void smtp_server_trust(struct smtp_server *s);
/* Adds enum smtp_permit bits to this session. */
void smtp_server_permit(struct smtp_server *s, uint32_t permits);
/* AUTH mechanisms of this session instead of the options' (EXTERNAL with a certificate, -PLUS with a channel binding); mechanisms must outlive the session. */
void smtp_server_mechanisms(struct smtp_server *s, slice mechanisms);
/* Under stress: all timeouts are percent of what they are; 100 is as they are. */
void smtp_server_hurry(struct smtp_server *s, uint32_t percent);
/* What now_ms is as unix time: FUTURERELEASE is offered where this was called, since it has a date in it. */
void smtp_server_clock(struct smtp_server *s, int64_t now_ms, int64_t unix_s);
/* Implicit TLS or a unix socket: TLS is there from the start, called before the first feed. */
void smtp_server_start_secured(struct smtp_server *s);
bool smtp_server_is_secured(const struct smtp_server *s);
/* Refused or wrong commands since the session began or a message was taken: what max_errors is compared with. */
uint32_t smtp_server_errors(const struct smtp_server *s);
bool smtp_server_waits(const struct smtp_server *s); /* for the answer to the event that was pulled last */

slice smtp_server_output(const struct smtp_server *s);
void smtp_server_sent(struct smtp_server *s, size_t n);

/* When smtp_server_tick must be called next, in now_ms's time; INT64_MAX while an answer is awaited (the caller's own work has no deadline here). */
int64_t smtp_server_deadline(const struct smtp_server *s);
/* Time has passed: puts 421 in output and yields CLOSE when a deadline is over. */
void smtp_server_tick(struct smtp_server *s, int64_t now_ms);
/* End gracefully with 421 (drain, shutdown) at the next command boundary; at once when idle. */
void smtp_server_shutdown(struct smtp_server *s, int64_t now_ms);
/* The peer is gone (EOF, reset): yields RESET when a transaction is open, then CLOSE. A message whose BODY_END waits for an answer is the caller's to finish. */
void smtp_server_lost(struct smtp_server *s);

#endif
