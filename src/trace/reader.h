/* SPDX-License-Identifier: ISC */
/* Reading all ring files of a folder, while they are written or when no server runs. A reader takes no lock and maps nothing: it copies a block, and believes a record only with its length and CRC; what was overwritten
 * meanwhile, torn by a crash or damaged is left out, and a file that is no ring is passed over. So nothing that a process does to its file harms a reader. Part of the face trace/trace.h. */
#ifndef TRACE_READER_H
#define TRACE_READER_H

#include "trace/ring.h"

struct trace_record {
    int64_t time_us; /* since 1970 */
    slice process;   /* "receiver-0" */
    uint32_t pid;
    struct trace_event event; /* texts point into the reader's memory until the next call */
    slice message;            /* of TRACE_NOTE; the words of others are made from their fields */
};

struct trace_totals {
    slice process;
    uint32_t pid; /* 0: no process writes there now. One that was killed with its master is still named. */
    int64_t started_us;
    uint64_t counters[TRACE_KIND_COUNT]; /* since the file was made */
    int64_t gauges[TRACE_GAUGE_COUNT];
};

struct trace_reader;
/* ERR_NOTFOUND: no server has run here, or none that keeps events. ERR_PERMISSION. */
must_check enum err trace_reader_open(const char *folder, struct trace_reader **reader_r);
void trace_reader_close(struct trace_reader **reader);
/* Before the first event is asked for: gives what the rings have at this moment and then no more, whatever the times in the records; rings that are made later are not looked for. */
void trace_reader_end_here(struct trace_reader *reader);
/* The next event in order of time, oldest first, over all rings; false: none for now (call again later to follow; rings that were made since are found). Events that rings get while they are read may come a little out of order. */
bool trace_reader_next(struct trace_reader *reader, struct trace_record *record_r);
/* Since when nothing is missing, so far as was read: rings have begun anew and what was before is gone. 0: nothing was ever overwritten. */
int64_t trace_reader_since_us(const struct trace_reader *reader);
/* The name of a file that could not be read, or not all of it, when the folder was looked at last; empty: there was none. *why_r: ERR_CORRUPT: it is no ring, or one of another version, or was cut; ERR_PERMISSION... The name lives as long as
 * the reader. */
slice trace_reader_flaw(const struct trace_reader *reader, enum err *why_r);
/* Calls each once for each ring. */
void trace_reader_totals(struct trace_reader *reader, void (*each)(void *ctx, const struct trace_totals *totals),
                         void *ctx);

#endif
