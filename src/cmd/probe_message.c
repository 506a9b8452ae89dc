/* SPDX-License-Identifier: ISC */
#include "cmd/probe_message.h"

#include "cmd/compose.h"

#define LINE_OCTETS 57u /* 76 characters of base64 (RFC 2045 section 6.8) */

static const char greeting_text[] = "This is a test message, sent with thurn probe.\n";

static void append_fields(buf *out, const struct probe_words *headers, const char *end)
{
    for (size_t i = 0; i < headers->count; i++)
        buf_printf(out, "%.*s%s", SLICE_ARG(headers->of[i]), end);
}

static void append_name(buf *out, slice path)
{
    slice name = slice_skip(path, (size_t)(slice_rfind_char(path, '/') + 1));
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        buf_append_char(out, c >= ' ' && c < 0x7f && c != '"' && c != '\\' ? c : '_');
    }
}

static void append_file(buf *out, slice boundary, const struct probe_file *f)
{
    buf_printf(out,
               "--%.*s\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"
               "Content-Disposition: attachment; filename=\"",
               SLICE_ARG(boundary));
    append_name(out, f->name);
    buf_append(out, SLICE("\"\n\n"));
    for (size_t at = 0; at < f->content.len; at += LINE_OCTETS) {
        buf_append_base64(out, slice_sub(f->content, at, at + LINE_OCTETS));
        buf_append_char(out, '\n');
    }
}

static void append_parts(buf *out, const struct probe_letter *l)
{
    buf_printf(out, "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"%.*s\"\n\n", SLICE_ARG(l->boundary));
    buf_printf(out, "--%.*s\nContent-Type: text/plain; charset=us-ascii\n\n%s", SLICE_ARG(l->boundary), greeting_text);
    for (size_t i = 0; i < l->file_count; i++)
        append_file(out, l->boundary, &l->files[i]);
    buf_printf(out, "--%.*s--\n", SLICE_ARG(l->boundary));
}

void probe_message_make(buf *out, const struct probe_letter *l)
{
    buf text;
    struct compose c = {.from = l->from,
                        .to = l->to,
                        .to_count = l->to_count,
                        .subject = l->subject.len > 0 ? l->subject : SLICE("Test message of thurn probe"),
                        .message_id = l->message_id,
                        .now_s = l->now_s,
                        .offset_min = l->offset_min};
    buf_init(&text, out->max);
    append_fields(&text, l->headers, "\n");
    if (l->file_count > 0)
        append_parts(&text, l);
    else
        buf_printf(&text, "%s%s", l->headers->count > 0 ? "\n" : "", greeting_text);
    compose_message(out, &c, buf_slice(&text));
    if (!buf_ok(&text))
        out->failed = true;
    buf_deinit(&text);
}

void probe_message_take(buf *out, slice text, const struct probe_words *headers, bool binary)
{
    append_fields(out, headers, "\r\n");
    while (text.len > 0) {
        ptrdiff_t lf = binary ? -1 : slice_find_char(text, '\n');
        size_t len = lf < 0 ? text.len : (size_t)lf;
        buf_append(out, slice_sub(text, 0, len));
        if (lf >= 0)
            buf_append(out, len > 0 && text.ptr[len - 1] == '\r' ? SLICE("\n") : SLICE("\r\n"));
        text = slice_skip(text, len + (lf >= 0));
    }
}
