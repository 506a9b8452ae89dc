/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void each_id_has_one_text_that_reads_back(void **state)
{
    (void)state;
    static const uint64_t ids[] = {
        0,         1, 2, 31, 32, UINT64_C(1) << 20, (UINT64_C(1) << 40) - 1, UINT64_C(1) << 40, (UINT64_C(1) << 40) + 1,
        UINT64_MAX};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char text[QUEUE_ID_TEXT_MAX];
        size_t len = queue_id_write(text, ids[i]);
        assert_int_equal(len, ids[i] >> 40 == 0 ? 8 : 13);
        uint64_t id;
        assert_int_equal(queue_id_read(slice_of(text, len), &id), ERR_OK);
        assert_int_equal(id, ids[i]);
        for (size_t j = 0; j < len; j++)
            text[j] = ascii_lower(text[j]);
        assert_int_equal(queue_id_read(slice_of(text, len), &id), ERR_OK);
        assert_int_equal(id, ids[i]);
    }
}

/* The texts are a promise to logs and to what lies on disk: they never change. */
static void the_permutation_is_fixed(void **state)
{
    (void)state;
    static const struct {
        uint64_t id;
        slice text;
    } rows[] = {
        {1, SLICE("TXVQZH8B")},
        {7, SLICE("D754HX8E")},
        {8, SLICE("C6KXW9CG")},
        {UINT64_C(1) << 40, SLICE("0000100000000")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf b;
        buf_init(&b, 100);
        queue_id_print(&b, rows[i].id);
        assert_true(slice_equal(buf_slice(&b), rows[i].text));
        buf_deinit(&b);
    }
}

#define COUNT (UINT64_C(1) << 22)

/* In a row from the start, and spread over all of the range: no two ids share a text. */
static void four_million_ids_have_four_million_texts(void **state)
{
    (void)state;
    for (uint64_t stride = 1; stride <= UINT64_C(1) << 18; stride <<= 18) {
        uint8_t *low = calloc(COUNT / 8, 1);
        assert_non_null(low);
        uint64_t collisions = 0;
        for (uint64_t i = 0; i < COUNT; i++) {
            char text[QUEUE_ID_TEXT_MAX];
            uint64_t id, sign;
            queue_id_write(text, i * stride);
            if (queue_id_read(slice_of(text, 8), &id) != ERR_OK || id != i * stride)
                fail();
            if (base32_read(slice_of(text, 8), &sign) != ERR_OK)
                fail();
            uint64_t slot = sign % COUNT;
            collisions += low[slot / 8] >> slot % 8 & 1;
            low[slot / 8] |= (uint8_t)(1 << slot % 8);
        }
        /* that each reads back proves that texts differ; and their low bits look drawn at random: about COUNT / e collide */
        assert_in_range(collisions, COUNT / 3, COUNT / 2);
        free(low);
    }
}

static void refuses_what_is_no_id(void **state)
{
    (void)state;
    static const slice rows[] = {
        SLICE(""),
        SLICE("7K3QX2M"),
        SLICE("7K3QX2M99"),
        SLICE("7K3QX2MU"),
        SLICE("7K3QX2M "),
        SLICE("../../.."),
        SLICE("0000000000000"),
        SLICE("00000ZZZZZZZZ"),
        SLICE("G000000000000"),
        SLICE("000010000000U"),
        SLICE("U000100000000"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t id = 4711;
        assert_int_equal(queue_id_read(rows[i], &id), ERR_SYNTAX);
        assert_int_equal(id, 4711);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_id_has_one_text_that_reads_back),
        cmocka_unit_test(the_permutation_is_fixed),
        cmocka_unit_test(four_million_ids_have_four_million_texts),
        cmocka_unit_test(refuses_what_is_no_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
