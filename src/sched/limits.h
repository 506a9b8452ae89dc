/* SPDX-License-Identifier: ISC */
/* Limits across receivers: sessions, sessions and connections of an address and of its network, lock-outs of logins, what a login has sent. One fixed-size region
 * of memory that the master maps before it forks and all receivers share: atomics and keyed hashes, one column a process slot, which only one thread of that process counts in, no pointers, no locks. It survives
 * reloads. When a receiver dies the master clears its column. Counts are kept under two hashes and the smaller is taken: a collision can only make two addresses share a
 * limit, and only if both places collide. An IPv6 address counts by its /64. Networks are an IPv4 address's /24 and an IPv6 address's /48, at LIMITS_NETWORK_FACTOR
 * times the limit of an address: who has many addresses has no more than ten times as much. PURE: the memory is given, time is passed in. */
#ifndef SCHED_LIMITS_H
#define SCHED_LIMITS_H

#include "base/base.h"

#define LIMITS_COLUMNS 32u
#define LIMITS_NETWORK_FACTOR 10u

/* Failed logins that lock out: a pair of address and login at auth_failures; these many times that for the address with whatever logins, and for the login from wherever. So a guesser locks
 * itself out and not the owner, and many guessers together still come to an end. */
#define LIMITS_AUTH_ADDRESS_FACTOR 3u
#define LIMITS_AUTH_LOGIN_FACTOR 20u

struct limits_config {
    uint32_t sessions; /* all together; 0 no limit, as below */
    uint32_t sessions_per_address;
    uint32_t connections_per_minute; /* of an address */
    uint32_t auth_failures;          /* of an address and login, within 15 minutes; locked for the rest of them */
    uint32_t user_messages;          /* of a login, in an hour */
    uint32_t user_recipients;
};

enum limits_answer { LIMITS_OK, LIMITS_SESSIONS, LIMITS_ADDRESS, LIMITS_RATE, LIMITS_NETWORK, LIMITS_NETWORK_RATE };

size_t limits_region_size(void);
/* memory: limits_region_size zeroed bytes. */
void limits_region_init(void *memory, struct hash_key key);
/* The process that had this column is dead: its sessions are over. */
void limits_column_clear(void *memory, uint32_t column);

/* Counts a session, or refuses it (then nothing is counted but the connection for the rate). ip: 4 or 16 bytes; a length of 0 (local socket) counts in the total only. */
enum limits_answer limits_session_begin(void *memory, uint32_t column, const struct limits_config *c, slice ip,
                                        int64_t now_s);
void limits_session_end(void *memory, uint32_t column, slice ip);
/* A counted session turns out to be another client's (PROXY, XCLIENT): as begin and end, but for the total. Refused: it still counts as from. */
enum limits_answer limits_session_move(void *memory, uint32_t column, const struct limits_config *c, const slice ips[2],
                                       int64_t now_s);
uint32_t limits_sessions(const void *memory);

bool limits_auth_locked(const void *memory, const struct limits_config *c, slice ip, slice login, int64_t now_s);
void limits_auth_failed(void *memory, slice ip, slice login, int64_t now_s);

/* What a login has sent in the hour of the clock that now_s is in. */
struct limits_user {
    uint32_t messages, recipients;
    int64_t since_s; /* when that hour began */
};
struct limits_user limits_user_sent(const void *memory, slice login, int64_t now_s);
/* Counts a message with its recipients; the sums with it. */
struct limits_user limits_user_add(void *memory, slice login, uint32_t recipients, int64_t now_s);
/* Are the sums beyond times the limits? */
bool limits_user_over(const struct limits_config *c, const struct limits_user *u, uint32_t times);
/* True for the first who asks in this hour, of all receivers. */
bool limits_user_alarm_once(void *memory, slice login, int64_t now_s);

#endif
