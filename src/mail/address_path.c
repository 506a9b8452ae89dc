/* SPDX-License-Identifier: ISC */
#include "mail/address.h"

#include "mail/address_syntax.h"

/* Reading position. */
struct reader {
    slice rest;
    unsigned rules;
    struct arena *arena;
};

static bool starts_with(const struct reader *r, char c)
{
    return r->rest.len > 0 && r->rest.ptr[0] == c;
}

static bool take(struct reader *r, char c)
{
    bool there = starts_with(r, c);
    r->rest = slice_skip(r->rest, there);
    return there;
}

static bool is_utf8(const struct reader *r)
{
    return (r->rules & ADDRESS_UTF8) != 0;
}

/* Length of the quoted string with its quotes, 0 when it is none; tells whether a backslash is in it. */
static size_t quoted_len(const struct reader *r, bool *escaped_r)
{
    size_t at = 1;
    bool escaped = false;
    for (;;) {
        slice rest = slice_skip(r->rest, at);
        if (rest.len > 0 && rest.ptr[0] == '"')
            break;
        if (rest.len > 0 && rest.ptr[0] == '\\') {
            /* RFC 5321: a quoted pair is of ASCII only */
            if (address_print_char_len(slice_skip(rest, 1), false) == 0)
                return 0;
            escaped = true;
            at += 2;
            continue;
        }
        size_t len = address_print_char_len(rest, is_utf8(r));
        if (len == 0)
            return 0;
        at += len;
    }
    *escaped_r = escaped;
    return at + 1;
}

static enum err unescape(struct reader *r, slice content, slice *plain_r)
{
    char *plain = arena_alloc(r->arena, content.len);
    if (!plain)
        return ERR_NOMEM;
    size_t len = 0;
    for (size_t i = 0; i < content.len; i++) {
        if (content.ptr[i] == '\\')
            i++;
        plain[len++] = content.ptr[i];
    }
    *plain_r = slice_of(plain, len);
    return ERR_OK;
}

static enum err read_quoted(struct reader *r, slice *local_r)
{
    bool escaped;
    size_t len = quoted_len(r, &escaped);
    if (len == 0)
        return ERR_SYNTAX;
    /* twice the limit: each character may have its backslash */
    if (len > (size_t)2 * ADDRESS_LOCAL_MAX + 2)
        return ERR_LIMIT;
    slice local = slice_sub(r->rest, 0, len);
    slice content = slice_sub(local, 1, len - 1);
    if (escaped) {
        enum err e = unescape(r, content, &content);
        if (e != ERR_OK)
            return e;
    }
    if (content.len > 0 && address_dot_string_len(content, is_utf8(r)) == content.len)
        local = content;
    r->rest = slice_skip(r->rest, len);
    *local_r = local;
    return ERR_OK;
}

static enum err read_local(struct reader *r, slice *local_r)
{
    if (starts_with(r, '"'))
        return read_quoted(r, local_r);
    size_t len = address_dot_string_len(r->rest, is_utf8(r));
    if (len == 0)
        return ERR_SYNTAX;
    *local_r = slice_sub(r->rest, 0, len);
    r->rest = slice_skip(r->rest, len);
    return ERR_OK;
}

/* A domain or address literal: up to what can be no part of one. */
static enum err read_domain(struct reader *r, slice *domain_r)
{
    size_t len = 0;
    bool literal = starts_with(r, '[');
    while (len < r->rest.len) {
        char c = r->rest.ptr[len];
        bool over = literal ? c == ']' : c == '>' || c == ' ' || c == ',' || c == ':' || c == '@';
        if (over)
            break;
        len++;
    }
    if (literal && len < r->rest.len)
        len++;
    slice domain = slice_sub(r->rest, 0, len);
    if (domain.len > ADDRESS_DOMAIN_MAX)
        return ERR_LIMIT;
    if (!address_domain_valid(domain, is_utf8(r)))
        return ERR_SYNTAX;
    r->rest = slice_skip(r->rest, len);
    *domain_r = domain;
    return ERR_OK;
}

static enum err read_mailbox(struct reader *r, struct address *address_r)
{
    struct address a = {SLICE_NONE, SLICE_NONE};
    enum err e = read_local(r, &a.local);
    if (e != ERR_OK)
        return e;
    if (take(r, '@'))
        e = read_domain(r, &a.domain);
    else if ((r->rules & ADDRESS_NO_DOMAIN) == 0)
        e = ERR_SYNTAX;
    if (e == ERR_OK)
        e = address_check_limits(a);
    if (e == ERR_OK)
        *address_r = a;
    return e;
}

/* "@a,@b:" (RFC 5321 appendix C): read, and forgotten. */
static enum err skip_route(struct reader *r)
{
    while (take(r, '@')) {
        slice host;
        enum err e = read_domain(r, &host);
        if (e != ERR_OK)
            return e;
        if (take(r, ':'))
            return ERR_OK;
        if (!take(r, ',') || !starts_with(r, '@'))
            return ERR_SYNTAX;
    }
    return ERR_OK;
}

static enum err read_bracketed(struct reader *r, struct address *address_r)
{
    struct address a = {SLICE_NONE, SLICE_NONE};
    if (!starts_with(r, '>')) {
        enum err e = skip_route(r);
        if (e == ERR_OK)
            e = read_mailbox(r, &a);
        if (e != ERR_OK)
            return e;
    } else if ((r->rules & ADDRESS_NULL) == 0) {
        return ERR_SYNTAX;
    }
    if (!take(r, '>'))
        return ERR_SYNTAX;
    *address_r = a;
    return ERR_OK;
}

enum err address_parse_path(slice in, unsigned rules, struct arena *arena, struct address *address_r, slice *rest_r)
{
    struct reader r = {in, rules, arena};
    struct address a = {SLICE_NONE, SLICE_NONE};
    bool lenient = (rules & ADDRESS_BARE_PATH) != 0;
    while (lenient && (starts_with(&r, ' ') || starts_with(&r, '\t')))
        r.rest = slice_skip(r.rest, 1);
    enum err e = ERR_SYNTAX;
    if (take(&r, '<'))
        e = read_bracketed(&r, &a);
    else if (lenient)
        e = read_mailbox(&r, &a);
    if (e != ERR_OK)
        return e;
    if (r.rest.len > 0 && !starts_with(&r, ' '))
        return ERR_SYNTAX;
    *address_r = a;
    *rest_r = r.rest;
    return ERR_OK;
}

enum err address_parse(slice in, unsigned rules, struct arena *arena, struct address *address_r)
{
    struct reader r = {in, rules, arena};
    struct address a = {SLICE_NONE, SLICE_NONE};
    if (in.len > 0 || (rules & ADDRESS_NULL) == 0) {
        enum err e = read_mailbox(&r, &a);
        if (e != ERR_OK)
            return e;
    }
    if (r.rest.len > 0)
        return ERR_SYNTAX;
    *address_r = a;
    return ERR_OK;
}
