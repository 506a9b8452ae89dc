/* SPDX-License-Identifier: ISC */
/* SCRAM (RFC 5802, RFC 7677) for both sides, as far as it is the same: keys, proofs, attributes. PLUS is the tls-exporter binding of RFC 9266 and no other. Ours and not libgsasl's, so that the
 * RFCs' own examples can be tests, so that a hostile server cannot name any number of iterations, and so that what is secret is wiped and compared in
 * constant time. */
#ifndef SASL_SCRAM_H
#define SASL_SCRAM_H

#include "crypt/crypt.h"

#define SASL_SCRAM_SALT_MAX 64
/* Of keys that we make. What an accounts file lost to a thief costs him a guess; a client pays it once a login. */
#define SASL_SCRAM_ITERATIONS 100000u
/* RFC 7677 section 4. */
#define SASL_SCRAM_ITERATIONS_MIN 4096u
/* What we do for a server. */
#define SASL_SCRAM_ITERATIONS_MAX 1000000u

/* What a server has of a password. */
struct sasl_scram_keys {
    uint32_t iterations;
    uint8_t salt_len;
    uint8_t salt[SASL_SCRAM_SALT_MAX];
    uint8_t stored[CRYPT_DIGEST_MAX], server[CRYPT_DIGEST_MAX];
};

/* Fills stored and server from the password (prepared) and what keys has of salt and iterations. */
must_check enum err sasl_scram_make(enum crypt_digest d, slice password, struct sasl_scram_keys *keys);

#endif
