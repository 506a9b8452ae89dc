/* SPDX-License-Identifier: ISC */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The first vectors of SipHash-2-4's reference: key 00..0f, input of 0, 1, 2.. bytes 00, 01, 02.. */
static void gives_the_reference_vectors(void **state)
{
    (void)state;
    static const uint64_t vectors[] = {
        0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
        0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
        0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
        0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
    };
    struct hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    unsigned char in[16];
    for (size_t i = 0; i < 16; i++) {
        in[i] = (unsigned char)i;
        assert_int_equal(hash_siphash(key, slice_of(in, i)), vectors[i]);
        assert_int_equal(hash_siphash_nocase(key, slice_of(in, i)), vectors[i]);
    }
    assert_int_equal(hash_siphash(key, SLICE_NONE), vectors[0]);
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
        cmocka_unit_test(gives_the_reference_vectors),
        cmocka_unit_test(nocase_lowers_letters_and_nothing_else),
        cmocka_unit_test(the_key_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
