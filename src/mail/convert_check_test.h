/* SPDX-License-Identifier: ISC */
/* The promise of conversion, held against any content: what comes out fits the target, has the same shape, and decoding gives the old bytes back.
 * For the unit test and the fuzz driver. */
#ifndef MAIL_CONVERT_CHECK_TEST_H
#define MAIL_CONVERT_CHECK_TEST_H

#include <stdio.h>
#include <stdlib.h>

#include "mail/mail.h"
#include "mail/mime.h"

#define CHECK(what) ((what) ? (void)0 : check_failed(#what, __LINE__))

static slice check_content; /* what is at work, to be shown when something is wrong */

static void check_failed(const char *what, int line)
{
    buf shown;
    buf_init(&shown, 1u << 20);
    buf_append_escaped(&shown, check_content);
    fprintf(stderr, "convert_check_test.h:%d: not so: %s, of %.*s\n", line, what, SLICE_ARG(buf_slice(&shown)));
    abort();
}

static int check_hex(char c)
{
    return ascii_is_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* As readers do: what is no escape stays. */
static void check_decode_quoted(slice s, buf *out)
{
    for (size_t at = 0; at < s.len;) {
        slice rest = slice_skip(s, at);
        if (slice_starts(rest, SLICE("=\r\n"))) {
            at += 3;
        } else if (rest.ptr[0] == '=' && rest.len > 2 && check_hex(rest.ptr[1]) >= 0 && check_hex(rest.ptr[2]) >= 0) {
            buf_append_char(out, (char)(check_hex(rest.ptr[1]) * 16 + check_hex(rest.ptr[2])));
            at += 3;
        } else {
            buf_append_char(out, rest.ptr[0]);
            at++;
        }
    }
}

static void check_base64_letters(slice s, buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (ascii_is_alpha(c) || ascii_is_digit(c) || c == '+' || c == '/' || c == '=')
            buf_append_char(out, c);
    }
}

static void check_decode(slice s, enum mime_encoding encoding, buf *out)
{
    if (encoding == MIME_QUOTED) {
        check_decode_quoted(s, out);
    } else if (encoding == MIME_BASE64) {
        buf letters;
        buf_init(&letters, s.len + 1);
        check_base64_letters(s, &letters);
        CHECK(buf_append_base64_decoded(out, buf_slice(&letters)) == ERR_OK);
        buf_deinit(&letters);
    } else {
        buf_append(out, s);
    }
}

static void check_same_bytes(slice old, slice new, const struct mime_piece *was, const struct mime_piece *is)
{
    buf a, b;
    buf_init(&a, old.len + new.len + 1);
    buf_init(&b, old.len + new.len + 1);
    if (was->encoding == MIME_BASE64) {
        check_base64_letters(old, &a);
        check_base64_letters(new, &b);
    } else {
        check_decode(old, was->encoding == MIME_QUOTED ? MIME_QUOTED : MIME_7BIT, &a);
        check_decode(new, is->encoding, &b);
    }
    CHECK(slice_equal(buf_slice(&a), buf_slice(&b)));
    buf_deinit(&a);
    buf_deinit(&b);
}

/* A body, or text between parts, that came out. */
static void check_fits(slice s, enum convert_target target, bool mended)
{
    size_t start = 0;
    for (size_t i = 0; i < s.len; i++) {
        CHECK(s.ptr[i] != 0);
        CHECK(target == CONVERT_TO_8BIT || !(s.ptr[i] & 0x80));
        if (i + 1 < s.len && s.ptr[i] == '\r' && s.ptr[i + 1] == '\n') {
            CHECK(i - start <= 998);
            start = i + 2;
        }
        CHECK(mended || s.ptr[i] != '\n' || (i > 0 && s.ptr[i - 1] == '\r'));
        CHECK(mended || s.ptr[i] != '\r' || (i + 1 < s.len && s.ptr[i + 1] == '\n'));
    }
    CHECK(s.len - start <= 998);
}

static void check_letters(slice s, buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != ' ' && s.ptr[i] != '\t' && s.ptr[i] != '\r' && s.ptr[i] != '\n')
            buf_append_char(out, s.ptr[i]);
    }
}

/* But for white space, a header keeps its fields. What is added for the encoding comes last. */
static void check_fields(slice old, slice new)
{
    struct header_field was, is;
    while (header_next(&old, &was)) {
        CHECK(header_next(&new, &is) && slice_equal_nocase(was.name, is.name));
        if (slice_equal_nocase(was.name, SLICE("Content-Transfer-Encoding")))
            continue;
        buf a, b;
        buf_init(&a, was.value.len + 1);
        buf_init(&b, is.value.len + 1);
        check_letters(was.value, &a);
        check_letters(is.value, &b);
        CHECK(slice_equal(buf_slice(&a), buf_slice(&b)));
        buf_deinit(&a);
        buf_deinit(&b);
    }
}

static void check_pieces(const struct mime_piece *was, const struct mime_piece *is, enum convert_target target)
{
    CHECK(was->entity == is->entity && was->delimiter == is->delimiter && was->message == is->message);
    CHECK(was->kind == is->kind);
    if (was->delimiter) {
        CHECK(slice_equal(was->between, is->between));
    } else if (!was->entity) {
        struct mime_piece quoted = {.encoding = MIME_QUOTED};
        check_fits(is->between, target, false);
        if (!slice_equal(was->between, is->between))
            check_same_bytes(was->between, is->between, was, &quoted);
    } else {
        bool mended = was->encoding == MIME_QUOTED || was->encoding == MIME_BASE64;
        if (target == CONVERT_TO_8BIT)
            check_fields(was->header, is->header);
        check_fits(is->body, target, mended);
        CHECK(slice_equal(was->gap, is->gap) || was->gap.len == 0);
        if (was->body.len == is->body.len && slice_equal(was->body, is->body) &&
            (was->encoding == is->encoding || was->encoding == MIME_ENCODING_UNKNOWN || is->encoding < MIME_QUOTED))
            return;
        check_same_bytes(was->body, is->body, was, is);
    }
}

/* The old message's last leaf, in base64, ends its last line for itself. */
static void check_conversion(slice content, enum convert_target target)
{
    struct body_facts facts;
    check_content = content;
    if (convert_measure(content, target, &facts) != ERR_OK)
        return;
    buf out;
    buf_init(&out, 20 * content.len + 2 * CONVERT_ROOM);
    struct convert c;
    convert_init(&c, content, target);
    for (size_t before = 0; convert_next(&c, &out); before = out.len)
        CHECK(out.len > before && out.len - before <= CONVERT_ROOM);
    CHECK(buf_ok(&out));
    struct body_scan scan;
    body_scan_init(&scan);
    body_scan_feed(&scan, buf_slice(&out));
    struct body_facts seen = body_scan_end(&scan);
    CHECK(seen.size == facts.size && seen.size == out.len && seen.eight_bit == facts.eight_bit);
    CHECK(seen.longest_line <= 998 && seen.longest_line == facts.longest_line);
    struct mime_walk old_walk, new_walk;
    struct mime_piece was, is;
    mime_walk_init(&old_walk, content);
    mime_walk_init(&new_walk, buf_slice(&out));
    while (mime_walk_next(&old_walk, &was)) {
        CHECK(mime_walk_next(&new_walk, &is));
        check_pieces(&was, &is, target);
    }
    CHECK(!mime_walk_next(&new_walk, &is));
    CHECK(convert_is_signed(content) == convert_is_signed(buf_slice(&out)) || convert_is_signed(content));
    buf_deinit(&out);
}

#endif
