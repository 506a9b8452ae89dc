/* SPDX-License-Identifier: ISC */
/* The walk over a MIME message: the pieces together are the content again, byte for byte, whatever it holds. */
#include <assert.h>

#include "mail/mime_type.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Slices of one piece of memory, in a row. */
static void take(slice part, slice content, size_t *at)
{
    if (part.len == 0)
        return;
    assert(part.ptr == content.ptr + *at && part.len <= content.len - *at);
    *at += part.len;
}

static void parameters(slice header)
{
    struct mime_type t = mime_type_parse(header);
    slice rest = t.parameters, name, value;
    bool quoted;
    for (size_t left; left = rest.len, mime_parameter_next(&rest, &name, &value, &quoted);)
        assert(rest.len < left && name.len > 0);
    (void)mime_encoding_parse(header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice content = slice_of(data, size);
    struct mime_walk w;
    struct mime_piece p;
    size_t at = 0;
    mime_walk_init(&w, content);
    while (mime_walk_next(&w, &p)) {
        size_t before = at;
        if (p.entity) {
            take(p.header, content, &at);
            take(p.gap, content, &at);
            take(p.body, content, &at);
            parameters(p.header);
        } else {
            take(p.between, content, &at);
            assert(at > before);
        }
        assert(w.depth <= MIME_DEPTH);
    }
    assert(at == content.len);
    return 0;
}
