/* SPDX-License-Identifier: ISC */
#include "cmd/compose.h"

/* Octets of UTF-8 in one encoded-word, which is at most 75 characters (RFC 2047 section 2). */
#define WORD_OCTETS 42u

static void append_crlf_lines(buf *out, slice text)
{
    for (size_t from = 0; from < text.len;) {
        slice rest = slice_skip(text, from);
        ptrdiff_t lf = slice_find_char(rest, '\n');
        size_t len = lf < 0 ? rest.len : (size_t)lf;
        from += len + (lf >= 0);
        if (len > 0 && rest.ptr[len - 1] == '\r')
            len--;
        buf_append(out, slice_sub(rest, 0, len));
        buf_append(out, SLICE("\r\n"));
    }
}

/* Bytes of the header with its empty line, or 0 when content is a body. */
static size_t header_length(slice content)
{
    struct header_field field;
    slice rest = content;
    while (header_next(&rest, &field))
        continue;
    if (rest.len == content.len)
        return 0;
    if (slice_starts(rest, SLICE("\r\n")))
        return content.len - rest.len + 2;
    return rest.len == 0 ? content.len : 0;
}

void compose_append_encoded(buf *out, slice text)
{
    while (text.len > 0) {
        size_t len = 0;
        while (len < text.len) {
            size_t next = slice_utf8_len(slice_skip(text, len));
            next = next > 0 ? next : 1;
            if (len + next > WORD_OCTETS)
                break;
            len += next;
        }
        buf_append(out, SLICE("=?utf-8?B?"));
        buf_append_base64(out, slice_sub(text, 0, len));
        buf_append(out, SLICE("?="));
        text = slice_skip(text, len);
        if (text.len > 0)
            buf_append(out, SLICE("\r\n "));
    }
}

static bool has(slice header, slice name)
{
    struct header_field field;
    return header_find(header, name, &field);
}

static void append_to(buf *out, const struct compose *c)
{
    buf_append(out, SLICE("To: "));
    for (size_t i = 0; i < c->to_count; i++) {
        if (i > 0)
            buf_append(out, SLICE(",\r\n "));
        buf_append(out, c->to[i]);
    }
    buf_append(out, SLICE("\r\n"));
}

static void append_subject(buf *out, slice subject)
{
    buf_append(out, SLICE("Subject: "));
    if (slice_is_ascii(subject))
        buf_append(out, subject);
    else
        compose_append_encoded(out, subject);
    buf_append(out, SLICE("\r\n"));
}

static void append_missing(buf *out, const struct compose *c, slice header)
{
    if (!has(header, SLICE("From")))
        buf_printf(out, "From: %.*s\r\n", SLICE_ARG(c->from));
    if (!has(header, SLICE("To")) && !has(header, SLICE("Cc")))
        append_to(out, c);
    if (!has(header, SLICE("Subject")) && c->subject.len > 0)
        append_subject(out, c->subject);
    if (!has(header, SLICE("Date"))) {
        buf_append(out, SLICE("Date: "));
        date_print_rfc5322(out, c->now_s, c->offset_min);
        buf_append(out, SLICE("\r\n"));
    }
    if (!has(header, SLICE("Message-ID")))
        buf_printf(out, "Message-ID: <%.*s>\r\n", SLICE_ARG(c->message_id));
}

void compose_message(buf *out, const struct compose *c, slice text)
{
    buf content;
    buf_init(&content, 2 * text.len + 4);
    append_crlf_lines(&content, text);
    size_t header_len = header_length(buf_slice(&content));
    slice header = slice_sub(buf_slice(&content), 0, header_len), body = slice_skip(buf_slice(&content), header_len);
    append_missing(out, c, header);
    buf_append(out, header_len > 2 && slice_ends_nocase(header, SLICE("\r\n\r\n"))
                        ? slice_sub(header, 0, header_len - 2)
                        : header);
    if (header_len == 0 && !slice_is_ascii(body))
        buf_append(out, SLICE("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                              "Content-Transfer-Encoding: 8bit\r\n"));
    buf_append(out, SLICE("\r\n"));
    buf_append(out, body);
    if (!buf_ok(&content))
        out->failed = true;
    buf_deinit(&content);
}
