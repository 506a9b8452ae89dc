/* SPDX-License-Identifier: ISC */
/* From a recipient to a mailbox, a command, and the user as whom it is written: from our own configuration only, never from what the spool says. */
#include "proc/deliver/state.h"

#define PATH_MAX_LEN 1024u

static struct verdict temporary(struct job *j, const char *what, slice detail)
{
    slice text;
    if (arena_printf(&j->arena, &text, "%s %.*s", what, SLICE_ARG(detail)) != ERR_OK)
        text = slice_str(what);
    return status_verdict_text(STATUS_MAILBOX_TEMPORARY, text);
}

/* The owner of virtual mailboxes: deliver_as, or the configuration's user. */
static struct verdict virtual_user(struct deliver *d, struct job *j, const struct route_domain *domain,
                                   struct os_user *user)
{
    *user = d->self;
    if (!d->child.start->root || !domain || domain->deliver_as.len == 0)
        return status_verdict(STATUS_OK);
    if (os_user_by_name(domain->deliver_as, &j->arena, user) != ERR_OK)
        return temporary(j, "no such user to deliver as:", domain->deliver_as);
    return status_verdict(STATUS_OK);
}

/* A system user's own mailbox: the local part without subaddress names the account. */
static struct verdict home_user(struct deliver *d, struct job *j, const struct route_domain *domain, slice address,
                                struct os_user *user)
{
    char memory[128];
    buf name;
    buf_init_fixed(&name, memory, sizeof memory);
    if (route_expand(&name, SLICE("{user}"), domain, address) != ERR_OK || !buf_ok(&name))
        return status_verdict(STATUS_USER_UNKNOWN);
    enum err e = os_user_by_name(buf_slice(&name), &j->arena, user);
    if (e == ERR_NOTFOUND)
        return status_verdict(STATUS_USER_UNKNOWN);
    if (e != ERR_OK)
        return temporary(j, "the account cannot be looked up:", slice_str(err_text(e)));
    if (!d->child.start->root) {
        user->uid = d->self.uid;
        user->gid = d->self.gid;
    }
    if (user->uid == 0)
        return temporary(j, "mail is never written as root: give this user an alias,", user->name);
    return status_verdict(STATUS_OK);
}

static struct verdict expand(struct job *j, const struct deliver_spec *spec, const struct route_domain *domain,
                             slice address, slice *path_r)
{
    char memory[PATH_MAX_LEN];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    if (route_deliver_expand(&b, spec, domain, address) != ERR_OK || !buf_ok(&b))
        return status_verdict_text(STATUS_BAD_PATH_RECIPIENT, SLICE("the address cannot be a mailbox's name"));
    if (arena_copy(&j->arena, buf_slice(&b), path_r) != ERR_OK)
        return status_verdict(STATUS_LOCAL_ERROR);
    return status_verdict(STATUS_OK);
}

static struct verdict by_spec(struct deliver *d, struct job *j, const struct next_hop *hop, const struct recipient *r,
                              struct delivery *x)
{
    const struct deliver_spec *spec = hop->deliver;
    struct item *i = &x->item;
    i->kind = spec->kind == DELIVER_MAILDIR ? ITEM_MAILDIR : spec->kind == DELIVER_MBOX ? ITEM_MBOX : ITEM_COMMAND;
    struct verdict v =
        spec->home ? home_user(d, j, hop->owner, r->address, &x->user) : virtual_user(d, j, hop->owner, &x->user);
    if (!verdict_ok(&v))
        return v;
    if (!spec->home)
        return expand(j, spec, hop->owner, r->address, &i->path);
    slice below = slice_starts(spec->argument, SLICE("~/")) ? slice_skip(spec->argument, 2) : spec->argument;
    if (arena_printf(&j->arena, &i->path, "%.*s/%.*s", SLICE_ARG(x->user.home), SLICE_ARG(below)) != ERR_OK)
        return status_verdict(STATUS_LOCAL_ERROR);
    return v;
}

static struct verdict by_alias(struct deliver *d, struct job *j, const struct recipient *r, struct delivery *x)
{
    const struct alias_target *t = route_alias_target(d->routes, r);
    if (!t)
        return temporary(j, "the alias is not there any more:", r->key);
    x->item.kind = t->kind == ALIAS_PIPE ? ITEM_COMMAND : ITEM_FILE;
    x->item.path = t->text;
    struct address a;
    const struct route_domain *domain = NULL;
    if (address_parse(r->address, ADDRESS_UTF8, &j->arena, &a) == ERR_OK)
        domain = route_domain_find(d->routes, a.domain);
    return virtual_user(d, j, domain, &x->user);
}

/* Of `thurn dev`: bounce@ cannot be delivered, defer@ not now. */
static struct verdict by_fault(slice address)
{
    ptrdiff_t at = slice_rfind_char(address, '@');
    slice local = at < 0 ? address : slice_sub(address, 0, (size_t)at);
    if (slice_equal_nocase(local, SLICE("bounce")))
        return status_verdict_text(STATUS_USER_UNKNOWN, SLICE("not delivered, as the recipient asks for"));
    if (slice_equal_nocase(local, SLICE("defer")))
        return status_verdict_text(STATUS_MAILBOX_TEMPORARY, SLICE("not delivered now, as the recipient asks for"));
    return status_verdict(STATUS_OK);
}

struct verdict deliver_target_find(struct deliver *d, struct job *j, const struct recipient *r, struct delivery *x)
{
    struct verdict v = d->conf->development ? by_fault(r->address) : status_verdict(STATUS_OK);
    if (!verdict_ok(&v))
        return v;
    struct next_hop hop = route_next(d->routes, r);
    if (r->kind == RECIPIENT_ALIAS_TARGET)
        return by_alias(d, j, r, x);
    if (hop.kind != NEXT_LOCAL || !hop.deliver)
        return temporary(j, "the configuration has no local delivery for", r->address);
    return by_spec(d, j, &hop, r, x);
}
