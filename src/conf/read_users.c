/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

static const char *const kind_words[] = {"accounts", "system", "any", "verify", NULL};

/* "Full Name <local>" or "local". */
static void split_user(slice text, slice *name_r, slice *local_r)
{
    ptrdiff_t open = slice_rfind_char(text, '<');
    *name_r = SLICE_NONE;
    *local_r = slice_trim(text);
    if (open < 0 || local_r->ptr[local_r->len - 1] != '>')
        return;
    slice name = slice_trim(slice_sub(text, 0, (size_t)open));
    if (name.len >= 2 && name.ptr[0] == '"' && name.ptr[name.len - 1] == '"')
        name = slice_sub(name, 1, name.len - 1);
    *name_r = name;
    slice inner = slice_trim(slice_skip(text, (size_t)open + 1));
    *local_r = slice_trim(slice_sub(inner, 0, inner.len - 1));
}

static bool read_user(struct reader *r, const struct toml_node *node, slice domain, struct route_user *user_r)
{
    slice name, local;
    struct address a;
    split_user(toml_text(node), &name, &local);
    if (address_parse(local, ADDRESS_NO_DOMAIN | ADDRESS_UTF8, r->arena, &a) != ERR_OK || a.local.len == 0) {
        messages_error(&r->m, node->place, "\"%.*s\" is not a user: write \"local\" or \"Full Name <local>\"",
                       SLICE_ARG(toml_text(node)));
        return false;
    }
    if (a.domain.len > 0 && !slice_equal_nocase(a.domain, domain)) {
        messages_error(&r->m, node->place, "\"%.*s\" is of another domain than %.*s", SLICE_ARG(local),
                       SLICE_ARG(domain));
        return false;
    }
    *user_r = (struct route_user){reader_lower(r, reader_normal(r, a.local)), name, node->place.line};
    return true;
}

static void read_list(struct reader *r, const struct toml_node *node, struct route_domain *domain)
{
    struct table seen;
    struct route_user *users = reader_array(r, toml_count(node), sizeof(*users));
    if (!users)
        return;
    table_init(&seen, (struct hash_key){0}, true, 1000000);
    domain->users = USERS_LIST;
    domain->user_list = users;
    for (const struct toml_node *child = node->first; child; child = child->next) {
        struct route_user *user = &users[domain->user_count];
        if (!read_user(r, child, domain->name, user))
            continue;
        if (table_get(&seen, user->local)) {
            messages_error(&r->m, child->place, "user \"%.*s\" is listed twice", SLICE_ARG(user->local));
            continue;
        }
        if (table_put(&seen, user->local, user) != ERR_OK)
            r->m.out_of_memory = true;
        domain->user_count++;
    }
    table_deinit(&seen);
}

void read_users(struct reader *r, const struct toml_node *node, struct route_domain *domain)
{
    static const enum users_kind by_word[] = {USERS_ACCOUNTS, USERS_SYSTEM, USERS_ANY, USERS_ACCOUNTS};
    if (!node)
        return;
    if (node->kind == TOML_ARRAY) {
        read_list(r, node, domain);
        return;
    }
    int word = option_word(&r->m, node, kind_words);
    if (word < 0)
        return;
    if (word == 3)
        messages_error(&r->m, node->place, "users = \"verify\" in [domain.\"%.*s\"] is not yet built",
                       SLICE_ARG(domain->name));
    domain->users = by_word[word];
}
