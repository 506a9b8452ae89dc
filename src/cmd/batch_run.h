/* SPDX-License-Identifier: ISC */
/* Inside the room only: a job with all that belongs to it, from its checkpoint to its report: what `thurn batch FILE`, --resume and --watch have in common. */
#ifndef CMD_BATCH_RUN_H
#define CMD_BATCH_RUN_H

#include "cmd/batch_checkpoint.h"
#include "cmd/batch_report.h"
#include "cmd/command.h"

/* Of a process. */
struct batch_place {
    const struct command *command;
    const struct conf *conf;
    slice dir;                   /* STATE/batch */
    struct os_user owner;        /* of files that root makes there */
    const struct os_user *chown; /* &owner as root, or NULL */
    struct arena arena;
};

struct batch_run {
    const struct batch_place *place;
    struct batch_checkpoint *checkpoint;
    int fd;
    int reply_fd; /* -1: none */
    bool reply_stream;
    const char *refusal; /* the job is not to be run: why; or NULL */
    char reason[256];    /* of an error, or why the job is bad */
};

/* 0, or what to exit with: then why is on standard error. */
int batch_place_open(struct batch_place *p, const struct command *command, const struct conf *conf);
void batch_place_close(struct batch_place *p);

/* Until the job is over and reported: the checkpoint's state says how. Any error: later, from where it is. */
must_check enum err batch_run(struct batch_run *r);
/* Looks again at what ended jobs left in doubt (batch_late.h). Any error: another time. */
must_check enum err batch_run_late(const struct batch_place *p);
/* What became of it, from the checkpoint; to be deinited. */
must_check enum err batch_run_report(const struct batch_run *r, struct batch_report *report_r);
/* The exit status of a job that is over: 65 with errors of syntax or a bad end, 69 with refusals. */
int batch_run_status(const struct batch_progress *p);
/* A copy in the folder of dead letters, under this name; made anew when a stop left a piece. */
must_check enum err batch_dead_letter(const struct batch_place *p, int fd, slice name);

#endif
