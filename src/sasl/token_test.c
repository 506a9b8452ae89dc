/* SPDX-License-Identifier: ISC */
#include "sasl/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW 1700000000

/* Of RFC 8037 appendix A.4: an Ed25519 key, and text that it has signed; and of RFC 7515 appendix A.2 and A.3, whose claims are {"iss":"joe","exp":1300819380,...}. */
#define ED25519                                                                                                        \
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC "       \
    "KEY-----\n"
#define ED25519_TEXT                                                                                                   \
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"                            \
    "09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
#define ES256                                                                                                          \
    "-----BEGIN PUBLIC "                                                                                               \
    "KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n6e8Tus9uPHvRVEXH8UTNG72bfocs3+"       \
    "257rn0s2ldbqkLJK2KRiMohYjlrQ==\n-----END PUBLIC KEY-----\n"
#define ES256_HEADER "eyJhbGciOiJFUzI1NiJ9"
#define ES256_CLAIMS "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define ES256_SIGNATURE "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

static slice why_of(const buf *why)
{
    return buf_slice(why);
}

/* The standards' own tokens: signatures that are good, and each thing about them that is not. */
static void e11_server_jwt_of_the_rfcs(void **state)
{
    static const struct {
        const char *token;
        int64_t now_s;
        const char *claim;
        enum err e;
        const char *why;
    } rows[] = {
        {ES256_HEADER "." ES256_CLAIMS "." ES256_SIGNATURE, 1300819379, "iss", ERR_OK, ""},
        {ES256_HEADER "." ES256_CLAIMS "." ES256_SIGNATURE, 1300819380, "iss", ERR_PERMISSION, "expired"},
        {ES256_HEADER "." ES256_CLAIMS "." ES256_SIGNATURE, 1300819379, "email", ERR_PERMISSION, "no claim"},
        {"eyJhbGciOiJFZERTQSJ9." ES256_CLAIMS "." ES256_SIGNATURE, 1, "iss", ERR_PERMISSION, "signature"},
        {"eyJhbGciOiJub25lIn0." ES256_CLAIMS ".", 1, "iss", ERR_PERMISSION, "no JWT"},
        {"eyJhbGciOiJub25lIn0." ES256_CLAIMS "." ES256_SIGNATURE, 1, "iss", ERR_PERMISSION, "do not know"},
        {"eyJhbGciOiJIUzI1NiJ9." ES256_CLAIMS "." ES256_SIGNATURE, 1, "iss", ERR_PERMISSION, "do not know"},
        {ES256_HEADER "." ES256_CLAIMS "x." ES256_SIGNATURE, 1, "iss", ERR_PERMISSION, "signature"},
        {ES256_HEADER "." ES256_CLAIMS "." ES256_SIGNATURE "=", 1, "iss", ERR_PERMISSION, "no JWT"},
        {ES256_HEADER "." ES256_CLAIMS, 1, "iss", ERR_PERMISSION, "no JWT"},
        {ED25519_TEXT, 1, "iss", ERR_PERMISSION, "no JWT"}, /* the signature is good, and what it signs are no claims */
        {"", 1, "iss", ERR_PERMISSION, "no JWT"},
    };
    struct crypt_keys *keys = NULL;
    char memory[200], login_memory[64];
    buf why, login;
    (void)state;
    buf_init_fixed(&why, memory, sizeof memory);
    assert_int_equal(crypt_keys_open(SLICE(ED25519 ES256), &keys, &why), ERR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_token_rules r = {.claim = slice_str(rows[i].claim), .now_s = rows[i].now_s};
        struct sasl_token_facts facts = {&login, 0};
        buf_init_fixed(&login, login_memory, sizeof login_memory);
        buf_clear(&why);
        assert_int_equal(sasl_token_jwt(slice_str(rows[i].token), keys, &r, &facts, &why), rows[i].e);
        if (rows[i].e == ERR_OK)
            assert_true(slice_equal(buf_slice(&login), SLICE("joe")) && facts.until_s == 1300819380);
        else
            assert_true(slice_find(why_of(&why), slice_str(rows[i].why)) >= 0);
    }
    struct sasl_token_rules strict = {.issuer = SLICE("ann"), .claim = SLICE("iss"), .now_s = 1};
    struct sasl_token_facts facts = {&login, 0};
    slice token = SLICE(ES256_HEADER "." ES256_CLAIMS "." ES256_SIGNATURE);
    assert_int_equal(sasl_token_jwt(token, keys, &strict, &facts, &why), ERR_PERMISSION);
    strict.issuer = SLICE("joe");
    strict.audience = SLICE("mail"); /* the token names none */
    assert_int_equal(sasl_token_jwt(token, keys, &strict, &facts, &why), ERR_PERMISSION);
    crypt_keys_close(&keys);
}

static void e11_server_introspection_answers(void **state)
{
    static const struct {
        const char *body;
        enum err e;
        const char *login;
        int64_t until_s;
    } rows[] = {
        {"{\"active\":true,\"email\":\"a@x.example\"}", ERR_OK, "a@x.example", INT64_MAX},
        {"{\"active\":true,\"username\":\"bob\",\"exp\":1700000001}", ERR_OK, "bob", NOW + 1},
        {"{\"active\":true,\"email\":\"a@x\",\"aud\":[\"x\",\"mail\"],\"iss\":\"me\"}", ERR_OK, "a@x", INT64_MAX},
        {"{\"active\":true,\"email\":\"a@x\",\"aud\":\"other\"}", ERR_PERMISSION, "", 0},
        {"{\"active\":true,\"email\":\"a@x\",\"iss\":\"you\"}", ERR_PERMISSION, "", 0},
        {"{\"active\":true,\"email\":\"a@x\",\"exp\":1700000000}", ERR_PERMISSION, "", 0},
        {"{\"active\":true,\"email\":\"a@x\",\"nbf\":1700000061}", ERR_PERMISSION, "", 0},
        {"{\"active\":true,\"email\":\"a@x\",\"exp\":\"never\"}", ERR_PERMISSION, "", 0},
        {"{\"active\":true,\"email\":\"a@x\",\"email_verified\":false}", ERR_PERMISSION, "", 0},
        {"{\"active\":true,\"email\":7}", ERR_PERMISSION, "", 0},
        {"{\"active\":true,\"email\":\"\"}", ERR_PERMISSION, "", 0},
        {"{\"active\":true}", ERR_PERMISSION, "", 0},
        {"{\"active\":false,\"email\":\"a@x\"}", ERR_PERMISSION, "", 0},
        {"{\"active\":\"true\",\"email\":\"a@x\"}", ERR_SYNTAX, "", 0},
        {"{\"active\":true,\"active\":true,\"email\":\"a@x\"}", ERR_SYNTAX, "", 0},
        {"{\"error\":\"invalid_client\"}", ERR_SYNTAX, "", 0},
        {"[true]", ERR_SYNTAX, "", 0},
        {"<html>", ERR_SYNTAX, "", 0},
        {"", ERR_SYNTAX, "", 0},
    };
    struct sasl_token_rules r = {SLICE("me"), SLICE("mail"), SLICE("email"), NOW};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char memory[200], login_memory[64];
        buf why, login;
        struct sasl_token_facts facts = {&login, 0};
        buf_init_fixed(&why, memory, sizeof memory);
        buf_init_fixed(&login, login_memory, sizeof login_memory);
        assert_int_equal(sasl_token_introspection(slice_str(rows[i].body), &r, &facts, &why), rows[i].e);
        assert_int_equal(why.len > 0, rows[i].e != ERR_OK);
        if (rows[i].e == ERR_OK)
            assert_true(slice_equal(buf_slice(&login), slice_str(rows[i].login)) && facts.until_s == rows[i].until_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e11_server_jwt_of_the_rfcs),
        cmocka_unit_test(e11_server_introspection_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
