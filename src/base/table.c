/* SPDX-License-Identifier: ISC */
#include "base/table.h"

#include "base/base.h"

#include <assert.h>

#define FIRST_CAPACITY 16

/* Open addressing with linear steps. A place without a value is free (hash 0) or a tombstone (hash 1), over which searches go on. */
struct table_entry {
    uint64_t hash;
    slice key;
    void *value;
};

#define HASH_TOMBSTONE 1

void table_init(struct table *t, struct hash_key key, bool nocase, size_t max_entries)
{
    *t = (struct table){.key = key, .nocase = nocase, .max = max_entries};
}

void table_deinit(struct table *t)
{
    free(t->entries);
    *t = (struct table){0};
}

static uint64_t hash_of(const struct table *t, slice key)
{
    return t->nocase ? hash_siphash_nocase(t->key, key) : hash_siphash(t->key, key);
}

static bool is_free(const struct table_entry *e)
{
    return !e->value && e->hash != HASH_TOMBSTONE;
}

static bool holds(const struct table *t, const struct table_entry *e, uint64_t hash, slice key)
{
    if (!e->value || e->hash != hash)
        return false;
    return t->nocase ? slice_equal_nocase(e->key, key) : slice_equal(e->key, key);
}

static struct table_entry *find(const struct table *t, slice key, uint64_t hash)
{
    if (t->count == 0)
        return NULL;
    size_t mask = t->cap - 1;
    for (size_t at = hash & mask; !is_free(&t->entries[at]); at = (at + 1) & mask) {
        if (holds(t, &t->entries[at], hash, key))
            return &t->entries[at];
    }
    return NULL;
}

void *table_get(const struct table *t, slice key)
{
    if (t->count == 0)
        return NULL;
    const struct table_entry *e = find(t, key, hash_of(t, key));
    return e ? e->value : NULL;
}

static void insert(struct table *t, const struct table_entry *new_entry)
{
    size_t mask = t->cap - 1;
    size_t at = new_entry->hash & mask;
    while (t->entries[at].value)
        at = (at + 1) & mask;
    if (is_free(&t->entries[at]))
        t->used++;
    t->entries[at] = *new_entry;
    t->count++;
}

/* Also sweeps tombstones out: the capacity grows only when it is the living that fill it. */
static bool make_room(struct table *t)
{
    if (t->used < t->cap / 4 * 3)
        return true;
    size_t cap = t->cap == 0 ? FIRST_CAPACITY : t->count >= t->cap / 2 ? t->cap * 2 : t->cap;
    struct table_entry *entries = calloc(cap, sizeof(*entries));
    if (!entries)
        return false;
    struct table old = *t;
    t->entries = entries;
    t->cap = cap;
    t->count = t->used = 0;
    for (size_t i = 0; i < old.cap; i++) {
        if (old.entries[i].value)
            insert(t, &old.entries[i]);
    }
    free(old.entries);
    return true;
}

enum err table_put(struct table *t, slice key, void *value)
{
    assert(value);
    struct table_entry entry = {.hash = hash_of(t, key), .key = key, .value = value};
    struct table_entry *e = find(t, key, entry.hash);
    if (e) {
        *e = entry;
        return ERR_OK;
    }
    if (t->count >= t->max)
        return ERR_LIMIT;
    if (!make_room(t))
        return ERR_NOMEM;
    insert(t, &entry);
    return ERR_OK;
}

void *table_remove(struct table *t, slice key)
{
    struct table_entry *e = t->count == 0 ? NULL : find(t, key, hash_of(t, key));
    if (!e)
        return NULL;
    void *value = e->value;
    size_t next = ((size_t)(e - t->entries) + 1) & (t->cap - 1);
    bool search_ends_here = is_free(&t->entries[next]);
    *e = (struct table_entry){.hash = search_ends_here ? 0 : HASH_TOMBSTONE};
    t->count--;
    if (search_ends_here)
        t->used--;
    return value;
}

bool table_next(const struct table *t, size_t *at, slice *key_r, void **value_r)
{
    for (size_t i = *at; i < t->cap; i++) {
        const struct table_entry *e = &t->entries[i];
        if (!e->value)
            continue;
        *at = i + 1;
        *key_r = e->key;
        *value_r = e->value;
        return true;
    }
    *at = t->cap;
    return false;
}
