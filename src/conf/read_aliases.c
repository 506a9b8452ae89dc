/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

#define FILE_MAX ((size_t)16 << 20)
#define TABLES_MAX 1000
#define INCLUDE_DEPTH_MAX 8
/* Included targets of one table: a file that includes another ten times is cheap to write. */
#define INCLUDED_MAX 1000000
#define OTHERS_WRITE 0022
#define OTHERS_READ 0004
#define ERROR_MAX 1024
#define KEY_SHOWN 64
#define USER_MAX (64u * 1024)

struct include_work {
    struct reader *r;
    struct toml_place place;
    slice table;
    const struct alias_entry *entry;
    size_t included;
};

static struct alias_table *find_table(struct reader *r, slice path)
{
    struct conf *c = r->conf;
    for (size_t i = 0; i < c->alias_table_count; i++) {
        if (slice_equal(alias_table_name(c->alias_tables[i]), path))
            return c->alias_tables[i];
    }
    return NULL;
}

/* Root's, the server's or our own, and nobody else writes to it. */
static bool is_ours(const struct reader *r, const struct os_file_stamp *file)
{
    struct arena arena;
    struct os_user server;
    arena_init(&arena, USER_MAX);
    bool ours = file->uid == 0 || file->uid == os_uid() ||
                (os_user_by_name(r->conf->user, &arena, &server) == ERR_OK && server.uid == file->uid);
    arena_deinit(&arena);
    return ours && !(file->mode & OTHERS_WRITE);
}

/* Commands and files of aliases are run and written as the server's user. Lists are often left to users, who must not become that one by them. */
static bool may_hold(struct include_work *w, slice path, const struct alias_target *targets, uint32_t count)
{
    bool harmless = true;
    for (uint32_t i = 0; i < count; i++)
        harmless = harmless && targets[i].kind != ALIAS_PIPE && targets[i].kind != ALIAS_FILE;
    if (harmless || is_ours(w->r, &w->r->read))
        return true;
    messages_error_in(
        &w->r->m, w->place, path, 0,
        SLICE("commands and files may only stand in an included file that belongs to root or to the server's "
              "user, and that nobody else may write to"));
    return false;
}

/* Who keeps the list knows neither who includes it nor what stops the reload. It is read as root, and may include what its owner cannot read: what is in a file that is not
 * open to all does not go to the log. */
static void say_wrong(struct include_work *w, slice path, const struct alias_error *error)
{
    struct reader *r = w->r;
    char memory[ERROR_MAX];
    buf b;
    slice text;
    bool closed = !(r->read.mode & OTHERS_READ) && error->why.len > 0;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_append(&b, closed ? error->why : error->text);
    buf_printf(&b, "; mend the line, or put a # before it (alias \"%.*s\" includes it, %.*s:%u)",
               SLICE_ARG(slice_sub(w->entry->key, 0, KEY_SHOWN)), SLICE_ARG(w->table), w->entry->line);
    if (arena_copy(r->arena, buf_slice(&b), &text) == ERR_OK)
        messages_error_in(&r->m, w->place, path, error->line, text);
    else
        r->m.out_of_memory = true;
}

/* An include that cannot be read is an error of the line that names it. */
static bool read_include(struct include_work *w, slice path, struct alias_target **targets_r, uint32_t *count_r)
{
    struct reader *r = w->r;
    struct alias_error error;
    slice content;
    if (!reader_file(r, w->place, path, FILE_MAX, &content)) {
        slice text = reader_join(r, SLICE(":include:"), "", path);
        messages_error_in(&r->m, w->place, w->table, w->entry->line,
                          reader_join(r, text, "", SLICE(" cannot be read")));
        return false;
    }
    enum err e = alias_include_parse(r->arena, content, targets_r, count_r, &error);
    if (e == ERR_SYNTAX)
        say_wrong(w, path, &error);
    r->m.out_of_memory = r->m.out_of_memory || e == ERR_NOMEM;
    return e == ERR_OK && may_hold(w, path, *targets_r, *count_r);
}

/* Replaces the includes of an entry by what is in them, and theirs in turn: a file that includes itself is met again at the same index,
 * and ends at the depth. */
static void splice_entry(struct include_work *w, struct alias_entry *entry)
{
    unsigned depth = 0;
    uint32_t nested_until = 0;
    for (uint32_t i = 0; i < entry->target_count;) {
        struct alias_target *targets;
        uint32_t count;
        if (entry->targets[i].kind != ALIAS_INCLUDE) {
            i++;
            continue;
        }
        depth = i < nested_until ? depth + 1 : 1;
        slice path = entry->targets[i].text;
        if (depth > INCLUDE_DEPTH_MAX || w->included > INCLUDED_MAX) {
            messages_error_in(&w->r->m, w->place, w->table, entry->line, SLICE("includes are nested too deep"));
            return;
        }
        if (!read_include(w, path, &targets, &count))
            return;
        w->included += count + 1;
        if (alias_entry_splice(w->r->arena, entry, i, targets, count) != ERR_OK) {
            w->r->m.out_of_memory = true;
            return;
        }
        nested_until = i + count;
    }
}

/* The content with its keys in normal form C, as receivers look them up. Paths and commands stay as they are written. */
static slice normal_keys(struct reader *r, slice content)
{
    buf out;
    slice line, rest = content;
    if (slice_is_ascii(content))
        return content;
    buf_init(&out, 4 * FILE_MAX);
    for (bool more = true; more;) {
        more = slice_cut(rest, '\n', &line, &rest);
        ptrdiff_t colon = line.len > 0 && line.ptr[0] != ' ' && line.ptr[0] != '\t' && line.ptr[0] != '#'
                              ? slice_find_char(line, ':')
                              : -1;
        slice key = slice_sub(line, 0, colon > 0 ? (size_t)colon : 0);
        if (slice_is_ascii(key) || idna_normalize(key, &out) != ERR_OK)
            buf_append(&out, key);
        buf_append(&out, slice_skip(line, key.len));
        buf_append(&out, more ? SLICE("\n") : SLICE_NONE);
    }
    bool kept = buf_ok(&out) && arena_copy(r->arena, buf_slice(&out), &content) == ERR_OK;
    r->m.out_of_memory = r->m.out_of_memory || !kept;
    buf_deinit(&out);
    return content;
}

/* An address has its domain in A-labels and its local part in normal form C, as everywhere; other targets stay as they are written. */
static void store_normal(struct include_work *w, struct alias_target *target)
{
    if (target->kind != ALIAS_ADDRESS && target->kind != ALIAS_LOCAL_FINAL)
        return;
    if (!slice_is_ascii(target->text))
        target->text = reader_normal(w->r, target->text);
    ptrdiff_t at = slice_rfind_char(target->text, '@');
    slice domain = slice_skip(target->text, (size_t)at + 1);
    if (at < 0)
        return;
    slice ascii = reader_ascii(w->r, domain);
    if (ascii.len == 0)
        messages_error_in(&w->r->m, w->place, w->table, w->entry->line,
                          reader_join(w->r, target->text, "", SLICE(": its domain is not a valid name")));
    else if (!slice_equal_nocase(ascii, domain))
        target->text = reader_join(w->r, slice_sub(target->text, 0, (size_t)at), "@", ascii);
}

static void splice_all(struct reader *r, struct toml_place place, struct alias_table *table)
{
    struct include_work w = {.r = r, .place = place, .table = alias_table_name(table)};
    struct alias_entry *entry;
    for (size_t i = 0; (entry = alias_table_at(table, i)) != NULL; i++) {
        w.entry = entry;
        splice_entry(&w, entry);
        for (uint32_t k = 0; k < entry->target_count; k++)
            store_normal(&w, &entry->targets[k]);
    }
}

static void keep(struct reader *r, struct alias_table *table)
{
    struct conf *c = r->conf;
    if (!c->alias_tables)
        c->alias_tables = reader_array(r, TABLES_MAX, sizeof(struct alias_table *));
    if (c->alias_tables && c->alias_table_count < TABLES_MAX)
        c->alias_tables[c->alias_table_count++] = table;
    else
        alias_table_free(table);
}

const struct alias_table *read_aliases(struct reader *r, struct toml_place place, slice path)
{
    struct alias_table *table = find_table(r, path);
    struct alias_error error;
    slice content;
    if (table)
        return table;
    if (r->conf->alias_table_count == TABLES_MAX) {
        messages_error(&r->m, place, "more than %d files of aliases", TABLES_MAX);
        return NULL;
    }
    if (!reader_file(r, place, path, FILE_MAX, &content))
        return NULL;
    struct alias_source source = {path, normal_keys(r, content)};
    enum err e = alias_table_parse(r->arena, source, (struct hash_key){0}, &table, &error);
    if (e == ERR_SYNTAX)
        messages_error_in(&r->m, place, path, error.line, error.text);
    r->m.out_of_memory = r->m.out_of_memory || (e != ERR_OK && e != ERR_SYNTAX);
    if (e != ERR_OK)
        return NULL;
    size_t before = r->conf->alias_table_count;
    keep(r, table);
    if (r->conf->alias_table_count == before)
        return NULL;
    splice_all(r, place, table);
    return table;
}
