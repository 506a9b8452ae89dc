/* SPDX-License-Identifier: ISC */
#include "route/resolve.h"

#include <assert.h>

#include "route/resolve_work.h"

enum resolve_outcome resolve_refuse(struct resolve *r, enum status status)
{
    r->result.status = status;
    r->refused = true;
    return OUTCOME_REFUSE;
}

void resolve_item_set_domain(const struct resolve *r, struct resolve_item *item, slice domain)
{
    item->domain = route_domain_find(r->index, domain);
    bool named = item->domain && item->domain != r->index->any_domain;
    item->address.domain = named ? item->domain->name : domain;
}

enum resolve_outcome resolve_push(struct resolve *r, struct resolve_item *parent, struct address address,
                                  struct resolve_item **item_r)
{
    if (parent->depth >= RESOLVE_DEPTH_MAX)
        return resolve_refuse(r, STATUS_ALIAS_LOOP);
    if (++r->items > RESOLVE_COUNT_MAX)
        return resolve_refuse(r, STATUS_TOO_MANY_RECIPIENTS);
    struct resolve_item *item = arena_alloc(r->arena, sizeof(*item));
    if (!item)
        return resolve_refuse(r, STATUS_TOO_MANY_RECIPIENTS);
    *item = (struct resolve_item){.parent = parent, .address = address, .group = parent->group};
    item->depth = (uint8_t)(parent->depth + 1);
    item->bare = address.domain.len == 0;
    resolve_item_set_domain(r, item, item->bare ? parent->address.domain : address.domain);
    if (r->tail)
        r->tail->next = item;
    else
        r->head = item;
    r->tail = item;
    r->last->after = item;
    r->last = item;
    if (item_r)
        *item_r = item;
    return OUTCOME_DONE;
}

/* <postmaster> without a domain is the postmaster of this host, wherever bare names go (RFC 5321 section 4.5.1). */
static slice domain_of_bare(const struct route_index *index, slice local)
{
    const struct route_tables *t = index->tables;
    if (slice_equal_nocase(local, SLICE("postmaster")) && !route_domain_find(index, t->origin))
        return t->hostname;
    return t->origin;
}

static enum err print_original(struct resolve *r, struct address recipient)
{
    if (recipient.domain.len == 0)
        return arena_copy(r->arena, recipient.local, &r->original);
    size_t size = recipient.local.len + 1 + recipient.domain.len;
    char *memory = arena_alloc(r->arena, size + 1);
    if (!memory)
        return ERR_NOMEM;
    buf b;
    buf_init_fixed(&b, memory, size);
    buf_append(&b, recipient.local);
    buf_append_char(&b, '@');
    buf_append(&b, recipient.domain);
    r->original = buf_slice(&b);
    return ERR_OK;
}

enum err route_resolve_begin(const struct route_index *index, struct arena *arena,
                             const struct resolve_request *request, struct resolve **resolve_r)
{
    struct resolve *r = arena_alloc(arena, sizeof(*r));
    if (!r)
        return ERR_NOMEM;
    struct address recipient = request->recipient;
    *r = (struct resolve){
        .index = index, .arena = arena, .session = *request->session, .reverse_path = request->reverse_path};
    if (print_original(r, recipient) != ERR_OK)
        return ERR_NOMEM;
    r->first_group = (struct resolve_group_work){.recipients = &r->first_recipient, .cap = 1};
    r->groups = &r->first_group;
    r->group_count = r->group_cap = 1;
    struct resolve_item *root = &r->root;
    root->address.local = slice_sub(r->original, 0, recipient.local.len);
    slice domain = slice_skip(r->original, recipient.local.len + 1);
    root->bare = domain.len == 0;
    resolve_item_set_domain(r, root, root->bare ? domain_of_bare(index, root->address.local) : domain);
    r->head = r->tail = r->last = root;
    r->items = 1;
    *resolve_r = r;
    return ERR_OK;
}

static enum resolve_step finish(struct resolve *r)
{
    if (r->recipients == 0) {
        r->result.status = r->looped ? STATUS_ALIAS_LOOP : STATUS_USER_UNKNOWN;
        return RESOLVE_REFUSED;
    }
    struct resolve_group *groups = arena_array(r->arena, r->group_count, sizeof(*groups));
    if (!groups) {
        r->result.status = STATUS_TOO_MANY_RECIPIENTS;
        return RESOLVE_REFUSED;
    }
    for (size_t i = 0; i < r->group_count; i++) {
        const struct resolve_group_work *g = &r->groups[i];
        if (g->count > 0)
            groups[r->result.group_count++] = (struct resolve_group){g->list, g->inner, g->recipients, g->count};
    }
    r->result.groups = groups;
    r->result.status = STATUS_RECIPIENT_OK;
    return RESOLVE_DONE;
}

/* The next item of the queue, or NULL. An alias of a name that must always be reachable may lead nowhere (root: alice, who is gone): then
 * the postmaster has it. */
static enum resolve_outcome take_next(struct resolve *r)
{
    if (!r->head && r->recipients == 0 && r->root.alias_key.len > 0 && !r->fell_back) {
        r->fell_back = true;
        if (resolve_item_fall_back(r, &r->root) == OUTCOME_REFUSE)
            return OUTCOME_REFUSE;
    }
    r->current = r->head;
    if (r->head)
        r->head = r->head->next;
    if (!r->head)
        r->tail = NULL;
    return OUTCOME_DONE;
}

static enum resolve_outcome work(struct resolve *r)
{
    for (;;) {
        if (!r->current && take_next(r) == OUTCOME_REFUSE)
            return OUTCOME_REFUSE;
        if (!r->current)
            return OUTCOME_DONE;
        enum resolve_outcome outcome = resolve_item_work(r, r->current);
        if (outcome != OUTCOME_DONE)
            return outcome;
        r->current = NULL;
    }
}

enum resolve_step route_resolve_step(struct resolve *r, enum users_kind *kind_r, slice *user_r)
{
    assert(!r->asked || r->answered);
    r->asked = false;
    switch (work(r)) {
    case OUTCOME_DONE:
        return finish(r);
    case OUTCOME_ASK:
        *kind_r = r->question_kind;
        *user_r = r->question;
        r->asked = true;
        r->answered = false;
        return RESOLVE_ASK;
    default:
        return RESOLVE_REFUSED;
    }
}

void route_resolve_answer(struct resolve *r, enum resolve_answer answer)
{
    assert(r->asked && !r->answered);
    r->answer = answer;
    r->answered = true;
}

const struct resolve_result *route_resolve_result(const struct resolve *r)
{
    return &r->result;
}

bool route_resolve_trail(const struct resolve *r, const struct resolve_item **at, struct resolve_trail *trail_r)
{
    const struct resolve_item *i = *at ? (*at)->after : &r->root;
    if (!i)
        return false;
    *at = i;
    *trail_r =
        (struct resolve_trail){.item = i,
                               .parent = i->parent,
                               .how = i->stage < RESOLVED_UNKNOWN ? (enum resolve_how)i->stage : RESOLVED_UNKNOWN,
                               .address = i->address,
                               .domain = i->domain,
                               .alias = i->alias,
                               .list = i->list,
                               .user = i->user,
                               .found = i->found,
                               .looped = i->looped,
                               .refused = r->refused && i == r->current};
    return true;
}
