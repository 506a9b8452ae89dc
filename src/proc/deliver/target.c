/* SPDX-License-Identifier: ISC */
#include "proc/deliver/state.h"

struct verdict deliver_target_find(struct deliver *d, struct job *j, const struct recipient *r, struct delivery *x)
{
    static const uint8_t kinds[] = {[MAILBOX_MAILDIR] = ITEM_MAILDIR,
                                    [MAILBOX_MBOX] = ITEM_MBOX,
                                    [MAILBOX_FILE] = ITEM_FILE,
                                    [MAILBOX_COMMAND] = ITEM_COMMAND};
    const struct mailbox_house house = {d->routes, d->self, d->child.start->root};
    struct mailbox m;
    struct verdict v = child_mailbox_find(&house, &j->arena, r, &m);
    if (!verdict_ok(&v))
        return v;
    x->item.kind = kinds[m.kind];
    x->item.path = m.path;
    x->user = m.user;
    return v;
}
