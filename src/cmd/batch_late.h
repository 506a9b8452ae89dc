/* SPDX-License-Identifier: ISC */
/* Inside the room only: what an ended job left in doubt, STATE/batch/JOB.late, a few lines of batch_record.h. The queue may hear of a mail at any time after its client has gone: a receiver that was
 * stopped between its disk and its reply announces it later, or the next start of the server finds it. So a job's tags outlive it:
 *
 *   doubt   was begun when the job was interrupted: what turns up under the tag is removed, but for the one that was let go;
 *   unsure  was let go when the queue did not know of it: when it turns up, it is let go again;
 *   server  which run of the server the job ended under.
 *
 * The file goes when another run of the server has answered: that one has read all that the runs before it left on the disk. It is written before the job's checkpoint goes, so a stop
 * between the two leaves both, and the job ends once more. Everything may be done twice, by two processes at once too. Of a job that is held there is none: it goes on by itself. */
#ifndef CMD_BATCH_LATE_H
#define CMD_BATCH_LATE_H

#include "cmd/batch_checkpoint.h"
#include "cmd/batch_server.h"

/* Of a job that has ended and is reported. When nothing is in doubt, nothing is written. */
must_check enum err batch_late_keep(const struct batch_checkpoint *c, const struct batch_server *server);
/* Looks at all of them in the folder of the checkpoints. One that cannot be read is told and left; an error of the server's ends it. */
must_check enum err batch_late_sweep(slice dir, const struct batch_server *server);
bool batch_late_any(slice dir);
/* This job has one: no other may have its name. */
bool batch_late_has(slice dir, slice job);

#endif
