/* SPDX-License-Identifier: ISC */
/* What peers gave, as it goes into header fields and reports: nothing of it ends a line, and dates that are read are written as the same moment. */
#include <assert.h>

#include "mail/clean.h"
#include "mail/date.h"
#include "mail/received.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void harmless(slice s)
{
    for (size_t i = 0; i < s.len; i++)
        assert((unsigned char)s.ptr[i] >= ' ' && s.ptr[i] != 0x7f);
}

static void each_form(slice in)
{
    static void (*const forms[])(buf * b, slice s) = {clean_append_text, clean_append_word, clean_append_comment,
                                                      clean_append_ascii};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        buf b;
        buf_init(&b, 1 << 20);
        forms[i](&b, in);
        harmless(buf_slice(&b));
        assert((i != 1 && i != 2) || b.len <= 255);
        buf_deinit(&b);
    }
    assert(clean_shorten(in).len <= 255);
}

/* Lines of at most 998 bytes that end in CRLF, all but the first beginning with a space: one field. */
static void one_field(slice s)
{
    size_t line = 0;
    assert(s.len >= 2 && s.ptr[s.len - 1] == '\n');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\n') {
            assert(i > 0 && s.ptr[i - 1] == '\r' && line <= 999);
            assert(i + 1 == s.len || s.ptr[i + 1] == ' ' || s.ptr[i + 1] == '\t');
            line = 0;
        } else {
            assert(s.ptr[i] != '\r' || (i + 1 < s.len && s.ptr[i + 1] == '\n'));
            line++;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice in = slice_of(data, size < 4096 ? size : 4096);
    slice a, rest;
    int64_t when, again;
    each_form(in);
    if (date_parse_rfc3339(in, &when) == ERR_OK) {
        buf b;
        buf_init(&b, 64);
        date_print_rfc3339(&b, when);
        assert(date_parse_rfc3339(buf_slice(&b), &again) == ERR_OK && again == when);
        buf_deinit(&b);
    }
    (void)slice_cut(in, '\n', &a, &rest);
    const struct received_facts f = {
        .origin = {.client_name = a, .client_ip = SLICE("192.0.2.1"), .helo = rest, .protocol = SLICE("ESMTP")},
        .hostname = SLICE("mail.example.org"),
        .tls = a,
        .rcpt = slice_sub(rest, 0, 512), /* no path is longer (mail/address_syntax.h) */
        .id = 1,
        .unix_s = (int64_t)size};
    buf b;
    buf_init(&b, 1 << 20);
    received_print(&b, &f);
    one_field(buf_slice(&b));
    buf_deinit(&b);
    return 0;
}
