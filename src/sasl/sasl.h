/* SPDX-License-Identifier: ISC */
/* The face of the room sasl: the mechanisms of SASL (RFC 4422) for both sides, as messages in and messages out: no socket, no base64, no SMTP (which RFC 4954 and the engines in smtp/ add).
 * libgsasl is seen in this room only, and of it SASLprep only. The list of mechanisms is closed: what is not in it is not known.
 * Secrets are copied into memory of the handle and wiped with it. Deterministic but for the nonces of SCRAM. */
#ifndef SASL_SASL_H
#define SASL_SASL_H

#include "sasl/client.h"
#include "sasl/dovecot.h"
#include "sasl/prepare.h"
#include "sasl/server.h"
#include "sasl/token.h"

#endif
