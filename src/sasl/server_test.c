/* SPDX-License-Identifier: ISC */
#include "sasl/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sasl/client.h"
#include "sasl/dovecot.h"
#include "sasl/server_state.h"

#define W(literal) ((slice){literal, sizeof(literal) - 1})
#define BINDING "0123456789abcdef0123456789abcdef"
#define TOKEN "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="

static struct sasl_server *open_server(const char *mechanism, const struct sasl_server_options *o)
{
    static const struct sasl_server_options none;
    struct sasl_server *s = NULL;
    assert_int_equal(sasl_server_open(slice_str(mechanism), o ? o : &none, &s), ERR_OK);
    return s;
}

static bool text_is(slice got, slice wanted)
{
    return slice_equal(got, wanted);
}

/* RFC 4616 section 4, and what is none of it. */
static void e11_server_plain(void **state)
{
    static const struct {
        slice message;
        enum sasl_server_kind kind;
        slice login, secret;
    } rows[] = {
        {{"\0tim\0tanstaaftanstaaf", 21}, SASL_CHECK_PASSWORD, {"tim", 3}, {"tanstaaftanstaaf", 16}},
        {{"tim\0tim\0x", 9}, SASL_CHECK_PASSWORD, {"tim", 3}, {"x", 1}},
        {{"Ursel\0Kurt\0xipj3plmq", 20}, SASL_FAILED, {"Kurt", 4}, {NULL, 0}}, /* nobody acts for somebody else */
        {{"", 0}, SASL_MALFORMED, {NULL, 0}, {NULL, 0}},
        {{"\0tim", 4}, SASL_MALFORMED, {NULL, 0}, {NULL, 0}},
        {{"\0tim\0", 5}, SASL_MALFORMED, {NULL, 0}, {NULL, 0}},
        {{"\0\0x", 3}, SASL_MALFORMED, {NULL, 0}, {NULL, 0}},
        {{"\0tim\0a\0b", 8}, SASL_MALFORMED, {NULL, 0}, {NULL, 0}},
        {{"\0t\nm\0x", 6}, SASL_MALFORMED, {NULL, 0}, {NULL, 0}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_server_event e;
        struct sasl_server *s = open_server("PLAIN", NULL);
        sasl_server_start(s, true, rows[i].message, &e);
        assert_int_equal(e.kind, rows[i].kind);
        if (e.kind == SASL_CHECK_PASSWORD) {
            assert_true(text_is(e.login, rows[i].login) && text_is(e.secret, rows[i].secret));
            sasl_server_checked(s, i == 0, SLICE_NONE, &e);
            assert_int_equal(e.kind, i == 0 ? SASL_ACCEPTED : SASL_FAILED);
        }
        sasl_server_close(&s);
        assert_null(s);
    }
}

/* RFC 4954 section 4, RFC 4013 section 3: the name is the same from whatever keyboard it comes, and what has no preparation signs nobody in. */
static void e11_server_names_are_prepared(void **state)
{
    static const struct {
        slice message;
        enum sasl_server_kind kind;
        const char *login;
    } rows[] = {
        {{"\0I\xc2\xadX\0x", 7}, SASL_CHECK_PASSWORD, "IX"},
        {{"\0Bj\x6f\xcc\x88rn\0x", 10}, SASL_CHECK_PASSWORD, "Bj\xc3\xb6rn"},
        {{"IX\0\xe2\x85\xa8\0x", 8}, SASL_CHECK_PASSWORD, "IX"},
        {{"IY\0\xe2\x85\xa8\0x", 8}, SASL_FAILED, "IX"},
        {{"\0\xc2\xad\0x", 5}, SASL_MALFORMED, ""},     /* nothing is left */
        {{"\0\xd8\xa7\x31\0x", 6}, SASL_MALFORMED, ""}, /* right to left with a digit behind */
        {{"\0\xff\0x", 4}, SASL_MALFORMED, ""},         /* no UTF-8 */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_server_event e;
        struct sasl_server *s = open_server("PLAIN", NULL);
        sasl_server_start(s, true, rows[i].message, &e);
        assert_int_equal(e.kind, rows[i].kind);
        assert_true(text_is(e.login, slice_str(rows[i].login)));
        sasl_server_close(&s);
    }
}

static void e11_server_begins_without_an_initial_response(void **state)
{
    static const struct {
        const char *mechanism, *challenge;
    } rows[] = {{"PLAIN", ""}, {"LOGIN", "Username:"}, {"SCRAM-SHA-1", ""}, {"OAUTHBEARER", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_server_event e;
        struct sasl_server *s = open_server(rows[i].mechanism, NULL);
        sasl_server_start(s, false, SLICE_NONE, &e);
        assert_int_equal(e.kind, SASL_CHALLENGE);
        assert_true(text_is(e.text, slice_str(rows[i].challenge)));
        sasl_server_close(&s);
    }
}

static void e11_server_login(void **state)
{
    struct sasl_server_event e;
    struct sasl_server *s = open_server("LOGIN", NULL);
    (void)state;
    sasl_server_start(s, true, SLICE("tim"), &e);
    assert_true(e.kind == SASL_CHALLENGE && text_is(e.text, SLICE("Password:")));
    sasl_server_response(s, SLICE("secret"), &e);
    assert_true(e.kind == SASL_CHECK_PASSWORD && text_is(e.login, SLICE("tim")) && text_is(e.secret, SLICE("secret")));
    sasl_server_close(&s);
}

/* RFC 4422 appendix A. */
static void e11_server_external(void **state)
{
    static const struct {
        const char *authzid;
        enum sasl_server_kind kind;
        const char *login;
    } rows[] = {{"", SASL_ACCEPTED, "a@x.example"},
                {"B@x.example", SASL_ACCEPTED, "b@x.example"},
                {"c@x.example", SASL_FAILED, ""},
                {"a@x.example\nb@x.example", SASL_MALFORMED, ""}};
    struct sasl_server_options o = {.identities = SLICE("a@x.example\nb@x.example\n")};
    struct sasl_server *s = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_server_event e;
        s = open_server("EXTERNAL", &o);
        sasl_server_start(s, true, slice_str(rows[i].authzid), &e);
        assert_int_equal(e.kind, rows[i].kind);
        if (e.kind == SASL_ACCEPTED)
            assert_true(text_is(e.login, slice_str(rows[i].login)));
        sasl_server_close(&s);
    }
    o.identities = SLICE_NONE;
    assert_int_equal(sasl_server_open(SLICE("EXTERNAL"), &o, &s), ERR_UNSUPPORTED);
    assert_int_equal(sasl_server_open(SLICE("SCRAM-SHA-1-PLUS"), &o, &s), ERR_UNSUPPORTED);
    assert_int_equal(sasl_server_open(SLICE("CRAM-MD5"), &o, &s), ERR_UNSUPPORTED);
}

struct example {
    const char *mechanism;
    enum crypt_digest digest;
    const char *own_nonce, *salt, *first, *challenge, *final, *proof;
};

/* RFC 5802 section 5, RFC 7677 section 3. */
static const struct example examples[] = {
    {"SCRAM-SHA-1", CRYPT_SHA1, "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
     "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
     "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    {"SCRAM-SHA-256", CRYPT_SHA256, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
     "W22ZaJ0SNY7soEsUEjb6gQ==", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

static struct sasl_scram_keys keys_of(enum crypt_digest d, const char *salt, const char *password)
{
    struct sasl_scram_keys k = {.iterations = 4096};
    buf b;
    buf_init_fixed(&b, k.salt, sizeof k.salt);
    assert_int_equal(buf_append_base64_decoded(&b, slice_str(salt)), ERR_OK);
    k.salt_len = (uint8_t)b.len;
    assert_int_equal(sasl_scram_make(d, slice_str(password), &k), ERR_OK);
    return k;
}

static struct sasl_server *after_first(const struct example *x, const char *password, struct sasl_server_event *e)
{
    struct sasl_server *s = open_server(x->mechanism, NULL);
    struct sasl_scram_keys k = keys_of(x->digest, x->salt, password);
    buf_append(&s->scram.nonce, slice_str(x->own_nonce));
    sasl_server_start(s, true, slice_str(x->first), e);
    assert_int_equal(e->kind, SASL_FIND_KEYS);
    assert_int_equal(e->digest, x->digest);
    assert_true(text_is(e->login, SLICE("user")));
    sasl_server_keys(s, &k, e);
    assert_true(e->kind == SASL_CHALLENGE && text_is(e->text, slice_str(x->challenge)));
    return s;
}

static void e11_server_scram_is_the_rfcs(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sasl_server_event e;
        struct sasl_server *s = after_first(&examples[i], "pencil", &e);
        sasl_server_response(s, slice_str(examples[i].final), &e);
        assert_true(e.kind == SASL_CHALLENGE && text_is(e.text, slice_str(examples[i].proof)));
        sasl_server_response(s, SLICE_NONE, &e);
        assert_true(e.kind == SASL_ACCEPTED && text_is(e.login, SLICE("user")));
        sasl_server_close(&s);
        s = after_first(&examples[i], "pencik", &e);
        sasl_server_response(s, slice_str(examples[i].final), &e);
        assert_int_equal(e.kind, SASL_FAILED);
        sasl_server_close(&s);
    }
}

static void e11_server_scram_refuses_other_finals(void **state)
{
    static const struct {
        const char *final;
        enum sasl_server_kind kind;
    } rows[] = {
        {"", SASL_MALFORMED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j", SASL_MALFORMED},
        {"c=biws,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", SASL_MALFORMED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8", SASL_MALFORMED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Tt=", SASL_MALFORMED},
        {"c=eSws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", SASL_FAILED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawLother,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", SASL_FAILED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v1X8v3Bz2T0CJGbJQyF0X+HI4Ts=", SASL_FAILED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,x=1,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", SASL_FAILED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_server_event e;
        struct sasl_server *s = after_first(&examples[0], "pencil", &e);
        sasl_server_response(s, slice_str(rows[i].final), &e);
        assert_int_equal(e.kind, rows[i].kind);
        sasl_server_close(&s);
    }
}

/* RFC 5802 section 6 and 7: what the client says of channel binding must be what the server knows of it. */
static void e11_server_scram_first_messages(void **state)
{
    static const struct {
        const char *mechanism;
        bool offers_plus;
        const char *first;
        enum sasl_server_kind kind;
    } rows[] = {
        {"SCRAM-SHA-256", true, "n,,n=user,r=abc", SASL_FIND_KEYS},
        {"SCRAM-SHA-256", false, "y,,n=user,r=abc", SASL_FIND_KEYS},
        {"SCRAM-SHA-256", true, "y,,n=user,r=abc", SASL_FAILED},
        {"SCRAM-SHA-256", true, "p=tls-exporter,,n=user,r=abc", SASL_MALFORMED},
        {"SCRAM-SHA-256-PLUS", true, "p=tls-exporter,,n=user,r=abc", SASL_FIND_KEYS},
        {"SCRAM-SHA-256-PLUS", true, "p=tls-unique,,n=user,r=abc", SASL_MALFORMED},
        {"SCRAM-SHA-256-PLUS", true, "n,,n=user,r=abc", SASL_MALFORMED},
        {"SCRAM-SHA-256", false, "n,a=user,n=user,r=abc", SASL_FIND_KEYS},
        {"SCRAM-SHA-256", false, "n,a=root,n=user,r=abc", SASL_FAILED},
        {"SCRAM-SHA-256", false, "n,x=user,n=user,r=abc", SASL_MALFORMED},
        {"SCRAM-SHA-256", false, "n,,m=1,n=user,r=abc", SASL_MALFORMED}, /* a mandatory extension that nobody knows */
        {"SCRAM-SHA-256", false, "n,,n=user,r=abc,x=1", SASL_FIND_KEYS}, /* one that may be left out */
        {"SCRAM-SHA-256", false, "n,,n=us=3Der,r=abc", SASL_FIND_KEYS},
        {"SCRAM-SHA-256", false, "n,,n=us=3der,r=abc", SASL_MALFORMED},
        {"SCRAM-SHA-256", false, "n,,n=us=er,r=abc", SASL_MALFORMED},
        {"SCRAM-SHA-256", false, "n,,n=,r=abc", SASL_MALFORMED},
        {"SCRAM-SHA-256", false, "n,,n=user,r=", SASL_MALFORMED},
        {"SCRAM-SHA-256", false, "n,,n=user", SASL_MALFORMED},
        {"SCRAM-SHA-256", false, "n=user,r=abc", SASL_MALFORMED},
        {"SCRAM-SHA-256", false, "", SASL_MALFORMED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_server_options o = {.binding = SLICE(BINDING), .offers_plus = rows[i].offers_plus};
        struct sasl_server_event e;
        struct sasl_server *s = open_server(rows[i].mechanism, &o);
        sasl_server_start(s, true, slice_str(rows[i].first), &e);
        assert_int_equal(e.kind, rows[i].kind);
        sasl_server_close(&s);
    }
}

/* Both sides of ours over one channel, over two (somebody between them), and with another password. */
static void e11_server_and_client_bind_the_channel(void **state)
{
    static const struct {
        const char *mechanism, *client_binding, *password;
        enum sasl_server_kind kind;
    } rows[] = {{"SCRAM-SHA-256-PLUS", BINDING, "pencil", SASL_CHALLENGE},
                {"SCRAM-SHA-1-PLUS", BINDING, "pencil", SASL_CHALLENGE},
                {"SCRAM-SHA-256-PLUS", "another channel of 32 bytes.....", "pencil", SASL_FAILED},
                {"SCRAM-SHA-256-PLUS", BINDING, "pen", SASL_FAILED}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_client_options co = {.login = SLICE("user"),
                                         .secret = slice_str(rows[i].password),
                                         .binding = slice_str(rows[i].client_binding)};
        struct sasl_server_options so = {.binding = SLICE(BINDING), .offers_plus = true};
        struct sasl_client *c = NULL;
        struct sasl_server_event e;
        struct sasl_server *s = open_server(rows[i].mechanism, &so);
        char memory[4096];
        buf out;
        buf_init_fixed(&out, memory, sizeof memory);
        assert_int_equal(sasl_client_open(slice_str(rows[i].mechanism), &co, &c), ERR_OK);
        assert_int_equal(sasl_client_step(c, SLICE_NONE, true, &out), SASL_MORE);
        sasl_server_start(s, true, buf_slice(&out), &e);
        assert_int_equal(e.kind, SASL_FIND_KEYS);
        struct sasl_scram_keys k = keys_of(e.digest, "QSXCR+Q6sek8bf92", "pencil");
        sasl_server_keys(s, &k, &e);
        buf_clear(&out);
        assert_int_equal(sasl_client_step(c, e.text, false, &out), SASL_MORE);
        sasl_server_response(s, buf_slice(&out), &e);
        assert_int_equal(e.kind, rows[i].kind);
        if (e.kind == SASL_CHALLENGE) {
            buf_clear(&out);
            assert_int_equal(sasl_client_step(c, e.text, false, &out), SASL_DONE);
            sasl_server_response(s, buf_slice(&out), &e);
            assert_int_equal(e.kind, SASL_ACCEPTED);
        }
        sasl_server_close(&s);
        sasl_client_close(&c);
    }
}

/* RFC 7628 section 4: the successful exchange, the failed one with its dummy answer, and what is no message. */
static void e11_server_oauthbearer(void **state)
{
    static const struct {
        const char *message;
        enum sasl_server_kind kind;
        const char *login;
    } rows[] = {
        {"n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer " TOKEN "\1\1", SASL_CHECK_TOKEN,
         "user@example.com"},
        {"n,,\1auth=bearer   " TOKEN "\1\1", SASL_CHECK_TOKEN, ""},
        {"y,,\1auth=Bearer " TOKEN "\1\1", SASL_CHECK_TOKEN, ""},
        {"p=tls-exporter,,\1auth=Bearer " TOKEN "\1\1", SASL_MALFORMED, ""},
        {"n,a=user@example.com,\1auth=\1\1", SASL_MALFORMED, ""},
        {"n,a=user@example.com,\1auth=Basic " TOKEN "\1\1", SASL_MALFORMED, ""},
        {"n,a=user@example.com,\1auth=Bearer " TOKEN "\1", SASL_MALFORMED, ""},
        {"n,a=user@example.com,\1auth=Bearer " TOKEN "\1\1x", SASL_MALFORMED, ""},
        {"n,a=user@example.com,auth=Bearer " TOKEN "\1\1", SASL_MALFORMED, ""},
        {"", SASL_MALFORMED, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_server_event e;
        struct sasl_server *s = open_server("OAUTHBEARER", NULL);
        sasl_server_start(s, true, slice_str(rows[i].message), &e);
        assert_int_equal(e.kind, rows[i].kind);
        if (e.kind == SASL_CHECK_TOKEN) {
            assert_true(text_is(e.secret, SLICE(TOKEN)) && text_is(e.login, slice_str(rows[i].login)));
            sasl_server_checked(s, true, SLICE("USER@example.com"), &e);
            assert_true(e.kind == SASL_ACCEPTED && text_is(e.login, SLICE("USER@example.com")));
        }
        sasl_server_close(&s);
    }
    for (int other = 0; other < 2; other++) { /* a token that is not good; one of somebody else's */
        struct sasl_server_event e;
        struct sasl_server *s = open_server("OAUTHBEARER", NULL);
        sasl_server_start(s, true, slice_str(rows[0].message), &e);
        sasl_server_checked(s, other, SLICE("other@example.com"), &e);
        assert_true(e.kind == SASL_CHALLENGE && text_is(e.text, SLICE("{\"status\":\"invalid_token\"}")));
        sasl_server_response(s, SLICE("\1"), &e);
        assert_int_equal(e.kind, SASL_FAILED);
        sasl_server_close(&s);
    }
}

static void e11_server_xoauth2(void **state)
{
    struct sasl_server_event e;
    struct sasl_server *s = open_server("XOAUTH2", NULL);
    (void)state;
    sasl_server_start(s, true, SLICE("user=a@x.example\1auth=Bearer abc\1\1"), &e);
    assert_true(e.kind == SASL_CHECK_TOKEN && text_is(e.secret, SLICE("abc")) &&
                text_is(e.login, SLICE("a@x.example")));
    sasl_server_checked(s, false, SLICE_NONE, &e);
    assert_true(e.kind == SASL_CHALLENGE && slice_find(e.text, SLICE("\"status\":\"400\"")) >= 0);
    sasl_server_response(s, SLICE_NONE, &e);
    assert_int_equal(e.kind, SASL_FAILED);
    sasl_server_close(&s);
    s = open_server("XOAUTH2", NULL);
    sasl_server_start(s, true, SLICE("auth=Bearer abc\1\1"), &e); /* whose? */
    assert_int_equal(e.kind, SASL_MALFORMED);
    sasl_server_close(&s);
}

static void l5_dovecot_lines(void **state)
{
    static const struct {
        const char *line;
        enum err e;
        enum dovecot_kind kind;
        uint64_t number;
        const char *text, *login;
        bool temporary;
    } rows[] = {
        {"VERSION\t1\t2", ERR_OK, DOVECOT_VERSION, 1, "", "", false},
        {"VERSION\t2\t0", ERR_SYNTAX, DOVECOT_OTHER, 0, "", "", false},
        {"MECH\tPLAIN\tplaintext", ERR_OK, DOVECOT_MECH, 0, "PLAIN", "", false},
        {"MECH", ERR_SYNTAX, DOVECOT_OTHER, 0, "", "", false},
        {"SPID\t123", ERR_OK, DOVECOT_OTHER, 0, "", "", false},
        {"COOKIE\tabc", ERR_OK, DOVECOT_OTHER, 0, "", "", false},
        {"DONE", ERR_OK, DOVECOT_DONE, 0, "", "", false},
        {"CONT\t7\tUGFzc3dvcmQ6", ERR_OK, DOVECOT_CONT, 7, "UGFzc3dvcmQ6", "", false},
        {"CONT\t7", ERR_OK, DOVECOT_CONT, 7, "", "", false},
        {"CONT\tx\tUGFz", ERR_SYNTAX, DOVECOT_OTHER, 0, "", "", false},
        {"OK\t7\tuser=a@x.example\tother=1", ERR_OK, DOVECOT_OK, 7, "", "a@x.example", false},
        {"OK\t7", ERR_SYNTAX, DOVECOT_OTHER, 0, "", "", false}, /* who? */
        {"OK\t0\tuser=a", ERR_SYNTAX, DOVECOT_OTHER, 0, "", "", false},
        {"FAIL\t7\tuser=a@x.example", ERR_OK, DOVECOT_FAIL, 7, "", "a@x.example", false},
        {"FAIL\t7\ttemp", ERR_OK, DOVECOT_FAIL, 7, "", "", true},
        {"FAIL\t7\tcode=temp_fail\tuser=a", ERR_OK, DOVECOT_FAIL, 7, "", "a", true},
        {"FAIL\t99999999999", ERR_SYNTAX, DOVECOT_OTHER, 0, "", "", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dovecot_line l;
        assert_int_equal(dovecot_line_read(slice_str(rows[i].line), &l), rows[i].e);
        if (rows[i].e != ERR_OK)
            continue;
        assert_int_equal(l.kind, rows[i].kind);
        assert_int_equal(l.number, rows[i].number);
        assert_true(text_is(l.text, slice_str(rows[i].text)) && text_is(l.login, slice_str(rows[i].login)));
        assert_int_equal(l.temporary, rows[i].temporary);
    }
}

static void l5_dovecot_requests(void **state)
{
    struct dovecot_request r = {3, SLICE("PLAIN"), SLICE("192.0.2.1"), W("\0a\0b"), true, true};
    char memory[400], more[64];
    buf out, name;
    (void)state;
    buf_init_fixed(&out, memory, sizeof memory);
    dovecot_print_hello(&out, 42);
    dovecot_print_auth(&out, &r);
    dovecot_print_continue(&out, 3, SLICE("x"));
    dovecot_print_cancel(&out, 3);
    assert_true(
        text_is(buf_slice(&out),
                SLICE("VERSION\t1\t1\nCPID\t42\nAUTH\t3\tPLAIN\tservice=smtp\tsecured\trip=192.0.2.1\tresp=AGEAYg==\n"
                      "CONT\t3\teA==\nCANCEL\t3\n")));
    buf_init_fixed(&name, more, sizeof more);
    assert_int_equal(dovecot_unescape(W("a\001tb\001nc\0011"), &name), ERR_OK);
    assert_true(text_is(buf_slice(&name), W("a\tb\nc\001")));
    assert_int_equal(dovecot_unescape(W("a\001"), &name), ERR_SYNTAX);
    assert_int_equal(dovecot_unescape(W("a\001x"), &name), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e11_server_plain),
        cmocka_unit_test(e11_server_names_are_prepared),
        cmocka_unit_test(e11_server_begins_without_an_initial_response),
        cmocka_unit_test(e11_server_login),
        cmocka_unit_test(e11_server_external),
        cmocka_unit_test(e11_server_scram_is_the_rfcs),
        cmocka_unit_test(e11_server_scram_refuses_other_finals),
        cmocka_unit_test(e11_server_scram_first_messages),
        cmocka_unit_test(e11_server_and_client_bind_the_channel),
        cmocka_unit_test(e11_server_oauthbearer),
        cmocka_unit_test(e11_server_xoauth2),
        cmocka_unit_test(l5_dovecot_lines),
        cmocka_unit_test(l5_dovecot_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
