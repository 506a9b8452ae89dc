/* SPDX-License-Identifier: ISC */
/* Header fields: together with what follows they are the content again, byte for byte; unfolding fits any buffer. */
#include "mail/mail.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice content = slice_of(data, size);
    slice rest = content;
    struct header_field field;
    unsigned delivered = 0;
    while (header_next(&rest, &field)) {
        assert(field.whole.ptr + field.whole.len == rest.ptr && field.whole.len > 0);
        assert(field.name.ptr == field.whole.ptr && field.name.len > 0);
        assert(field.value.ptr + field.value.len <= rest.ptr);
        char memory[40];
        buf b;
        buf_init_fixed(&b, memory, 1 + size % sizeof(memory));
        header_unfold(&b, field.value);
        assert(buf_ok(&b) && b.len <= field.value.len);
        assert(slice_equal(slice_trim(buf_slice(&b)), buf_slice(&b)));
        assert(slice_find(buf_slice(&b), SLICE("\n")) < 0);
        struct header_field first;
        bool found = header_find(content, field.name, &first);
        assert(found && slice_equal_nocase(first.name, field.name) && first.whole.ptr <= field.whole.ptr);
        delivered +=
            slice_equal_nocase(field.name, SLICE("delivered-to")) && slice_equal(slice_trim(field.value), SLICE("a@b"));
    }
    assert(rest.ptr + rest.len == content.ptr + content.len);
    assert(header_count_delivered_to(content, SLICE("a@b")) >= delivered);
    return 0;
}
