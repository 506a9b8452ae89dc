/* SPDX-License-Identifier: ISC */
/* Inside the room only: what a job has done, from its checkpoint: for a terminal, as one JSON object on one line, and as a mail to the administrators that has both. */
#ifndef CMD_BATCH_REPORT_H
#define CMD_BATCH_REPORT_H

#include "cmd/batch_checkpoint.h"

/* Each list is cut at so many bytes; how much is left out is told. */
#define BATCH_REPORT_LIST_MAX ((size_t)8 << 20)
#define BATCH_REPORT_MAX ((size_t)64 << 20)

enum batch_report_list { BATCH_REPORT_TAKEN, BATCH_REPORT_REFUSED, BATCH_REPORT_ERRORS, BATCH_REPORT_LISTS };

struct batch_report {
    const struct batch_progress *progress;
    int64_t ended_s;
    buf text[BATCH_REPORT_LISTS], json[BATCH_REPORT_LISTS];
    uint64_t count[BATCH_REPORT_LISTS], left_out[BATCH_REPORT_LISTS];
    buf to_text, to_json; /* recipients of the mail whose record comes */
    struct {
        size_t text, json;
        uint64_t count, left_out;
    } kept[BATCH_REPORT_LISTS]; /* as of the last mail */
};

/* content is the whole checkpoint, which must be whole (batch_checkpoint_open has seen to that). ERR_CORRUPT, ERR_LIMIT. */
must_check enum err batch_report_init(struct batch_report *r, const struct batch_progress *progress, slice content,
                                      int64_t now_s);
void batch_report_deinit(struct batch_report *r);
void batch_report_text(const struct batch_report *r, buf *out);
/* Without a line end. */
void batch_report_json(const struct batch_report *r, buf *out);
/* The whole message, CRLF line ends. */
struct batch_report_mail {
    slice hostname;
    const slice *recipients;
    size_t recipient_count;
    int offset_min;
};
void batch_report_message(const struct batch_report *r, const struct batch_report_mail *mail, buf *out);

#endif
