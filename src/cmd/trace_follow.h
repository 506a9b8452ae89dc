/* SPDX-License-Identifier: ISC */
/* Inside the room only: `thurn trace --live`: events as they come, until a signal or the end of standard output. */
#ifndef CMD_TRACE_FOLLOW_H
#define CMD_TRACE_FOLLOW_H

#include "cmd/trace_query.h"

/* begin_us: what is older was shown already; its mails are known, so what happens to them is shown. What to exit with. */
int trace_follow(const char *folder, const struct trace_query *q, int64_t begin_us, bool json);

#endif
