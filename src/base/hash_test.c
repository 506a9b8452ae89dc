/* SPDX-License-Identifier: ISC */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* What Python 3.11 says, whose hash() of bytes is this one: PYTHONHASHSEED=0 python3 -c "print(hash(bytes(range(5))))". Its key is 0 then. */
static void gives_the_vectors_of_another(void **state)
{
    (void)state;
    static const uint64_t vectors[] = {
        0x68a914128e01e473, 0x010bac45c41e3669, 0x4d4c9a4a8ef6e0ad, 0x7cc43f98813e4dbd, 0x5abe2169dff36275,
        0xe3c25f87624f1cdb, 0x2f098ab0c751325a, 0xead411e67ebe2eea, 0x75927f9d95124362, 0xaf9f77a65ab51a1d,
        0xfe64ce8b6617fcff, 0xa6baf4fb0f9fe1c2, 0xa0cf3211850f8e0d, 0x7f86049379fbfe67, 0xf30eb725bb91c9ea,
    };
    struct hash_key key = {0, 0};
    unsigned char in[16];
    for (size_t i = 1; i < 16; i++) {
        in[i - 1] = (unsigned char)(i - 1);
        assert_int_equal(hash_siphash(key, slice_of(in, i)), vectors[i - 1]);
        assert_int_equal(hash_siphash_nocase(key, slice_of(in, i)), vectors[i - 1]);
    }
}

static void nocase_lowers_letters_and_nothing_else(void **state)
{
    (void)state;
    struct hash_key key = {1, 2};
    for (size_t at = 0; at < 19; at++) {
        for (unsigned c = 0; c < 256; c++) {
            char text[19], lowered[19];
            memset(text, 0xff, sizeof(text));
            memset(lowered, 0xff, sizeof(lowered));
            text[at] = (char)c;
            lowered[at] = ascii_lower((char)c);
            assert_int_equal(hash_siphash_nocase(key, slice_of(text, 19)), hash_siphash(key, slice_of(lowered, 19)));
        }
    }
}

static void the_key_matters(void **state)
{
    (void)state;
    struct hash_key a = {1, 2}, b = {1, 3}, c = {0, 2};
    assert_true(hash_siphash(a, SLICE("x")) != hash_siphash(b, SLICE("x")));
    assert_true(hash_siphash(a, SLICE("x")) != hash_siphash(c, SLICE("x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_vectors_of_another),
        cmocka_unit_test(nocase_lowers_letters_and_nothing_else),
        cmocka_unit_test(the_key_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
