/* SPDX-License-Identifier: ISC */
/* Conversion to 7 bits and to 8: the promises of convert_check_test.h; and the pieces of a walk are the content again. The last byte chooses nothing: both targets run. */
#include "mail/convert_check_test.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(slice content)
{
    struct mime_walk w;
    struct mime_piece p;
    const char *at = content.ptr;
    mime_walk_init(&w, content);
    while (mime_walk_next(&w, &p)) {
        slice parts[] = {p.header, p.gap, p.body, p.between};
        for (size_t i = 0; i < 4; i++) {
            assert(parts[i].len == 0 || parts[i].ptr == at);
            at = parts[i].len > 0 ? at + parts[i].len : at;
        }
    }
    assert(content.len == 0 || at == content.ptr + content.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice content = slice_of(data, size);
    walk(content);
    check_conversion(content, CONVERT_TO_7BIT);
    check_conversion(content, CONVERT_TO_8BIT);
    return 0;
}
