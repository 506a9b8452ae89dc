/* SPDX-License-Identifier: ISC */
#include "cmd/explain.h"

static const char *const roles[] = {
    [CONF_LISTEN_MX] = "mx", [CONF_LISTEN_SUBMISSION] = "submission", [CONF_LISTEN_LMTP] = "lmtp"};

static const struct conf_listener *first_of(const struct conf *conf, enum conf_listen_role role)
{
    for (size_t i = 0; i < conf->listener_count; i++)
        if (conf->listeners[i].role == role)
            return &conf->listeners[i];
    return NULL;
}

static const struct conf_listener *named(const struct conf *conf, slice name)
{
    for (size_t i = 0; i < conf->listener_count; i++) {
        slice place;
        (void)slice_cut(conf->listeners[i].text, ' ', &place, &(slice){0});
        if (slice_equal(name, slice_str(roles[conf->listeners[i].role])) || slice_equal(name, place))
            return &conf->listeners[i];
    }
    return NULL;
}

/* "mx", "submission", "lmtp", "local", or a listener as the configuration writes it ("127.0.0.1:2525"). */
static bool set_listener(struct explanation *x, buf *why)
{
    const struct conf *conf = x->house->conf;
    slice name = x->question.listener;
    if (slice_equal(name, SLICE("local")))
        return true;
    if (name.len > 0) {
        x->listener = named(conf, name);
        if (!x->listener)
            buf_printf(why, "the configuration has no listener \"%.*s\" (mx, submission, lmtp, local, or HOST:PORT)",
                       SLICE_ARG(name));
        return x->listener != NULL;
    }
    if (x->question.user.len > 0)
        x->listener = first_of(conf, CONF_LISTEN_SUBMISSION);
    if (!x->listener)
        x->listener = first_of(conf, CONF_LISTEN_MX);
    return true;
}

/* An address that no [relay.network] speaks of, from the ranges that documents use. */
static void set_stranger(struct explanation *x)
{
    static const uint8_t candidates[][4] = {{192, 0, 2, 1}, {198, 51, 100, 1}, {203, 0, 113, 1}};
    const struct route_tables *t = &x->house->conf->route;
    size_t count = sizeof candidates / sizeof candidates[0], i = 0;
    while (i + 1 < count && route_networks_contain(t->networks, t->network_count, candidates[i], 4))
        i++;
    memcpy(x->session.ip, candidates[i], 4);
    x->session.ip_len = 4;
}

static bool set_address(struct explanation *x, buf *why)
{
    uint8_t ip[16];
    size_t len;
    slice text = x->question.ip;
    if (text.len == 0) {
        set_stranger(x);
    } else if (address_ip_parse(text, ip, &len) == ERR_OK) {
        x->session.ip_len = (uint8_t)address_ip_unmap(ip, len, x->session.ip);
    } else {
        buf_printf(why, "\"%.*s\" is not an IP address", SLICE_ARG(text));
        return false;
    }
    return true;
}

static bool print_address(struct explanation *x)
{
    char memory[64];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    address_ip_print(&b, x->session.ip, x->session.ip_len);
    x->ip_text = explain_text(x, "%.*s", SLICE_ARG(buf_slice(&b)));
    return !x->out_of_memory;
}

/* Clients use TLS where it is needed to sign in, and strangers are taken not to. */
static bool set_tls(struct explanation *x, buf *why)
{
    const struct conf_listener *l = x->listener;
    slice word = x->question.tls;
    bool can = !l || l->tls == CONF_TLS_IMPLICIT ||
               (x->house->conf->tls_count > 0 && (l->role == CONF_LISTEN_MX || l->tls == CONF_TLS_STARTTLS));
    if (!l || l->tls == CONF_TLS_IMPLICIT)
        x->secured = true;
    else if (word.len == 0)
        x->secured = can && x->question.user.len > 0;
    else if (slice_equal(word, SLICE("yes")))
        x->secured = can;
    else if (!slice_equal(word, SLICE("none")))
        buf_printf(why, "--tls is \"yes\" or \"none\", not \"%.*s\"", SLICE_ARG(word));
    return why->len == 0;
}

static bool is_loopback(slice host)
{
    return slice_starts(host, SLICE("127.")) || slice_equal(host, SLICE("::1"));
}

/* In lower case, as all logins are from when they are known. */
static void set_login(struct explanation *x)
{
    const struct conf_listener *l = x->listener;
    slice user = x->question.user, lower;
    if (user.len == 0 || !l)
        return;
    struct smtp_server_options o = admission_options(x->house->conf, l, is_loopback(l->host));
    x->login_unusable = l->role != CONF_LISTEN_SUBMISSION || (!x->secured && !o.auth_plaintext_ok);
    if (x->login_unusable)
        return;
    char *text = arena_alloc(&x->arena, user.len);
    if (!text) {
        x->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < user.len; i++)
        text[i] = ascii_lower(user.ptr[i]);
    lower = slice_of(text, user.len);
    x->session.login = lower;
}

static bool is_one_line(slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    return true;
}

static slice without_brackets(slice path)
{
    bool both = path.len >= 2 && path.ptr[0] == '<' && path.ptr[path.len - 1] == '>';
    return both ? slice_sub(path, 1, path.len - 1) : path;
}

/* Whoever signs in or has a local socket writes as himself. */
static void set_sender(struct explanation *x)
{
    struct explain_question *q = &x->question;
    if (q->from_given)
        q->from = without_brackets(q->from);
    else if (x->session.login.len > 0)
        q->from = x->session.login;
    else if (!x->listener)
        q->from = x->house->conf->route.postmaster;
    else
        q->from = SLICE("someone@example.net");
}

bool explain_client_set(struct explanation *x, buf *why)
{
    struct explain_question *q = &x->question;
    q->to = without_brackets(q->to);
    x->stranger_assumed = q->ip.len == 0 && q->user.len == 0 && q->listener.len == 0;
    if (q->to.len == 0 || !is_one_line(q->to) || !is_one_line(q->from) || !is_one_line(q->helo) ||
        !is_one_line(q->mail)) {
        buf_append(why, SLICE("an address is one line of text"));
        return false;
    }
    if (!set_listener(x, why) || !set_tls(x, why))
        return false;
    x->session.local_socket = !x->listener;
    x->session.own_only = x->listener && x->listener->role == CONF_LISTEN_LMTP;
    if (x->listener && (!set_address(x, why) || !print_address(x)))
        return false;
    set_login(x);
    set_sender(x);
    return !x->out_of_memory;
}
