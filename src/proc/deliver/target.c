/* SPDX-License-Identifier: ISC */
#include "proc/deliver/state.h"

/* Of `thurn dev`: bounce@ cannot be delivered, defer@ not now. */
static struct verdict by_fault(slice address)
{
    ptrdiff_t at = slice_rfind_char(address, '@');
    slice local = at < 0 ? address : slice_sub(address, 0, (size_t)at);
    if (slice_equal_nocase(local, SLICE("bounce")))
        return status_verdict_text(STATUS_USER_UNKNOWN, SLICE("not delivered, as the recipient asks for"));
    if (slice_equal_nocase(local, SLICE("defer")))
        return status_verdict_text(STATUS_MAILBOX_TEMPORARY, SLICE("not delivered now, as the recipient asks for"));
    return status_verdict(STATUS_OK);
}

struct verdict deliver_target_find(struct deliver *d, struct job *j, const struct recipient *r, struct delivery *x)
{
    static const uint8_t kinds[] = {[MAILBOX_MAILDIR] = ITEM_MAILDIR,
                                    [MAILBOX_MBOX] = ITEM_MBOX,
                                    [MAILBOX_FILE] = ITEM_FILE,
                                    [MAILBOX_COMMAND] = ITEM_COMMAND};
    const struct mailbox_house house = {d->routes, d->self, d->child.start->root};
    struct mailbox m;
    struct verdict v = d->conf->development ? by_fault(r->address) : status_verdict(STATUS_OK);
    if (verdict_ok(&v))
        v = child_mailbox_find(&house, &j->arena, r, &m);
    if (!verdict_ok(&v))
        return v;
    x->item.kind = kinds[m.kind];
    x->item.path = m.path;
    x->user = m.user;
    return v;
}
