/* SPDX-License-Identifier: ISC */
/* Tests of the server as tables: what the client sends, what it is told, in whatever pieces it comes. Each row is run in pieces of 1 to 20 bytes
 * and whole, and must come out the same. */
#ifndef SMTP_ROWS_TEST_H
#define SMTP_ROWS_TEST_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "smtp/drive_test.h"

/* A row says what matters to it. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wmissing-braces" /* gcc 12 wants them around compound literals */

#define GREETING "220 mx.example.org ESMTP Thurn\r\n"
#define HELLO "250 mx.example.org Hello c\r\n"
#define SENDER "250 2.1.0 <a@b.example>... Sender ok\r\n"
#define RECIPIENT "250 2.1.5 <c@d.example>... Recipient ok\r\n"
/* What every session is offered after 8BITMIME; OFFER_TLS under TLS. */
#define OFFER "250-CHUNKING\r\n250-BINARYMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-DELIVERBY\r\n250-MT-PRIORITY\r\n"
#define OFFER_TLS OFFER "250-REQUIRETLS\r\n"
#define GO_AHEAD "354 Enter mail, end with \".\" on a line by itself\r\n"
#define QUEUED "250 2.0.0 Ok: queued as 7K3QX2M9\r\n"
#define BYE "221 2.0.0 mx.example.org closing connection\r\n"
#define BEGIN "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
#define BEGUN SENDER RECIPIENT

struct row {
    const char *name;
    struct smtp_server_options options;
    slice in;
    slice replies;   /* after the greeting, all of them */
    const char *why; /* CLOSE, or NULL: still open */
    slice log;       /* events, all of them; empty: not looked at */
    uint32_t permits;
    bool trusted, secured;
    int64_t unix_s; /* the clock's time; 0: none was told */
};

static inline void row_begin(struct drive *d, const struct row *row)
{
    drive_open(d, &row->options);
    if (row->secured)
        smtp_server_start_secured(d->server);
    if (row->trusted)
        smtp_server_trust(d->server);
    if (row->unix_s != 0)
        smtp_server_clock(d->server, 0, row->unix_s);
    d->permits = row->permits;
    smtp_server_permit(d->server, row->permits);
}

#define OPTIONS(...) ((struct smtp_server_options){__VA_ARGS__})
#define DEFAULTS ((struct smtp_server_options){0})

static inline void row_run(const struct row *row)
{
    for (size_t piece = 1; piece <= row->in.len + 1; piece += piece < 20 ? 1 : row->in.len) {
        struct drive d;
        row_begin(&d, row);
        drive_read_cut(&d, row->in, piece);
        slice got = slice_skip(buf_slice(&d.replies), sizeof GREETING - 1);
        if (!slice_equal(got, row->replies))
            fail_msg("%s, in pieces of %zu: wanted\n%.*s\ngot\n%.*s", row->name, piece, SLICE_ARG(row->replies),
                     SLICE_ARG(got));
        if (row->log.len > 0 && !slice_equal(buf_slice(&d.log), row->log))
            fail_msg("%s, in pieces of %zu: wanted\n%.*s\ngot\n%.*s", row->name, piece, SLICE_ARG(row->log),
                     SLICE_ARG(buf_slice(&d.log)));
        if (d.closed != (row->why != NULL) || (row->why && strcmp(row->why, d.why) != 0))
            fail_msg("%s: closed %d \"%s\"", row->name, d.closed, d.why);
        drive_close(&d);
    }
}

#define RUN(rows)                                                                                                      \
    for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++)                                                      \
    row_run(&(rows)[i])

#endif
