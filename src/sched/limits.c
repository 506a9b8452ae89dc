/* SPDX-License-Identifier: ISC */
#include "sched/limits.h"

#include <stdatomic.h>

#define ROWS 32768u
#define AUTH_ROWS 16384u
#define AUTH_WINDOW_S (15 * 60)

struct region {
    struct hash_key key;
    _Atomic uint32_t sessions[LIMITS_COLUMNS];
    _Atomic uint16_t address_sessions[2][ROWS][LIMITS_COLUMNS];
    _Atomic uint32_t address_rate[2][ROWS];
    _Atomic uint32_t auth[2][AUTH_ROWS];
};

size_t limits_region_size(void)
{
    return sizeof(struct region);
}

void limits_region_init(void *memory, struct hash_key key)
{
    struct region *r = memory;
    r->key = key;
}

void limits_column_clear(void *memory, uint32_t column)
{
    struct region *r = memory;
    if (column >= LIMITS_COLUMNS)
        return;
    atomic_store(&r->sessions[column], 0);
    for (size_t side = 0; side < 2; side++) {
        for (size_t row = 0; row < ROWS; row++) {
            /* Untouched pages stay untouched: reading a zero page costs no memory, writing it would. */
            if (atomic_load(&r->address_sessions[side][row][column]) != 0)
                atomic_store(&r->address_sessions[side][row][column], 0);
        }
    }
}

/* The two rows of an address: halves of one hash. */
struct rows {
    uint32_t at[2];
};

static struct rows rows_of(const struct region *r, slice key, uint32_t count)
{
    uint64_t h = hash_siphash(r->key, key);
    return (struct rows){{(uint32_t)h % count, (uint32_t)(h >> 32) % count}};
}

static slice network_of(slice ip)
{
    return ip.len == 16 ? slice_sub(ip, 0, 8) : ip;
}

static uint32_t address_sessions(const struct region *r, const struct rows *rows)
{
    uint32_t least = UINT32_MAX;
    for (size_t side = 0; side < 2; side++) {
        uint32_t sum = 0;
        for (size_t column = 0; column < LIMITS_COLUMNS; column++)
            sum += atomic_load_explicit(&r->address_sessions[side][rows->at[side]][column], memory_order_relaxed);
        if (sum < least)
            least = sum;
    }
    return least;
}

/* Adds one to a word of (window number, count); the count after it. The window is kept in 12 bits, the count stops at 2^20 - 1. */
static uint32_t window_add(_Atomic uint32_t *word, uint32_t window)
{
    uint32_t old = atomic_load(word);
    for (;;) {
        uint32_t count = old >> 20 == (window & 0xfff) ? old & 0xfffff : 0;
        if (count < 0xfffff)
            count++;
        if (atomic_compare_exchange_weak(word, &old, (window & 0xfff) << 20 | count))
            return count;
    }
}

static uint32_t window_count(const _Atomic uint32_t *word, uint32_t window)
{
    uint32_t v = atomic_load(word);
    return v >> 20 == (window & 0xfff) ? v & 0xfffff : 0;
}

static uint32_t rate_add(struct region *r, const struct rows *rows, int64_t now_s)
{
    uint32_t minute = (uint32_t)(now_s / 60);
    uint32_t a = window_add(&r->address_rate[0][rows->at[0]], minute);
    uint32_t b = window_add(&r->address_rate[1][rows->at[1]], minute);
    return a < b ? a : b;
}

uint32_t limits_sessions(const void *memory)
{
    const struct region *r = memory;
    uint32_t sum = 0;
    for (size_t column = 0; column < LIMITS_COLUMNS; column++)
        sum += atomic_load_explicit(&r->sessions[column], memory_order_relaxed);
    return sum;
}

enum limits_answer limits_session_begin(void *memory, uint32_t column, const struct limits_config *c, slice ip,
                                        int64_t now_s)
{
    struct region *r = memory;
    if (c->sessions && limits_sessions(memory) >= c->sessions)
        return LIMITS_SESSIONS;
    if (ip.len > 0) {
        struct rows rows = rows_of(r, network_of(ip), ROWS);
        if (c->connections_per_minute && rate_add(r, &rows, now_s) > c->connections_per_minute)
            return LIMITS_RATE;
        if (c->sessions_per_address && address_sessions(r, &rows) >= c->sessions_per_address)
            return LIMITS_ADDRESS;
        for (size_t side = 0; side < 2; side++)
            atomic_fetch_add(&r->address_sessions[side][rows.at[side]][column], 1);
    }
    atomic_fetch_add(&r->sessions[column], 1);
    return LIMITS_OK;
}

void limits_session_end(void *memory, uint32_t column, slice ip)
{
    struct region *r = memory;
    atomic_fetch_sub(&r->sessions[column], 1);
    if (ip.len == 0)
        return;
    struct rows rows = rows_of(r, network_of(ip), ROWS);
    for (size_t side = 0; side < 2; side++)
        atomic_fetch_sub(&r->address_sessions[side][rows.at[side]][column], 1);
}

static uint32_t auth_window(int64_t now_s)
{
    return (uint32_t)(now_s / AUTH_WINDOW_S);
}

static bool auth_over(const struct region *r, uint32_t limit, slice key, int64_t now_s)
{
    if (key.len == 0)
        return false;
    struct rows rows = rows_of(r, key, AUTH_ROWS);
    uint32_t a = window_count(&r->auth[0][rows.at[0]], auth_window(now_s));
    uint32_t b = window_count(&r->auth[1][rows.at[1]], auth_window(now_s));
    return (a < b ? a : b) >= limit;
}

bool limits_auth_locked(const void *memory, const struct limits_config *c, slice ip, slice login, int64_t now_s)
{
    const struct region *r = memory;
    if (!c->auth_failures)
        return false;
    return auth_over(r, c->auth_failures, network_of(ip), now_s) || auth_over(r, c->auth_failures, login, now_s);
}

void limits_auth_failed(void *memory, slice ip, slice login, int64_t now_s)
{
    struct region *r = memory;
    slice keys[2] = {network_of(ip), login};
    for (size_t i = 0; i < 2; i++) {
        if (keys[i].len == 0)
            continue;
        struct rows rows = rows_of(r, keys[i], AUTH_ROWS);
        for (size_t side = 0; side < 2; side++)
            (void)window_add(&r->auth[side][rows.at[side]], auth_window(now_s));
    }
}
