/* SPDX-License-Identifier: ISC */
/* Any bytes as a header of the PROXY protocol: whole, byte by byte and cut anywhere, the same answer, the same addresses, and the same bytes left over;
 * a header is never longer than its limit. */
#include "smtp/smtp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum smtp_proxy_result result;
    size_t used;
    struct smtp_proxy_addresses addresses;
};

static struct outcome run(slice in, size_t first, size_t piece)
{
    struct smtp_proxy_reader r;
    struct outcome o = {.result = SMTP_PROXY_MORE};
    smtp_proxy_init(&r);
    while (in.len > 0 && o.result == SMTP_PROXY_MORE) {
        size_t used = 0;
        slice part = slice_sub(in, 0, o.used == 0 ? first : piece);
        o.result = smtp_proxy_read(&r, part, &used, &o.addresses);
        if (used > part.len || (o.result == SMTP_PROXY_MORE && used != part.len))
            abort();
        o.used += used;
        in = slice_skip(in, used);
    }
    smtp_proxy_deinit(&r);
    return o;
}

static void compare(const struct outcome *a, const struct outcome *b)
{
    if (a->result != b->result)
        abort();
    bool over = a->result == SMTP_PROXY_LOCAL || a->result == SMTP_PROXY_ADDRESSES;
    if (over && (a->used != b->used || a->used > SMTP_PROXY_V2_MAX))
        abort();
    if (a->result == SMTP_PROXY_ADDRESSES && memcmp(&a->addresses, &b->addresses, sizeof a->addresses) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice in = slice_of(data, size);
    if (size == 0 || size > 1024)
        return 0;
    struct outcome whole = run(in, size, size);
    struct outcome cut = run(in, 1, 1);
    compare(&whole, &cut);
    for (size_t i = 1; i < size; i += size / 40 + 1) {
        cut = run(in, i, size);
        compare(&whole, &cut);
    }
    return 0;
}
