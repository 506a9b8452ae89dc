/* SPDX-License-Identifier: ISC */
#include <assert.h>

#include "route/route.h"

/* The first line is a recipient, the second a sender, the rest an aliases file of the domain: the resolution ends, with recipients or a
 * reason, within its bounds; each answer comes from the input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const slice members[] = {
    {"alice@example.org", 17}, {"team@example.org", 16}, {"x@far.example", 13}, {"inner@example.org", 17}};
static const struct route_user users[] = {{.local = {"alice", 5}, .full_name = {"Alice", 5}}, {.local = {"bob", 3}}};
static struct route_list lists[] = {
    {.address = {"team@example.org", 16},
     .members = members,
     .member_count = 4,
     .post = LIST_POST_ANY,
     .owner = {"team-owner@example.org", 22}},
    {.address = {"inner@example.org", 17}, .members = members, .member_count = 3, .owner = {"alice@example.org", 17}},
};

static void check(const struct resolve *r, enum resolve_step step)
{
    const struct resolve_result *result = route_resolve_result(r);
    size_t count = 0;
    if (step == RESOLVE_REFUSED) {
        assert(status_verdict(result->status).code >= 400);
        return;
    }
    for (size_t g = 0; g < result->group_count; g++) {
        assert(result->groups[g].count > 0);
        count += result->groups[g].count;
        for (size_t i = 0; i < result->groups[g].count; i++)
            assert(slice_find_char(result->groups[g].recipients[i].address, '@') >= 0);
    }
    assert(count > 0 && count <= 10000);
}

static void resolve(const struct route_index *index, struct address from, struct address to, size_t seed)
{
    struct arena arena;
    struct route_session session = {.ip = {192, 0, 2, 1}, .ip_len = 4};
    struct resolve_request request = {&session, from, to};
    struct resolve *r;
    enum users_kind kind;
    slice user;
    enum resolve_step step;
    arena_init(&arena, 64 << 20);
    assert(route_resolve_begin(index, &arena, &request, &r) == ERR_OK);
    while ((step = route_resolve_step(r, &kind, &user)) == RESOLVE_ASK) {
        assert(kind == USERS_ACCOUNTS && user.len > 0);
        route_resolve_answer(r, (enum resolve_answer)((seed + user.len) % 3));
    }
    check(r, step);
    arena_deinit(&arena);
}

static void run(struct alias_table *table, slice from, slice to, size_t seed)
{
    struct route_domain domains[] = {
        {.name = SLICE("example.org"),
         .deliver = {.kind = DELIVER_MAILDIR},
         .users = USERS_LIST,
         .user_list = users,
         .user_count = 2,
         .subaddress = SLICE("+-"),
         .aliases = table,
         .catch_all = SLICE("bob@acc.example")},
        {.name = SLICE("acc.example"),
         .deliver = {.kind = DELIVER_MAILDIR},
         .users = USERS_ACCOUNTS,
         .subaddress = SLICE("+")},
        {.name = SLICE("mail.example.org"), .users = USERS_LIST, .implied = true, .aliases = table},
    };
    struct route_tables tables = {.hostname = SLICE("mail.example.org"),
                                  .origin = SLICE("mail.example.org"),
                                  .postmaster = SLICE("postmaster@acc.example"),
                                  .domains = domains,
                                  .domain_count = 3,
                                  .lists = lists,
                                  .list_count = 2};
    struct route_index *index;
    struct arena arena;
    struct address a, b;
    unsigned rules = ADDRESS_NO_DOMAIN | ADDRESS_UTF8;
    arena_init(&arena, 1 << 20);
    assert(route_index_open(&tables, (struct hash_key){1, 2}, &index) == ERR_OK);
    if (address_parse(to, rules, &arena, &b) == ERR_OK && b.local.len > 0 &&
        address_parse(from, rules | ADDRESS_NULL, &arena, &a) == ERR_OK) {
        struct route_session session = {.ip_len = 4, .login = SLICE("alice@example.org")};
        (void)route_policy_mail(index, &session, a);
        resolve(index, a, b, seed);
    }
    route_index_close(&index);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice to, from, rest = slice_of(data, size);
    struct arena arena;
    struct alias_table *table = NULL;
    struct alias_error error;
    arena_init(&arena, 64 << 20);
    slice_cut(rest, '\n', &to, &rest);
    slice_cut(rest, '\n', &from, &rest);
    struct alias_source source = {SLICE("/a"), rest};
    if (alias_table_parse(&arena, source, (struct hash_key){1, 2}, &table, &error) == ERR_OK) {
        run(table, from, to, size);
        alias_table_free(table);
    }
    arena_deinit(&arena);
    return 0;
}
