/* SPDX-License-Identifier: ISC */
#include "route/next.h"

#include "route/aliases.h"
#include "route/index.h"
#include "route/subaddress.h"

#define PORT_SMTP 25
#define DISCARD_FILE SLICE("/dev/null")

const struct alias_target *route_alias_target(const struct route_index *index, const struct recipient *recipient)
{
    const struct alias_table *table = route_index_alias_table(index, recipient->table);
    const struct alias_entry *entry = table ? alias_table_find(table, recipient->key) : NULL;
    if (!entry || recipient->index >= entry->target_count)
        return NULL;
    const struct alias_target *target = &entry->targets[recipient->index];
    return target->kind == ALIAS_PIPE || target->kind == ALIAS_FILE ? target : NULL;
}

static struct next_hop next_alias_target(const struct route_index *index, const struct recipient *recipient)
{
    struct address a = route_address_split(recipient->address);
    struct next_hop hop = {.kind = NEXT_UNKNOWN, .domain = a.domain};
    const struct alias_target *target = route_alias_target(index, recipient);
    hop.owner = route_domain_find(index, a.domain);
    if (target)
        hop.kind = slice_equal(target->text, DISCARD_FILE) ? NEXT_DISCARD : NEXT_LOCAL;
    return hop;
}

/* Address literals go where they say, but for a smarthost that takes everything. */
static struct next_hop next_foreign(const struct route_index *index, slice domain)
{
    struct next_hop hop = {.kind = NEXT_SMTP, .domain = domain, .port = PORT_SMTP};
    hop.override = route_index_override(index, domain);
    if (!hop.override)
        hop.override = index->any_override;
    if (hop.override && hop.override->host.len > 0) {
        hop.host = hop.override->host;
        hop.port = hop.override->port;
    } else if (domain.len > 0 && domain.ptr[0] == '[') {
        hop.host = domain;
    }
    return hop;
}

static struct next_hop next_own(const struct route_index *index, const struct route_domain *domain,
                                const struct deliver_spec *deliver)
{
    struct next_hop hop = {.domain = domain->name, .owner = domain, .deliver = deliver};
    switch (deliver->kind) {
    case DELIVER_NONE:
        hop.kind = NEXT_UNKNOWN;
        break;
    case DELIVER_LMTP:
        hop.kind = NEXT_LMTP;
        hop.host = deliver->host;
        hop.port = deliver->port;
        hop.unix_path = deliver->host.len > 0 ? SLICE_NONE : deliver->argument;
        break;
    case DELIVER_SMTP:
    case DELIVER_MX:
        hop.kind = NEXT_SMTP;
        hop.host = deliver->host;
        hop.port = deliver->kind == DELIVER_SMTP ? deliver->port : PORT_SMTP;
        hop.backup_mx = deliver->kind == DELIVER_MX;
        hop.override = route_index_override(index, domain->name);
        break;
    case DELIVER_DISCARD:
        hop.kind = NEXT_DISCARD;
        break;
    case DELIVER_HOLD:
        hop.kind = NEXT_HOLD;
        break;
    default:
        hop.kind = NEXT_LOCAL;
        break;
    }
    return hop;
}

struct next_hop route_next(const struct route_index *index, const struct recipient *recipient)
{
    if (recipient->kind == RECIPIENT_ALIAS_TARGET)
        return next_alias_target(index, recipient);
    if (recipient->kind == RECIPIENT_NOTICE)
        return (struct next_hop){.kind = NEXT_NOTICE};
    struct address a = route_address_split(recipient->address);
    const struct route_domain *domain = route_domain_find(index, a.domain);
    if (!domain || (domain->implied && domain->deliver.kind == DELIVER_NONE && index->tables->null_client))
        return next_foreign(index, a.domain);
    const struct route_address *address = route_index_address(index, a.local, a.domain);
    struct next_hop hop = next_own(index, domain, address ? &address->deliver : &domain->deliver);
    if (domain == index->any_domain)
        hop.domain = a.domain;
    return hop;
}

/* What of an override changes the session itself: mails that need different ones must not share it. */
static void append_session(buf *b, const struct route_override *o)
{
    static const char *const levels[] = {"", "/none", "/require", "/verify"};
    if (o->tls != (o->smtps ? ROUTE_TLS_VERIFY : ROUTE_TLS_MAY))
        buf_append(b, slice_str(levels[o->tls]));
    if (o->source.len > 0)
        buf_printf(b, "/%.*s", SLICE_ARG(o->source));
    if (o->cert.len > 0)
        buf_printf(b, "/cert:%08x", hash_crc32c(0, o->cert));
}

static void append_host(buf *b, const struct next_hop *hop)
{
    const struct route_override *o = hop->override;
    bool bracketed = hop->host.ptr[0] == '[';
    if (o && o->host.len > 0 && o->login.len > 0 && o->login.len + o->host.len <= 200)
        buf_printf(b, "%.*s@", SLICE_ARG(o->login));
    else if (o && o->host.len > 0 && o->login.len > 0)
        buf_printf(b, "%08x@", hash_crc32c(0, o->login));
    buf_append(b, bracketed ? SLICE_NONE : SLICE("["));
    buf_append(b, hop->host);
    buf_append(b, bracketed ? SLICE(":") : SLICE("]:"));
    buf_append_u64(b, hop->port);
    if (o)
        append_session(b, o);
}

static void append_domain(buf *b, slice domain)
{
    for (size_t i = 0; i < domain.len; i++)
        buf_append_char(b, ascii_lower(domain.ptr[i]));
}

void route_next_key(buf *b, const struct next_hop *hop)
{
    static const char *const kinds[] = {"local:", "smtp:", "lmtp:", "discard:", "hold:", "unknown:", "notice:"};
    buf_append(b, slice_str(kinds[hop->kind]));
    if (hop->kind == NEXT_LMTP && hop->unix_path.len > 0)
        buf_printf(b, "unix:%.*s", SLICE_ARG(hop->unix_path));
    else if ((hop->kind == NEXT_SMTP || hop->kind == NEXT_LMTP) && hop->host.len > 0)
        append_host(b, hop);
    else
        append_domain(b, hop->domain);
}
