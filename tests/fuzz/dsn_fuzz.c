/* SPDX-License-Identifier: ISC */
/* A report of which every text is hostile: lines within the limit, one header, four boundaries, and no more memory than allowed. */
#include "mail/mail.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next part of the input: up to 0x01, which stands between them. */
static slice take(slice *in)
{
    slice part;
    (void)slice_cut(*in, 1, &part, in);
    return part;
}

static void check(const buf *b)
{
    struct body_scan scan;
    body_scan_init(&scan);
    body_scan_feed(&scan, buf_slice(b));
    struct body_facts facts = body_scan_end(&scan);
    assert(facts.longest_line <= 998 && facts.ends_in_crlf);
    struct header_field field;
    bool found = header_find(buf_slice(b), SLICE("Content-Type"), &field);
    assert(found);
    slice before, boundary, after;
    (void)slice_cut(field.value, '"', &before, &after);
    bool quoted = slice_cut(after, '"', &boundary, &after);
    assert(quoted);
    size_t count = 0;
    slice rest = buf_slice(b);
    for (ptrdiff_t at; (at = slice_find(rest, SLICE("\r\n--"))) >= 0; rest = slice_skip(rest, (size_t)at + 4))
        count += slice_starts(slice_skip(rest, (size_t)at + 4), boundary);
    assert(count == 4);
    slice header = buf_slice(b);
    size_t fields = 0;
    while (header_next(&header, &field))
        fields++;
    assert(slice_starts(header, SLICE("\r\n")) && (fields == 8 || fields == 9));
    assert(!header_find(buf_slice(b), SLICE("Bcc"), &field));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    slice in = slice_of(data + 3, size - 3);
    struct recipient to = {.address = take(&in), .original = take(&in), .orcpt = take(&in)};
    struct dsn_recipient recipients[2] = {{&to, (enum dsn_action)(data[0] % 5), {0}, take(&in), 0, data[1]},
                                          {&to, (enum dsn_action)(data[1] % 5), {0}, SLICE_NONE, data[0], 0}};
    recipients[0].verdict = status_verdict_of_reply((uint16_t)(data[2] * 3), take(&in));
    recipients[1].verdict = status_verdict((enum status)(data[2] % STATUS_COUNT));
    struct dsn_report r = {.hostname = SLICE("mail.example.org"),
                           .postmaster = take(&in),
                           .to = take(&in),
                           .envid = take(&in),
                           .id = data[1],
                           .report_id = 8,
                           .count = data[0] % 3,
                           .recipients = recipients,
                           .original = in,
                           .original_full = (data[2] & 1) != 0,
                           .international = (data[2] & 2) != 0};
    buf b;
    buf_init(&b, (size_t)1 << (10 + data[2] % 12));
    dsn_print(&b, &r);
    if (buf_ok(&b))
        check(&b);
    buf_deinit(&b);
    return 0;
}
