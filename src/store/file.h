/* SPDX-License-Identifier: ISC */
/* A file of logins and hashes, a line each: LOGIN:HASH, and whatever may follow behind another colon. HASH is one of crypt(3) ("$y$", "$7$", "$2b$", "$6$", "$5$") or argon2id ("$argon2id$"); a scheme in braces before it, as Dovecot writes
 * it, is left out. Empty lines and lines that begin with # are nothing. The file is read again when it has changed; while it cannot be read nobody signs in, and
 * the answer is temporary. Used by one thread at a time. */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include "os/os.h"

struct store_file;

must_check enum err store_file_open(slice path, struct store_file **f_r);
void store_file_close(struct store_file **f);
/* As store_password_check. Letters of the login know no case. */
must_check enum err store_file_check(struct store_file *f, slice login, slice password);
/* The hash of login in a file's text; empty when there is none, or none of a kind that we take. */
slice store_file_find(slice content, slice login);

#endif
