/* SPDX-License-Identifier: ISC */
/* Whole job files against a server whose verdicts come from the first bytes of the input. However the file is cut into reads, the same mails are handed over and the same replies written; each mail
 * that is begun is taken, lost or interrupted by the end; nothing is handed over but between a begin and its end. */
#include "cmd/batch_lines.h"
#include "cmd/batch_session.h"

#include <stdlib.h>

#define VERDICTS 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    slice verdicts;
    size_t asked;
    bool open, content;
    unsigned begun, taken, lost;
    uint32_t seen; /* CRC of all that came out */
};

static void see(struct world *w, slice s)
{
    w->seen = hash_crc32c(w->seen, s);
}

static uint8_t next(struct world *w)
{
    return w->verdicts.len > 0 ? (uint8_t)w->verdicts.ptr[w->asked++ % w->verdicts.len] : 0;
}

static enum err command(void *ctx, slice line, struct verdict *reply_r)
{
    struct world *w = ctx;
    uint8_t v = next(w);
    see(w, line);
    if (w->content || slice_find_char(line, '\n') >= 0)
        abort();
    if (v == 0xff)
        return ERR_CLOSED;
    *reply_r = status_verdict(v & 1 ? STATUS_USER_UNKNOWN : v == 0xfe ? STATUS_LOCAL_ERROR : STATUS_OK);
    if (slice_equal(line, SLICE("DATA")) && verdict_ok(reply_r)) {
        reply_r->code = 354;
        w->content = true;
    }
    return ERR_OK;
}

static enum err content(void *ctx, slice piece)
{
    struct world *w = ctx;
    if (!w->content)
        abort();
    see(w, piece);
    return ERR_OK;
}

static enum err end(void *ctx, struct verdict *reply_r)
{
    struct world *w = ctx;
    if (!w->content)
        abort();
    w->content = false;
    *reply_r = next(w) & 1 ? status_verdict(STATUS_MESSAGE_TOO_BIG)
                           : status_verdict_text(STATUS_OK, SLICE("Ok: queued as 7K3QX2M9"));
    return ERR_OK;
}

static void abandon(void *ctx)
{
    struct world *w = ctx;
    w->content = false;
}

static enum err on_begin(void *ctx, uint64_t line, slice tag)
{
    struct world *w = ctx;
    (void)line;
    see(w, tag);
    w->begun++;
    return ERR_OK;
}

static void on_recipient(void *ctx, uint64_t line, slice address)
{
    (void)line;
    see(ctx, address);
}

static enum err on_taken(void *ctx, slice sender, slice id)
{
    struct world *w = ctx;
    (void)sender;
    if (!slice_equal(id, SLICE("7K3QX2M9")))
        abort();
    w->taken++;
    return ERR_OK;
}

static void on_refused(void *ctx, uint64_t line, slice text, slice reply, bool syntax)
{
    (void)line;
    (void)syntax;
    see(ctx, text);
    see(ctx, reply);
}

static void on_lost(void *ctx, uint64_t line)
{
    struct world *w = ctx;
    (void)line;
    w->lost++;
}

static void on_reply(void *ctx, slice text)
{
    see(ctx, text);
}

static void run(struct world *w, slice file, size_t piece)
{
    const struct batch_server server = {
        .command = command, .content = content, .end = end, .abandon = abandon, .ctx = w};
    const struct batch_session_ops ops = {on_begin, on_recipient, on_taken, on_refused, on_lost, on_reply, w};
    struct batch_session s = {
        .options = {.hostname = SLICE("mail.example.org"), .max_recipients = 5, .max_size = 4096, .hops = 3},
        .server = &server,
        .ops = &ops,
        .job = SLICE("JOB")};
    struct batch_lines *lines = malloc(sizeof *lines);
    struct batch_line line;
    if (!lines || batch_session_open(&s) != ERR_OK)
        abort();
    batch_lines_init(lines);
    enum err e = ERR_OK;
    for (bool over = false; !over && e == ERR_OK;) {
        size_t used = 0;
        batch_lines_feed(lines, slice_sub(file, 0, piece), &used);
        file = slice_skip(file, used);
        over = file.len == 0;
        if (over)
            batch_lines_end(lines);
        while (e == ERR_OK && batch_lines_next(lines, &line))
            e = batch_session_line(&s, &line);
    }
    if (e == ERR_OK)
        (void)batch_session_end(&s);
    if (w->taken > w->begun || (e == ERR_OK && w->begun > w->taken + w->lost))
        abort();
    batch_session_close(&s);
    free(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice in = slice_of(data, size), file = slice_skip(in, VERDICTS);
    struct world whole = {.verdicts = slice_sub(in, 0, VERDICTS)}, cut = whole;
    run(&whole, file, SIZE_MAX);
    run(&cut, file, 1);
    if (whole.seen != cut.seen || whole.taken != cut.taken || whole.lost != cut.lost)
        abort();
    return 0;
}
