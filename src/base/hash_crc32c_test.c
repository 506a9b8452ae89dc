/* SPDX-License-Identifier: ISC */
/* The source itself, to reach the way that this processor does not go */
#include "base/hash_crc32c.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static char content[20000];

static void fill(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof(content); i++) {
        x = x * 1664525 + 1013904223;
        content[i] = (char)(x >> 24);
    }
}

/* RFC 3720 appendix B.4, and the check value of the catalogues. */
static void gives_the_known_values(void **state)
{
    (void)state;
    char bytes[32] = {0};
    assert_int_equal(hash_crc32c(0, SLICE_NONE), 0);
    assert_int_equal(hash_crc32c(0, SLICE("123456789")), 0xe3069283);
    assert_int_equal(hash_crc32c(0, slice_of(bytes, 32)), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    assert_int_equal(hash_crc32c(0, slice_of(bytes, 32)), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (char)i;
    assert_int_equal(hash_crc32c(0, slice_of(bytes, 32)), 0x46dd794e);
}

static void table_and_instruction_agree(void **state)
{
    (void)state;
    fill();
    for (size_t len = 0; len < 3000; len++) {
        uint32_t table = crc_by_table(~0U, content + len % 17, len);
        assert_int_equal(crc_by_processor(~0U, content + len % 17, len), table);
    }
}

static void continues_over_any_cut(void **state)
{
    (void)state;
    fill();
    uint32_t whole = hash_crc32c(0, slice_of(content, sizeof(content)));
    for (size_t cut = 0; cut <= sizeof(content); cut += 97) {
        uint32_t head = hash_crc32c(0, slice_of(content, cut));
        assert_int_equal(hash_crc32c(head, slice_of(content + cut, sizeof(content) - cut)), whole);
    }
}

static void sees_each_flipped_bit(void **state)
{
    (void)state;
    fill();
    uint32_t right = hash_crc32c(0, slice_of(content, 2000));
    for (size_t bit = 0; bit < 16000; bit += 7) {
        content[bit / 8] ^= (char)(1 << bit % 8);
        assert_true(hash_crc32c(0, slice_of(content, 2000)) != right);
        content[bit / 8] ^= (char)(1 << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_known_values),
        cmocka_unit_test(table_and_instruction_agree),
        cmocka_unit_test(continues_over_any_cut),
        cmocka_unit_test(sees_each_flipped_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
