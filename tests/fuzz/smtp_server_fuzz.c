/* SPDX-License-Identifier: ISC */
/* A client's bytes into the server engine, in one piece, byte by byte, and cut at every byte: the same events, replies and messages come out, whether the
 * engine is new or has served others. The first three bytes choose options and what the session may do; the session ends where TLS begins. */
#include "smtp/drive_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct smtp_server_options choose(uint8_t bits, uint8_t more)
{
    struct smtp_server_options o = {.max_line = 64, .max_recipients = 3, .hops = 2};
    o.bare_newline_reject = bits & 1;
    o.strict_paths = bits >> 1 & 1;
    o.starttls = bits >> 2 & 1;
    o.auth_required = bits >> 3 & 1;
    o.auth_plaintext_ok = bits >> 4 & 1;
    o.max_size = bits >> 5 & 1 ? 40 : 0;
    o.max_errors = bits >> 6 & 1 ? 3 : 0;
    o.max_messages = bits >> 6 & 1 ? 2 : 0;
    o.auth_mechanisms = bits >> 7 & 1 ? SLICE("PLAIN LOGIN") : SLICE_NONE;
    o.lmtp = more & 1;
    o.etrn = more >> 1 & 1;
    o.future_release_max_s = more >> 2 & 1 ? 86400 : 0;
    o.deliver_by_min_s = more >> 3 & 1 ? 60 : 0;
    return o;
}

struct session {
    struct smtp_server_options options;
    uint8_t rights;
    slice in;
};

/* Of a drive that is open. */
static void run(struct drive *d, const struct session *s, size_t first, size_t piece)
{
    slice in = s->in;
    d->permits = s->rights & 7;
    smtp_server_permit(d->server, d->permits);
    if (s->rights >> 3 & 1)
        smtp_server_trust(d->server);
    if (s->rights >> 4 & 1)
        smtp_server_start_secured(d->server);
    if (s->rights >> 5 & 1)
        smtp_server_clock(d->server, 0, 1795288115);
    drive_read(d, slice_sub(in, 0, first));
    drive_read_cut(d, slice_skip(in, first), piece);
    if (d->tls) {
        drive_secured(d);
        drive_read(d, SLICE("EHLO after\r\nNOOP\r\n"));
    }
    if (!d->closed) {
        smtp_server_lost(d->server);
        drive_events(d);
        assert(d->closed);
    }
}

static void compare(const struct drive *a, const struct drive *b)
{
    if (!slice_equal(buf_slice(&a->log), buf_slice(&b->log)) ||
        !slice_equal(buf_slice(&a->replies), buf_slice(&b->replies)) ||
        !slice_equal(buf_slice(&a->taken), buf_slice(&b->taken)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct drive whole, cut;
    if (size < 3 || size > 2048)
        return 0;
    struct session s = {choose(data[0], data[1]), data[2], slice_of(data + 3, size - 3)};
    drive_open(&whole, &s.options);
    run(&whole, &s, s.in.len, 1);
    drive_open(&cut, &s.options);
    run(&cut, &s, 0, 1);
    compare(&whole, &cut);
    size_t step = s.in.len / 40 + 1;
    for (size_t i = 1; i < s.in.len; i += step) {
        /* who was there before hung up, or was cut off, behind as much of it */
        drive_again(&cut, &s.options);
        drive_read(&cut, slice_sub(s.in, 0, i));
        drive_again(&cut, &s.options);
        run(&cut, &s, i, s.in.len);
        compare(&whole, &cut);
    }
    drive_close(&cut);
    drive_close(&whole);
    return 0;
}
