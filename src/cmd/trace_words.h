/* SPDX-License-Identifier: ISC */
/* Inside the room only: events in words, for people and for programs. Peers' bytes are escaped here. Times are local for people. */
#ifndef CMD_TRACE_WORDS_H
#define CMD_TRACE_WORDS_H

#include "trace/trace.h"

/* What happened, in one line without an end. of: the mail that is told of, which may be the report and not the mail that it reports on; empty for none. next_s: when it is tried again, where that is known, else 0. */
void trace_words_append(buf *out, const struct trace_record *r, slice of, int64_t next_s);
/* "14:02:11.020" */
void trace_words_clock(buf *out, int64_t time_us);
/* "14:07", or with the date when it is another day than now's. */
void trace_words_when(buf *out, int64_t time_s, int64_t now_s);
/* "2026-11-22" */
void trace_words_day(buf *out, int64_t time_us);
/* "+0ms", "+1.3s", "+14m" */
void trace_words_offset(buf *out, int64_t us);
/* One object and LF, with the names of the log's JSON: time, level, process, pid, event, the fields, and message of a note. */
void trace_words_json(buf *out, const struct trace_record *r);

#endif
