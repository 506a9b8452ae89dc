/* SPDX-License-Identifier: ISC */
/* Inside the room only: one run over a configuration that was read without an error, and what its parts share. What is found goes to the sink at once; an error
 * is what keeps a server from starting, all else is a warning. check.c has what start and reload look at, check_files.c who may read and
 * write what. Nothing here changes anything. */
#ifndef CHILD_CHECK_H
#define CHILD_CHECK_H

#include "child/child.h"

struct check {
    const struct conf *conf;
    const struct conf_sink *sink;
    bool failed;
};

/* One finding a line of words. */
void check_say(struct check *c, enum conf_severity severity, const char *key, slice words);
/* The path itself or, when it is still to be made, the nearest folder above it that exists. */
must_check enum err check_nearest(slice *path, struct os_file_stamp *stamp);

/* check_files.c */
/* Files that others may write. */
void check_modes(struct check *c);
/* Whether users exist, and may write where they will have to. Root's look is exact: it asks as each of them, in a child. */
void check_users(struct check *c);

#endif
