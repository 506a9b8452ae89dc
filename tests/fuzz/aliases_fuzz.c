/* SPDX-License-Identifier: ISC */
#include <assert.h>

#include "route/route.h"

/* An aliases file: a table in which every entry is found by its name, or an error with a line; and the same bytes as an include. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_table(const struct alias_table *table)
{
    for (size_t i = 0; alias_table_at(table, i); i++) {
        const struct alias_entry *entry = alias_table_at(table, i);
        assert(alias_table_find(table, entry->key) == entry);
        assert(entry->target_count > 0 && entry->line > 0);
        for (uint32_t k = 0; k < entry->target_count; k++)
            assert(entry->targets[k].text.len > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct alias_error error = {0};
    struct alias_table *table;
    struct alias_target *targets;
    uint32_t count;
    arena_init(&arena, 64 << 20);
    struct alias_source source = {SLICE("/etc/aliases"), slice_of(data, size)};
    enum err e = alias_table_parse(&arena, source, (struct hash_key){1, 2}, &table, &error);
    if (e == ERR_OK) {
        check_table(table);
        struct alias_entry *first = alias_table_at(table, 0);
        if (first && alias_include_parse(&arena, source.content, &targets, &count, &error) == ERR_OK) {
            uint32_t before = first->target_count;
            assert(alias_entry_splice(&arena, first, before - 1, targets, count) == ERR_OK);
            assert(first->target_count == before - 1 + count);
        }
        alias_table_free(table);
    } else {
        assert(e == ERR_SYNTAX && error.line > 0 && error.text.len > 0);
    }
    arena_deinit(&arena);
    return 0;
}
