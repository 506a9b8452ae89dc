/* SPDX-License-Identifier: ISC */
/* The face of the room smtp: the protocol as plain state machines. Bytes and answers in, events and bytes out; time is passed in. No
 * socket, no clock, no TLS: whoever drives an engine (a process, a test, a fuzzer) owns those. PURE. Other rooms include this
 * header only. */
#ifndef SMTP_SMTP_H
#define SMTP_SMTP_H

#include "smtp/client.h"
#include "smtp/dot.h"
#include "smtp/proxy.h"
#include "smtp/reply_reader.h"
#include "smtp/server.h"

#endif
