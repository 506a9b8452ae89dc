/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

#define PORT_SMTP 25
#define PORT_SMTPS 465
#define PORT_SUBMISSION 587
#define LOGIN_MAX 254

static const char *const tls_words[] = {"may", "none", "require", "verify", "dane", NULL};

static int hex_digit(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A login in a URL: %40 is "@". Empty when it is no good. */
static slice read_login(struct reader *r, const struct toml_node *node, slice text)
{
    char *out = reader_array(r, text.len + 1, 1);
    size_t len = 0;
    if (!out)
        return SLICE_NONE;
    for (size_t i = 0; i < text.len; i++) {
        bool escaped = text.ptr[i] == '%' && i + 2 < text.len && hex_digit(text.ptr[i + 1]) >= 0 &&
                       hex_digit(text.ptr[i + 2]) >= 0;
        out[len++] = escaped ? (char)(hex_digit(text.ptr[i + 1]) * 16 + hex_digit(text.ptr[i + 2])) : text.ptr[i];
        i += escaped ? 2 : 0;
    }
    bool good = len > 0 && len <= LOGIN_MAX;
    for (size_t i = 0; i < len; i++)
        good = good && (unsigned char)out[i] >= 0x20 && out[i] != 0x7f;
    if (good && slice_find_char(slice_of(out, len), ':') < 0)
        return slice_of(out, len);
    messages_error(
        &r->m, node->place,
        good ? "\"via\" must not have a password in it: write it into a file and name that in \"password_file\""
             : "\"via\" has no usable login before its \"@\"");
    return SLICE_NONE;
}

/* smtp://host:port, smtps://login@host */
static bool read_via(struct reader *r, const struct toml_node *node, struct route_override *o)
{
    slice rest = toml_text(node);
    struct reader_host host;
    o->smtps = slice_starts(rest, SLICE("smtps://"));
    if (!o->smtps && !slice_starts(rest, SLICE("smtp://"))) {
        messages_error(&r->m, node->place,
                       "\"via\" must be \"smtp://HOST:PORT\" or \"smtps://LOGIN@HOST\", not \"%.*s\"", SLICE_ARG(rest));
        return false;
    }
    rest = slice_skip(rest, o->smtps ? 8 : 7);
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '/')
        rest.len--;
    ptrdiff_t at = slice_rfind_char(rest, '@');
    if (at >= 0) {
        o->login = read_login(r, node, slice_sub(rest, 0, (size_t)at));
        rest = slice_skip(rest, (size_t)at + 1);
        if (o->login.len == 0)
            return false;
    }
    uint16_t port = o->smtps ? PORT_SMTPS : o->login.len > 0 ? PORT_SUBMISSION : PORT_SMTP;
    if (!reader_host_port(r, node->place, rest, port, &host))
        return false;
    if (slice_equal(host.host, SLICE("*"))) {
        messages_error(&r->m, node->place, "\"via\" needs a host, not \"*\"");
        return false;
    }
    o->host = host.host;
    o->port = host.port;
    o->by_address = host.is_ip;
    return true;
}

static void read_tls_word(struct reader *r, const struct draft_route *draft, struct route_override *o)
{
    static const enum route_tls levels[] = {ROUTE_TLS_MAY, ROUTE_TLS_NONE, ROUTE_TLS_REQUIRE, ROUTE_TLS_VERIFY,
                                            ROUTE_TLS_VERIFY};
    o->tls = o->smtps ? ROUTE_TLS_VERIFY : ROUTE_TLS_MAY;
    if (!draft->tls)
        return;
    int word = option_word(&r->m, draft->tls, tls_words);
    if (word < 0)
        return;
    o->tls = levels[word];
    if (word == 4)
        messages_error(&r->m, draft->tls->place, "tls = \"dane\" in [route.\"%.*s\"] is not yet built",
                       SLICE_ARG(o->domain));
    if (o->smtps && o->tls == ROUTE_TLS_NONE)
        messages_error(&r->m, draft->tls->place, "tls = \"none\" contradicts \"smtps://\"");
}

/* One way to sign in. */
static void check_secret(struct reader *r, const struct draft_route *draft, const struct route_override *o)
{
    if (o->login.len > 0 && !draft->password_file && !draft->token_file && !draft->cert)
        messages_error(&r->m, draft->via->place,
                       "a login in \"via\" needs \"password_file\", \"token_file\" or \"cert\"");
    if (draft->password_file && draft->token_file)
        messages_error(&r->m, draft->token_file->place, "\"password_file\" and \"token_file\" exclude each other");
    const struct toml_node *secret = draft->password_file ? draft->password_file : draft->token_file;
    if (o->login.len == 0 && secret)
        messages_error(&r->m, secret->place, "\"%.*s\" needs a login in \"via\", like \"smtps://login@host\"",
                       SLICE_ARG(toml_key(secret)));
}

/* A password is never sent without verified TLS. */
static void check_login(struct reader *r, const struct draft_route *draft, const struct route_override *o)
{
    check_secret(r, draft, o);
    if (o->login.len > 0 && o->tls != ROUTE_TLS_VERIFY)
        messages_error(&r->m, draft->tls ? draft->tls->place : draft->via->place,
                       "a password is never sent without verified TLS: write tls = \"verify\"");
    if (draft->password_file)
        reader_check_file(r, draft->password_file->place, toml_text(draft->password_file), true);
    if (draft->token_file)
        reader_check_file(r, draft->token_file->place, toml_text(draft->token_file), true);
}

static void read_certificate(struct reader *r, const struct draft_route *draft, struct route_override *o)
{
    const struct toml_node *one = draft->cert ? draft->cert : draft->key;
    if (!one)
        return;
    if (!draft->cert || !draft->key) {
        messages_error(&r->m, one->place, "\"cert\" and \"key\" need each other");
        return;
    }
    if (o->tls == ROUTE_TLS_NONE)
        messages_error(&r->m, one->place, "\"cert\" is of no use with tls = \"none\"");
    o->cert = toml_text(draft->cert);
    o->key = toml_text(draft->key);
    reader_check_file(r, draft->cert->place, o->cert, false);
    reader_check_file(r, draft->key->place, o->key, true);
}

static void read_rest(struct reader *r, const struct draft_route *draft, struct route_override *o)
{
    uint8_t ip[16];
    size_t len;
    if (draft->source) {
        o->source = toml_text(draft->source);
        if (address_ip_parse(o->source, ip, &len) != ERR_OK)
            messages_error(&r->m, draft->source->place, "\"source\" must be an IP address, not \"%.*s\"",
                           SLICE_ARG(o->source));
    }
    if (draft->helo)
        o->helo = reader_domain(r, draft->helo->place, toml_text(draft->helo));
    if (draft->password_file)
        o->password_file = toml_text(draft->password_file);
    if (draft->token_file)
        o->token_file = toml_text(draft->token_file);
    read_certificate(r, draft, o);
}

static slice read_route_domain(struct reader *r, const struct toml_node *table)
{
    if (table->kind != TOML_TABLE) {
        messages_error(&r->m, table->key_place, "\"%.*s\" in [route] must be a table like [route.\"*\"]",
                       SLICE_ARG(toml_key(table)));
        return SLICE_NONE;
    }
    return slice_equal(toml_key(table), SLICE("*")) ? SLICE("*") : reader_domain(r, table->key_place, toml_key(table));
}

void read_routes(struct reader *r)
{
    struct route_tables *t = &r->conf->route;
    t->overrides = reader_array(r, toml_count(r->top.route), sizeof(*t->overrides));
    if (!t->overrides)
        return;
    for (const struct toml_node *table = toml_first(r->top.route); table; table = table->next) {
        struct draft_route draft = {0};
        struct route_override o = {.domain = read_route_domain(r, table), .line = table->key_place.line};
        if (o.domain.len == 0)
            continue;
        option_read(&r->m, &option_sections[SECTION_ROUTE], table, &draft);
        for (size_t i = 0; i < t->override_count; i++) {
            if (slice_equal(t->overrides[i].domain, o.domain))
                messages_error(&r->m, table->key_place, "[route.\"%.*s\"] is there twice", SLICE_ARG(o.domain));
        }
        bool good = !draft.via || read_via(r, draft.via, &o);
        read_tls_word(r, &draft, &o);
        if (good)
            check_login(r, &draft, &o);
        read_rest(r, &draft, &o);
        t->overrides[t->override_count++] = o;
    }
}
