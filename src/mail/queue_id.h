/* SPDX-License-Identifier: ISC */
/* Queue ids. Inside, a number drawn in order from a durable range and never used again; outside, 8 signs of base32 that do not tell
 * how much mail a server has had: the number goes through a fixed permutation of 40 bits. From 2^40 on, 13 signs. */
#ifndef MAIL_QUEUE_ID_H
#define MAIL_QUEUE_ID_H

#include "base/base.h"

#define QUEUE_ID_TEXT_MAX 13

/* Length written (8 or 13), no NUL. */
size_t queue_id_write(char out[QUEUE_ID_TEXT_MAX], uint64_t id);
void queue_id_print(buf *b, uint64_t id);
/* Either length, any case. ERR_SYNTAX. */
must_check enum err queue_id_read(slice text, uint64_t *id_r);

#endif
