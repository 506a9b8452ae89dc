/* SPDX-License-Identifier: ISC */
#include "sched/reason.h"

#define REASON_MAX 512

struct reason {
    char *text;
    uint32_t len;
    uint32_t users;
};

void reasons_init(struct reasons *r, struct hash_key key)
{
    slab_init(&r->slab, sizeof(struct reason));
    table_init(&r->by_text, key, false, UINT32_MAX / 2);
}

void reasons_deinit(struct reasons *r)
{
    size_t at = 0;
    slice key;
    void *value;
    while (table_next(&r->by_text, &at, &key, &value))
        memory_free(((struct reason *)slab_at(&r->slab, (uint32_t)(uintptr_t)value))->text);
    table_deinit(&r->by_text);
    slab_deinit(&r->slab);
}

uint32_t reasons_take(struct reasons *r, slice text)
{
    text = slice_sub(text, 0, REASON_MAX);
    if (text.len == 0)
        return 0;
    uint32_t handle = (uint32_t)(uintptr_t)table_get(&r->by_text, text);
    if (handle) {
        ((struct reason *)slab_at(&r->slab, handle))->users++;
        return handle;
    }
    handle = slab_alloc(&r->slab);
    char *copy = handle ? memory_alloc(text.len) : NULL;
    if (!copy) {
        if (handle)
            slab_free(&r->slab, handle);
        return 0;
    }
    memcpy(copy, text.ptr, text.len);
    struct reason *reason = slab_at(&r->slab, handle);
    *reason = (struct reason){.text = copy, .len = (uint32_t)text.len, .users = 1};
    if (table_put(&r->by_text, slice_of(copy, text.len), (void *)(uintptr_t)handle) != ERR_OK) {
        memory_free(copy);
        slab_free(&r->slab, handle);
        return 0;
    }
    return handle;
}

void reasons_drop(struct reasons *r, uint32_t handle)
{
    if (!handle)
        return;
    struct reason *reason = slab_at(&r->slab, handle);
    if (--reason->users > 0)
        return;
    (void)table_remove(&r->by_text, slice_of(reason->text, reason->len));
    memory_free(reason->text);
    slab_free(&r->slab, handle);
}

slice reasons_text(const struct reasons *r, uint32_t handle)
{
    if (!handle)
        return SLICE_NONE;
    const struct reason *reason = slab_at(&r->slab, handle);
    return slice_of(reason->text, reason->len);
}
