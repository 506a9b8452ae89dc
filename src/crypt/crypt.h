/* SPDX-License-Identifier: ISC */
/* The face of the room crypt: digests, HMAC, PBKDF2 and the checking of signatures, over OpenSSL's EVP, which is called in this room only. Bytes in, bytes out: no file, no format but PEM.
 * Keys are public ones; nothing here holds a secret longer than a call. An error means that the library cannot (no memory, an algorithm switched off),
 * never that an input is wrong. Secrets are compared with slice_equal_secret. */
#ifndef CRYPT_CRYPT_H
#define CRYPT_CRYPT_H

#include "base/base.h"

enum crypt_digest { CRYPT_SHA1, CRYPT_SHA256 };
#define CRYPT_DIGEST_MAX 32

/* In bytes. */
size_t crypt_digest_size(enum crypt_digest d);
/* out: crypt_digest_size bytes, as below. ERR_SYSTEM. */
must_check enum err crypt_hash(enum crypt_digest d, slice in, uint8_t *out);
must_check enum err crypt_hmac(enum crypt_digest d, slice key, slice in, uint8_t *out);
struct crypt_pbkdf2 {
    slice password, salt;
    uint32_t iterations;
};
/* One block of PBKDF2 with HMAC (RFC 8018 section 5.2): Hi() of RFC 5802. */
must_check enum err crypt_derive(enum crypt_digest d, const struct crypt_pbkdf2 *p, uint8_t *out);

/* Public keys that signatures are checked with. What a key may be used for follows from the key, never from what is signed. */
struct crypt_keys;
enum crypt_signature {
    CRYPT_RS256, /* RSASSA-PKCS1-v1_5 with SHA-256; at least 2048 bits */
    CRYPT_ES256, /* ECDSA with P-256 and SHA-256; a signature is r and s, 32 bytes each (RFC 7518 section 3.4) */
    CRYPT_EDDSA, /* Ed25519 */
};
/* All PUBLIC KEY blocks of a PEM text. ERR_SYNTAX: none, or one that is none of these kinds; why gets one line. */
must_check enum err crypt_keys_open(slice pem, struct crypt_keys **keys_r, buf *why);
void crypt_keys_close(struct crypt_keys **keys);
/* Whether one of the keys, and one of this kind, has made this signature. */
bool crypt_keys_verify(const struct crypt_keys *keys, enum crypt_signature kind, slice text, slice signature);

#endif
