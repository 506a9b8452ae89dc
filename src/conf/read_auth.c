/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

#define URL_MAX 2000
#define CLAIM_MAX 127
#define SOCKET_PATH_MAX 107

static slice text_or_none(const struct toml_node *node)
{
    return node ? toml_text(node) : SLICE_NONE;
}

static void read_via(struct reader *r, const struct toml_node *node)
{
    struct conf_auth *a = &r->conf->auth;
    slice text = text_or_none(node);
    if (!node)
        return;
    bool file = slice_starts(text, SLICE("file:")), dovecot = slice_starts(text, SLICE("dovecot:"));
    a->via = file ? CONF_AUTH_FILE : dovecot ? CONF_AUTH_DOVECOT : CONF_AUTH_STORE;
    a->path = slice_skip(text, file ? 5 : 8);
    if (!file && !dovecot)
        messages_error(&r->m, node->place, "\"via\" must be \"file:PATH\" or \"dovecot:PATH\", not \"%.*s\"",
                       SLICE_ARG(text));
    else if (a->path.len == 0 || a->path.ptr[0] != '/')
        messages_error(&r->m, node->place, "\"via\" needs an absolute path, not \"%.*s\"", SLICE_ARG(a->path));
    else if (dovecot && a->path.len > SOCKET_PATH_MAX)
        messages_error(&r->m, node->place, "the path of a socket has at most %d bytes", SOCKET_PATH_MAX);
    else if (file)
        reader_check_file(r, node->place, a->path, true);
}

static slice read_path(struct reader *r, const struct toml_node *node, bool secret)
{
    if (node)
        reader_check_file(r, node->place, toml_text(node), secret);
    return text_or_none(node);
}

/* Tokens are passwords: they go over TLS, and to the host that is named. */
static void check_url(struct reader *r, const struct toml_node *node)
{
    slice url = toml_text(node), rest = slice_skip(url, 8);
    bool plain = url.len > URL_MAX || rest.len == 0 || rest.ptr[0] == '/' || slice_find_char(rest, '@') >= 0;
    for (size_t i = 0; i < url.len; i++)
        plain = plain || url.ptr[i] <= ' ' || url.ptr[i] >= 0x7f;
    if (!slice_starts(url, SLICE("https://")) || plain)
        messages_error(&r->m, node->place,
                       "\"introspection\" must be a URL like \"https://id.example.org/introspect\", not \"%.*s\"",
                       SLICE_ARG(url));
}

static void check_together(struct reader *r, const struct draft_auth *d)
{
    const struct toml_node *alone = d->introspection_id            ? d->introspection_id
                                    : d->introspection_secret_file ? d->introspection_secret_file
                                                                   : d->introspection_ca;
    if (alone && !d->introspection)
        messages_error(&r->m, alone->key_place, "\"%.*s\" is of no use without \"introspection\"",
                       SLICE_ARG(toml_key(alone)));
    if (d->introspection && !d->introspection_id != !d->introspection_secret_file)
        messages_error(&r->m, d->introspection->key_place,
                       "\"introspection_id\" and \"introspection_secret_file\" go together");
    if (d->jwt_key && d->introspection)
        messages_error(&r->m, d->jwt_key->key_place,
                       "tokens are checked with \"jwt_key\" or by \"introspection\", not both");
    if (d->jwt_key && !d->jwt_audience)
        messages_error(&r->m, d->jwt_key->key_place, "\"jwt_key\" needs \"jwt_audience\"");
    if (d->client_ca && r->conf->tls_count == 0)
        messages_error(&r->m, d->client_ca->key_place,
                       "\"client_ca\" needs a certificate of ours: [tls] with cert and key");
}

void read_auth(struct reader *r)
{
    struct draft_auth d = {0};
    struct conf_auth *a = &r->conf->auth;
    option_read(&r->m, &option_sections[SECTION_AUTH], r->top.auth, &d);
    a->argon2id = d.hash == 1;
    a->plaintext_on_loopback = d.plaintext_on_loopback;
    read_via(r, d.via);
    a->client_ca = read_path(r, d.client_ca, false);
    a->introspection = text_or_none(d.introspection);
    if (d.introspection)
        check_url(r, d.introspection);
    a->introspection_id = text_or_none(d.introspection_id);
    a->introspection_secret_file = read_path(r, d.introspection_secret_file, true);
    a->introspection_ca = read_path(r, d.introspection_ca, false);
    a->jwt_key = read_path(r, d.jwt_key, false);
    a->jwt_issuer = text_or_none(d.jwt_issuer);
    a->jwt_audience = text_or_none(d.jwt_audience);
    a->claim = d.claim ? toml_text(d.claim) : SLICE("email");
    if (a->claim.len == 0 || a->claim.len > CLAIM_MAX)
        messages_error(&r->m, d.claim ? d.claim->place : (struct toml_place){1, 1},
                       "\"claim\" must have between 1 and %d bytes", CLAIM_MAX);
    check_together(r, &d);
}
