/* SPDX-License-Identifier: ISC */
/* Inside the room only: one run of `thurn check`. What all its parts find goes through check_report_take, which prints it at once, as a line on standard error or as an
 * object on standard output, and counts it. check_dns.c and check_ports.c look at the world around the configuration: what they find are warnings, and they
 * wait no longer than they say. */
#ifndef CMD_CHECK_H
#define CMD_CHECK_H

#include "cmd/command.h"

#define CHECK_DNS_MS 5000

struct check_report {
    const char *path;
    bool json, color, progress;
    size_t errors, warnings;
};

/* Of a struct conf_sink; ctx is a struct check_report. */
void check_report_take(void *ctx, const struct conf_finding *f);
/* The same for what concerns the configuration as a whole, with a key of it or "". */
void check_report_say(struct check_report *r, enum conf_severity severity, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Do the names of the configuration lead here: MX and addresses of our domains and of hostname, and back. */
void check_dns(struct check_report *r, const struct conf *conf);
/* Does another program have our ports? Asks /proc, opens none of them. */
void check_ports(struct check_report *r, const struct conf *conf);

#endif
