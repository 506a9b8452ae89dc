/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

#define MEMBERS_FILE_MAX ((size_t)4 << 20)

static slice domain_of(slice address)
{
    ptrdiff_t at = slice_rfind_char(address, '@');
    return slice_skip(address, (size_t)at + 1);
}

/* The key of [list] and [address]: an address in a domain of ours, in lower case throughout. */
static slice read_own_address(struct reader *r, const struct toml_node *table, const char *section)
{
    if (table->kind != TOML_TABLE) {
        messages_error(&r->m, table->key_place, "\"%.*s\" in [%s] must be a table like [%s.\"name@example.org\"]",
                       SLICE_ARG(toml_key(table)), section, section);
        return SLICE_NONE;
    }
    slice address = reader_address_text(r, table->key_place, toml_key(table), SLICE_NONE);
    if (address.len == 0)
        return address;
    const struct route_domain *domain = reader_domain_find(r, domain_of(address));
    if (!domain)
        messages_error(&r->m, table->key_place, "[%s.\"%.*s\"] is in no [domain] of this file", section,
                       SLICE_ARG(address));
    else if (domain->same_as)
        messages_error(&r->m, table->key_place, "[%s.\"%.*s\"] is in an alias domain: write it for %.*s", section,
                       SLICE_ARG(address), SLICE_ARG(domain->same_as->name));
    return address;
}

static void check_twice(struct reader *r, const struct toml_node *table, slice address)
{
    const struct route_tables *t = &r->conf->route;
    bool twice = false;
    for (size_t i = 0; i < t->address_count; i++)
        twice = twice || slice_equal_nocase(t->addresses[i].address, address);
    for (size_t i = 0; i < t->list_count; i++)
        twice = twice || slice_equal_nocase(t->lists[i].address, address);
    if (twice)
        messages_error(&r->m, table->key_place, "\"%.*s\" is there twice", SLICE_ARG(address));
}

void read_addresses(struct reader *r)
{
    struct route_tables *t = &r->conf->route;
    t->addresses = reader_array(r, toml_count(r->top.address), sizeof(*t->addresses));
    if (!t->addresses)
        return;
    for (const struct toml_node *table = toml_first(r->top.address); table; table = table->next) {
        struct draft_address draft = {0};
        struct route_address entry = {.address = read_own_address(r, table, "address"), .line = table->key_place.line};
        if (entry.address.len == 0)
            continue;
        check_twice(r, table, entry.address);
        option_read(&r->m, &option_sections[SECTION_ADDRESS], table, &draft);
        if (draft.deliver)
            (void)read_deliver(r, draft.deliver, USERS_LIST, &entry.deliver);
        else if (!table->first || !slice_equal(toml_key(table->first), SLICE("deliver")))
            messages_error(&r->m, table->key_place, "[address.\"%.*s\"] needs \"deliver\"", SLICE_ARG(entry.address));
        t->addresses[t->address_count++] = entry;
    }
}

/* An array of addresses, or an address alone. */
static const slice *read_array(struct reader *r, const struct toml_node *node, slice domain, size_t *count_r)
{
    size_t max = toml_count(node);
    slice *list = reader_array(r, max, sizeof(*list));
    const struct toml_node *child = toml_first(node);
    for (size_t i = 0; list && i < max; i++, child = child->next) {
        list[*count_r] = reader_address(r, child, domain);
        *count_r += list[*count_r].len > 0;
    }
    return list;
}

static bool read_member(struct reader *r, slice text, slice domain, slice *member_r)
{
    struct address a;
    if (address_parse(text, ADDRESS_NO_DOMAIN | ADDRESS_UTF8, r->arena, &a) != ERR_OK &&
        address_parse_mailbox(text, r->arena, NULL, &a) != ERR_OK)
        return false;
    if (a.local.len == 0)
        return false;
    *member_r = reader_complete(r, a, domain);
    return member_r->len > 0;
}

static slice without_comment(slice line)
{
    ptrdiff_t sign = slice_find_char(line, '#');
    bool is_comment = sign == 0 || (sign > 0 && (line.ptr[sign - 1] == ' ' || line.ptr[sign - 1] == '\t'));
    return is_comment ? slice_sub(line, 0, (size_t)sign) : line;
}

static void read_members_file(struct reader *r, const struct toml_node *node, struct route_list *list)
{
    slice content, line, path = toml_text(node);
    if (slice_starts(path, SLICE("sqlite:")) || slice_starts(path, SLICE("postgresql:"))) {
        messages_error(&r->m, node->place,
                       "look-ups like \"%.*s\" are not yet built; \"members\" is an array or a file", SLICE_ARG(path));
        return;
    }
    if (path.len == 0 || path.ptr[0] != '/') {
        messages_error(&r->m, node->place,
                       "\"members\" must be an array of addresses or an absolute path, not \"%.*s\"", SLICE_ARG(path));
        return;
    }
    if (!reader_file(r, node->place, path, MEMBERS_FILE_MAX, &content))
        return;
    size_t max = 1;
    for (size_t i = 0; i < content.len; i++)
        max += content.ptr[i] == '\n';
    slice *members = reader_array(r, max, sizeof(*members));
    for (uint32_t number = 1; members && content.len > 0; number++) {
        slice_cut(content, '\n', &line, &content);
        if (number == 1 && slice_starts(line, SLICE("\xef\xbb\xbf")))
            line = slice_skip(line, 3);
        line = slice_trim(without_comment(line));
        if (line.len == 0)
            continue;
        if (read_member(r, line, domain_of(list->address), &members[list->member_count]))
            list->member_count++;
        else
            messages_error_in(&r->m, node->place, path, number, SLICE("not an address"));
    }
    list->members = members;
}

static void read_members(struct reader *r, const struct toml_node *node, struct route_list *list)
{
    if (node->kind == TOML_STRING)
        read_members_file(r, node, list);
    else
        list->members = read_array(r, node, domain_of(list->address), &list->member_count);
    if (list->member_count == 0 && !r->m.failed)
        messages_warn(&r->m, node->place, "%.*s has no members: mail to it is refused", SLICE_ARG(list->address));
}

static void read_post(struct reader *r, const struct toml_node *node, struct route_list *list)
{
    static const struct {
        const char *word;
        enum list_post post;
    } words[] = {{"members", LIST_POST_MEMBERS}, {"authenticated", LIST_POST_AUTHENTICATED}, {"any", LIST_POST_ANY}};
    static const char *const suggestions[] = {"members", "authenticated", "any"};
    for (size_t i = 0; node->kind == TOML_STRING && i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_equal(toml_text(node), slice_str(words[i].word))) {
            list->post = words[i].post;
            return;
        }
    }
    if (node->kind == TOML_STRING && slice_find_char(toml_text(node), '@') < 0) {
        messages_error(&r->m, node->place,
                       "\"post\" must be \"members\", \"authenticated\", \"any\" or addresses, not \"%.*s\"",
                       SLICE_ARG(toml_text(node)));
        messages_hint(&r->m, suggest_word(toml_text(node), suggestions, 3));
        return;
    }
    list->post = LIST_POST_ADDRESSES;
    list->posters = read_array(r, node, domain_of(list->address), &list->poster_count);
}

static void read_owner(struct reader *r, const struct toml_node *node, struct route_list *list)
{
    slice domain = domain_of(list->address);
    slice name = slice_sub(list->address, 0, list->address.len - domain.len - 1);
    if (!node) {
        list->owner = reader_join(r, reader_join(r, name, "-owner", SLICE_NONE), "@", domain);
        return;
    }
    list->owner = reader_address(r, node, domain);
    if (list->owner.len > 0 && slice_equal_nocase(list->owner, list->address))
        messages_error(&r->m, node->place, "\"owner\" must not be the list itself: its bounces would go round");
}

static bool has_key(const struct toml_node *table, const char *key)
{
    for (const struct toml_node *node = table->first; node; node = node->next) {
        if (slice_equal(toml_key(node), slice_str(key)))
            return true;
    }
    return false;
}

void read_lists(struct reader *r)
{
    struct route_tables *t = &r->conf->route;
    t->lists = reader_array(r, toml_count(r->top.list), sizeof(*t->lists));
    if (!t->lists)
        return;
    for (const struct toml_node *table = toml_first(r->top.list); table; table = table->next) {
        struct draft_list draft = {0};
        struct route_list list = {.address = read_own_address(r, table, "list"), .line = table->key_place.line};
        if (list.address.len == 0)
            continue;
        check_twice(r, table, list.address);
        option_read(&r->m, &option_sections[SECTION_LIST], table, &draft);
        if (draft.members)
            read_members(r, draft.members, &list);
        else if (!has_key(table, "members"))
            messages_error(&r->m, table->key_place, "[list.\"%.*s\"] needs \"members\"", SLICE_ARG(list.address));
        if (draft.post)
            read_post(r, draft.post, &list);
        read_owner(r, draft.owner, &list);
        t->lists[t->list_count++] = list;
    }
}
