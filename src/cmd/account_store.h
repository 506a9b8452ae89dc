/* SPDX-License-Identifier: ISC */
/* Inside the room only: the account store as command-line tools open it. Run by root, they give root up for the configuration's user before the store is
 * opened, for good: so that all files are that user's. Whatever needs root is done before. What goes wrong is said on standard error, and the
 * answer is what to exit with. Nothing here asks for a password, and none is ever said. */
#ifndef CMD_ACCOUNT_STORE_H
#define CMD_ACCOUNT_STORE_H

#include "conf/conf.h"
#include "store/store.h"

/* 0 with *store_r NULL: there is none, and it was not to be made. create also makes the state folder. */
int account_store_open(const struct conf *conf, bool create, struct store **store_r);
/* Says what kept an account from being read or changed; 0 for ERR_OK. */
int account_store_say(slice address, enum err e);

#endif
