/* SPDX-License-Identifier: ISC */
/* Inside the room only: what sendmail does beside sending, a mode of its command line each. All answer with what to exit with, and say on standard error why that is not 0. */
#ifndef CMD_SENDMAIL_H
#define CMD_SENDMAIL_H

#include "cmd/command.h"

/* -bs: an SMTP session of the running server between standard input and output. */
int sendmail_smtp(const struct command *c);
/* -bv: asks the running server about each address, and prints what it says. */
int sendmail_verify(const struct command *c, const char **words, size_t count);
/* -bp, and mailq: the queue as Postfix prints it. */
int sendmail_queue(const struct command *c);
/* -q: everything that waits is tried now. */
int sendmail_flush(const struct command *c, bool verbose);
/* -bi, and newaliases: checks the files of aliases, prints what is in them, and makes a running server take them. */
int sendmail_aliases(const struct command *c);

#endif
