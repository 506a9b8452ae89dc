/* SPDX-License-Identifier: ISC */
/* The queue's own recovery, in this process: what the master and the queue do at a start, up to the moment at which mail would be dispatched. */
#ifndef TESTS_CRASH_RECOVERY_H
#define TESTS_CRASH_RECOVERY_H

#include "conf/conf.h"
#include "spool/spool.h"

struct recovery;

/* The spool's folder is opened as the master does it, and read as the queue does it. False: it does not start; why is in the log. */
bool recovery_begin(const char *path, const struct conf *conf, struct recovery **r_r);
/* A checkpoint, as at the end of the service. */
void recovery_checkpoint(struct recovery *r);
void recovery_end(struct recovery **r);
/* The number that the start has drawn: no mail has it or a higher one. */
uint64_t recovery_number(const struct recovery *r);
/* Each message that is not done. False from take ends it. */
struct recovery_message {
    uint64_t id;
    uint16_t copy; /* above 0: it was moved */
    const struct spool_head *head;
    slice content;
    const uint32_t *open; /* recipients that are not done, ascending */
    uint32_t open_count;
    uint64_t schedule; /* a hash of all that is known of its parts */
    enum err err;      /* not ERR_OK: it cannot be read, and there is no head */
};
void recovery_list(struct recovery *r, void (*take)(void *ctx, const struct recovery_message *m), void *ctx);

#endif
