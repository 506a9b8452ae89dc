/* SPDX-License-Identifier: ISC */
/* Content through the dot reader in one piece, cut at every byte, and byte by byte: the same comes out, and the runs' facts are the content's. Content through the stuffer: what it
 * writes has strict line ends and one end, and the reader gives it back normalised. */
#include "smtp/dot.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    buf content;
    struct body_scan scan; /* of the runs */
    size_t end;            /* bytes used when the end came, 0: it did not */
    bool bare;
};

static void take(struct smtp_dot *d, slice part, size_t offset, struct outcome *o)
{
    slice rest = part;
    struct text_run run;
    enum smtp_dot_result r;
    while ((r = smtp_dot_read(d, &rest, &run)) == SMTP_DOT_RUN) {
        buf_append(&o->content, run.text);
        body_scan_feed_run(&o->scan, &run);
    }
    if (r == SMTP_DOT_END)
        o->end = offset + (part.len - rest.len);
}

static void check_facts(struct outcome *o)
{
    struct body_scan scan;
    body_scan_init(&scan);
    body_scan_feed(&scan, buf_slice(&o->content));
    struct body_facts a = body_scan_end(&o->scan), b = body_scan_end(&scan);
    if (a.size != b.size || a.header_len != b.header_len || a.longest_line != b.longest_line ||
        a.leading_dots != b.leading_dots || a.received != b.received || a.eight_bit_header != b.eight_bit_header ||
        a.eight_bit != b.eight_bit || a.nul != b.nul || a.ends_in_crlf != b.ends_in_crlf)
        abort();
}

static void read_pieces(slice in, size_t first, size_t piece, struct outcome *o)
{
    struct smtp_dot d;
    smtp_dot_init(&d);
    buf_clear(&o->content);
    body_scan_init(&o->scan);
    o->end = 0;
    for (size_t from = 0, n = first; from < in.len && o->end == 0; from += n, n = piece)
        take(&d, slice_sub(in, from, from + n < in.len ? from + n : in.len), from, o);
    o->bare = d.bare;
    check_facts(o);
}

static void compare(const struct outcome *a, const struct outcome *b)
{
    if (!slice_equal(buf_slice(&a->content), buf_slice(&b->content)) || a->end != b->end || a->bare != b->bare)
        abort();
}

static void stuff(slice in, size_t piece, buf *wire)
{
    struct smtp_stuffer s;
    smtp_stuffer_init(&s);
    for (size_t from = 0; from < in.len; from += piece)
        smtp_stuffer_write(&s, slice_sub(in, from, from + piece < in.len ? from + piece : in.len), wire);
    smtp_stuffer_end(&s, wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, cut;
    buf wire, again;
    slice in = slice_of(data, size);
    if (size > 4096)
        return 0;
    buf_init(&whole.content, 1 << 16);
    buf_init(&cut.content, 1 << 16);
    buf_init(&wire, 1 << 16);
    buf_init(&again, 1 << 16);
    read_pieces(in, size + 1, size + 1, &whole);
    for (size_t i = 1; i < size && size <= 300; i++) {
        read_pieces(in, i, size, &cut);
        compare(&whole, &cut);
    }
    read_pieces(in, 1, 1, &cut);
    compare(&whole, &cut);

    stuff(in, size + 1, &wire);
    stuff(in, 1, &again);
    if (!slice_equal(buf_slice(&wire), buf_slice(&again)))
        abort();
    read_pieces(buf_slice(&wire), wire.len, wire.len, &cut);
    if (cut.bare || cut.end != wire.len)
        abort();
    buf_deinit(&whole.content);
    buf_deinit(&cut.content);
    buf_deinit(&wire);
    buf_deinit(&again);
    return 0;
}
