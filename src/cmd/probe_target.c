/* SPDX-License-Identifier: ISC */
#include "cmd/probe.h"

#define PORT_SMTP 25
#define PORT_SMTPS 465
#define PORT_LMTP 24

static bool read_path(slice path, struct probe_target *t)
{
    buf to;
    buf_init_fixed(&to, t->address.path, sizeof t->address.path - 1);
    buf_append(&to, path);
    t->kind = PROBE_TARGET_UNIX;
    t->host = path;
    return path.len > 0 && buf_ok(&to) && !memchr(path.ptr, 0, path.len);
}

static bool read_port(slice text, struct probe_target *t)
{
    uint64_t value;
    if (slice_to_u64(text, 65535, &value) != ERR_OK || value == 0)
        return false;
    t->port = (uint16_t)value;
    t->port_given = true;
    return true;
}

/* "[2001:db8::1]:25", "[192.0.2.1]". */
static bool read_bracketed(slice text, struct probe_target *t)
{
    ptrdiff_t end = slice_find_char(text, ']');
    slice rest = end < 0 ? SLICE_NONE : slice_skip(text, (size_t)end + 1);
    if (end < 0 || (rest.len > 0 && rest.ptr[0] != ':') || (rest.len > 0 && !read_port(slice_skip(rest, 1), t)))
        return false;
    t->host = slice_sub(text, 1, (size_t)end);
    t->kind = PROBE_TARGET_ADDRESS;
    return socket_address_parse(t->host, t->port, &t->address) == ERR_OK;
}

static bool read_host(slice text, struct probe_target *t)
{
    if (text.len > 0 && text.ptr[0] == '[')
        return read_bracketed(text, t);
    if (socket_address_parse(text, t->port, &t->address) == ERR_OK) {
        t->host = text;
        t->kind = PROBE_TARGET_ADDRESS;
        return true;
    }
    slice host = text, port;
    bool has_port = slice_cut(text, ':', &host, &port);
    if (has_port && !read_port(port, t))
        return false;
    t->host = host;
    t->kind = has_port ? PROBE_TARGET_HOST : PROBE_TARGET_DOMAIN;
    if (socket_address_parse(host, t->port, &t->address) == ERR_OK)
        t->kind = PROBE_TARGET_ADDRESS;
    return address_domain_valid(host, true);
}

static bool take_prefix(slice *text, slice prefix)
{
    if (!slice_starts_nocase(*text, prefix))
        return false;
    *text = slice_skip(*text, prefix.len);
    return true;
}

static void move_port(struct probe_target *t, uint16_t port)
{
    if (!t->port_given)
        t->port = t->address.port = port;
    if (t->kind == PROBE_TARGET_DOMAIN)
        t->kind = PROBE_TARGET_HOST;
}

/* MX is for port 25 only. */
void probe_target_lmtp(struct probe_target *t)
{
    t->lmtp = true;
    move_port(t, PORT_LMTP);
}

void probe_target_smtps(struct probe_target *t)
{
    t->smtps = true;
    move_port(t, PORT_SMTPS);
}

enum err probe_target_read(slice text, struct probe_target *target_r)
{
    struct probe_target t = {.port = PORT_SMTP};
    bool smtps = take_prefix(&text, SLICE("smtps://"));
    bool lmtp = !smtps && (take_prefix(&text, SLICE("lmtp://")) || take_prefix(&text, SLICE("lmtp:")));
    (void)(smtps || lmtp || take_prefix(&text, SLICE("smtp://")));
    if (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    bool good = take_prefix(&text, SLICE("unix:")) ? read_path(text, &t) : read_host(text, &t);
    if (!good)
        return ERR_SYNTAX;
    if (smtps)
        probe_target_smtps(&t);
    if (lmtp)
        probe_target_lmtp(&t);
    *target_r = t;
    return ERR_OK;
}

bool probe_is_loopback(const struct socket_address *a)
{
    static const uint8_t one[16] = {[15] = 1};
    return a->ip_len == 0 || (a->ip_len == 4 ? a->ip[0] == 127 : memcmp(a->ip, one, 16) == 0);
}
