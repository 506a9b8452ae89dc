/* SPDX-License-Identifier: ISC */
/* Limits across receivers: sessions, sessions and connections of an address, lock-outs of logins. One fixed-size region of memory that the master maps before it
 * forks and all receivers share: atomics and keyed hashes, one column a process slot, no pointers, no locks. It survives reloads. When a receiver dies the master
 * clears its column. Counts of an address are kept under two hashes and the smaller is taken: a collision can only make two addresses share
 * a limit, and only if both places collide. IPv6 counts by /64. PURE: the memory is given, time is passed in. */
#ifndef SCHED_LIMITS_H
#define SCHED_LIMITS_H

#include "base/base.h"

#define LIMITS_COLUMNS 32u

struct limits_config {
    uint32_t sessions; /* all together; 0 no limit, as below */
    uint32_t sessions_per_address;
    uint32_t connections_per_minute; /* of an address */
    uint32_t
        auth_failures; /* of an address, and of a login, within 15 minutes, before it is locked for the rest of them */
};

enum limits_answer { LIMITS_OK, LIMITS_SESSIONS, LIMITS_ADDRESS, LIMITS_RATE };

size_t limits_region_size(void);
/* memory: limits_region_size zeroed bytes. */
void limits_region_init(void *memory, struct hash_key key);
/* The process that had this column is dead: its sessions are over. */
void limits_column_clear(void *memory, uint32_t column);

/* Counts a session, or refuses it (then nothing is counted but the connection for the rate). ip: 4 or 16 bytes; a length of 0 (local socket) counts in the total only. */
enum limits_answer limits_session_begin(void *memory, uint32_t column, const struct limits_config *c, slice ip,
                                        int64_t now_s);
void limits_session_end(void *memory, uint32_t column, slice ip);
uint32_t limits_sessions(const void *memory);

bool limits_auth_locked(const void *memory, const struct limits_config *c, slice ip, slice login, int64_t now_s);
void limits_auth_failed(void *memory, slice ip, slice login, int64_t now_s);

#endif
