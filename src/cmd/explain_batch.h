/* SPDX-License-Identifier: ISC */
/* Inside the room only: questions of `thurn explain --batch` as lines of JSON. Each is an object with the names of the options as keys ("to", "from", "ip", "user", "helo", "listener", "tls",
 * "mail"), all of them strings; "to" is there, and what is not given is as the command line says. Texts live in the arena.
 */
#ifndef CMD_EXPLAIN_BATCH_H
#define CMD_EXPLAIN_BATCH_H

#include "cmd/explain.h"

/* q has the command line's. ERR_SYNTAX, and why says what is wrong; ERR_NOMEM. */
must_check enum err explain_batch_read(slice line, struct arena *arena, struct explain_question *q, buf *why);

#endif
