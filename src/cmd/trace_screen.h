/* SPDX-License-Identifier: ISC */
/* Inside the room only: the screen of `thurn trace`: mails one below the other, newest last, each with what happened to it: the time, how long after it was accepted, words. */
#ifndef CMD_TRACE_SCREEN_H
#define CMD_TRACE_SCREEN_H

#include "cmd/trace_mails.h"

struct trace_screen {
    buf *out;
    int64_t now_us; /* lines of other days than this one's have their day above */
    bool json;
    bool heads; /* each mail has a line above it */
};

void trace_screen_mail(const struct trace_screen *s, const struct trace_mail *mail);
/* What belongs to no mail. */
void trace_screen_loose(const struct trace_screen *s, const struct trace_mail *loose);

#endif
