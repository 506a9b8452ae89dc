/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

static void check_public(struct reader *r, const struct toml_node *table, const struct route_network *n, bool is_public)
{
    if (!read_network_is_private(n) && !is_public)
        messages_error(&r->m, table->key_place,
                       "\"%.*s\" is public address space: if every host in it is yours, write public = true",
                       SLICE_ARG(n->text));
    read_network_check_size(r, table->key_place, n);
}

/* A sign or two and a domain, as it is stored; empty when that is none. */
static slice with_domain(struct reader *r, slice text, size_t signs)
{
    slice domain = reader_ascii(r, slice_skip(text, signs));
    return address_domain_valid(domain, false) ? reader_join(r, slice_sub(text, 0, signs), "", domain) : SLICE_NONE;
}

static slice whole_address(struct reader *r, slice text)
{
    struct address a;
    bool good = address_parse(text, ADDRESS_UTF8, r->arena, &a) == ERR_OK && a.domain.len > 0;
    return good ? reader_complete(r, a, SLICE_NONE) : SLICE_NONE;
}

static slice read_sender(struct reader *r, slice text)
{
    if (slice_equal(text, SLICE("*")))
        return text;
    if (text.len > 1 && (text.ptr[0] == '@' || text.ptr[0] == '.'))
        return text.ptr[1] == '[' ? SLICE_NONE : with_domain(r, text, 1);
    return whole_address(r, text);
}

static void read_senders(struct reader *r, const struct toml_node *node, struct route_network *n)
{
    slice *senders = reader_array(r, toml_count(node), sizeof(*senders));
    if (!senders)
        return;
    n->senders = senders;
    for (const struct toml_node *child = node->first; child; child = child->next) {
        slice text = toml_text(child), sender = read_sender(r, text);
        if (slice_equal(text, SLICE("*"))) {
            if (n->bits != 8 * n->ip_len)
                messages_error(&r->m, child->place, "\"*\" is for single hosts: name the senders that \"%.*s\" may use",
                               SLICE_ARG(n->text));
        } else if (sender.len == 0) {
            messages_error(&r->m, child->place,
                           "\"%.*s\" is not a sender: write \"@example.org\", \".example.org\" or an address",
                           SLICE_ARG(text));
        }
        senders[n->sender_count++] = sender;
    }
    if (n->sender_count == 0)
        messages_error(&r->m, node->place, "\"senders\" is empty: name the senders that \"%.*s\" may use",
                       SLICE_ARG(n->text));
}

static void check_twice(struct reader *r, const struct toml_node *table, const struct route_network *n)
{
    const struct route_tables *t = &r->conf->route;
    for (size_t i = 0; i < t->network_count; i++) {
        const struct route_network *o = &t->networks[i];
        if (o->ip_len == n->ip_len && o->bits == n->bits && memcmp(o->ip, n->ip, n->ip_len) == 0)
            messages_error(&r->m, table->key_place, "\"%.*s\" is there twice", SLICE_ARG(n->text));
    }
}

static void read_network(struct reader *r, const struct toml_node *table)
{
    struct draft_network draft = {0};
    struct route_network n = {.text = toml_key(table)};
    if (table->kind != TOML_TABLE) {
        messages_error(&r->m, table->key_place,
                       "\"%.*s\" in [relay.network] must be a table like [relay.network.\"10.1.2.0/24\"]",
                       SLICE_ARG(n.text));
        return;
    }
    option_read(&r->m, &option_sections[SECTION_NETWORK], table, &draft);
    if (!read_network_text(r, table->key_place, n.text, &n))
        return;
    check_twice(r, table, &n);
    check_public(r, table, &n, draft.is_public);
    if (draft.senders)
        read_senders(r, draft.senders, &n);
    else
        messages_error(&r->m, table->key_place, "[relay.network.\"%.*s\"] needs \"senders\"", SLICE_ARG(n.text));
    r->conf->route.networks[r->conf->route.network_count++] = n;
}

static void read_allow(struct reader *r, const struct toml_node *node)
{
    static const char *const words[] = {"authenticated", "local-socket"};
    struct route_tables *t = &r->conf->route;
    t->allow_authenticated = t->allow_local_socket = node == NULL;
    t->allow_line = node ? node->key_place.line : 0;
    for (const struct toml_node *child = node ? node->first : NULL; child; child = child->next) {
        if (slice_equal(toml_text(child), slice_str(words[0]))) {
            t->allow_authenticated = true;
        } else if (slice_equal(toml_text(child), slice_str(words[1]))) {
            t->allow_local_socket = true;
        } else {
            messages_error(&r->m, child->place,
                           "\"%.*s\" in \"allow\" must be \"authenticated\" or \"local-socket\"; networks have "
                           "[relay.network.\"ADDRESS/BITS\"]",
                           SLICE_ARG(toml_text(child)));
            messages_hint(&r->m, suggest_word(toml_text(child), words, 2));
        }
    }
}

void read_relay(struct reader *r)
{
    struct draft_relay draft = {0};
    option_read(&r->m, &option_sections[SECTION_RELAY], r->top.relay, &draft);
    read_allow(r, draft.allow);
    r->conf->route.networks = reader_array(r, toml_count(draft.network), sizeof(struct route_network));
    for (const struct toml_node *table = toml_first(draft.network); table && r->conf->route.networks;
         table = table->next)
        read_network(r, table);
}

static slice read_pattern(struct reader *r, slice text)
{
    if (slice_starts(text, SLICE("*@")) || slice_starts(text, SLICE("@")))
        return with_domain(r, text, text.ptr[0] == '*' ? 2 : 1);
    return whole_address(r, text);
}

static void read_patterns(struct reader *r, const struct toml_node *node)
{
    struct route_tables *t = &r->conf->route;
    size_t max = toml_count(node);
    slice *patterns = reader_array(r, max, sizeof(*patterns));
    if (!patterns)
        return;
    struct route_send_as entry = {.login = reader_address_text(r, node->key_place, toml_key(node), SLICE_NONE),
                                  .patterns = patterns,
                                  .line = node->key_place.line};
    const struct toml_node *child = toml_first(node);
    for (size_t i = 0; i < max; i++, child = child->next) {
        slice pattern = child->kind == TOML_STRING ? read_pattern(r, toml_text(child)) : SLICE_NONE;
        if (child->kind != TOML_STRING)
            messages_error(&r->m, child->place, "expected an array of strings, not of %s",
                           option_kind_name(child->kind));
        else if (pattern.len == 0)
            messages_error(&r->m, child->place, "\"%.*s\" must be an address or \"*@DOMAIN\"",
                           SLICE_ARG(toml_text(child)));
        patterns[entry.pattern_count++] = pattern;
    }
    t->send_as[t->send_as_count++] = entry;
}

void read_send_as(struct reader *r)
{
    struct route_tables *t = &r->conf->route;
    t->send_as = reader_array(r, toml_count(r->top.send_as), sizeof(*t->send_as));
    for (const struct toml_node *node = toml_first(r->top.send_as); node && t->send_as; node = node->next) {
        if (node->kind == TOML_ARRAY || node->kind == TOML_STRING)
            read_patterns(r, node);
        else
            option_wrong_type(&r->m, node, "an array of strings");
    }
}
