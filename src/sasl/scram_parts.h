/* SPDX-License-Identifier: ISC */
/* Inside the room only: the pieces of SCRAM's messages (RFC 5802 section 5 and 7). Attributes are read in the order that the RFC prescribes; the readers take them
 * from the front of a slice and never look beyond it. A conversation is the state that both sides keep between messages: gs2-header and AuthMessage as they grow.
 * Bounded: no message above SCRAM_MESSAGE_MAX. Nonces are printable and without a comma. */
#ifndef SASL_SCRAM_PARTS_H
#define SASL_SCRAM_PARTS_H

#include "sasl/scram.h"

#define SCRAM_MESSAGE_MAX 8192
#define SCRAM_NONCE_BYTES 18
#define SCRAM_NONCE_MAX 1024

struct scram {
    enum crypt_digest digest;
    bool plus;
    buf header;  /* gs2-header: "n,," */
    buf message; /* AuthMessage: client-first-bare,server-first,client-final-without-proof */
    buf nonce;   /* of the client, then of both */
    uint8_t binding[32];
    size_t binding_len;
};

/* "SCRAM-SHA-256-PLUS" and so on; false for another mechanism. */
bool scram_mechanism(slice mechanism, enum crypt_digest *digest_r, bool *plus_r);
/* binding: what the channel has; 0 to 32 bytes. */
void scram_init(struct scram *s, enum crypt_digest digest, bool plus, slice binding);
void scram_deinit(struct scram *s);
/* Takes "name=value" from the front of *rest, up to a comma or the end. */
bool scram_take(slice *rest, char name, slice *value_r);
/* saslname: "=2C" and "=3D" (section 5.1). False: another "=". */
bool scram_name_decode(slice text, buf *name);
void scram_name_encode(slice name, buf *text);
/* Printable, not empty, no comma. */
bool scram_is_nonce(slice s);
void scram_add_nonce(buf *nonce);
/* base64 of the gs2-header and, for PLUS, the binding. */
void scram_binding(const struct scram *s, buf *text);
/* HMAC of AuthMessage with a key: ClientSignature by StoredKey, ServerSignature by ServerKey. */
must_check enum err scram_sign(const struct scram *s, const uint8_t *key, uint8_t *out);
void scram_xor(uint8_t *a, const uint8_t *b, size_t size);

#endif
