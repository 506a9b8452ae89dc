/* SPDX-License-Identifier: ISC */
#include <assert.h>

#include "store/store.h"

/* A password file of any content: a hash that is found is one of crypt(3) or argon2id, in the file, on one line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice content = slice_of(data, size);
    slice hash = store_file_find(content, SLICE("a"));
    if (hash.len == 0)
        return 0;
    assert(hash.ptr >= content.ptr && hash.ptr + hash.len <= content.ptr + size);
    assert(hash.ptr[0] == '$' && hash.len < 384);
    assert(slice_find_char(hash, ':') < 0 && slice_find_char(hash, '\n') < 0 && slice_find_char(hash, 0) < 0);
    return 0;
}
