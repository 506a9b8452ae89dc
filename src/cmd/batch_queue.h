/* SPDX-License-Identifier: ISC */
/* Inside the room only: what a job asks the queue, over the control socket of a batch_link. */
#ifndef CMD_BATCH_QUEUE_H
#define CMD_BATCH_QUEUE_H

#include "cmd/batch_link.h"

/* Once; and again after a failure. ERR_CLOSED: nobody answers, and why is on standard error. */
must_check enum err batch_queue_open(struct batch_link *l);
must_check enum err batch_queue_find(struct batch_link *l, slice tag, uint64_t ids[BATCH_SERVER_IDS_MAX],
                                     size_t *count_r);
/* RELEASE, REMOVE of one mail. ERR_NOTFOUND. */
must_check enum err batch_queue_act(struct batch_link *l, enum queue_verb verb, uint64_t id);

#endif
