/* SPDX-License-Identifier: ISC */
#include "smtp/sasl.h"

enum { PART_MAX = 255 };

enum err sasl_plain_decode(slice message, struct sasl_plain *plain_r)
{
    struct sasl_plain p;
    slice rest;
    if (!slice_cut(message, '\0', &p.authzid, &rest) || !slice_cut(rest, '\0', &p.authcid, &p.password))
        return ERR_SYNTAX;
    if (p.authcid.len == 0 || slice_find_char(p.password, '\0') >= 0)
        return ERR_SYNTAX;
    if (p.authzid.len > PART_MAX || p.authcid.len > PART_MAX || p.password.len > PART_MAX)
        return ERR_SYNTAX;
    *plain_r = p;
    return ERR_OK;
}

void sasl_plain_encode(buf *b, slice authcid, slice password)
{
    buf_append_char(b, '\0');
    buf_append(b, authcid);
    buf_append_char(b, '\0');
    buf_append(b, password);
}
