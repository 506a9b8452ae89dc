/* SPDX-License-Identifier: ISC */
/* Inside the room only: the bytes of an outcome record's head. The id is in the frame as well; both must agree. The first byte is the version;
 * another one is ERR_UNSUPPORTED. Slices of a decoded outcome look into the bytes. */
#ifndef SPOOL_OUTCOME_H
#define SPOOL_OUTCOME_H

#include "spool/head.h"

#define SPOOL_OUTCOME_TEXT_MAX 512

void spool_outcome_encode(buf *b, const struct spool_outcome *o);
/* ERR_CORRUPT, ERR_UNSUPPORTED (another version, an unknown kind). */
must_check enum err spool_outcome_decode(slice bytes, struct spool_outcome *outcome_r);

#endif
