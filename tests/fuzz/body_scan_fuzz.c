/* SPDX-License-Identifier: ISC */
/* The facts of content: the same whether it comes at once, byte by byte, or in two pieces cut anywhere; and those that a plain
 * reading gives. */
#include "mail/mail.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_equal(struct body_facts a, struct body_facts b)
{
    assert(a.size == b.size && a.header_len == b.header_len && a.longest_line == b.longest_line);
    assert(a.leading_dots == b.leading_dots && a.received == b.received && a.eight_bit_header == b.eight_bit_header);
    assert(a.eight_bit == b.eight_bit && a.nul == b.nul && a.ends_in_crlf == b.ends_in_crlf);
}

static struct body_facts scan_cut(slice content, size_t at)
{
    struct body_scan s;
    body_scan_init(&s);
    body_scan_feed(&s, slice_sub(content, 0, at));
    body_scan_feed(&s, slice_skip(content, at));
    return body_scan_end(&s);
}

static bool is_received(slice line)
{
    slice name, value;
    if (!slice_cut(line, ':', &name, &value))
        return false;
    while (name.len > 8 && (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t'))
        name.len--;
    return slice_equal_nocase(name, SLICE("received"));
}

static struct body_facts read_plainly(slice content)
{
    struct body_facts f = {.size = content.len};
    bool in_header = true;
    for (slice rest = content; rest.len > 0;) {
        ptrdiff_t crlf = slice_find(rest, SLICE("\r\n"));
        slice line = crlf < 0 ? rest : slice_sub(rest, 0, (size_t)crlf);
        rest = slice_skip(rest, crlf < 0 ? rest.len : (size_t)crlf + 2);
        if (line.len > f.longest_line)
            f.longest_line = (uint32_t)line.len;
        f.leading_dots += line.len > 0 && line.ptr[0] == '.';
        f.received += in_header && is_received(line);
        for (size_t i = 0; i < line.len; i++) {
            f.nul |= line.ptr[i] == 0;
            f.eight_bit |= (line.ptr[i] & 0x80) != 0;
            f.eight_bit_header |= in_header && (line.ptr[i] & 0x80) != 0;
        }
        f.ends_in_crlf = crlf >= 0 && rest.len == 0;
        if (in_header)
            f.header_len = (uint32_t)(content.len - rest.len);
        in_header = in_header && (crlf < 0 || line.len > 0);
    }
    return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice content = slice_of(data, size);
    struct body_facts whole = scan_cut(content, size);
    assert_equal(whole, read_plainly(content));
    for (size_t at = 0; at < size && at < 300; at++)
        assert_equal(scan_cut(content, at), whole);
    struct body_scan s;
    body_scan_init(&s);
    for (size_t i = 0; i < size; i++)
        body_scan_feed(&s, slice_sub(content, i, i + 1));
    assert_equal(body_scan_end(&s), whole);
    return 0;
}
