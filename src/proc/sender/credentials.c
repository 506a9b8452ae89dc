/* SPDX-License-Identifier: ISC */
/* Passwords, tokens and certificates of the routes: read once, before privileges are dropped; a reload starts a sender anew and so reads them anew. */
#include "proc/sender/state.h"

#define SECRET_MAX 16384u
#define SECRETS_MAX (1024u * 1024)

static enum err secret_read(struct sender *s, slice path, slice *secret_r)
{
    buf b;
    buf_init(&b, SECRET_MAX);
    enum err e = os_file_read(AT_FDCWD, path, &b);
    if (e == ERR_OK)
        e = arena_copy(&s->secrets, slice_trim(buf_slice(&b)), secret_r);
    volatile char *p = b.ptr;
    for (size_t i = 0; i < b.cap; i++)
        p[i] = 0;
    buf_deinit(&b);
    if (e != ERR_OK)
        log_line(LOG_ERROR, "secret in %.*s: %s: mail for this route waits", SLICE_ARG(path), err_text(e));
    return e;
}

static enum err certificate_read(const struct route_override *o, struct tls_client **tls_r)
{
    const struct tls_pair pair = {.cert = o->cert, .key = o->key};
    struct tls_client *tls = NULL;
    buf why;
    buf_init(&why, 1024);
    enum err e = tls_client_open(o->tls == ROUTE_TLS_VERIFY, &tls, &why);
    if (e == ERR_OK)
        e = tls_client_identify(tls, &pair, &why);
    if (e == ERR_OK)
        *tls_r = tls;
    else if (tls)
        tls_client_close(&tls);
    if (e != ERR_OK)
        log_line(LOG_ERROR, "certificate of a route: %.*s: its mail waits",
                 SLICE_ARG(why.len > 0 ? buf_slice(&why) : slice_str(err_text(e))));
    buf_deinit(&why);
    return e;
}

static void read_one(struct sender *s, const struct route_override *o, struct credentials *c)
{
    slice path = o->password_file.len > 0 ? o->password_file : o->token_file;
    c->override = o;
    c->missing = (path.len > 0 && secret_read(s, path, &c->secret) != ERR_OK) ||
                 (o->cert.len > 0 && certificate_read(o, &c->tls) != ERR_OK);
}

enum err sender_credentials_read(struct sender *s)
{
    const struct route_tables *t = &s->conf->route;
    arena_init(&s->secrets, SECRETS_MAX);
    s->credentials = calloc(t->override_count ? t->override_count : 1, sizeof *s->credentials);
    if (!s->credentials)
        return ERR_NOMEM;
    for (size_t i = 0; i < t->override_count; i++) {
        const struct route_override *o = &t->overrides[i];
        if (o->login.len > 0 || o->cert.len > 0)
            read_one(s, o, &s->credentials[s->credentials_count++]);
    }
    return ERR_OK;
}

void sender_credentials_close(struct sender *s)
{
    for (size_t i = 0; i < s->credentials_count; i++)
        tls_client_close(&s->credentials[i].tls);
    free(s->credentials);
    s->credentials = NULL;
    s->credentials_count = 0;
}

const struct credentials *sender_credentials_find(const struct sender *s, const struct route_override *o)
{
    for (size_t i = 0; o && i < s->credentials_count; i++)
        if (s->credentials[i].override == o)
            return &s->credentials[i];
    return NULL;
}
