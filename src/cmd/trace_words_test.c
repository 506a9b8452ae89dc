/* SPDX-License-Identifier: ISC */
#include "cmd/trace_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static const char *words_of(const struct trace_event *e, const char *of, int64_t next_s)
{
    static char text[2048];
    struct trace_record r = {.time_us = 1, .event = *e, .message = SLICE("CEYS4TW1: cannot \x1b[2J be read")};
    buf b;
    buf_init_fixed(&b, text, sizeof text - 1);
    trace_words_append(&b, &r, slice_str(of), next_s);
    text[b.len] = 0;
    return text;
}

static void the_life_of_a_mail_in_words(void **state)
{
    (void)state;
    struct trace_event e;
    trace_event_init(&e, TRACE_ACCEPTED, LOG_INFO);
    trace_add(&e, TRACE_KEY_CLIENT, SLICE("203.0.113.9"));
    trace_add(&e, TRACE_KEY_CLIENT_NAME, SLICE("unknown"));
    trace_add(&e, TRACE_KEY_LOGIN, SLICE("alice"));
    trace_add(&e, TRACE_KEY_TLS, SLICE("TLSv1.3"));
    trace_add_number(&e, TRACE_KEY_PORT, 465);
    assert_string_equal(words_of(&e, "X", 0), "accepted from 203.0.113.9 as alice (TLSv1.3, port 465)");
    trace_add_number(&e, TRACE_KEY_SIZE, 403);
    trace_add_number(&e, TRACE_KEY_RECIPIENTS, 1);
    assert_string_equal(words_of(&e, "X", 0),
                        "accepted from 203.0.113.9 as alice (TLSv1.3, port 465); 403 bytes, 1 recipient");
    trace_event_init(&e, TRACE_ACCEPTED, LOG_INFO);
    trace_add(&e, TRACE_KEY_CLIENT, SLICE("local"));
    trace_add(&e, TRACE_KEY_CLIENT_NAME, SLICE("uid-1000"));
    trace_add(&e, TRACE_KEY_LISTENER, SLICE("local"));
    trace_add_number(&e, TRACE_KEY_SIZE, 18 * 1024);
    trace_add_number(&e, TRACE_KEY_RECIPIENTS, 2);
    assert_string_equal(words_of(&e, "X", 0), "accepted from uid-1000 (local); 18K, 2 recipients");
    trace_event_init(&e, TRACE_CONNECTED, LOG_INFO);
    trace_add(&e, TRACE_KEY_RELAY, SLICE("mx.example.com[192.0.2.26]:25"));
    trace_add(&e, TRACE_KEY_TLS, SLICE("TLSv1.3"));
    trace_add(&e, TRACE_KEY_VERIFIED, SLICE("yes"));
    trace_add_number(&e, TRACE_KEY_DNS_MS, 12);
    trace_add_number(&e, TRACE_KEY_CONNECT_MS, 41);
    trace_add_number(&e, TRACE_KEY_TLS_MS, 88);
    assert_string_equal(words_of(&e, "X", 0),
                        "mx.example.com[192.0.2.26]:25 TLSv1.3 verified; dns 12, connect 41, tls 88");
    trace_event_init(&e, TRACE_DEFERRED, LOG_INFO);
    trace_add_number(&e, TRACE_KEY_CODE, 421);
    trace_add(&e, TRACE_KEY_DSN, SLICE("4.7.28"));
    trace_add(&e, TRACE_KEY_REASON, SLICE("rate limited"));
    trace_add(&e, TRACE_KEY_TO, SLICE("bob@example.com"));
    assert_string_equal(words_of(&e, "X", 0), "421 4.7.28 rate limited: bob@example.com deferred");
    assert_non_null(strstr(words_of(&e, "X", os_wall_s() + 60), " deferred, next try "));
    trace_add(&e, TRACE_KEY_COMMAND, SLICE("DATA"));
    assert_string_equal(words_of(&e, "X", 0), "421 4.7.28 rate limited (at DATA): bob@example.com deferred");
    trace_event_init(&e, TRACE_SENT, LOG_INFO);
    trace_add_number(&e, TRACE_KEY_CODE, 250);
    trace_add(&e, TRACE_KEY_DSN, SLICE("2.0.0"));
    trace_add(&e, TRACE_KEY_REASON, SLICE("delivered to maildir"));
    trace_add(&e, TRACE_KEY_TO, SLICE("bob@example.com"));
    trace_add(&e, TRACE_KEY_ORIGINAL_TO, SLICE("sales@example.com"));
    trace_add(&e, TRACE_KEY_RELAY, SLICE("local"));
    assert_string_equal(words_of(&e, "X", 0),
                        "bob@example.com (for sales@example.com): sent (local): 250 2.0.0 delivered to maildir");
    trace_event_init(&e, TRACE_REPORT, LOG_INFO);
    trace_add(&e, TRACE_KEY_ID, SLICE("CEYS4TW1"));
    trace_add(&e, TRACE_KEY_REPORT, SLICE("B0B4TW1K"));
    trace_add(&e, TRACE_KEY_REASON, SLICE("sender non-delivery notification"));
    assert_string_equal(words_of(&e, "CEYS4TW1", 0), "sender non-delivery notification is B0B4TW1K");
    assert_string_equal(words_of(&e, "B0B4TW1K", 0), "sender non-delivery notification on CEYS4TW1");
}

static void peers_bytes_do_not_reach_the_terminal(void **state)
{
    (void)state;
    struct trace_event e;
    for (int kind = 0; kind < TRACE_KIND_COUNT; kind++) {
        trace_event_init(&e, (enum trace_kind)kind, LOG_INFO);
        static const enum trace_key keys[] = {
            TRACE_KEY_CLIENT, TRACE_KEY_CLIENT_NAME, TRACE_KEY_LOGIN,       TRACE_KEY_REASON,   TRACE_KEY_TO,
            TRACE_KEY_FROM,   TRACE_KEY_RELAY,       TRACE_KEY_ORIGINAL_TO, TRACE_KEY_DSN,      TRACE_KEY_DESTINATION,
            TRACE_KEY_TLS,    TRACE_KEY_REPORT,      TRACE_KEY_COMMAND,     TRACE_KEY_MECHANISM};
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
            trace_add(&e, keys[i], SLICE("\x1b]0;x\x07\n\r\x9b"));
        const char *words = words_of(&e, "CEYS4TW1", 0);
        assert_true(strlen(words) > 0);
        for (; *words; words++)
            assert_true((unsigned char)*words >= 0x20 && (unsigned char)*words < 0x7f);
    }
}

static void times_and_offsets(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {{0, "+0ms"},        {-5, "+0ms"},         {460000, "+460ms"},
                {1340000, "+1.3s"}, {59999000, "+59.9s"}, {840000000, "+14m"}};
    char text[64];
    buf b;
    buf_init_fixed(&b, text, sizeof text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_clear(&b);
        trace_words_offset(&b, rows[i].us);
        assert_true(slice_equal(buf_slice(&b), slice_str(rows[i].text)));
    }
    buf_clear(&b);
    trace_words_clock(&b, (int64_t)1700000001020 * 1000);
    assert_true(slice_equal(buf_slice(&b), SLICE("22:13:21.020")));
    buf_clear(&b);
    trace_words_when(&b, 1700000000, 1700000100);
    assert_true(slice_equal(buf_slice(&b), SLICE("22:13")));
    buf_clear(&b);
    trace_words_when(&b, 1700000000, 1700086400);
    assert_true(slice_equal(buf_slice(&b), SLICE("2023-11-14 22:13")));
}

static void an_event_as_an_object(void **state)
{
    (void)state;
    struct trace_record r = {.time_us = (int64_t)1700000001020 * 1000, .process = SLICE("sender-0"), .pid = 7};
    trace_event_init(&r.event, TRACE_SENT, LOG_INFO);
    trace_add(&r.event, TRACE_KEY_TO, SLICE("a\"b@c"));
    trace_add_number(&r.event, TRACE_KEY_CODE, 250);
    char text[512];
    buf b;
    buf_init_fixed(&b, text, sizeof text);
    trace_words_json(&b, &r);
    assert_true(slice_equal(
        buf_slice(&b),
        SLICE("{\"time\":\"2023-11-14T22:13:21.020Z\",\"level\":\"info\",\"process\":\"sender-0\",\"pid\":7,"
              "\"event\":\"sent\",\"to\":\"a\\\"b@c\",\"code\":250}\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_life_of_a_mail_in_words),
        cmocka_unit_test(peers_bytes_do_not_reach_the_terminal),
        cmocka_unit_test(times_and_offsets),
        cmocka_unit_test(an_event_as_an_object),
    };
    (void)setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
