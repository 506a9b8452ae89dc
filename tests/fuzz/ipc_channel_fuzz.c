/* SPDX-License-Identifier: ISC */
/* A channel to a process that has been taken over: of what it writes only messages come through that its kind may send to ours, and after the first other one nothing.
 * Input: a byte for the two kinds; pieces, each with its length in a byte before it (a descriptor goes along with every other one). */
#include <assert.h>
#include <unistd.h>

#include "ipc/ipc.h"
#include "os/os.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct ends {
    enum process_kind self, peer;
    bool refused;
};

static void on_message(void *ctx, const struct ipc_message *m)
{
    const struct ends *e = ctx;
    int fd = m->fd;
    assert(!e->refused);
    assert(ipc_message_permitted(m->type, e->peer, e->self));
    assert(fd < 0 || ipc_message_takes_fd(m->type));
    os_close(&fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    struct ipc_channel *c = NULL;
    if (size < 2 || socket_pair(pair) != ERR_OK)
        return 0;
    struct ends ends = {(enum process_kind)(data[0] % PROCESS_KIND_COUNT),
                        (enum process_kind)(data[0] / 16 % PROCESS_KIND_COUNT), false};
    if (ipc_channel_open(pair[0], ends.self, ends.peer, &c) != ERR_OK)
        abort();
    slice rest = slice_of(data + 1, size - 1);
    while (rest.len > 1) {
        size_t len = (unsigned char)rest.ptr[0], sent = 0;
        slice piece = slice_sub(rest, 1, 1 + len);
        rest = slice_skip(rest, 1 + len);
        if (piece.len == 0)
            continue;
        if (socket_send_fd(pair[1], piece, len & 1 ? 0 : -1, &sent) != ERR_OK)
            break;
        enum err e = ipc_channel_read(c, on_message, &ends);
        ends.refused = e != ERR_OK && e != ERR_AGAIN;
        if (ends.refused)
            break;
    }
    ipc_channel_close(&c);
    os_close(&pair[1]);
    return 0;
}
