/* SPDX-License-Identifier: ISC */
#include "os/clock.h"

#include <errno.h>
#include <sys/random.h>

static int64_t clock_us(clockid_t id)
{
    struct timespec t;
    if (clock_gettime(id, &t) != 0)
        abort();
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t os_now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t os_now_ms(void)
{
    return clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t os_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t os_wall_s(void)
{
    return clock_us(CLOCK_REALTIME) / 1000000;
}

/* Offsets change at quarters of an hour only, so one conversion serves all messages of a quarter. */
int os_utc_offset_min(int64_t unix_s)
{
    static _Thread_local int64_t cached_quarter = INT64_MIN;
    static _Thread_local int cached_offset;
    int64_t quarter = unix_s / 900;
    if (quarter != cached_quarter) {
        time_t t = (time_t)unix_s;
        struct tm tm;
        cached_offset = localtime_r(&t, &tm) ? (int)(tm.tm_gmtoff / 60) : 0;
        cached_quarter = quarter;
    }
    return cached_offset;
}

void os_random(void *out, size_t size)
{
    unsigned char *p = out;
    while (size > 0) {
        ssize_t n = getrandom(p, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort();
        p += n;
        size -= (size_t)n;
    }
}

struct hash_key os_random_key(void)
{
    struct hash_key key;
    os_random(&key, sizeof(key));
    return key;
}

void os_sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR) {
    }
}
