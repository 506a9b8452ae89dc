/* SPDX-License-Identifier: ISC */
#include "load_channel.h"
#include "load.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL_CTX *client_context(void)
{
    static SSL_CTX *context;
    if (context)
        return context;
    context = SSL_CTX_new(TLS_client_method());
    if (!context)
        load_die("TLS");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return context;
}

void load_channel_secure(struct load_channel *c)
{
    c->ssl = SSL_new(client_context());
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
        load_die("TLS");
    SSL_set_connect_state(c->ssl);
}

/* As recv and send say it: errno EAGAIN where TLS wants to be called again, in whatever direction. */
static ssize_t outcome(struct load_channel *c, int n)
{
    if (n > 0)
        return n;
    int why = SSL_get_error(c->ssl, n);
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

int load_channel_handshake(struct load_channel *c)
{
    if (outcome(c, SSL_do_handshake(c->ssl)) > 0)
        return 1;
    return errno == EAGAIN ? 0 : -1;
}

ssize_t load_channel_recv(struct load_channel *c, void *bytes, size_t len)
{
    return c->ssl ? outcome(c, SSL_read(c->ssl, bytes, (int)len)) : recv(c->fd, bytes, len, 0);
}

ssize_t load_channel_send(struct load_channel *c, const void *bytes, size_t len)
{
    if (len == 0)
        return 0;
    return c->ssl ? outcome(c, SSL_write(c->ssl, bytes, (int)len)) : send(c->fd, bytes, len, 0);
}

void load_channel_close(struct load_channel *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
}
