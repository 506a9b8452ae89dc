/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct body_facts scan(slice content)
{
    struct body_scan s;
    body_scan_init(&s);
    body_scan_feed(&s, content);
    return body_scan_end(&s);
}

static const struct {
    slice content;
    struct body_facts facts;
} rows[] = {
    {SLICE(""), {0}},
    {SLICE("A: b\r\n\r\nhello\r\n"), {.size = 15, .header_len = 8, .longest_line = 5, .ends_in_crlf = true}},
    {SLICE("\r\nhello"), {.size = 7, .header_len = 2, .longest_line = 5}},
    {SLICE("A: b\r\nC: d\r\n"), {.size = 12, .header_len = 12, .longest_line = 4, .ends_in_crlf = true}},
    {SLICE("A: b\r\n\r\n.\r\n..\r\nx.\r\n.\r\n"),
     {.size = 22, .header_len = 8, .longest_line = 4, .leading_dots = 3, .ends_in_crlf = true}},
    {SLICE(".A: b\r\n\r\n"), {.size = 9, .header_len = 9, .longest_line = 5, .leading_dots = 1, .ends_in_crlf = true}},
    {SLICE("Received: a\r\n b\r\nRECEIVED :c\r\nX-Received: d\r\nReceived-SPF: e\r\n\r\nReceived: body\r\n"),
     {.size = 80, .header_len = 64, .longest_line = 15, .received = 2, .ends_in_crlf = true}},
    {SLICE("A: b\r\n Received: folded\r\nRe ceived: x\r\nReceived"),
     {.size = 47, .header_len = 47, .longest_line = 17, .ends_in_crlf = false}},
    {SLICE("A: \xc3\xa9\r\n\r\n"),
     {.size = 9,
      .header_len = 9,
      .longest_line = 5,
      .eight_bit = true,
      .eight_bit_header = true,
      .ends_in_crlf = true}},
    {SLICE("A: b\r\n\r\n\xc3\xa9\r\n"),
     {.size = 12, .header_len = 8, .longest_line = 4, .eight_bit = true, .ends_in_crlf = true}},
    {SLICE("A: b\r\n\r\n0123456789012345678901234567890123456789\0 0123456789012345678901234567890123456789"),
     {.size = 90, .header_len = 8, .longest_line = 82, .nul = true}},
    {SLICE("A: \0\r\n\r\nx\x7f\x01"), {.size = 11, .header_len = 8, .longest_line = 4, .nul = true}},
    /* a bare LF or CR ends no line */
    {SLICE("A: b\n\n.x\r.y\r\n.z\r\r\n"),
     {.size = 18, .header_len = 18, .longest_line = 11, .leading_dots = 1, .ends_in_crlf = true}},
    {SLICE("A: b\r\n\r\nx\r"), {.size = 10, .header_len = 8, .longest_line = 4}},
};

static void assert_facts(struct body_facts a, struct body_facts b)
{
    assert_int_equal(a.size, b.size);
    assert_int_equal(a.header_len, b.header_len);
    assert_int_equal(a.longest_line, b.longest_line);
    assert_int_equal(a.leading_dots, b.leading_dots);
    assert_int_equal(a.received, b.received);
    assert_int_equal(a.eight_bit_header, b.eight_bit_header);
    assert_int_equal(a.eight_bit, b.eight_bit);
    assert_int_equal(a.nul, b.nul);
    assert_int_equal(a.ends_in_crlf, b.ends_in_crlf);
}

static void gathers_the_facts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_facts(scan(rows[i].content), rows[i].facts);
}

static void the_same_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t a = 0; a <= rows[i].content.len; a++) {
            for (size_t b = a; b <= rows[i].content.len; b++) {
                struct body_scan s;
                body_scan_init(&s);
                body_scan_feed(&s, slice_sub(rows[i].content, 0, a));
                body_scan_feed(&s, slice_sub(rows[i].content, a, b));
                body_scan_feed(&s, slice_skip(rows[i].content, b));
                assert_facts(body_scan_end(&s), rows[i].facts);
            }
        }
    }
}

/* What is read in blocks, and what is read a byte at a time: whatever lies across the end of a block. */
static void the_same_in_blocks_and_byte_by_byte(void **state)
{
    (void)state;
    static const slice lines =
        SLICE("\r\n.\r\n.dot\r\n\n\r\n\r\r\nbare\nline\r\n.\nx\r\n..\r.\n\r\n"
              "0123456789012345678901234567890123456789012345678901234567890123456789\r\n.end\r");
    for (size_t pad = 0; pad < 140; pad++) {
        char content[512];
        buf b;
        struct body_scan s;
        buf_init_fixed(&b, content, sizeof(content));
        buf_append(&b, SLICE("A: b\r\n\r\n"));
        for (size_t i = 0; i < pad; i++)
            buf_append_char(&b, i == 0 ? '.' : 'x');
        for (int i = 0; i < 2; i++)
            buf_append(&b, lines);
        body_scan_init(&s);
        for (size_t i = 0; i < b.len; i++)
            body_scan_feed(&s, slice_of(content + i, 1));
        assert_facts(scan(buf_slice(&b)), body_scan_end(&s));
    }
}

/* Wherever the odd byte lies in what is read many bytes at a time. */
static void sees_each_odd_byte(void **state)
{
    (void)state;
    char content[132];
    for (size_t at = 2; at < sizeof(content); at++) {
        memset(content, 'x', sizeof(content));
        memcpy(content, "\r\n", 2);
        content[at] = 0;
        struct body_facts facts = scan(slice_of(content, sizeof(content)));
        assert_true(facts.nul && !facts.eight_bit);
        content[at] = (char)0x80;
        facts = scan(slice_of(content, sizeof(content)));
        assert_true(!facts.nul && facts.eight_bit && !facts.eight_bit_header);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gathers_the_facts),
        cmocka_unit_test(the_same_however_it_is_cut),
        cmocka_unit_test(the_same_in_blocks_and_byte_by_byte),
        cmocka_unit_test(sees_each_odd_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
