/* SPDX-License-Identifier: ISC */
/* The table of limits under any order of calls: no more sessions than allowed, an end for each begin brings it back to nothing, and what a login sent only grows within
 * its hour. Input: four bytes a call. */
#include <assert.h>

#include "sched/limits.h"

#define HELD_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct held {
    uint8_t ip[16];
    size_t len;
    uint32_t column;
};

static slice ip_of(uint8_t b, uint8_t *memory)
{
    memset(memory, b & 7, 16);
    memory[3] = b >> 4;
    return slice_of(memory, b & 8 ? 16 : 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *memory;
    static struct held held[HELD_MAX];
    size_t count = 0;
    int64_t now_s = 1000000;
    if (!memory)
        memory = malloc(limits_region_size());
    if (!memory || size < 4)
        return 0;
    memset(memory, 0, limits_region_size());
    limits_region_init(memory, (struct hash_key){1, 2});
    const struct limits_config c = {.sessions = data[0] % 40,
                                    .sessions_per_address = data[1] % 8,
                                    .connections_per_minute = data[2],
                                    .auth_failures = 3,
                                    .user_messages = 10,
                                    .user_recipients = 20};
    for (size_t i = 4; i + 3 < size; i += 4) {
        struct held h = {.column = data[i + 2] % LIMITS_COLUMNS};
        slice ip = ip_of(data[i + 1], h.ip), login = slice_of(&data[i + 3], 1);
        h.len = ip.len;
        now_s += data[i + 2] / 8;
        switch (data[i] % 6) {
        case 0:
        case 1:
            if (count < HELD_MAX && limits_session_begin(memory, h.column, &c, ip, now_s) == LIMITS_OK)
                held[count++] = h;
            break;
        case 2:
            if (count > 0) {
                count--;
                limits_session_end(memory, held[count].column, slice_of(held[count].ip, held[count].len));
            }
            break;
        case 3:
            limits_auth_failed(memory, ip, login, now_s);
            (void)limits_auth_locked(memory, &c, ip, login, now_s);
            break;
        case 4: {
            struct limits_user before = limits_user_sent(memory, login, now_s),
                               after = limits_user_add(memory, login, 1, now_s);
            assert(after.messages >= before.messages && after.recipients >= before.recipients &&
                   after.since_s <= now_s);
            break;
        }
        default:
            (void)limits_user_alarm_once(memory, login, now_s);
            break;
        }
        assert(limits_sessions(memory) == count && (c.sessions == 0 || count <= c.sessions));
    }
    while (count > 0) {
        count--;
        limits_session_end(memory, held[count].column, slice_of(held[count].ip, held[count].len));
    }
    assert(limits_sessions(memory) == 0);
    return 0;
}
