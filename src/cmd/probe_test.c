/* SPDX-License-Identifier: ISC */
/* The pure parts of thurn probe: targets, the PROXY header, messages, the hello, MX answers, forms of relaying. */
#include "cmd/probe.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "cmd/probe_audit.h"
#include "cmd/probe_find.h"
#include "cmd/probe_hello.h"
#include "cmd/probe_message.h"
#include "cmd/probe_proxy.h"

static bool says(const buf *b, const char *what)
{
    return slice_find(buf_slice(b), slice_str(what)) >= 0;
}

static void targets_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum probe_target_kind kind;
        const char *host;
        uint16_t port;
        bool smtps, lmtp;
    } rows[] = {
        {"example.net", PROBE_TARGET_DOMAIN, "example.net", 25, false, false},
        {"mx.example.net:587", PROBE_TARGET_HOST, "mx.example.net", 587, false, false},
        {"192.0.2.1", PROBE_TARGET_ADDRESS, "192.0.2.1", 25, false, false},
        {"192.0.2.1:2525", PROBE_TARGET_ADDRESS, "192.0.2.1", 2525, false, false},
        {"2001:db8::1", PROBE_TARGET_ADDRESS, "2001:db8::1", 25, false, false},
        {"[2001:db8::1]:26", PROBE_TARGET_ADDRESS, "2001:db8::1", 26, false, false},
        {"smtps://mx.example.net", PROBE_TARGET_HOST, "mx.example.net", 465, true, false},
        {"SMTPS://mx.example.net:4650/", PROBE_TARGET_HOST, "mx.example.net", 4650, true, false},
        {"smtps://[2001:db8::1]", PROBE_TARGET_ADDRESS, "2001:db8::1", 465, true, false},
        {"smtp://example.net", PROBE_TARGET_DOMAIN, "example.net", 25, false, false},
        {"lmtp:127.0.0.1:2400", PROBE_TARGET_ADDRESS, "127.0.0.1", 2400, false, true},
        {"lmtp:mx.example.net", PROBE_TARGET_HOST, "mx.example.net", 24, false, true},
        {"lmtp:unix:/run/lmtp", PROBE_TARGET_UNIX, "/run/lmtp", 24, false, true},
        {"unix:/run/smtp", PROBE_TARGET_UNIX, "/run/smtp", 25, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct probe_target t;
        assert_int_equal(probe_target_read(slice_str(rows[i].text), &t), ERR_OK);
        assert_int_equal(t.kind, rows[i].kind);
        assert_true(slice_equal(t.host, slice_str(rows[i].host)));
        assert_int_equal(t.port, rows[i].port);
        assert_int_equal(t.smtps, rows[i].smtps);
        assert_int_equal(t.lmtp, rows[i].lmtp);
        if (t.kind == PROBE_TARGET_ADDRESS)
            assert_int_equal(t.address.port, rows[i].port);
    }
}

static void what_is_no_target_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"",           "host:",      "host:0",      "host:65536",
                                       "host:25:25", "[192.0.2.1", "[nobody]:25", "[::1]25",
                                       "a host",     "unix:",      "lmtp:",       "smtps://"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct probe_target t;
        assert_int_equal(probe_target_read(slice_str(rows[i]), &t), ERR_SYNTAX);
    }
}

/* What the server's reader of this protocol makes of the header. */
static void a_proxy_header_is_what_the_server_reads(void **state)
{
    (void)state;
    static const struct {
        const char *source, *to;
        size_t len;
    } rows[] = {{"198.51.100.7:4000", "192.0.2.1:25", 4},
                {"[2001:db8::7]:4001", "[2001:db8::1]:25", 16},
                {"198.51.100.7:4000", "[2001:db8::1]:25", 4},
                {"[2001:db8::7]:4001", "unix:/run/smtp", 16}};
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        struct probe_target source, to;
        struct smtp_proxy_reader reader;
        struct smtp_proxy_addresses a;
        char memory[256];
        buf header;
        size_t used;
        buf_init_fixed(&header, memory, sizeof memory);
        assert_int_equal(probe_target_read(slice_str(rows[i / 2].source), &source), ERR_OK);
        assert_int_equal(probe_target_read(slice_str(rows[i / 2].to), &to), ERR_OK);
        probe_proxy_write(&header, i % 2 + 1, &source.address, &to.address);
        smtp_proxy_init(&reader);
        assert_int_equal(smtp_proxy_read(&reader, buf_slice(&header), &used, &a), SMTP_PROXY_ADDRESSES);
        assert_int_equal(used, header.len);
        assert_int_equal(a.len, rows[i / 2].len);
        assert_memory_equal(a.source, source.address.ip, a.len);
        assert_int_equal(a.source_port, source.address.port);
        if (to.address.ip_len == a.len)
            assert_memory_equal(a.destination, to.address.ip, a.len);
        smtp_proxy_deinit(&reader);
    }
}

static void a_message_has_its_fields_and_attachments(void **state)
{
    (void)state;
    const slice to[] = {SLICE("a@example.org")};
    const struct probe_words fields = {.of = {SLICE("X-Test: yes"), SLICE("Subject: mine")}, .count = 2};
    const struct probe_file file = {SLICE("/tmp/a \"b\".bin"), slice_of("\0\377\r\n.", 5)};
    struct probe_letter l = {.from = SLICE("b@example.net"),
                             .to = to,
                             .to_count = 1,
                             .headers = &fields,
                             .files = &file,
                             .file_count = 1,
                             .message_id = SLICE("1@example.net"),
                             .boundary = SLICE("=_1"),
                             .now_s = 1790000000};
    buf out;
    buf_init(&out, 1u << 16);
    probe_message_make(&out, &l);
    assert_true(buf_ok(&out));
    assert_true(says(&out, "From: b@example.net\r\n"));
    assert_true(says(&out, "To: a@example.org\r\n"));
    assert_true(says(&out, "X-Test: yes\r\n"));
    assert_true(says(&out, "Subject: mine\r\n"));
    assert_false(says(&out, "Test message of"));
    assert_true(says(&out, "boundary=\"=_1\"\r\n"));
    assert_true(says(&out, "filename=\"a _b_.bin\"\r\n\r\nAP8NCi4=\r\n--=_1--\r\n"));
    buf_clear(&out);
    l.file_count = 0;
    l.headers = &(const struct probe_words){.count = 0};
    l.subject = SLICE("Hello");
    probe_message_make(&out, &l);
    assert_true(says(&out, "Subject: Hello\r\n"));
    assert_true(says(&out, "\r\n\r\nThis is a test message"));
    buf_deinit(&out);
}

static void a_given_message_is_kept_but_for_its_line_ends(void **state)
{
    (void)state;
    const struct probe_words fields = {.of = {SLICE("X-Test: yes")}, .count = 1};
    buf out;
    buf_init(&out, 4096);
    probe_message_take(&out, SLICE("A: b\nC: d\r\n\r\n.\ne"), &fields, false);
    assert_true(slice_equal(buf_slice(&out), SLICE("X-Test: yes\r\nA: b\r\nC: d\r\n\r\n.\r\ne")));
    buf_clear(&out);
    probe_message_take(&out, slice_of("A: b\r\n\r\n\n\0\r", 11), &(const struct probe_words){.count = 0}, true);
    assert_true(slice_equal(buf_slice(&out), slice_of("A: b\r\n\r\n\n\0\r", 11)));
    buf_deinit(&out);
}

#define HELLO_RANDOM "RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"
/* A ServerHello of TLS 1.0 with suite 0x002f and a session id of two bytes. */
#define SERVER_HELLO "\x16\x03\x01\x00\x2c\x02\x00\x00\x28\x03\x01" HELLO_RANDOM "\x02ID\x00\x2f\x00"

static void a_hello_is_answered_or_refused(void **state)
{
    (void)state;
    static const struct {
        slice in;
        enum probe_hello_answer answer;
    } rows[] = {
        {SLICE(SERVER_HELLO), PROBE_HELLO_TAKEN},
        {SLICE("\x15\x03\x01\x00\x02\x01\x70" SERVER_HELLO), PROBE_HELLO_TAKEN}, /* a warning first */
        {SLICE("\x15\x03\x01\x00\x02\x02\x46"), PROBE_HELLO_REFUSED},
        {SLICE("220 hello\r\n"), PROBE_HELLO_REFUSED},
        {SLICE("\x16\x03\x01\xff\xff"), PROBE_HELLO_REFUSED},
        {SLICE("\x16\x03\x01\x00\x00"), PROBE_HELLO_REFUSED},
        {SLICE("\x16\x03\x01\x00\x04\x02\x00\x00\x00"), PROBE_HELLO_REFUSED},
        {SLICE("\x16\x03\x01\x00\x27\x02\x00\x00\x23\x03\x01" HELLO_RANDOM "\x21"), PROBE_HELLO_REFUSED},
        {SLICE(""), PROBE_HELLO_MORE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct probe_hello_taken taken = {0};
        assert_int_equal(probe_hello_read(rows[i].in, &taken), rows[i].answer);
        if (rows[i].answer != PROBE_HELLO_TAKEN)
            continue;
        assert_int_equal(taken.version, 0x0301);
        assert_int_equal(taken.suite, 0x002f);
        for (size_t cut = 0; cut < rows[i].in.len; cut++)
            assert_int_equal(probe_hello_read(slice_sub(rows[i].in, 0, cut), &taken), PROBE_HELLO_MORE);
    }
}

static void mx_records_become_hosts_in_order(void **state)
{
    (void)state;
    const slice records[] = {SLICE("\0\x14\3mx2\7example\0"), SLICE("\0\x0a\3mx1\7example\0"), SLICE("\0"),
                             SLICE("\0\1\77bad"), SLICE("\0\0\0")};
    struct arena arena;
    struct mx_host hosts[20];
    bool null = true;
    arena_init(&arena, 1u << 16);
    assert_int_equal(probe_find_hosts(records, 5, &arena, hosts, &null), 2);
    assert_false(null); /* a root among others is left out (RFC 7505 section 3) */
    assert_true(slice_equal(hosts[0].name, SLICE("mx1.example")));
    assert_int_equal(hosts[0].preference, 10);
    assert_int_equal(hosts[1].preference, 20);
    assert_int_equal(probe_find_hosts(records + 4, 1, &arena, hosts, &null), 0);
    assert_true(null);
    arena_deinit(&arena);
}

static void forms_of_relaying_are_filled_in(void **state)
{
    (void)state;
    const slice values[4] = {SLICE("u"), SLICE("far.example"), SLICE("own.example"), SLICE("192.0.2.1")};
    char memory[128];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    probe_audit_form(&b, "@[{i}]:{u}%{d}@{h}{x}{", values);
    assert_true(slice_equal(buf_slice(&b), SLICE("@[192.0.2.1]:u%far.example@own.example{x}{")));
}

static void a_version_in_a_greeting_is_seen(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool tells;
    } rows[] = {{"mx.example.org ESMTP Exim 4.96 Sun, 22 Nov 2026", true},
                {"mx.example.org ESMTP Postfix (3.7.11)", true},
                {"mx.example.org ESMTP Postfix", false},
                {"mx1.2.example.org ESMTP", false},
                {"mx.example.org ESMTP for [192.0.2.1]", false},
                {"mx.example.org ready. 22 Nov 2026.", false},
                {"", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(probe_audit_tells_version(slice_str(rows[i].text)), rows[i].tells);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_read),
        cmocka_unit_test(what_is_no_target_is_refused),
        cmocka_unit_test(a_proxy_header_is_what_the_server_reads),
        cmocka_unit_test(a_message_has_its_fields_and_attachments),
        cmocka_unit_test(a_given_message_is_kept_but_for_its_line_ends),
        cmocka_unit_test(a_hello_is_answered_or_refused),
        cmocka_unit_test(mx_records_become_hosts_in_order),
        cmocka_unit_test(forms_of_relaying_are_filled_in),
        cmocka_unit_test(a_version_in_a_greeting_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
