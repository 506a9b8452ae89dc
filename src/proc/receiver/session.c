/* SPDX-License-Identifier: ISC */
/* A connection and its engine. All input goes through session_drive: events are taken, the engine is fed, what it must not have yet is stashed and the connection
 * paused. Replies of one drive leave in one write. */
#include "proc/receiver/state.h"

#define STASH_MAX (512u << 10)
#define HANDSHAKE_MS 60000
#define LAST_WRITE_MS 10000
#define UNREAD_MAX (64u << 10) /* output that the client does not read: its input waits */
#define FREE_SESSIONS_MAX 256u
#define TARPIT_FREE 10 /* errors */
#define TARPIT_STEPS_MAX 5

void session_wait(struct session *s, enum session_wait wait, int64_t for_ms)
{
    s->wait = wait;
    s->wait_until_ms = for_ms > 0 ? receiver_now_ms(s->r) + for_ms : INT64_MAX;
}

void session_answer(struct session *s, const struct verdict *v)
{
    s->wait = WAIT_NONE;
    s->wait_until_ms = INT64_MAX;
    smtp_server_answer(s->smtp, receiver_now_ms(s->r), v);
}

void session_answer_status(struct session *s, enum status status)
{
    struct verdict v = status_verdict(status);
    session_answer(s, &v);
}

static void write_output(struct session *s)
{
    slice out = smtp_server_output(s->smtp);
    if (out.len == 0)
        return;
    enum err e = s->quits ? net_write_last(s->net, out) : net_write(s->net, out);
    s->broken = s->broken || e != ERR_OK;
    smtp_server_sent(s->smtp, out.len);
    s->blocked = !s->broken && net_write_pending(s->net) > UNREAD_MAX;
}

bool session_is_submission(const struct session *s)
{
    const struct conf_listener *c = s->listener->conf;
    return c && c->role == CONF_LISTEN_SUBMISSION;
}

struct admission session_admission(const struct session *s)
{
    return (struct admission){s->r->conf, s->r->routes, s->listener->conf, &s->route};
}

void session_start_tls(struct session *s)
{
    write_output(s);
    session_wait(s, WAIT_HANDSHAKE, HANDSHAKE_MS);
    bool asks = s->r->tls_asking && session_is_submission(s);
    s->broken = s->broken || net_start_tls_server(s->net, asks ? s->r->tls_asking : s->r->tls) != ERR_OK;
}

/* Neither events nor input are for the engine now. */
static bool is_shut(const struct session *s)
{
    return s->wait == WAIT_HANDSHAKE || s->wait == WAIT_TARPIT;
}

static bool is_held_up(const struct session *s)
{
    return s->over || s->congested || s->blocked || is_shut(s) || smtp_server_waits(s->smtp);
}

/* Takes events and feeds until something holds it up; what is left of the input. */
static slice run(struct session *s, slice in)
{
    struct smtp_server_event e;
    for (;;) {
        while (!s->over && !is_shut(s) && smtp_server_next(s->smtp, &e))
            event_take(s, &e);
        if (in.len == 0 || is_held_up(s))
            return in;
        size_t used = 0;
        enum err err = smtp_server_feed(s->smtp, receiver_now_ms(s->r), in, &used);
        in = slice_skip(in, used);
        if (err != ERR_OK || used > 0)
            continue; /* an error is an event, too */
        if (smtp_server_output(s->smtp).len == 0)
            return in;
        write_output(s);
    }
}

static void run_lost(struct session *s)
{
    s->wait = WAIT_NONE;
    smtp_server_lost(s->smtp);
    (void)run(s, SLICE_NONE);
    s->over = true;
}

/* Its engine stays with it. A rush leaves no more behind than the next one needs at its start. */
static void session_free(struct session *s)
{
    struct receiver *r = s->r;
    if (s->smtp)
        smtp_server_rest(s->smtp);
    if (r->free_session_count == FREE_SESSIONS_MAX) {
        smtp_server_close(&s->smtp);
        free(s);
        return;
    }
    list_push_front(&r->free_sessions, &s->link);
    r->free_session_count++;
}

static void end(struct session *s)
{
    struct receiver *r = s->r;
    if (s->broken)
        net_close(&s->net);
    else if (s->net)
        net_close_after_write(&s->net, LAST_WRITE_MS);
    transaction_abort(s);
    verify_abort(s);
    auth_forget(s);
    peer_forget(s);
    free(s->claimed_login);
    free(s->name.more);
    free(s->helo.more);
    ask_cancel(s);
    if (s->storing)
        s->storing->session = NULL;
    if (s->counted)
        limits_session_end(r->start->shared, r->start->slot, slice_of(s->route.ip, s->route.ip_len));
    buf_deinit(&s->stash);
    list_remove(&s->link);
    session_free(s);
    r->session_count--;
    receiver_end_if_drained(r);
}

static void keep_input(struct session *s, slice rest)
{
    if (rest.len > 0)
        buf_append(&s->stash, rest);
    s->broken = s->broken || !buf_ok(&s->stash);
    bool pause = rest.len > 0 || s->congested || s->blocked || s->wait == WAIT_TARPIT;
    if (pause == s->paused)
        return;
    s->paused = pause;
    net_pause(s->net, pause);
}

/* Who makes many errors waits for the reply to each; strangers do, and nobody whom we know. One wait a drive, however many errors were in it: a session cannot be made to keep us
 * busy with waiting. */
static bool tarpit_holds(struct session *s)
{
    int64_t step_ms = s->r->conf->limits.tarpit_ms;
    uint32_t errors = smtp_server_errors(s->smtp), before = s->errors_seen;
    const struct conf_listener *c = s->listener->conf;
    if (s->wait == WAIT_TARPIT)
        return true;
    if (s->wait != WAIT_NONE)
        return false;
    s->errors_seen = errors;
    if (errors <= before || errors <= TARPIT_FREE || step_ms == 0)
        return false;
    if (!c || c->role == CONF_LISTEN_LMTP || s->route.login.len > 0)
        return false;
    uint32_t steps = errors - TARPIT_FREE;
    session_wait(s, WAIT_TARPIT, step_ms * (steps < TARPIT_STEPS_MAX ? steps : TARPIT_STEPS_MAX));
    return true;
}

static void drive(struct session *s, slice in)
{
    slice rest = run(s, in);
    if (!s->over && !s->broken && tarpit_holds(s)) {
        keep_input(s, rest);
        return;
    }
    write_output(s);
    /* a client that has sent all and closed its side still gets the answers */
    bool done = s->eof && rest.len == 0 && !is_held_up(s);
    if (!s->over && (done || s->broken))
        run_lost(s);
    if (s->over) {
        if (!s->broken)
            write_output(s);
        end(s);
        return;
    }
    keep_input(s, rest);
}

void session_resume(struct session *s)
{
    buf work = s->stash;
    buf_init(&s->stash, STASH_MAX);
    drive(s, buf_slice(&work));
    buf_deinit(&work);
}

static void on_data(void *ctx, slice in)
{
    struct session *s = ctx;
    s->active_ms = receiver_now_ms(s->r);
    if (s->wait == WAIT_PREGREET) {
        log_pregreet(s);
        session_answer_status(s, STATUS_PREGREET);
    }
    if (s->stash.len == 0) {
        drive(s, in);
        return;
    }
    buf_append(&s->stash, in);
    s->broken = s->broken || !buf_ok(&s->stash);
}

static void on_drained(void *ctx)
{
    struct session *s = ctx;
    if (!s->blocked)
        return;
    s->blocked = false;
    session_resume(s);
}

static void on_secured(void *ctx)
{
    struct session *s = ctx;
    s->wait = WAIT_NONE;
    s->wait_until_ms = INT64_MAX;
    /* implicit TLS: the engine was told when it was made, and its greeting waits */
    if (!smtp_server_is_secured(s->smtp)) {
        smtp_server_secured(s->smtp, receiver_now_ms(s->r));
        peer_permit(s);
    }
    auth_offer(s);
    session_resume(s);
}

static void on_closed(void *ctx, enum err why)
{
    struct session *s = ctx;
    if (why == ERR_TLS)
        log_tls_failed(s, net_tls_error(s->net));
    s->eof = true;
    s->broken = s->broken || why != ERR_CLOSED || s->wait == WAIT_HANDSHAKE;
    session_resume(s);
}

static const struct net_ops net_ops = {
    .data = on_data, .drained = on_drained, .secured = on_secured, .closed = on_closed};

static struct session *session_new(struct receiver *r)
{
    struct list *free_one = list_pop(&r->free_sessions);
    struct session *s = free_one ? LIST_ENTRY(free_one, struct session, link) : malloc(sizeof(*s));
    r->free_session_count -= free_one != NULL;
    if (!s)
        return NULL;
    struct smtp_server *engine = free_one ? s->smtp : NULL;
    memset(s, 0, sizeof(*s));
    s->smtp = engine;
    list_init(&s->link);
    buf_init(&s->stash, STASH_MAX);
    s->r = r;
    s->wait_until_ms = INT64_MAX;
    s->active_ms = receiver_now_ms(r);
    s->verb = "CONNECT";
    return s;
}

void session_text_set(struct session_text *t, slice text)
{
    free(t->more);
    text = slice_sub(text, 0, RECEIVER_NAME_MAX - 1);
    t->more = text.len > sizeof(t->kept) ? malloc(text.len) : NULL;
    t->len = (uint8_t)(t->more || text.len < sizeof(t->kept) ? text.len : sizeof(t->kept));
    if (t->len > 0)
        memcpy(t->more ? t->more : t->kept, text.ptr, t->len);
}

void session_set_address(struct session *s, const uint8_t *ip, uint8_t ip_len)
{
    buf b;
    buf_init_fixed(&b, s->ip_text, sizeof(s->ip_text));
    s->route.ip_len = ip_len;
    memcpy(s->route.ip, ip, ip_len);
    if (ip_len > 0)
        address_ip_print(&b, ip, ip_len);
    else
        buf_append(&b, SLICE("unknown"));
    s->ip_text_len = (uint8_t)b.len;
    ask_cancel_name(s);
    s->name_known = false;
    if (ip_len > 0)
        name_find(s);
    else
        name_told(s, SLICE_NONE);
}

static void set_peer(struct session *s, const struct socket_address *peer)
{
    buf b;
    char name[32];
    s->route.local_socket = !s->listener->conf;
    s->route.own_only = s->listener->options.lmtp;
    if (peer->ip_len > 0) {
        session_set_address(s, peer->ip, peer->ip_len);
        return;
    }
    uint32_t uid, pid;
    buf_init_fixed(&b, s->ip_text, sizeof(s->ip_text));
    buf_append(&b, SLICE("local"));
    s->ip_text_len = (uint8_t)b.len;
    buf_init_fixed(&b, name, sizeof(name));
    if (socket_peer_user(net_fd(s->net), &uid, &pid) == ERR_OK)
        buf_printf(&b, "uid-%u", uid);
    else
        buf_append(&b, SLICE("unknown"));
    session_text_set(&s->name, buf_slice(&b));
    s->name_known = true;
}

/* False: nothing can be said to this client. */
static bool set_up(struct session *s, int fd)
{
    struct receiver *r = s->r;
    const struct conf_listener *c = s->listener->conf;
    bool implicit = c && c->tls == CONF_TLS_IMPLICIT;
    if (implicit && s->refusal != STATUS_OK) {
        os_close(&fd);
        return false;
    }
    if (s->smtp) {
        smtp_server_renew(s->smtp, &s->listener->options, receiver_now_ms(r));
    } else if (smtp_server_open(&s->listener->options, receiver_now_ms(r), &s->smtp) != ERR_OK) {
        os_close(&fd);
        return false;
    }
    if (net_accept(r->child.loop, fd, &net_ops, s, &s->net) != ERR_OK)
        return false;
    if (!c || implicit)
        smtp_server_start_secured(s->smtp);
    if (s->listener->options.auth_plaintext_ok)
        auth_offer(s);
    return true;
}

void session_accept(const struct listener *l, int fd, const struct session_peer *peer, enum status refusal)
{
    struct receiver *r = l->r;
    struct session *s = session_new(r);
    if (s) {
        s->listener = l;
        s->refusal = refusal;
    }
    if (!s || !set_up(s, fd)) {
        if (!s)
            os_close(&fd);
        if (refusal == STATUS_OK)
            limits_session_end(r->start->shared, r->start->slot, slice_of(peer->address.ip, peer->address.ip_len));
        if (s)
            session_free(s);
        return;
    }
    s->counted = refusal == STATUS_OK;
    list_push(&r->sessions, &s->link);
    r->session_count++;
    sessions_sweep_start(r);
    set_peer(s, &peer->address);
    s->is_proxy = peer->is_proxy;
    s->route.own_only = s->route.own_only || peer->is_proxy;
    peer_permit(s);
    smtp_server_clock(s->smtp, receiver_now_ms(r), os_wall_s());
    if (r->hurry < 100)
        smtp_server_hurry(s->smtp, r->hurry);
    if (l->conf && l->conf->tls == CONF_TLS_IMPLICIT)
        session_start_tls(s);
    drive(s, SLICE_NONE);
}

void sessions_close(struct receiver *r)
{
    struct list *l;
    while ((l = list_pop(&r->sessions))) {
        struct session *s = LIST_ENTRY(l, struct session, link);
        s->broken = true;
        end(s);
    }
    while ((l = list_pop(&r->free_sessions))) {
        struct session *s = LIST_ENTRY(l, struct session, link);
        smtp_server_close(&s->smtp);
        free(s);
    }
    while ((l = list_pop(&r->free_storings)))
        free(LIST_ENTRY(l, struct storing, link));
}
