/* SPDX-License-Identifier: ISC */
/* The plain-text login mechanisms as data formats: PLAIN (RFC 4616) and LOGIN (the de facto one). Coding only: nothing is verified here, no
 * secret is kept; the slices look into the input. */
#ifndef SMTP_SASL_H
#define SMTP_SASL_H

#include "base/base.h"

struct sasl_plain {
    slice authzid, authcid, password;
};

/* A decoded PLAIN message: [authzid] NUL authcid NUL password. ERR_SYNTAX: no two NULs, empty authcid, more NULs, over 255 octets a part. */
must_check enum err sasl_plain_decode(slice message, struct sasl_plain *plain_r);
void sasl_plain_encode(buf *b, slice authcid, slice password);

#endif
