/* SPDX-License-Identifier: ISC */
#include "child/check.h"

#include "crypt/crypt.h"

#define WORDS_MAX 8192
#define KEYS_FILE_MAX (64u * 1024)
#define ALIASES_CHECKED_MAX 100000u
#define ALIAS_ASKS_MAX 10000

void check_say(struct check *c, enum conf_severity severity, const char *key, slice words)
{
    slice line;
    c->failed = c->failed || (severity == CONF_ERROR && words.len > 0);
    while (words.len > 0) {
        (void)slice_cut(words, '\n', &line, &words);
        const struct conf_finding f = {
            .severity = severity, .file = c->conf->path, .key = slice_str(key), .text = line};
        if (line.len > 0)
            c->sink->take(c->sink->ctx, &f);
    }
}

static void fail(struct check *c, const char *key, slice words)
{
    check_say(c, CONF_ERROR, key, words);
}

static void check_pair(struct check *c, const char *key, struct tls_pair pair)
{
    char why_memory[WORDS_MAX], warnings_memory[WORDS_MAX];
    buf why, warnings;
    buf_init_fixed(&why, why_memory, sizeof why_memory);
    buf_init_fixed(&warnings, warnings_memory, sizeof warnings_memory);
    enum err e = tls_pair_check(&pair, os_wall_s(), &why, &warnings);
    check_say(c, CONF_WARNING, key, buf_slice(&warnings));
    if (e != ERR_OK)
        fail(c, key, why.len > 0 ? buf_slice(&why) : slice_str(err_text(e)));
}

static void check_apart(struct check *c, const struct conf_tls *t)
{
    char memory[WORDS_MAX];
    buf words;
    const struct tls_pair pair = {.cert = t->cert};
    buf_init_fixed(&words, memory, sizeof memory);
    if (tls_pair_apart(&pair))
        return;
    buf_printf(&words,
               "key %.*s is neither RSA nor ECDSA: it cannot be kept in a process of its own, and lies in those that "
               "talk to clients\n",
               SLICE_ARG(t->key));
    check_say(c, CONF_WARNING, "tls", buf_slice(&words));
}

static void check_keys(struct check *c)
{
    for (size_t i = 0; i < c->conf->tls_count; i++) {
        const struct conf_tls *t = &c->conf->tls[i];
        slice name = t->name.len > 0 ? t->name : c->conf->route.hostname;
        check_pair(c, "tls", (struct tls_pair){.name = name, .cert = t->cert, .key = t->key});
        if (!c->failed)
            check_apart(c, t);
    }
    for (size_t i = 0; i < c->conf->route.override_count; i++) {
        const struct route_override *o = &c->conf->route.overrides[i];
        if (o->cert.len > 0)
            check_pair(c, "route", (struct tls_pair){.cert = o->cert, .key = o->key});
    }
}

static void check_client_ca(struct check *c)
{
    char memory[WORDS_MAX];
    buf why;
    struct tls_server *server = NULL;
    const struct conf_tls *t = c->conf->tls;
    struct tls_pair pair = {.cert = t->cert, .key = t->key};
    buf_init_fixed(&why, memory, sizeof memory);
    if (tls_server_open(&pair, 1, SLICE_NONE, &server, &why) != ERR_OK)
        return; /* which check_pair has said */
    enum err e = tls_server_ask_clients(server, c->conf->auth.client_ca, &why);
    if (e != ERR_OK)
        fail(c, "auth.client_ca", why.len > 0 ? buf_slice(&why) : slice_str(err_text(e)));
    tls_server_close(&server);
}

static void check_token_keys(struct check *c)
{
    char memory[WORDS_MAX];
    buf pem, why;
    struct crypt_keys *keys = NULL;
    buf_init(&pem, KEYS_FILE_MAX);
    buf_init_fixed(&why, memory, sizeof memory);
    buf_printf(&why, "jwt_key %.*s: ", SLICE_ARG(c->conf->auth.jwt_key));
    enum err e = os_file_read(AT_FDCWD, c->conf->auth.jwt_key, &pem);
    if (e != ERR_OK)
        buf_append(&why, slice_str(err_text(e)));
    else
        e = crypt_keys_open(buf_slice(&pem), &keys, &why);
    if (e != ERR_OK)
        fail(c, "auth.jwt_key", buf_slice(&why));
    crypt_keys_close(&keys);
    buf_deinit(&pem);
}

static void check_auth(struct check *c)
{
    if (c->conf->auth.client_ca.len > 0 && c->conf->tls_count > 0)
        check_client_ca(c);
    if (c->conf->auth.jwt_key.len > 0)
        check_token_keys(c);
}

static void check_open_relay(struct check *c)
{
    char why_memory[WORDS_MAX];
    buf why;
    buf_init_fixed(&why, why_memory, sizeof why_memory);
    struct route_index *index = NULL;
    enum err e = route_index_open(&c->conf->route, os_random_key(), &index);
    if (e != ERR_OK)
        fail(c, "", slice_str(err_text(e)));
    else if (!route_self_test(index, &why))
        fail(c, "relay", buf_slice(&why));
    if (index)
        route_index_close(&index);
}

/* Does this alias lead anywhere? Users that only lookup knows are taken to exist. */
static enum status alias_outcome(const struct route_index *index, const struct route_domain *domain, slice key)
{
    static const struct route_session session = {.local_socket = true};
    struct resolve_request request = {.session = &session, .recipient = {.local = key, .domain = domain->name}};
    struct arena arena;
    struct resolve *r;
    enum status status = STATUS_OK;
    arena_init(&arena, 1u << 24);
    if (route_resolve_begin(index, &arena, &request, &r) == ERR_OK) {
        enum users_kind kind;
        slice user;
        enum resolve_step step = route_resolve_step(r, &kind, &user);
        for (int i = 0; step == RESOLVE_ASK && i < ALIAS_ASKS_MAX; i++) {
            route_resolve_answer(r, RESOLVE_YES);
            step = route_resolve_step(r, &kind, &user);
        }
        if (step == RESOLVE_REFUSED)
            status = route_resolve_result(r)->status;
    }
    arena_deinit(&arena);
    return status;
}

static void say_alias(struct check *c, const struct route_domain *domain, const struct alias_entry *entry,
                      enum status status)
{
    char memory[WORDS_MAX];
    buf text;
    buf_init_fixed(&text, memory, sizeof memory);
    buf_printf(&text, "alias \"%.*s\" of %.*s %s", SLICE_ARG(entry->key), SLICE_ARG(domain->name),
               status == STATUS_ALIAS_LOOP ? "goes round and leads to nobody" : "leads to nobody who exists");
    const struct conf_finding f = {.severity = CONF_WARNING,
                                   .file = alias_table_name(domain->aliases),
                                   .line = entry->line,
                                   .text = buf_slice(&text)};
    c->sink->take(c->sink->ctx, &f);
}

static void check_aliases(struct check *c, const struct route_index *index, const struct route_domain *domain)
{
    const struct alias_entry *entry;
    for (size_t i = 0; i < ALIASES_CHECKED_MAX && (entry = alias_table_at(domain->aliases, i)) != NULL; i++) {
        enum status status = alias_outcome(index, domain, entry->key);
        if (status != STATUS_ALIAS_LOOP && status != STATUS_USER_UNKNOWN)
            continue;
        say_alias(c, domain, entry, status);
    }
}

static void check_all_aliases(struct check *c)
{
    struct route_index *index = NULL;
    if (route_index_open(&c->conf->route, os_random_key(), &index) != ERR_OK)
        return;
    for (size_t i = 0; i < c->conf->route.domain_count; i++) {
        const struct route_domain *domain = &c->conf->route.domains[i];
        if (domain->aliases && !domain->same_as)
            check_aliases(c, index, domain);
    }
    route_index_close(&index);
}

enum err check_nearest(slice *path, struct os_file_stamp *stamp)
{
    enum err e = os_file_stamp(AT_FDCWD, *path, true, stamp);
    while (e == ERR_NOTFOUND && path->len > 1) {
        *path = os_path_parent(*path);
        e = os_file_stamp(AT_FDCWD, *path, true, stamp);
    }
    return e;
}

/* Must be a folder that we can write into, and nobody else. */
static void check_state(struct check *c)
{
    slice path = c->conf->state_dir;
    struct os_file_stamp stamp;
    char words[WORDS_MAX];
    buf b;
    buf_init_fixed(&b, words, sizeof words);
    enum err e = check_nearest(&path, &stamp);
    bool own = path.len == c->conf->state_dir.len;
    if (e != ERR_OK)
        buf_printf(&b, "state_dir \"%.*s\": %s", SLICE_ARG(path), err_text(e));
    else if (!stamp.is_dir)
        buf_printf(&b, "state_dir \"%.*s\": not a folder", SLICE_ARG(path));
    else if (own && (stamp.mode & 0002))
        buf_printf(&b, "state_dir \"%.*s\": everybody may write there; chmod o-w it", SLICE_ARG(path));
    else if (os_uid() != 0 && !os_writable(path))
        buf_printf(&b, "state_dir: user %u cannot write to \"%.*s\"", os_uid(), SLICE_ARG(path));
    if (b.len > 0)
        fail(c, "state_dir", buf_slice(&b));
}

bool child_check(const struct conf *conf, enum child_check_depth depth, const struct conf_sink *sink)
{
    struct check c = {.conf = conf, .sink = sink};
    check_keys(&c);
    check_auth(&c);
    if (!conf->development)
        check_open_relay(&c);
    check_all_aliases(&c);
    check_state(&c);
    check_modes(&c);
    if (depth == CHILD_CHECK_ALL)
        check_users(&c);
    return !c.failed;
}

static void take_text(void *ctx, const struct conf_finding *f)
{
    conf_finding_print(f, ctx);
}

enum err child_check_conf(const struct conf *conf, buf *messages)
{
    const struct conf_sink sink = {take_text, messages};
    return child_check(conf, CHILD_CHECK_START, &sink) ? ERR_OK : ERR_SYNTAX;
}
