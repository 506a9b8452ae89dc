/* SPDX-License-Identifier: ISC */
/* Clocks and random numbers. Inside a loop use loop_now_ms, which is read once a turn. */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include "base/base.h"

int64_t os_now_ms(void); /* monotonic */
int64_t os_now_us(void); /* monotonic */
int64_t os_wall_s(void); /* unix time */
int64_t os_wall_us(void);
/* Offset of local time from UTC now, in minutes east (for Date and Received). */
int os_utc_offset_min(int64_t unix_s);
/* For processes that block, never on a loop. */
void os_sleep_ms(int64_t ms);
/* From the kernel; aborts the process if there are none. */
void os_random(void *out, size_t size);
struct hash_key os_random_key(void);

#endif
