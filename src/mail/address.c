/* SPDX-License-Identifier: ISC */
#include "mail/address.h"

#include "mail/address_syntax.h"
#include "mail/char_set.h"

#define LABEL_MAX 63

size_t address_print_char_len(slice s, bool utf8)
{
    if (s.len == 0)
        return 0;
    unsigned char c = (unsigned char)s.ptr[0];
    if (c < 0x80)
        return c >= 0x20 && c < 0x7f;
    size_t len = utf8 ? slice_utf8_len(s) : 0;
    bool is_c1 = len == 2 && c == 0xc2 && (unsigned char)s.ptr[1] < 0xa0;
    return is_c1 ? 0 : len;
}

static const struct char_set atom_chars = {
    CHAR_SET_DIGITS | CHAR_BIT_OF('!') | CHAR_BIT_OF('#') | CHAR_BIT_OF('$') | CHAR_BIT_OF('%') | CHAR_BIT_OF('&') |
        CHAR_BIT_OF('\'') | CHAR_BIT_OF('*') | CHAR_BIT_OF('+') | CHAR_BIT_OF('-') | CHAR_BIT_OF('/') |
        CHAR_BIT_OF('=') | CHAR_BIT_OF('?'),
    CHAR_SET_LETTERS | CHAR_BIT_OF('^') | CHAR_BIT_OF('_') | CHAR_BIT_OF('`') | CHAR_BIT_OF('{') | CHAR_BIT_OF('|') |
        CHAR_BIT_OF('}') | CHAR_BIT_OF('~'),
};

size_t address_atom_char_len(slice s, bool utf8)
{
    if (s.len == 0)
        return 0;
    if ((unsigned char)s.ptr[0] >= 0x80)
        return address_print_char_len(s, utf8);
    return char_set_has(atom_chars, s.ptr[0]);
}

size_t address_dot_string_len(slice s, bool utf8)
{
    size_t at = 0;
    size_t end = 0; /* behind the last atom */
    for (;;) {
        size_t len;
        while ((len = address_atom_char_len(slice_skip(s, at), utf8)) > 0)
            at += len;
        if (at == end || (end > 0 && at == end + 1))
            return end;
        end = at;
        if (at == s.len || s.ptr[at] != '.')
            return end;
        at++;
    }
}

enum err address_check_limits(struct address a)
{
    if (a.local.len > ADDRESS_LOCAL_MAX || a.domain.len > ADDRESS_DOMAIN_MAX)
        return ERR_LIMIT;
    return a.local.len + 1 + a.domain.len + 2 > ADDRESS_PATH_MAX ? ERR_LIMIT : ERR_OK;
}

void address_print(buf *b, struct address a)
{
    buf_append(b, a.local);
    if (a.domain.len > 0) {
        buf_append_char(b, '@');
        buf_append(b, a.domain);
    }
}

bool address_equal(struct address a, struct address b)
{
    return slice_equal(a.local, b.local) && slice_equal_nocase(a.domain, b.domain);
}

bool address_is_null(struct address a)
{
    return a.local.len == 0 && a.domain.len == 0;
}

/* Ldh-str: letters, digits and hyphens, no hyphen at the end. */
static bool is_tag(slice tag)
{
    for (size_t i = 0; i < tag.len; i++) {
        if (!ascii_is_alpha(tag.ptr[i]) && !ascii_is_digit(tag.ptr[i]) && tag.ptr[i] != '-')
            return false;
    }
    return tag.len > 0 && tag.ptr[tag.len - 1] != '-' && !slice_equal_nocase(tag, SLICE("IPv6"));
}

/* RFC 5321 section 4.1.3: an IPv4 or IPv6 address, or "tag:content" of a standard yet to come. */
static bool is_literal(slice domain)
{
    uint8_t ip[16];
    size_t ip_len;
    if (address_ip_parse(domain, ip, &ip_len) == ERR_OK)
        return true;
    slice tag, content;
    (void)slice_cut(slice_sub(domain, 1, domain.len - 1), ':', &tag, &content);
    for (size_t i = 0; i < content.len; i++) {
        char c = content.ptr[i];
        if (c <= ' ' || c > '~' || c == '[' || c == ']' || c == '\\')
            return false;
    }
    return content.len > 0 && is_tag(tag);
}

static const struct char_set label_chars = {CHAR_SET_DIGITS | CHAR_BIT_OF('-'), CHAR_SET_LETTERS | CHAR_BIT_OF('_')};

static bool is_label(slice label, bool utf8)
{
    if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return false;
    size_t at = 0;
    while (at < label.len) {
        char c = label.ptr[at];
        size_t len = char_set_has(label_chars, c);
        if ((unsigned char)c >= 0x80)
            len = address_print_char_len(slice_skip(label, at), utf8);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

bool address_domain_valid(slice domain, bool utf8)
{
    if (domain.len == 0 || domain.len > ADDRESS_DOMAIN_MAX)
        return false;
    if (domain.ptr[0] == '[')
        return domain.len > 2 && domain.ptr[domain.len - 1] == ']' && is_literal(domain);
    slice rest = domain;
    for (;;) {
        slice label;
        bool more = slice_cut(rest, '.', &label, &rest);
        if (!is_label(label, utf8))
            return false;
        if (!more)
            return true;
    }
}
