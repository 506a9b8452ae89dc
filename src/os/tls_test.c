/* SPDX-License-Identifier: ISC */
#include "os/os.h"

#include <sys/stat.h>
#include <unistd.h>

#include "os/tls_certificate_test.h"

#define NOW 1790000000

static char folder[] = "/tmp/thurn-tls-test-XXXXXX";
static char text[4096], more[4096];
static buf why, warnings;

static const char *in_folder(const char *name)
{
    static char paths[8][128];
    static int at;
    at = (at + 1) % 8;
    snprintf(paths[at], sizeof(paths[at]), "%s/%s", folder, name);
    return paths[at];
}

static int make_files(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    certificate_make(in_folder("a.pem"), in_folder("a.key"), "mx.example.org", false, NOW, 90);
    certificate_make(in_folder("rsa.pem"), in_folder("rsa.key"), "mx.example.org", true, NOW, 90);
    certificate_make(in_folder("b.pem"), in_folder("b.key"), "mail.example.net", false, NOW, 5);
    certificate_make(in_folder("person.pem"), in_folder("person.key"),
                     "x.example,email:alice@example.org,email:a b@x,email:al@example.net", false, time(NULL), 5);
    certificate_make(in_folder("fresh.pem"), in_folder("fresh.key"), "mx.example.org", false, time(NULL), 5);
    certificate_make_for((const char *const[]){in_folder("other.pem"), in_folder("other.key")}, "mx.example.org",
                         "Other.Example.ORG", false, (const int64_t[]){time(NULL), 5});
    chmod(in_folder("a.key"), 0600);
    chmod(in_folder("b.key"), 0644);
    assert_int_equal(os_file_replace(AT_FDCWD, slice_str(in_folder("empty")), SLICE(""), 0600), ERR_OK);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    static const char *const names[] = {"a.pem",     "a.key",     "rsa.pem",    "rsa.key",    "b.pem",
                                        "b.key",     "empty",     "person.pem", "person.key", "fresh.pem",
                                        "fresh.key", "other.pem", "other.key"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

static int setup(void **state)
{
    (void)state;
    buf_init_fixed(&why, text, sizeof(text));
    buf_init_fixed(&warnings, more, sizeof(more));
    return 0;
}

static struct tls_pair pair_of(const char *name, const char *cert, const char *key)
{
    return (struct tls_pair){
        .name = slice_str(name), .cert = slice_str(in_folder(cert)), .key = slice_str(in_folder(key))};
}

static bool says(const buf *b, const char *what)
{
    return slice_find(buf_slice(b), slice_str(what)) >= 0;
}

static void a_bad_pair_is_named_with_its_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *cert, *key;
        int64_t now_s;
        enum err e;
        const char *names, *remedy;
    } rows[] = {
        {"a.pem", "a.key", NOW, ERR_OK, "", ""},
        {"rsa.pem", "rsa.key", NOW, ERR_OK, "", ""},
        {"none.pem", "a.key", NOW, ERR_NOTFOUND, "none.pem", "correct the path"},
        {"a.pem", "none.key", NOW, ERR_NOTFOUND, "none.key", "correct the path"},
        {"empty", "a.key", NOW, ERR_TLS, "empty", "no certificate"},
        {"a.key", "a.key", NOW, ERR_TLS, "a.key", "no certificate"},
        {"a.pem", "a.pem", NOW, ERR_TLS, "key /tmp", "no private key"},
        {"a.pem", "b.key", NOW, ERR_TLS, "b.key", "does not belong to certificate"},
        {"a.pem", "rsa.key", NOW, ERR_TLS, "rsa.key", "does not belong to certificate"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_pair pair = pair_of("", rows[i].cert, rows[i].key);
        setup(NULL);
        assert_int_equal(tls_pair_check(&pair, rows[i].now_s, &why, &warnings), rows[i].e);
        assert_int_equal(why.len > 0, rows[i].e != ERR_OK);
        assert_true(says(&why, rows[i].names));
        assert_true(says(&why, rows[i].remedy));
        assert_true(slice_find_char(buf_slice(&why), '\n') < 0);
    }
}

static void warnings_do_not_refuse(void **state)
{
    (void)state;
    struct tls_pair pair = pair_of("other.example.org", "b.pem", "b.key");
    assert_int_equal(tls_pair_check(&pair, NOW, &why, &warnings), ERR_OK);
    assert_true(says(&warnings, "expires on"));
    assert_true(says(&warnings, "is signed by itself"));
    assert_true(says(&warnings, "is not for the name other.example.org"));
    setup(NULL);
    pair = pair_of("mx.example.org", "a.pem", "a.key");
    assert_int_equal(tls_pair_check(&pair, NOW, &why, &warnings), ERR_OK);
    assert_false(says(&warnings, "expires on"));
    assert_false(says(&warnings, "not for the name"));
}

/* A restart must not fail because a certificate has run out: it is told, and used. */
static void an_expired_certificate_is_a_warning(void **state)
{
    static const struct {
        int64_t now_s;
        const char *says;
    } rows[] = {{NOW + 91 * (int64_t)86400, "a.pem expired on 2026-12-20"},
                {NOW - 2 * (int64_t)86400, "a.pem is valid from"},
                {NOW + 70 * (int64_t)86400, "expires on 2026-12-20"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_pair pair = pair_of("", "a.pem", "a.key");
        setup(NULL);
        assert_int_equal(tls_pair_check(&pair, rows[i].now_s, &why, &warnings), ERR_OK);
        assert_true(says(&warnings, rows[i].says));
    }
}

static void write_file(const char *name, const buf *content)
{
    FILE *f = fopen(in_folder(name), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(content->ptr, 1, content->len, f), content->len);
    (void)fclose(f);
}

/* What thurn init makes can be used, and says what it is. */
static void a_pair_signed_by_itself(void **state)
{
    static const char *const names[] = {
        "mail.example.org", "a-rather-long-label-in-a-name.and-another-long-one-behind-it.mail.example.org"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char cert_memory[8192], key_memory[8192], told_memory[512];
        buf cert, key, told;
        setup(NULL);
        buf_init_fixed(&cert, cert_memory, sizeof cert_memory);
        buf_init_fixed(&key, key_memory, sizeof key_memory);
        buf_init_fixed(&told, told_memory, sizeof told_memory);
        assert_int_equal(tls_self_signed(slice_str(names[i]), NOW, 90, &cert, &key), ERR_OK);
        write_file("made.pem", &cert);
        write_file("made.key", &key);
        struct tls_pair pair = pair_of(names[i], "made.pem", "made.key");
        assert_int_equal(tls_pair_check(&pair, NOW, &why, &warnings), ERR_OK);
        assert_true(says(&warnings, "is signed by itself"));
        assert_false(says(&warnings, "not for the name"));
        assert_int_equal(tls_pair_describe(&pair, NOW, &told, &why), ERR_OK);
        assert_true(says(&told, names[i]));
        assert_true(says(&told, "90 days left"));
    }
    (void)remove(in_folder("made.pem"));
    (void)remove(in_folder("made.key"));
}

static void a_server_needs_good_pairs(void **state)
{
    (void)state;
    struct tls_server *t = NULL;
    struct tls_pair pairs[] = {pair_of("", "a.pem", "a.key"), pair_of("mail.example.net", "b.pem", "a.key")};
    assert_int_equal(tls_server_open(pairs, 2, SLICE_NONE, &t, &why), ERR_TLS);
    assert_true(says(&why, "does not belong"));
    assert_int_equal(tls_server_open(pairs, 0, SLICE_NONE, &t, &why), ERR_LIMIT);
    assert_null(t);
}

struct sides {
    struct tls_session *server, *client;
};

static void carry(struct tls_session *from, struct tls_session *to)
{
    buf b;
    buf_init(&b, 1 << 20);
    tls_session_output(from, &b);
    /* A byte at a time: records come as the network likes. */
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(tls_session_feed(to, slice_of(b.ptr + i, 1)), ERR_OK);
    buf_deinit(&b);
}

/* Both handshakes to their ends, in memory. */
static void shake(struct sides *s, enum err *server_r, enum err *client_r)
{
    enum err server = ERR_AGAIN, client = ERR_AGAIN;
    for (int i = 0; i < 10 && (server == ERR_AGAIN || client == ERR_AGAIN); i++) {
        if (client == ERR_AGAIN)
            client = tls_session_handshake(s->client);
        carry(s->client, s->server);
        if (server == ERR_AGAIN)
            server = tls_session_handshake(s->server);
        carry(s->server, s->client);
    }
    *server_r = server;
    *client_r = client;
}

static void close_sides(struct sides *s)
{
    tls_session_close(&s->server);
    tls_session_close(&s->client);
    assert_null(s->server);
}

struct named {
    slice name;
    bool verified;
};

/* Whether a client that trusts the certificate takes its holder for each of these names. */
static void check_names(const char *cert, const char *key, const struct named *rows, size_t count)
{
    struct tls_server *t;
    struct tls_client *c;
    struct tls_pair pair = pair_of("", cert, key);
    setenv("SSL_CERT_FILE", in_folder(cert), 1);
    assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &t, &why), ERR_OK);
    assert_int_equal(tls_client_open(false, &c, &why), ERR_OK);
    unsetenv("SSL_CERT_FILE");
    for (size_t i = 0; i < count; i++) {
        struct sides s;
        enum err server, client;
        assert_int_equal(tls_session_open_server(t, &s.server), ERR_OK);
        assert_int_equal(tls_session_open_client(c, rows[i].name, &s.client), ERR_OK);
        shake(&s, &server, &client);
        assert_int_equal(client, ERR_OK);
        if (tls_session_verified(s.client) != rows[i].verified)
            fail_msg("row %zu", i);
        close_sides(&s);
    }
    tls_client_close(&c);
    tls_server_close(&t);
}

/* A host without a name (an MX that is the root) has not been verified, whatever its certificate. */
static void threat_verified_is_a_name(void **state)
{
    (void)state;
    static const struct named rows[] = {
        {SLICE("mx.example.org"), true},
        {SLICE("MX.example.org."), true},
        {SLICE("mx.example.net"), false},
        {SLICE("."), false},
        {SLICE(""), false},
    };
    struct tls_client *c;
    struct tls_session *none = NULL;
    check_names("fresh.pem", "fresh.key", rows, sizeof(rows) / sizeof(rows[0]));
    assert_int_equal(tls_client_open(true, &c, &why), ERR_OK);
    assert_int_equal(tls_session_open_client(c, SLICE("."), &none), ERR_SYNTAX);
    assert_null(none);
    tls_client_close(&c);
}

/* RFC 4954 section 14: the subject's name does not count where there are alternative ones, and case never does. */
static void e11_client_alternative_names_come_first(void **state)
{
    (void)state;
    static const struct named rows[] = {
        {SLICE("mx.example.org"), false}, {SLICE("other.example.org"), true}, {SLICE("OTHER.example.org"), true}};
    check_names("other.pem", "other.key", rows, sizeof(rows) / sizeof(rows[0]));
}

static void sessions_carry_and_end(void **state)
{
    (void)state;
    struct tls_server *t;
    struct tls_client *c;
    struct sides s;
    enum err server, client;
    char out[100];
    size_t got = 99;
    struct tls_pair pair = pair_of("", "a.pem", "a.key");
    assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &t, &why), ERR_OK);
    assert_int_equal(tls_client_open(false, &c, &why), ERR_OK);
    assert_int_equal(tls_session_open_server(t, &s.server), ERR_OK);
    assert_int_equal(tls_session_open_client(c, SLICE("mx.example.org."), &s.client), ERR_OK);
    shake(&s, &server, &client);
    assert_int_equal(server, ERR_OK);
    assert_int_equal(client, ERR_OK);
    assert_true(slice_starts(tls_session_text(s.server), SLICE("TLSv1.3 TLS_")));
    assert_false(tls_session_verified(s.client));
    assert_int_equal(tls_session_read(s.server, out, sizeof(out), &got), ERR_AGAIN);
    assert_int_equal(got, 99);
    assert_int_equal(tls_session_write(s.client, SLICE("MAIL FROM:<>\r\n")), ERR_OK);
    tls_session_shutdown(s.client);
    carry(s.client, s.server);
    assert_int_equal(tls_session_read(s.server, out, sizeof(out), &got), ERR_OK);
    assert_int_equal(got, 14);
    assert_memory_equal(out, "MAIL FROM:<>\r\n", 14);
    assert_int_equal(tls_session_read(s.server, out, sizeof(out), &got), ERR_CLOSED);
    /* What is appended in plaintext after the end stays unread. */
    assert_int_equal(tls_session_feed(s.server, SLICE("QUIT\r\n")), ERR_OK);
    assert_int_equal(tls_session_read(s.server, out, sizeof(out), &got), ERR_CLOSED);
    close_sides(&s);
    tls_client_close(&c);
    tls_server_close(&t);
}

static void damaged_records_are_refused(void **state)
{
    (void)state;
    struct tls_server *t;
    struct tls_client *c;
    struct sides s;
    enum err server, client;
    char out[100];
    size_t got;
    buf b;
    struct tls_pair pair = pair_of("", "a.pem", "a.key");
    assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &t, &why), ERR_OK);
    assert_int_equal(tls_client_open(false, &c, &why), ERR_OK);
    assert_int_equal(tls_session_open_server(t, &s.server), ERR_OK);
    assert_int_equal(tls_session_open_client(c, SLICE("192.0.2.1"), &s.client), ERR_OK);
    shake(&s, &server, &client);
    assert_int_equal(tls_session_write(s.client, SLICE("hello")), ERR_OK);
    buf_init(&b, 10000);
    tls_session_output(s.client, &b);
    b.ptr[b.len - 1] ^= 1;
    assert_int_equal(tls_session_feed(s.server, buf_slice(&b)), ERR_OK);
    assert_int_equal(tls_session_read(s.server, out, sizeof(out), &got), ERR_TLS);
    assert_true(tls_session_error(s.server).len > 0);
    assert_int_equal(tls_session_write(s.server, SLICE("x")), ERR_TLS);
    buf_deinit(&b);
    close_sides(&s);
    tls_client_close(&c);
    tls_server_close(&t);
}

static void names_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct tls_client *c;
    struct tls_session *s = NULL;
    char longest[300];
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(tls_client_open(false, &c, &why), ERR_OK);
    assert_int_equal(tls_session_open_client(c, SLICE("a\0b"), &s), ERR_SYNTAX);
    assert_int_equal(tls_session_open_client(c, slice_of(longest, sizeof(longest)), &s), ERR_SYNTAX);
    assert_null(s);
    tls_client_close(&c);
}

static void an_address_is_not_sent_as_a_server_name(void **state)
{
    (void)state;
    static const struct {
        const char *name, *sent;
        bool is_sent;
    } rows[] = {{"mx.example.org.", "mx.example.org", true},
                {"192.0.2.77", "192.0.2.77", false},
                {"2001:db8::77", "2001:db8::77", false}};
    struct tls_client *c;
    assert_int_equal(tls_client_open(false, &c, &why), ERR_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_session *s;
        buf hello;
        buf_init(&hello, 10000);
        assert_int_equal(tls_session_open_client(c, slice_str(rows[i].name), &s), ERR_OK);
        assert_int_equal(tls_session_handshake(s), ERR_AGAIN);
        tls_session_output(s, &hello);
        assert_int_equal(says(&hello, rows[i].sent), rows[i].is_sent);
        assert_false(says(&hello, "mx.example.org."));
        buf_deinit(&hello);
        tls_session_close(&s);
    }
    tls_client_close(&c);
}

/* A peer of OpenSSL's own, so that its view of the certificate can be asked. */
static void peer_shakes(SSL *peer, struct tls_session *server)
{
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(peer, in, out);
    SSL_set_connect_state(peer);
    for (int i = 0; i < 10; i++) {
        char bytes[32768];
        char peek;
        SSL_do_handshake(peer);
        (void)SSL_peek(peer, &peek, 1); /* takes the ticket in */
        int n = BIO_read(out, bytes, sizeof(bytes));
        if (n > 0)
            assert_int_equal(tls_session_feed(server, slice_of(bytes, (size_t)n)), ERR_OK);
        enum err e = tls_session_handshake(server);
        assert_true(e == ERR_OK || e == ERR_AGAIN);
        buf b;
        buf_init(&b, 1 << 20);
        tls_session_output(server, &b);
        if (b.len > 0)
            assert_int_equal(BIO_write(in, b.ptr, (int)b.len), (int)b.len);
        buf_deinit(&b);
    }
    assert_true(SSL_is_init_finished(peer));
}

static void the_name_asked_for_chooses_the_certificate(void **state)
{
    (void)state;
    static const struct {
        const char *name, *algorithms, *expected;
        int type;
    } rows[] = {
        {NULL, NULL, "mx.example.org", EVP_PKEY_EC},
        {"unknown.example.com", NULL, "mx.example.org", EVP_PKEY_EC},
        {"MAIL.example.NET", NULL, "mail.example.net", EVP_PKEY_EC},
        {NULL, "RSA-PSS+SHA256", "mx.example.org", EVP_PKEY_RSA},
    };
    struct tls_server *t;
    struct tls_pair pairs[] = {pair_of("mail.example.net", "b.pem", "b.key"), pair_of("", "a.pem", "a.key"),
                               pair_of("", "rsa.pem", "rsa.key")};
    assert_int_equal(tls_server_open(pairs, 3, SLICE_NONE, &t, &why), ERR_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        SSL *peer = SSL_new(ctx);
        struct tls_session *s;
        if (rows[i].name)
            SSL_set_tlsext_host_name(peer, rows[i].name);
        if (rows[i].algorithms)
            assert_true(SSL_set1_sigalgs_list(peer, rows[i].algorithms));
        assert_int_equal(tls_session_open_server(t, &s), ERR_OK);
        peer_shakes(peer, s);
        X509 *cert = SSL_get0_peer_certificate(peer);
        assert_int_equal(X509_check_host(cert, rows[i].expected, 0, 0, NULL), 1);
        assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(cert)), rows[i].type);
        tls_session_close(&s);
        SSL_free(peer);
        SSL_CTX_free(ctx);
    }
    tls_server_close(&t);
}

/* Two receivers with the master's ticket key resume each other's sessions; with keys of their own they do not. */
static void tickets_hold_between_receivers_of_one_key(void **state)
{
    (void)state;
    char key[80];
    os_random(key, sizeof(key));
    for (int shared = 0; shared < 2; shared++) {
        struct tls_server *first, *second;
        struct tls_session *s;
        struct tls_pair pair = pair_of("", "a.pem", "a.key");
        slice ticket_key = shared ? slice_of(key, sizeof(key)) : SLICE_NONE;
        assert_int_equal(tls_server_open(&pair, 1, ticket_key, &first, &why), ERR_OK);
        assert_int_equal(tls_server_open(&pair, 1, ticket_key, &second, &why), ERR_OK);
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        SSL *peer = SSL_new(ctx);
        assert_int_equal(tls_session_open_server(first, &s), ERR_OK);
        peer_shakes(peer, s);
        SSL_SESSION *ticket = SSL_get1_session(peer);
        assert_true(SSL_SESSION_is_resumable(ticket));
        SSL_set_shutdown(peer, SSL_SENT_SHUTDOWN); /* else OpenSSL spoils the ticket */
        SSL_free(peer);
        tls_session_close(&s);
        peer = SSL_new(ctx);
        SSL_set_session(peer, ticket);
        assert_int_equal(tls_session_open_server(second, &s), ERR_OK);
        peer_shakes(peer, s);
        assert_int_equal(SSL_session_reused(peer), shared);
        SSL_SESSION_free(ticket);
        SSL_free(peer);
        tls_session_close(&s);
        SSL_CTX_free(ctx);
        tls_server_close(&first);
        tls_server_close(&second);
    }
}

/* RFC 9266: both ends of a channel have the same, and no two channels. */
static void e11_server_a_channel_has_its_binding(void **state)
{
    (void)state;
    struct tls_server *t;
    struct tls_client *c;
    uint8_t binding[2][2][TLS_BINDING_SIZE];
    struct tls_pair pair = pair_of("", "a.pem", "a.key");
    assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &t, &why), ERR_OK);
    assert_int_equal(tls_client_open(false, &c, &why), ERR_OK);
    for (int i = 0; i < 2; i++) {
        struct sides s;
        enum err server, client;
        assert_int_equal(tls_session_open_server(t, &s.server), ERR_OK);
        assert_int_equal(tls_session_open_client(c, SLICE("mx.example.org."), &s.client), ERR_OK);
        assert_false(tls_session_binding(s.server, binding[i][0]));
        shake(&s, &server, &client);
        assert_true(tls_session_binding(s.server, binding[i][0]));
        assert_true(tls_session_binding(s.client, binding[i][1]));
        close_sides(&s);
    }
    assert_memory_equal(binding[0][0], binding[0][1], TLS_BINDING_SIZE);
    assert_memory_equal(binding[1][0], binding[1][1], TLS_BINDING_SIZE);
    assert_memory_not_equal(binding[0][0], binding[1][0], TLS_BINDING_SIZE);
    tls_client_close(&c);
    tls_server_close(&t);
}

static void e11_server_tls12_has_no_binding(void **state)
{
    (void)state;
    struct tls_server *t;
    struct tls_session *s;
    uint8_t binding[TLS_BINDING_SIZE];
    struct tls_pair pair = pair_of("", "a.pem", "a.key");
    assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &t, &why), ERR_OK);
    assert_int_equal(tls_session_open_server(t, &s), ERR_OK);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL *peer = SSL_new(ctx);
    peer_shakes(peer, s);
    assert_true(slice_starts(tls_session_text(s), SLICE("TLSv1.2")));
    assert_false(tls_session_binding(s, binding));
    SSL_free(peer);
    SSL_CTX_free(ctx);
    tls_session_close(&s);
    tls_server_close(&t);
}

/* Asked for, not required; and whoever shows one that is not good is taken as if he had shown none. */
static void e11_server_certificates_of_clients(void **state)
{
    static const struct {
        const char *cert, *key;
        bool asked;
        const char *mails;
    } rows[] = {{"person.pem", "person.key", true, "alice@example.org\nal@example.net\n"},
                {"a.pem", "a.key", true, ""}, /* of another authority */
                {NULL, NULL, true, ""},
                {"person.pem", "person.key", false, ""}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_server *t;
        struct tls_client *c;
        struct sides s;
        enum err server, client;
        char memory[200];
        buf mails;
        struct tls_pair pair = pair_of("", "a.pem", "a.key");
        buf_init_fixed(&mails, memory, sizeof(memory));
        assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &t, &why), ERR_OK);
        if (rows[i].asked)
            assert_int_equal(tls_server_ask_clients(t, slice_str(in_folder("person.pem")), &why), ERR_OK);
        assert_int_equal(tls_client_open(false, &c, &why), ERR_OK);
        if (rows[i].cert) {
            struct tls_pair own = pair_of("", rows[i].cert, rows[i].key);
            assert_int_equal(tls_client_identify(c, &own, &why), ERR_OK);
        }
        assert_int_equal(tls_session_open_server(t, &s.server), ERR_OK);
        assert_int_equal(tls_session_open_client(c, SLICE("mx.example.org."), &s.client), ERR_OK);
        shake(&s, &server, &client);
        assert_int_equal(server, ERR_OK);
        assert_int_equal(client, ERR_OK);
        tls_session_client_mails(s.server, &mails);
        assert_true(slice_equal(buf_slice(&mails), slice_str(rows[i].mails)));
        close_sides(&s);
        tls_client_close(&c);
        tls_server_close(&t);
    }
    struct tls_server *t;
    struct tls_pair pair = pair_of("", "a.pem", "a.key");
    assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &t, &why), ERR_OK);
    assert_int_equal(tls_server_ask_clients(t, slice_str(in_folder("a.key")), &why), ERR_TLS);
    assert_true(says(&why, "there is no certificate"));
    tls_server_close(&t);
}

static void old_protocols_are_refused(void **state)
{
    (void)state;
    struct tls_server *t;
    struct tls_session *s;
    struct tls_pair pair = pair_of("", "a.pem", "a.key");
    assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &t, &why), ERR_OK);
    assert_int_equal(tls_session_open_server(t, &s), ERR_OK);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    assert_true(SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0"));
    SSL *peer = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    char bytes[32768];
    SSL_set_bio(peer, in, out);
    SSL_set_connect_state(peer);
    SSL_do_handshake(peer);
    int n = BIO_read(out, bytes, sizeof(bytes));
    assert_true(n > 0);
    assert_int_equal(tls_session_feed(s, slice_of(bytes, (size_t)n)), ERR_OK);
    assert_int_equal(tls_session_handshake(s), ERR_TLS);
    assert_true(slice_find(tls_session_error(s), SLICE("unsupported protocol")) >= 0);
    SSL_free(peer);
    SSL_CTX_free(ctx);
    tls_session_close(&s);
    tls_server_close(&t);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_bad_pair_is_named_with_its_remedy),
        T(warnings_do_not_refuse),
        T(an_expired_certificate_is_a_warning),
        T(a_pair_signed_by_itself),
        T(a_server_needs_good_pairs),
        T(threat_verified_is_a_name),
        T(e11_client_alternative_names_come_first),
        T(sessions_carry_and_end),
        T(damaged_records_are_refused),
        T(names_that_cannot_be_are_refused),
        T(an_address_is_not_sent_as_a_server_name),
        T(the_name_asked_for_chooses_the_certificate),
        T(tickets_hold_between_receivers_of_one_key),
        T(old_protocols_are_refused),
        T(e11_server_a_channel_has_its_binding),
        T(e11_server_tls12_has_no_binding),
        T(e11_server_certificates_of_clients),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
