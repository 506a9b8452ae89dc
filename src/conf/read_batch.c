/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

/* A key's default is in the option table; this is for absent arrays, which have no node. */
static const slice default_allow[] = {{"root", 4}};

static bool is_account_name(slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] <= ' ' || name.ptr[i] == '/' || name.ptr[i] == ':' || name.ptr[i] == '@')
            return false;
    }
    return name.len > 0 && name.len <= 32;
}

/* A job of nobody is no danger: only the one who meant somebody else should hear of it. */
static void check_account(struct reader *r, const struct toml_node *node, slice text)
{
    struct os_user user;
    bool group = slice_starts(text, SLICE("@")), exists = true;
    slice name = slice_skip(text, group);
    if (group)
        exists = os_group_exists(name);
    else
        exists = os_user_by_name(name, r->arena, &user) != ERR_NOTFOUND;
    if (!exists)
        messages_warn(&r->m, node->place, "there is no %s \"%.*s\" on this system: nobody's jobs are allowed by it",
                      group ? "group" : "user", SLICE_ARG(name));
}

static void read_allow(struct reader *r, const struct toml_node *node)
{
    struct conf_batch *b = &r->conf->batch;
    slice *allow = reader_array(r, toml_count(node), sizeof(*allow));
    b->allow = default_allow;
    b->allow_count = 1;
    if (!node || !allow)
        return;
    b->allow = allow;
    b->allow_count = 0;
    for (const struct toml_node *child = node->first; child; child = child->next) {
        slice text = toml_text(child);
        bool is_account = is_account_name(slice_starts(text, SLICE("@")) ? slice_skip(text, 1) : text);
        if (!is_account) {
            messages_error(&r->m, child->place, "\"%.*s\" in \"allow\" is neither a user nor an \"@group\"",
                           SLICE_ARG(text));
            continue;
        }
        allow[b->allow_count++] = text;
        check_account(r, child, text);
    }
}

static void read_administrators(struct reader *r, const struct toml_node *node)
{
    struct conf_batch *b = &r->conf->batch;
    size_t count = toml_count(node);
    if (count > CONF_BATCH_ADMINISTRATORS_MAX)
        messages_error(&r->m, node->place, "\"administrators\" has at most %d addresses",
                       CONF_BATCH_ADMINISTRATORS_MAX);
    slice *list = reader_array(r, count, sizeof(*list));
    if (!list)
        return;
    b->administrators = list;
    for (const struct toml_node *child = node ? node->first : NULL; child; child = child->next) {
        slice address = reader_address(r, child, r->conf->route.origin);
        if (address.len > 0)
            list[b->administrator_count++] = address;
    }
}

void read_batch(struct reader *r)
{
    struct draft_batch draft = {0};
    struct conf_batch *b = &r->conf->batch;
    option_read(&r->m, &option_sections[SECTION_BATCH], r->top.batch, &draft);
    b->error_limit = draft.error_limit;
    b->bad_job = draft.bad_job;
    b->folder = draft.folder ? toml_text(draft.folder) : SLICE_NONE;
    b->dead_letter =
        draft.dead_letter ? toml_text(draft.dead_letter) : reader_join(r, r->conf->state_dir, "", SLICE("/batch/dead"));
    read_allow(r, draft.allow);
    read_administrators(r, draft.administrators);
}
