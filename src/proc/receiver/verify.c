/* SPDX-License-Identifier: ISC */
/* VRFY and EXPN (RFC 5321 section 3.5). A bare name is looked for in every own domain, one after the other, because lookup may have to be asked about each. */
#include "proc/receiver/state.h"

#define ARENA_MAX (4u << 20)
#define TEXT_MAX (24u << 10)

struct verify {
    struct arena arena;
    struct resolve *resolve; /* of the candidate in hand */
    struct address address;
    slice full_name; /* of the candidate in hand */
    size_t next_domain;
    uint32_t matches;
    bool expand, bare, tried, temporary;
    bool any; /* the candidates are now in domains that take any name */
    buf text;
};

static bool is_allowed(const struct session *s, enum conf_query query)
{
    bool known = s->route.login.len > 0 || s->route.local_socket;
    return query == CONF_QUERY_ANY || (query == CONF_QUERY_AUTHENTICATED && known);
}

static void answer(struct session *s, const struct verdict *v)
{
    session_answer(s, v);
    verify_abort(s);
}

static void finish(struct session *s)
{
    const struct verify *v = s->verify;
    struct verdict verdict = status_verdict_text(STATUS_RECIPIENT_OK, buf_slice(&v->text));
    if (v->matches > 1)
        verdict = status_verdict(STATUS_AMBIGUOUS);
    else if (v->matches == 0 && v->temporary)
        verdict = status_verdict(STATUS_LOOKUP_UNAVAILABLE);
    else if (v->matches == 0)
        verdict = status_verdict(STATUS_USER_UNKNOWN);
    else if (!buf_ok(&v->text))
        verdict = status_verdict_text(STATUS_LOCAL_ERROR, SLICE("Too many members to be told here"));
    answer(s, &verdict);
}

static void add_line(struct verify *v, slice full_name, slice address)
{
    if (v->text.len > 0)
        buf_append_char(&v->text, '\n');
    buf_append(&v->text, full_name);
    buf_append(&v->text, full_name.len > 0 ? SLICE(" <") : SLICE("<"));
    buf_append(&v->text, address);
    buf_append_char(&v->text, '>');
}

static void found(struct verify *v, const struct resolve_result *result)
{
    v->matches++;
    bool one = result->group_count == 1 && result->groups[0].count == 1;
    slice name = result->full_name.len > 0 ? result->full_name : v->full_name;
    for (size_t i = 0; i < result->group_count; i++) {
        const struct resolve_group *g = &result->groups[i];
        for (size_t k = 0; k < g->count; k++)
            add_line(v, one ? name : SLICE_NONE, g->recipients[k].address);
    }
}

static bool found_list(struct session *s)
{
    struct verify *v = s->verify;
    char memory[512];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    address_print(&b, v->address);
    const struct route_list *list = buf_ok(&b) ? route_list_find(s->r->routes, buf_slice(&b)) : NULL;
    if (!list)
        return false;
    v->matches++;
    if (!v->expand)
        add_line(v, SLICE_NONE, list->address);
    for (size_t i = 0; v->expand && i < list->member_count; i++)
        add_line(v, SLICE_NONE, list->members[i]);
    return true;
}

/* The next address to try; false when there is none. */
static bool next_candidate(struct session *s)
{
    struct verify *v = s->verify;
    if (!v->bare) {
        bool first = !v->tried;
        v->tried = true;
        return first;
    }
    const struct route_domain *d = route_vrfy_domain(s->r->routes, v->next_domain++);
    /* a name that a domain knows is not made ambiguous by domains that would take any */
    if (!d || (d->users == USERS_ANY && !v->any && v->matches > 0))
        return false;
    v->any = d->users == USERS_ANY;
    v->address.domain = d->name;
    return true;
}

/* True when the candidate is settled, false when lookup has been asked. */
static bool resolve(struct session *s)
{
    struct verify *v = s->verify;
    for (;;) {
        enum users_kind kind;
        slice user;
        enum resolve_step step = route_resolve_step(v->resolve, &kind, &user);
        if (step == RESOLVE_ASK) {
            if (ask_user(s, kind, user)) {
                session_wait(s, WAIT_VERIFY, RECEIVER_ANSWER_MS);
                return false;
            }
            route_resolve_answer(v->resolve, RESOLVE_UNKNOWN);
            continue;
        }
        const struct resolve_result *result = route_resolve_result(v->resolve);
        struct verdict verdict = status_verdict(result->status);
        if (step == RESOLVE_DONE)
            found(v, result);
        else
            v->temporary = v->temporary || verdict_class(&verdict) == VERDICT_TEMPORARY;
        v->resolve = NULL;
        return true;
    }
}

static void step(struct session *s)
{
    struct verify *v = s->verify;
    for (;;) {
        if (v->resolve && !resolve(s))
            return;
        if (!next_candidate(s)) {
            finish(s);
            return;
        }
        v->full_name = SLICE_NONE;
        if (found_list(s))
            continue;
        const struct resolve_request request = {.session = &s->route, .recipient = v->address};
        if (route_resolve_begin(s->r->routes, &v->arena, &request, &v->resolve) != ERR_OK) {
            v->resolve = NULL;
            v->temporary = true;
        }
    }
}

/* The engine lets UTF-8 through where the client has said SMTPUTF8 (RFC 6531 section 3.1). */
static enum err read_argument(const struct receiver *r, struct verify *v, slice argument)
{
    slice copy, rest, name;
    enum err e = arena_copy(&v->arena, slice_trim(argument), &copy);
    if (e != ERR_OK)
        return e;
    e = address_parse_path(copy, ADDRESS_BARE_PATH | ADDRESS_NO_DOMAIN | ADDRESS_UTF8, &v->arena, &v->address, &rest);
    if (e != ERR_OK || rest.len > 0)
        e = address_parse_mailbox(copy, &v->arena, &name, &v->address);
    v->bare = e == ERR_OK && v->address.domain.len == 0;
    if (e == ERR_OK && admission_recipient_path(r->conf, r->routes, &v->arena, &v->address) != STATUS_OK)
        e = ERR_SYNTAX;
    return e;
}

void verify_begin(struct session *s, slice argument, bool expand)
{
    const struct conf_limits *l = &s->r->conf->limits;
    enum status cannot = expand ? STATUS_CANNOT_EXPN : STATUS_CANNOT_VRFY;
    struct verify *v = is_allowed(s, expand ? l->expn : l->vrfy) ? calloc(1, sizeof(*v)) : NULL;
    if (!v) {
        session_answer_status(s, cannot);
        return;
    }
    s->verify = v;
    v->expand = expand;
    arena_init(&v->arena, ARENA_MAX);
    buf_init(&v->text, TEXT_MAX);
    enum err e = read_argument(s->r, v, argument);
    bool foreign = e == ERR_OK && !v->bare && !route_domain_find(s->r->routes, v->address.domain);
    struct verdict verdict = status_verdict(foreign ? cannot : STATUS_BAD_PATH_RECIPIENT);
    if (e != ERR_OK || foreign)
        answer(s, &verdict);
    else
        step(s);
}

void verify_answered(struct session *s, enum resolve_answer resolve_answer, slice full_name)
{
    struct verify *v = s->verify;
    if (resolve_answer == RESOLVE_YES && arena_copy(&v->arena, full_name, &v->full_name) != ERR_OK)
        v->full_name = SLICE_NONE;
    route_resolve_answer(v->resolve, resolve_answer);
    step(s);
}

void verify_abort(struct session *s)
{
    struct verify *v = s->verify;
    if (!v)
        return;
    s->verify = NULL;
    buf_deinit(&v->text);
    arena_deinit(&v->arena);
    free(v);
}
