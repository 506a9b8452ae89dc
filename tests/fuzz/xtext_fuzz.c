/* SPDX-License-Identifier: ISC */
/* Any bytes as xtext and as ORCPT: what is taken is clean text, and comes back the same when it is written and read again. */
#include "mail/mail.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_clean(slice text)
{
    while (text.len > 0) {
        size_t len = slice_utf8_len(text);
        if (len == 0 || (unsigned char)text.ptr[0] < 0x20 || text.ptr[0] == 0x7f)
            abort();
        text = slice_skip(text, len);
    }
}

static void check_xtext(slice in)
{
    buf plain, coded, again;
    buf_init(&plain, 8192);
    buf_init(&coded, 32768);
    buf_init(&again, 8192);
    xtext_encode(&coded, in);
    if (xtext_decode(&plain, in) == ERR_OK) {
        check_clean(buf_slice(&plain));
        buf_clear(&coded);
        xtext_encode(&coded, buf_slice(&plain));
        if (xtext_decode(&again, buf_slice(&coded)) != ERR_OK || !slice_equal(buf_slice(&again), buf_slice(&plain)))
            abort();
    } else if (plain.len > 0) {
        abort();
    }
    buf_deinit(&plain);
    buf_deinit(&coded);
    buf_deinit(&again);
}

static void check_orcpt(slice in, bool utf8)
{
    buf plain, coded, again;
    buf_init(&plain, 8192);
    buf_init(&coded, 65536);
    buf_init(&again, 8192);
    if (xtext_decode_orcpt(&plain, in, utf8) == ERR_OK) {
        check_clean(buf_slice(&plain));
        for (int way = 0; way < 2; way++) {
            buf_clear(&coded);
            buf_clear(&again);
            xtext_encode_orcpt(&coded, buf_slice(&plain), way);
            if (xtext_decode_orcpt(&again, buf_slice(&coded), way) != ERR_OK ||
                !slice_equal(buf_slice(&again), buf_slice(&plain)))
                abort();
        }
    } else if (plain.len > 0) {
        abort();
    }
    buf_deinit(&plain);
    buf_deinit(&coded);
    buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    slice in = slice_of(data, size);
    check_xtext(in);
    check_orcpt(in, false);
    check_orcpt(in, true);
    return 0;
}
