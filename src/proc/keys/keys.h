/* SPDX-License-Identifier: ISC */
/* The process keys: the only one that holds the private keys of our certificates while the server runs. It loads them before it becomes `user`, and then signs what receivers ask it to sign in their
 * handshakes; receivers know certificates only, so that whoever takes one over can use the keys as long as he is there, and cannot take them along. It signs digests and padded digests, and decrypts nothing.
 * One receiver cannot keep it from the others: of each so many questions a turn are answered. It reads nothing else, opens no file, has no socket but its channels. One a generation, when that has certificates. Keys that are
 * neither RSA nor ECDSA stay with the receivers (os/tls), and a route's client certificate stays with the sender. */
#ifndef PROC_KEYS_KEYS_H
#define PROC_KEYS_KEYS_H

#include "child/child.h"

/* Until the master ends it; the exit status. */
int keys_main(const struct child_start *start);

/* What it may do: nothing but read and write what is open. */
void keys_sandbox(const struct child_start *start, struct sandbox_profile *profile_r);

#endif
