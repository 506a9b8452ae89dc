/* SPDX-License-Identifier: ISC */
#include "mail/convert.h"

#include "mail/header.h"

static bool has_signature_field(slice header)
{
    struct header_field f;
    return header_find(header, SLICE("DKIM-Signature"), &f) || header_find(header, SLICE("ARC-Seal"), &f);
}

static bool is_signed_inline(slice body)
{
    static const slice begin = SLICE("-----BEGIN PGP SIGNED MESSAGE-----");
    if (slice_starts(body, begin))
        return true;
    for (ptrdiff_t at = slice_find(body, begin); at >= 0; at = slice_find(body, begin)) {
        if (at > 0 && body.ptr[at - 1] == '\n')
            return true;
        body = slice_skip(body, (size_t)at + begin.len);
    }
    return false;
}

bool convert_is_signed(slice content)
{
    struct mime_walk walk;
    struct mime_piece p;
    mime_walk_init(&walk, content);
    while (mime_walk_next(&walk, &p)) {
        if (p.is_signed || (p.message && has_signature_field(p.header)) || is_signed_inline(p.body))
            return true;
    }
    return false;
}
