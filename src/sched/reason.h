/* SPDX-License-Identifier: ISC */
/* Reasons (texts of why something waits) interned with a count of users: a million mails deferred for one cause keep its text once. Private to the room. */
#ifndef SCHED_REASON_H
#define SCHED_REASON_H

#include "base/base.h"
#include "sched/slab.h"

struct reasons {
    struct slab slab;
    struct table by_text; /* text -> handle as a pointer */
};

void reasons_init(struct reasons *r, struct hash_key key);
void reasons_deinit(struct reasons *r);
/* At most 512 bytes are kept. 0 without memory, or for an empty text: the reason is then not shown. */
uint32_t reasons_take(struct reasons *r, slice text);
void reasons_drop(struct reasons *r, uint32_t handle); /* 0 is harmless */
slice reasons_text(const struct reasons *r, uint32_t handle);

#endif
