/* SPDX-License-Identifier: ISC */
#include "proc/receiver/state.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

enum header_first_line header_first_line(slice content)
{
    size_t name = 0;
    if (content.len > 0 && content.ptr[0] == '\r')
        return HEADER_FIELD; /* an empty header */
    while (name < content.len && content.ptr[name] > ' ' && content.ptr[name] < 0x7f && content.ptr[name] != ':')
        name++;
    size_t colon = name;
    while (colon < content.len && is_blank(content.ptr[colon]))
        colon++;
    if (colon == content.len)
        return name == 0 && colon > 0 ? HEADER_NONE : HEADER_UNDECIDED;
    return name > 0 && content.ptr[colon] == ':' ? HEADER_FIELD : HEADER_NONE;
}

bool header_has_end(slice content, size_t from)
{
    from = from > 3 ? from - 3 : 0;
    return slice_starts(content, SLICE("\r\n")) || slice_find(slice_skip(content, from), SLICE("\r\n\r\n")) >= 0;
}

static void add_missing(buf *out, const struct header_added *add, bool date, bool message_id, bool from)
{
    if (!date) {
        buf_append(out, SLICE("Date: "));
        date_print_rfc5322(out, add->unix_s, add->offset_min);
        buf_append(out, SLICE("\r\n"));
    }
    if (!message_id) {
        buf_append(out, SLICE("Message-ID: <"));
        buf_append_u64(out, (uint64_t)add->unix_s);
        buf_append_char(out, '.');
        queue_id_print(out, add->id);
        buf_append_char(out, '@');
        buf_append(out, add->hostname);
        buf_append(out, SLICE(">\r\n"));
    }
    if (!from && add->from.len > 0) {
        buf_append(out, SLICE("From: "));
        buf_append(out, add->from);
        buf_append(out, SLICE("\r\n"));
    }
}

/* RFC 5322 section 3.6.4, in its shape: a "<", no white space, an "@", a ">", and around it comments at the most. */
static bool is_message_id(slice value)
{
    ptrdiff_t comment_end;
    value = slice_trim(value);
    while (slice_starts(value, SLICE("(")) && (comment_end = slice_find_char(value, ')')) > 0)
        value = slice_trim(slice_skip(value, (size_t)comment_end + 1));
    ptrdiff_t end = slice_find_char(value, '>');
    ptrdiff_t sign = slice_find_char(value, '@');
    if (value.len == 0 || value.ptr[0] != '<' || sign <= 1 || end <= sign + 1)
        return false;
    for (ptrdiff_t i = 1; i < end; i++)
        if ((unsigned char)value.ptr[i] <= ' ' || value.ptr[i] == 0x7f || value.ptr[i] == '<')
            return false;
    slice behind = slice_trim(slice_skip(value, (size_t)end + 1));
    return behind.len == 0 || behind.ptr[0] == '(';
}

/* What may be changed at all: what is signed is as its author wants it. */
static bool is_signed(slice header)
{
    struct header_field f;
    return header_find(header, SLICE("DKIM-Signature"), &f) || header_find(header, SLICE("ARC-Seal"), &f);
}

/* A Return-Path is for who delivers (RFC 5321 section 4.4): mail that begins its way here has none yet. */
static bool is_dropped(const struct header_field *f, bool authors)
{
    if (slice_equal_nocase(f->name, SLICE("Bcc")) || slice_equal_nocase(f->name, SLICE("Resent-Bcc")) ||
        slice_equal_nocase(f->name, SLICE("Return-Path")))
        return true;
    return authors && ((slice_equal_nocase(f->name, SLICE("Date")) && !date_rfc5322_valid(f->value)) ||
                       (slice_equal_nocase(f->name, SLICE("Message-ID")) && !is_message_id(f->value)));
}

void header_mend(buf *out, slice content, const struct header_added *add)
{
    bool date = false, message_id = false, from = false, authors = add->authors && !is_signed(content);
    struct header_field f;
    while (header_next(&content, &f)) {
        if (is_dropped(&f, authors))
            continue;
        date = date || slice_equal_nocase(f.name, SLICE("Date"));
        message_id = message_id || slice_equal_nocase(f.name, SLICE("Message-ID"));
        from = from || slice_equal_nocase(f.name, SLICE("From"));
        if (authors)
            addresses_qualify(out, &f, add->origin);
        else
            buf_append(out, f.whole);
    }
    add_missing(out, add, date, message_id, from);
    if (!slice_starts(content, SLICE("\r\n")))
        buf_append(out, SLICE("\r\n"));
    buf_append(out, content);
}
