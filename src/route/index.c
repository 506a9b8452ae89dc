/* SPDX-License-Identifier: ISC */
#include "route/index.h"

#include <assert.h>

#include "route/aliases.h"

#define INDEX_MAX ((size_t)1 << 30)
#define ENTRIES_MAX 4000000

/* table_put takes a value that may be written to; nobody does. */
static enum err put(struct table *t, slice key, const void *value)
{
    union {
        const void *in;
        void *out;
    } pass = {.in = value};
    return table_put(t, key, pass.out);
}

static enum err index_domain(struct route_index *index, size_t i)
{
    const struct route_domain *domain = &index->tables->domains[i];
    struct table *users = &index->by_domain[i].users;
    if (slice_equal(domain->name, SLICE("*")))
        index->any_domain = domain;
    enum err e = put(&index->domains, domain->name, domain);
    if (e == ERR_OK && domain->aliases)
        e = put(&index->alias_tables, alias_table_name(domain->aliases), domain->aliases);
    for (size_t u = 0; e == ERR_OK && domain->users == USERS_LIST && u < domain->user_count; u++)
        e = put(users, domain->user_list[u].local, &domain->user_list[u]);
    return e;
}

static enum err index_domains(struct route_index *index)
{
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < index->tables->domain_count; i++)
        e = index_domain(index, i);
    return e;
}

static enum err index_addresses(struct route_index *index)
{
    const struct route_tables *t = index->tables;
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < t->address_count; i++)
        e = put(&index->addresses, t->addresses[i].address, &t->addresses[i]);
    for (size_t i = 0; e == ERR_OK && i < t->list_count; i++) {
        e = put(&index->lists, t->lists[i].address, &t->lists[i]);
        if (e == ERR_OK)
            e = put(&index->owners, t->lists[i].owner, &t->lists[i]);
    }
    return e;
}

static enum err index_routes(struct route_index *index)
{
    const struct route_tables *t = index->tables;
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < t->override_count; i++) {
        if (slice_equal(t->overrides[i].domain, SLICE("*")))
            index->any_override = &t->overrides[i];
        else
            e = put(&index->overrides, t->overrides[i].domain, &t->overrides[i]);
    }
    for (size_t i = 0; e == ERR_OK && i < t->send_as_count; i++)
        e = put(&index->logins, t->send_as[i].login, &t->send_as[i]);
    return e;
}

static struct route_index *make(const struct route_tables *tables, struct hash_key key)
{
    struct arena arena;
    arena_init(&arena, INDEX_MAX);
    struct route_index *index = arena_alloc(&arena, sizeof(*index));
    struct route_domain_index *by_domain = arena_array(&arena, tables->domain_count, sizeof(*by_domain));
    if (!index || !by_domain) {
        arena_deinit(&arena);
        return NULL;
    }
    *index = (struct route_index){.tables = tables, .key = key, .arena = arena, .by_domain = by_domain};
    table_init(&index->domains, key, true, ENTRIES_MAX);
    table_init(&index->addresses, key, true, ENTRIES_MAX);
    table_init(&index->lists, key, true, ENTRIES_MAX);
    table_init(&index->owners, key, true, ENTRIES_MAX);
    table_init(&index->overrides, key, true, ENTRIES_MAX);
    table_init(&index->logins, key, true, ENTRIES_MAX);
    table_init(&index->alias_tables, key, false, ENTRIES_MAX);
    for (size_t i = 0; i < tables->domain_count; i++)
        table_init(&by_domain[i].users, key, true, ENTRIES_MAX);
    return index;
}

enum err route_index_open(const struct route_tables *tables, struct hash_key key, struct route_index **index_r)
{
    struct route_index *index = make(tables, key);
    if (!index)
        return ERR_NOMEM;
    enum err e = index_domains(index);
    if (e == ERR_OK)
        e = index_addresses(index);
    if (e == ERR_OK)
        e = index_routes(index);
    if (e != ERR_OK) {
        route_index_close(&index);
        return ERR_NOMEM;
    }
    *index_r = index;
    return ERR_OK;
}

void route_index_close(struct route_index **index)
{
    if (!*index)
        return;
    struct route_index gone = **index;
    for (size_t i = 0; i < gone.tables->domain_count; i++)
        table_deinit(&gone.by_domain[i].users);
    table_deinit(&gone.domains);
    table_deinit(&gone.addresses);
    table_deinit(&gone.lists);
    table_deinit(&gone.owners);
    table_deinit(&gone.overrides);
    table_deinit(&gone.logins);
    table_deinit(&gone.alias_tables);
    arena_deinit(&gone.arena);
    *index = NULL;
}

const struct route_tables *route_index_tables(const struct route_index *index)
{
    return index->tables;
}

const struct route_domain *route_domain_find(const struct route_index *index, slice name)
{
    const struct route_domain *domain = table_get(&index->domains, name);
    if (!domain && name.len > 0)
        domain = index->any_domain;
    return domain && domain->same_as ? domain->same_as : domain;
}

/* Looks local@domain up; longer than any address can be is found nowhere. */
static const void *find_address(const struct table *t, slice local, slice domain)
{
    char space[ROUTE_ADDRESS_MAX];
    if (t->count == 0 || local.len + 1 + domain.len > sizeof(space))
        return NULL;
    if (local.len > 0)
        memcpy(space, local.ptr, local.len);
    space[local.len] = '@';
    if (domain.len > 0)
        memcpy(space + local.len + 1, domain.ptr, domain.len);
    return table_get(t, slice_of(space, local.len + 1 + domain.len));
}

const struct route_list *route_list_find(const struct route_index *index, slice address)
{
    return table_get(&index->lists, address);
}

const struct route_user *route_index_user(const struct route_index *index, const struct route_domain *domain,
                                          slice local)
{
    size_t at = (size_t)(domain - index->tables->domains);
    assert(at < index->tables->domain_count);
    return table_get(&index->by_domain[at].users, local);
}

const struct route_address *route_index_address(const struct route_index *index, slice local, slice domain)
{
    return find_address(&index->addresses, local, domain);
}

const struct route_list *route_index_list(const struct route_index *index, slice local, slice domain)
{
    return find_address(&index->lists, local, domain);
}

const struct route_list *route_index_owner(const struct route_index *index, slice local, slice domain)
{
    return find_address(&index->owners, local, domain);
}

const struct route_override *route_index_override(const struct route_index *index, slice domain)
{
    return table_get(&index->overrides, domain);
}

const struct route_send_as *route_index_send_as(const struct route_index *index, slice login)
{
    return table_get(&index->logins, login);
}

const struct alias_table *route_index_alias_table(const struct route_index *index, slice name)
{
    return table_get(&index->alias_tables, name);
}

struct address route_address_split(slice text)
{
    ptrdiff_t at = slice_rfind_char(text, '@');
    if (at < 0)
        return (struct address){.local = text};
    return (struct address){slice_sub(text, 0, (size_t)at), slice_skip(text, (size_t)at + 1)};
}
