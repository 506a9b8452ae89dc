/* SPDX-License-Identifier: ISC */
/* Inside the room only: runs a job from where its checkpoint says to its end, or to where it must stop. What makes each mail come to be exactly once, whenever this
 * process or the server dies (ARCHITECTURE.md, "Batch jobs"):
 *
 *   1. begin: the checkpoint says that the mail of line L is about to be handed over.
 *   2. The server takes it under the tag JOB/L, and holds it: nothing delivers it yet.
 *   3. mail: the checkpoint has its queue id, and where the file goes on.
 *   4. The queue lets that id go.
 *
 * A job that goes on lets the last id go again (4 is idempotent), and removes from the queue what has a tag of its own but no record: that was never
 * let go, so nobody has seen it; it is handed over anew. What arrives in the queue later than that is removed at the job's end, and what arrives later still by
 * batch_late.h. */
#ifndef CMD_BATCH_JOB_H
#define CMD_BATCH_JOB_H

#include "cmd/batch_checkpoint.h"
#include "cmd/batch_session.h"

struct batch_job {
    /* The caller's. */
    struct batch_checkpoint *checkpoint;
    const struct batch_server *server;
    struct smtp_server_options options; /* of the engine */
    uint32_t error_limit;               /* 0: none */
    int fd;                             /* the job file, regular, at any place; read with pread */
    int reply_fd;                       /* -1: none */
    bool reply_stream;                  /* reply_fd is no file: neither cut nor synced */
    /* What came of it. */
    bool bad; /* the rest is to be held: too many errors, or a file that is not what it was, or ends inside a message */
    char reason[256]; /* of bad, or of an error: for people */
    /* Private. */
    struct batch_session session;
    struct batch_lines *lines;
    buf to, replies;
    uint64_t reply_length;
    bool checking; /* what the queue may have under the next tags is not known */
    enum err failed;
};

/* The job's state must be BATCH_RUNNING. Up to the end of the file or a bad end, all of it in the checkpoint. ERR_AGAIN and other errors: the server is away or something here
 * failed; run it again later. */
must_check enum err batch_job_run(struct batch_job *j);
/* Removes from the queue what has the tag of this doubt, but for its id. */
must_check enum err batch_job_purge(struct batch_job *j, const struct batch_doubt *d);
/* Lets the last id go if it may not have been. */
must_check enum err batch_job_release(struct batch_job *j, bool fresh);
/* After batch_job_run: removes late doubles; then the job's state is on disk. */
must_check enum err batch_job_settle(struct batch_job *j, slice state, slice why);
/* After batch_job_settle, once: hands a message of ours over, under the tag of the job's next report: as exactly once as a mail. Content has CRLF line ends. */
must_check enum err batch_job_report(struct batch_job *j, const slice *recipients, size_t count, slice content);

#endif
