/* SPDX-License-Identifier: ISC */
/* Two ends in memory: what the client is told of the handshake and of the certificate. */
#include "os/os.h"

#include <unistd.h>

#include "os/tls_certificate_test.h"

static char folder[] = "/tmp/thurn-tls-facts-test-XXXXXX";
static char cert_path[128], key_path[128];

static int make_files(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(cert_path, sizeof cert_path, "%s/a.pem", folder);
    snprintf(key_path, sizeof key_path, "%s/a.key", folder);
    certificate_make(cert_path, key_path, "mx.example.org", false, time(NULL), 90);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(cert_path);
    unlink(key_path);
    return rmdir(folder);
}

static void carry(struct tls_session *from, struct tls_session *to)
{
    buf b;
    buf_init(&b, 1u << 20);
    tls_session_output(from, &b);
    if (b.len > 0)
        assert_int_equal(tls_session_feed(to, buf_slice(&b)), ERR_OK);
    buf_deinit(&b);
}

/* The facts of a handshake with a name, by the authorities of a file or (NULL) of the system. */
static struct tls_facts meet(struct arena *arena, const char *name, const char *ca)
{
    char memory[512];
    buf why;
    struct tls_server *server;
    struct tls_client *client;
    struct tls_session *s, *c;
    struct tls_facts f = {0};
    const struct tls_pair pair = {.cert = slice_str(cert_path), .key = slice_str(key_path)};
    enum err at_c = ERR_AGAIN, at_s = ERR_AGAIN;
    buf_init_fixed(&why, memory, sizeof memory);
    assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &server, &why), ERR_OK);
    assert_int_equal(tls_client_open(false, &client, &why), ERR_OK);
    if (ca)
        assert_int_equal(tls_client_trust(client, slice_str(ca), &why), ERR_OK);
    assert_int_equal(tls_session_open_server(server, &s), ERR_OK);
    assert_int_equal(tls_session_open_client(client, slice_str(name), &c), ERR_OK);
    assert_int_equal(tls_session_facts(c, slice_str(name), arena, &f), ERR_TLS); /* no handshake yet */
    for (int i = 0; i < 10 && (at_c == ERR_AGAIN || at_s == ERR_AGAIN); i++) {
        at_c = tls_session_handshake(c);
        carry(c, s);
        at_s = tls_session_handshake(s);
        carry(s, c);
    }
    assert_int_equal(at_c, ERR_OK);
    assert_int_equal(tls_session_facts(c, slice_str(name), arena, &f), ERR_OK);
    tls_session_close(&c);
    tls_session_close(&s);
    tls_client_close(&client);
    tls_server_close(&server);
    return f;
}

static bool is(slice s, const char *text)
{
    return slice_equal(s, slice_str(text));
}

static void the_handshake_and_the_certificate_are_told(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1u << 16);
    struct tls_facts f = meet(&arena, "mx.example.org", cert_path);
    assert_true(is(f.version, "TLSv1.3"));
    assert_true(is(f.cipher, "TLS_AES_256_GCM_SHA384"));
    assert_true(f.group.len > 0);
    assert_true(f.has_certificate);
    assert_true(is(f.common_name, "mx.example.org"));
    assert_true(is(f.issuer, "mx.example.org"));
    assert_int_equal(f.name_count, 1);
    assert_true(is(f.names[0], "mx.example.org"));
    assert_true(is(f.key, "EC"));
    assert_int_equal(f.key_bits, 256);
    assert_true(f.until_s > f.from_s + 90 * 86400);
    assert_true(f.name_ok && f.chain_ok);
    assert_int_equal(f.chain_why.len, 0);
    arena_deinit(&arena);
}

static void name_and_chain_are_judged_apart(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1u << 16);
    struct tls_facts f = meet(&arena, "mail.example.net", cert_path);
    assert_true(!f.name_ok && f.chain_ok);
    f = meet(&arena, "mx.example.org", NULL);
    assert_true(f.name_ok && !f.chain_ok);
    assert_true(slice_find(f.chain_why, SLICE("self")) >= 0);
    f = meet(&arena, "192.0.2.1", NULL);
    assert_true(!f.name_ok && !f.chain_ok);
    arena_deinit(&arena);
}

static void a_file_without_authorities_is_named(void **state)
{
    (void)state;
    char memory[512];
    buf why;
    struct tls_client *client;
    buf_init_fixed(&why, memory, sizeof memory);
    assert_int_equal(tls_client_open(false, &client, &why), ERR_OK);
    assert_int_equal(tls_client_trust(client, SLICE("/nowhere/ca.pem"), &why), ERR_TLS);
    assert_true(slice_find(buf_slice(&why), SLICE("/nowhere/ca.pem")) >= 0);
    tls_client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_handshake_and_the_certificate_are_told),
        cmocka_unit_test(name_and_chain_are_judged_apart),
        cmocka_unit_test(a_file_without_authorities_is_named),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
