/* SPDX-License-Identifier: ISC */
/* Any content from a client engine to a server engine, cut anywhere: it arrives once, as it was but for strict line ends, and nothing in it
 * is ever a command. The first two bytes choose options, the next two the cuts. */
#include "smtp/pair_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > 8192)
        return 0;
    struct pair p = {.seed = data[2] * 256U + data[3]};
    struct smtp_server_options so = {.bare_newline_reject = data[0] & 1, .starttls = data[0] >> 1 & 1};
    struct smtp_client_options co = {.tls = SMTP_CLIENT_TLS_MAY};
    slice content = slice_of(data + 4, size - 4);
    bool refused = slice_find(content, SLICE("refuse me")) >= 0;
    struct talk_message m[2] = {
        {SLICE("a@b.example"),
         {SLICE("c@d.example"), SLICE("bad@d.example"), SLICE("later@d.example")},
         content,
         0,
         data[1],
         false},
        {SLICE("a@b.example"), {SLICE("c@d.example")}, SLICE("second\r\n"), 0, 0, false},
    };
    buf wanted;
    buf_init(&wanted, 1 << 16);
    pair_normalise(content, &wanted);
    buf_append(&wanted, SLICE("\n--\n"));
    if (refused)
        buf_clear(&wanted);
    buf_append(&wanted, SLICE("second\r\n\n--\n"));
    pair_run(&p, &so, &co, m, 2);
    if (!slice_equal(buf_slice(&p.server.taken), buf_slice(&wanted)) || p.client.done != 2)
        abort();
    if (slice_find(buf_slice(&p.client.log), SLICE("failed in phase")) >= 0)
        abort();
    pair_close(&p);
    buf_deinit(&wanted);
    return 0;
}
