/* SPDX-License-Identifier: ISC */
/* A command line of sendmail, its words divided by line ends: what is refused is told why, and what is taken has all its words inside of the input. */
#include <assert.h>

#include "cmd/sendmail_options.h"

#define WORDS_MAX 64
#define SIZE_MAX_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char memory[SIZE_MAX_BYTES + 1], said[512], name[] = "sendmail", *argv[WORDS_MAX] = {name};
    const char *words[WORDS_MAX];
    int argc = 1;
    buf wrong;
    if (size < 1 || size > SIZE_MAX_BYTES)
        return 0;
    memcpy(memory, data, size);
    memory[size] = 0;
    for (char *at = memory + 1; at && argc < WORDS_MAX; argc++) {
        char *end = strchr(at, '\n');
        if (end)
            *end = 0;
        argv[argc] = at;
        at = end ? end + 1 : NULL;
    }
    struct sendmail_options o = {.by_name = data[0] & 1, .words = words};
    buf_init_fixed(&wrong, said, sizeof said);
    bool good = sendmail_options_read(&o, argc, argv, &wrong);
    assert(good || wrong.len > 0 || wrong.failed);
    assert(o.word_count < (size_t)argc && (!o.conf_path || !o.by_name));
    for (size_t i = 0; i < o.word_count; i++)
        assert(words[i] > memory && words[i] <= memory + size);
    assert(!o.from || (o.from > memory && o.from <= memory + size));
    assert(!(o.notify & NOTIFY_NEVER) || o.notify == NOTIFY_NEVER);
    assert((o.flags & (ENVELOPE_RET_FULL | ENVELOPE_RET_HDRS)) != (ENVELOPE_RET_FULL | ENVELOPE_RET_HDRS));
    return 0;
}
