/* SPDX-License-Identifier: ISC */
/* The face of the room trace: what happened is told once (trace/event.h), is in the log and in a ring file a process (trace/ring.h), and is read from there (trace/reader.h) by commands, whether the
 * server runs or not. It only tells: nothing that the server does depends on it, no mail is kept by it. Other rooms include this header only. */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include "trace/event.h"
#include "trace/reader.h"

#endif
