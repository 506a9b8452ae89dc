/* SPDX-License-Identifier: ISC */
/* Inside the room only: where records go, and what waits to go there. Whole records are taken or counted as lost. Called under the log's lock. */
#ifndef OS_LOG_SINK_H
#define OS_LOG_SINK_H

#include "os/log.h"

#define LOG_PENDING_MAX (256u * 1024)

enum log_sink_kind { LOG_SINK_WAITING /* pipe or terminal */, LOG_SINK_FILE, LOG_SINK_STREAM, LOG_SINK_DATAGRAMS };

struct log_sink {
    int fd;
    enum log_sink_kind kind;
    size_t len, lost;
    char pending[LOG_PENDING_MAX]; /* lines, or datagrams with their length (4 bytes) before each */
};

/* A stream: from now on lines. What waits of lines goes to it; of datagrams it is lost, and counted. */
void log_sink_to(struct log_sink *s, int fd);
/* Datagrams. What waits of lines is lost, and counted. */
void log_sink_to_datagrams(struct log_sink *s, int fd);
/* Room for a record of at most size bytes behind what waits, fixed; log_sink_end takes what was written into it. False: there is none, whatever the record's length. */
must_check bool log_sink_begin(struct log_sink *s, buf *b, size_t size);
void log_sink_end(struct log_sink *s, const buf *b);
/* Writes without waiting. */
void log_sink_flush(struct log_sink *s);
/* Until there is room again, or for ms. */
void log_sink_wait(const struct log_sink *s, int ms);

#endif
