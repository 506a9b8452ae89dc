/* SPDX-License-Identifier: ISC */
/* Inside the room only: what `thurn trace` is asked for, and whether an event is of it. Pure. */
#ifndef CMD_TRACE_QUERY_H
#define CMD_TRACE_QUERY_H

#include "mail/mail.h"
#include "route/route.h"
#include "trace/trace.h"

enum trace_query_kind {
    TRACE_QUERY_ALL,
    TRACE_QUERY_ID,
    TRACE_QUERY_MESSAGE_ID,
    TRACE_QUERY_ADDRESS,
    TRACE_QUERY_CLIENT
};

struct trace_query {
    enum trace_query_kind kind;
    slice text; /* as given; an id as printed, a Message-ID without its brackets */
    char id[QUEUE_ID_TEXT_MAX];
    struct route_network network; /* CLIENT; ip_len 0: compared as text ("local") */
    int64_t since_us;             /* older events are none of it; 0: all */
};

/* A queue id, a Message-ID with its brackets, an address, or "@domain". text must outlive q. ERR_SYNTAX: none of these. */
must_check enum err trace_query_read(slice text, struct trace_query *q);
/* An address, a network like 192.0.2.0/24, or "local". ERR_SYNTAX. */
must_check enum err trace_query_read_client(slice text, struct trace_query *q);

enum trace_match {
    TRACE_MATCH_NOT,
    TRACE_MATCH_PART, /* of its mail only what is of the recipient is asked for */
    TRACE_MATCH_WHOLE,
};
/* By the event's own fields: that another event of the same mail is meant is not seen here. */
enum trace_match trace_query_match(const struct trace_query *q, const struct trace_record *r);
/* Of a mail that matched in part: is the event of this recipient, or of none? */
bool trace_query_shows(const struct trace_query *q, const struct trace_record *r);

#endif
