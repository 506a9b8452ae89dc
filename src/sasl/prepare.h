/* SPDX-License-Identifier: ISC */
/* SASLprep (RFC 4013), so that a password is the same from whatever keyboard it comes. ASCII needs none of it and is never touched; all else
 * is libgsasl's, the one function of it that we call. Takes UTF-8; memory of the result is the caller's buffer, which he wipes. */
#ifndef SASL_PREPARE_H
#define SASL_PREPARE_H

#include "base/base.h"

/* Appends text as SASLprep has it. ERR_SYNTAX: not UTF-8, a character that is prohibited, a NUL, or nothing left; ERR_LIMIT: above 4,096 bytes; ERR_NOMEM. */
must_check enum err sasl_prepare(slice text, buf *out);

#endif
