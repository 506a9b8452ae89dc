/* SPDX-License-Identifier: ISC */
/* Inside the room only: the watched folder. Jobs come as files in it; below it are
 *
 *   work/JOB-NAME   taken: the rename into it is the moment at which a job begins to be
 *   done/JOB-NAME   run to its end, with JOB-NAME.replies, .report and .json beside
 *   held/JOB-NAME   given up for now: edit it, then `thurn batch --resume JOB`
 *
 * A stop at any moment leaves one of these, and what the checkpoint says decides what is still to be done. */
#ifndef CMD_BATCH_FOLDER_H
#define CMD_BATCH_FOLDER_H

#include "cmd/batch_run.h"

struct batch_folder {
    const struct batch_place *place;
    int fd, work, done, held;
};

/* Makes what is missing below it. ERR_PERMISSION also when others may write in the folder without it being sticky. The lock of whoever watches it is on `work`. */
must_check enum err batch_folder_open(struct batch_folder *f, const struct batch_place *place);
void batch_folder_close(struct batch_folder *f);
/* Removes what a stop left: half reports, checkpoints of jobs that were put away. For whoever watches, before anything else. */
must_check enum err batch_folder_sweep(const struct batch_folder *f);
/* Takes a file of the folder as a job, when nobody has written to it for a while. ERR_AGAIN: not yet. work_name: room for 255 bytes. */
must_check enum err batch_folder_take(struct batch_folder *f, slice name, buf *work_name);
/* Runs a job of work/ to its end and puts its files where they belong. Errors are told; ERR_AGAIN: the server is away. *status_r as exit status. */
must_check enum err batch_folder_run(struct batch_folder *f, slice work_name, int *status_r);
/* A held job goes to work/ again. ERR_NOTFOUND. */
must_check enum err batch_folder_unhold(struct batch_folder *f, slice work_name);

#endif
