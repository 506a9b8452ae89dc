/* SPDX-License-Identifier: ISC */
/* Inside the room only: one job that the caller runs himself: `thurn batch FILE|-` and `thurn batch --resume JOB`. */
#ifndef CMD_BATCH_DIRECT_H
#define CMD_BATCH_DIRECT_H

#include "cmd/batch_run.h"

struct batch_order {
    const char *file; /* "-": standard input; NULL only with resume */
    const char *replies;
    const char *resume; /* a job's id, or NULL */
    bool json;
};

/* The exit status. */
int batch_direct(const struct batch_place *place, const struct batch_order *order);

#endif
