/* SPDX-License-Identifier: ISC */
/* Inside the room only: the mails of a job in the queue, found by their tags: JOB/LINE, and JOB/0.N for the job's reports. What has a tag and is not the mail that was let go is a copy that
 * nobody has seen: it is held since it came, and may be removed at any time. Keeps nothing; each call may be made again. */
#ifndef CMD_BATCH_TAG_H
#define CMD_BATCH_TAG_H

#include "cmd/batch_checkpoint.h"
#include "cmd/batch_server.h"

/* Removes what has the tag of d, but for d->id. */
must_check enum err batch_tag_purge(const struct batch_server *s, slice job, const struct batch_doubt *d);
/* Lets d->id go when the queue has it under that tag; ERR_NOTFOUND: it does not, or not yet. Does not wait. */
must_check enum err batch_tag_release(const struct batch_server *s, slice job, const struct batch_doubt *d);

#endif
