/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include "conf/message.h"

#define KEY_MAX 1024

void conf_finding_print(const struct conf_finding *f, buf *out)
{
    static const char *const labels[] = {[CONF_ERROR] = "error", [CONF_WARNING] = "warning", [CONF_NOTE] = "note"};
    buf_append(out, f->file);
    if (f->line > 0)
        buf_printf(out, ":%u", f->line);
    if (f->line > 0 && f->column > 0)
        buf_printf(out, ":%u", f->column);
    buf_printf(out, ": %s: %.*s\n", labels[f->severity], SLICE_ARG(f->text));
}

static bool is_bare(slice key)
{
    for (size_t i = 0; i < key.len; i++)
        if (!ascii_is_alpha(key.ptr[i]) && !ascii_is_digit(key.ptr[i]) && key.ptr[i] != '-' && key.ptr[i] != '_')
            return false;
    return key.len > 0;
}

static void append_key(buf *path, slice key)
{
    if (path->len > 0)
        buf_append_char(path, '.');
    if (is_bare(key))
        buf_append(path, key);
    else
        buf_append_json(path, key);
}

static bool is_at(struct toml_place a, struct toml_place b)
{
    return a.line == b.line && a.column == b.column;
}

/* Appends the path of the key that is at the place, or whose value or element is; false and nothing where there is none. */
static bool find_key(const struct toml_node *node, struct toml_place place, buf *path, int depth)
{
    for (const struct toml_node *n = node->first; n && depth < TOML_DEPTH_MAX; n = n->next) {
        size_t before = path->len;
        if (n->key)
            append_key(path, slice_of(n->key, n->key_len));
        bool here = is_at(n->place, place) || (n->key && is_at(n->key_place, place));
        if (here || find_key(n, place, path, depth + 1))
            return true;
        path->len = before;
    }
    return false;
}

void messages_tell(struct messages *m, const struct toml_node *root, const struct conf_sink *sink)
{
    messages_sort(m);
    for (size_t i = 0; i < m->count; i++) {
        const struct message *message = &m->list[i];
        char key_memory[KEY_MAX];
        buf key;
        bool other = message->file.len > 0;
        buf_init_fixed(&key, key_memory, sizeof key_memory);
        if (root)
            (void)find_key(root, message->place, &key, 0);
        const struct conf_finding f = {.severity = message->is_warning ? CONF_WARNING : CONF_ERROR,
                                       .file = other ? message->file : m->path,
                                       .line = other ? message->line : message->place.line,
                                       .column = other ? 0 : message->place.column,
                                       .key = buf_slice(&key),
                                       .text = message->text};
        sink->take(sink->ctx, &f);
    }
}
