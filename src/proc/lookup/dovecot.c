/* SPDX-License-Identifier: ISC */
/* Dovecot's auth-client socket: one connection, opened again when it is lost, with any number of requests at a time. Bounded: a line, the list of mechanisms, what
 * it does not read. A request ends with its exchange; what is said about one that has ended is about nobody. */
#include "proc/lookup/logins.h"

#include <stdlib.h>
#include <unistd.h>

#define HANDSHAKE_MS 10000
#define RETRY_MS 1000
#define RETRY_MAX_MS 30000
#define REQUEST_MAX 16384u

enum stage { DOVECOT_AWAY, DOVECOT_GREETS, DOVECOT_READY };

struct dovecot {
    struct logins *logins;
    struct net_connection *net;
    struct loop_timer *timer; /* the next try, or the end of a handshake that takes too long */
    enum stage stage;
    bool spoken; /* VERSION has come */
    bool complained;
    int64_t retry_ms;
    uint32_t last_request;
    buf in;
    size_t mechanisms_len;
    char mechanisms[LOGIN_WORDS_MAX]; /* that can be passed through */
    bool plain;
};

/* PLAIN and LOGIN are read here and asked as PLAIN. -PLUS needs the channel, which Dovecot does not see. */
static const slice passed[] = {{"SCRAM-SHA-256", 13}, {"SCRAM-SHA-1", 11}, {"OAUTHBEARER", 11}, {"XOAUTH2", 7}};

static void complain(struct dovecot *d, const char *what)
{
    if (!d->complained)
        log_line(LOG_ERROR, "Dovecot at %.*s: %s", SLICE_ARG(d->logins->conf->path), what);
    d->complained = true;
}

static struct exchange *find(const struct dovecot *d, uint64_t request)
{
    LIST_FOREACH(at, &d->logins->exchanges) {
        struct exchange *x = LIST_ENTRY(at, struct exchange, link);
        if (x->request != 0 && x->request == request)
            return x;
    }
    return NULL;
}

static void give_up_all(struct dovecot *d)
{
    LIST_FOREACH(at, &d->logins->exchanges) {
        struct exchange *x = LIST_ENTRY(at, struct exchange, link);
        if (x->request == 0)
            continue;
        x->request = 0;
        exchange_checked(x, CHECK_UNKNOWN, SLICE_NONE);
    }
}

static void lose(struct dovecot *d, const char *why)
{
    complain(d, why);
    if (d->net)
        net_close(&d->net);
    d->stage = DOVECOT_AWAY;
    buf_release(&d->in);
    loop_timer_start(d->timer, d->retry_ms);
    d->retry_ms = 2 * d->retry_ms < RETRY_MAX_MS ? 2 * d->retry_ms : RETRY_MAX_MS;
    give_up_all(d);
}

static void add_mechanism(struct dovecot *d, const struct dovecot_line *l)
{
    buf b;
    if (slice_equal_nocase(l->text, SLICE("PLAIN")))
        d->plain = true;
    if (l->private_only)
        return;
    buf_init_fixed(&b, d->mechanisms, sizeof d->mechanisms);
    b.len = d->mechanisms_len;
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++) {
        if (!slice_equal_nocase(l->text, passed[i]) || dovecot_has(d, passed[i]))
            continue;
        buf_append(&b, SLICE(" "));
        buf_append(&b, passed[i]);
    }
    d->mechanisms_len = buf_ok(&b) ? b.len : d->mechanisms_len;
}

static void handshake_done(struct dovecot *d)
{
    d->stage = DOVECOT_READY;
    d->retry_ms = RETRY_MS;
    d->complained = false;
    loop_timer_stop(d->timer);
    logins_offer(d->logins, NULL);
}

static void request_ended(struct dovecot *d, const struct dovecot_line *l)
{
    char memory[SASL_LOGIN_MAX];
    buf login;
    struct exchange *x = find(d, l->number);
    if (!x)
        return;
    buf_init_fixed(&login, memory, sizeof memory);
    bool good = dovecot_unescape(l->login, &login) == ERR_OK && slice_find_char(buf_slice(&login), 0) < 0;
    x->request = 0;
    if (!good || l->temporary)
        exchange_checked(x, CHECK_UNKNOWN, SLICE_NONE);
    else
        exchange_checked(x, l->kind == DOVECOT_OK ? CHECK_GOOD : CHECK_WRONG, buf_slice(&login));
}

static void request_goes_on(struct dovecot *d, const struct dovecot_line *l)
{
    char memory[DOVECOT_LINE_MAX];
    buf challenge;
    struct exchange *x = find(d, l->number);
    if (!x)
        return;
    buf_init_fixed(&challenge, memory, sizeof memory);
    if (!x->server && (l->text.len == 0 || buf_append_base64_decoded(&challenge, l->text) == ERR_OK)) {
        exchange_challenge(x, buf_slice(&challenge));
        return;
    }
    dovecot_cancel(d, x); /* a password has been sent whole: there is nothing to go on with */
    exchange_checked(x, CHECK_UNKNOWN, SLICE_NONE);
}

/* False: the connection is of no use. */
static bool take_line(struct dovecot *d, slice line)
{
    struct dovecot_line l;
    if (dovecot_line_read(line, &l) != ERR_OK)
        return false;
    bool greets = d->stage == DOVECOT_GREETS;
    switch (l.kind) {
    case DOVECOT_OTHER:
        break;
    case DOVECOT_VERSION:
        d->spoken = true;
        break;
    case DOVECOT_MECH:
        if (greets)
            add_mechanism(d, &l);
        break;
    case DOVECOT_DONE:
        if (greets && d->spoken)
            handshake_done(d);
        return d->spoken;
    case DOVECOT_CONT:
        request_goes_on(d, &l);
        break;
    case DOVECOT_OK:
    case DOVECOT_FAIL:
        request_ended(d, &l);
        break;
    }
    return true;
}

static void on_data(void *ctx, slice in)
{
    struct dovecot *d = ctx;
    buf_append(&d->in, in);
    for (slice line, rest; d->net && buf_ok(&d->in) && slice_cut(buf_slice(&d->in), '\n', &line, &rest);) {
        size_t used = line.len + 1;
        if (!take_line(d, line)) {
            lose(d, "it says what we do not understand");
            return;
        }
        if (d->net)
            buf_consume(&d->in, used);
    }
    if (d->net && (!buf_ok(&d->in) || d->in.len > DOVECOT_LINE_MAX))
        lose(d, "its lines are too long");
}

static void on_connected(void *ctx)
{
    struct dovecot *d = ctx;
    char memory[64];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    dovecot_print_hello(&b, (uint32_t)getpid());
    d->stage = DOVECOT_GREETS;
    if (net_write(d->net, buf_slice(&b)) != ERR_OK)
        lose(d, "the connection fails");
}

static void on_closed(void *ctx, enum err why)
{
    lose(ctx, err_text(why));
}

static const struct net_ops net_ops = {.data = on_data, .connected = on_connected, .closed = on_closed};

static void try(struct dovecot *d)
{
    struct socket_address to = {.ip_len = 0};
    struct net_route route = {.to = &to};
    slice path = d->logins->conf->path;
    memcpy(to.path, path.ptr, path.len < sizeof to.path ? path.len : sizeof to.path - 1);
    d->spoken = d->plain = false;
    d->mechanisms_len = 0;
    enum err e = net_connect(d->logins->lookup->child.loop, &route, &net_ops, d, &d->net);
    if (e != ERR_OK)
        lose(d, err_text(e));
    else
        loop_timer_start(d->timer, HANDSHAKE_MS);
}

static void on_timer(void *ctx)
{
    struct dovecot *d = ctx;
    if (d->net)
        lose(d, "it does not greet");
    else
        try(d);
}

enum err dovecot_open(struct logins *l, struct dovecot **d_r)
{
    struct dovecot *d = calloc(1, sizeof *d);
    if (!d)
        return ERR_NOMEM;
    d->logins = l;
    d->retry_ms = RETRY_MS;
    buf_init(&d->in, (size_t)4 * DOVECOT_LINE_MAX + 65536);
    enum err e = loop_timer_open(l->lookup->child.loop, on_timer, d, &d->timer);
    if (e != ERR_OK) {
        free(d);
        return e;
    }
    *d_r = d;
    try(d);
    return ERR_OK;
}

void dovecot_close(struct dovecot **d)
{
    if (!*d)
        return;
    if ((*d)->net)
        net_close(&(*d)->net);
    loop_timer_close(&(*d)->timer);
    buf_deinit(&(*d)->in);
    free(*d);
    *d = NULL;
}

bool dovecot_has(const struct dovecot *d, slice mechanism)
{
    slice words = slice_of(d->mechanisms, d->mechanisms_len), word;
    while (words.len > 0) {
        (void)slice_cut(words, ' ', &word, &words);
        if (word.len > 0 && slice_equal(word, mechanism))
            return true;
    }
    return false;
}

void dovecot_offer(const struct dovecot *d, buf *words)
{
    buf_append(words, slice_trim(slice_of(d->mechanisms, d->mechanisms_len)));
    if (d->plain || d->stage == DOVECOT_AWAY)
        buf_append(words, words->len > 0 ? SLICE(" PLAIN LOGIN") : SLICE("PLAIN LOGIN"));
}

static bool send(struct dovecot *d, buf *line)
{
    bool sent = d->stage == DOVECOT_READY && buf_ok(line) && net_write(d->net, buf_slice(line)) == ERR_OK;
    explicit_bzero(line->ptr, line->len);
    return sent;
}

static bool request(struct dovecot *d, struct exchange *x, struct dovecot_request *r)
{
    char memory[2 * REQUEST_MAX], ip[64];
    buf line, address;
    buf_init_fixed(&line, memory, sizeof memory);
    buf_init_fixed(&address, ip, sizeof ip);
    if (x->ip_len > 0)
        address_ip_print(&address, x->ip, x->ip_len);
    if (++d->last_request == 0)
        d->last_request = 1;
    r->id = d->last_request;
    r->ip = buf_slice(&address);
    r->secured = x->secured;
    dovecot_print_auth(&line, r);
    x->request = send(d, &line) ? r->id : 0;
    return x->request != 0;
}

bool dovecot_password(struct dovecot *d, struct exchange *x, slice login, slice password)
{
    char memory[REQUEST_MAX];
    buf response;
    buf_init_fixed(&response, memory, sizeof memory);
    buf_append_char(&response, 0);
    buf_append(&response, login);
    buf_append_char(&response, 0);
    buf_append(&response, password);
    struct dovecot_request r = {.mechanism = SLICE("PLAIN"), .response = buf_slice(&response), .initial = true};
    bool asked = buf_ok(&response) && request(d, x, &r);
    explicit_bzero(memory, sizeof memory);
    return asked;
}

bool dovecot_begin(struct dovecot *d, struct exchange *x, slice mechanism, const struct ipc_ask_sasl *m)
{
    struct dovecot_request r = {
        .mechanism = mechanism, .response = m->response, .initial = m->flags & SASL_ASK_INITIAL};
    return request(d, x, &r);
}

bool dovecot_continue(struct dovecot *d, struct exchange *x, slice response)
{
    char memory[2 * REQUEST_MAX];
    buf line;
    buf_init_fixed(&line, memory, sizeof memory);
    dovecot_print_continue(&line, x->request, response);
    return send(d, &line);
}

void dovecot_cancel(struct dovecot *d, struct exchange *x)
{
    char memory[64];
    buf line;
    buf_init_fixed(&line, memory, sizeof memory);
    dovecot_print_cancel(&line, x->request);
    x->request = 0;
    (void)send(d, &line);
}
