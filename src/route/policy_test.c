/* SPDX-License-Identifier: ISC */
#include "route/policy.h"

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
static const slice office[] = {S("@example.org"), S(".example.org"), S("Boss@other.example")}, anyone[] = {S("*")};
static struct route_network networks[] = {
    {S("10.1.2.0/24"), {10, 1, 2, 0}, 4, 24, office, COUNT(office), 0},
    {S("10.9.9.9"), {10, 9, 9, 9}, 4, 32, anyone, 1, 0},
    {S("fd00::/64"), {0xfd}, 16, 64, office, 1, 0},
};
static const slice patterns[] = {S("*@shop.example"), S("info@example.org")};
static struct route_send_as send_as[] = {{S("alice@example.org"), patterns, COUNT(patterns), 0}};
static struct route_domain domains[] = {
    {.name = S("example.org"), .deliver = {.kind = DELIVER_MAILDIR}, .users = USERS_ACCOUNTS, .subaddress = S("+")},
    {.name = S("gate.example"), .deliver = {.kind = DELIVER_SMTP}, .users = USERS_ANY},
    {.name = S("twin.example"), .same_as = &domains[0]},
    {.name = S("mail.example.org"), .users = USERS_LIST, .implied = true},
};

struct world {
    struct arena arena;
    struct alias_table *aliases;
    struct route_tables tables;
    struct route_index *index;
};

static void world_init(struct world *w)
{
    static const char text[] =
        "support: alice\nteam: alice, bob\nchain: support\nround: round2\nround2: round\nnone: |/bin/x\n";
    struct alias_error error;
    arena_init(&w->arena, 1 << 20);
    assert_int_equal(
        alias_table_parse(&w->arena, (struct alias_source){SLICE("/a"), slice_str(text)}, key, &w->aliases, &error),
        ERR_OK);
    domains[0].aliases = w->aliases;
    w->tables = (struct route_tables){.hostname = SLICE("mail.example.org"),
                                      .origin = SLICE("example.org"),
                                      .postmaster = SLICE("alice@example.org"),
                                      .domains = domains,
                                      .domain_count = COUNT(domains),
                                      .networks = networks,
                                      .network_count = COUNT(networks),
                                      .send_as = send_as,
                                      .send_as_count = 1,
                                      .allow_authenticated = true,
                                      .allow_local_socket = true};
    assert_int_equal(route_index_open(&w->tables, key, &w->index), ERR_OK);
}

static void world_deinit(struct world *w)
{
    route_index_close(&w->index);
    alias_table_free(w->aliases);
    arena_deinit(&w->arena);
}

static struct address split(const char *text)
{
    slice s = slice_str(text);
    ptrdiff_t at = slice_rfind_char(s, '@');
    return at < 0 ? (struct address){.local = s}
                  : (struct address){slice_sub(s, 0, (size_t)at), slice_skip(s, (size_t)at + 1)};
}

static struct route_session session(const char *from)
{
    struct route_session s = {0};
    size_t len;
    if (strcmp(from, "local") == 0)
        s.local_socket = true;
    else if (strchr(from, '@'))
        s = (struct route_session){.ip = {203, 0, 113, 5}, .ip_len = 4, .login = slice_str(from)};
    else if (address_ip_parse(slice_str(from), s.ip, &len) == ERR_OK)
        s.ip_len = (uint8_t)len;
    return s;
}

static const struct {
    const char *client, *from, *to;
    enum status expected;
} rows[] = {
    {"192.0.2.1", "x@far.example", "alice@example.org", STATUS_OK},
    {"192.0.2.1", "x@far.example", "alice@EXAMPLE.org", STATUS_OK},
    {"192.0.2.1", "x@far.example", "alice@twin.example", STATUS_OK},
    {"192.0.2.1", "x@far.example", "root@mail.example.org", STATUS_OK},
    {"192.0.2.1", "x@far.example", "Postmaster", STATUS_OK},
    {"192.0.2.1", "x@far.example", "bob", STATUS_OK},
    {"192.0.2.1", "x@far.example", "x@other.example", STATUS_RELAY_DENIED},
    {"192.0.2.1", "alice@example.org", "x@other.example", STATUS_RELAY_DENIED},
    {"192.0.2.1", "", "x@other.example", STATUS_RELAY_DENIED},
    {"192.0.2.1", "x@far.example", "x@sub.example.org", STATUS_RELAY_DENIED},
    {"192.0.2.1", "x@far.example", "x@[192.0.2.7]", STATUS_RELAY_DENIED},
    {"192.0.2.1", "x@far.example", "u@gate.example", STATUS_OK},
    {"192.0.2.1", "x@far.example", "u%far.example@gate.example", STATUS_RELAY_DENIED},
    {"192.0.2.1", "x@far.example", "\"u@far.example\"@gate.example", STATUS_RELAY_DENIED},
    {"192.0.2.1", "x@far.example", "far.example!u@gate.example", STATUS_RELAY_DENIED},
    {"local", "x@far.example", "x@other.example", STATUS_OK},
    {"alice@example.org", "alice@example.org", "x@other.example", STATUS_OK},
    {"10.1.2.3", "a@example.org", "x@other.example", STATUS_OK},
    {"10.1.2.3", "a@EXAMPLE.ORG", "x@other.example", STATUS_OK},
    {"10.1.2.3", "a@deep.sub.example.org", "x@other.example", STATUS_OK},
    {"10.1.2.3", "boss@other.example", "x@other.example", STATUS_OK},
    {"10.1.2.3", "cron", "x@other.example", STATUS_OK},
    {"10.1.2.3", "", "x@other.example", STATUS_OK},
    {"10.1.2.3", "a@notexample.org", "x@other.example", STATUS_RELAY_DENIED},
    {"10.1.2.3", "a@far.example", "x@other.example", STATUS_RELAY_DENIED},
    {"10.1.3.1", "a@example.org", "x@other.example", STATUS_RELAY_DENIED},
    {"10.1.1.255", "a@example.org", "x@other.example", STATUS_RELAY_DENIED},
    {"::ffff:10.1.2.3", "a@example.org", "x@other.example", STATUS_OK},
    {"10.9.9.9", "a@far.example", "x@other.example", STATUS_OK},
    {"10.9.9.8", "a@far.example", "x@other.example", STATUS_RELAY_DENIED},
    {"fd00::5", "a@example.org", "x@other.example", STATUS_OK},
    {"fd00:0:0:1::5", "a@example.org", "x@other.example", STATUS_RELAY_DENIED},
};

static void test_rcpt(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct route_session s = session(rows[i].client);
        enum status got = route_policy_rcpt(w.index, &s, split(rows[i].from), split(rows[i].to));
        if (got != rows[i].expected)
            fail_msg("%s, <%s> to <%s>: %u", rows[i].client, rows[i].from, rows[i].to, status_verdict(got).code);
    }
    const struct route_network *network = NULL;
    struct route_session s = session("10.1.2.3");
    assert_true(route_session_trusted(w.index, &s, split("a@example.org"), &network));
    assert_ptr_equal(network, &networks[0]);
    s.own_only = true;
    assert_false(route_session_trusted(w.index, &s, split("a@example.org"), NULL));
    assert_int_equal(route_policy_rcpt(w.index, &s, split("a@example.org"), split("x@far.example")),
                     STATUS_RELAY_DENIED);
    w.tables.allow_authenticated = false;
    s = session("alice@example.org");
    assert_false(route_session_trusted(w.index, &s, split("alice@example.org"), NULL));
    world_deinit(&w);
}

static const struct {
    const char *sender;
    bool allowed;
} senders[] = {
    {"alice@example.org", true},
    {"ALICE@Example.Org", true},
    {"alice+x@example.org", true},
    {"alice@twin.example", true},
    {"alice", true},
    {"", true},
    {"support@example.org", true},
    {"chain@example.org", true},
    {"team@example.org", false},
    {"none@example.org", false},
    {"round@example.org", false},
    {"x@shop.example", true},
    {"x@SHOP.example", true},
    {"x@sub.shop.example", false},
    {"info@example.org", true},
    {"bob@example.org", false},
    {"alicex@example.org", false},
    {"alice@far.example", false},
    {"support@twin.example", true},
    {"alice@mail.example.org", false},
};

static void test_senders(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < COUNT(senders); i++) {
        if (route_sender_allowed(w.index, SLICE("alice@example.org"), split(senders[i].sender)) != senders[i].allowed)
            fail_msg("<%s>", senders[i].sender);
    }
    struct route_session s = session("alice@example.org");
    assert_int_equal(route_policy_mail(w.index, &s, split("bob@example.org")), STATUS_SENDER_NOT_YOURS);
    assert_int_equal(route_policy_mail(w.index, &s, split("alice@example.org")), STATUS_OK);
    s = session("192.0.2.1");
    assert_int_equal(route_policy_mail(w.index, &s, split("bob@example.org")), STATUS_OK);
    world_deinit(&w);
}

static void test_self_test(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    char space[200];
    buf why;
    buf_init_fixed(&why, space, sizeof(space));
    assert_true(route_self_test(w.index, &why));
    assert_int_equal(why.len, 0);
    networks[0].senders = anyone; /* a whole network for anyone: what conf refuses */
    networks[0].sender_count = 1;
    assert_false(route_self_test(w.index, &why));
    assert_true(slice_find(buf_slice(&why), SLICE("10.1.2.0 could relay")) > 0);
    networks[0].senders = office;
    networks[0].sender_count = COUNT(office);
    world_deinit(&w);
}

static void test_describe(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    buf out;
    buf_init(&out, 1 << 16);
    route_policy_describe(w.index, &out);
    static const char *const lines[] = {
        "10.1.2.0/24 may send to anyone without signing in, as @example.org, .example.org and Boss@other.example.\n",
        "10.9.9.9 may send to anyone without signing in, as anyone.\n",
        "alice@example.org may also send as *@shop.example and info@example.org.\n",
        "example.org: mail is delivered into Maildirs; its users are the accounts; aliases are in /a.\n",
        "twin.example: the same as example.org.\n",
    };
    for (size_t i = 0; i < COUNT(lines); i++) {
        if (slice_find(buf_slice(&out), slice_str(lines[i])) < 0)
            fail_msg("no \"%s\" in: %.*s", lines[i], SLICE_ARG(buf_slice(&out)));
    }
    buf_deinit(&out);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rcpt),
        cmocka_unit_test(test_senders),
        cmocka_unit_test(test_self_test),
        cmocka_unit_test(test_describe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
