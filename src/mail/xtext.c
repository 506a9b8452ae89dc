/* SPDX-License-Identifier: ISC */
#include "mail/xtext.h"

#include "mail/address_syntax.h"

static const char digits[] = "0123456789ABCDEF";

static int hex_value(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* xchar: printable, no space, none of those that are said otherwise. */
static bool is_plain(char c)
{
    return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

/* Nothing but printable characters, well-formed. */
static bool is_clean(slice text)
{
    while (text.len > 0) {
        size_t len = address_print_char_len(text, true);
        if (len == 0)
            return false;
        text = slice_skip(text, len);
    }
    return true;
}

/* What was appended from before on is judged, and taken back when it is bad. */
static enum err judge(buf *b, size_t before, bool good)
{
    if (!buf_ok(b))
        return ERR_LIMIT;
    if (good && is_clean(slice_skip(buf_slice(b), before)))
        return ERR_OK;
    b->len = before;
    return ERR_SYNTAX;
}

void xtext_encode(buf *b, slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_plain(c)) {
            buf_append_char(b, c);
            continue;
        }
        buf_append_char(b, '+');
        buf_append_char(b, digits[(unsigned char)c >> 4]);
        buf_append_char(b, digits[(unsigned char)c & 15]);
    }
}

enum err xtext_decode(buf *b, slice text)
{
    size_t before = b->len;
    bool good = true;
    while (good && text.len > 0) {
        char c = text.ptr[0];
        if (c == '+' && text.len > 2 && hex_value(text.ptr[1]) >= 0 && hex_value(text.ptr[2]) >= 0) {
            buf_append_char(b, (char)(hex_value(text.ptr[1]) * 16 + hex_value(text.ptr[2])));
            text = slice_skip(text, 3);
        } else {
            good = is_plain(c);
            buf_append_char(b, c);
            text = slice_skip(text, 1);
        }
    }
    return judge(b, before, good);
}

/* The code point of a well-formed character of len bytes. */
static uint32_t code_point(slice text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    if (len == 1)
        return p[0];
    uint32_t code = p[0] & (0xffU >> (len + 1));
    for (size_t i = 1; i < len; i++)
        code = code << 6 | (p[i] & 0x3fU);
    return code;
}

static void append_code_point(buf *b, uint32_t code)
{
    bool started = false;
    buf_append(b, SLICE("\\x{"));
    for (int shift = 20; shift >= 0; shift -= 4) {
        started |= (code >> shift & 15) != 0 || shift == 4;
        if (started)
            buf_append_char(b, digits[code >> shift & 15]);
    }
    buf_append_char(b, '}');
}

static void encode_utf8(buf *b, slice address, bool utf8)
{
    while (address.len > 0) {
        size_t len = slice_utf8_len(address);
        /* bytes that are no UTF-8 were never taken in: they are shown as what they are not */
        uint32_t code = len > 0 ? code_point(address, len) : 0xfffd;
        bool plain = len == 1 ? is_plain(address.ptr[0]) && address.ptr[0] != '\\' : len > 1 && utf8;
        if (plain)
            buf_append(b, slice_sub(address, 0, len));
        else
            append_code_point(b, code);
        address = slice_skip(address, len > 0 ? len : 1);
    }
}

void xtext_encode_utf8_address(buf *b, slice address)
{
    encode_utf8(b, address, false);
}

/* HEXPOINT: the specials of xtext, or what lies beyond ASCII, in its shortest form. */
static bool is_point(uint32_t code)
{
    if (code < 0x80)
        return code == ' ' || code == '+' || code == '=' || code == '\\';
    return code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

static void append_utf8(buf *b, uint32_t code)
{
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    unsigned more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    buf_append_char(b, (char)(first[more] | code >> (6 * more)));
    while (more-- > 0)
        buf_append_char(b, (char)(0x80 | (code >> (6 * more) & 0x3f)));
}

/* "\x{...}" at the start of *in. */
static bool take_point(buf *b, slice *in)
{
    uint32_t code = 0;
    size_t at = 3;
    if (!slice_starts(*in, SLICE("\\x{")))
        return false;
    for (; at < in->len && at < 9 && hex_value(in->ptr[at]) >= 0; at++)
        code = code << 4 | (uint32_t)hex_value(in->ptr[at]);
    if (at < 5 || at == in->len || in->ptr[at] != '}' || in->ptr[3] == '0' || !is_point(code))
        return false;
    append_utf8(b, code);
    *in = slice_skip(*in, at + 1);
    return true;
}

static enum err decode_utf8(buf *b, slice address, bool utf8)
{
    size_t before = b->len;
    bool good = true;
    while (good && address.len > 0) {
        if (address.ptr[0] == '\\') {
            good = take_point(b, &address);
            continue;
        }
        size_t len = slice_utf8_len(address);
        good = len == 1 ? is_plain(address.ptr[0]) : len > 1 && utf8;
        buf_append(b, slice_sub(address, 0, len));
        address = slice_skip(address, len);
    }
    return judge(b, before, good);
}

void xtext_encode_orcpt(buf *b, slice orcpt, bool utf8)
{
    slice type, address;
    (void)slice_cut(orcpt, ';', &type, &address);
    buf_append(b, type);
    buf_append_char(b, ';');
    if (slice_equal_nocase(type, SLICE("utf-8")))
        encode_utf8(b, address, utf8);
    else
        xtext_encode(b, address);
}

enum err xtext_decode_orcpt(buf *b, slice value, bool utf8)
{
    slice type, address;
    size_t before = b->len;
    (void)slice_cut(value, ';', &type, &address);
    if (address.len == 0 || type.len == 0 || address_dot_string_len(type, false) != type.len)
        return ERR_SYNTAX;
    buf_append(b, type);
    buf_append_char(b, ';');
    bool international = slice_equal_nocase(type, SLICE("utf-8"));
    enum err e = international ? decode_utf8(b, address, utf8) : xtext_decode(b, address);
    if (e != ERR_OK)
        b->len = before;
    return e;
}
