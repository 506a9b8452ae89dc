/* SPDX-License-Identifier: ISC */
/* Inside the room only: SCRAM's client (RFC 5802). Three messages: first, final, and the look at the server's proof. The password comes in with
 * the server's first message and is not kept; what is kept to check the proof is the signature that the server must send. Wipes all of it at the end.
 * The nonce may be given before the first message, for tests that follow the RFCs' examples. */
#ifndef SASL_SCRAM_CLIENT_H
#define SASL_SCRAM_CLIENT_H

#include "sasl/client.h"
#include "sasl/scram_parts.h"

struct scram_client {
    struct scram s;
    int stage;
    uint8_t proof[CRYPT_DIGEST_MAX]; /* that the server must send */
};

enum sasl_status scram_client_first(struct scram_client *c, slice login, buf *response);
enum sasl_status scram_client_final(struct scram_client *c, slice password, slice challenge, buf *response);
enum sasl_status scram_client_check(struct scram_client *c, slice challenge);

#endif
