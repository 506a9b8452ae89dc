/* SPDX-License-Identifier: ISC */
#include "load.h"
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A server in a thread and a client in another, over a pair of sockets: what is counted is the processor time of the server's thread in SSL_new, SSL_accept (with its reads and writes), and SSL_free. */
struct server {
    SSL_CTX *context;
    int count;
    int *fds;
    double cpu;
};

static double thread_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int ok, const char *what)
{
    if (ok != 1)
        load_die(what);
}

static void *serve(void *argument)
{
    struct server *s = argument;
    char byte;
    for (int i = 0; i < s->count; i++) {
        double begin = thread_cpu();
        SSL *ssl = SSL_new(s->context);
        must(ssl && SSL_set_fd(ssl, s->fds[2 * i]) == 1, "SSL_new");
        must(SSL_accept(ssl), "SSL_accept");
        s->cpu += thread_cpu() - begin;
        if (read(s->fds[2 * i], &byte, 1) > 0) /* the client has closed */
            load_die("handshake");
        begin = thread_cpu();
        SSL_free(ssl);
        s->cpu += thread_cpu() - begin;
        close(s->fds[2 * i]);
    }
    return NULL;
}

static SSL_CTX *server_context(const char *folder)
{
    char path[4096];
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    must(c != NULL, "SSL_CTX_new");
    snprintf(path, sizeof path, "%s/cert.pem", folder);
    must(SSL_CTX_use_certificate_chain_file(c, path), path);
    snprintf(path, sizeof path, "%s/key.pem", folder);
    must(SSL_CTX_use_PrivateKey_file(c, path, SSL_FILETYPE_PEM), path);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    return c;
}

void load_handshake(const struct load_options *options)
{
    if (!options->folder)
        load_die("handshake: no folder with cert.pem and key.pem");
    struct server s = {.context = server_context(options->folder), .count = options->count};
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    s.fds = calloc((size_t)s.count * 2, sizeof *s.fds);
    if (!client || !s.fds)
        load_die("memory");
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_OFF);
    for (int i = 0; i < s.count; i++)
        must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s.fds + (ptrdiff_t)2 * i) == 0, "socketpair");
    pthread_t thread;
    must(pthread_create(&thread, NULL, serve, &s) == 0, "pthread_create");
    for (int i = 0; i < s.count; i++) {
        SSL *ssl = SSL_new(client);
        must(ssl && SSL_set_fd(ssl, s.fds[2 * i + 1]) == 1, "SSL_new");
        must(SSL_connect(ssl), "SSL_connect");
        SSL_free(ssl);
        close(s.fds[2 * i + 1]);
    }
    pthread_join(thread, NULL);
    printf("{\"handshakes\":%d,\"server_cpu_ms\":%.5f}\n", s.count, s.cpu * 1e3 / s.count);
    SSL_CTX_free(client);
    SSL_CTX_free(s.context);
    free(s.fds);
}
