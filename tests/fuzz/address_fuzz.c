/* SPDX-License-Identifier: ISC */
/* Paths and mailboxes of the envelope, under rules that the first byte chooses. Whatever is taken is free of control characters,
 * within its limits, and when printed is the same address again. */
#include "mail/mail.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct address a, unsigned rules, struct arena *arena)
{
    char memory[512];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    address_print(&b, a);
    assert(buf_ok(&b) && b.len + 2 <= 512);
    for (size_t i = 0; i < b.len; i++) {
        unsigned char c = (unsigned char)b.ptr[i];
        assert(c >= 0x20 && c != 0x7f && (c < 0x80 || (rules & ADDRESS_UTF8)));
    }
    if (address_is_null(a))
        return;
    struct address again;
    enum err e = address_parse(buf_slice(&b), rules, arena, &again);
    assert(e == ERR_OK && address_equal(a, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned rules = data[0] & 31U;
    slice in = slice_of(data + 1, size - 1);
    struct arena arena;
    arena_init(&arena, 4096);
    struct address a;
    slice rest;
    if (address_parse_path(in, rules, &arena, &a, &rest) == ERR_OK) {
        assert(rest.len == 0 || rest.ptr[0] == ' ');
        assert(rest.len <= in.len && rest.ptr + rest.len == in.ptr + in.len);
        check(a, rules, &arena);
    }
    if (address_parse(in, rules, &arena, &a) == ERR_OK)
        check(a, rules, &arena);
    uint8_t ip[16];
    size_t len;
    if (address_ip_parse(in, ip, &len) == ERR_OK) {
        char memory[64];
        uint8_t ip_again[16];
        size_t len_again;
        buf b;
        buf_init_fixed(&b, memory, sizeof(memory));
        address_ip_print(&b, ip, len);
        enum err e = address_ip_parse(buf_slice(&b), ip_again, &len_again);
        assert(e == ERR_OK && len_again == len && memcmp(ip, ip_again, len) == 0);
        (void)address_ip_is_nowhere(ip, len);
    }
    arena_deinit(&arena);
    return 0;
}
