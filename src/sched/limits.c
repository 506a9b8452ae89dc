/* SPDX-License-Identifier: ISC */
#include "sched/limits.h"

#include <stdatomic.h>

#define ROWS 32768u
#define AUTH_ROWS 16384u
#define USER_ROWS 16384u
#define AUTH_WINDOW_S (15 * 60)
#define USER_WINDOW_S 3600
#define KEY_MAX 352 /* an address and a login */
#define ADDRESS_KEY_MAX 9

/* What is counted of an address: itself, and the network that it is in. */
enum scope { SCOPE_ADDRESS, SCOPE_NETWORK, SCOPES };

enum user_count { USER_MESSAGES, USER_RECIPIENTS, USER_ALARMS, USER_COUNTS };

struct region {
    struct hash_key key;
    _Atomic uint32_t columns; /* those from here on were never counted in */
    _Atomic uint32_t sessions[LIMITS_COLUMNS];
    _Atomic uint16_t address_sessions[SCOPES][2][ROWS][LIMITS_COLUMNS];
    _Atomic uint32_t address_rate[SCOPES][2][ROWS];
    _Atomic uint32_t auth[2][AUTH_ROWS];
    _Atomic uint32_t user[USER_COUNTS][2][USER_ROWS];
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
    for (size_t i = 0; i < (size_t)SCOPES * 2 * ROWS; i++) {
        _Atomic uint16_t *count = &r->address_sessions[i / (2 * ROWS)][i / ROWS % 2][i % ROWS][column];
        /* Untouched pages stay untouched: reading a zero page costs no memory, writing it would. */
        if (atomic_load(count) != 0)
            atomic_store(count, 0);
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

/* What counts as one address: a host has a whole /64 of IPv6. */
static slice address_of(slice ip)
{
    return ip.len == 16 ? slice_sub(ip, 0, 8) : ip;
}

static slice key_of(slice ip, enum scope scope)
{
    if (scope == SCOPE_ADDRESS)
        return address_of(ip);
    return slice_sub(ip, 0, ip.len == 16 ? 6 : 3);
}

static uint32_t factor_of(enum scope scope)
{
    return scope == SCOPE_NETWORK ? LIMITS_NETWORK_FACTOR : 1;
}

/* Of all that is counted of an address; ip.len > 0. */
struct address_rows {
    struct rows of[SCOPES];
};

static struct address_rows address_rows(const struct region *r, slice ip)
{
    struct address_rows rows;
    for (enum scope scope = SCOPE_ADDRESS; scope < SCOPES; scope++)
        rows.of[scope] = rows_of(r, key_of(ip, scope), ROWS);
    return rows;
}

/* Both its rows count that many: one alone may be another's. */
static bool has_sessions(const struct region *r, enum scope scope, const struct rows *rows, uint64_t many)
{
    uint32_t columns = atomic_load_explicit(&r->columns, memory_order_relaxed);
    for (size_t side = 0; side < 2; side++) {
        uint32_t sum = 0;
        for (size_t column = 0; column < columns; column++)
            sum +=
                atomic_load_explicit(&r->address_sessions[scope][side][rows->at[side]][column], memory_order_relaxed);
        if (sum < many)
            return false;
    }
    return true;
}

/* Adds to a word of (window number, count); the count after it. The window is kept in 12 bits, the count stops at 2^20 - 1. */
static uint32_t window_add(_Atomic uint32_t *word, uint32_t window, uint32_t n)
{
    uint32_t old = atomic_load(word);
    for (;;) {
        uint32_t count = old >> 20 == (window & 0xfff) ? old & 0xfffff : 0;
        count = n < 0xfffff - count ? count + n : 0xfffff;
        if (atomic_compare_exchange_weak(word, &old, (window & 0xfff) << 20 | count))
            return count;
    }
}

static uint32_t window_count(const _Atomic uint32_t *word, uint32_t window)
{
    uint32_t v = atomic_load(word);
    return v >> 20 == (window & 0xfff) ? v & 0xfffff : 0;
}

static uint32_t rate_add(struct region *r, enum scope scope, const struct rows *rows, int64_t now_s)
{
    uint32_t minute = (uint32_t)(now_s / 60);
    uint32_t a = window_add(&r->address_rate[scope][0][rows->at[0]], minute, 1);
    uint32_t b = window_add(&r->address_rate[scope][1][rows->at[1]], minute, 1);
    return a < b ? a : b;
}

uint32_t limits_sessions(const void *memory)
{
    const struct region *r = memory;
    uint32_t sum = 0, columns = atomic_load_explicit(&r->columns, memory_order_relaxed);
    for (size_t column = 0; column < columns; column++)
        sum += atomic_load_explicit(&r->sessions[column], memory_order_relaxed);
    return sum;
}

/* An address that is too busy by itself uses up nothing of its network. */
static enum limits_answer address_admits(struct region *r, const struct limits_config *c,
                                         const struct address_rows *all, int64_t now_s)
{
    static const enum limits_answer rate[SCOPES] = {LIMITS_RATE, LIMITS_NETWORK_RATE};
    static const enum limits_answer busy[SCOPES] = {LIMITS_ADDRESS, LIMITS_NETWORK};
    for (enum scope scope = SCOPE_ADDRESS; scope < SCOPES; scope++) {
        const struct rows *rows = &all->of[scope];
        uint64_t factor = factor_of(scope);
        if (c->connections_per_minute && rate_add(r, scope, rows, now_s) > factor * c->connections_per_minute)
            return rate[scope];
        if (c->sessions_per_address && has_sessions(r, scope, rows, factor * c->sessions_per_address))
            return busy[scope];
    }
    return LIMITS_OK;
}

/* A column is written by one process, and by the master when that is dead: others only read it, so nothing has to be locked. */
static void address_count(struct region *r, uint32_t column, const struct address_rows *rows, int by)
{
    for (enum scope scope = SCOPE_ADDRESS; scope < SCOPES; scope++) {
        for (size_t side = 0; side < 2; side++) {
            _Atomic uint16_t *count = &r->address_sessions[scope][side][rows->of[scope].at[side]][column];
            uint16_t now = atomic_load_explicit(count, memory_order_relaxed);
            atomic_store_explicit(count, (uint16_t)(now + by), memory_order_relaxed);
        }
    }
}

static void all_count(struct region *r, uint32_t column, int by)
{
    uint32_t now = atomic_load_explicit(&r->sessions[column], memory_order_relaxed);
    atomic_store_explicit(&r->sessions[column], now + (uint32_t)by, memory_order_relaxed);
}

static void column_used(struct region *r, uint32_t column)
{
    uint32_t columns = atomic_load_explicit(&r->columns, memory_order_relaxed);
    while (columns <= column && !atomic_compare_exchange_weak(&r->columns, &columns, column + 1)) {
    }
}

static enum limits_answer address_enters(struct region *r, uint32_t column, const struct limits_config *c, slice ip,
                                         int64_t now_s)
{
    struct address_rows rows = address_rows(r, ip);
    enum limits_answer a = address_admits(r, c, &rows, now_s);
    if (a == LIMITS_OK)
        address_count(r, column, &rows, 1);
    return a;
}

static void address_leaves(struct region *r, uint32_t column, slice ip)
{
    if (ip.len == 0)
        return;
    struct address_rows rows = address_rows(r, ip);
    address_count(r, column, &rows, -1);
}

enum limits_answer limits_session_begin(void *memory, uint32_t column, const struct limits_config *c, slice ip,
                                        int64_t now_s)
{
    struct region *r = memory;
    column_used(r, column);
    if (c->sessions && limits_sessions(memory) >= c->sessions)
        return LIMITS_SESSIONS;
    enum limits_answer a = ip.len > 0 ? address_enters(r, column, c, ip, now_s) : LIMITS_OK;
    if (a == LIMITS_OK)
        all_count(r, column, 1);
    return a;
}

void limits_session_end(void *memory, uint32_t column, slice ip)
{
    struct region *r = memory;
    all_count(r, column, -1);
    address_leaves(r, column, ip);
}

enum limits_answer limits_session_move(void *memory, uint32_t column, const struct limits_config *c, const slice ips[2],
                                       int64_t now_s)
{
    struct region *r = memory;
    enum limits_answer a = ips[1].len > 0 ? address_enters(r, column, c, ips[1], now_s) : LIMITS_OK;
    if (a == LIMITS_OK)
        address_leaves(r, column, ips[0]);
    return a;
}

static uint32_t auth_window(int64_t now_s)
{
    return (uint32_t)(now_s / AUTH_WINDOW_S);
}

/* Who is counted for a failed login: the address with this login, the address, the login. An empty one is not. Their keys begin differently, for a login may have the bytes of somebody's address
 * for letters. */
enum auth_who { AUTH_PAIR, AUTH_ADDRESS, AUTH_LOGIN, AUTH_WHO };

struct auth_keys {
    slice key[AUTH_WHO];
    char memory[KEY_MAX], address_memory[ADDRESS_KEY_MAX];
};

static void auth_keys(struct auth_keys *k, slice ip, slice login)
{
    slice address = address_of(ip);
    buf pair, alone;
    buf_init_fixed(&pair, k->memory, sizeof(k->memory));
    buf_init_fixed(&alone, k->address_memory, sizeof(k->address_memory));
    buf_append_char(&alone, 'A');
    buf_append(&alone, address);
    buf_append_char(&pair, 'P');
    buf_append(&pair, address);
    size_t login_at = pair.len;
    buf_append_char(&pair, '\0');
    /* one that is too long is cut for everybody alike */
    buf_append(&pair, slice_sub(login, 0, sizeof(k->memory) - pair.len));
    k->key[AUTH_PAIR] = address.len > 0 && login.len > 0 ? buf_slice(&pair) : SLICE_NONE;
    k->key[AUTH_ADDRESS] = address.len > 0 ? buf_slice(&alone) : SLICE_NONE;
    k->key[AUTH_LOGIN] = login.len > 0 ? slice_skip(buf_slice(&pair), login_at) : SLICE_NONE;
}

static bool auth_over(const struct region *r, uint64_t limit, slice key, int64_t now_s)
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
    static const uint32_t factors[AUTH_WHO] = {1, LIMITS_AUTH_ADDRESS_FACTOR, LIMITS_AUTH_LOGIN_FACTOR};
    const struct region *r = memory;
    struct auth_keys k;
    bool locked = false;
    auth_keys(&k, ip, login);
    for (size_t i = 0; i < AUTH_WHO && c->auth_failures; i++)
        locked = locked || auth_over(r, (uint64_t)factors[i] * c->auth_failures, k.key[i], now_s);
    return locked;
}

void limits_auth_failed(void *memory, slice ip, slice login, int64_t now_s)
{
    struct region *r = memory;
    struct auth_keys k;
    auth_keys(&k, ip, login);
    for (size_t i = 0; i < AUTH_WHO; i++) {
        if (k.key[i].len == 0)
            continue;
        struct rows rows = rows_of(r, k.key[i], AUTH_ROWS);
        for (size_t side = 0; side < 2; side++)
            (void)window_add(&r->auth[side][rows.at[side]], auth_window(now_s), 1);
    }
}

static uint32_t user_window(int64_t now_s)
{
    return (uint32_t)(now_s / USER_WINDOW_S);
}

static uint32_t user_count(const struct region *r, enum user_count what, const struct rows *rows, int64_t now_s)
{
    uint32_t a = window_count(&r->user[what][0][rows->at[0]], user_window(now_s));
    uint32_t b = window_count(&r->user[what][1][rows->at[1]], user_window(now_s));
    return a < b ? a : b;
}

static uint32_t user_add(struct region *r, enum user_count what, const struct rows *rows, uint32_t window, uint32_t n)
{
    uint32_t a = window_add(&r->user[what][0][rows->at[0]], window, n);
    uint32_t b = window_add(&r->user[what][1][rows->at[1]], window, n);
    return a < b ? a : b;
}

struct limits_user limits_user_sent(const void *memory, slice login, int64_t now_s)
{
    const struct region *r = memory;
    struct rows rows = rows_of(r, login, USER_ROWS);
    return (struct limits_user){.messages = user_count(r, USER_MESSAGES, &rows, now_s),
                                .recipients = user_count(r, USER_RECIPIENTS, &rows, now_s),
                                .since_s = now_s - now_s % USER_WINDOW_S};
}

struct limits_user limits_user_add(void *memory, slice login, uint32_t recipients, int64_t now_s)
{
    struct region *r = memory;
    struct rows rows = rows_of(r, login, USER_ROWS);
    return (struct limits_user){.messages = user_add(r, USER_MESSAGES, &rows, user_window(now_s), 1),
                                .recipients = user_add(r, USER_RECIPIENTS, &rows, user_window(now_s), recipients),
                                .since_s = now_s - now_s % USER_WINDOW_S};
}

bool limits_user_over(const struct limits_config *c, const struct limits_user *u, uint32_t times)
{
    return (c->user_messages && u->messages > (uint64_t)times * c->user_messages) ||
           (c->user_recipients && u->recipients > (uint64_t)times * c->user_recipients);
}

bool limits_user_alarm_once(void *memory, slice login, int64_t now_s)
{
    struct region *r = memory;
    struct rows rows = rows_of(r, login, USER_ROWS);
    return user_add(r, USER_ALARMS, &rows, user_window(now_s), 1) == 1;
}
