/* SPDX-License-Identifier: ISC */
/* Inside the room only: the message that `thurn probe` sends: one made here, with attachments (MIME, base64), or one that was given. CRLF line ends. Pure: what is random and what time
 * it is are passed in. */
#ifndef CMD_PROBE_MESSAGE_H
#define CMD_PROBE_MESSAGE_H

#include "cmd/probe.h"

struct probe_file {
    slice name; /* a path: its last part is told */
    slice content;
};

struct probe_letter {
    slice from;
    const slice *to;
    size_t to_count;
    slice subject;
    const struct probe_words *headers; /* "Name: value", instead of what would be made here or beside it */
    const struct probe_file *files;
    size_t file_count;
    slice message_id, boundary;
    int64_t now_s;
    int offset_min;
};

void probe_message_make(buf *out, const struct probe_letter *l);
/* text as it is but for bare LFs, which become CRLF unless it is binary; the fields stand in front. */
void probe_message_take(buf *out, slice text, const struct probe_words *headers, bool binary);

#endif
