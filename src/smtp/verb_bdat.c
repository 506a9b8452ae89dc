/* SPDX-License-Identifier: ISC */
#include "smtp/verbs.h"

/* As many as 2^64 has; a size that is padded to more is no client's that counts octets. */
enum { SIZE_DIGITS_MAX = 20 };

/* RFC 3030 section 2: "size" or "size LAST". */
static bool read_argument(slice argument, uint64_t *size_r, bool *last_r)
{
    slice digits, rest;
    (void)slice_cut(argument, ' ', &digits, &rest);
    rest = slice_trim(rest);
    bool last = slice_equal_nocase(rest, SLICE("LAST"));
    if (digits.len > SIZE_DIGITS_MAX || slice_to_u64(digits, INT64_MAX, size_r) != ERR_OK || (rest.len > 0 && !last))
        return false;
    *last_r = last;
    return true;
}

/* A message with a hole in it must never be taken: what fails one chunk fails the message (RFC 3030 section 2, "indeterminate"). */
static void fail_message(struct smtp_server *s)
{
    if (s->dialogue == SMTP_TRANSACTION)
        s->chunks_failed = true;
    smtp_session_reset(s);
}

static bool too_big(const struct smtp_server *s, uint64_t size)
{
    uint64_t before = s->chunking ? s->content_size : 0;
    return s->o->max_size > 0 && (before > s->o->max_size || size > s->o->max_size - before);
}

/* Why this chunk cannot be taken; code 0: it can. */
static struct verdict judge(const struct smtp_server *s, uint64_t size)
{
    if (s->chunks_failed)
        return status_verdict_text(STATUS_BAD_SEQUENCE, SLICE("The message has failed already, send RSET"));
    if (s->dialogue != SMTP_TRANSACTION)
        return status_verdict_text(STATUS_BAD_SEQUENCE, s->dialogue == SMTP_NEW ? smtp_verb_greet_first(s)
                                                                                : SLICE("Need MAIL command first"));
    if (s->recipients == 0)
        return s->recipients_refused > 0 && !s->o->lmtp
                   ? status_verdict(STATUS_NO_VALID_RECIPIENTS)
                   : status_verdict_text(STATUS_BAD_SEQUENCE, SLICE("Need RCPT command first"));
    return too_big(s, size) ? status_verdict(STATUS_MESSAGE_TOO_BIG) : (struct verdict){0};
}

/* RFC 2033 section 4.3: LAST is answered for each recipient that was taken, with nothing where none was. */
static uint32_t count_replies(const struct smtp_server *s)
{
    bool in_message = s->dialogue == SMTP_TRANSACTION || s->chunks_failed;
    return s->o->lmtp && s->chunk_last && in_message ? s->recipients : 1;
}

static void reply_refusal(struct smtp_server *s, bool again)
{
    struct verdict v = s->chunk_refusal;
    for (uint32_t i = 1; i < s->chunk_replies; i++)
        smtp_session_repeat(s, &v);
    if (s->chunk_replies == 0)
        s->since_ms = s->now_ms;
    else if (again)
        smtp_session_repeat(s, &v);
    else
        smtp_session_reply(s, &v);
}

static void reply_taken(struct smtp_server *s)
{
    char text[48];
    buf b;
    buf_init_fixed(&b, text, sizeof text);
    buf_append_u64(&b, s->chunk_size);
    buf_append(&b, SLICE(" octets received"));
    smtp_session_ok(s, 250, buf_slice(&b));
}

static bool is_binary(const struct smtp_server *s)
{
    return (s->envelope_flags & ENVELOPE_BODY_BINARY) != 0;
}

static void end_message(struct smtp_server *s)
{
    slice tail = is_binary(s) || s->content_refused != STATUS_OK ? SLICE_NONE : smtp_dot_end_chunks(&s->dot);
    if (tail.len > 0)
        smtp_content_bytes(s, tail);
    smtp_content_end(s);
}

static void end_chunk(struct smtp_server *s)
{
    s->in = SMTP_IN_COMMAND;
    if (s->chunk_refusal.code != 0) {
        reply_refusal(s, s->chunk_again);
    } else if (s->chunk_last) {
        end_message(s);
    } else if (s->content_refused != STATUS_OK) {
        struct verdict v = status_verdict(s->content_refused);
        s->chunks_failed = true;
        smtp_session_reply_message(s, &v);
    } else {
        reply_taken(s);
    }
}

void smtp_chunk_begin(struct smtp_server *s, const struct verdict *refusal)
{
    if (s->in == SMTP_IN_CLOSED)
        return;
    s->chunk_refusal = refusal ? *refusal : (struct verdict){0};
    s->in = SMTP_IN_CHUNK;
    s->content_piece_ms = s->now_ms;
    if (refusal) {
        s->content_since_ms = s->now_ms;
        s->content_wire = 0;
    }
    if (s->chunk_left == 0)
        end_chunk(s);
}

/* What of piece goes into the message; the rest stays for the next step. */
static void take_piece(struct smtp_server *s, slice *piece)
{
    struct text_run run;
    if (s->chunk_refusal.code != 0 || s->content_refused != STATUS_OK) {
        *piece = slice_skip(*piece, piece->len);
    } else if (is_binary(s)) {
        smtp_content_bytes(s, *piece);
        *piece = slice_skip(*piece, piece->len);
    } else if (smtp_dot_read(&s->dot, piece, &run) == SMTP_DOT_RUN) {
        smtp_content_run(s, &run);
    }
}

void smtp_chunk_take(struct smtp_server *s, slice *in)
{
    size_t len = s->chunk_left < in->len ? (size_t)s->chunk_left : in->len;
    slice piece = slice_sub(*in, 0, len);
    take_piece(s, &piece);
    size_t taken = len - piece.len;
    *in = slice_skip(*in, taken);
    s->chunk_left -= taken;
    s->content_wire += taken;
    s->content_piece_ms = s->now_ms;
    if (s->chunk_left == 0)
        end_chunk(s);
}

/* RFC 3030 section 2: whatever is wrong, the octets of a chunk whose size was understood are read and dropped before the reply. */
static void refuse_chunk(struct smtp_server *s, const struct verdict *v)
{
    s->chunk_again = s->chunks_failed;
    if (v->code == 552)
        smtp_session_tell(s, STATUS_MESSAGE_TOO_BIG, SLICE_NONE);
    fail_message(s);
    smtp_chunk_begin(s, v);
}

void smtp_verb_lost_count(struct smtp_server *s, enum status status, slice text)
{
    smtp_session_fail(s, status, text, SLICE("BDAT without a size"));
}

void smtp_verb_bdat(struct smtp_server *s, slice argument)
{
    uint64_t size;
    bool last;
    if (!read_argument(argument, &size, &last)) {
        smtp_verb_lost_count(s, STATUS_BAD_SYNTAX, SLICE("Syntax: BDAT size [LAST]"));
        return;
    }
    s->chunk_size = size;
    s->chunk_left = size;
    s->chunk_last = last;
    s->chunk_replies = count_replies(s);
    struct verdict v = judge(s, size);
    if (v.code != 0) {
        refuse_chunk(s, &v);
    } else if (s->chunking) {
        smtp_chunk_begin(s, NULL);
    } else {
        s->chunking = true;
        smtp_session_ask(s, SMTP_SERVER_DATA, SLICE_NONE);
    }
}

void smtp_verb_bdat_answer(struct smtp_server *s, const struct verdict *v)
{
    if (verdict_ok(v)) {
        smtp_content_begin(s);
        smtp_chunk_begin(s, NULL);
        return;
    }
    s->dialogue = SMTP_READY;
    if (v->code == 421) {
        smtp_session_reply(s, v);
        return;
    }
    struct verdict kept = *v;
    kept.text = smtp_session_hold(s, v->text);
    s->chunks_failed = true;
    s->chunk_again = false;
    smtp_chunk_begin(s, &kept);
}
