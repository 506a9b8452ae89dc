/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

#define SEPARATORS_MAX 8
#define HOST_ALIASES SLICE("/etc/aliases")

static bool is_lookup(slice text)
{
    static const char *const schemes[] = {"sqlite:", "postgresql:", "ldap:", "ldaps:"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (slice_starts(text, slice_str(schemes[i])))
            return true;
    }
    return false;
}

static void read_domain_aliases(struct reader *r, const struct draft_domain *draft, struct route_domain *domain)
{
    if (!draft->aliases)
        return;
    slice path = toml_text(draft->aliases);
    if (is_lookup(path))
        messages_error(&r->m, draft->aliases->place, "look-ups like \"%.*s\" are not yet built; \"aliases\" is a file",
                       SLICE_ARG(path));
    else if (path.len == 0 || path.ptr[0] != '/')
        messages_error(&r->m, draft->aliases->place, "\"aliases\" must be an absolute path, not \"%.*s\"",
                       SLICE_ARG(path));
    else
        domain->aliases = read_aliases(r, draft->aliases->place, path);
}

static void read_subaddress(struct reader *r, const struct toml_node *node, struct route_domain *domain)
{
    domain->subaddress = SLICE("+");
    if (!node)
        return;
    domain->subaddress = toml_text(node);
    bool good = node->text_len <= SEPARATORS_MAX;
    for (size_t i = 0; i < node->text_len; i++)
        good = good && slice_find_char(SLICE("+-=_#~!%*/&"), node->text[i]) >= 0;
    if (!good)
        messages_error(&r->m, node->place, "\"subaddress\" must be signs like \"+\" or \"+-\", not \"%.*s\"",
                       SLICE_ARG(toml_text(node)));
}

/* An alias domain has nothing of its own. */
static void check_stands_alone(struct reader *r, const struct draft_domain *draft)
{
    for (const struct toml_node *node = draft->self->first; node; node = node->next) {
        if (node != draft->same_as)
            messages_error(&r->m, node->key_place, "\"%.*s\" has no meaning beside \"same_as\"",
                           SLICE_ARG(toml_key(node)));
    }
}

static bool has_key(const struct toml_node *table, const char *key)
{
    for (const struct toml_node *node = table->first; node; node = node->next) {
        if (slice_equal(toml_key(node), slice_str(key)))
            return true;
    }
    return false;
}

static void warn_of_any(struct reader *r, const struct draft_domain *draft, const struct route_domain *domain)
{
    enum deliver_kind kind = domain->deliver.kind;
    if (domain->users == USERS_ANY && kind != DELIVER_NONE)
        messages_warn(&r->m, draft->users->place,
                      "%.*s takes mail for any name: what its mailboxes or next host then refuse has to be bounced",
                      SLICE_ARG(domain->name));
}

static void read_domain(struct reader *r, const struct draft_domain *draft, struct route_domain *domain)
{
    domain->users = USERS_ACCOUNTS;
    domain->ascii_only = !draft->smtputf8;
    if (draft->same_as) {
        check_stands_alone(r, draft);
        return;
    }
    read_users(r, draft->users, domain);
    if (draft->deliver && !read_deliver(r, draft->deliver, domain->users, &domain->deliver))
        return;
    if (!draft->deliver && !has_key(draft->self, "deliver"))
        messages_error(&r->m, draft->self->key_place, "[domain.\"%.*s\"] needs \"deliver\" or \"same_as\"",
                       SLICE_ARG(toml_key(draft->self)));
    if (draft->deliver_as) {
        domain->deliver_as = toml_text(draft->deliver_as);
        if (domain->deliver_as.len == 0 || slice_equal(domain->deliver_as, SLICE("root")))
            messages_error(&r->m, draft->deliver_as->place, "\"deliver_as\" must be a system user other than root");
    }
    if (draft->catch_all)
        domain->catch_all = reader_address(r, draft->catch_all, domain->name);
    domain->catch_all_line = draft->catch_all ? draft->catch_all->place.line : 0;
    read_domain_aliases(r, draft, domain);
    read_subaddress(r, draft->subaddress, domain);
    warn_of_any(r, draft, domain);
}

static void link_same_as(struct reader *r, const struct draft_domain *draft, struct route_domain *domain)
{
    slice name = toml_text(draft->same_as);
    const struct route_domain *other = reader_domain_find(r, name);
    if (!other) {
        messages_error(&r->m, draft->same_as->place, "\"same_as\" names [domain.\"%.*s\"], which is not there",
                       SLICE_ARG(name));
        return;
    }
    const struct draft_domain *other_draft = &r->domains[other - r->conf->route.domains];
    if (other == domain)
        messages_error(&r->m, draft->same_as->place, "\"same_as\" names its own domain");
    else if (other_draft->same_as)
        messages_error(&r->m, draft->same_as->place,
                       "\"same_as\" names [domain.\"%.*s\"], which has \"same_as\" itself", SLICE_ARG(name));
    else
        domain->same_as = other;
}

/* The name of a [domain] table, or nothing when it cannot be one or is there already. */
static slice read_name(struct reader *r, const struct toml_node *table)
{
    if (table->kind != TOML_TABLE) {
        messages_error(&r->m, table->key_place, "\"%.*s\" in [domain] must be a table like [domain.\"example.org\"]",
                       SLICE_ARG(toml_key(table)));
        return SLICE_NONE;
    }
    slice name = reader_domain(r, table->key_place, toml_key(table));
    if (name.len > 0 && reader_domain_find(r, name)) {
        messages_error(&r->m, table->key_place, "[domain.\"%.*s\"] is there twice", SLICE_ARG(name));
        return SLICE_NONE;
    }
    return name;
}

/* hostname is always a domain of ours. */
static void add_implied(struct reader *r)
{
    struct route_tables *t = &r->conf->route;
    if (t->hostname.len == 0 || reader_domain_find(r, t->hostname))
        return;
    struct os_file_stamp stamp;
    struct route_domain *domain = &t->domains[t->domain_count++];
    *domain =
        (struct route_domain){.name = t->hostname, .users = USERS_LIST, .subaddress = SLICE("+"), .implied = true};
    domain->line = r->top.hostname ? r->top.hostname->place.line : 0;
    if (os_file_stamp(AT_FDCWD, HOST_ALIASES, true, &stamp) == ERR_OK)
        domain->aliases = read_aliases(r, r->top.hostname->place, HOST_ALIASES);
}

void read_domains(struct reader *r)
{
    struct route_tables *t = &r->conf->route;
    size_t count = toml_count(r->top.domain);
    t->domains = reader_array(r, count + 1, sizeof(*t->domains));
    r->domains = reader_array(r, count + 1, sizeof(*r->domains));
    if (!t->domains || !r->domains)
        return;
    for (const struct toml_node *table = toml_first(r->top.domain); table; table = table->next) {
        slice name = read_name(r, table);
        if (name.len == 0)
            continue;
        struct draft_domain *draft = &r->domains[t->domain_count];
        draft->self = table;
        option_read(&r->m, &option_sections[SECTION_DOMAIN], table, draft);
        t->domains[t->domain_count++] = (struct route_domain){.name = name, .line = table->key_place.line};
    }
    r->written_domains = t->domain_count;
    for (size_t i = 0; i < r->written_domains; i++)
        read_domain(r, &r->domains[i], &t->domains[i]);
    add_implied(r);
    for (size_t i = 0; i < r->written_domains; i++) {
        if (r->domains[i].same_as)
            link_same_as(r, &r->domains[i], &t->domains[i]);
    }
}
