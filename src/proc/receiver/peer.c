/* SPDX-License-Identifier: ISC */
/* For whom a session speaks, when a trusted peer tells: XCLIENT replaces the client for policy, limits, logs and trace; XFORWARD only tells where the next message came from. And what a session
 * may do by where it comes from, which has to be said again whenever that or the engine's memory of it changes. */
#include "proc/receiver/state.h"

static bool is_in(const struct conf_peers *peers, const struct session *s)
{
    return !s->is_proxy && route_networks_contain(peers->networks, peers->count, s->route.ip, s->route.ip_len);
}

/* Jobs are root's and the server's own user's (thurn batch). Anybody else's mail must not pass for a part of one: it would be taken for a line of the job that has been sent, or be released with it. */
static bool may_tag(const struct session *s)
{
    uint32_t uid, pid;
    return socket_peer_user(net_fd(s->net), &uid, &pid) == ERR_OK && (uid == 0 || uid == os_uid());
}

void peer_permit(struct session *s)
{
    const struct conf_trust *trust = &s->r->conf->trust;
    const struct admission a = session_admission(s);
    if (admission_trusts(&a))
        smtp_server_trust(s->smtp);
    if (!a.listener) {
        if (may_tag(s))
            smtp_server_permit(s->smtp, SMTP_PERMIT_TAG);
        return;
    }
    uint32_t permits = is_in(&trust->xclient, s) ? SMTP_PERMIT_XCLIENT : 0U;
    permits |= is_in(&trust->xforward, s) ? SMTP_PERMIT_XFORWARD : 0U;
    if (permits)
        smtp_server_permit(s->smtp, permits);
}

static bool is_given(const struct smtp_peer_attributes *p, enum smtp_peer_attribute a)
{
    return p->given & 1U << a;
}

/* ip_len_r: 0 for an address that the peer does not know. */
static bool read_address(slice text, uint8_t ip[16], uint8_t *ip_len_r)
{
    size_t len = 0;
    uint8_t told[16];
    if (text.len > 0 && address_ip_parse(text, told, &len) != ERR_OK)
        return false;
    *ip_len_r = (uint8_t)(len > 0 ? address_ip_unmap(told, len, ip) : 0);
    return true;
}

static enum status take_address(struct session *s, const uint8_t *ip, uint8_t ip_len)
{
    struct receiver *r = s->r;
    const slice ips[2] = {slice_of(s->route.ip, s->route.ip_len), slice_of(ip, ip_len)};
    if (s->counted) {
        enum limits_answer a = limits_session_move(r->start->shared, r->start->slot, &r->limits, ips, os_wall_s());
        enum status status = listener_limit(r, a, ips[1]);
        if (status != STATUS_OK)
            return status;
    }
    session_set_address(s, ip, ip_len);
    return STATUS_OK;
}

/* In lower case, as all logins are from when they are known: what is counted of a login is counted of all its spellings. */
static void take_login(struct session *s, slice login)
{
    auth_forget(s);
    if (login.len == 0 || login.len > RECEIVER_NAME_MAX)
        return;
    if (!s->claimed_login)
        s->claimed_login = malloc(RECEIVER_NAME_MAX);
    if (!s->claimed_login)
        return;
    for (size_t i = 0; i < login.len; i++)
        s->claimed_login[i] = ascii_lower(login.ptr[i]);
    s->route.login = slice_of(s->claimed_login, login.len);
}

static void copy_text(slice text, char *to, size_t size, uint8_t *len_r)
{
    text = slice_sub(text, 0, size);
    if (text.len > 0)
        memcpy(to, text.ptr, text.len);
    *len_r = (uint8_t)text.len;
}

void peer_xclient(struct session *s, const struct smtp_peer_attributes *p)
{
    uint8_t ip[16] = {0}, ip_len = 0;
    const slice *v = p->value;
    if (is_given(p, SMTP_PEER_ADDR) && !read_address(v[SMTP_PEER_ADDR], ip, &ip_len)) {
        session_answer_status(s, STATUS_BAD_SYNTAX);
        return;
    }
    enum status status = is_given(p, SMTP_PEER_ADDR) ? take_address(s, ip, ip_len) : STATUS_OK;
    if (status != STATUS_OK) {
        session_answer_status(s, status);
        return;
    }
    transaction_abort(s);
    peer_forget(s);
    if (is_given(p, SMTP_PEER_NAME))
        name_told(s, v[SMTP_PEER_NAME]);
    take_login(s, is_given(p, SMTP_PEER_LOGIN) ? v[SMTP_PEER_LOGIN] : SLICE_NONE);
    session_text_set(&s->helo, is_given(p, SMTP_PEER_HELO) ? v[SMTP_PEER_HELO] : SLICE_NONE);
    s->connect_logged = false;
    s->spoken_for = true;
    session_answer_status(s, STATUS_OK);
    /* the engine has just forgotten both */
    peer_permit(s);
    auth_offer(s);
}

/* What XFORWARD told; texts are "unknown" when the peer said that it does not know. */
struct forward {
    char name[RECEIVER_NAME_MAX], helo[RECEIVER_NAME_MAX], ip[46], protocol[16];
    uint8_t name_len, helo_len, ip_len, protocol_len;
};

static void take_text(const struct smtp_peer_attributes *p, enum smtp_peer_attribute a, char *to, size_t size,
                      uint8_t *len_r)
{
    slice text = p->value[a];
    if (is_given(p, a))
        copy_text(text.len > 0 ? text : SLICE("unknown"), to, size, len_r);
}

void peer_xforward(struct session *s, const struct smtp_peer_attributes *p)
{
    uint8_t ip[16], ip_len;
    if (is_given(p, SMTP_PEER_ADDR) && !read_address(p->value[SMTP_PEER_ADDR], ip, &ip_len)) {
        session_answer_status(s, STATUS_BAD_SYNTAX);
        return;
    }
    if (!s->forward)
        s->forward = calloc(1, sizeof(*s->forward));
    struct forward *f = s->forward;
    if (!f) {
        session_answer_status(s, STATUS_LOCAL_ERROR);
        return;
    }
    take_text(p, SMTP_PEER_NAME, f->name, sizeof(f->name) - 1, &f->name_len);
    take_text(p, SMTP_PEER_ADDR, f->ip, sizeof(f->ip), &f->ip_len);
    take_text(p, SMTP_PEER_HELO, f->helo, sizeof(f->helo) - 1, &f->helo_len);
    take_text(p, SMTP_PEER_PROTO, f->protocol, sizeof(f->protocol), &f->protocol_len);
    session_answer_status(s, STATUS_OK);
}

struct message_origin peer_origin(const struct session *s)
{
    struct message_origin o = {.client_name = session_name(s),
                               .client_ip = session_ip(s),
                               .helo = session_helo(s),
                               .protocol = session_protocol(s),
                               .login = s->route.login};
    const struct forward *f = s->forward;
    if (!f)
        return o;
    if (f->name_len > 0)
        o.client_name = slice_of(f->name, f->name_len);
    if (f->ip_len > 0)
        o.client_ip = slice_of(f->ip, f->ip_len);
    if (f->helo_len > 0)
        o.helo = slice_of(f->helo, f->helo_len);
    if (f->protocol_len > 0)
        o.protocol = slice_of(f->protocol, f->protocol_len);
    return o;
}

void peer_forget(struct session *s)
{
    free(s->forward);
    s->forward = NULL;
}
