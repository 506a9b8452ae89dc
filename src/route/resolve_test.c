/* SPDX-License-Identifier: ISC */
#include "route/resolve.h"

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

static const char example_aliases[] = "postmaster: alice\n"
                                      "sales: alice, bob\n"
                                      "fwd: carol@elsewhere.example\n"
                                      "alice2: \\alice\n"
                                      "bob: bob, bob@phone.example\n"
                                      "loop1: loop2\n"
                                      "loop2: loop1\n"
                                      "half: loop1, alice\n"
                                      "twice: sales, alice, SALES, Alice\n"
                                      "gone: nobody\n"
                                      "vacation: \\alice, \"|/usr/bin/vacation alice\", /var/mail/archive\n"
                                      "toteam: team\n"
                                      "deep: d1\nd1: d2\nd2: d3\nd3: d4\nd4: d5\nd5: d6\nd6: d7\nd7: d8\nd8: d9\n"
                                      "d9: d10\nd10: d11\nd11: d12\nd12: d13\nd13: d14\nd14: d15\nd15: d16\n"
                                      "d16: d17\nd17: d18\nd18: d19\nd19: d20\nd20: d21\nd21: alice\n";
static const char host_aliases[] = "root: alice\nwww-data: root\nmailer-daemon: ghost\nops: dave@acc.example\n";

static const struct route_user users[] = {
    {S("alice"), S("Alice Example"), 0}, {S("bob"), S(""), 0}, {S("o'neil"), S(""), 0}};
static const slice team[] = {S("alice@example.org"), S("team@example.org"), S("inner@example.org"), S("x@far.example")};
static const slice inner[] = {S("team@example.org"), S("bob@example.org"), S("y@far.example"), S("ghost@example.org")};
static const slice closed[] = {S("alice@example.org")};
static const slice empty_loop[] = {S("self@example.org")};
static const slice poster[] = {S("boss@far.example")};

static struct route_domain domains[] = {
    {.name = S("example.org"),
     .deliver = {.kind = DELIVER_MAILDIR},
     .users = USERS_LIST,
     .user_list = users,
     .user_count = COUNT(users),
     .subaddress = S("+-")},
    {.name = S("mail.example.org"), .users = USERS_LIST, .subaddress = S("+"), .implied = true},
    {.name = S("catch.example"),
     .deliver = {.kind = DELIVER_MAILDIR},
     .users = USERS_LIST,
     .catch_all = S("alice@example.org"),
     .subaddress = S("+")},
    {.name = S("any.example"), .deliver = {.kind = DELIVER_SMTP}, .users = USERS_ANY, .subaddress = S("+")},
    {.name = S("acc.example"), .deliver = {.kind = DELIVER_MAILDIR}, .users = USERS_ACCOUNTS, .subaddress = S("+")},
    {.name = S("sys.example"), .deliver = {.kind = DELIVER_MAILDIR}, .users = USERS_SYSTEM, .subaddress = S("+")},
    {.name = S("alias.example"), .same_as = &domains[0]},
};
static struct route_address addresses[] = {
    {.address = S("tickets@example.org"), .deliver = {.kind = DELIVER_PIPE, .argument = S("/bin/t")}}};
static struct route_list lists[] = {
    {.address = S("team@example.org"),
     .members = team,
     .member_count = COUNT(team),
     .owner = S("team-owner@example.org"),
     .post = LIST_POST_ANY},
    {.address = S("inner@example.org"),
     .members = inner,
     .member_count = COUNT(inner),
     .owner = S("bob@example.org"),
     .post = LIST_POST_MEMBERS},
    {.address = S("closed@example.org"), .members = closed, .member_count = 1, .owner = S("x@example.org")},
    {.address = S("auth@example.org"),
     .members = closed,
     .member_count = 1,
     .owner = S("x@example.org"),
     .post = LIST_POST_AUTHENTICATED},
    {.address = S("self@example.org"),
     .members = empty_loop,
     .member_count = 1,
     .owner = S("x@example.org"),
     .post = LIST_POST_ANY},
    {.address = S("boss@example.org"),
     .members = closed,
     .member_count = 1,
     .owner = S("x@example.org"),
     .post = LIST_POST_ADDRESSES,
     .posters = poster,
     .poster_count = 1},
};

struct world {
    struct arena arena;
    struct alias_table *example, *host;
    struct route_tables tables;
    struct route_index *index;
};

static void world_init(struct world *w)
{
    struct alias_error error;
    *w = (struct world){0};
    arena_init(&w->arena, 1 << 26);
    assert_int_equal(alias_table_parse(&w->arena, (struct alias_source){SLICE("/etc/x"), slice_str(example_aliases)},
                                       key, &w->example, &error),
                     0);
    assert_int_equal(alias_table_parse(&w->arena, (struct alias_source){SLICE("/etc/aliases"), slice_str(host_aliases)},
                                       key, &w->host, &error),
                     0);
    domains[0].aliases = w->example;
    domains[1].aliases = w->host;
    w->tables = (struct route_tables){.hostname = SLICE("mail.example.org"),
                                      .origin = SLICE("mail.example.org"),
                                      .postmaster = SLICE("alice@example.org"),
                                      .domains = domains,
                                      .domain_count = COUNT(domains),
                                      .addresses = addresses,
                                      .address_count = 1,
                                      .lists = lists,
                                      .list_count = COUNT(lists),
                                      .allow_authenticated = true,
                                      .allow_local_socket = true};
    assert_int_equal(route_index_open(&w->tables, key, &w->index), ERR_OK);
}

static void world_deinit(struct world *w)
{
    route_index_close(&w->index);
    assert_null(w->index);
    alias_table_free(w->example);
    alias_table_free(w->host);
    arena_deinit(&w->arena);
}

static struct address split(const char *text)
{
    slice s = slice_str(text);
    ptrdiff_t at = slice_rfind_char(s, '@');
    if (at < 0)
        return (struct address){.local = s};
    return (struct address){slice_sub(s, 0, (size_t)at), slice_skip(s, (size_t)at + 1)};
}

/* "a@b c@d; owner: e@f" for what was found; "?" stands where a question was asked; "!NAME" for a refusal. */
static void run(const struct world *w, const char *to, const char *from, buf *out)
{
    struct arena arena;
    arena_init(&arena, 1 << 22);
    struct route_session s = {.ip = {192, 0, 2, 1}, .ip_len = 4};
    if (from[0] == '*')
        s.login = slice_str(++from);
    struct resolve *r;
    assert_int_equal(route_resolve_begin(w->index, &arena, &(struct resolve_request){&s, split(from), split(to)}, &r),
                     ERR_OK);
    enum users_kind kind;
    slice user;
    enum resolve_step step;
    while ((step = route_resolve_step(r, &kind, &user)) == RESOLVE_ASK) {
        buf_printf(out, "?%.*s ", SLICE_ARG(user));
        if (kind == USERS_ACCOUNTS)
            assert_true(slice_find_char(user, '@') > 0);
        bool yes = slice_starts(user, SLICE("dave")), unknown = slice_starts(user, SLICE("down"));
        route_resolve_answer(r, yes ? RESOLVE_YES : unknown ? RESOLVE_UNKNOWN : RESOLVE_NO);
    }
    const struct resolve_result *result = route_resolve_result(r);
    if (step == RESOLVE_REFUSED)
        buf_printf(out, "!%u ", status_verdict(result->status).code);
    for (size_t g = 0; step == RESOLVE_DONE && g < result->group_count; g++) {
        if (result->groups[g].list)
            buf_printf(out, "[%.*s] ", SLICE_ARG(result->groups[g].list->address));
        for (size_t i = 0; i < result->groups[g].count; i++) {
            const struct recipient *x = &result->groups[g].recipients[i];
            buf_printf(out, "%.*s ", SLICE_ARG(x->address));
            if (x->kind == RECIPIENT_ALIAS_TARGET)
                buf_printf(out, "(%.*s:%.*s:%u) ", SLICE_ARG(x->table), SLICE_ARG(x->key), x->index);
            if (slice_equal(x->address, slice_str(to)))
                assert_int_equal(x->original.len, 0);
            else
                assert_true(slice_equal(x->original, slice_str(to)));
        }
    }
    if (out->len > 0)
        out->len--;
    buf_append_char(out, 0);
    arena_deinit(&arena);
}

static const struct {
    const char *from, *to, *expected;
} cases[] = {
    {"s@far.example", "alice@example.org", "alice@example.org"},
    {"s@far.example", "Alice@Example.ORG", "alice@example.org"},
    {"s@far.example", "alice+list@example.org", "alice+list@example.org"},
    {"s@far.example", "ALICE-x+y@example.org", "alice-x+y@example.org"},
    {"s@far.example", "+alice@example.org", "!550"},
    {"s@far.example", "nobody@example.org", "!550"},
    {"s@far.example", "o'neil@example.org", "o'neil@example.org"},
    {"s@far.example", "alice@alias.example", "alice@example.org"},
    {"s@far.example", "sales@alias.example", "alice@example.org bob@example.org bob@phone.example"},
    {"s@far.example", "Anyone@Foreign.example", "Anyone@Foreign.example"},
    {"s@far.example", "sales@example.org", "alice@example.org bob@example.org bob@phone.example"},
    {"s@far.example", "sales+2026@example.org", "alice@example.org bob@example.org bob@phone.example"},
    {"s@far.example", "fwd@example.org", "carol@elsewhere.example"},
    {"s@far.example", "alice2@example.org", "alice@example.org"},
    {"s@far.example", "bob@example.org", "bob@example.org bob@phone.example"},
    {"s@far.example", "loop1@example.org", "!451"},
    {"s@far.example", "half@example.org", "alice@example.org"},
    {"s@far.example", "twice@example.org", "alice@example.org bob@example.org bob@phone.example"},
    {"s@far.example", "gone@example.org", "!550"},
    {"s@far.example", "deep@example.org", "!451"},
    {"s@far.example", "d3@example.org", "alice@example.org"},
    {"s@far.example", "vacation@example.org",
     "vacation@example.org (/etc/x:vacation:1) vacation@example.org (/etc/x:vacation:2) alice@example.org"},
    /* the postmaster and what falls back to it */
    {"s@far.example", "postmaster@example.org", "alice@example.org"},
    {"s@far.example", "PostMaster", "alice@example.org"},
    {"s@far.example", "postmaster@catch.example", "alice@example.org"},
    {"s@far.example", "postmaster@mail.example.org", "alice@example.org"},
    {"s@far.example", "abuse@mail.example.org", "alice@example.org"},
    {"s@far.example", "mailer-daemon@mail.example.org", "?ghost@acc.example ?ghost alice@example.org"},
    {"s@far.example", "abuse@example.org", "!550"},
    {"s@far.example", "root@example.org", "!550"},
    /* this host: bare names are people of the domains */
    {"s@far.example", "root@mail.example.org", "alice@example.org"},
    {"s@far.example", "root", "alice@example.org"},
    {"s@far.example", "www-data@mail.example.org", "alice@example.org"},
    {"s@far.example", "alice@mail.example.org", "!550"},
    {"s@far.example", "bob", "bob@example.org bob@phone.example"},
    {"s@far.example", "dave", "?dave@acc.example dave@acc.example"},
    {"s@far.example", "ops@mail.example.org", "?dave@acc.example dave@acc.example"},
    /* other kinds of users */
    {"s@far.example", "x@catch.example", "alice@example.org"},
    {"s@far.example", "Any.Thing@Any.example", "Any.Thing@any.example"},
    {"s@far.example", "Dave@acc.example", "?dave@acc.example dave@acc.example"},
    {"s@far.example", "dave+x@acc.example", "?dave+x@acc.example dave+x@acc.example"},
    {"s@far.example", "eve+x@acc.example", "?eve+x@acc.example ?eve@acc.example !550"},
    {"s@far.example", "down@acc.example", "?down@acc.example !451"},
    {"s@far.example", "dave@sys.example", "?dave dave@sys.example"},
    {"s@far.example", "postmaster@sys.example", "?postmaster alice@example.org"},
    {"s@far.example", "Tickets@example.org", "tickets@example.org"},
    /* lists */
    {"s@far.example", "team@example.org",
     "[team@example.org] alice@example.org x@far.example [inner@example.org] y@far.example bob@example.org "
     "bob@phone.example"},
    {"s@far.example", "toteam@example.org",
     "[team@example.org] alice@example.org x@far.example [inner@example.org] y@far.example bob@example.org "
     "bob@phone.example"},
    {"s@far.example", "self@example.org", "!550"},
    {"s@far.example", "closed@example.org", "!550"},
    {"Alice@Example.org", "closed@example.org", "[closed@example.org] alice@example.org"},
    {"alice@example.org", "auth@example.org", "!550"},
    {"*alice@example.org", "auth@example.org", "[auth@example.org] alice@example.org"},
    {"boss@far.example", "boss@example.org", "[boss@example.org] alice@example.org"},
    {"s@far.example", "boss@example.org", "!550"},
    {"", "team@example.org", "!550"},
    {"", "team-owner@example.org", "alice@example.org"},
};

static void test_recipients(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf out;
        buf_init(&out, 4096);
        run(&w, cases[i].to, cases[i].from, &out);
        if (strcmp(out.ptr, cases[i].expected) != 0)
            fail_msg("%s: %s instead of %s", cases[i].to, out.ptr, cases[i].expected);
        buf_deinit(&out);
    }
    world_deinit(&w);
}

static void test_post_refused_code(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct route_session s = {.ip_len = 4};
    struct resolve *r;
    enum users_kind kind;
    slice user;
    assert_int_equal(
        route_resolve_begin(w.index, &w.arena,
                            &(struct resolve_request){&s, split("s@far.example"), split("closed@example.org")}, &r),
        0);
    assert_int_equal(route_resolve_step(r, &kind, &user), RESOLVE_REFUSED);
    assert_int_equal(route_resolve_result(r)->status, STATUS_POST_REFUSED);
    assert_int_equal(
        route_resolve_begin(w.index, &w.arena,
                            &(struct resolve_request){&s, split("s@far.example"), split("alice@example.org")}, &r),
        0);
    assert_int_equal(route_resolve_step(r, &kind, &user), RESOLVE_DONE);
    assert_true(slice_equal(route_resolve_result(r)->full_name, SLICE("Alice Example")));
    world_deinit(&w);
}

/* A table that multiplies: each name is twenty of the next. */
static void test_explosion_is_bounded(void **state)
{
    (void)state;
    buf text;
    buf_init(&text, 1 << 20);
    for (int level = 0; level < 5; level++) {
        buf_printf(&text, "l%d:", level);
        for (int i = 0; i < 20; i++)
            buf_printf(&text, " x%d%d,", level, i);
        buf_printf(&text, "\n");
        for (int i = 0; i < 20; i++)
            buf_printf(&text, "x%d%d: l%d\n", level, i, level + 1);
    }
    buf_printf(&text, "l5: alice\nmany:");
    for (int i = 0; i < 10001; i++)
        buf_printf(&text, "%s u%d@far.example", i ? "," : "", i);
    buf_printf(&text, "\n");
    struct world w;
    world_init(&w);
    struct alias_error error;
    struct alias_table *table;
    assert_int_equal(
        alias_table_parse(&w.arena, (struct alias_source){SLICE("/t"), buf_slice(&text)}, key, &table, &error), ERR_OK);
    domains[0].aliases = table;
    buf out;
    buf_init(&out, 4096);
    run(&w, "l0@example.org", "s@far.example", &out);
    assert_string_equal(out.ptr, "alice@example.org");
    buf_clear(&out);
    run(&w, "many@example.org", "s@far.example", &out);
    assert_string_equal(out.ptr, "!452");
    buf_deinit(&out);
    buf_deinit(&text);
    domains[0].aliases = w.example;
    alias_table_free(table);
    world_deinit(&w);
}

static void test_postmaster_without_user(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.tables.postmaster = SLICE("postmaster@catch.example");
    buf out;
    buf_init(&out, 4096);
    run(&w, "postmaster@mail.example.org", "", &out);
    assert_string_equal(out.ptr, "alice@example.org"); /* the catch-all has it */
    domains[2].catch_all = SLICE_NONE;
    buf_clear(&out);
    run(&w, "postmaster@catch.example", "", &out);
    assert_string_equal(out.ptr, "postmaster@catch.example");
    domains[2].catch_all = SLICE("alice@example.org");
    buf_deinit(&out);
    world_deinit(&w);
}

static void test_null_client(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct route_domain host = {.name = SLICE("host.example"), .users = USERS_LIST, .implied = true};
    struct route_override all = {.domain = SLICE("*"), .host = SLICE("relay.example"), .port = 25};
    struct world w = {.tables = {.hostname = host.name,
                                 .origin = host.name,
                                 .postmaster = SLICE("it@acme.example"),
                                 .domains = &host,
                                 .domain_count = 1,
                                 .overrides = &all,
                                 .override_count = 1,
                                 .null_client = true,
                                 .allow_local_socket = true}};
    assert_int_equal(route_index_open(&w.tables, key, &w.index), ERR_OK);
    buf out;
    buf_init(&out, 4096);
    run(&w, "root", "", &out);
    assert_string_equal(out.ptr, "it@acme.example");
    buf_clear(&out);
    run(&w, "carol", "", &out);
    assert_string_equal(out.ptr, "carol@host.example");
    struct recipient to = {.address = SLICE("carol@host.example")};
    struct next_hop hop = route_next(w.index, &to);
    assert_int_equal(hop.kind, NEXT_SMTP);
    assert_true(slice_equal(hop.host, all.host));
    route_index_close(&w.index);
    buf_deinit(&out);
    arena_deinit(&arena);
}

static void test_list_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *reverse_path, *header;
        bool refuses;
    } rows[] = {
        {"a@b.example", "Subject: x\r\n\r\n", false},
        {"", "Subject: x\r\n\r\n", true},
        {"a@b.example", "List-Id: Team <team.example.org>\r\n\r\n", true},
        {"a@b.example", "list-id:\r\n <TEAM.Example.org>\r\n\r\n", true},
        {"a@b.example", "List-Id: <other.example.org>\r\n\r\n", false},
        {"a@b.example", "Auto-Submitted: auto-replied (vacation)\r\n\r\n", true},
        {"a@b.example", "Auto-Submitted: no\r\n\r\n", false},
        {"a@b.example", "Auto-Submitted: No; x=y\r\n\r\n", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool got = route_list_refuses(&lists[0], slice_str(rows[i].reverse_path), slice_str(rows[i].header));
        if (got != rows[i].refuses)
            fail_msg("row %zu: %d", i, got);
    }
    char space[100];
    buf b;
    buf_init_fixed(&b, space, sizeof(space));
    route_list_id_print(&b, &lists[0]);
    assert_true(slice_equal(buf_slice(&b), SLICE("List-Id: <team.example.org>\r\n")));
}

static void test_vrfy(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    slice name;
    assert_ptr_equal(route_vrfy_domain(w.index, 0), &domains[0]);
    assert_ptr_equal(route_vrfy_domain(w.index, 3), &domains[4]);
    assert_ptr_equal(route_vrfy_domain(w.index, 5), &domains[3]); /* takes any name */
    assert_null(route_vrfy_domain(w.index, 6));
    assert_true(route_user_find(&domains[0], SLICE("ALICE"), &name));
    assert_true(slice_equal(name, SLICE("Alice Example")));
    assert_false(route_user_find(&domains[0], SLICE("carol"), &name));
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_post_refused_code),
        cmocka_unit_test(test_explosion_is_bounded),
        cmocka_unit_test(test_postmaster_without_user),
        cmocka_unit_test(test_null_client),
        cmocka_unit_test(test_list_refuses),
        cmocka_unit_test(test_vrfy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
