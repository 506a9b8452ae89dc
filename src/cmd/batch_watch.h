/* SPDX-License-Identifier: ISC */
/* Inside the room only: `thurn batch --watch`, and the drop box that the same folder is for who may not run jobs. */
#ifndef CMD_BATCH_WATCH_H
#define CMD_BATCH_WATCH_H

#include "cmd/batch_run.h"

/* Runs what is in the folder, and what comes, for ever; once: what is there, then ends. The exit status. */
int batch_watch(const struct batch_place *place, bool once);
/* Copies the job into the folder, as the caller, and prints where its answers will be. The exit status. */
int batch_drop(const struct conf *conf, const char *file);

#endif
