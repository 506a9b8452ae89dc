/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

static const char *const role_names[] = {
    [CONF_LISTEN_MX] = "mx", [CONF_LISTEN_SUBMISSION] = "submission", [CONF_LISTEN_LMTP] = "lmtp"};

static bool is_loopback(slice host)
{
    uint8_t ip[16];
    size_t len;
    if (address_ip_parse(host, ip, &len) != ERR_OK)
        return false;
    static const uint8_t loopback6[16] = {[15] = 1};
    return len == 4 ? ip[0] == 127 : memcmp(ip, loopback6, sizeof(loopback6)) == 0;
}

/* The words behind the address. */
static bool read_words(struct reader *r, const struct toml_node *node, slice words, struct conf_listener *listener)
{
    static const char *const known[] = {"tls", "starttls", "proxy"};
    while ((words = slice_trim(words)).len > 0) {
        slice word;
        slice_cut(words, ' ', &word, &words);
        if (slice_equal(word, SLICE("tls"))) {
            listener->tls = CONF_TLS_IMPLICIT;
        } else if (slice_equal(word, SLICE("starttls"))) {
            listener->tls = CONF_TLS_STARTTLS;
        } else if (slice_equal(word, SLICE("proxy"))) {
            listener->proxy = true;
        } else {
            messages_error(&r->m, node->place, "\"%.*s\" behind the address must be \"tls\", \"starttls\" or \"proxy\"",
                           SLICE_ARG(word));
            messages_hint(&r->m, suggest_word(word, known, 3));
            return false;
        }
    }
    return true;
}

static bool read_place(struct reader *r, const struct toml_node *node, slice place, struct conf_listener *listener)
{
    struct reader_host host;
    if (slice_starts(place, SLICE("unix:"))) {
        listener->unix_path = slice_skip(place, 5);
        if (listener->unix_path.len > 0 && listener->unix_path.ptr[0] == '/' && listener->unix_path.len < 108)
            return true;
        messages_error(&r->m, node->place, "\"unix:\" needs an absolute path of at most 107 bytes");
        return false;
    }
    if (!reader_host_port(r, node->place, place, 0, &host))
        return false;
    if (slice_equal(host.host, SLICE("localhost")))
        host = (struct reader_host){SLICE("127.0.0.1"), host.port, true};
    if (!host.is_ip && !slice_equal(host.host, SLICE("*"))) {
        messages_error(&r->m, node->place, "\"%.*s\" must be an IP address, or * for every one", SLICE_ARG(host.host));
        return false;
    }
    listener->host = host.host;
    listener->port = host.port;
    return true;
}

static void check_tls(struct reader *r, const struct toml_node *node, struct conf_listener *listener)
{
    bool has_tls = r->conf->tls_count > 0 && r->conf->tls[0].name.len == 0;
    if (listener->tls != CONF_TLS_NONE && !has_tls) {
        messages_error(&r->m, node->place, "\"%.*s\" needs a certificate: [tls] with cert and key",
                       SLICE_ARG(listener->text));
        return;
    }
    bool local = listener->unix_path.len > 0 || is_loopback(listener->host);
    if (listener->role == CONF_LISTEN_SUBMISSION && listener->tls == CONF_TLS_NONE && local &&
        !r->conf->auth.plaintext_on_loopback)
        messages_error(
            &r->m, node->place,
            "submission on \"%.*s\" needs \"tls\" or \"starttls\", or plaintext_on_loopback = true in [auth]",
            SLICE_ARG(listener->text));
    else if (listener->role == CONF_LISTEN_SUBMISSION && listener->tls == CONF_TLS_NONE && !local)
        messages_error(&r->m, node->place,
                       "submission on \"%.*s\" needs \"tls\" or \"starttls\": passwords do not travel in the clear",
                       SLICE_ARG(listener->text));
    if (listener->role == CONF_LISTEN_MX && listener->tls == CONF_TLS_NONE && has_tls)
        listener->tls = CONF_TLS_STARTTLS;
}

static void check_peers(struct reader *r, const struct toml_node *node, const struct conf_listener *listener)
{
    bool local = listener->unix_path.len > 0 || is_loopback(listener->host);
    if (listener->proxy && listener->unix_path.len > 0)
        messages_error(&r->m, node->place, "\"proxy\" in \"%.*s\" has no meaning: a unix socket's peer has no address",
                       SLICE_ARG(listener->text));
    else if (listener->proxy && r->conf->trust.proxy.count == 0)
        messages_error(&r->m, node->place,
                       "\"proxy\" in \"%.*s\" needs [trust] with proxy = [...]: the addresses of the load balancers",
                       SLICE_ARG(listener->text));
    /* RFC 2033 section 5 */
    if (listener->role == CONF_LISTEN_LMTP && listener->port == 25)
        messages_error(&r->m, node->place, "lmtp on \"%.*s\": port 25 is SMTP's, LMTP must not be spoken there",
                       SLICE_ARG(listener->text));
    if (listener->role == CONF_LISTEN_LMTP && !local && !listener->proxy)
        messages_warn(&r->m, node->place,
                      "lmtp on \"%.*s\" is for local software: keep strangers from it, they belong on mx",
                      SLICE_ARG(listener->text));
}

static bool same_place(const struct conf_listener *a, const struct conf_listener *b)
{
    if (a->unix_path.len > 0 || b->unix_path.len > 0)
        return slice_equal(a->unix_path, b->unix_path);
    bool any = slice_equal(a->host, SLICE("*")) || slice_equal(b->host, SLICE("*"));
    return a->port == b->port && (any || slice_equal(a->host, b->host));
}

static void read_listener(struct reader *r, const struct toml_node *node, enum conf_listen_role role)
{
    struct conf *c = r->conf;
    struct conf_listener listener = {.role = role, .text = toml_text(node), .line = node->place.line};
    slice place, words;
    slice_cut(slice_trim(listener.text), ' ', &place, &words);
    if (!read_place(r, node, place, &listener) || !read_words(r, node, words, &listener))
        return;
    for (size_t i = 0; i < c->listener_count; i++) {
        if (!same_place(&c->listeners[i], &listener))
            continue;
        messages_error(&r->m, node->place, "\"%.*s\" in \"%s\" is taken already by \"%.*s\" in \"%s\"",
                       SLICE_ARG(listener.text), role_names[role], SLICE_ARG(c->listeners[i].text),
                       role_names[c->listeners[i].role]);
        return;
    }
    check_tls(r, node, &listener);
    check_peers(r, node, &listener);
    c->listeners[c->listener_count++] = listener;
}

void read_listen(struct reader *r)
{
    struct draft_listen draft = {0};
    option_read(&r->m, &option_sections[SECTION_LISTEN], r->top.listen, &draft);
    size_t count = toml_count(draft.mx) + toml_count(draft.submission) + toml_count(draft.lmtp);
    r->conf->listeners = reader_array(r, count, sizeof(*r->conf->listeners));
    if (!r->conf->listeners)
        return;
    for (const struct toml_node *node = toml_first(draft.mx); node; node = node->next)
        read_listener(r, node, CONF_LISTEN_MX);
    for (const struct toml_node *node = toml_first(draft.submission); node; node = node->next)
        read_listener(r, node, CONF_LISTEN_SUBMISSION);
    for (const struct toml_node *node = toml_first(draft.lmtp); node; node = node->next)
        read_listener(r, node, CONF_LISTEN_LMTP);
}

static void read_pair(struct reader *r, const struct toml_node *table, slice name)
{
    struct draft_tls draft = {0};
    struct section section = option_sections[SECTION_TLS];
    section.other_tables = name.len == 0;
    if (name.len > 0)
        section.example = "";
    option_read(&r->m, &section, table, &draft);
    if (!draft.cert || !draft.key) {
        bool whole = !draft.cert && !draft.key && name.len == 0;
        char space[400];
        buf title;
        buf_init_fixed(&title, space, sizeof(space));
        option_print_title(&title, &section, table);
        if (!whole || toml_count(table) == 0)
            messages_error(&r->m, table->key_place, "%.*s needs both \"cert\" and \"key\"",
                           SLICE_ARG(buf_slice(&title)));
        return;
    }
    reader_check_file(r, draft.cert->place, toml_text(draft.cert), false);
    reader_check_file(r, draft.key->place, toml_text(draft.key), true);
    r->conf->tls[r->conf->tls_count++] = (struct conf_tls){name, toml_text(draft.cert), toml_text(draft.key)};
}

void read_tls(struct reader *r)
{
    const struct toml_node *table = r->top.tls;
    if (!table)
        return;
    r->conf->tls = reader_array(r, toml_count(table) + 1, sizeof(*r->conf->tls));
    if (!r->conf->tls)
        return;
    read_pair(r, table, SLICE_NONE);
    for (const struct toml_node *child = table->first; child; child = child->next) {
        if (child->kind != TOML_TABLE)
            continue;
        slice name = reader_domain(r, child->key_place, toml_key(child));
        if (name.len > 0)
            read_pair(r, child, name);
    }
}
