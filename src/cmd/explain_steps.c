/* SPDX-License-Identifier: ISC */
/* The decision in words. What is said here is read off the tables that decided; the verdict itself is there already. */
#include "cmd/explain.h"

#define STEPS_MAX 400u /* of a list with ten thousand members nobody reads more */
#define TEXT_MAX (1u << 16)

slice explain_text(struct explanation *x, const char *format, ...)
{
    va_list args;
    buf text;
    slice copy = SLICE_NONE;
    buf_init(&text, TEXT_MAX);
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    if (!buf_ok(&text) || arena_copy(&x->arena, buf_slice(&text), &copy) != ERR_OK)
        x->out_of_memory = true;
    buf_deinit(&text);
    return copy;
}

static bool has_room(struct explanation *x)
{
    if (x->step_count < x->step_cap)
        return true;
    size_t cap = x->step_cap == 0 ? 16 : 2 * x->step_cap;
    struct explain_step *grown = cap > STEPS_MAX ? NULL : arena_array(&x->arena, cap, sizeof *grown);
    if (!grown)
        return false;
    if (x->step_count > 0)
        memcpy(grown, x->steps, x->step_count * sizeof *grown);
    x->steps = grown;
    x->step_cap = cap;
    return true;
}

void explain_step_add(struct explanation *x, slice file, uint32_t line, const char *format, ...)
{
    va_list args;
    buf text;
    slice copy;
    buf_init(&text, TEXT_MAX);
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    if (buf_ok(&text) && arena_copy(&x->arena, buf_slice(&text), &copy) == ERR_OK && has_room(x))
        x->steps[x->step_count++] = (struct explain_step){copy, line > 0 ? file : SLICE_NONE, line};
    buf_deinit(&text);
}

static void tell_client(struct explanation *x)
{
    static const char *const roles[] = {
        [CONF_LISTEN_MX] = "mx", [CONF_LISTEN_SUBMISSION] = "submission", [CONF_LISTEN_LMTP] = "lmtp"};
    slice file = x->house->conf->path;
    const struct conf_listener *l = x->listener;
    if (!l) {
        explain_step_add(x, file, 0, "the client is a program of this host, at the local socket");
        return;
    }
    if (x->session.login.len > 0)
        explain_step_add(x, file, l->line, "the client [%.*s] is signed in as %.*s, at the %s listener",
                         SLICE_ARG(x->ip_text), SLICE_ARG(x->session.login), roles[l->role]);
    else
        explain_step_add(x, file, l->line, "the client [%.*s] is not signed in, at the %s listener%s",
                         SLICE_ARG(x->ip_text), roles[l->role],
                         x->stranger_assumed ? " (assumed; see --ip, --user, --listener)" : "");
    if (!x->login_unusable)
        return;
    if (l->role != CONF_LISTEN_SUBMISSION)
        explain_step_add(x, file, l->line, "%.*s cannot sign in there: AUTH is offered at submission listeners only",
                         SLICE_ARG(x->question.user));
    else
        explain_step_add(x, file, l->line, "%.*s cannot sign in there: AUTH needs TLS first",
                         SLICE_ARG(x->question.user));
}

static void tell_from(struct explanation *x)
{
    const char *how = x->question.from_given ? "" : " (assumed; see --from)";
    if (x->from.local.len == 0)
        explain_step_add(x, SLICE_NONE, 0, "the sender is <>, as of a bounce");
    else
        explain_step_add(x, SLICE_NONE, 0, "the sender is %.*s%s", SLICE_ARG(x->reverse_path), how);
}

static const struct route_send_as *send_as_of(const struct route_tables *t, slice login)
{
    for (size_t i = 0; i < t->send_as_count; i++)
        if (slice_equal_nocase(t->send_as[i].login, login))
            return &t->send_as[i];
    return NULL;
}

static void tell_login_sender(struct explanation *x)
{
    slice login = x->session.login, file = x->house->conf->path;
    const struct route_send_as *more = send_as_of(&x->house->conf->route, login);
    uint32_t line = more ? more->line : 0;
    if (login.len == 0)
        return;
    if (x->status == STATUS_SENDER_NOT_YOURS)
        explain_step_add(x, file, line,
                         "%.*s may not use it: it is neither its own address, nor an alias that leads "
                         "to it alone, nor in its [send_as]%s",
                         SLICE_ARG(login), more ? "" : ", which it has not");
    else
        explain_step_add(x, file, 0, "%.*s may use it", SLICE_ARG(login));
}

static void tell_null_mx(struct explanation *x)
{
    if (x->null_mx)
        explain_step_add(x, SLICE_NONE, 0,
                         "%.*s has a null MX: nobody can answer such a sender ([limits] refuse_null_mx)",
                         SLICE_ARG(x->from.domain));
    else if (x->mx_unknown)
        explain_step_add(x, SLICE_NONE, 0, "the DNS did not say in time whether %.*s has a null MX: it is taken",
                         SLICE_ARG(x->from.domain));
    else if (x->mx_asked)
        explain_step_add(x, SLICE_NONE, 0, "%.*s has no null MX", SLICE_ARG(x->from.domain));
}

/* The networks that the client is in, and why they do not help. */
static void tell_networks(struct explanation *x)
{
    const struct route_tables *t = &x->house->conf->route;
    bool any = false;
    for (size_t i = 0; i < t->network_count; i++) {
        const struct route_network *n = &t->networks[i];
        if (!route_networks_contain(n, 1, x->session.ip, x->session.ip_len))
            continue;
        any = true;
        explain_step_add(x, x->house->conf->path, n->line,
                         x->session.own_only ? "[relay.network.\"%.*s\"] has no meaning at this listener"
                                             : "[relay.network.\"%.*s\"] does not name this sender",
                         SLICE_ARG(n->text));
    }
    if (!any)
        explain_step_add(x, SLICE_NONE, 0,
                         "it is not signed in, not on the local socket, and in no [relay.network]: it "
                         "may send to our own domains only");
}

static void tell_trust(struct explanation *x)
{
    const struct conf *conf = x->house->conf;
    const struct route_tables *t = &conf->route;
    if (x->network)
        explain_step_add(x, conf->path, x->network->line,
                         "[relay.network.\"%.*s\"] trusts this client with this sender: it may send anywhere",
                         SLICE_ARG(x->network->text));
    else if (x->trusted)
        explain_step_add(x, conf->path, t->allow_line, "%s may send anywhere ([relay] allow%s)",
                         x->session.login.len > 0 ? "who is signed in" : "programs of this host",
                         t->allow_line > 0 ? "" : ", by default");
    else if (x->session.login.len > 0 || x->session.local_socket)
        explain_step_add(x, conf->path, t->allow_line, "[relay] allow has no \"%s\"",
                         x->session.login.len > 0 ? "authenticated" : "local-socket");
    else
        tell_networks(x);
}

static void tell_domain(struct explanation *x)
{
    const struct explain_house *h = x->house;
    slice name = x->to.domain.len > 0 ? x->to.domain : h->conf->route.origin;
    const struct route_domain *d = route_domain_find(h->routes, name);
    if (!d)
        explain_step_add(x, h->conf->path, 0, "%.*s is not a [domain] here", SLICE_ARG(name));
    else if (d->implied)
        explain_step_add(x, h->conf->path, d->line, "%.*s is this host's own name, so it is ours", SLICE_ARG(name));
    else if (!slice_equal_nocase(d->name, name))
        explain_step_add(x, h->conf->path, d->line, "%.*s is the same as [domain.\"%.*s\"]", SLICE_ARG(name),
                         SLICE_ARG(d->name));
    else
        explain_step_add(x, h->conf->path, d->line, "%.*s is a [domain] of ours", SLICE_ARG(name));
}

static void tell_rcpt(struct explanation *x)
{
    tell_domain(x);
    if (x->resolve)
        explain_trail_tell(x);
    if (x->status == STATUS_NO_REQUIRETLS)
        explain_step_add(x, SLICE_NONE, 0, "it would leave without TLS, which REQUIRETLS forbids");
    else if (x->status == STATUS_UNQUALIFIED)
        explain_step_add(x, SLICE_NONE, 0, "at a submission listener a domain needs a dot, or to be ours");
}

static void tell_session(struct explanation *x)
{
    tell_client(x);
    bool mail = slice_equal(slice_str(x->at), SLICE("MAIL")), rcpt = slice_equal(slice_str(x->at), SLICE("RCPT"));
    if ((!mail && !rcpt) || (mail && x->status == STATUS_COUNT))
        return;
    tell_from(x);
    if (x->status == STATUS_INSUFFICIENT_SPACE) {
        explain_step_add(x, SLICE_NONE, 0, "%.*s", SLICE_ARG(x->space));
        return;
    }
    tell_login_sender(x);
    tell_null_mx(x);
    if (mail || x->status == STATUS_COUNT)
        return;
    tell_trust(x);
    tell_rcpt(x);
}

void explain_steps_tell(struct explanation *x)
{
    tell_session(x);
    if (x->status == STATUS_COUNT)
        explain_step_add(x, SLICE_NONE, 0, "%s is refused as it is, before anything else is looked at", x->at);
}
