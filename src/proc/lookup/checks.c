/* SPDX-License-Identifier: ISC */
#include "proc/lookup/logins.h"

#include <stdlib.h>

#include "proc/lookup/reader.h"
#include "proc/lookup/worker.h"

#define WAITING_MAX 64u
#define SECRET_MAX 8192u
#define KEYS_FILE_MAX (64u * 1024)
#define WHY_MAX 160

/* The thread's own, but for what is set once before it starts. */
struct checks {
    struct logins *logins;
    struct reader reader;
    struct store_file *file; /* NULL: the account store */
    struct crypt_keys *keys; /* NULL: no tokens */
    struct worker *worker;
};

struct check {
    struct worker_task base;
    struct exchange *exchange;
    enum sasl_server_kind kind;
    enum check_answer answer;
    enum crypt_digest digest;
    struct sasl_scram_keys keys;
    char found[SASL_LOGIN_MAX]; /* whose token it is */
    size_t found_len;
    char why[WHY_MAX];
    size_t why_len;
    slice login, secret; /* behind the struct, in the same memory */
    size_t size;
};

static void check_free(struct check *c)
{
    explicit_bzero(c, c->size);
    free(c);
}

static void drop(struct worker_task *base)
{
    struct check *c = (struct check *)base;
    exchange_checked(c->exchange, CHECK_UNKNOWN, SLICE_NONE);
    check_free(c);
}

static enum check_answer answer_of(enum err e)
{
    return e == ERR_OK ? CHECK_GOOD : e == ERR_PERMISSION ? CHECK_WRONG : CHECK_UNKNOWN;
}

/* No accounts at all yet is an account that there is not: the hash is made all the same. */
static void check_password(struct checks *s, struct check *c)
{
    struct store *store = NULL;
    if (s->file) {
        c->answer = answer_of(store_file_check(s->file, c->login, c->secret));
        return;
    }
    enum err e = reader_store(&s->reader, &store);
    c->answer = e == ERR_OK         ? answer_of(store_password_check(store, c->login, c->secret))
                : e == ERR_NOTFOUND ? CHECK_WRONG
                                    : CHECK_UNKNOWN;
}

static void find_keys(struct checks *s, struct check *c)
{
    struct store *store = NULL;
    c->answer = CHECK_UNKNOWN;
    if (!s->file && reader_store(&s->reader, &store) == ERR_OK &&
        store_scram_find(store, c->login, c->digest, &c->keys) == ERR_OK)
        c->answer = CHECK_GOOD;
}

static void check_token(struct checks *s, struct check *c)
{
    buf login, why;
    const struct conf_auth *conf = s->logins->conf;
    struct sasl_token_rules rules = {conf->jwt_issuer, conf->jwt_audience, conf->claim, os_wall_s()};
    struct sasl_token_facts facts = {&login, 0};
    buf_init_fixed(&login, c->found, sizeof c->found);
    buf_init_fixed(&why, c->why, sizeof c->why);
    c->answer = s->keys ? answer_of(sasl_token_jwt(c->secret, s->keys, &rules, &facts, &why)) : CHECK_UNKNOWN;
    c->found_len = login.len;
    c->why_len = why.len;
}

static void work(void *thread_ctx, struct worker_task *base)
{
    struct check *c = (struct check *)base;
    if (c->kind == SASL_CHECK_PASSWORD)
        check_password(thread_ctx, c);
    else if (c->kind == SASL_FIND_KEYS)
        find_keys(thread_ctx, c);
    else
        check_token(thread_ctx, c);
}

static void done(void *ctx, struct worker_task *base)
{
    struct check *c = (struct check *)base;
    (void)ctx;
    if (c->why_len > 0)
        log_line(LOG_INFO, "an OAuth token is refused: %.*s", SLICE_ARG(slice_of(c->why, c->why_len)));
    if (c->kind == SASL_FIND_KEYS)
        exchange_keys(c->exchange, c->answer == CHECK_GOOD ? &c->keys : NULL);
    else
        exchange_checked(c->exchange, c->answer, slice_of(c->found, c->found_len));
    check_free(c);
}

static const struct worker_ops ops = {work, done, drop};

static enum err load_keys(struct checks *s, slice path)
{
    char memory[200];
    buf pem, why;
    buf_init(&pem, KEYS_FILE_MAX);
    buf_init_fixed(&why, memory, sizeof memory);
    enum err e = os_file_read(AT_FDCWD, path, &pem);
    if (e != ERR_OK)
        buf_append(&why, slice_str(err_text(e)));
    else
        e = crypt_keys_open(buf_slice(&pem), &s->keys, &why);
    if (e != ERR_OK)
        log_line(LOG_ERROR, "[auth] jwt_key %.*s: %.*s", SLICE_ARG(path), SLICE_ARG(buf_slice(&why)));
    buf_deinit(&pem);
    return e;
}

enum err checks_open(struct logins *l, struct checks **c_r)
{
    struct checks *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    s->logins = l;
    enum err e = reader_init(&s->reader, l->lookup->child.conf->state_dir);
    s->reader.hash = l->conf->argon2id ? STORE_HASH_ARGON2ID : STORE_HASH_YESCRYPT;
    if (e == ERR_OK && l->conf->via == CONF_AUTH_FILE)
        e = store_file_open(l->conf->path, &s->file);
    if (e == ERR_OK && l->conf->jwt_key.len > 0)
        e = load_keys(s, l->conf->jwt_key);
    if (e != ERR_OK) {
        checks_close(&s);
        return e;
    }
    *c_r = s;
    return ERR_OK;
}

enum err checks_start(struct checks *s)
{
    struct worker_start start = {&ops, s, s, WAITING_MAX};
    return worker_open(s->logins->lookup->child.loop, &start, &s->worker);
}

void checks_close(struct checks **c)
{
    if (!*c)
        return;
    worker_close(&(*c)->worker);
    reader_close(&(*c)->reader);
    store_file_close(&(*c)->file);
    crypt_keys_close(&(*c)->keys);
    free(*c);
    *c = NULL;
}

bool checks_ask(struct checks *s, struct exchange *x, const struct sasl_server_event *e)
{
    slice login = e->login,
          secret = slice_sub(e->secret, 0, SECRET_MAX); /* what is cut is wrong after a hash's time, too */
    size_t size = sizeof(struct check) + login.len + secret.len;
    struct check *c = calloc(1, size);
    if (!c)
        return false;
    char *text = (char *)(c + 1);
    if (login.len > 0)
        memcpy(text, login.ptr, login.len);
    if (secret.len > 0)
        memcpy(text + login.len, secret.ptr, secret.len);
    c->exchange = x;
    c->kind = e->kind;
    c->digest = e->digest;
    c->size = size;
    c->login = slice_of(text, login.len);
    c->secret = slice_of(text + login.len, secret.len);
    if (worker_add(s->worker, &c->base) == ERR_OK)
        return true;
    check_free(c);
    return false;
}
