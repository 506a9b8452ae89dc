/* SPDX-License-Identifier: ISC */
#include "mail/dsn.h"

#include "mail/body.h"
#include "mail/dsn_part.h"
#include "mail/notice.h"
#include "mail/queue_id.h"

#define CRLF SLICE("\r\n")
/* RFC 5322 section 2.1.1, without CRLF */
#define LINE_MAX_OCTETS 998
#define BOUNDARY_MAX 64

/* What of the original goes back. */
static slice returned_content(const struct dsn_report *r)
{
    if (r->original_full)
        return r->original;
    ptrdiff_t end = slice_find(r->original, SLICE("\r\n\r\n"));
    return end < 0 ? r->original : slice_sub(r->original, 0, (size_t)end + 2);
}

static bool has_8bit(slice s)
{
    struct body_scan scan;
    body_scan_init(&scan);
    body_scan_feed(&scan, s);
    return body_scan_end(&scan).eight_bit;
}

/* Nobody who wrote the original knew the report's id; counting on makes sure all the same. */
static void choose_boundary(buf *boundary, const struct dsn_report *r, slice content)
{
    uint64_t attempt = 0;
    do {
        buf_clear(boundary);
        buf_append(boundary, SLICE("=_"));
        queue_id_print(boundary, r->report_id);
        buf_append_char(boundary, '.');
        buf_append_u64(boundary, attempt++);
        buf_append(boundary, SLICE("_="));
    } while (slice_find(content, buf_slice(boundary)) >= 0);
}

static slice subject(const struct dsn_report *r)
{
    bool delayed = false;
    for (size_t i = 0; i < r->count; i++) {
        if (r->recipients[i].action == DSN_FAILED)
            return SLICE("Undelivered mail returned to sender");
        delayed |= r->recipients[i].action == DSN_DELAYED;
    }
    return delayed ? SLICE("Delayed mail (still being retried)") : SLICE("Successful mail delivery report");
}

static void print_header(buf *b, const struct dsn_report *r, slice boundary, bool eight_bit)
{
    notice_print(b, &(struct notice){.hostname = r->hostname,
                                     .to = r->to,
                                     .subject = subject(r),
                                     .automatic = SLICE("auto-replied"),
                                     .now_s = r->now_s,
                                     .id = r->report_id});
    buf_append(b, SLICE("Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\""));
    buf_append(b, boundary);
    buf_append(b, SLICE("\"\r\n"));
    if (eight_bit)
        buf_append(b, SLICE("Content-Transfer-Encoding: 8bit\r\n"));
    buf_append(b, SLICE("\r\nThis is a report about mail, in several parts (MIME).\r\n\r\n"));
}

static void begin_part(buf *b, slice boundary, slice type, bool eight_bit)
{
    buf_append(b, SLICE("--"));
    buf_append(b, boundary);
    buf_append(b, SLICE("\r\nContent-Type: "));
    buf_append(b, type);
    if (eight_bit)
        buf_append(b, SLICE("\r\nContent-Transfer-Encoding: 8bit"));
    buf_append(b, SLICE("\r\n\r\n"));
}

/* The original may have lines longer than mail allows: header fields are folded, lines of text broken. */
static void append_lines(buf *b, slice content)
{
    bool in_header = true;
    while (content.len > 0) {
        ptrdiff_t at = slice_find(content, CRLF);
        slice line = at < 0 ? content : slice_sub(content, 0, (size_t)at);
        content = slice_skip(content, line.len + 2);
        in_header = in_header && line.len > 0;
        /* a piece less than the limit, for the space in front of the next one */
        size_t piece = LINE_MAX_OCTETS - 1;
        for (bool whole = line.len <= LINE_MAX_OCTETS; !whole && line.len > piece; line = slice_skip(line, piece)) {
            buf_append(b, slice_sub(line, 0, piece));
            buf_append(b, in_header ? SLICE("\r\n ") : CRLF);
        }
        buf_append(b, line);
        buf_append(b, CRLF);
    }
}

static slice content_type(const struct dsn_report *r)
{
    if (r->international) /* RFC 6533 section 5 */
        return r->original_full ? SLICE("message/global") : SLICE("message/global-headers");
    return r->original_full ? SLICE("message/rfc822") : SLICE("text/rfc822-headers");
}

static void print_parts(buf *b, const struct dsn_report *r, slice text, slice status)
{
    slice content = returned_content(r);
    char memory[BOUNDARY_MAX];
    buf boundary_buf;
    buf_init_fixed(&boundary_buf, memory, sizeof(memory));
    choose_boundary(&boundary_buf, r, content);
    slice boundary = buf_slice(&boundary_buf);
    bool text_8bit = has_8bit(text);
    bool content_8bit = (r->original_full && r->original_8bit) || has_8bit(content);

    bool status_8bit = has_8bit(status);
    print_header(b, r, boundary, text_8bit || content_8bit || status_8bit);
    begin_part(b, boundary, text_8bit ? SLICE("text/plain; charset=utf-8") : SLICE("text/plain; charset=us-ascii"),
               text_8bit);
    buf_append(b, text);
    buf_append(b, CRLF);
    begin_part(b, boundary,
               r->international ? SLICE("message/global-delivery-status") : SLICE("message/delivery-status"),
               status_8bit);
    buf_append(b, status);
    buf_append(b, CRLF);
    begin_part(b, boundary, content_type(r), content_8bit);
    append_lines(b, content);
    buf_append(b, SLICE("\r\n--"));
    buf_append(b, boundary);
    buf_append(b, SLICE("--\r\n"));
}

void dsn_print(buf *b, const struct dsn_report *r)
{
    buf text, status;
    buf_init(&text, b->max);
    buf_init(&status, b->max);
    dsn_print_text(&text, r);
    dsn_print_status(&status, r);
    if (buf_ok(&text) && buf_ok(&status))
        print_parts(b, r, buf_slice(&text), buf_slice(&status));
    else
        b->failed = true;
    buf_deinit(&text);
    buf_deinit(&status);
}
