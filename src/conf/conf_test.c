/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HEAD "hostname = \"mail.example.org\"\npostmaster = \"alice@example.org\"\n" /* two lines */
#define DOMAIN HEAD "[domain.\"example.org\"]\ndeliver = \"maildir:/m/{domain}/{user}\"\nusers = [\"alice\"]\n"

static char folder[] = "/tmp/thurn-conf-test-XXXXXX";

static void write_file(const char *name, const char *content)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(content, f);
    fclose(f);
}

/* Replaces each "@@" in text by the test's folder. */
static void expand(const char *text, buf *out)
{
    slice rest = slice_str(text);
    ptrdiff_t at;
    while ((at = slice_find(rest, SLICE("@@"))) >= 0) {
        buf_append(out, slice_sub(rest, 0, (size_t)at));
        buf_append(out, slice_str(folder));
        rest = slice_skip(rest, (size_t)at + 2);
    }
    buf_append(out, rest);
}

static struct conf *parse(const char *text, buf *messages)
{
    buf content;
    struct conf *conf = NULL;
    buf_init(&content, 1 << 20);
    buf_init(messages, 1 << 20);
    expand(text, &content);
    enum err e = conf_parse(SLICE("t.toml"), buf_slice(&content), false, messages, &conf);
    assert_true(e == ERR_OK || e == ERR_SYNTAX);
    assert_true((e == ERR_OK) == (conf != NULL));
    buf_append_char(messages, 0);
    buf_deinit(&content);
    return conf;
}

static struct conf *parse_good(const char *text)
{
    buf messages;
    struct conf *conf = parse(text, &messages);
    if (!conf)
        fail_msg("%s", messages.ptr);
    buf_deinit(&messages);
    return conf;
}

/* One error a row: its first line as printed, and the hint when there is one. */
static const struct {
    const char *content, *error, *hint;
} errors[] = {
#include "conf/tables/conf_errors_test.h"
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(errors); i++) {
        buf messages, expected;
        buf_init(&expected, 4096);
        expand(errors[i].error, &expected);
        buf_append_char(&expected, '\n');
        struct conf *conf = parse(errors[i].content, &messages);
        slice text = slice_sub(buf_slice(&messages), 0, messages.len - 1);
        if (conf)
            fail_msg("row %zu: no error, expected: %s", i, errors[i].error);
        if (slice_find(text, buf_slice(&expected)) < 0)
            fail_msg("row %zu: no \"%.*s\" in:\n%s", i, SLICE_ARG(buf_slice(&expected)), messages.ptr);
        char hint[100];
        snprintf(hint, sizeof(hint), "did you mean \"%s\"?\n", errors[i].hint ? errors[i].hint : "");
        if (errors[i].hint && slice_find(text, slice_str(hint)) < 0)
            fail_msg("row %zu: no hint %s in:\n%s", i, hint, messages.ptr);
        if (!errors[i].hint && slice_find(text, SLICE("did you mean")) >= 0)
            fail_msg("row %zu: unexpected hint in:\n%s", i, messages.ptr);
        unsigned count = 0;
        for (slice rest = text; slice_find(rest, SLICE("error: ")) >= 0; count++)
            rest = slice_skip(rest, (size_t)slice_find(rest, SLICE("error: ")) + 7);
        if (count != 1)
            fail_msg("row %zu: %u errors instead of one:\n%s", i, count, messages.ptr);
        buf_deinit(&expected);
        buf_deinit(&messages);
    }
}

static void test_layout_of_messages(void **state)
{
    (void)state;
    buf messages;
    struct conf *conf = parse(HEAD "[domain.\"example.org\"]\ndeliver = \"discard:\"\n"
                                   "alises = \"/etc/aliases\"\n[limits]\n\thops = true\nx = 1\n",
                              &messages);
    assert_null(conf);
    assert_string_equal(messages.ptr, "t.toml:5:1: error: unknown key \"alises\" in [domain.\"example.org\"]\n"
                                      "alises = \"/etc/aliases\"\n"
                                      "^\n"
                                      "did you mean \"aliases\"?\n"
                                      "t.toml:7:9: error: \"hops\" must be an integer, not a boolean\n"
                                      "\thops = true\n"
                                      "\t       ^\n"
                                      "t.toml:8:1: error: unknown key \"x\" in [limits]\n"
                                      "x = 1\n"
                                      "^\n");
    buf_deinit(&messages);
    buf_init(&messages, 1 << 16);
    assert_int_equal(conf_parse(SLICE("t"), SLICE("x = 1\r\n"), true, &messages, &conf), ERR_SYNTAX);
    assert_true(slice_starts(buf_slice(&messages), SLICE("t:1:1: \x1b[1;31merror: \x1b[0m")));
    buf_deinit(&messages);
}

static void test_defaults(void **state)
{
    (void)state;
    struct conf *c = parse_good("hostname = \"Mail.Example.org.\"\npostmaster = \"alice@Example.net\"\n");
    assert_true(slice_equal(c->route.hostname, SLICE("mail.example.org")));
    assert_true(slice_equal(c->route.origin, SLICE("mail.example.org")));
    assert_true(slice_equal(c->route.postmaster, SLICE("alice@example.net")));
    assert_true(slice_equal(c->state_dir, SLICE("/var/lib/thurn")));
    assert_true(slice_equal(c->queue.dir, SLICE("/var/lib/thurn/queue")));
    assert_true(slice_equal(c->user, SLICE("thurn")));
    assert_true(c->route.null_client);
    assert_true(c->route.allow_authenticated && c->route.allow_local_socket);
    assert_int_equal(c->queue.retry_count, 7);
    assert_int_equal(c->queue.retry_s[0], 60);
    assert_int_equal(c->queue.retry_s[6], 4 * 3600);
    assert_int_equal(c->queue.give_up_s, 5 * 86400);
    assert_int_equal(c->queue.bounce_give_up_s, 86400);
    assert_int_equal(c->queue.warn_after_s, 4 * 3600);
    assert_int_equal(c->queue.min_free, 100 << 20);
    assert_int_equal(c->limits.max_size, 50 << 20);
    assert_int_equal(c->limits.sessions, 10000);
    assert_int_equal(c->limits.sessions_per_address, 100);
    assert_int_equal(c->limits.connections_per_minute, 300);
    assert_int_equal(c->limits.messages_per_session, 0);
    assert_int_equal(c->limits.recipients, 1000);
    assert_int_equal(c->limits.errors, 20);
    assert_int_equal(c->limits.auth_failures, 10);
    assert_int_equal(c->limits.hops, 50);
    assert_int_equal(c->limits.pregreet_ms, 0);
    assert_int_equal(c->limits.vrfy, CONF_QUERY_NONE);
    assert_false(c->limits.bare_newline_reject || c->limits.strict_paths);
    assert_int_equal(c->limits.etrn, CONF_QUERY_NONE);
    assert_int_equal(c->limits.user_messages_per_hour, 500);
    assert_int_equal(c->limits.user_recipients_per_hour, 2000);
    assert_true(c->limits.user_alarm);
    assert_false(c->limits.refuse_null_mx);
    assert_int_equal(c->limits.tarpit_ms, 0);
    assert_int_equal(c->limits.command_timeout_ms, 300000); /* RFC 5321 section 4.5.3.2.7 */
    assert_int_equal(c->limits.data_timeout_ms, 180000);    /* section 4.5.3.2.5 */
    assert_int_equal(c->limits.min_rate, 256);
    assert_int_equal(c->limits.future_release_s, 30 * 86400);
    assert_int_equal(c->trust.proxy.count + c->trust.xclient.count + c->trust.xforward.count, 0);
    assert_int_equal(c->route.domain_count, 1);
    assert_true(c->route.domains[0].implied);
    assert_false(c->development);
    conf_close(&c);
    assert_null(c);
}

static void test_values(void **state)
{
    (void)state;
    struct conf *c = parse_good(
        "\xef\xbb\xbf" HEAD "origin = \"example.org\"\nstate_dir = \"/srv/thurn/\"\nuser = \"mail\"\r\n"
        "[queue]\nretry = [\"1s\", \"2m\"]\ngive_up = \"1h\"\nwarn_after = \"0s\"\nmin_free = \"0\"\n"
        "[tls]\ncert = \"@@/cert\"\nkey = \"@@/key\"\n[tls.\"Other.example\"]\ncert = \"@@/cert\"\nkey = \"@@/key\"\n"
        "[listen]\nmx = [\"*:25\", \"[::1]:2525 tls\", \"unix:/run/mx\"]\nsubmission = [\"*:465 tls\", "
        "\"127.0.0.1:587\"]\n"
        "[auth]\nvia = \"dovecot:/run/dovecot/auth-client\"\nhash = \"argon2id\"\nplaintext_on_loopback = true\n"
        "client_ca = \"@@/cert\"\njwt_key = \"@@/cert\"\njwt_audience = \"mail\"\n"
        "[limits]\nmax_size = 1000\npregreet = \"5s\"\nvrfy = \"any\"\nexpn = \"authenticated\"\n"
        "bare_newline = \"reject\"\nstrict_paths = true\n"
        "[domain.\"Example.org\"]\ndeliver = \"maildir:/m/{domain}/{user}\"\n"
        "users = [\"Alice Example <Alice>\", \"bob\"]\naliases = \"@@/aliases\"\ncatch_all = \"bob\"\nsubaddress = "
        "\"+-\"\n"
        "deliver_as = \"vmail\"\n"
        "[domain.\"twin.example\"]\nsame_as = \"example.org\"\n"
        "[domain.\"lmtp.example\"]\ndeliver = \"lmtp:unix:/run/lmtp\"\nusers = \"any\"\n"
        "[domain.\"sys.example\"]\ndeliver = \"maildir:~/Maildir\"\nusers = \"system\"\n"
        "[domain.\"gate.example\"]\ndeliver = \"smtp:[fd00::2]:2525\"\n"
        "[domain.\"backup.example\"]\ndeliver = \"mx:\"\n"
        "[address.\"Tickets@example.org\"]\ndeliver = \"pipe:/usr/bin/tickets --in {user}\"\n"
        "[list.\"team@example.org\"]\nmembers = \"@@/members\"\npost = [\"boss@far.example\"]\n"
        "[list.\"all@example.org\"]\nmembers = [\"alice\", \"x@far.example\"]\nowner = \"bob\"\npost = \"any\"\n"
        "[route.\"*\"]\nvia = \"smtps://alice%40isp.example@relay.isp.example\"\npassword_file = \"@@/key\"\n"
        "[route.\"partner.example\"]\nvia = \"smtp://[2001:db8::1]:26\"\ntls = \"none\"\nhelo = \"out.example.org\"\n"
        "source = \"192.0.2.5\"\n"
        "[relay]\nallow = [\"authenticated\"]\n"
        "[relay.network.\"10.1.2.0/24\"]\nsenders = [\"@example.org\", \".example.org\", \"x@far.example\"]\n"
        "[relay.network.\"198.51.100.0/24\"]\nsenders = [\"@example.org\"]\npublic = true\n"
        "[relay.network.\"10.9.9.9\"]\nsenders = [\"*\"]\n"
        "[relay.network.\"fd00::/48\"]\nsenders = [\"@example.org\"]\n"
        "[send_as]\n\"alice@example.org\" = [\"*@shop.example\", \"info@example.org\"]\n");
    const struct route_tables *t = &c->route;
    assert_false(t->null_client);
    assert_int_equal(c->queue.give_up_s, 3600);
    assert_int_equal(c->queue.bounce_give_up_s, 3600);
    assert_int_equal(c->queue.retry_s[1], 120);
    assert_int_equal(c->queue.min_free, 0);
    assert_true(slice_equal(c->queue.dir, SLICE("/srv/thurn/queue")));
    assert_int_equal(c->tls_count, 2);
    assert_true(slice_equal(c->tls[1].name, SLICE("other.example")));
    assert_int_equal(c->listener_count, 5);
    assert_int_equal(c->listeners[0].tls, CONF_TLS_STARTTLS);
    assert_true(slice_equal(c->listeners[1].host, SLICE("::1")));
    assert_int_equal(c->listeners[1].port, 2525);
    assert_int_equal(c->listeners[1].tls, CONF_TLS_IMPLICIT);
    assert_true(slice_equal(c->listeners[2].unix_path, SLICE("/run/mx")));
    assert_int_equal(c->listeners[3].role, CONF_LISTEN_SUBMISSION);
    assert_int_equal(c->auth.via, CONF_AUTH_DOVECOT);
    assert_true(slice_equal(c->auth.path, SLICE("/run/dovecot/auth-client")));
    assert_true(c->auth.argon2id && c->auth.plaintext_on_loopback);
    assert_true(slice_equal(c->auth.jwt_audience, SLICE("mail")) && c->auth.jwt_issuer.len == 0);
    assert_true(slice_equal(c->auth.claim, SLICE("email")));
    assert_int_equal(c->limits.max_size, 1000);
    assert_int_equal(c->limits.pregreet_ms, 5000);
    assert_int_equal(c->limits.vrfy, CONF_QUERY_ANY);
    assert_int_equal(c->limits.expn, CONF_QUERY_AUTHENTICATED);
    assert_true(c->limits.bare_newline_reject && c->limits.strict_paths);
    assert_int_equal(t->domain_count, 7);
    const struct route_domain *d = &t->domains[0];
    assert_true(slice_equal(d->name, SLICE("example.org")));
    assert_int_equal(d->user_count, 2);
    assert_true(slice_equal(d->user_list[0].local, SLICE("alice")));
    assert_true(slice_equal(d->user_list[0].full_name, SLICE("Alice Example")));
    assert_true(slice_equal(d->catch_all, SLICE("bob@example.org")));
    assert_non_null(alias_table_find(d->aliases, SLICE("sales")));
    assert_int_equal(alias_table_find(d->aliases, SLICE("inc"))->target_count, 3);
    assert_true(slice_equal(d->subaddress, SLICE("+-")));
    assert_ptr_equal(t->domains[1].same_as, d);
    assert_true(slice_equal(t->domains[2].deliver.argument, SLICE("/run/lmtp")));
    assert_true(t->domains[3].deliver.home);
    assert_true(slice_equal(t->domains[4].deliver.host, SLICE("fd00::2")));
    assert_int_equal(t->domains[5].deliver.kind, DELIVER_MX);
    assert_true(slice_equal(t->addresses[0].deliver.argument, SLICE("/usr/bin/tickets --in {user}")));
    assert_int_equal(t->lists[0].member_count, 2);
    assert_true(slice_equal(t->lists[0].members[0], SLICE("carol@far.example")));
    assert_true(slice_equal(t->lists[0].members[1], SLICE("alice@example.org")));
    assert_int_equal(t->lists[0].post, LIST_POST_ADDRESSES);
    assert_true(slice_equal(t->lists[0].owner, SLICE("team-owner@example.org")));
    assert_true(slice_equal(t->lists[1].owner, SLICE("bob@example.org")));
    assert_true(slice_equal(t->overrides[0].login, SLICE("alice@isp.example")));
    assert_int_equal(t->overrides[0].port, 465);
    assert_int_equal(t->overrides[0].tls, ROUTE_TLS_VERIFY);
    assert_true(t->overrides[1].by_address);
    assert_true(slice_equal(t->overrides[1].host, SLICE("2001:db8::1")));
    assert_int_equal(t->overrides[1].tls, ROUTE_TLS_NONE);
    assert_false(t->allow_local_socket);
    assert_int_equal(t->network_count, 4);
    assert_int_equal(t->networks[2].bits, 32);
    assert_int_equal(t->networks[3].ip_len, 16);
    assert_int_equal(t->send_as[0].pattern_count, 2);
    conf_close(&c);
}

static void test_e13_trust_and_lmtp(void **state)
{
    (void)state;
    struct conf *c =
        parse_good(DOMAIN "smtputf8 = false\n"
                          "[trust]\nproxy = [\"10.0.0.0/8\", \"192.0.2.7\"]\nxclient = [\"::1\"]\nxforward = "
                          "[\"fd00::/16\"]\n"
                          "[listen]\nmx = [\"*:25 proxy\"]\nlmtp = [\"unix:/run/lmtp\", \"127.0.0.1:24 proxy\"]\n"
                          "[limits]\netrn = \"any\"\nuser_messages_per_hour = 0\nuser_alarm = false\n");
    static const uint8_t inside[4] = {10, 1, 2, 3}, balancer[4] = {192, 0, 2, 7}, other[4] = {192, 0, 2, 8};
    assert_int_equal(c->trust.proxy.count, 2);
    assert_true(route_networks_contain(c->trust.proxy.networks, 2, inside, 4));
    assert_true(route_networks_contain(c->trust.proxy.networks, 2, balancer, 4));
    assert_false(route_networks_contain(c->trust.proxy.networks, 2, other, 4));
    assert_false(route_networks_contain(c->trust.proxy.networks, 2, other, 0));
    assert_int_equal(c->trust.xclient.networks[0].bits, 128);
    assert_int_equal(c->trust.xforward.networks[0].bits, 16);
    assert_int_equal(c->listener_count, 3);
    assert_true(c->listeners[0].proxy);
    assert_int_equal(c->listeners[1].role, CONF_LISTEN_LMTP);
    assert_false(c->listeners[1].proxy);
    assert_true(c->listeners[2].proxy);
    assert_int_equal(c->limits.etrn, CONF_QUERY_ANY);
    assert_int_equal(c->limits.user_messages_per_hour, 0);
    assert_false(c->limits.user_alarm);
    assert_true(c->route.domains[0].ascii_only);
    assert_false(c->route.domains[1].ascii_only);
    conf_close(&c);
}

static void e6_names_are_stored_as_a_labels(void **state)
{
    (void)state;
    struct conf *c = parse_good(
        "hostname = \"mail.m\xc3\xbcller.example\"\npostmaster = \"Jose\xcc\x81@M\xc3\x9cLLER.example\"\n"
        "[domain.\"m\xc3\xbcller.example\"]\ndeliver = \"maildir:/m/{domain}/{user}\"\nusers = [\"jos\xc3\xa9\"]\n"
        "aliases = \"@@/international\"\ncatch_all = \"a@b\xc3\xbc.example\"\n"
        "[domain.\"gate.example\"]\ndeliver = \"smtp:b\xc3\xbc.example:2525\"\n"
        "[list.\"l@m\xc3\xbcller.example\"]\nmembers = \"@@/international-members\"\n"
        "[route.\"b\xc3\xbc.example\"]\nvia = \"smtp://b\xc3\xbc.example\"\n"
        "[relay.network.\"10.1.2.0/24\"]\nsenders = [\"@b\xc3\xbc.example\", \".b\xc3\xbc.example\", "
        "\"x@b\xc3\xbc.example\"]\n"
        "[send_as]\n\"a@b\xc3\xbc.example\" = [\"*@b\xc3\xbc.example\"]\n");
    const struct route_tables *t = &c->route;
    static const slice b = SLICE("xn--b-eha.example");
    assert_true(slice_equal(t->hostname, SLICE("mail.xn--mller-kva.example")));
    assert_true(slice_equal(t->postmaster, SLICE("Jos\xc3\xa9@xn--mller-kva.example")));
    const struct route_domain *d = &t->domains[0];
    assert_true(slice_equal(d->name, SLICE("xn--mller-kva.example")));
    assert_true(slice_equal(d->catch_all, SLICE("a@xn--b-eha.example")));
    const struct alias_entry *entry = alias_table_find(d->aliases, SLICE("info"));
    assert_int_equal(entry->target_count, 3);
    assert_true(slice_equal(entry->targets[0].text, SLICE("x@xn--b-eha.example")));
    assert_true(slice_equal(entry->targets[1].text, SLICE("Y@Far.example")));
    assert_true(slice_equal(entry->targets[2].text, SLICE("jos\xc3\xa9")));
    entry = alias_table_find(d->aliases, SLICE("ren\xc3\xa9")); /* written decomposed; its command stays as it is */
    assert_non_null(entry);
    assert_true(slice_equal(entry->targets[0].text, SLICE("e\xcc\x81:")));
    assert_true(slice_equal(t->domains[1].deliver.host, b));
    assert_true(slice_equal(t->lists[0].address, SLICE("l@xn--mller-kva.example")));
    assert_true(slice_equal(t->lists[0].members[0], SLICE("c@xn--b-eha.example")));
    assert_true(slice_equal(t->overrides[0].domain, b) && slice_equal(t->overrides[0].host, b));
    assert_true(slice_equal(t->networks[0].senders[0], SLICE("@xn--b-eha.example")));
    assert_true(slice_equal(t->networks[0].senders[1], SLICE(".xn--b-eha.example")));
    assert_true(slice_equal(t->networks[0].senders[2], SLICE("x@xn--b-eha.example")));
    assert_true(slice_equal(t->send_as[0].login, SLICE("a@xn--b-eha.example")));
    assert_true(slice_equal(t->send_as[0].patterns[0], SLICE("*@xn--b-eha.example")));
    conf_close(&c);
}

static void test_sources(void **state)
{
    (void)state;
    char path[200];
    buf content, messages;
    buf_init(&content, 4096);
    buf_init(&messages, 1 << 16);
    expand(DOMAIN "aliases = \"@@/aliases\"\n[list.\"l@example.org\"]\nmembers = \"@@/members\"\n", &content);
    buf_append_char(&content, 0);
    write_file("conf.toml", content.ptr);
    snprintf(path, sizeof(path), "%s/conf.toml", folder);
    struct conf *c = NULL;
    assert_int_equal(conf_load(path, false, &messages, &c), ERR_OK);
    static const char *const names[] = {"conf.toml", "aliases", "include", "members"};
    for (size_t i = 0; i < COUNT(names); i++) {
        bool found = false;
        for (size_t k = 0; k < c->source_count; k++)
            found = found || slice_ends_nocase(c->sources[k].path, slice_str(names[i]));
        if (!found)
            fail_msg("%s is no source", names[i]);
    }
    conf_close(&c);
    snprintf(path, sizeof(path), "%s/missing.toml", folder);
    assert_int_equal(conf_load(path, false, &messages, &c), ERR_NOTFOUND);
    assert_int_equal(conf_load(folder, false, &messages, &c), ERR_UNSUPPORTED);
    assert_null(c);
    buf_deinit(&content);
    buf_deinit(&messages);
}

/* Whoever only asks the server may not be allowed to read what only root can. */
static void test_alone(void **state)
{
    (void)state;
    char path[200];
    buf content, messages;
    buf_init(&content, 4096);
    buf_init(&messages, 1 << 16);
    expand("state_dir = \"/srv/thurn\"\n" DOMAIN
           "aliases = \"@@/missing\"\n[tls]\ncert = \"@@/missing\"\nkey = \"@@/missing\"\n"
           "[list.\"l@example.org\"]\nmembers = \"@@/missing\"\n[route.\"*\"]\nvia = "
           "\"smtps://me@relay.example\"\npassword_file = \"@@/missing\"\n",
           &content);
    buf_append_char(&content, 0);
    write_file("alone.toml", content.ptr);
    snprintf(path, sizeof(path), "%s/alone.toml", folder);
    struct conf *c = NULL;
    assert_int_equal(conf_load(path, false, &messages, &c), ERR_SYNTAX);
    buf_clear(&messages);
    assert_int_equal(conf_load_alone(path, false, &messages, &c), ERR_OK);
    assert_true(slice_equal(c->state_dir, SLICE("/srv/thurn")));
    assert_true(slice_equal(c->route.hostname, SLICE("mail.example.org")));
    conf_close(&c);
    write_file("alone.toml", "hostname = 5\n");
    assert_int_equal(conf_load_alone(path, false, &messages, &c), ERR_SYNTAX);
    assert_true(messages.len > 0);
    buf_deinit(&content);
    buf_deinit(&messages);
}

static void test_warnings(void **state)
{
    (void)state;
    static const struct {
        const char *content, *warning;
    } rows[] = {
        {HEAD, "t.toml:1:12: warning: this is a null client without [route.\"*\"]"},
        {HEAD "[domain.\"d.example\"]\ndeliver = \"discard:\"\nusers = \"any\"\n",
         "t.toml:5:9: warning: d.example takes"},
        {HEAD "[domain.\"example.org\"]\ndeliver = \"discard:\"\nusers = [\"bob\"]\n",
         "t.toml:2:14: warning: \"alice@example.org\" is neither a user nor an alias"},
        {DOMAIN "[limits]\nmax_size = 50\n", "t.toml:7:12: warning: \"max_size\" is 50 bytes"},
        {DOMAIN "[limits]\nmax_size = \"63K\"\n", "t.toml:7:12: warning: \"max_size\" is 64512 bytes"},
        {DOMAIN "[listen]\nlmtp = [\"*:24\"]\n", "t.toml:7:9: warning: lmtp on \"*:24\" is for local software"},
        {HEAD "[batch]\nallow = [\"root\", \"no-such-user-here\"]\n",
         "t.toml:4:18: warning: there is no user \"no-such-user-here\" on this system"},
        {HEAD "[batch]\nallow = [\"@no-such-group-here\"]\n",
         "t.toml:4:10: warning: there is no group \"no-such-group-here\" on this system"},
        {DOMAIN "aliases = \"@@/nowhere\"\n", "t.toml:6:11: warning: alias \"x\" in line 2 leads to \"ghost\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        buf messages;
        struct conf *c = parse(rows[i].content, &messages);
        if (!c || slice_find(buf_slice(&messages), slice_str(rows[i].warning)) < 0)
            fail_msg("no \"%s\" in:\n%s", rows[i].warning, messages.ptr);
        conf_close(&c);
        buf_deinit(&messages);
    }
}

/* A list that is left to a user must not make him the server's user. */
static void test_commands_of_included_files(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        unsigned mode, uid;
        bool good;
    } rows[] = {
        {"bob@far.example, |id\n", 0644, 0, true},
        {"|id\n", 0666, 0, false},
        {"/tmp/x\n", 0664, 0, false},
        {"bob@far.example\n", 0666, 0, true},
        {"|id\n", 0644, 65534, false},
        {"a@far.example, /tmp/x\n", 0600, 65534, false},
        {"a@far.example\n", 0600, 65534, true},
    };
    char path[200];
    snprintf(path, sizeof(path), "%s/include", folder);
    for (size_t i = 0; i < COUNT(rows); i++) {
        buf messages;
        if (rows[i].uid != 0 && os_uid() != 0)
            continue;
        write_file("include", rows[i].content);
        assert_int_equal(chmod(path, rows[i].mode), 0);
        assert_int_equal(rows[i].uid == 0 ? 0 : chown(path, rows[i].uid, rows[i].uid), 0);
        struct conf *c = parse(DOMAIN "aliases = \"@@/aliases\"\n", &messages);
        if ((c != NULL) != rows[i].good || (!c && slice_find(buf_slice(&messages), SLICE("commands and files")) < 0))
            fail_msg("%s by %u with %o:\n%s", rows[i].content, rows[i].uid, rows[i].mode, messages.ptr);
        conf_close(&c);
        buf_deinit(&messages);
    }
    unlink(path);
    write_file("include", "a@far.example\nb@far.example, c@far.example\n");
}

/* File and line, what is wrong, what to do, and who includes it. A file that not everybody may read is read as root, for whoever names it in a list: nothing of it is shown. */
static void test_wrong_lines_of_included_files(void **state)
{
    (void)state;
#define REMEDY "; mend the line, or put a # before it (alias \"inc\" includes it, @@/aliases:2)\n"
#define TEN "0123456789"
#define EIGHTY TEN TEN TEN TEN TEN TEN TEN TEN
    static const struct {
        const char *content;
        unsigned mode;
        const char *error;
    } rows[] = {
        {"a@far.example\nb c@far.example\n", 0644, "@@/include:2: error: \"b c@far.example\": not an address" REMEDY},
        {"root:$y$secret:1::\n", 0640, "@@/include:1: error: not an address" REMEDY},
        {"a\n\"unclosed\n", 0600, "@@/include:2: error: a quoted text does not end" REMEDY},
        {EIGHTY "!@@\n", 0644, "@@/include:1: error: \"" EIGHTY "...\": not an address" REMEDY},
    };
    char path[200];
    snprintf(path, sizeof(path), "%s/include", folder);
    for (size_t i = 0; i < COUNT(rows); i++) {
        buf messages, expected;
        buf_init(&expected, 4096);
        expand(rows[i].error, &expected);
        write_file("include", rows[i].content);
        assert_int_equal(chmod(path, rows[i].mode), 0);
        struct conf *c = parse(DOMAIN "aliases = \"@@/aliases\"\n", &messages);
        assert_null(c);
        if (slice_find(buf_slice(&messages), buf_slice(&expected)) < 0 ||
            slice_find(buf_slice(&messages), SLICE("secret")) >= 0)
            fail_msg("no \"%.*s\" in:\n%s", SLICE_ARG(buf_slice(&expected)), messages.ptr);
        buf_deinit(&messages);
        buf_deinit(&expected);
    }
    unlink(path);
    write_file("include", "a@far.example\nb@far.example, c@far.example\n");
}

/* Documents that are too much: an error, no crash. */
static void test_hostile_documents(void **state)
{
    (void)state;
    static const char *const parts[] = {"[", "{a=", "a.", "[[a", "\"", "a = [", "{", "\xff"};
    for (size_t i = 0; i < COUNT(parts); i++) {
        buf text, messages;
        struct conf *c = NULL;
        buf_init(&text, 1 << 20);
        buf_init(&messages, 1 << 20);
        buf_append(&text, SLICE("x = "));
        for (int n = 0; n < 50000; n++)
            buf_append(&text, slice_str(parts[i]));
        assert_int_equal(conf_parse(SLICE("t"), buf_slice(&text), false, &messages, &c), ERR_SYNTAX);
        text.ptr[2] = text.ptr[0] = '\n';
        assert_int_equal(conf_parse(SLICE("t"), buf_slice(&text), false, &messages, &c), ERR_SYNTAX);
        buf_deinit(&text);
        buf_deinit(&messages);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout_of_messages),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(e6_names_are_stored_as_a_labels),
        cmocka_unit_test(test_e13_trust_and_lmtp),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_commands_of_included_files),
        cmocka_unit_test(test_wrong_lines_of_included_files),
        cmocka_unit_test(test_hostile_documents),
    };
    if (!mkdtemp(folder))
        return 1;
    write_file("cert", "cert\n");
    write_file("key", "key\n");
    write_file("include", "a@far.example\nb@far.example, c@far.example\n");
    write_file("members", "# our team\ncarol@far.example\n\nAlice Example <alice@Example.org>  # boss\r\n");
    write_file("international",
               "info: x@b\xc3\xbc.example, Y@Far.example, jose\xcc\x81\n# e\xcc\x81:\nRene\xcc\x81: |e\xcc\x81:\n");
    write_file("international-members", "c@b\xc3\xbc.example\n");
    write_file("bad-international", "ok: alice\nx: a@\xf0\x9f\x92\xa9.example\n");
    write_file("nowhere", "ok: alice\nx: ghost\n");
    write_file("broken", "a: b\nnonsense\n");
    write_file("bad-include", "a: alice\nb: :include:/nonexistent/file\n");
    write_file("bad-members", "a@far.example\n@@@\n");
    buf text;
    buf_init(&text, 4096);
    expand("sales: alice\ninc: :include:@@/include\n", &text);
    buf_append_char(&text, 0);
    write_file("aliases", text.ptr);
    buf_clear(&text);
    expand("l: :include:@@/loop-include\n", &text);
    buf_append_char(&text, 0);
    write_file("loop", text.ptr);
    buf_clear(&text);
    expand(":include:@@/loop-include\n", &text);
    buf_append_char(&text, 0);
    write_file("loop-include", text.ptr);
    buf_deinit(&text);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    static const char *const names[] = {"cert",
                                        "key",
                                        "aliases",
                                        "include",
                                        "members",
                                        "nowhere",
                                        "broken",
                                        "bad-include",
                                        "bad-members",
                                        "loop",
                                        "loop-include",
                                        "conf.toml",
                                        "international",
                                        "international-members",
                                        "bad-international"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[200];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    return failed;
}
