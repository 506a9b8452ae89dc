/* SPDX-License-Identifier: ISC */
#include "base/err.h"

#include "base/base.h"

static const char *const texts[ERR_COUNT] = {
    [ERR_OK] = "no error",
    [ERR_NOMEM] = "out of memory",
    [ERR_LIMIT] = "limit reached",
    [ERR_IO] = "input/output error",
    [ERR_NOSPACE] = "no space left on the device",
    [ERR_AGAIN] = "not available at the moment",
    [ERR_CLOSED] = "closed by the other side",
    [ERR_TIMEOUT] = "timed out",
    [ERR_REFUSED] = "connection refused",
    [ERR_UNREACHABLE] = "host or network unreachable",
    [ERR_SYNTAX] = "syntax error",
    [ERR_CORRUPT] = "damaged data",
    [ERR_NOTFOUND] = "not found",
    [ERR_EXISTS] = "exists already",
    [ERR_PERMISSION] = "permission denied",
    [ERR_DESCRIPTORS] = "out of file descriptors",
    [ERR_TLS] = "TLS error",
    [ERR_UNSUPPORTED] = "not supported",
    [ERR_SYSTEM] = "system error",
};

const char *err_text(enum err e)
{
    if ((unsigned)e >= ERR_COUNT)
        return "unknown error";
    return texts[e];
}
