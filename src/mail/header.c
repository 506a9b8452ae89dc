/* SPDX-License-Identifier: ISC */
#include "mail/header.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* RFC 5322 section 3.6.8: printable ASCII without the colon. */
static size_t name_len(slice s)
{
    size_t len = 0;
    while (len < s.len && s.ptr[len] > ' ' && s.ptr[len] < 0x7f && s.ptr[len] != ':')
        len++;
    return len;
}

/* Bytes up to and with the CRLF that ends the field: the first one that no white space follows. All when there is none. */
static size_t field_len(slice s)
{
    const char *at = s.ptr, *end = s.ptr + s.len;
    const char *lf;
    while ((lf = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at = lf + 1;
        bool crlf = lf > s.ptr && lf[-1] == '\r';
        if (crlf && (at == end || !is_blank(*at)))
            break;
    }
    return lf ? (size_t)(at - s.ptr) : s.len;
}

bool header_next(slice *header, struct header_field *field_r)
{
    size_t name = name_len(*header);
    size_t colon = name;
    while (colon < header->len && is_blank(header->ptr[colon]))
        colon++;
    if (name == 0 || colon == header->len || header->ptr[colon] != ':')
        return false;
    size_t len = field_len(*header);
    slice whole = slice_sub(*header, 0, len);
    bool crlf = len >= 2 && whole.ptr[len - 1] == '\n' && whole.ptr[len - 2] == '\r';
    field_r->name = slice_sub(whole, 0, name);
    field_r->value = slice_sub(whole, colon + 1, crlf ? len - 2 : len);
    field_r->whole = whole;
    *header = slice_skip(*header, len);
    return true;
}

bool header_find(slice header, slice name, struct header_field *field_r)
{
    struct header_field field;
    while (header_next(&header, &field)) {
        if (slice_equal_nocase(field.name, name)) {
            *field_r = field;
            return true;
        }
    }
    return false;
}

/* How much of the word fits in room, never half a character. */
static size_t fitting_len(slice word, size_t room)
{
    if (word.len <= room)
        return word.len;
    while (room > 0 && ((unsigned char)word.ptr[room] & 0xc0) == 0x80)
        room--;
    return room;
}

static bool is_space(char c)
{
    return is_blank(c) || c == '\r' || c == '\n';
}

void header_unfold(buf *b, slice value)
{
    slice rest = slice_trim(value);
    bool first = true;
    while (rest.len > 0) {
        size_t len = 0;
        while (len < rest.len && !is_space(rest.ptr[len]))
            len++;
        size_t room = b->max - b->len;
        if (!first && room < 2)
            return;
        size_t fits = fitting_len(slice_sub(rest, 0, len), first ? room : room - 1);
        if (fits == 0)
            return;
        if (!first)
            buf_append_char(b, ' ');
        buf_append(b, slice_sub(rest, 0, fits));
        if (fits < len)
            return;
        first = false;
        rest = slice_trim(slice_skip(rest, len));
    }
}

/* Exactly, but for the domain's case. */
static bool is_same_address(slice a, slice b)
{
    ptrdiff_t at = slice_rfind_char(a, '@');
    if (at < 0 || a.len != b.len)
        return slice_equal(a, b);
    size_t local = (size_t)at;
    return slice_equal(slice_sub(a, 0, local), slice_sub(b, 0, local)) &&
           slice_equal_nocase(slice_skip(a, local), slice_skip(b, local));
}

unsigned header_count_delivered_to(slice header, slice address)
{
    unsigned count = 0;
    struct header_field field;
    while (header_next(&header, &field)) {
        if (slice_equal_nocase(field.name, SLICE("Delivered-To")) && is_same_address(slice_trim(field.value), address))
            count++;
    }
    return count;
}
