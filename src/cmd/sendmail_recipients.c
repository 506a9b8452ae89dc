/* SPDX-License-Identifier: ISC */
#include "cmd/sendmail_header.h"

struct scan {
    unsigned comment; /* depth */
    bool quoted, bracket;
};

/* Is c, which no backslash precedes, a comma between two elements? */
static bool is_separator(struct scan *s, char c)
{
    if (c == '"' && s->comment == 0)
        s->quoted = !s->quoted;
    if (s->quoted)
        return false;
    if (c == '(')
        s->comment++;
    if (s->comment > 0) {
        s->comment -= c == ')';
        return false;
    }
    if (c == '<' || c == '>')
        s->bracket = c == '<';
    return c == ',' && !s->bracket;
}

/* One element of a list up to a comma outside of quotes, comments and brackets. */
static slice cut_element(slice *rest)
{
    slice text = *rest;
    struct scan scan = {0, false, false};
    size_t i = 0;
    while (i < text.len && !is_separator(&scan, text.ptr[i]))
        i += text.ptr[i] == '\\' ? 2 : 1;
    *rest = slice_skip(text, i + 1);
    return slice_trim(slice_sub(text, 0, i));
}

static slice skip_separators(slice text)
{
    while (text.len > 0 && strchr(" \t\r\n,;", text.ptr[0]) && text.ptr[0])
        text = slice_skip(text, 1);
    return text;
}

/* Names that need quotes and have none ("a@b <a@b>", "Sales [EU] <sales@b>") are common in what programs write: then only what stands in the brackets counts. */
static enum err next_address(slice *rest, struct arena *arena, struct address *a, slice *bad)
{
    slice at = skip_separators(*rest);
    enum err e = address_list_next(rest, arena, NULL, a);
    if (e != ERR_SYNTAX)
        return e;
    slice element = cut_element(&at);
    ptrdiff_t from = slice_rfind_char(element, '<');
    slice bracketed = slice_skip(element, from < 0 ? element.len : (size_t)from);
    *bad = element;
    e = address_list_next(&bracketed, arena, NULL, a);
    if (e != ERR_OK)
        return e == ERR_NOTFOUND ? ERR_SYNTAX : e;
    if (slice_trim(bracketed).len > 0)
        return ERR_SYNTAX;
    *rest = at;
    return ERR_OK;
}

static enum err print(struct arena *arena, struct address a, slice origin, slice *text_r)
{
    char memory[1024];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    address_print(&b, a);
    if (a.domain.len == 0) {
        buf_append_char(&b, '@');
        buf_append(&b, origin);
    }
    return buf_ok(&b) ? arena_copy(arena, buf_slice(&b), text_r) : ERR_LIMIT;
}

static enum err grow(struct sendmail_recipients *r)
{
    size_t room = r->room == 0 ? 16 : 2 * r->room;
    if (r->count == SENDMAIL_RECIPIENTS_MAX)
        return ERR_LIMIT;
    slice *list = r->count < r->room ? r->list : arena_array(r->arena, room, sizeof *list);
    if (!list)
        return ERR_NOMEM;
    if (list == r->list)
        return ERR_OK;
    if (r->count > 0)
        memcpy(list, r->list, r->count * sizeof *list);
    r->list = list;
    r->room = room;
    return ERR_OK;
}

static enum err add(struct sendmail_recipients *r, struct address a)
{
    slice text;
    enum err e = print(r->arena, a, r->origin, &text);
    if (e != ERR_OK)
        return e;
    for (size_t i = 0; i < r->count; i++) {
        if (slice_equal(r->list[i], text))
            return ERR_OK;
    }
    e = grow(r);
    if (e != ERR_OK)
        return e;
    r->utf8 = r->utf8 || slice_printable_len(text) != text.len;
    r->list[r->count++] = text;
    return ERR_OK;
}

enum err sendmail_recipients_add(struct sendmail_recipients *r, slice text)
{
    struct address a;
    enum err e;
    while ((e = next_address(&text, r->arena, &a, &r->bad)) == ERR_OK) {
        e = add(r, a);
        if (e != ERR_OK)
            return e;
    }
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

static bool is_one_of(slice name, bool resent)
{
    static const slice names[] = {SLICE("To"), SLICE("Cc"), SLICE("Bcc")};
    if (resent && !slice_starts_nocase(name, SLICE("Resent-")))
        return false;
    name = slice_skip(name, resent ? 7 : 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal_nocase(name, names[i]))
            return true;
    }
    return false;
}

enum err sendmail_recipients_add_header(struct sendmail_recipients *r, slice header)
{
    struct header_field f;
    bool resent = false;
    enum err e = ERR_OK;
    header = sendmail_skip_from_lines(header);
    for (slice rest = header; header_next(&rest, &f);)
        resent = resent || is_one_of(f.name, true);
    while (e == ERR_OK && header_next(&header, &f)) {
        if (is_one_of(f.name, resent))
            e = sendmail_recipients_add(r, f.value);
    }
    return e;
}

enum err sendmail_sender_read(struct arena *arena, slice text, slice origin, slice *sender_r)
{
    struct address a;
    slice bad;
    text = slice_trim(text);
    if (text.len == 0 || slice_equal(text, SLICE("<>"))) {
        *sender_r = SLICE_NONE;
        return ERR_OK;
    }
    enum err e = next_address(&text, arena, &a, &bad);
    if (e == ERR_NOTFOUND || (e == ERR_OK && slice_trim(text).len > 0))
        e = ERR_SYNTAX;
    return e == ERR_OK ? print(arena, a, origin, sender_r) : e;
}
