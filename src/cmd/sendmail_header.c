/* SPDX-License-Identifier: ISC */
#include "cmd/sendmail_header.h"

#include "cmd/compose.h"

/* A line that has got so long without a colon has no name of a field in front. */
#define FIELD_NAME_MAX 1000u

slice sendmail_skip_from_lines(slice content)
{
    slice line, rest;
    while ((slice_starts(content, SLICE("From ")) || slice_starts(content, SLICE(">From "))) &&
           slice_cut(content, '\n', &line, &rest))
        content = rest;
    return content;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_field(slice line)
{
    struct header_field f;
    return header_next(&line, &f);
}

bool sendmail_header_find(slice content, bool whole, size_t *len_r)
{
    slice rest = sendmail_skip_from_lines(content), line, behind;
    bool begun = false;
    while (slice_cut(rest, '\n', &line, &behind)) {
        bool empty = slice_equal(line, SLICE("\r"));
        bool more = !empty && (begun && is_blank(line.ptr[0]) ? true : is_field(line));
        if (!more) {
            *len_r = content.len - (empty ? behind.len : rest.len);
            return true;
        }
        begun = true;
        rest = behind;
    }
    *len_r = content.len - rest.len;
    return whole || (rest.len > FIELD_NAME_MAX && !is_field(rest) && !(begun && is_blank(rest.ptr[0])));
}

static bool is_plain(slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && !strchr(" !#$%&'*+-/=?^_`{|}~", c))
            return false;
    }
    return true;
}

static bool is_ascii(slice s)
{
    return slice_printable_len(s) == s.len;
}

/* On one line, whatever was given. */
static void append_name(buf *out, slice name)
{
    char memory[256];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    for (size_t i = 0; i < name.len && i < sizeof memory; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        buf_append_char(&b, c < 0x20 || c == 0x7f ? ' ' : (char)c);
    }
    name = slice_trim(buf_slice(&b));
    if (is_plain(name)) {
        buf_append(out, name);
    } else if (!is_ascii(name)) {
        compose_append_encoded(out, name);
    } else {
        buf_append_char(out, '"');
        for (size_t i = 0; i < name.len; i++) {
            if (name.ptr[i] == '"' || name.ptr[i] == '\\')
                buf_append_char(out, '\\');
            buf_append_char(out, name.ptr[i]);
        }
        buf_append_char(out, '"');
    }
}

static void append_from(buf *out, const struct sendmail_header_add *add)
{
    buf_append(out, SLICE("From: "));
    if (add->name.len > 0) {
        append_name(out, add->name);
        buf_append(out, SLICE(" <"));
    }
    buf_append(out, add->address);
    buf_append(out, add->name.len > 0 ? SLICE(">\r\n") : SLICE("\r\n"));
}

void sendmail_header_mend(buf *out, slice header, const struct sendmail_header_add *add)
{
    struct header_field f;
    bool from = false, date = false, message_id = false;
    header = sendmail_skip_from_lines(header);
    while (header_next(&header, &f)) {
        if (slice_equal_nocase(f.name, SLICE("Bcc")) || slice_equal_nocase(f.name, SLICE("Resent-Bcc")))
            continue;
        from = from || slice_equal_nocase(f.name, SLICE("From"));
        date = date || slice_equal_nocase(f.name, SLICE("Date"));
        message_id = message_id || slice_equal_nocase(f.name, SLICE("Message-ID"));
        buf_append(out, f.whole);
    }
    if (!from)
        append_from(out, add);
    if (!date) {
        buf_append(out, SLICE("Date: "));
        date_print_rfc5322(out, add->now_s, add->offset_min);
        buf_append(out, SLICE("\r\n"));
    }
    if (!message_id)
        buf_printf(out, "Message-ID: <%.*s>\r\n", SLICE_ARG(add->message_id));
    buf_append(out, SLICE("\r\n"));
}

void sendmail_full_name(buf *out, slice gecos, slice login)
{
    slice name, rest;
    (void)slice_cut(gecos, ',', &name, &rest);
    name = slice_trim(name);
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] != '&' || login.len == 0) {
            buf_append_char(out, name.ptr[i]);
            continue;
        }
        char first = login.ptr[0];
        buf_append_char(out, first >= 'a' && first <= 'z' ? (char)(first - 'a' + 'A') : first);
        buf_append(out, slice_skip(login, 1));
    }
}
