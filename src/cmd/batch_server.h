/* SPDX-License-Identifier: ISC */
/* Inside the room only: what a job needs of a running server, as a table of calls: the real one is batch_link.c, unit tests have another in memory. A mail is
 * handed over as SMTP under a tag (MAIL's XTAG) and comes to rest in the queue, held; by its queue id it is let go or removed. Any error means that the server is
 * away for now: the job stops where it is and goes on another time. */
#ifndef CMD_BATCH_SERVER_H
#define CMD_BATCH_SERVER_H

#include "mail/mail.h"

#define BATCH_SERVER_IDS_MAX 64

struct batch_server {
    /* One command without its line end, and its reply, whose text lives until the next call. */
    enum err (*command)(void *ctx, slice line, struct verdict *reply_r);
    /* After a DATA with 354: content in pieces, dots undone, CRLF. */
    enum err (*content)(void *ctx, slice piece);
    /* The end of the content, and the reply to it: with a 250 the mail is on disk. */
    enum err (*end)(void *ctx, struct verdict *reply_r);
    /* The transaction that is under way comes to nothing, wherever it is. */
    void (*abandon)(void *ctx);
    /* Ids of the mails in the queue that have the tag. */
    enum err (*find)(void *ctx, slice tag, uint64_t ids[BATCH_SERVER_IDS_MAX], size_t *count_r);
    /* Answered when it is on disk. ERR_NOTFOUND: there is no such mail (any more); not said before it was waited for, because a mail whose id was told just now (fresh) may not have
     * reached the queue. */
    enum err (*release)(void *ctx, uint64_t id, bool fresh);
    enum err (*remove)(void *ctx, uint64_t id);
    /* A number that another run of the server does not have: what any earlier run left on the disk is found from the moment at which this one answers. */
    enum err (*run)(void *ctx, uint64_t *run_r);
    void *ctx;
};

#endif
