/* SPDX-License-Identifier: ISC */
/* Inside the room only: the part of a job's session between its lines and the two servers: bytes into the engine, its events to the real
 * server, the verdict back, replies out. Works on struct batch_session. */
#ifndef CMD_BATCH_DIALOGUE_H
#define CMD_BATCH_DIALOGUE_H

#include "cmd/batch_session.h"

/* A new engine, greeted. */
must_check enum err batch_dialogue_open(struct batch_session *s);
/* A command for the engine alone, whose reply nobody sees: HELO again after a restart, RSET. */
must_check enum err batch_dialogue_repeat(struct batch_session *s, slice command);
/* Bytes of the command or text at hand; afterwards s->stopped tells. */
void batch_dialogue_feed(struct batch_session *s, slice bytes);
/* What the engine has to say goes to the reply file, and refusals among it to ops. */
void batch_dialogue_reply(struct batch_session *s);
/* A line for the reply file: a reply of ours; a command, escaped. */
void batch_dialogue_say(struct batch_session *s, slice reply);
void batch_dialogue_show(struct batch_session *s, slice command);
/* The transaction is over without a mail. */
void batch_dialogue_abandon(struct batch_session *s);

#endif
