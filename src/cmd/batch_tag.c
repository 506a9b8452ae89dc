/* SPDX-License-Identifier: ISC */
#include "cmd/batch_tag.h"

#define TAG_MAX 80

static enum err find(const struct batch_server *s, slice job, const struct batch_doubt *d,
                     uint64_t ids[BATCH_SERVER_IDS_MAX], size_t *count_r)
{
    char memory[TAG_MAX];
    buf tag;
    buf_init_fixed(&tag, memory, sizeof memory);
    buf_printf(&tag, "%.*s/%llu", SLICE_ARG(job), (unsigned long long)d->line);
    if (d->report > 0)
        buf_printf(&tag, ".%llu", (unsigned long long)d->report);
    return s->find(s->ctx, buf_slice(&tag), ids, count_r);
}

enum err batch_tag_purge(const struct batch_server *s, slice job, const struct batch_doubt *d)
{
    uint64_t ids[BATCH_SERVER_IDS_MAX];
    size_t count = 0;
    enum err e = find(s, job, d, ids, &count);
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        if (ids[i] != d->id)
            e = s->remove(s->ctx, ids[i]);
        if (e == ERR_NOTFOUND)
            e = ERR_OK;
    }
    return e;
}

enum err batch_tag_release(const struct batch_server *s, slice job, const struct batch_doubt *d)
{
    uint64_t ids[BATCH_SERVER_IDS_MAX];
    size_t count = 0;
    enum err e = find(s, job, d, ids, &count);
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        if (ids[i] == d->id)
            return s->release(s->ctx, d->id, false);
    }
    return e == ERR_OK ? ERR_NOTFOUND : e;
}
