/* SPDX-License-Identifier: ISC */
#define SPOOL_TEST_SEGMENT (512u << 10)
#include "spool/fixture_test.h"

#include "spool/outcome.h"

static struct recipient rcpts_a[] = {
    {.address = SLICE("a@example.com"), .notify = NOTIFY_SUCCESS | NOTIFY_DELAY},
    {.address = SLICE("b@example.com"), .original = SLICE("list@example.com"), .orcpt = SLICE("rfc822;l@x")},
};
static struct recipient rcpts_b[] = {
    {.kind = RECIPIENT_ALIAS_TARGET,
     .address = SLICE("prog@example.com"),
     .table = SLICE("/etc/aliases"),
     .key = SLICE("prog"),
     .index = 2},
    {.kind = RECIPIENT_NOTICE,
     .address = SLICE("team@example.com"),
     .orcpt = SLICE("rfc822;team@example.com"),
     .notify = NOTIFY_SUCCESS,
     .index = DSN_EXPANDED},
};
static const struct envelope envelopes[] = {
    {.reverse_path = SLICE("s@example.org"),
     .envid = SLICE("QQ\n314"),
     .tag = SLICE("job/7"),
     .release_s = 1795287600,
     .deliver_by_s = 1795290000,
     .priority = -9,
     .flags = ENVELOPE_BODY_8BIT | ENVELOPE_RET_HDRS,
     .recipient_count = 2,
     .recipients = rcpts_a},
    {.reverse_path = {NULL, 0}, .flags = ENVELOPE_BOUNCE, .recipient_count = 2, .recipients = rcpts_b},
};
static const struct spool_head full = {
    .id = 0x123456789abcdef0,
    .arrival_s = 1795287000,
    .arrival_us = 123456,
    .facts = {.size = 5000000000,
              .header_len = 400,
              .longest_line = 998,
              .leading_dots = 3,
              .received = 7,
              .eight_bit = true,
              .ends_in_crlf = true},
    .origin = {.client_name = SLICE("client.example.org"),
               .client_ip = SLICE("2001:db8::1"),
               .helo = SLICE("[2001:db8::1]"),
               .protocol = SLICE("ESMTPSA"),
               .login = SLICE("user")},
    .large_file = 99,
    .copy = 3,
    .envelope_count = 2,
    .envelopes = envelopes,
};

static void head_comes_back_whole(void **state)
{
    (void)state;
    buf b;
    struct arena arena;
    struct spool_head h;
    const struct envelope *e = NULL;
    buf_init(&b, 65536);
    arena_init(&arena, 65536);
    spool_head_encode(&b, &full);
    assert_true(buf_ok(&b));
    assert_int_equal(spool_head_decode(buf_slice(&b), &arena, &h), ERR_OK);
    assert_int_equal(h.id, full.id);
    assert_int_equal(h.copy, 3);
    assert_int_equal(h.arrival_s, full.arrival_s);
    assert_int_equal(h.arrival_us, full.arrival_us);
    assert_int_equal(h.large_file, 99);
    assert_memory_equal(&h.facts, &full.facts, sizeof(h.facts));
    assert_true(slice_equal(h.origin.helo, full.origin.helo));
    assert_true(slice_equal(h.origin.login, full.origin.login));
    assert_int_equal(spool_head_recipient_count(&h), 4);
    assert_true(slice_equal(h.envelopes[0].tag, SLICE("job/7")));
    assert_int_equal(h.envelopes[0].release_s, 1795287600);
    assert_int_equal(h.envelopes[0].deliver_by_s, 1795290000);
    assert_int_equal(h.envelopes[0].priority, -9);
    const struct recipient *r = spool_head_recipient(&h, 1, &e);
    assert_true(slice_equal(r->original, SLICE("list@example.com")));
    assert_true(slice_equal(e->envid, SLICE("QQ\n314")));
    assert_int_equal(e->flags, ENVELOPE_BODY_8BIT | ENVELOPE_RET_HDRS);
    r = spool_head_recipient(&h, 2, &e);
    assert_int_equal(r->kind, RECIPIENT_ALIAS_TARGET);
    assert_int_equal(r->index, 2);
    assert_true(slice_equal(r->key, SLICE("prog")));
    assert_int_equal(e->reverse_path.len, 0);
    r = spool_head_recipient(&h, 3, &e);
    assert_int_equal(r->kind, RECIPIENT_NOTICE);
    assert_int_equal(r->index, DSN_EXPANDED);
    assert_true(slice_equal(r->orcpt, SLICE("rfc822;team@example.com")));
    assert_null(spool_head_recipient(&h, 4, &e));
    arena_deinit(&arena);
    buf_deinit(&b);
}

/* Cut anywhere, or with a byte after it, it is not a head. */
static void cut_head_is_refused(void **state)
{
    (void)state;
    buf b;
    struct arena arena;
    struct spool_head h;
    buf_init(&b, 65536);
    arena_init(&arena, 65536);
    spool_head_encode(&b, &full);
    for (size_t len = 0; len < b.len; len++) {
        assert_int_not_equal(spool_head_decode(slice_of(b.ptr, len), &arena, &h), ERR_OK);
        arena_reset(&arena);
    }
    buf_append_char(&b, 'Z');
    assert_int_equal(spool_head_decode(buf_slice(&b), &arena, &h), ERR_CORRUPT);
    arena_deinit(&arena);
    buf_deinit(&b);
}

/* As the version before this one wrote it. */
static void version_1_is_still_read(void **state)
{
    (void)state;
    static const char old[] = "\1"
                              "\1\0\0\0\0\0\0\0" /* id */
                              "\0\0"             /* copy */
                              "\2\0\0\0\0\0\0\0"
                              "\0\0\0\0"         /* arrival */
                              "\0\0\0\0\0\0\0\0" /* large file */
                              "\5\0\0\0\0\0\0\0"
                              "\5\0\0\0"
                              "\5\0\0\0"
                              "\0\0\0\0"
                              "\0\0\0\0"
                              "\0" /* facts */
                              "\0\0"
                              "\0\0"
                              "\0\0"
                              "\0\0"
                              "\0\0" /* origin */
                              "\1\0"
                              "E"
                              "\2\0\0\0"
                              "\1\0\0\0"
                              "\1\0s"
                              "\2\0id"
                              "R"
                              "\1"
                              "\3\0a@b"
                              "\0\0"
                              "\0\0"
                              "Z";
    struct arena arena;
    struct spool_head h;
    arena_init(&arena, 65536);
    assert_int_equal(spool_head_decode(slice_of(old, sizeof(old) - 1), &arena, &h), ERR_OK);
    assert_true(slice_equal(h.envelopes[0].envid, SLICE("id")));
    assert_int_equal(h.envelopes[0].tag.len, 0);
    assert_int_equal(h.envelopes[0].deliver_by_s, 0);
    assert_true(slice_equal(h.envelopes[0].recipients[0].address, SLICE("a@b")));
    arena_deinit(&arena);
}

static void newer_tags_are_told_apart(void **state)
{
    (void)state;
    buf b;
    struct arena arena;
    struct spool_head h;
    buf_init(&b, 65536);
    arena_init(&arena, 65536);
    spool_head_encode(&b, &full);
    b.ptr[b.len - 1] = 'Y';
    assert_int_equal(spool_head_decode(buf_slice(&b), &arena, &h), ERR_UNSUPPORTED);
    b.ptr[b.len - 1] = 'Z';
    b.ptr[b.len - 2] = DSN_EXPANDED + 1;
    assert_int_equal(spool_head_decode(buf_slice(&b), &arena, &h), ERR_UNSUPPORTED);
    b.ptr[b.len - 2] = DSN_EXPANDED;
    b.ptr[0] = 3;
    assert_int_equal(spool_head_decode(buf_slice(&b), &arena, &h), ERR_UNSUPPORTED);
    arena_deinit(&arena);
    buf_deinit(&b);
}

/* A count that the bytes cannot hold asks for no memory. */
static void counts_are_bounded(void **state)
{
    (void)state;
    static struct recipient none;
    const struct envelope lying = {.recipient_count = 0, .recipients = &none};
    const struct spool_head small = {.id = 1, .envelope_count = 1, .envelopes = &lying};
    buf b;
    struct arena arena;
    struct spool_head h;
    buf_init(&b, 65536);
    arena_init(&arena, 65536);
    spool_head_encode(&b, &small);
    /* count, reverse-path, ENVID, tag, two times, priority and end mark are the last 4 + 2 + 2 + 2 + 16 + 1 + 1 bytes */
    put_u32(b.ptr + b.len - 28, UINT32_MAX);
    assert_int_equal(spool_head_decode(buf_slice(&b), &arena, &h), ERR_CORRUPT);
    assert_true(arena.used < 1024);
    arena_deinit(&arena);
    buf_deinit(&b);
}

static void outcome_comes_back(void **state)
{
    (void)state;
    char text[600];
    memset(text, 't', sizeof(text));
    const struct spool_outcome o = {.id = 7,
                                    .recipient = UINT32_MAX,
                                    .kind = SPOOL_DEFERRED,
                                    .tries = 9,
                                    .when_s = 1795287000,
                                    .next_s = 1795290600,
                                    .code = 451,
                                    .enhanced = {4, 3, 0},
                                    .text = {text, sizeof(text)},
                                    .remote = SLICE("mx.example.com[192.0.2.26]:25")};
    struct spool_outcome back;
    buf b;
    buf_init(&b, 4096);
    spool_outcome_encode(&b, &o);
    assert_int_equal(spool_outcome_decode(buf_slice(&b), &back), ERR_OK);
    assert_int_equal(back.recipient, UINT32_MAX);
    assert_int_equal(back.tries, 9);
    assert_int_equal(back.next_s, o.next_s);
    assert_int_equal(back.enhanced[1], 3);
    assert_int_equal(back.text.len, 512);
    assert_true(slice_equal(back.remote, o.remote));
    for (size_t len = 0; len < b.len; len++)
        assert_int_not_equal(spool_outcome_decode(slice_of(b.ptr, len), &back), ERR_OK);
    b.ptr[1] = SPOOL_BY_TOLD + 1;
    assert_int_equal(spool_outcome_decode(buf_slice(&b), &back), ERR_UNSUPPORTED);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_comes_back_whole),     cmocka_unit_test(cut_head_is_refused),
        cmocka_unit_test(newer_tags_are_told_apart), cmocka_unit_test(version_1_is_still_read),
        cmocka_unit_test(counts_are_bounded),        cmocka_unit_test(outcome_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
