/* SPDX-License-Identifier: ISC */
#include "mail/date.h"

#define DAY_S 86400
#define YEAR_0_S INT64_C(-62167219200)    /* 0000-01-01T00:00:00Z */
#define YEAR_9999_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define DAYS_IN_400_YEARS 146097

struct civil {
    unsigned year, month, day; /* month and day from 1 */
    unsigned weekday;          /* 0 is Sunday */
    unsigned hour, minute, second;
};

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 0000-01-01 to the first of January of year (proleptic Gregorian; year 0 is a leap year). */
static unsigned days_before_year(unsigned year)
{
    if (year == 0)
        return 0;
    unsigned past = year - 1;
    return year * 365 + past / 4 - past / 100 + past / 400 + 1;
}

static struct civil civil_of(int64_t unix_s)
{
    static const uint16_t days_before_month[2][13] = {
        {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365},
        {0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366},
    };
    if (unix_s < YEAR_0_S)
        unix_s = YEAR_0_S;
    if (unix_s > YEAR_9999_S)
        unix_s = YEAR_9999_S;
    uint64_t since_year_0 = (uint64_t)(unix_s - YEAR_0_S);
    unsigned days = (unsigned)(since_year_0 / DAY_S);
    unsigned seconds = (unsigned)(since_year_0 % DAY_S);
    struct civil c = {
        .weekday = (days + 6) % 7, .hour = seconds / 3600, .minute = seconds / 60 % 60, .second = seconds % 60};
    c.year = (unsigned)((uint64_t)days * 400 / DAYS_IN_400_YEARS);
    if (days_before_year(c.year) > days)
        c.year--;
    else if (days_before_year(c.year + 1) <= days)
        c.year++;
    const uint16_t *before = days_before_month[is_leap(c.year)];
    unsigned day_of_year = days - days_before_year(c.year);
    c.month = day_of_year / 32 + 1;
    if (before[c.month] <= day_of_year)
        c.month++;
    c.day = day_of_year - before[c.month - 1] + 1;
    return c;
}

static void append_digits(buf *b, unsigned value, size_t width)
{
    char digits[4];
    for (size_t i = width; i > 0; i--) {
        digits[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    buf_append(b, slice_of(digits, width));
}

static void append_time(buf *b, const struct civil *c)
{
    append_digits(b, c->hour, 2);
    buf_append_char(b, ':');
    append_digits(b, c->minute, 2);
    buf_append_char(b, ':');
    append_digits(b, c->second, 2);
}

void date_print_rfc5322(buf *b, int64_t unix_s, int offset_min)
{
    static const char weekdays[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t local_s = unix_s;
    if (unix_s > YEAR_0_S && unix_s < YEAR_9999_S)
        local_s += (int64_t)offset_min * 60;
    struct civil c = civil_of(local_s);
    buf_append(b, slice_of(weekdays + 3 * (size_t)c.weekday, 3));
    buf_append(b, SLICE(", "));
    buf_append_u64(b, c.day);
    buf_append_char(b, ' ');
    buf_append(b, slice_of(months + 3 * (size_t)(c.month - 1), 3));
    buf_append_char(b, ' ');
    append_digits(b, c.year, 4);
    buf_append_char(b, ' ');
    append_time(b, &c);
    unsigned offset = (unsigned)(offset_min < 0 ? -offset_min : offset_min);
    buf_append(b, offset_min < 0 ? SLICE(" -") : SLICE(" +"));
    append_digits(b, offset / 60, 2);
    append_digits(b, offset % 60, 2);
}

void date_print_rfc3339(buf *b, int64_t unix_s)
{
    struct civil c = civil_of(unix_s);
    append_digits(b, c.year, 4);
    buf_append_char(b, '-');
    append_digits(b, c.month, 2);
    buf_append_char(b, '-');
    append_digits(b, c.day, 2);
    buf_append_char(b, 'T');
    append_time(b, &c);
    buf_append_char(b, 'Z');
}
