/* SPDX-License-Identifier: ISC */
#include "route/next.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "route/route.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define S(text)                                                                                                        \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }

static const struct hash_key key = {1, 2};
static struct route_domain domains[] = {
    {.name = S("box.example"), .deliver = {.kind = DELIVER_MAILDIR}, .subaddress = S("+")},
    {.name = S("lmtp.example"), .deliver = {.kind = DELIVER_LMTP, .host = S("127.0.0.1"), .port = 24}},
    {.name = S("unix.example"), .deliver = {.kind = DELIVER_LMTP, .argument = S("/run/lmtp")}},
    {.name = S("gate.example"), .deliver = {.kind = DELIVER_SMTP, .host = S("10.0.0.2"), .port = 2525}},
    {.name = S("backup.example"), .deliver = {.kind = DELIVER_MX}},
    {.name = S("gone.example"), .deliver = {.kind = DELIVER_DISCARD}},
    {.name = S("held.example"), .deliver = {.kind = DELIVER_HOLD}},
    {.name = S("host.example"), .implied = true},
};
static struct route_address addresses[] = {{.address = S("drop@box.example"), .deliver = {.kind = DELIVER_DISCARD}}};
static struct route_override overrides[] = {
    {.domain = S("direct.example"), .tls = ROUTE_TLS_REQUIRE},
    {.domain = S("partner.example"), .host = S("relay.example"), .port = 25, .login = S("me"), .tls = ROUTE_TLS_VERIFY},
    {.domain = S("*"), .host = S("smart.example"), .port = 465, .smtps = true, .tls = ROUTE_TLS_VERIFY},
};

static const struct {
    const char *address, *key;
    enum next_kind kind;
    const char *host;
} rows[] = {
    {"a@box.example", "local:box.example", NEXT_LOCAL, ""},
    {"drop@box.example", "discard:box.example", NEXT_DISCARD, ""},
    {"a@lmtp.example", "lmtp:[127.0.0.1]:24", NEXT_LMTP, "127.0.0.1"},
    {"a@unix.example", "lmtp:unix:/run/lmtp", NEXT_LMTP, ""},
    {"a@gate.example", "smtp:[10.0.0.2]:2525", NEXT_SMTP, "10.0.0.2"},
    {"a@backup.example", "smtp:backup.example", NEXT_SMTP, ""},
    {"a@gone.example", "discard:gone.example", NEXT_DISCARD, ""},
    {"a@held.example", "hold:held.example", NEXT_HOLD, ""},
    {"a@host.example", "unknown:host.example", NEXT_UNKNOWN, ""},
    {"a@Direct.example", "smtp:direct.example", NEXT_SMTP, ""},
    {"a@partner.example", "smtp:me@[relay.example]:25/verify", NEXT_SMTP, "relay.example"},
    {"a@other.example", "smtp:[smart.example]:465", NEXT_SMTP, "smart.example"},
    {"a@[192.0.2.9]", "smtp:[smart.example]:465", NEXT_SMTP, "smart.example"},
};

static void check(const struct route_index *index, const char *address, const char *expected)
{
    char space[400];
    buf b;
    buf_init_fixed(&b, space, sizeof(space));
    struct recipient to = {.address = slice_str(address)};
    struct next_hop hop = route_next(index, &to);
    route_next_key(&b, &hop);
    buf_append_char(&b, 0);
    assert_string_equal(space, expected);
}

static void test_hops(void **state)
{
    (void)state;
    struct route_tables tables = {.hostname = SLICE("host.example"),
                                  .domains = domains,
                                  .domain_count = COUNT(domains),
                                  .addresses = addresses,
                                  .address_count = 1,
                                  .overrides = overrides,
                                  .override_count = COUNT(overrides)};
    struct route_index *index;
    assert_int_equal(route_index_open(&tables, key, &index), ERR_OK);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct recipient to = {.address = slice_str(rows[i].address)};
        struct next_hop hop = route_next(index, &to);
        assert_int_equal(hop.kind, rows[i].kind);
        assert_true(slice_equal(hop.host, slice_str(rows[i].host)));
        check(index, rows[i].address, rows[i].key);
    }
    struct recipient backup = {.address = SLICE("a@backup.example")};
    assert_true(route_next(index, &backup).backup_mx);
    route_index_close(&index);
    tables.override_count = 2; /* without the smarthost */
    assert_int_equal(route_index_open(&tables, key, &index), ERR_OK);
    check(index, "a@Other.Example", "smtp:other.example");
    check(index, "a@[192.0.2.9]", "smtp:[192.0.2.9]:25");
    route_index_close(&index);
}

static void test_alias_targets(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct alias_error error;
    struct alias_table *table;
    assert_int_equal(alias_table_parse(&arena,
                                       (struct alias_source){SLICE("/a"), SLICE("x: alice, |/bin/p, /dev/null\n")}, key,
                                       &table, &error),
                     0);
    struct route_domain domain = {.name = SLICE("box.example"), .aliases = table, .deliver = {.kind = DELIVER_MAILDIR}};
    struct route_tables tables = {.domains = &domain, .domain_count = 1};
    struct route_index *index;
    assert_int_equal(route_index_open(&tables, key, &index), ERR_OK);
    struct recipient to = {.kind = RECIPIENT_ALIAS_TARGET,
                           .address = SLICE("x@box.example"),
                           .table = SLICE("/a"),
                           .key = SLICE("x"),
                           .index = 1};
    assert_int_equal(route_next(index, &to).kind, NEXT_LOCAL);
    assert_true(slice_equal(route_alias_target(index, &to)->text, SLICE("/bin/p")));
    to.index = 2;
    assert_int_equal(route_next(index, &to).kind, NEXT_DISCARD);
    to.index = 0; /* an address is nothing to run */
    assert_int_equal(route_next(index, &to).kind, NEXT_UNKNOWN);
    to.index = 3;
    assert_null(route_alias_target(index, &to));
    to.index = 1;
    to.table = SLICE("/b");
    assert_null(route_alias_target(index, &to));
    route_index_close(&index);
    alias_table_free(table);
    arena_deinit(&arena);
}

static void test_expand(void **state)
{
    (void)state;
    static const struct {
        const char *template, *address, *expected; /* NULL: refused */
    } expansions[] = {
        {"/m/{domain}/{user}", "Alice+X@box.example", "/m/box.example/alice"},
        {"/m/{local}", "Alice+X@box.example", "/m/Alice+X"},
        {"/m/{user}/{other}{", "a@box.example", "/m/a/{other}{"},
        {"/m/{user}", "../x@box.example", NULL},
        {"/m/{user}", "..@box.example", NULL},
        {"/m/{user}", ".@box.example", NULL},
        {"/m/{user}", "a/b@box.example", NULL},
        {"/m/{user}", ".hidden@box.example", NULL},
        {"/m/{user}", "-rf@box.example", NULL},
        {"/m/{user}", "@box.example", NULL},
        {"/m/{local}", "a\nb@box.example", NULL},
        {"/m/fixed", "../x@box.example", "/m/fixed"},
    };
    for (size_t i = 0; i < COUNT(expansions); i++) {
        char space[100];
        buf b;
        buf_init_fixed(&b, space, sizeof(space));
        enum err e = route_expand(&b, slice_str(expansions[i].template), &domains[0], slice_str(expansions[i].address));
        if (!expansions[i].expected) {
            assert_int_equal(e, ERR_SYNTAX);
            continue;
        }
        assert_int_equal(e, ERR_OK);
        assert_true(slice_equal(buf_slice(&b), slice_str(expansions[i].expected)));
    }
    buf small;
    char tiny[4];
    buf_init_fixed(&small, tiny, sizeof(tiny));
    assert_int_equal(route_expand(&small, SLICE("/m/{user}"), &domains[0], SLICE("alice@box.example")), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hops),
        cmocka_unit_test(test_alias_targets),
        cmocka_unit_test(test_expand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
