/* SPDX-License-Identifier: ISC */
#include "route/aliases.h"

#include "route/alias_lines.h"

#define CONTENT_MAX ((size_t)16 << 20)
#define ENTRIES_MAX 1000000

struct alias_table {
    slice name;
    struct table index;
    struct alias_entry *entries;
    size_t count;
};

static enum err fail(struct alias_error *error_r, uint32_t line, slice text)
{
    *error_r = (struct alias_error){.line = line, .text = text};
    return ERR_SYNTAX;
}

/* The name in front of the colon, and what follows it. */
static enum err read_key(struct arena *arena, slice text, slice *key_r, slice *rest_r)
{
    slice key = SLICE_NONE;
    if (text.len > 0 && text.ptr[0] == '"') {
        size_t end = alias_quoted_end(text);
        if (end == 0)
            return ERR_SYNTAX;
        enum err e = alias_unquote(arena, slice_sub(text, 1, end - 1), &key);
        if (e != ERR_OK)
            return e;
        text = slice_trim(slice_skip(text, end));
        if (text.len == 0 || text.ptr[0] != ':')
            return ERR_SYNTAX;
        *rest_r = slice_skip(text, 1);
    } else if (!slice_cut(text, ':', &key, rest_r)) {
        return ERR_SYNTAX;
    }
    key = slice_trim(key);
    if (key.len == 0 || key.len > 64 || slice_find_char(key, '@') >= 0 || slice_find_char(key, ',') >= 0)
        return ERR_SYNTAX;
    *key_r = key;
    return ERR_OK;
}

static enum err read_entry(struct arena *arena, const struct alias_line *line, struct alias_entry *entry_r,
                           struct alias_error *error_r)
{
    slice rest;
    struct alias_entry entry = {.line = line->number};
    enum err e = read_key(arena, line->text, &entry.key, &rest);
    if (e == ERR_SYNTAX)
        return fail(error_r, line->number, SLICE("expected \"name: target, target\""));
    if (e == ERR_OK)
        e = arena_copy(arena, entry.key, &entry.key);
    struct alias_targets targets = {.arena = arena, .line = line->number};
    if (e == ERR_OK)
        e = alias_targets_read(&targets, rest, error_r);
    if (e != ERR_OK)
        return e;
    if (targets.count == 0)
        return fail(error_r, line->number, SLICE("this alias has no target"));
    entry.targets = targets.targets;
    entry.target_count = targets.count;
    *entry_r = entry;
    return ERR_OK;
}

static enum err add_entry(struct alias_table *table, struct arena *arena, const struct alias_line *line,
                          struct alias_error *error_r)
{
    struct alias_entry *entry = &table->entries[table->count];
    enum err e = read_entry(arena, line, entry, error_r);
    if (e != ERR_OK)
        return e;
    const struct alias_entry *first = table_get(&table->index, entry->key);
    if (first) {
        slice text;
        e = arena_printf(arena, &text, "alias \"%.*s\" is already defined in line %u", SLICE_ARG(entry->key),
                         first->line);
        return e != ERR_OK ? e : fail(error_r, line->number, text);
    }
    e = table_put(&table->index, entry->key, entry);
    if (e == ERR_LIMIT)
        return fail(error_r, line->number, SLICE("more than 1,000,000 aliases"));
    table->count += e == ERR_OK;
    return e;
}

enum err alias_table_parse(struct arena *arena, struct alias_source source, struct hash_key key,
                           struct alias_table **table_r, struct alias_error *error_r)
{
    if (source.content.len > CONTENT_MAX)
        return fail(error_r, 1, SLICE("file is larger than 16 MiB"));
    struct alias_table *table = arena_alloc(arena, sizeof(*table));
    if (!table || arena_copy(arena, source.name, &table->name) != ERR_OK)
        return ERR_NOMEM;
    table->entries = arena_array(arena, alias_lines_count(source.content), sizeof(*table->entries));
    if (!table->entries)
        return ERR_NOMEM;
    table_init(&table->index, key, true, ENTRIES_MAX);
    struct alias_lines lines = {.rest = source.content, .arena = arena};
    struct alias_line line;
    enum err e;
    while ((e = alias_lines_next(&lines, &line, error_r)) == ERR_OK) {
        e = add_entry(table, arena, &line, error_r);
        if (e != ERR_OK)
            break;
    }
    if (e != ERR_NOTFOUND) {
        alias_table_free(table);
        return e;
    }
    *table_r = table;
    return ERR_OK;
}

enum err alias_include_parse(struct arena *arena, slice content, struct alias_target **targets_r, uint32_t *count_r,
                             struct alias_error *error_r)
{
    if (content.len > CONTENT_MAX)
        return fail(error_r, 1, SLICE("file is larger than 16 MiB"));
    struct alias_targets targets = {.arena = arena};
    while (content.len > 0) {
        slice text;
        slice_cut(content, '\n', &text, &content);
        targets.line++;
        text = slice_trim(alias_line_without_comment(text));
        if (text.len == 0)
            continue;
        enum err e = alias_targets_read(&targets, text, error_r);
        if (e != ERR_OK)
            return e;
    }
    *targets_r = targets.targets;
    *count_r = targets.count;
    return ERR_OK;
}

enum err alias_entry_splice(struct arena *arena, struct alias_entry *entry, uint32_t index,
                            const struct alias_target *targets, uint32_t count)
{
    if (index >= entry->target_count)
        return ERR_NOTFOUND;
    size_t total = (size_t)entry->target_count - 1 + count;
    if (total > UINT32_MAX)
        return ERR_LIMIT;
    struct alias_target *joined = arena_array(arena, total, sizeof(*joined));
    if (!joined)
        return ERR_NOMEM;
    memcpy(joined, entry->targets, index * sizeof(*joined));
    if (count > 0)
        memcpy(joined + index, targets, count * sizeof(*joined));
    memcpy(joined + index + count, entry->targets + index + 1, (entry->target_count - index - 1) * sizeof(*joined));
    entry->targets = joined;
    entry->target_count = (uint32_t)total;
    return ERR_OK;
}

void alias_table_free(struct alias_table *table)
{
    if (table)
        table_deinit(&table->index);
}

slice alias_table_name(const struct alias_table *table)
{
    return table->name;
}

struct alias_entry *alias_table_find(const struct alias_table *table, slice key)
{
    return table_get(&table->index, key);
}

struct alias_entry *alias_table_at(const struct alias_table *table, size_t i)
{
    return i < table->count ? &table->entries[i] : NULL;
}
