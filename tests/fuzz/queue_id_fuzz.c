/* SPDX-License-Identifier: ISC */
/* Queue ids as they come from people and file names: what reads is the one id that is written so. */
#include "mail/mail.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char canonical(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    return c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice in = slice_of(data, size);
    char text[QUEUE_ID_TEXT_MAX];
    uint64_t id;
    if (queue_id_read(in, &id) == ERR_OK) {
        size_t len = queue_id_write(text, id);
        assert(len == in.len);
        for (size_t i = 0; i < len; i++)
            assert(text[i] == canonical(in.ptr[i]));
    }
    if (size >= 8) {
        uint64_t want = get_u64(data);
        enum err e = queue_id_read(slice_of(text, queue_id_write(text, want)), &id);
        assert(e == ERR_OK && id == want);
    }
    return 0;
}
