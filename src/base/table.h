/* SPDX-License-Identifier: ISC */
/* A hash table from a slice (compared without regard to ASCII case, or exactly) to a pointer. The table owns neither keys nor values: keys
 * must live as long as their entry. It grows with its content up to a maximum; deletion is cheap. Iteration order is arbitrary.
 * Safe against chosen keys through its hash key. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "base/hash.h"
#include "base/slice.h"

struct table_entry;

struct table {
    struct table_entry *entries;
    size_t count, cap, used; /* used counts tombstones too */
    size_t max;
    struct hash_key key;
    bool nocase;
};

void table_init(struct table *t, struct hash_key key, bool nocase, size_t max_entries);
void table_deinit(struct table *t);
/* NULL when absent. */
void *table_get(const struct table *t, slice key);
/* Adds, or replaces key and value; value is not NULL. ERR_NOMEM, ERR_LIMIT at the maximum. */
must_check enum err table_put(struct table *t, slice key, void *value);
/* The value that was there, or NULL. */
void *table_remove(struct table *t, slice key);
/* The next entry from *at (0 to begin); false at the end. No change of the table meanwhile. */
bool table_next(const struct table *t, size_t *at, slice *key_r, void **value_r);

#endif
