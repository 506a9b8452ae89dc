/* SPDX-License-Identifier: ISC */
/* Inside the room only: the file of the durable counter. Two slots, each in a page of its own; a take writes the one that holds the lower number, so that
 * the other stands whatever happens to the write. Without one valid slot nothing can be drawn: a number drawn twice could destroy mail. */
#ifndef SPOOL_NUMBERS_H
#define SPOOL_NUMBERS_H

#include "base/base.h"

#define SPOOL_NUMBERS_SLOT 4096u
#define SPOOL_NUMBERS_SIZE (2 * SPOOL_NUMBERS_SLOT)

/* The file's content before anything is drawn: the first number is 1. out is SPOOL_NUMBERS_SIZE bytes. */
void spool_numbers_first(char *out);

#endif
