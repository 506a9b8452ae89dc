/* SPDX-License-Identifier: ISC */
#include "mail/mime_type.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind the comment that s begins with; all of it, when it is not closed. */
static slice skip_comment(slice s)
{
    size_t depth = 0;
    for (size_t at = 0; at < s.len; at++) {
        if (s.ptr[at] == '\\')
            at++;
        else if (s.ptr[at] == '(')
            depth++;
        else if (s.ptr[at] == ')' && --depth == 0)
            return slice_skip(s, at + 1);
    }
    return slice_skip(s, s.len);
}

static slice skip_space(slice s)
{
    while (s.len > 0) {
        if (s.ptr[0] == '(')
            s = skip_comment(s);
        else if (is_space(s.ptr[0]))
            s = slice_skip(s, 1);
        else
            break;
    }
    return s;
}

/* Real mail has brackets and the like in values without quotes: only what ends a value for every reader ends a token here. */
static slice take_token(slice *s)
{
    size_t len = 0;
    while (len < s->len && !is_space(s->ptr[len]) && !memchr(";=\"/(,", s->ptr[len], 6))
        len++;
    slice token = slice_sub(*s, 0, len);
    *s = slice_skip(*s, len);
    return token;
}

struct mime_type mime_type_parse(slice value)
{
    struct mime_type t = {SLICE_NONE, SLICE_NONE, SLICE_NONE};
    slice rest = skip_space(value);
    slice type = take_token(&rest);
    rest = skip_space(rest);
    if (type.len > 0 && rest.len > 0 && rest.ptr[0] == '/') {
        rest = skip_space(slice_skip(rest, 1));
        slice subtype = take_token(&rest);
        if (subtype.len > 0) {
            t.type = type;
            t.subtype = subtype;
        }
    }
    t.parameters = rest;
    return t;
}

static slice take_quoted(slice *s)
{
    size_t at = 1;
    while (at < s->len && s->ptr[at] != '"')
        at += s->ptr[at] == '\\' ? 2 : 1;
    if (at > s->len)
        at = s->len;
    slice value = slice_sub(*s, 1, at);
    *s = slice_skip(*s, at + 1);
    return value;
}

/* A value without quotes may hold what a token may not, and readers take it: up to white space or a semicolon. */
static slice take_value(slice *s)
{
    size_t len = 0;
    while (len < s->len && !is_space(s->ptr[len]) && s->ptr[len] != ';' && s->ptr[len] != '(')
        len++;
    slice value = slice_sub(*s, 0, len);
    *s = slice_skip(*s, len);
    return value;
}

bool mime_parameter_next(slice *rest, slice *name_r, slice *value_r, bool *quoted_r)
{
    slice s = *rest;
    for (;;) {
        s = skip_space(s);
        while (s.len > 0 && s.ptr[0] == ';')
            s = skip_space(slice_skip(s, 1));
        if (s.len == 0)
            return false;
        slice name = take_token(&s);
        slice after = skip_space(s);
        if (name.len > 0 && after.len > 0 && after.ptr[0] == '=') {
            after = skip_space(slice_skip(after, 1));
            *quoted_r = after.len > 0 && after.ptr[0] == '"';
            *value_r = *quoted_r ? take_quoted(&after) : take_value(&after);
            *name_r = name;
            *rest = after;
            return true;
        }
        s = name.len > 0 ? after : slice_skip(s, 1);
    }
}

enum mime_encoding mime_encoding_parse(slice value)
{
    static const struct {
        slice name;
        enum mime_encoding encoding;
    } names[] = {
        {SLICE("7bit"), MIME_7BIT},     {SLICE("8bit"), MIME_8BIT},
        {SLICE("binary"), MIME_BINARY}, {SLICE("quoted-printable"), MIME_QUOTED},
        {SLICE("base64"), MIME_BASE64},
    };
    slice rest = skip_space(value);
    slice token = take_token(&rest);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal_nocase(token, names[i].name))
            return names[i].encoding;
    }
    return MIME_ENCODING_UNKNOWN;
}
