/* SPDX-License-Identifier: ISC */
#include "base/units.h"

#include "base/base.h"

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define CENTURY ((uint64_t)36525 * DAY)
#define LARGEST_SIZE ((uint64_t)1 << 62)

static uint64_t duration_unit(char c)
{
    switch (c) {
    case 's':
        return 1;
    case 'm':
        return MINUTE;
    case 'h':
        return HOUR;
    case 'd':
        return DAY;
    case 'w':
        return 7 * DAY;
    default:
        return 0;
    }
}

enum err units_parse_duration(slice s, int64_t *seconds_r)
{
    if (s.len < 2)
        return ERR_SYNTAX;
    uint64_t unit = duration_unit(s.ptr[s.len - 1]);
    if (unit == 0)
        return ERR_SYNTAX;
    uint64_t count;
    enum err e = slice_to_u64(slice_sub(s, 0, s.len - 1), CENTURY / unit, &count);
    if (e != ERR_OK)
        return e;
    *seconds_r = (int64_t)(count * unit);
    return ERR_OK;
}

#define SIZE_UNITS SLICE("KMGT")

enum err units_parse_size(slice s, uint64_t *bytes_r)
{
    if (s.len == 0)
        return ERR_SYNTAX;
    unsigned shift = 0;
    ptrdiff_t unit = slice_find_char(SIZE_UNITS, s.ptr[s.len - 1]);
    if (unit >= 0) {
        shift = 10 * ((unsigned)unit + 1);
        s.len--;
    }
    uint64_t count;
    enum err e = slice_to_u64(s, LARGEST_SIZE >> shift, &count);
    if (e != ERR_OK)
        return e;
    *bytes_r = count << shift;
    return ERR_OK;
}

void units_print_age(buf *b, int64_t seconds)
{
    uint64_t age = seconds < 0 ? 0 : (uint64_t)seconds;
    char sign = 's';
    if (age >= DAY)
        sign = 'd';
    else if (age >= HOUR)
        sign = 'h';
    else if (age >= MINUTE)
        sign = 'm';
    buf_append_u64(b, age / duration_unit(sign));
    buf_append_char(b, sign);
}

void units_print_size(buf *b, uint64_t bytes)
{
    if (bytes < 1024) {
        buf_append_u64(b, bytes);
        return;
    }
    unsigned unit = 0;
    while (unit < 3 && bytes >> (10 * (unit + 2)) != 0)
        unit++;
    unsigned shift = 10 * (unit + 1);
    uint64_t whole = bytes >> shift;
    buf_append_u64(b, whole);
    if (whole < 10) {
        uint64_t tenths = (bytes - (whole << shift)) * 10 >> shift;
        buf_append_char(b, '.');
        buf_append_u64(b, tenths);
    }
    buf_append_char(b, SIZE_UNITS.ptr[unit]);
}
