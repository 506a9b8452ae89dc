/* SPDX-License-Identifier: ISC */
/* Inside the room only: the faults that a recipient of `thurn dev` asks for by its local part, so that programs can be tried against a server that refuses. Only in a
 * configuration with `development`. 4xx and 5xx, with digits or with x, are refused with that code; slow is answered late. */
#ifndef PROC_RECEIVER_DEVELOPMENT_H
#define PROC_RECEIVER_DEVELOPMENT_H

#include "base/base.h"

#define DEVELOPMENT_SLOW_MS 5000

struct session;

/* The code to refuse with, or 0. "4xx" is 451, "5xx" is 550. */
uint16_t development_code(slice local);
bool development_slow(slice local);
/* Answers RCPT when the local part asks for a refusal. */
bool development_refused(struct session *s, slice local);

#endif
