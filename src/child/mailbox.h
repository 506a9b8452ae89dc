/* SPDX-License-Identifier: ISC */
/* From a recipient to a mailbox, file or command, and the user as whom it is written: from the configuration only, never from what the spool says. Process deliver delivers by it, and `thurn
 * explain` tells of it. Opens nothing; asks the name service about users, so it may block.
 */
#ifndef CHILD_MAILBOX_H
#define CHILD_MAILBOX_H

#include "os/os.h"
#include "route/route.h"

enum mailbox_kind { MAILBOX_MAILDIR, MAILBOX_MBOX, MAILBOX_FILE, MAILBOX_COMMAND };

struct mailbox {
    enum mailbox_kind kind;
    slice path; /* or the command; in the arena, or the configuration's */
    struct os_user user;
};

struct mailbox_house {
    const struct route_index *routes;
    struct os_user self; /* whom virtual mailboxes belong to by default */
    bool root;           /* may it become others? Else all is written as self */
};

/* A verdict other than OK: it cannot be delivered so; its text may be in the arena. */
struct verdict child_mailbox_find(const struct mailbox_house *house, struct arena *arena, const struct recipient *r,
                                  struct mailbox *mailbox_r);

#endif
