/* SPDX-License-Identifier: ISC */
#include "sasl/prepare.h"

#include <gsasl.h>
#include <stdlib.h>

#define TEXT_MAX 4096

static bool is_printable(slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] >= 0x7f)
            return false;
    }
    return true;
}

enum err sasl_prepare(slice text, buf *out)
{
    char memory[TEXT_MAX + 1];
    char *prepared = NULL;
    if (text.len > TEXT_MAX)
        return ERR_LIMIT;
    if (text.len == 0 || slice_find_char(text, 0) >= 0)
        return ERR_SYNTAX;
    if (is_printable(text)) {
        buf_append(out, text);
        return buf_ok(out) ? ERR_OK : ERR_LIMIT;
    }
    memcpy(memory, text.ptr, text.len);
    memory[text.len] = 0;
    int code = gsasl_saslprep(memory, GSASL_ALLOW_UNASSIGNED, &prepared, NULL);
    explicit_bzero(memory, sizeof memory);
    if (code != GSASL_OK)
        return code == GSASL_MALLOC_ERROR ? ERR_NOMEM : ERR_SYNTAX;
    slice result = slice_str(prepared);
    buf_append(out, result);
    enum err e = result.len == 0 ? ERR_SYNTAX : buf_ok(out) ? ERR_OK : ERR_LIMIT;
    explicit_bzero(prepared, result.len);
    gsasl_free(prepared);
    return e;
}
