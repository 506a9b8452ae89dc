/* SPDX-License-Identifier: ISC */
#include "sasl/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sasl/prepare.h"
#include "sasl/scram_client.h"

#define ALL "LOGIN PLAIN EXTERNAL XOAUTH2 OAUTHBEARER SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-256-PLUS"
#define BINDING "0123456789abcdef0123456789abcdef"

static const struct sasl_client_options user = {
    .login = {"user", 4}, .secret = {"pencil", 6}, .may_plain = true, .host = {"server.example.com", 18}, .port = 587};

static void e11_client_takes_the_best_mechanism(void **state)
{
    static const struct {
        const char *offered;
        bool token, certificate, may_plain, binding;
        const char *wanted;
    } rows[] = {
        {ALL, false, false, true, true, "SCRAM-SHA-256-PLUS"},
        {ALL, false, false, false, true, "SCRAM-SHA-256-PLUS"},
        {ALL, false, false, true, false, "SCRAM-SHA-256"},
        {"scram-sha-256 scram-sha-1", false, false, false, false, "SCRAM-SHA-256"},
        {"SCRAM-SHA-256 SCRAM-SHA-1-PLUS", false, false, true, true, "SCRAM-SHA-1-PLUS"},
        {"PLAIN SCRAM-SHA-1-PLUS SCRAM-SHA-1", false, false, true, false, "SCRAM-SHA-1"},
        {ALL, true, false, true, true, "OAUTHBEARER"},
        {"PLAIN XOAUTH2 LOGIN", true, false, true, false, "XOAUTH2"},
        {ALL, true, false, false, true, ""},
        {"PLAIN LOGIN", true, false, true, true, ""},
        {"LOGIN PLAIN EXTERNAL", false, true, true, false, "EXTERNAL"},
        {"LOGIN PLAIN EXTERNAL", false, false, true, false, "PLAIN"},
        {"LOGIN", false, false, true, false, "LOGIN"},
        {"LOGIN PLAIN", false, false, false, false, ""},
        {"CRAM-MD5 DIGEST-MD5 NTLM GSSAPI ANONYMOUS PLAINER", false, true, true, true, ""},
        {"", false, true, true, true, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_client_options o = user;
        o.token = rows[i].token;
        o.certificate = rows[i].certificate;
        o.may_plain = rows[i].may_plain;
        o.binding = rows[i].binding ? SLICE(BINDING) : SLICE_NONE;
        slice got = sasl_client_choose(slice_str(rows[i].offered), &o);
        assert_true(slice_equal(got, slice_str(rows[i].wanted)));
    }
}

static void e11_client_never_opens_what_does_not_fit(void **state)
{
    struct sasl_client *c = NULL;
    struct sasl_client_options o = user;
    (void)state;
    o.may_plain = false;
    assert_int_equal(sasl_client_open(SLICE("PLAIN"), &o, &c), ERR_UNSUPPORTED);
    assert_int_equal(sasl_client_open(SLICE("SCRAM-SHA-1-PLUS"), &o, &c), ERR_UNSUPPORTED);
    assert_int_equal(sasl_client_open(SLICE("CRAM-MD5"), &o, &c), ERR_UNSUPPORTED);
    o.may_plain = true;
    o.login = (slice){"us\0er", 5};
    assert_int_equal(sasl_client_open(SLICE("PLAIN"), &o, &c), ERR_UNSUPPORTED);
    o.login = SLICE("a\1auth=b");
    o.token = true;
    assert_int_equal(sasl_client_open(SLICE("OAUTHBEARER"), &o, &c), ERR_UNSUPPORTED);
    assert_null(c);
}

struct line {
    const char *challenge; /* NULL: the first step */
    const char *response;
    enum sasl_status status;
};

static void follow(slice mechanism, const struct sasl_client_options *o, const struct line *lines, size_t count)
{
    struct sasl_client *c = NULL;
    assert_int_equal(sasl_client_open(mechanism, o, &c), ERR_OK);
    for (size_t i = 0; i < count; i++) {
        char memory[4096];
        buf out;
        buf_init_fixed(&out, memory, sizeof memory);
        slice challenge = lines[i].challenge ? slice_str(lines[i].challenge) : SLICE_NONE;
        assert_int_equal(sasl_client_step(c, challenge, !lines[i].challenge, &out), lines[i].status);
        slice wanted = slice_str(lines[i].response);
        if (slice_equal(mechanism, SLICE("PLAIN")) && i == 0)
            wanted = (slice){"\0user\0pencil", 12};
        if (lines[i].status != SASL_REFUSED)
            assert_true(slice_equal(buf_slice(&out), wanted));
    }
    sasl_client_close(&c);
    assert_null(c);
}

/* OAUTHBEARER: RFC 7628 section 4. */
static void e11_client_simple_mechanisms(void **state)
{
    static const struct line plain[] = {{NULL, "", SASL_DONE}, {"more", "", SASL_REFUSED}};
    static const struct line login[] = {
        {"Username:", "user", SASL_MORE}, {"Password:", "pencil", SASL_DONE}, {"Once more", "", SASL_REFUSED}};
    static const struct line external[] = {{NULL, "", SASL_DONE}, {"x", "", SASL_REFUSED}};
    static const struct line bearer[] = {{NULL,
                                          "n,a=user@example.com,\1host=server.example.com\1port=587\1auth=Bearer "
                                          "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1",
                                          SASL_DONE},
                                         {"{\"status\":\"invalid_token\"}", "\1", SASL_DONE},
                                         {"", "", SASL_REFUSED}};
    static const struct line xoauth2[] = {
        {NULL, "user=user@example.com\1auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1", SASL_DONE},
        {"{\"status\":\"400\"}", "", SASL_DONE},
        {"", "", SASL_REFUSED}};
    struct sasl_client_options o = user;
    (void)state;
    follow(SLICE("PLAIN"), &o, plain, 2);
    follow(SLICE("LOGIN"), &o, login, 3);
    o.certificate = true;
    follow(SLICE("EXTERNAL"), &o, external, 2);
    o.token = true;
    o.login = SLICE("user@example.com");
    o.secret = SLICE("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    follow(SLICE("OAUTHBEARER"), &o, bearer, 3);
    follow(SLICE("XOAUTH2"), &o, xoauth2, 3);
}

/* RFC 4954 section 4, RFC 4616 section 2. */
static void e11_client_names_are_prepared(void **state)
{
    static const struct line login[] = {{"Username:", "IX", SASL_MORE}, {"Password:", "a", SASL_DONE}};
    static const struct line unprepared[] = {{"Username:", "\xff", SASL_MORE}, {"Password:", "\x07", SASL_DONE}};
    struct sasl_client_options o = user;
    struct sasl_client *c = NULL;
    char memory[64];
    buf out;
    (void)state;
    o.login = SLICE("I\xc2\xadX");
    o.secret = SLICE("\xc2\xaa");
    follow(SLICE("LOGIN"), &o, login, 2);
    buf_init_fixed(&out, memory, sizeof memory);
    assert_int_equal(sasl_client_open(SLICE("PLAIN"), &o, &c), ERR_OK);
    assert_int_equal(sasl_client_step(c, SLICE_NONE, true, &out), SASL_DONE);
    assert_true(slice_equal(buf_slice(&out), SLICE("\0IX\0a")));
    sasl_client_close(&c);
    o.login = SLICE("\xff");
    o.secret = SLICE("\x07");
    follow(SLICE("LOGIN"), &o, unprepared, 2);
}

static void e11_client_login_waits_for_the_server(void **state)
{
    struct sasl_client *c = NULL;
    (void)state;
    assert_int_equal(sasl_client_open(SLICE("LOGIN"), &user, &c), ERR_OK);
    assert_false(sasl_client_begins(c));
    sasl_client_close(&c);
    assert_int_equal(sasl_client_open(SLICE("SCRAM-SHA-256"), &user, &c), ERR_OK);
    assert_true(sasl_client_begins(c));
    sasl_client_close(&c);
}

struct example {
    enum crypt_digest digest;
    const char *nonce, *first, *server_first, *final, *server_final;
};

/* RFC 5802 section 5 and RFC 7677 section 3. */
static const struct example examples[] = {
    {CRYPT_SHA1, "fyko+d2lbbFgONRv9qkxdawL", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
     "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
     "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    {CRYPT_SHA256, "rOprNGfwEbeRWgbNEkqO", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

static void begin(struct scram_client *c, const struct example *e, buf *out)
{
    *c = (struct scram_client){.stage = 0};
    scram_init(&c->s, e->digest, false, SLICE_NONE);
    buf_append(&c->s.nonce, slice_str(e->nonce));
    assert_int_equal(scram_client_first(c, SLICE("user"), out), SASL_MORE);
    assert_true(slice_equal(buf_slice(out), slice_str(e->first)));
    buf_clear(out);
}

static void e11_client_scram_is_the_rfcs(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct example *e = &examples[i];
        struct scram_client c;
        char memory[1024];
        buf out;
        buf_init_fixed(&out, memory, sizeof memory);
        begin(&c, e, &out);
        assert_int_equal(scram_client_final(&c, SLICE("pencil"), slice_str(e->server_first), &out), SASL_MORE);
        assert_true(slice_equal(buf_slice(&out), slice_str(e->final)));
        assert_int_equal(scram_client_check(&c, slice_str(e->server_final)), SASL_DONE);
        scram_deinit(&c.s);
    }
}

static void e11_client_scram_refuses_a_server_without_proof(void **state)
{
    static const char *const finals[] = {"v=AmF9pqV8S7suAoZWja4dJRkFsKQ=", "v=", "e=other-error", "",
                                         "v=rmF9pqV8S7suAoZWja4dJRkF"};
    (void)state;
    for (size_t i = 0; i < sizeof finals / sizeof finals[0]; i++) {
        struct scram_client c;
        char memory[1024];
        buf out;
        buf_init_fixed(&out, memory, sizeof memory);
        begin(&c, &examples[0], &out);
        assert_int_equal(scram_client_final(&c, SLICE("pencil"), slice_str(examples[0].server_first), &out), SASL_MORE);
        assert_int_equal(scram_client_check(&c, slice_str(finals[i])), SASL_REFUSED);
        scram_deinit(&c.s);
    }
}

/* What a hostile server may say instead of its first message. */
static void e11_client_scram_refuses_a_bad_first_message(void **state)
{
    static const char *const firsts[] = {
        "",
        "r=fyko+d2lbbFgONRv9qkxdawL,s=QSXCR+Q6sek8bf92,i=4096",     /* nothing of its own */
        "r=AAko+d2lbbFgONRv9qkxdawL3rfc,s=QSXCR+Q6sek8bf92,i=4096", /* not ours */
        "m=ext,r=fyko+d2lbbFgONRv9qkxdawL3rfc,s=QSXCR+Q6sek8bf92,i=4096",
        "r=fyko+d2lbbFgONRv9qkxdawL3rfc,s=QSXCR+Q6sek8bf92,i=1",          /* cheap to guess */
        "r=fyko+d2lbbFgONRv9qkxdawL3rfc,s=QSXCR+Q6sek8bf92,i=4294967295", /* for ever */
        "r=fyko+d2lbbFgONRv9qkxdawL3rfc,s=QSXCR+Q6sek8bf92,i=99999999999999999999999",
        "r=fyko+d2lbbFgONRv9qkxdawL3rfc,s=,i=4096",
        "r=fyko+d2lbbFgONRv9qkxdawL3rfc,s=Q%,i=4096",
        "r=fyko+d2lbbFgONRv9qkxdawL3rfc,i=4096,s=QSXCR+Q6sek8bf92",
        "r=fyko+d2lbbFgONRv9qkxdawL3 rfc,s=QSXCR+Q6sek8bf92,i=4096",
    };
    (void)state;
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        struct scram_client c;
        char memory[1024];
        buf out;
        buf_init_fixed(&out, memory, sizeof memory);
        begin(&c, &examples[0], &out);
        assert_int_equal(scram_client_final(&c, SLICE("pencil"), slice_str(firsts[i]), &out), SASL_REFUSED);
        scram_deinit(&c.s);
    }
}

static void e11_client_says_what_it_saw_of_channel_binding(void **state)
{
    static const struct {
        const char *mechanism;
        bool binding;
        const char *begins;
    } rows[] = {{"SCRAM-SHA-256-PLUS", true, "p=tls-exporter,,n=us=3De=2Cr,r="},
                {"SCRAM-SHA-256", true, "y,,n=us=3De=2Cr,r="},
                {"SCRAM-SHA-256", false, "n,,n=us=3De=2Cr,r="}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sasl_client *c = NULL;
        char memory[1024];
        buf out;
        struct sasl_client_options o = user;
        o.login = SLICE("us=e,r");
        o.binding = rows[i].binding ? SLICE(BINDING) : SLICE_NONE;
        buf_init_fixed(&out, memory, sizeof memory);
        assert_int_equal(sasl_client_open(slice_str(rows[i].mechanism), &o, &c), ERR_OK);
        assert_int_equal(sasl_client_step(c, SLICE_NONE, true, &out), SASL_MORE);
        assert_true(slice_starts(buf_slice(&out), slice_str(rows[i].begins)));
        sasl_client_close(&c);
    }
}

/* RFC 4013 section 3. */
static void e11_client_passwords_are_prepared(void **state)
{
    static const struct {
        const char *in, *out; /* out NULL: refused */
    } rows[] = {{"I\xc2\xadX", "IX"},   {"user", "user"}, {"USER", "USER"},       {"\xc2\xaa", "a"},
                {"\xe2\x85\xa8", "IX"}, {"\x07", NULL},   {"\xd8\xa7\x31", NULL}, {"", NULL},
                {"\xff", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char memory[64];
        buf out;
        buf_init_fixed(&out, memory, sizeof memory);
        enum err e = sasl_prepare(slice_str(rows[i].in), &out);
        assert_int_equal(e, rows[i].out ? ERR_OK : ERR_SYNTAX);
        if (rows[i].out)
            assert_true(slice_equal(buf_slice(&out), slice_str(rows[i].out)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e11_client_takes_the_best_mechanism),
        cmocka_unit_test(e11_client_never_opens_what_does_not_fit),
        cmocka_unit_test(e11_client_simple_mechanisms),
        cmocka_unit_test(e11_client_names_are_prepared),
        cmocka_unit_test(e11_client_login_waits_for_the_server),
        cmocka_unit_test(e11_client_scram_is_the_rfcs),
        cmocka_unit_test(e11_client_scram_refuses_a_server_without_proof),
        cmocka_unit_test(e11_client_scram_refuses_a_bad_first_message),
        cmocka_unit_test(e11_client_says_what_it_saw_of_channel_binding),
        cmocka_unit_test(e11_client_passwords_are_prepared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
