/* SPDX-License-Identifier: ISC */
#include "conf/facts.h"

#include <inttypes.h>

#include "conf/option.h"

#define FACTS_ARENA_MAX ((size_t)1 << 30)

void facts_add(struct facts *f, slice subject, slice text)
{
    if (f->count == f->cap) {
        size_t cap = f->cap == 0 ? 64 : 2 * f->cap;
        struct fact *grown = arena_array(&f->arena, cap, sizeof(*grown));
        if (!grown) {
            f->failed = true;
            return;
        }
        if (f->count > 0)
            memcpy(grown, f->list, f->count * sizeof(*grown));
        f->list = grown;
        f->cap = cap;
    }
    f->list[f->count++] = (struct fact){subject, text};
}

slice facts_text(struct facts *f, const char *format, ...)
{
    va_list args;
    buf text;
    slice copy = SLICE_NONE;
    buf_init(&text, 1 << 20);
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    if (!buf_ok(&text) || arena_copy(&f->arena, buf_slice(&text), &copy) != ERR_OK)
        f->failed = true;
    buf_deinit(&text);
    return copy;
}

slice facts_join(struct facts *f, const slice *texts, size_t count)
{
    buf text;
    slice copy = SLICE_NONE;
    buf_init(&text, 64 << 20);
    for (size_t i = 0; i < count; i++) {
        buf_append(&text, i == 0 ? SLICE_NONE : SLICE(", "));
        buf_append(&text, texts[i]);
    }
    if (!buf_ok(&text) || arena_copy(&f->arena, buf_slice(&text), &copy) != ERR_OK)
        f->failed = true;
    buf_deinit(&text);
    return copy;
}

static void add_host(struct facts *f, const struct conf *c)
{
    facts_add(f, SLICE("hostname"), c->route.hostname);
    facts_add(f, SLICE("origin"), c->route.origin);
    facts_add(f, SLICE("postmaster"), c->route.postmaster);
    facts_add(f, SLICE("state_dir"), c->state_dir);
    facts_add(f, SLICE("user"), c->user);
}

static void add_listeners(struct facts *f, const struct conf *c)
{
    static const char *const roles[] = {
        [CONF_LISTEN_MX] = "mx", [CONF_LISTEN_SUBMISSION] = "submission", [CONF_LISTEN_LMTP] = "lmtp"};
    static const char *const tls[] = {
        [CONF_TLS_NONE] = "no TLS", [CONF_TLS_STARTTLS] = "STARTTLS", [CONF_TLS_IMPLICIT] = "TLS from the start"};
    for (size_t i = 0; i < c->listener_count; i++) {
        const struct conf_listener *l = &c->listeners[i];
        slice place;
        slice_cut(l->text, ' ', &place, &(slice){0});
        facts_add(f, facts_text(f, "%s listens on %.*s", roles[l->role], SLICE_ARG(place)),
                  facts_text(f, "%s%s", tls[l->tls], l->proxy ? ", behind a proxy" : ""));
    }
    for (size_t i = 0; i < c->tls_count; i++) {
        slice name = c->tls[i].name.len > 0 ? c->tls[i].name : SLICE("this host");
        facts_add(f, facts_text(f, "certificate of %.*s", SLICE_ARG(name)),
                  facts_text(f, "%.*s with %.*s", SLICE_ARG(c->tls[i].cert), SLICE_ARG(c->tls[i].key)));
    }
}

static void add_peers(struct facts *f, const struct conf_peers *peers, const char *what)
{
    for (size_t i = 0; i < peers->count; i++)
        facts_add(f, facts_text(f, "%.*s %s", SLICE_ARG(peers->networks[i].text), what), SLICE_NONE);
}

static void add_auth(struct facts *f, const struct conf *c)
{
    static const char *const vias[] = {
        [CONF_AUTH_STORE] = "accounts", [CONF_AUTH_FILE] = "file", [CONF_AUTH_DOVECOT] = "Dovecot at"};
    const struct conf_auth *a = &c->auth;
    facts_add(f, SLICE("who knows passwords"), facts_text(f, "%s %.*s", vias[a->via], SLICE_ARG(a->path)));
    facts_add(f, SLICE("new passwords are hashed with"), a->argon2id ? SLICE("argon2id") : SLICE("yescrypt"));
    facts_add(f, SLICE("logins without TLS on loopback"), a->plaintext_on_loopback ? SLICE("yes") : SLICE("no"));
    facts_add(f, SLICE("certificates of clients"), a->client_ca);
    facts_add(f, SLICE("introspection of tokens"),
              facts_text(f, "%.*s as %.*s, %.*s, %.*s", SLICE_ARG(a->introspection), SLICE_ARG(a->introspection_id),
                         SLICE_ARG(a->introspection_secret_file), SLICE_ARG(a->introspection_ca)));
    facts_add(f, SLICE("tokens"),
              facts_text(f, "keys %.*s, issuer %.*s, audience %.*s, claim %.*s", SLICE_ARG(a->jwt_key),
                         SLICE_ARG(a->jwt_issuer), SLICE_ARG(a->jwt_audience), SLICE_ARG(a->claim)));
}

static slice number_text(struct facts *f, const struct option *o, const char *target)
{
    uint32_t count;
    uint64_t size;
    int64_t time;
    switch (o->type) {
    case OPTION_COUNT:
    case OPTION_WORD:
        memcpy(&count, target + o->offset, sizeof(count));
        return o->type == OPTION_WORD ? slice_str(o->words[count]) : facts_text(f, "%" PRIu32, count);
    case OPTION_SIZE:
        memcpy(&size, target + o->offset, sizeof(size));
        return facts_text(f, "%" PRIu64 " bytes", size);
    case OPTION_SECONDS:
        memcpy(&time, target + o->offset, sizeof(time));
        return facts_text(f, "%" PRId64 "s", time);
    case OPTION_MILLISECONDS:
        memcpy(&time, target + o->offset, sizeof(time));
        return facts_text(f, "%" PRId64 "s", time / 1000);
    default:
        return target[o->offset] ? SLICE("yes") : SLICE("no");
    }
}

static void add_limits(struct facts *f, const struct conf *c)
{
    const struct section *section = &option_sections[SECTION_LIMITS];
    for (size_t i = 0; i < section->count; i++) {
        const struct option *o = &section->options[i];
        slice text = o->type == OPTION_WORD_BOOL ? slice_str(o->words[c->limits.bare_newline_reject])
                                                 : number_text(f, o, (const char *)&c->limits);
        facts_add(f, facts_text(f, "limit %s", o->name), text);
    }
}

static void add_queue(struct facts *f, const struct conf *c)
{
    const struct conf_queue *q = &c->queue;
    buf retry;
    buf_init(&retry, 1 << 16);
    for (size_t i = 0; i < q->retry_count; i++)
        buf_printf(&retry, "%s%" PRId64 "s", i == 0 ? "" : ", ", q->retry_s[i]);
    facts_add(f, SLICE("queue folder"), q->dir);
    facts_add(f, SLICE("waits between tries"), facts_text(f, "%.*s", SLICE_ARG(buf_slice(&retry))));
    facts_add(f, SLICE("mail is given up after"), facts_text(f, "%" PRId64 "s", q->give_up_s));
    facts_add(f, SLICE("senders are warned after"), facts_text(f, "%" PRId64 "s", q->warn_after_s));
    facts_add(f, SLICE("space to keep free"), facts_text(f, "%" PRIu64 " bytes", q->min_free));
    facts_add(f, SLICE("connections to a destination"), facts_text(f, "%" PRIu32, q->connections_per_destination));
    buf_deinit(&retry);
}

static void add_log(struct facts *f, const struct conf *c)
{
    const struct section *section = &option_sections[SECTION_LOG];
    for (size_t i = 0; i < section->count; i++) {
        const struct option *o = &section->options[i];
        facts_add(f, facts_text(f, "log %s", o->name), number_text(f, o, (const char *)&c->log));
    }
}

void facts_init(struct facts *f, const struct conf *conf)
{
    *f = (struct facts){0};
    arena_init(&f->arena, FACTS_ARENA_MAX);
    add_host(f, conf);
    add_listeners(f, conf);
    add_auth(f, conf);
    facts_add_domains(f, conf);
    facts_add_routes(f, conf);
    add_peers(f, &conf->trust.proxy, "may speak for others by PROXY");
    add_peers(f, &conf->trust.xclient, "may speak for others by XCLIENT");
    add_peers(f, &conf->trust.xforward, "may tell where mail came from by XFORWARD");
    add_queue(f, conf);
    add_log(f, conf);
    add_limits(f, conf);
}

void facts_deinit(struct facts *f)
{
    arena_deinit(&f->arena);
}
