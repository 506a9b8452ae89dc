/* SPDX-License-Identifier: ISC */
/* Inside of the server engine (server.h is its face): the session's state, and the few steps that verbs, content and login are made of. Events
 * wait in a short queue until the caller pulls them; at most one of them needs an answer, and its details lie in the session, not in the caller's
 * input: so an answer may come long after the input is gone. Only BODY looks into the input. */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include "smtp/dot.h"
#include "smtp/server.h"

enum {
    SMTP_COMMAND_LINE_DEFAULT = 2048,
    SMTP_AUTH_LINE_MAX = 12288,      /* RFC 4954 section 4 */
    SMTP_LINE_KEPT_MAX = 16384,      /* whatever max_line says */
    SMTP_LINE_SWALLOW_MAX = 1 << 20, /* of a line that is too long, before the session ends */
    SMTP_OUTPUT_MAX = 64 << 10,
    SMTP_OUTPUT_LMTP_MAX = 640 << 10, /* a verdict's text for each of SMTP_LMTP_RECIPIENTS_MAX */
    SMTP_OUTPUT_PAUSE = 32 << 10,     /* more than this unsent: nothing is read */
    SMTP_LMTP_RECIPIENTS_MAX = 1000,
    SMTP_QUEUE = 10,
    SMTP_QUEUE_PAUSE = 3, /* a step adds five events at the most, tick and lost two */
    SMTP_HELD = 544,      /* bytes of an argument kept for an event */
    SMTP_NAME_MAX = 255,
};

/* What bytes from the client are. */
enum smtp_phase_in { SMTP_IN_COMMAND, SMTP_IN_AUTH, SMTP_IN_CONTENT, SMTP_IN_CHUNK, SMTP_IN_TLS, SMTP_IN_CLOSED };

/* Where the dialogue is; bits of these are a verb's legal states. */
enum smtp_dialogue { SMTP_NEW = 1, SMTP_READY = 2, SMTP_TRANSACTION = 4, SMTP_ANY = 7 };

struct smtp_queued {
    enum smtp_server_event_kind kind;
    slice text;
    enum status status; /* REFUSED */
};

struct smtp_server {
    const struct smtp_server_options *o;
    struct arena memory;  /* holds this struct */
    struct arena scratch; /* what unquoting a path and the parameters need, until the next command */
    enum smtp_phase_in in;
    enum smtp_dialogue dialogue;
    bool waits;
    enum smtp_server_event_kind waits_for;
    bool secured, trusted, authenticated, shutting_down, no_memory;
    bool bare_replies; /* replies to this command have no enhanced codes */
    bool utf8_replies; /* they may hold UTF-8: the client has said SMTPUTF8 */
    bool esmtp;        /* the last HELO was EHLO */
    bool clock_told;
    int64_t clock_ms; /* unix time less now_ms */
    uint32_t permits; /* enum smtp_permit, or-ed */
    uint32_t percent; /* of the timeouts */
    slice mechanisms; /* of AUTH; without a pointer: the options' */

    uint32_t errors, messages, recipients, recipients_refused;
    bool limit_told;          /* that a transaction has too many recipients is told once */
    int64_t now_ms, since_ms; /* since_ms: the last reply */

    buf line;          /* a line's beginning, while it is incomplete */
    size_t line_total; /* bytes of it, kept or not */
    bool line_too_long;
    char line_before; /* its last byte of an earlier piece */

    struct smtp_dot dot;
    struct body_scan scan;
    struct body_facts facts;
    uint64_t content_size, content_wire;
    int64_t content_since_ms, content_piece_ms;
    enum status content_refused; /* STATUS_OK: not refused */

    bool chunking; /* the message in hand comes by BDAT */
    bool
        chunks_failed; /* one of its chunks was refused, and with it the message: until RSET or MAIL so are all that follow */
    bool chunk_last;
    bool chunk_again;       /* its refusal is no new error */
    uint32_t chunk_replies; /* how many the chunk in hand gets when it is refused */
    uint64_t chunk_size, chunk_left;
    struct verdict chunk_refusal; /* told after its octets; code 0: it is taken */

    struct smtp_queued queue[SMTP_QUEUE];
    uint8_t queue_head, queue_count;
    struct address path;
    uint64_t size;
    uint32_t envelope_flags;
    struct smtp_mail_parameters *mail; /* in scratch, or NULL: none given */
    struct smtp_rcpt_parameters *rcpt;
    struct smtp_peer_attributes *peer;
    slice asked; /* argument of HELO, mechanism of AUTH; looks into held */
    bool initial;
    buf secret; /* a decoded response of AUTH */

    buf out;
    char held[SMTP_HELD];
};

/* Queues an event; one that needs an answer stops reading. */
void smtp_session_push(struct smtp_server *s, enum smtp_server_event_kind kind, slice text);
/* REFUSED; verb is the one that was denied, or empty. */
void smtp_session_tell(struct smtp_server *s, enum status status, slice verb);
void smtp_session_ask(struct smtp_server *s, enum smtp_server_event_kind kind, slice text);
/* Replies, counts errors, ends the session on 421. The error that is one too many is answered with 421 instead. */
void smtp_session_reply(struct smtp_server *s, const struct verdict *v);
/* The same for the verdict on a message, which is always told: a 421 in its place would bring a refused message back. */
void smtp_session_reply_message(struct smtp_server *s, const struct verdict *v);
/* Once more, without counting an error: the same verdict for the next recipient, or for the next chunk of a message that has failed. */
void smtp_session_repeat(struct smtp_server *s, const struct verdict *v);
void smtp_session_status(struct smtp_server *s, enum status status);
void smtp_session_say(struct smtp_server *s, enum status status, slice text);
/* A success or intermediate reply of the engine's own: 2xx gets x.0.0. */
void smtp_session_ok(struct smtp_server *s, uint16_t code, slice text);
/* Replies with a 421 row and closes; why is for the log. */
void smtp_session_fail(struct smtp_server *s, enum status status, slice text, slice why);
/* No reply any more: RESET for an open transaction, then CLOSE. */
void smtp_session_end(struct smtp_server *s, slice why);
/* Forgets an open transaction, with its RESET event. */
void smtp_session_reset(struct smtp_server *s);
/* RSET and what is the same: forgets a message that failed, too. */
void smtp_session_forget(struct smtp_server *s);
/* A timeout of the options, shortened under stress. */
int64_t smtp_session_timeout(const struct smtp_server *s, int64_t ms);
/* What the session may offer, whatever the listener does. */
slice smtp_session_mechanisms(const struct smtp_server *s);
/* How many recipients a message may have, 0: any number. */
uint32_t smtp_session_max_recipients(const struct smtp_server *s);
/* Unix time; only where clock_told. */
int64_t smtp_session_unix_s(const struct smtp_server *s);
/* A message by BDAT is open: it waits for its next chunk. */
bool smtp_session_between_chunks(const struct smtp_server *s);
/* Where a shutdown takes effect: between two commands, and not inside a message that comes in chunks. */
void smtp_session_boundary(struct smtp_server *s);
/* Keeps a copy of text (at most SMTP_HELD bytes) until the event is answered. */
slice smtp_session_hold(struct smtp_server *s, slice text);
/* Overwrites what the compiler might think dead, and gives the memory back. */
void smtp_session_wipe(buf *b);

/* content.c: bytes between 354 and the end of data. */
void smtp_content_begin(struct smtp_server *s);
void smtp_content_take(struct smtp_server *s, slice *in);
/* A piece of content, mended: an event, or the reason why there is none. */
void smtp_content_run(struct smtp_server *s, const struct text_run *run);
/* The same of bytes that are no lines. */
void smtp_content_bytes(struct smtp_server *s, slice bytes);
void smtp_content_refuse(struct smtp_server *s, enum status why);
void smtp_content_end(struct smtp_server *s);
int64_t smtp_content_deadline(const struct smtp_server *s);
/* Its deadline is over. */
void smtp_content_expire(struct smtp_server *s);
void smtp_content_answer(struct smtp_server *s, const struct verdict *v);
/* verb_bdat.c: the octets of a chunk. */
void smtp_chunk_begin(struct smtp_server *s, const struct verdict *refusal);
void smtp_chunk_take(struct smtp_server *s, slice *in);
/* line.c: bytes that are commands or responses of AUTH. */
void smtp_line_take(struct smtp_server *s, slice *in);
/* command.c: one command line without its end. */
void smtp_command_run(struct smtp_server *s, slice line);

#endif
