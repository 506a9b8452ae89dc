/* SPDX-License-Identifier: ISC */
/* Inside the room only: the account store as one thread has it for itself. It is opened when it is first asked and there is one: the first `thurn user add` may come later
 * than the server. That it cannot be opened is said once, not at each question. */
#ifndef PROC_LOOKUP_READER_H
#define PROC_LOOKUP_READER_H

#include "child/child.h"

#define READER_PATH_MAX 4096

struct reader {
    char memory[READER_PATH_MAX];
    slice path; /* in memory */
    struct store *store;
    enum store_hash hash;
    enum err complained;
};

/* Where the accounts are, below state_dir. ERR_LIMIT: a longer path than there is. */
must_check enum err reader_init(struct reader *r, slice state_dir);
/* ERR_NOTFOUND: no accounts yet. */
must_check enum err reader_store(struct reader *r, struct store **store_r);
void reader_close(struct reader *r);

#endif
