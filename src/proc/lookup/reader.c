/* SPDX-License-Identifier: ISC */
#include "proc/lookup/reader.h"

enum err reader_init(struct reader *r, slice state_dir)
{
    buf path;
    buf_init_fixed(&path, r->memory, sizeof r->memory);
    enum err e = child_accounts_path(state_dir, &path);
    r->path = buf_slice(&path);
    return e;
}

enum err reader_store(struct reader *r, struct store **store_r)
{
    char memory[512];
    buf why;
    enum err e = ERR_OK;
    if (!r->store) {
        buf_init_fixed(&why, memory, sizeof memory);
        e = store_open(r->path, false, &r->store, &why);
        if (e != ERR_OK && e != ERR_NOTFOUND && r->complained != e)
            log_line(LOG_ERROR, "accounts \"%.*s\": %.*s", SLICE_ARG(r->path), SLICE_ARG(buf_slice(&why)));
        r->complained = e;
        if (e == ERR_OK)
            store_hash_with(r->store, r->hash);
    }
    if (e == ERR_OK)
        *store_r = r->store;
    return e;
}

void reader_close(struct reader *r)
{
    store_close(&r->store);
}
