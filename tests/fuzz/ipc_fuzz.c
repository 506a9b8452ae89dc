/* SPDX-License-Identifier: ISC */
/* The codec of messages between processes: whatever the bytes, each frame that is taken says the same when it is written and read again,
 * and no frame cut short is taken. */
#include <assert.h>

#include "ipc/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct ipc_message *m, slice frame)
{
    buf b;
    struct ipc_message copy = *m;
    copy.fd = frame.ptr[6] ? 0 : -1;
    buf_init(&b, frame.len + 1);
    ipc_message_encode(&b, &copy);
    assert(buf_ok(&b));
    assert(slice_equal(buf_slice(&b), frame));
    buf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice in = slice_of(data, size);
    struct ipc_message m;
    size_t used;
    while (ipc_message_decode(in, &m, &used) == ERR_OK) {
        slice frame = slice_sub(in, 0, used);
        assert(used > 0 && used <= in.len);
        write_again(&m, frame);
        size_t cut_used;
        assert(ipc_message_decode(slice_sub(in, 0, used - 1), &m, &cut_used) != ERR_OK);
        in = slice_skip(in, used);
    }
    return 0;
}
