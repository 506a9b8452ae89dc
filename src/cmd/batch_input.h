/* SPDX-License-Identifier: ISC */
/* Inside the room only: whose file is this, and may that user submit jobs? Files are judged by descriptor, never by name twice. */
#ifndef CMD_BATCH_INPUT_H
#define CMD_BATCH_INPUT_H

#include "conf/conf.h"

struct batch_submitter {
    struct os_user user; /* in the arena given */
    char refusal[256];   /* why the job is not run; empty: it is */
};

/* A regular file to read with pread. follow: links, for a path that the caller named. ERR_UNSUPPORTED: it is no regular file. */
must_check enum err batch_input_open(int dir_fd, slice path, bool follow, int *fd_r);
/* The owner of a file in the watched folder. Refused: a second name (whose owner need not be who put it there), writable by others. ERR_IO: try again. */
must_check enum err batch_input_judge(int fd, const struct conf_batch *conf, struct arena *arena,
                                      struct batch_submitter *s_r);
/* The same of a uid that is known: matched with [batch] allow. */
must_check enum err batch_submitter_judge(uint32_t uid, const struct conf_batch *conf, struct arena *arena,
                                          struct batch_submitter *s_r);

#endif
