/* SPDX-License-Identifier: ISC */
/* Inside the room only: a job's checkpoint on disk, STATE/batch/JOB.job (batch_record.h), and how far the job is by it. Each group is synced before anything is
 * done that relies on it. Whoever has it open holds its lock, so a job runs once at a time. */
#ifndef CMD_BATCH_CHECKPOINT_H
#define CMD_BATCH_CHECKPOINT_H

#include "cmd/batch_record.h"
#include "mail/mail.h"
#include "os/os.h"

#define BATCH_JOB_ID 13 /* signs */
#define BATCH_DOUBTS_MAX 64

/* A mail that was being handed over when the job stopped: nobody knows whether the server has it, or will. */
struct batch_doubt {
    uint64_t line, report;
    uint64_t id; /* under which it came to be in the queue later; 0 not yet */
};

enum batch_state { BATCH_RUNNING, BATCH_DONE, BATCH_HELD, BATCH_DELETED, BATCH_DEAD };

/* What the records say. */
struct batch_progress {
    char job[BATCH_JOB_ID];
    uint64_t uid;
    int64_t begun_s;
    enum batch_state state;
    uint64_t records;                      /* the job's own among them */
    uint64_t mails, lost, refused, errors; /* all told */
    uint64_t errors_now;                   /* since the job was begun or resumed last */
    uint64_t offset, lines, replies;       /* where to go on */
    uint32_t crc;
    bool verbose;
    struct batch_doubt held; /* the last mail; id 0: it was let go */
    uint64_t reports;        /* handed over so far */
    uint64_t report;         /* id of this run's, or 0 */
    struct batch_doubt pending;
    bool is_pending;
    struct batch_doubt doubts[BATCH_DOUBTS_MAX];
    size_t doubt_count;
    struct batch_doubt unsure[BATCH_DOUBTS_MAX]; /* let go when the queue did not know of them, or any more */
    size_t unsure_count;
    uint64_t server;                               /* of batch_late.h only: which run of it */
    uint64_t kept_lost, kept_refused, kept_errors; /* as of the last mail */
    buf user, path, reply_path, helo, why;         /* decoded; why is of the state */
};

struct batch_checkpoint {
    int dir_fd, fd;
    struct batch_progress progress;
    buf group;
    slice dir; /* STATE/batch, the caller's */
};

/* Where the checkpoints are; made when it is missing, as root for the user of the configuration. ERR_PERMISSION. */
must_check enum err batch_checkpoint_folder(slice dir, const struct os_user *owner);
/* A new job; uid is who submitted it. reply_path may be empty. */
struct batch_submission {
    slice job; /* BATCH_JOB_ID signs, or empty: one is drawn */
    uint32_t uid;
    slice user, path, reply_path;
    const struct os_user *owner; /* of the file, when we are root; NULL: we are */
};
must_check enum err batch_checkpoint_create(struct batch_checkpoint *c, slice dir, const struct batch_submission *s);
/* ERR_NOTFOUND, ERR_AGAIN (somebody runs it), ERR_CORRUPT. */
must_check enum err batch_checkpoint_open(struct batch_checkpoint *c, slice dir, slice job);
/* The path of its file alone, appended to b; whoever runs it is not disturbed. */
must_check enum err batch_checkpoint_path(slice dir, slice job, buf *b);
void batch_checkpoint_close(struct batch_checkpoint *c);
/* Forgets the job. */
must_check enum err batch_checkpoint_remove(struct batch_checkpoint *c);

/* Into the group at hand. Texts are plain. */
void batch_checkpoint_add(struct batch_checkpoint *c, const struct batch_record *r);
/* The group at hand is on disk, and counts. */
must_check enum err batch_checkpoint_commit(struct batch_checkpoint *c);
/* Everything so far, to be read with batch_records_init. */
must_check enum err batch_checkpoint_read(const struct batch_checkpoint *c, buf *content);
/* Draws the id of a job. */
void batch_job_id(char out[BATCH_JOB_ID]);
/* Draws one that only this user may give to a file in the drop box: a job of the same id as another one would reach that one's mails by their tags, and its answers by
 * their names. */
void batch_job_id_of_user(char out[BATCH_JOB_ID], uint32_t uid);
bool batch_job_id_is_of_user(slice job, uint32_t uid);
bool batch_job_id_valid(slice text);

/* What a record means; its texts decoded or plain, as said. */
void batch_progress_take(struct batch_progress *p, const struct batch_record *r, bool encoded);
void batch_progress_init(struct batch_progress *p);
void batch_progress_deinit(struct batch_progress *p);

#endif
