/* SPDX-License-Identifier: ISC */
#include "cmd/init.h"

static struct init_item *add(struct init_plan *p, enum init_kind kind, slice path, unsigned mode)
{
    struct init_item *i = &p->items[p->count++];
    *i = (struct init_item){.kind = kind, .path = path, .mode = mode};
    return i;
}

static enum err add_text(struct init_plan *p, const struct init *n, struct arena *arena, slice path,
                         void (*print)(const struct init *n, buf *out))
{
    buf text;
    buf_init(&text, INIT_TEXT_MAX);
    print(n, &text);
    struct init_item *i = add(p, INIT_FILE, path, 0644);
    enum err e = buf_ok(&text) ? arena_copy(arena, buf_slice(&text), &i->content) : ERR_LIMIT;
    buf_deinit(&text);
    return e;
}

static enum err fill_server(const struct init *n, struct init_plan *p, struct arena *arena)
{
    slice accounts, mailboxes;
    if (!n->words.cert) {
        add(p, INIT_FOLDER, os_path_parent(n->cert), 0755);
        add(p, INIT_FILE, n->cert, 0644);
        add(p, INIT_FILE, n->key, 0600)->secret = true;
    }
    enum err e = arena_printf(arena, &accounts, "%.*s/accounts.db", SLICE_ARG(n->state_dir));
    if (e == ERR_OK)
        e = arena_printf(arena, &mailboxes, "%.*s/%.*s", SLICE_ARG(n->mail_dir), SLICE_ARG(n->domain));
    if (e != ERR_OK)
        return e;
    add(p, INIT_FOLDER, mailboxes, 0750)->owned = true;
    if (n->local.len > 0)
        add(p, INIT_ABSENT, accounts, 0);
    return add_text(p, n, arena, n->aliases, init_text_aliases);
}

int init_plan_fill(const struct init *n, struct init_plan *p, struct arena *arena)
{
    enum err e = ERR_OK;
    *p = (struct init_plan){.count = 0};
    add(p, INIT_FOLDER, n->conf_folder, 0755);
    add(p, INIT_FOLDER, n->state_dir, 0711)->owned = true;
    if (!n->words.null_client)
        e = fill_server(n, p, arena);
    else if (n->relay_login.len > 0)
        add(p, INIT_FILE, n->password_file, 0600)->secret = true;
    if (e == ERR_OK)
        e = add_text(p, n, arena, n->conf_path, init_text_conf);
    if (e != ERR_OK)
        command_say("%s", err_text(e));
    return e == ERR_OK ? 0 : EX_OSERR;
}

struct init_item *init_plan_find(struct init_plan *p, slice path)
{
    for (size_t i = 0; i < p->count; i++)
        if (slice_equal(p->items[i].path, path))
            return &p->items[i];
    return NULL;
}

/* Of the nearest folder that is there. */
static enum err writable(slice path)
{
    struct os_file_stamp stamp;
    enum err e;
    while ((e = os_file_stamp(AT_FDCWD, path, true, &stamp)) == ERR_NOTFOUND && path.len > 1)
        path = os_path_parent(path);
    if (e == ERR_OK && !stamp.is_dir)
        return ERR_EXISTS;
    return e == ERR_OK && !os_writable(path) ? ERR_PERMISSION : e;
}

static bool is_free(const struct init_item *i)
{
    struct os_file_stamp stamp;
    enum err e = os_file_stamp(AT_FDCWD, i->path, i->kind == INIT_FOLDER, &stamp);
    if (e == ERR_OK && i->kind == INIT_FOLDER && stamp.is_dir)
        return true;
    if (e == ERR_OK) {
        command_say("%.*s is there already%s", SLICE_ARG(i->path), i->kind == INIT_FOLDER ? ", and is no folder" : "");
        return false;
    }
    if (e == ERR_NOTFOUND)
        e = writable(os_path_parent(i->path));
    if (e != ERR_OK)
        command_say("%.*s cannot be made: %s", SLICE_ARG(i->path),
                    e == ERR_EXISTS ? "a part of its path is no folder" : err_text(e));
    return e == ERR_OK;
}

int init_plan_check(const struct init_plan *p)
{
    bool good = true;
    for (size_t i = 0; i < p->count; i++)
        good = is_free(&p->items[i]) && good;
    if (good)
        return 0;
    command_say("nothing was changed: `thurn init` never overwrites anything");
    return EX_CANTCREAT;
}

void init_plan_print(const struct init_plan *p, buf *out)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct init_item *item = &p->items[i];
        if (item->kind == INIT_ABSENT)
            continue;
        buf_append(out, SLICE("# "));
        buf_append_escaped(out, item->path);
        buf_printf(out, "%s (mode %04o)\n", item->kind == INIT_FOLDER ? "/" : "", item->mode);
        buf_append(out, item->content);
        if (item->content.len > 0)
            buf_append_char(out, '\n');
    }
}
