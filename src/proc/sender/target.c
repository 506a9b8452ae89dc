/* SPDX-License-Identifier: ISC */
/* Where to connect: a fixed address, a unix socket, or what lookup answers for a host or for a domain's MX. */
#include "proc/sender/state.h"

#define TARGETS_MS (5 * 60 * 1000)
#define ASK_MS (60 * 1000)
#define HOSTS_MAX 32u
#define ADDRESSES_MAX 64u /* of a host */

/* Sessions go on with the host that they have, if it is still one; jobs may try all again, as often as they may move. */
static void sessions_reindex(struct destination *d)
{
    LIST_FOREACH(l, &d->sessions) {
        struct session *x = LIST_ENTRY(l, struct session, link);
        uint32_t at = 0;
        while (d->targets && at < d->target_count && memcmp(&d->targets[at].address, &x->address, sizeof x->address))
            at++;
        x->stale = at >= d->target_count;
        x->target = x->stale ? 0 : at;
    }
    LIST_FOREACH(l, &d->jobs)
        LIST_ENTRY(l, struct job, link)->target_first = 0;
}

static void targets_set(struct sender *s, struct destination *d)
{
    d->targets_until_ms = loop_now_ms(s->child.loop) + TARGETS_MS;
    d->target_first = 0;
    sessions_reindex(d);
}

/* An address that a stranger's mail names is no better than an MX: never ourselves or loopback. What the admin wrote may be anywhere. */
static bool by_stranger(const struct destination *d)
{
    return !d->hop.owner && (!d->hop.override || d->hop.override->host.len == 0);
}

/* False when the host is a name. */
static bool literal(struct sender *s, struct destination *d, slice host, enum status *status_r)
{
    uint8_t ip[16];
    size_t len;
    if (address_ip_parse(host, ip, &len) != ERR_OK)
        return false;
    arena_reset(&d->target_arena);
    d->targets = &d->target_one;
    struct mx_address address = {.ip_len = (uint8_t)len};
    memcpy(address.ip, ip, len);
    const struct mx_host one = {.name = host, .addresses = &address, .address_count = 1};
    struct mx_order to = {.targets = d->targets, .max = 1, .count = 1};
    *status_r = STATUS_OK;
    if (by_stranger(d))
        *status_r = mx_order(&one, 1, &s->self, 0, &to);
    else
        d->targets[0] = (struct mx_target){host, address};
    d->target_count = *status_r == STATUS_OK ? to.count : 0;
    return true;
}

static slice token_key(const struct destination *d)
{
    return slice_of(&d->asking, sizeof d->asking);
}

void sender_targets_forget(struct sender *s, struct destination *d)
{
    if (d->asking)
        (void)table_remove(&s->destination_by_token, token_key(d));
    list_remove(&d->asks);
    d->asking = 0;
}

static void ask(struct sender *s, struct destination *d)
{
    struct hub_peer *lookup = ipc_hub_find(s->child.hub, PROCESS_LOOKUP);
    sender_targets_forget(s, d);
    d->asking = ++s->token;
    list_push(&s->asking, &d->asks);
    if (table_put(&s->destination_by_token, token_key(d), d) != ERR_OK)
        lookup = NULL; /* The answer would not find us: it is as if none came. */
    d->asked_us = os_now_us();
    d->asking_until_ms = loop_now_ms(s->child.loop) + ASK_MS;
    if (!lookup)
        return; /* It is being restarted: peer_up asks again. */
    struct ipc_message m = {.fd = -1};
    if (d->hop.host.len > 0) {
        m.type = IPC_ask_host;
        m.u.ask_host.token = d->asking;
        m.u.ask_host.name = d->hop.host;
    } else {
        m.type = IPC_ask_mx;
        m.u.ask_mx.token = d->asking;
        m.u.ask_mx.domain = d->hop.domain;
    }
    ipc_hub_send(s->child.hub, lookup, &m);
}

void sender_targets_ask_again(struct sender *s)
{
    struct list old;
    list_init(&old);
    for (struct list *l = list_pop(&s->asking); l; l = list_pop(&s->asking))
        list_push(&old, l);
    for (struct list *l = list_pop(&old); l; l = list_pop(&old))
        ask(s, LIST_ENTRY(l, struct destination, asks));
}

void sender_targets_sweep(struct sender *s)
{
    int64_t now_ms = loop_now_ms(s->child.loop);
    while (!list_empty(&s->asking)) {
        struct destination *d = LIST_ENTRY(s->asking.next, struct destination, asks);
        if (now_ms <= d->asking_until_ms)
            return;
        struct verdict v = status_verdict(STATUS_DNS_TEMPORARY);
        sender_targets_forget(s, d);
        sender_destination_down(s, d, &v, SLICE_NONE, false);
    }
}

static enum status unix_target(struct destination *d)
{
    struct socket_address to;
    if (d->hop.unix_path.len >= sizeof to.path)
        return STATUS_LOCAL_ERROR;
    d->target_count = 1;
    return STATUS_OK;
}

bool sender_targets_ready(struct sender *s, struct destination *d)
{
    if (d->targets_until_ms > loop_now_ms(s->child.loop) && d->target_count > 0)
        return true;
    if (d->asking)
        return false;
    enum status status;
    if (d->hop.unix_path.len > 0) {
        status = unix_target(d);
    } else if (!literal(s, d, d->hop.host.len > 0 ? d->hop.host : d->hop.domain, &status)) {
        ask(s, d);
        return false;
    }
    if (status == STATUS_OK) {
        targets_set(s, d);
        return true;
    }
    struct verdict v = status_verdict(status);
    sender_destination_down(s, d, &v, SLICE_NONE, false);
    return false;
}

/* Takes n bytes off the front; an answer of our own process is still only input. */
static bool take(slice *in, size_t n, slice *out_r)
{
    if (in->len < n)
        return false;
    *out_r = slice_sub(*in, 0, n);
    *in = slice_skip(*in, n);
    return true;
}

static bool take_u16(slice *in, uint16_t *v_r)
{
    slice raw;
    if (!take(in, 2, &raw))
        return false;
    *v_r = get_u16(raw.ptr);
    return true;
}

static bool address_read(slice *in, struct mx_address *address)
{
    slice raw;
    if (!take(in, 1, &raw))
        return false;
    uint8_t len = (uint8_t)raw.ptr[0];
    if ((len != 4 && len != 16) || !take(in, len, &raw))
        return false;
    memcpy(address->ip, raw.ptr, len);
    address->ip_len = len;
    return true;
}

static bool host_read(slice *in, struct arena *arena, struct mx_host *host)
{
    uint16_t name_len, count;
    slice name;
    if (!take_u16(in, &host->preference) || !take_u16(in, &name_len) || !take(in, name_len, &name) ||
        !take_u16(in, &count))
        return false;
    size_t kept = count < ADDRESSES_MAX ? count : ADDRESSES_MAX;
    struct mx_address *addresses = arena_array(arena, kept ? kept : 1, sizeof *addresses);
    if (!addresses || arena_copy(arena, name, &host->name) != ERR_OK)
        return false;
    struct mx_address more;
    for (size_t i = 0; i < count; i++) {
        if (!address_read(in, i < kept ? &addresses[i] : &more))
            return false;
    }
    host->addresses = addresses;
    host->address_count = kept;
    return true;
}

/* A fixed host (a gateway, a smarthost) may be anywhere, on loopback too, and may be ourselves: the admin wrote it. */
static enum status fixed_order(const struct mx_host *hosts, size_t count, slice name, struct mx_order *to)
{
    to->count = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < hosts[i].address_count && to->count < to->max; k++)
            to->targets[to->count++] = (struct mx_target){name, hosts[i].addresses[k]};
    }
    return to->count > 0 ? STATUS_OK : STATUS_HOST_UNKNOWN;
}

static enum status keep(struct destination *d, const struct mx_order *found)
{
    d->targets = arena_array(&d->target_arena, found->count, sizeof *d->targets);
    if (!d->targets)
        return STATUS_DNS_TEMPORARY;
    memcpy(d->targets, found->targets, found->count * sizeof *d->targets);
    d->target_count = found->count;
    return STATUS_OK;
}

static enum status order(struct sender *s, struct destination *d, slice in)
{
    struct mx_host hosts[HOSTS_MAX];
    struct mx_target targets[TARGETS_MAX];
    struct mx_order to = {.targets = targets, .max = TARGETS_MAX};
    size_t count = 0;
    for (; in.len > 0 && count < HOSTS_MAX; count++) {
        if (!host_read(&in, &d->target_arena, &hosts[count]))
            return STATUS_DNS_TEMPORARY;
    }
    enum status status;
    if (d->hop.host.len > 0) {
        status = fixed_order(hosts, count, d->hop.host, &to);
    } else {
        uint32_t seed;
        os_random(&seed, sizeof seed);
        status = mx_order(hosts, count, &s->self, seed, &to);
    }
    return status == STATUS_OK ? keep(d, &to) : status;
}

static enum status judge(struct sender *s, struct destination *d, const struct ipc_answer_mx *a)
{
    arena_reset(&d->target_arena);
    d->targets = NULL;
    d->target_count = 0;
    switch ((enum lookup_status)a->status) {
    case LOOKUP_FOUND:
        return order(s, d, a->hosts);
    case LOOKUP_NONE:
        /* A smarthost that cannot be found is our own fault, not the recipient's. */
        return d->hop.host.len > 0 ? STATUS_DNS_TEMPORARY : STATUS_HOST_UNKNOWN;
    case LOOKUP_NULL_MX:
        return STATUS_NULL_MX;
    case LOOKUP_TEMPORARY:
        break;
    }
    return STATUS_DNS_TEMPORARY;
}

void sender_targets_answer(struct sender *s, const struct ipc_answer_mx *a)
{
    struct destination *d = table_get(&s->destination_by_token, slice_of(&a->token, sizeof a->token));
    if (!d)
        return;
    enum status status = judge(s, d, a);
    sender_targets_forget(s, d);
    d->dns_ms = (uint32_t)((os_now_us() - d->asked_us) / 1000);
    if (status == STATUS_OK) {
        targets_set(s, d);
        sender_destination_pump(s, d);
        return;
    }
    struct verdict v = status_verdict(status);
    /* A fixed host without an address may have one tomorrow. */
    if (d->hop.host.len > 0 && verdict_class(&v) == VERDICT_PERMANENT)
        v = status_verdict(STATUS_DNS_TEMPORARY);
    sender_destination_down(s, d, &v, SLICE_NONE, false);
}

void sender_targets_self_init(struct sender *s)
{
    s->self.hostname = s->conf->route.hostname;
    s->self.addresses = s->self_addresses;
    s->self.address_count = child_own_addresses(s->conf, s->self_addresses, 64);
}
