/* SPDX-License-Identifier: ISC */
/* Token introspection (RFC 7662): a request over verified TLS, bounded in time and in size. What was good is good for another minute, or until the token ends. */
#include "proc/lookup/logins.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "proc/lookup/worker.h"

#define WORKERS 4u
#define WAITING_MAX 64u
#define SECRET_MAX 1024u
#define ANSWER_MAX (64u * 1024)
#define TIMEOUT_MS 6000L
#define KEPT_MAX 256u
#define KEPT_S 60
#define WHY_MAX 300

/* A token that was good, by its digest. */
struct kept {
    uint8_t digest[CRYPT_DIGEST_MAX];
    int64_t until_s;
    char login[SASL_LOGIN_MAX];
    size_t login_len;
};

struct web {
    struct logins *logins;
    char secret[SECRET_MAX + 1];
    struct worker *workers[WORKERS];
    unsigned next;
    struct kept kept[KEPT_MAX]; /* the loop's; a ring */
    unsigned kept_next;
};

struct query {
    struct worker_task base;
    struct exchange *exchange;
    struct web *web;
    enum check_answer answer;
    uint8_t digest[CRYPT_DIGEST_MAX];
    int64_t until_s;
    char login[SASL_LOGIN_MAX];
    size_t login_len;
    char why[WHY_MAX];
    size_t why_len;
    size_t size, token_len;
    char token[];
};

static void query_free(struct query *q)
{
    explicit_bzero(q, q->size);
    free(q);
}

static void drop(struct worker_task *base)
{
    struct query *q = (struct query *)base;
    exchange_checked(q->exchange, CHECK_UNKNOWN, SLICE_NONE);
    query_free(q);
}

static size_t take(char *data, size_t size, size_t count, void *ctx)
{
    buf_append(ctx, slice_of(data, size * count));
    return buf_ok(ctx) ? size * count : 0;
}

static bool set_login(CURL *curl, const struct web *w)
{
    const struct conf_auth *c = w->logins->conf;
    char id[1024];
    buf b;
    if (c->introspection_id.len == 0)
        return true;
    buf_init_fixed(&b, id, sizeof id);
    buf_printf(&b, "%.*s%c", SLICE_ARG(c->introspection_id), 0);
    return buf_ok(&b) && curl_easy_setopt(curl, CURLOPT_USERNAME, id) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PASSWORD, w->secret) == CURLE_OK;
}

/* Own settings only: nothing of the environment, no other protocol, nowhere else. */
static bool set_up(CURL *curl, const struct web *w, const char *url, buf *answer)
{
    const struct conf_auth *c = w->logins->conf;
    char ca[PATH_MAX];
    buf b;
    bool good = curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK;
    good = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take) == CURLE_OK && good;
    good = curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) == CURLE_OK && good;
    if (c->introspection_ca.len > 0) {
        buf_init_fixed(&b, ca, sizeof ca);
        buf_printf(&b, "%.*s%c", SLICE_ARG(c->introspection_ca), 0);
        good = buf_ok(&b) && curl_easy_setopt(curl, CURLOPT_CAINFO, ca) == CURLE_OK && good;
    }
    return good && set_login(curl, w);
}

static bool set_form(CURL *curl, const struct query *q, buf *form)
{
    char *escaped = curl_easy_escape(curl, q->token, (int)q->token_len);
    if (!escaped)
        return false;
    buf_printf(form, "token=%s&token_type_hint=access_token%c", escaped, 0);
    explicit_bzero(escaped, strlen(escaped));
    curl_free(escaped);
    return buf_ok(form) && curl_easy_setopt(curl, CURLOPT_POSTFIELDS, form->ptr) == CURLE_OK;
}

/* False with a reason. */
static bool fetch(struct web *w, const struct query *q, buf *answer, buf *why)
{
    char url[2048], form_memory[3 * 8192 + 64];
    buf b, form;
    long status = 0;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    buf_init_fixed(&b, url, sizeof url);
    buf_printf(&b, "%.*s%c", SLICE_ARG(w->logins->conf->introspection), 0);
    buf_init_fixed(&form, form_memory, sizeof form_memory);
    CURLcode code = CURLE_FAILED_INIT;
    if (curl && headers && buf_ok(&b) && set_up(curl, w, url, answer) && set_form(curl, q, &form) &&
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK)
        code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK)
        buf_printf(why, "introspection: %s", curl_easy_strerror(code));
    else if (status != 200)
        buf_printf(why, "introspection: status %ld", status);
    explicit_bzero(form_memory, sizeof form_memory);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return code == CURLE_OK && status == 200;
}

static void work(void *thread_ctx, struct worker_task *base)
{
    struct web *w = thread_ctx;
    struct query *q = (struct query *)base;
    const struct conf_auth *c = w->logins->conf;
    buf answer, why, login;
    buf_init(&answer, ANSWER_MAX);
    buf_init_fixed(&why, q->why, sizeof q->why);
    buf_init_fixed(&login, q->login, sizeof q->login);
    struct sasl_token_rules rules = {c->jwt_issuer, c->jwt_audience, c->claim, os_wall_s()};
    struct sasl_token_facts facts = {&login, 0};
    q->answer = CHECK_UNKNOWN;
    if (fetch(w, q, &answer, &why)) {
        enum err e = sasl_token_introspection(buf_slice(&answer), &rules, &facts, &why);
        q->answer = e == ERR_OK ? CHECK_GOOD : e == ERR_PERMISSION ? CHECK_WRONG : CHECK_UNKNOWN;
    }
    q->until_s = facts.until_s < rules.now_s + KEPT_S ? facts.until_s : rules.now_s + KEPT_S;
    q->login_len = login.len;
    q->why_len = why.len;
    buf_deinit(&answer);
}

static void keep(struct web *w, const struct query *q)
{
    struct kept *k = &w->kept[w->kept_next++ % KEPT_MAX];
    memcpy(k->digest, q->digest, sizeof k->digest);
    memcpy(k->login, q->login, q->login_len);
    k->login_len = q->login_len;
    k->until_s = q->until_s;
}

static const struct kept *find(const struct web *w, const uint8_t *digest)
{
    int64_t now_s = os_wall_s();
    for (unsigned i = 0; i < KEPT_MAX; i++) {
        if (w->kept[i].until_s > now_s && memcmp(w->kept[i].digest, digest, CRYPT_DIGEST_MAX) == 0)
            return &w->kept[i];
    }
    return NULL;
}

static void done(void *ctx, struct worker_task *base)
{
    struct query *q = (struct query *)base;
    if (q->why_len > 0)
        log_line(q->answer == CHECK_UNKNOWN ? LOG_ERROR : LOG_INFO, "an OAuth token is refused: %.*s",
                 SLICE_ARG(slice_of(q->why, q->why_len)));
    if (q->answer == CHECK_GOOD)
        keep(ctx, q);
    exchange_checked(q->exchange, q->answer, slice_of(q->login, q->login_len));
    query_free(q);
}

static const struct worker_ops ops = {work, done, drop};

static enum err load_secret(struct web *w, slice path)
{
    buf b;
    if (path.len == 0)
        return ERR_OK;
    buf_init_fixed(&b, w->secret, SECRET_MAX);
    enum err e = os_file_read(AT_FDCWD, path, &b);
    if (e != ERR_OK) {
        log_line(LOG_ERROR, "[auth] introspection_secret_file %.*s: %s", SLICE_ARG(path), err_text(e));
        return e;
    }
    while (b.len > 0 && (b.ptr[b.len - 1] == '\n' || b.ptr[b.len - 1] == '\r'))
        b.len--;
    w->secret[b.len] = 0;
    return ERR_OK;
}

enum err web_open(struct logins *l, struct web **w_r)
{
    struct web *w = calloc(1, sizeof *w);
    if (!w)
        return ERR_NOMEM;
    w->logins = l;
    enum err e = load_secret(w, l->conf->introspection_secret_file);
    if (e == ERR_OK && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        e = ERR_SYSTEM;
    if (e != ERR_OK) {
        web_close(&w);
        return e;
    }
    *w_r = w;
    return ERR_OK;
}

enum err web_start(struct web *w)
{
    struct worker_start start = {&ops, w, w, WAITING_MAX / WORKERS};
    enum err e = ERR_OK;
    for (unsigned i = 0; e == ERR_OK && i < WORKERS; i++)
        e = worker_open(w->logins->lookup->child.loop, &start, &w->workers[i]);
    return e;
}

void web_close(struct web **w)
{
    if (!*w)
        return;
    for (unsigned i = 0; i < WORKERS; i++)
        worker_close(&(*w)->workers[i]);
    explicit_bzero(*w, sizeof **w);
    free(*w);
    *w = NULL;
}

bool web_ask(struct web *w, struct exchange *x, const struct sasl_server_event *e)
{
    uint8_t digest[CRYPT_DIGEST_MAX];
    if (crypt_hash(CRYPT_SHA256, e->secret, digest) != ERR_OK)
        return false;
    const struct kept *k = find(w, digest);
    if (k) {
        exchange_checked(x, CHECK_GOOD, slice_of(k->login, k->login_len));
        return true;
    }
    size_t size = sizeof(struct query) + e->secret.len;
    struct query *q = calloc(1, size);
    if (!q)
        return false;
    q->exchange = x;
    q->size = size;
    q->token_len = e->secret.len;
    memcpy(q->digest, digest, sizeof digest);
    memcpy(q->token, e->secret.ptr, e->secret.len);
    for (unsigned i = 0; i < WORKERS; i++) {
        if (worker_add(w->workers[w->next++ % WORKERS], &q->base) == ERR_OK)
            return true;
    }
    query_free(q);
    return false;
}
