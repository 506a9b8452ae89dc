/* SPDX-License-Identifier: ISC */
/* Any content in chunks of any sizes, cut anywhere: it arrives as it was (with BINARYMIME) or with strict line ends (without), and no octet of a
 * chunk, taken or refused, is ever a command. The first bytes choose what is said and where the cuts are. */
#include "smtp/pair_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct plan {
    bool binary, lmtp,
        refused; /* refused: chunks outside of a transaction, then after refused recipients, then by the caller */
    uint8_t chunk, cut;
};

static void append_chunk(buf *in, slice octets, bool last)
{
    buf_printf(in, "BDAT %zu%s\r\n", octets.len, last ? " LAST" : "");
    buf_append(in, octets);
}

static size_t append_chunks(buf *in, slice content, size_t piece)
{
    size_t chunks = 0;
    while (content.len > piece) {
        append_chunk(in, slice_sub(content, 0, piece), false);
        content = slice_skip(content, piece);
        chunks++;
    }
    append_chunk(in, content, true);
    return chunks;
}

static size_t count(slice text, slice what)
{
    size_t n = 0;
    ptrdiff_t at;
    while ((at = slice_find(text, what)) >= 0) {
        text = slice_skip(text, (size_t)at + what.len);
        n++;
    }
    return n;
}

static void play(const struct plan *p, slice in, slice content, slice wanted, size_t chunks)
{
    struct drive d;
    drive_open(&d, &(struct smtp_server_options){.lmtp = p->lmtp});
    drive_read_cut(&d, in, p->cut ? p->cut : in.len);
    slice log = buf_slice(&d.log), replies = buf_slice(&d.replies);
    bool refused = slice_find(content, SLICE("refuse me")) >= 0;
    if (d.closed || d.messages != (refused ? 0U : 1U) || count(replies, SLICE(" octets received\r\n")) != chunks)
        abort();
    if (!refused && !slice_equal(slice_sub(buf_slice(&d.taken), 0, d.taken.len - 4), wanted))
        abort();
    /* what was asked: nothing but what this driver says; the content itself stands escaped in one line of the log */
    if (count(log, SLICE("\nevent MAIL")) != (p->refused ? 3U : 1U) || count(log, SLICE("\nevent BODY")) != 1 ||
        count(log, SLICE("\nevent VRFY last \n")) != 1 || count(log, SLICE("\nevent ")) != (p->refused ? 11U : 5U))
        abort();
    drive_close(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 4096)
        return 0;
    struct plan p = {
        .binary = data[0] & 1, .lmtp = data[0] >> 1 & 1, .refused = data[0] >> 2 & 1, .chunk = data[1], .cut = data[2]};
    slice content = slice_of(data + 3, size - 3);
    buf in, wanted;
    buf_init(&in, 1 << 20);
    buf_init(&wanted, 1 << 16);
    buf_append(&in, p.lmtp ? SLICE("LHLO c\r\n") : SLICE("HELO c\r\n"));
    if (p.refused) {
        append_chunk(&in, content, true);
        buf_append(&in, SLICE("MAIL FROM:<a@b>\r\nRCPT TO:<bad@d>\r\n"));
        append_chunk(&in, content, false);
        append_chunk(&in, content, true);
        buf_append(&in, SLICE("RSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<nodata@d>\r\n"));
        append_chunk(&in, content, false);
        append_chunk(&in, content, true);
    }
    buf_append(&in, p.binary ? SLICE("MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\n")
                             : SLICE("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"));
    size_t chunks = append_chunks(&in, content, p.chunk ? p.chunk : 4096);
    buf_append(&in, SLICE("VRFY last\r\n"));
    if (p.binary)
        buf_append(&wanted, content);
    else
        pair_normalise(content, &wanted);
    play(&p, buf_slice(&in), content, buf_slice(&wanted), chunks);
    buf_deinit(&in);
    buf_deinit(&wanted);
    return 0;
}
