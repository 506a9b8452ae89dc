/* SPDX-License-Identifier: ISC */
#include "os/log_limit.h"

#include <arpa/inet.h>

#include "os/clock.h"

#define QUIET_US 10000000
#define SWEEP_US 1000000

void log_limit_init(struct log_limit *l, uint32_t lines)
{
    if (l->key.k0 == 0)
        l->key = os_random_key();
    l->lines = lines;
    l->waiting = 0;
    l->swept_us = 0;
    memset(l->buckets, 0, sizeof l->buckets);
}

/* Whoever has one address of IPv6 has a /64 of them. */
static uint64_t client_hash(const struct log_limit *l, slice client)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char address[16];
    slice who = client;
    if (slice_find_char(client, ':') >= 0 && client.len < sizeof text) {
        memcpy(text, client.ptr, client.len);
        text[client.len] = 0;
        if (inet_pton(AF_INET6, text, address) == 1)
            who = slice_of(address, 8);
    }
    uint64_t hash = hash_siphash(l->key, who);
    return hash ? hash : 1;
}

static void pay(struct log_limit *l, struct log_bucket *b, struct log_left_out *told_r)
{
    *told_r = (struct log_left_out){.address_len = b->address_len, .name_len = b->name_len, .count = b->left_out};
    memcpy(told_r->address, b->address, sizeof b->address);
    memcpy(told_r->name, b->name, sizeof b->name);
    l->waiting -= b->left_out;
    b->left_out = 0;
}

static bool is_of(const struct log_bucket *b, uint64_t client, slice event)
{
    return b->client == client && slice_equal(slice_of(b->name, b->name_len), event);
}

static struct log_bucket *find(struct log_limit *l, uint64_t client, slice event)
{
    struct log_bucket *set = l->buckets[client % LOG_BUCKET_SETS], *oldest = &set[0];
    for (size_t i = 0; i < LOG_BUCKET_WAYS; i++) {
        if (is_of(&set[i], client, event))
            return &set[i];
        if (set[i].last_us < oldest->last_us)
            oldest = &set[i];
    }
    return oldest;
}

static unsigned char keep(char *to, size_t size, slice text)
{
    slice s = slice_sub(text, 0, size);
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    return (unsigned char)s.len;
}

bool log_limit_allow(struct log_limit *l, slice client, slice event, int64_t now_us, struct log_left_out *told_r)
{
    int64_t full = (int64_t)l->lines * 1000;
    told_r->count = 0;
    if (l->lines == 0)
        return true;
    uint64_t who = client_hash(l, client);
    event = slice_sub(event, 0, sizeof l->buckets[0][0].name);
    struct log_bucket *b = find(l, who, event);
    if (!is_of(b, who, event)) {
        pay(l, b, told_r);
        *b = (struct log_bucket){.client = who, .last_us = now_us, .millis = full};
        b->address_len = keep(b->address, sizeof b->address, client);
        b->name_len = keep(b->name, sizeof b->name, event);
    }
    int64_t passed_ms = now_us > b->last_us ? (now_us - b->last_us) / 1000 : 0;
    int64_t millis = passed_ms >= full - b->millis ? full : b->millis + passed_ms;
    b->last_us = now_us;
    b->millis = millis;
    if (millis < 1000) {
        b->left_out++;
        l->waiting++;
        return false;
    }
    b->millis -= 1000;
    if (b->left_out > 0)
        pay(l, b, told_r);
    return true;
}

void log_limit_refill(struct log_limit *l, slice client)
{
    if (l->lines == 0)
        return;
    uint64_t who = client_hash(l, client);
    struct log_bucket *set = l->buckets[who % LOG_BUCKET_SETS];
    for (size_t i = 0; i < LOG_BUCKET_WAYS; i++) {
        if (set[i].client == who)
            set[i].millis = (int64_t)l->lines * 1000;
    }
}

bool log_limit_due(struct log_limit *l, int64_t now_us, bool at_end, struct log_left_out *told_r)
{
    bool too_soon = now_us >= l->swept_us && now_us - l->swept_us < SWEEP_US;
    if (l->waiting == 0 || (too_soon && !at_end))
        return false;
    for (size_t i = 0; i < LOG_BUCKET_SETS * LOG_BUCKET_WAYS; i++) {
        struct log_bucket *b = &l->buckets[i / LOG_BUCKET_WAYS][i % LOG_BUCKET_WAYS];
        bool quiet = now_us < b->last_us || now_us - b->last_us > QUIET_US;
        if (b->left_out > 0 && (quiet || at_end)) {
            pay(l, b, told_r);
            return true;
        }
    }
    l->swept_us = now_us;
    return false;
}
