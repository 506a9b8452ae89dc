/* SPDX-License-Identifier: ISC */
#include "cmd/batch_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ALL_BYTES 256

static const slice job_texts[] = {{"0123456789ABC", 13}, {"al ice", 6}, {"/a b\n+c", 7}, {NULL, 0}};

static void print_job(buf *b)
{
    struct batch_record r = {.kind = BATCH_RECORD_JOB, .number = {1, 1000, 5}};
    for (size_t i = 0; i < 4; i++)
        r.text[i] = job_texts[i];
    batch_record_print(b, &r);
}

/* Three groups; *ends has the length up to each. */
static void print_three(buf *b, size_t ends[3])
{
    struct batch_record begin = {.kind = BATCH_RECORD_BEGIN, .number = {7, 0}},
                        mail = {.kind = BATCH_RECORD_MAIL,
                                .number = {7, 99, 1, 2, 3, 4, 1},
                                .text = {SLICE("HELO x"), SLICE("a@b")}};
    const struct batch_record *const rest[] = {&begin, &mail};
    buf group;
    buf_init(&group, 4096);
    print_job(&group);
    for (size_t i = 0; i < 3; i++) {
        if (i > 0)
            batch_record_print(&group, rest[i - 1]);
        batch_record_commit(&group);
        buf_append(b, buf_slice(&group));
        buf_clear(&group);
        ends[i] = b->len;
    }
    buf_deinit(&group);
}

static void b3_records_are_read_as_written(void **state)
{
    (void)state;
    size_t ends[3], valid = 0;
    buf b, text;
    struct batch_records records;
    struct batch_record r;
    buf_init(&b, 4096);
    buf_init(&text, 4096);
    print_three(&b, ends);
    assert_int_equal(batch_records_init(&records, buf_slice(&b), &valid), ERR_OK);
    assert_int_equal(valid, b.len);
    assert_true(batch_records_next(&records, &r));
    assert_int_equal(r.kind, BATCH_RECORD_JOB);
    for (size_t i = 0; i < 4; i++) {
        buf_clear(&text);
        batch_record_text(&text, r.text[i]);
        assert_true(slice_equal(buf_slice(&text), job_texts[i]));
    }
    assert_true(batch_records_next(&records, &r));
    assert_int_equal(r.number[0], 7);
    assert_true(batch_records_next(&records, &r));
    assert_int_equal(r.number[1], 99);
    assert_int_equal(r.number[6], 1);
    assert_false(batch_records_next(&records, &r));
    buf_deinit(&b);
    buf_deinit(&text);
}

static void b3_every_byte_of_a_text_comes_back(void **state)
{
    (void)state;
    char all[ALL_BYTES];
    buf b, text;
    size_t valid = 0;
    struct batch_records records;
    struct batch_record r = {.kind = BATCH_RECORD_ERROR, .number = {3}};
    for (int i = 0; i < ALL_BYTES; i++)
        all[i] = (char)i;
    r.text[0] = r.text[1] = slice_of(all, sizeof all);
    buf_init(&b, 65536);
    buf_init(&text, 4096);
    print_job(&b);
    batch_record_print(&b, &r);
    batch_record_commit(&b);
    assert_int_equal(batch_records_init(&records, buf_slice(&b), &valid), ERR_OK);
    assert_true(batch_records_next(&records, &r) && batch_records_next(&records, &r));
    batch_record_text(&text, r.text[1]);
    assert_true(slice_equal(buf_slice(&text), slice_of(all, sizeof all)));
    buf_deinit(&b);
    buf_deinit(&text);
}

static void b3_a_group_counts_whole_or_not_at_all(void **state)
{
    (void)state;
    size_t ends[3], valid = 0;
    buf b;
    struct batch_records records;
    buf_init(&b, 4096);
    print_three(&b, ends);
    for (size_t cut = 0; cut <= b.len; cut++) {
        size_t expected = cut >= ends[2] ? ends[2] : cut >= ends[1] ? ends[1] : cut >= ends[0] ? ends[0] : 0;
        assert_int_equal(batch_records_init(&records, slice_sub(buf_slice(&b), 0, cut), &valid), ERR_OK);
        assert_int_equal(valid, expected);
    }
    buf_deinit(&b);
}

/* A byte changed in what was synced long ago is no torn end: going on from before it could send mail twice. */
static void b3_damage_is_no_torn_end(void **state)
{
    (void)state;
    size_t ends[3], valid = 0;
    buf b;
    struct batch_records records;
    buf_init(&b, 4096);
    print_three(&b, ends);
    for (size_t at = 0; at < ends[1]; at++) {
        b.ptr[at] ^= 1;
        assert_int_equal(batch_records_init(&records, buf_slice(&b), &valid), ERR_CORRUPT);
        b.ptr[at] ^= 1;
    }
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b3_records_are_read_as_written),
        cmocka_unit_test(b3_every_byte_of_a_text_comes_back),
        cmocka_unit_test(b3_a_group_counts_whole_or_not_at_all),
        cmocka_unit_test(b3_damage_is_no_torn_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
