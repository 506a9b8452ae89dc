/* SPDX-License-Identifier: ISC */
/* The two engines against each other in memory: what a client sends, a server takes. The bytes between them are cut as a series of
 * numbers says. For tests and fuzzers. */
#ifndef SMTP_PAIR_TEST_H
#define SMTP_PAIR_TEST_H

#include "smtp/drive_test.h"
#include "smtp/talk_test.h"

struct pair {
    struct drive server;
    struct talk client;
    uint32_t seed;
};

static inline size_t pair_cut(struct pair *p, size_t len)
{
    p->seed = p->seed * 1664525U + 1013904223U;
    size_t piece = (p->seed >> 8) % 3 == 0 ? (p->seed >> 16) % 5 + 1 : (p->seed >> 12) % 5000 + 1;
    return piece < len ? piece : len;
}

static inline void pair_run(struct pair *p, const struct smtp_server_options *so, const struct smtp_client_options *co,
                            const struct talk_message *messages, size_t count)
{
    size_t told = 0, turns = 0;
    drive_open(&p->server, so);
    talk_open(&p->client, co, messages, count);
    drive_events(&p->server);
    while (!p->client.over) {
        slice said = slice_skip(buf_slice(&p->server.replies), told);
        slice asked = buf_slice(&p->client.out);
        if (said.len > 0) {
            said = slice_sub(said, 0, pair_cut(p, said.len));
            told += said.len;
            talk_read(&p->client, said);
        } else if (p->server.tls) {
            assert(p->client.handshake && asked.len == 0);
            drive_secured(&p->server);
            talk_handshake(&p->client);
        } else if (asked.len > 0) {
            size_t n = pair_cut(p, asked.len);
            drive_read(&p->server, slice_sub(asked, 0, n));
            buf_consume(&p->client.out, n);
        } else {
            assert(p->server.closed);
            smtp_client_lost(p->client.client, ERR_CLOSED);
            talk_events(&p->client);
        }
        assert(++turns < 10000000); /* it ends */
        (void)turns;
    }
}

static inline void pair_close(struct pair *p)
{
    drive_close(&p->server);
    talk_close(&p->client);
}

/* Content as it must arrive: bare LF is CRLF, stray CR a space, and the last line ended. */
static inline void pair_normalise(slice content, buf *out)
{
    for (size_t i = 0; i < content.len; i++) {
        char c = content.ptr[i];
        bool pair = c == '\r' && i + 1 < content.len && content.ptr[i + 1] == '\n';
        if (pair || c == '\n')
            buf_append(out, SLICE("\r\n"));
        else
            buf_append_char(out, c == '\r' ? ' ' : c);
        i += pair;
    }
    if (out->len > 0 && out->ptr[out->len - 1] != '\n')
        buf_append(out, SLICE("\r\n"));
}

#endif
