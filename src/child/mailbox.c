/* SPDX-License-Identifier: ISC */
#include "child/mailbox.h"

#define PATH_MAX_LEN 1024u

static struct verdict temporary(struct arena *arena, const char *what, slice detail)
{
    slice text;
    if (arena_printf(arena, &text, "%s %.*s", what, SLICE_ARG(detail)) != ERR_OK)
        text = slice_str(what);
    return status_verdict_text(STATUS_MAILBOX_TEMPORARY, text);
}

/* The owner of virtual mailboxes: deliver_as, or the configuration's user. */
static struct verdict virtual_user(const struct mailbox_house *h, struct arena *arena,
                                   const struct route_domain *domain, struct os_user *user)
{
    *user = h->self;
    if (!h->root || !domain || domain->deliver_as.len == 0)
        return status_verdict(STATUS_OK);
    if (os_user_by_name(domain->deliver_as, arena, user) != ERR_OK)
        return temporary(arena, "no such user to deliver as:", domain->deliver_as);
    return status_verdict(STATUS_OK);
}

/* A system user's own mailbox: the local part without subaddress names the account. */
static struct verdict home_user(const struct mailbox_house *h, struct arena *arena, const struct next_hop *hop,
                                slice address, struct os_user *user)
{
    char memory[128];
    buf name;
    buf_init_fixed(&name, memory, sizeof memory);
    if (route_expand(&name, SLICE("{user}"), hop->owner, address) != ERR_OK || !buf_ok(&name))
        return status_verdict(STATUS_USER_UNKNOWN);
    enum err e = os_user_by_name(buf_slice(&name), arena, user);
    if (e == ERR_NOTFOUND)
        return status_verdict(STATUS_USER_UNKNOWN);
    if (e != ERR_OK)
        return temporary(arena, "the account cannot be looked up:", slice_str(err_text(e)));
    if (!h->root) {
        user->uid = h->self.uid;
        user->gid = h->self.gid;
    }
    if (user->uid == 0)
        return temporary(arena, "mail is never written as root: give this user an alias,", user->name);
    return status_verdict(STATUS_OK);
}

static struct verdict expand(struct arena *arena, const struct deliver_spec *spec, const struct route_domain *domain,
                             slice address, slice *path_r)
{
    char memory[PATH_MAX_LEN];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    if (route_deliver_expand(&b, spec, domain, address) != ERR_OK || !buf_ok(&b))
        return status_verdict_text(STATUS_BAD_PATH_RECIPIENT, SLICE("the address cannot be a mailbox's name"));
    if (arena_copy(arena, buf_slice(&b), path_r) != ERR_OK)
        return status_verdict(STATUS_LOCAL_ERROR);
    return status_verdict(STATUS_OK);
}

static struct verdict by_spec(const struct mailbox_house *h, struct arena *arena, const struct next_hop *hop,
                              slice address, struct mailbox *m)
{
    const struct deliver_spec *spec = hop->deliver;
    m->kind = spec->kind == DELIVER_MAILDIR ? MAILBOX_MAILDIR
              : spec->kind == DELIVER_MBOX  ? MAILBOX_MBOX
                                            : MAILBOX_COMMAND;
    struct verdict v =
        spec->home ? home_user(h, arena, hop, address, &m->user) : virtual_user(h, arena, hop->owner, &m->user);
    if (!verdict_ok(&v))
        return v;
    if (!spec->home)
        return expand(arena, spec, hop->owner, address, &m->path);
    slice below = slice_starts(spec->argument, SLICE("~/")) ? slice_skip(spec->argument, 2) : spec->argument;
    if (arena_printf(arena, &m->path, "%.*s/%.*s", SLICE_ARG(m->user.home), SLICE_ARG(below)) != ERR_OK)
        return status_verdict(STATUS_LOCAL_ERROR);
    return v;
}

static struct verdict by_alias(const struct mailbox_house *h, struct arena *arena, const struct recipient *r,
                               struct mailbox *m)
{
    const struct alias_target *t = route_alias_target(h->routes, r);
    if (!t)
        return temporary(arena, "the alias is not there any more:", r->key);
    m->kind = t->kind == ALIAS_PIPE ? MAILBOX_COMMAND : MAILBOX_FILE;
    m->path = t->text;
    struct address a;
    const struct route_domain *domain = NULL;
    if (address_parse(r->address, ADDRESS_UTF8, arena, &a) == ERR_OK)
        domain = route_domain_find(h->routes, a.domain);
    return virtual_user(h, arena, domain, &m->user);
}

struct verdict child_mailbox_find(const struct mailbox_house *h, struct arena *arena, const struct recipient *r,
                                  struct mailbox *mailbox_r)
{
    struct next_hop hop = route_next(h->routes, r);
    struct mailbox m = {0};
    struct verdict v;
    if (r->kind == RECIPIENT_ALIAS_TARGET)
        v = by_alias(h, arena, r, &m);
    else if (hop.kind != NEXT_LOCAL || !hop.deliver)
        v = temporary(arena, "the configuration has no local delivery for", r->address);
    else
        v = by_spec(h, arena, &hop, r->address, &m);
    if (verdict_ok(&v))
        *mailbox_r = m;
    return v;
}
