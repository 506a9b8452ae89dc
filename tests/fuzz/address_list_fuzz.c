/* SPDX-License-Identifier: ISC */
/* Mailbox lists of header fields: the reader always moves on, uses memory in proportion, and its addresses are good for the envelope. */
#include "mail/mail.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice rest = slice_of(data, size);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (;;) {
        size_t before = rest.len;
        slice name;
        struct address a, again;
        enum err e = address_list_next(&rest, &arena, &name, &a);
        if (e != ERR_OK) {
            assert(e == ERR_NOTFOUND || e == ERR_SYNTAX || e == ERR_LIMIT || e == ERR_NOMEM);
            break;
        }
        assert(rest.len < before && name.len <= before);
        for (size_t i = 0; i < name.len; i++)
            assert((unsigned char)name.ptr[i] >= 0x20 && name.ptr[i] != 0x7f);
        char memory[512];
        buf b;
        buf_init_fixed(&b, memory, sizeof(memory));
        address_print(&b, a);
        assert(buf_ok(&b));
        e = address_parse(buf_slice(&b), ADDRESS_UTF8 | ADDRESS_NO_DOMAIN, &arena, &again);
        assert(e == ERR_NOMEM || (e == ERR_OK && address_equal(a, again)));
    }
    arena_deinit(&arena);
    return 0;
}
