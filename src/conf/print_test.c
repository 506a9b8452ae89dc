/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HEAD "hostname = \"mail.example.org\"\npostmaster = \"alice@example.org\"\n"

static struct conf *parse(const char *head, slice rest)
{
    buf content, messages;
    struct conf *c = NULL;
    buf_init(&content, 1 << 20);
    buf_init(&messages, 1 << 20);
    buf_append(&content, slice_str(head));
    buf_append(&content, rest);
    if (conf_parse(SLICE("t"), buf_slice(&content), false, &messages, &c) != ERR_OK)
        fail_msg("%.*s", SLICE_ARG(buf_slice(&messages)));
    buf_deinit(&content);
    buf_deinit(&messages);
    return c;
}

/* What --defaults prints is a configuration, and one that changes nothing. */
static void test_defaults_are_the_defaults(void **state)
{
    (void)state;
    buf out, changes;
    buf_init(&out, 1 << 20);
    buf_init(&changes, 1 << 20);
    conf_print_defaults(&out);
    assert_true(slice_find(buf_slice(&out), SLICE("\nhops = 50\n")) > 0);
    assert_true(slice_find(buf_slice(&out), SLICE("\n# aliases = \"\"\n")) > 0);
    struct conf *plain = parse(HEAD, SLICE_NONE), *written = parse(HEAD, buf_slice(&out));
    conf_describe_changes(plain, written, &changes);
    assert_int_equal(changes.len, 0);
    conf_close(&plain);
    conf_close(&written);
    buf_deinit(&out);
    buf_deinit(&changes);
}

static void test_mdoc(void **state)
{
    (void)state;
    buf out;
    buf_init(&out, 1 << 20);
    conf_print_mdoc(&out);
    assert_true(slice_find(buf_slice(&out), SLICE(".It Sy [limits]\n")) > 0);
    assert_true(slice_find(buf_slice(&out), SLICE(".It Sy [domain.\\(dqexample.org\\(dq]\n")) > 0);
    assert_true(slice_find(buf_slice(&out), SLICE(".It Cm hops\n")) > 0);
    assert_true(slice_find(buf_slice(&out), SLICE("Default: 50.\n")) > 0);
    assert_true(slice_find(buf_slice(&out), SLICE("dkim")) < 0);
    buf_deinit(&out);
}

#define DOMAIN "[domain.\"example.org\"]\ndeliver = \"maildir:/m/{user}\"\nusers = [\"alice\", \"bob\"]\n"

static const struct {
    const char *before, *after, *expected;
} rows[] = {
    {DOMAIN, DOMAIN, ""},
    {DOMAIN, "# other\n" DOMAIN, ""},
    {"", "[relay.network.\"10.1.2.0/24\"]\nsenders = [\"@a.example\"]\n",
     "NEW: 10.1.2.0/24 may relay: as @a.example\n"},
    {"[relay.network.\"10.1.2.0/24\"]\nsenders = [\"@a.example\"]\n", "",
     "GONE: 10.1.2.0/24 may relay: as @a.example\n"},
    {"[relay]\nallow = []\n", "", "NEW: signed-in users may relay\nNEW: local programs may relay\n"},
    {"", "[limits]\nhops = 60\nvrfy = \"any\"\nbare_newline = \"reject\"\n",
     "CHANGED: limit hops: 60 (was: 50)\nCHANGED: limit vrfy: any (was: none)\n"
     "CHANGED: limit bare_newline: reject (was: normalize)\n"},
    {"",
     "[trust]\nproxy = [\"10.0.0.9\"]\nxclient = [\"::1\"]\nxforward = [\"10.0.0.0/24\"]\n[listen]\nlmtp = "
     "[\"127.0.0.1:24 proxy\"]\n",
     "NEW: lmtp listens on 127.0.0.1:24: no TLS, behind a proxy\nNEW: 10.0.0.9 may speak for others by PROXY\n"
     "NEW: ::1 may speak for others by XCLIENT\nNEW: 10.0.0.0/24 may tell where mail came from by XFORWARD\n"},
    {"", "[limits]\netrn = \"any\"\nuser_alarm = false\ntarpit = \"2s\"\nfuture_release = \"1d\"\n",
     "CHANGED: limit user_alarm: no (was: yes)\nCHANGED: limit tarpit: 2s (was: 0s)\n"
     "CHANGED: limit future_release: 1d (was: 30d)\nCHANGED: limit etrn: any (was: none)\n"},
    {DOMAIN, DOMAIN "smtputf8 = false\n",
     "CHANGED: domain example.org: maildir:/m/{user}, users: a list, aliases: none, subaddress: \"+\", ASCII only "
     "(was: "
     "maildir:/m/{user}, users: a list, aliases: none, subaddress: \"+\")\n"},
    {"", "[queue]\nretry = [\"1s\"]\n", "CHANGED: waits between tries: 1s (was: 1m, 5m, 15m, 30m, 1h, 2h, 4h)\n"},
    {DOMAIN, "[domain.\"example.org\"]\ndeliver = \"mbox:/m/{user}\"\nusers = [\"alice\", \"carol\"]\n",
     "CHANGED: domain example.org: mbox:/m/{user}, users: a list, aliases: none, subaddress: \"+\" (was: "
     "maildir:/m/{user}, users: a list, aliases: none, subaddress: \"+\")\nNEW: user carol@example.org\n"
     "GONE: user bob@example.org\n"},
    {DOMAIN, DOMAIN "[list.\"l@example.org\"]\nmembers = [\"alice\"]\n",
     "NEW: list l@example.org: its members may post, owner l-owner@example.org\n"
     "NEW: member alice@example.org of l@example.org\n"},
    {"", "[route.\"*\"]\nvia = \"smtp://relay.example\"\n",
     "NEW: route of all other mail: smtp://relay.example:25, tls may\n"},
    {"[listen]\nmx = [\"127.0.0.1:25\"]\n", "[listen]\nmx = [\"127.0.0.1:26\"]\n",
     "NEW: mx listens on 127.0.0.1:26: no TLS\nGONE: mx listens on 127.0.0.1:25: no TLS\n"},
    {"", "[batch]\nerror_limit = 9\nbad_job = \"delete\"\nadministrators = [\"a@b.example\"]\n",
     "CHANGED: reports of batch jobs go to: a@b.example (was: nothing)\nCHANGED: errors in a batch job: 9 (was: 5)\n"
     "CHANGED: a bad batch job: is deleted (was: is held)\n"},
    {"", "[limits]\nmax_size = \"20M\"\n[queue]\ngive_up = \"2d\"\nsigned_8bit = \"bounce\"\n",
     "CHANGED: mail is given up after: 2d (was: 5d)\n"
     "CHANGED: signed mail that conversion would break: goes back (was: is sent as it is)\n"
     "CHANGED: limit max_size: 20M (was: 50M)\n"},
    {"", "[send_as]\n\"a@b.example\" = [\"*@c.example\"]\n", "NEW: a@b.example may also send as: *@c.example\n"},
};

static void test_changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        buf out;
        buf_init(&out, 1 << 16);
        struct conf *before = parse(HEAD, slice_str(rows[i].before)), *after = parse(HEAD, slice_str(rows[i].after));
        conf_describe_changes(before, after, &out);
        buf_append_char(&out, 0);
        assert_string_equal(out.ptr, rows[i].expected);
        conf_close(&before);
        conf_close(&after);
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_defaults),
        cmocka_unit_test(test_mdoc),
        cmocka_unit_test(test_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
