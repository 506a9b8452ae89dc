/* SPDX-License-Identifier: ISC */
/* A line of `thurn explain --batch`: what is refused is told why, and leaves nothing behind; what is taken has a recipient, and all its texts are the arena's. Input: the line. */
#include <assert.h>

#include "cmd/explain_batch.h"

#define ARENA_BYTES (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads each byte that it is given, so that a sanitizer sees where it lies. */
static unsigned sum(slice s)
{
    unsigned total = 0;
    for (size_t i = 0; i < s.len; i++)
        total += (unsigned char)s.ptr[i];
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct explain_question q = {.from = SLICE("a@b.example")};
    char memory[256];
    buf why;
    buf_init_fixed(&why, memory, sizeof memory);
    arena_init(&arena, ARENA_BYTES);
    enum err e = explain_batch_read(slice_of(data, size), &arena, &q, &why);
    const slice texts[] = {q.to, q.from, q.ip, q.user, q.helo, q.listener, q.tls, q.mail};
    for (size_t i = 0; e == ERR_OK && i < sizeof texts / sizeof texts[0]; i++)
        assert(sum(texts[i]) < UINT32_MAX && texts[i].len <= size + sizeof "a@b.example");
    assert(e != ERR_OK || q.to.len > 0);
    assert(e != ERR_SYNTAX || why.len > 0 || !buf_ok(&why));
    assert(q.from_given || slice_equal(q.from, SLICE("a@b.example")));
    arena_deinit(&arena);
    return 0;
}
