/* SPDX-License-Identifier: ISC */
/* OpenSSL reads from and writes to two buffers of the session through a BIO of ours. OpenSSL's own memory BIO keeps its greatest size for
 * ever; these give their memory back as soon as they are empty, so that an idle session is small. */
#include "os/tls_openssl.h"

#include <openssl/err.h>
#include <pthread.h>

#define IN_MAX (1024 * 1024)
#define OUT_MAX (64 * 1024 * 1024)
#define NAME_MAX_BYTES 255

struct tls_session {
    SSL *ssl;
    buf in, out;
    size_t in_at;
    bool done, failed;
    bool named; /* the certificate is held against a name */
    char text[96];
    char error[256];
};

static BIO_METHOD *buffers;

static int take_in(BIO *bio, char *out, int size)
{
    struct tls_session *s = BIO_get_data(bio);
    size_t n = s->in.len - s->in_at;
    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if (n > (size_t)size)
        n = (size_t)size;
    memcpy(out, s->in.ptr + s->in_at, n);
    s->in_at += n;
    if (s->in_at == s->in.len) {
        buf_release(&s->in);
        s->in_at = 0;
    }
    return (int)n;
}

static int put_out(BIO *bio, const char *data, int size)
{
    struct tls_session *s = BIO_get_data(bio);
    buf_append(&s->out, slice_of(data, (size_t)size));
    return buf_ok(&s->out) ? size : -1;
}

static long control(BIO *bio, int what, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return what == BIO_CTRL_FLUSH;
}

static void make_method(void)
{
    buffers = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "buffers");
    if (!buffers || !BIO_meth_set_read(buffers, take_in) || !BIO_meth_set_write(buffers, put_out) ||
        !BIO_meth_set_ctrl(buffers, control))
        abort();
}

static enum err open_session(SSL_CTX *ctx, struct tls_session **s_r)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    struct tls_session *s = calloc(1, sizeof(*s));
    if (!s)
        return ERR_NOMEM;
    buf_init(&s->in, IN_MAX);
    buf_init(&s->out, OUT_MAX);
    s->ssl = SSL_new(ctx);
    BIO *bio = s->ssl ? BIO_new(buffers) : NULL;
    if (!bio) {
        SSL_free(s->ssl);
        free(s);
        ERR_clear_error();
        return ERR_NOMEM;
    }
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio);
    *s_r = s;
    return ERR_OK;
}

enum err tls_session_open_server(const struct tls_server *t, struct tls_session **s_r)
{
    struct tls_session *s;
    enum err e = open_session(tls_server_context(t), &s);
    if (e != ERR_OK)
        return e;
    SSL_set_accept_state(s->ssl);
    *s_r = s;
    return ERR_OK;
}

/* An address is checked as an address and is never sent as a server name (RFC 6066 section 3). */
static bool set_name(SSL *ssl, slice name)
{
    char text[NAME_MAX_BYTES + 1];
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0)
        return true;
    if (name.len > NAME_MAX_BYTES || memchr(name.ptr, 0, name.len))
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = 0;
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, text) == 1)
        return true;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, text, 0) == 1 && SSL_set_tlsext_host_name(ssl, text) == 1;
}

enum err tls_session_open_client(const struct tls_client *t, slice name, struct tls_session **s_r)
{
    struct tls_session *s;
    enum err e = open_session(tls_client_context(t), &s);
    if (e != ERR_OK)
        return e;
    SSL_set_connect_state(s->ssl);
    bool good = set_name(s->ssl, name);
    ERR_clear_error();
    s->named = name.len > 0 && !slice_equal(name, SLICE("."));
    if (!good || (!s->named && SSL_get_verify_mode(s->ssl) != SSL_VERIFY_NONE)) {
        tls_session_close(&s);
        return ERR_SYNTAX;
    }
    *s_r = s;
    return ERR_OK;
}

void tls_session_close(struct tls_session **s)
{
    if (!*s)
        return;
    SSL_free((*s)->ssl);
    buf_deinit(&(*s)->in);
    buf_deinit(&(*s)->out);
    free(*s);
    *s = NULL;
}

enum err tls_session_feed(struct tls_session *s, slice cipher)
{
    if (s->in_at > 0) {
        buf_consume(&s->in, s->in_at);
        s->in_at = 0;
    }
    buf_append(&s->in, cipher);
    return buf_ok(&s->in) ? ERR_OK : ERR_NOMEM;
}

static enum err outcome(struct tls_session *s, int returned)
{
    int what = SSL_get_error(s->ssl, returned);
    if (what == SSL_ERROR_WANT_READ)
        return ERR_AGAIN;
    if (what == SSL_ERROR_ZERO_RETURN)
        return ERR_CLOSED;
    long verified = SSL_get_verify_result(s->ssl);
    if (!s->done && verified != X509_V_OK && SSL_get_verify_mode(s->ssl) != SSL_VERIFY_NONE)
        snprintf(s->error, sizeof(s->error), "the peer's certificate is not valid: %s",
                 X509_verify_cert_error_string(verified));
    else
        snprintf(s->error, sizeof(s->error), "%s", tls_reason());
    s->failed = true;
    ERR_clear_error();
    return ERR_TLS;
}

enum err tls_session_handshake(struct tls_session *s)
{
    if (s->failed)
        return ERR_TLS;
    ERR_clear_error();
    int done = SSL_do_handshake(s->ssl);
    if (done != 1) {
        enum err e = outcome(s, done);
        return e == ERR_AGAIN ? ERR_AGAIN : ERR_TLS;
    }
    s->done = true;
    snprintf(s->text, sizeof(s->text), "%s %s", SSL_get_version(s->ssl), SSL_get_cipher_name(s->ssl));
    return ERR_OK;
}

enum err tls_session_read(struct tls_session *s, void *out, size_t size, size_t *got_r)
{
    if (s->failed)
        return ERR_TLS;
    size_t got;
    ERR_clear_error();
    int done = SSL_read_ex(s->ssl, out, size, &got);
    if (done != 1)
        return outcome(s, done);
    *got_r = got;
    return ERR_OK;
}

enum err tls_session_write(struct tls_session *s, slice plain)
{
    size_t written;
    if (s->failed)
        return ERR_TLS;
    if (plain.len == 0)
        return ERR_OK;
    ERR_clear_error();
    int done = SSL_write_ex(s->ssl, plain.ptr, plain.len, &written);
    if (done == 1)
        return ERR_OK;
    enum err e = outcome(s, done);
    return e == ERR_AGAIN ? ERR_TLS : e;
}

void tls_session_shutdown(struct tls_session *s)
{
    if (s->failed || !s->done)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
}

void tls_session_output(struct tls_session *s, buf *out)
{
    buf_append(out, buf_slice(&s->out));
    buf_release(&s->out);
}

slice tls_session_text(const struct tls_session *s)
{
    return slice_str(s->text);
}

bool tls_session_verified(const struct tls_session *s)
{
    return s->done && s->named && !SSL_is_server(s->ssl) && SSL_get0_peer_certificate(s->ssl) &&
           SSL_get_verify_result(s->ssl) == X509_V_OK;
}

slice tls_session_error(const struct tls_session *s)
{
    return slice_str(s->error);
}

SSL *tls_session_ssl(const struct tls_session *s)
{
    return s->done ? s->ssl : NULL;
}
