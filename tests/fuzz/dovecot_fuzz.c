/* SPDX-License-Identifier: ISC */
#include <assert.h>

#include "sasl/sasl.h"

/* A line of Dovecot's: what is read of it looks into it, and a request that ended well has somebody. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dovecot_line l;
    char memory[512];
    buf b;
    slice line = slice_of(data, size);
    buf_init_fixed(&b, memory, sizeof memory);
    if (dovecot_line_read(line, &l) != ERR_OK)
        return 0;
    assert(l.text.len <= size && l.login.len <= size);
    assert(l.text.len == 0 || (l.text.ptr >= line.ptr && l.text.ptr + l.text.len <= line.ptr + size));
    assert(l.kind != DOVECOT_OK || (l.number > 0 && l.login.len > 0));
    if (dovecot_unescape(l.login, &b) == ERR_OK)
        assert(b.len <= l.login.len);
    return 0;
}
