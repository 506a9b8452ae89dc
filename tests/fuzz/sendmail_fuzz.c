/* SPDX-License-Identifier: ISC */
/* What a program gives to sendmail: the same content comes out however it is cut, with strict line ends; the header that is found is mended without Bcc; each recipient is a
 * path that can be sent. */
#include <assert.h>

#include "cmd/sendmail_header.h"
#include "cmd/sendmail_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_text(slice in, bool dots_are_text, size_t piece, buf *out)
{
    struct sendmail_text t;
    sendmail_text_init(&t, dots_are_text);
    for (size_t at = 0; at < in.len; at += piece)
        sendmail_text_feed(&t, slice_sub(in, at, at + piece), out);
    sendmail_text_end(&t, out);
    assert(buf_ok(out) && out->len <= 2 * in.len + 2);
    for (size_t i = 0; i < out->len; i++) {
        assert(out->ptr[i] != '\n' || (i > 0 && out->ptr[i - 1] == '\r'));
        assert(out->ptr[i] != '\r' || (i + 1 < out->len && out->ptr[i + 1] == '\n'));
    }
    assert(out->len == 0 || out->ptr[out->len - 1] == '\n');
}

static void check_recipients(slice header)
{
    struct arena arena;
    struct address a;
    arena_init(&arena, 4u << 20);
    struct sendmail_recipients r = {.arena = &arena, .origin = SLICE("origin.example")};
    enum err e = sendmail_recipients_add_header(&r, header);
    assert(e != ERR_SYNTAX || r.bad.len > 0);
    for (size_t i = 0; i < r.count; i++)
        assert(address_parse(r.list[i], ADDRESS_UTF8, &arena, &a) == ERR_OK);
    slice sender = SLICE_NONE;
    if (sendmail_sender_read(&arena, slice_sub(header, 0, 300), r.origin, &sender) == ERR_OK && sender.len > 0)
        assert(address_parse(sender, ADDRESS_UTF8, &arena, &a) == ERR_OK);
    arena_deinit(&arena);
}

static void check_mended(slice header)
{
    struct sendmail_header_add add = {slice_sub(header, 0, 80), SLICE("c@example.org"), SLICE("1@example.org"), 0, 0};
    struct header_field f;
    buf out;
    unsigned from = 0;
    buf_init(&out, 2 * header.len + 2048);
    sendmail_header_mend(&out, header, &add);
    assert(buf_ok(&out));
    slice rest = buf_slice(&out);
    while (header_next(&rest, &f)) {
        assert(!slice_equal_nocase(f.name, SLICE("Bcc")) && !slice_equal_nocase(f.name, SLICE("Resent-Bcc")));
        from += slice_equal_nocase(f.name, SLICE("From"));
    }
    assert(from > 0 && slice_equal(rest, SLICE("\r\n")));
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    slice in = slice_of(data + 1, size - 1);
    bool dots_are_text = data[0] & 1;
    buf whole, cut;
    buf_init(&whole, 2 * size + 2);
    buf_init(&cut, 2 * size + 2);
    read_text(in, dots_are_text, size, &whole);
    read_text(in, dots_are_text, 1 + (data[0] >> 1), &cut);
    slice content = buf_slice(&whole);
    assert(slice_equal(content, buf_slice(&cut)));
    size_t len = 0, early = 0;
    bool found = sendmail_header_find(content, true, &len);
    assert(found && len <= content.len);
    /* what is known of a beginning stays true, but for names of fields that nobody has */
    if (content.len < 1000 && sendmail_header_find(slice_sub(content, 0, content.len / 2), false, &early))
        assert(early == len);
    slice header = sendmail_skip_from_lines(slice_sub(content, 0, len));
    check_recipients(header);
    check_mended(header);
    buf_deinit(&whole);
    buf_deinit(&cut);
    return 0;
}
