/* SPDX-License-Identifier: ISC */
/* A message's content, with DATA or in one chunk (RFC 3030 section 2), and the verdicts on it. */
#include "smtp/client_state.h"

void smtp_client_garbage(struct smtp_client *c)
{
    smtp_client_fail_status(c, STATUS_PEER_GARBAGE, SLICE_NONE);
}

static size_t next_accepted(const struct smtp_client *c, size_t i)
{
    while (i < c->count && c->recipients[i] != SMTP_RCPT_ACCEPTED)
        i++;
    return i;
}

void smtp_client_content_begin(struct smtp_client *c)
{
    smtp_stuffer_init(&c->stuffer);
    c->early = c->more_input;
    c->unwritten = false;
    smtp_client_expect(c, SMTP_EXPECT_CONTENT);
    smtp_client_push(c, SMTP_CLIENT_BODY);
}

/* The host gives up before we have said all. It may be right for good (552), but what it has seen is no whole message: later is the safe answer. */
void smtp_client_on_content(struct smtp_client *c, const struct smtp_reply *r)
{
    struct verdict v = status_verdict_of_reply(r->code, r->text);
    if (verdict_class(&v) < VERDICT_TEMPORARY) {
        smtp_client_garbage(c);
        return;
    }
    if (verdict_class(&v) == VERDICT_PERMANENT)
        v = status_verdict_text(STATUS_CONNECTION_LOST, v.text);
    smtp_client_fail(c, &v, true);
}

void smtp_client_on_end(struct smtp_client *c, const struct smtp_reply *r)
{
    struct verdict v = status_verdict_of_reply(r->code, r->text);
    if (c->unwritten) {
        smtp_client_on_content(c, r);
        return;
    }
    if (r->code / 100 == VERDICT_MORE) {
        smtp_client_garbage(c);
        return;
    }
    if (c->o.lmtp) { /* RFC 2033 section 4.2: a reply for each recipient accepted, in their order */
        smtp_client_tell(c, c->at, &v);
        c->at = next_accepted(c, c->at + 1);
        if (c->at < c->count) {
            smtp_client_expect(c, SMTP_EXPECT_END);
            return;
        }
    } else {
        smtp_client_tell_all(c, 1U << SMTP_RCPT_ACCEPTED, &v, true);
    }
    /* RFC 3030 section 2: a chunk that is refused leaves the transaction open until RSET */
    c->mail_open = c->chunked && !verdict_ok(&v);
    smtp_client_finish(c);
}

/* All at once: the size is known, and it is one reply. */
static void chunk_begin(struct smtp_client *c, buf *out)
{
    if (c->chunk_begun)
        return;
    c->chunk_begun = true;
    buf_append(out, SLICE("BDAT "));
    buf_append_u64(out, c->chunk_left);
    buf_append(out, SLICE(" LAST\r\n"));
}

void smtp_client_body(struct smtp_client *c, int64_t now_ms, slice content, buf *out)
{
    if (c->expect != SMTP_EXPECT_CONTENT || c->early)
        return;
    c->now_ms = now_ms;
    if (c->chunked) {
        chunk_begin(c, out);
        slice within = slice_sub(content, 0, c->chunk_left < content.len ? (size_t)c->chunk_left : content.len);
        buf_append(out, within);
        c->chunk_left -= within.len;
    } else {
        smtp_stuffer_write(&c->stuffer, content, out);
    }
    smtp_client_expect(c, SMTP_EXPECT_CONTENT);
}

void smtp_client_body_end(struct smtp_client *c, int64_t now_ms, buf *out)
{
    if (c->expect != SMTP_EXPECT_CONTENT || c->early)
        return;
    c->now_ms = now_ms;
    if (c->chunked) {
        chunk_begin(c, out);
        if (c->chunk_left > 0) { /* the host waits for bytes that nobody has */
            smtp_client_fail_status(c, STATUS_LOCAL_ERROR, SLICE_NONE);
            return;
        }
    } else {
        smtp_stuffer_end(&c->stuffer, out);
    }
    c->at = next_accepted(c, 0);
    smtp_client_expect(c, SMTP_EXPECT_END);
}

void smtp_client_body_unwritten(struct smtp_client *c, bool unwritten)
{
    c->unwritten = unwritten;
}

void smtp_client_body_abort(struct smtp_client *c, const struct verdict *v)
{
    smtp_client_fail(c, v, false);
}
