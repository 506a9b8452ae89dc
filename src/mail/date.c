/* SPDX-License-Identifier: ISC */
#include "mail/date.h"

#define DAY_S 86400
#define TEXT_MAX 32                       /* of what is printed here */
#define YEAR_0_S INT64_C(-62167219200)    /* 0000-01-01T00:00:00Z */
#define YEAR_9999_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define DAYS_IN_400_YEARS 146097

struct civil {
    unsigned year, month, day; /* month and day from 1 */
    unsigned weekday;          /* 0 is Sunday */
    unsigned hour, minute, second;
};

static const char weekday_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static const uint16_t days_before_month[2][13] = {
    {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365},
    {0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366},
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

/* The last `width` digits of value. What is behind them. */
static char *put_digits(char *to, unsigned value, size_t width)
{
    for (size_t i = width; i > 0; i--) {
        to[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return to + width;
}

static char *put_char(char *to, char c)
{
    *to = c;
    return to + 1;
}

/* Number i of names of three letters each. */
static char *put_name(char *to, const char *names, unsigned i)
{
    return (char *)memcpy(to, names + 3 * (size_t)i, 3) + 3;
}

static char *put_time(char *to, const struct civil *c)
{
    to = put_char(put_digits(to, c->hour, 2), ':');
    to = put_char(put_digits(to, c->minute, 2), ':');
    return put_digits(to, c->second, 2);
}

static struct civil civil_local(int64_t unix_s, int offset_min)
{
    int64_t local_s = unix_s;
    if (unix_s > YEAR_0_S && unix_s < YEAR_9999_S)
        local_s += (int64_t)offset_min * 60;
    return civil_of(local_s);
}

void date_print_mailq(buf *b, int64_t unix_s, int offset_min)
{
    struct civil c = civil_local(unix_s, offset_min);
    char text[TEXT_MAX];
    char *to = put_char(put_name(text, weekday_names, c.weekday), ' ');
    to = put_char(put_name(to, month_names, c.month - 1), ' ');
    to = c.day < 10 ? put_digits(put_char(to, ' '), c.day, 1) : put_digits(to, c.day, 2);
    to = put_char(put_time(put_char(to, ' '), &c), ' ');
    to = put_digits(to, c.year, 4);
    buf_append(b, slice_of(text, (size_t)(to - text)));
}

void date_print_rfc5322(buf *b, int64_t unix_s, int offset_min)
{
    struct civil c = civil_local(unix_s, offset_min);
    unsigned offset = (unsigned)(offset_min < 0 ? -offset_min : offset_min);
    char text[TEXT_MAX];
    char *to = put_char(put_char(put_name(text, weekday_names, c.weekday), ','), ' ');
    to = put_char(put_digits(to, c.day, c.day < 10 ? 1 : 2), ' ');
    to = put_char(put_name(to, month_names, c.month - 1), ' ');
    to = put_char(put_digits(to, c.year, 4), ' ');
    to = put_char(put_time(to, &c), ' ');
    to = put_char(to, offset_min < 0 ? '-' : '+');
    to = put_digits(put_digits(to, offset / 60, 2), offset % 60, 2);
    buf_append(b, slice_of(text, (size_t)(to - text)));
}

void date_print_rfc3339(buf *b, int64_t unix_s)
{
    struct civil c = civil_of(unix_s);
    char text[TEXT_MAX];
    char *to = put_char(put_digits(text, c.year, 4), '-');
    to = put_char(put_digits(to, c.month, 2), '-');
    to = put_char(put_digits(to, c.day, 2), 'T');
    to = put_char(put_time(to, &c), 'Z');
    buf_append(b, slice_of(text, (size_t)(to - text)));
}

/* A number of just so many digits, and what stands behind it (NUL: nothing has to). */
static bool take_number(slice *in, size_t width, char behind, unsigned *value_r)
{
    unsigned value = 0;
    if (in->len < width)
        return false;
    for (size_t i = 0; i < width; i++) {
        if (!ascii_is_digit(in->ptr[i]))
            return false;
        value = value * 10 + (unsigned)(in->ptr[i] - '0');
    }
    *in = slice_skip(*in, width);
    if (behind != '\0' && (in->len == 0 || ascii_lower(in->ptr[0]) != behind))
        return false;
    *in = slice_skip(*in, behind != '\0');
    *value_r = value;
    return true;
}

static bool take_fraction(slice *in)
{
    if (in->len == 0 || in->ptr[0] != '.')
        return true;
    size_t digits = 1;
    while (digits < in->len && ascii_is_digit(in->ptr[digits]))
        digits++;
    *in = slice_skip(*in, digits);
    return digits > 1;
}

/* "Z", or how far the clock is from it. */
static bool take_offset(slice in, int64_t *offset_s_r)
{
    unsigned hours, minutes;
    if (in.len == 1 && ascii_lower(in.ptr[0]) == 'z') {
        *offset_s_r = 0;
        return true;
    }
    bool west = in.len > 0 && in.ptr[0] == '-';
    if (in.len != 6 || (!west && in.ptr[0] != '+'))
        return false;
    in = slice_skip(in, 1);
    if (!take_number(&in, 2, ':', &hours) || !take_number(&in, 2, '\0', &minutes) || hours > 23 || minutes > 59)
        return false;
    *offset_s_r = (int64_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

static bool civil_valid(const struct civil *c)
{
    if (c->month < 1 || c->month > 12 || c->hour > 23 || c->minute > 59 || c->second > 60)
        return false;
    const uint16_t *before = days_before_month[is_leap(c->year)];
    return c->day >= 1 && c->day <= (unsigned)(before[c->month] - before[c->month - 1]);
}

enum err date_parse_rfc3339(slice text, int64_t *unix_s_r)
{
    struct civil c = {0};
    int64_t offset_s;
    bool read = take_number(&text, 4, '-', &c.year) && take_number(&text, 2, '-', &c.month) &&
                take_number(&text, 2, 't', &c.day) && take_number(&text, 2, ':', &c.hour) &&
                take_number(&text, 2, ':', &c.minute) && take_number(&text, 2, '\0', &c.second);
    if (!read || !take_fraction(&text) || !take_offset(text, &offset_s) || !civil_valid(&c))
        return ERR_SYNTAX;
    int64_t days = (int64_t)days_before_year(c.year) + days_before_month[is_leap(c.year)][c.month - 1] + c.day - 1;
    *unix_s_r = YEAR_0_S + days * DAY_S + (int64_t)(c.hour * 3600 + c.minute * 60 + c.second) - offset_s;
    return ERR_OK;
}

/* One space for each run of white space and comments, none at the ends; longer than a date can be: cut. */
static void append_words(buf *b, slice value)
{
    unsigned depth = 0;
    bool blank = false;
    for (size_t i = 0; i < value.len && b->len + 2 < b->max; i++) {
        char c = value.ptr[i];
        bool comment = depth > 0 || c == '(';
        depth += c == '(';
        depth -= depth > 0 && c == ')';
        if (comment || c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            blank = b->len > 0;
            continue;
        }
        if (blank)
            buf_append_char(b, ' ');
        blank = false;
        buf_append_char(b, c);
    }
}

/* Number from 1 of the three letters that in begins with; 0: none of the names. */
static unsigned take_name(slice *in, const char *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!slice_starts_nocase(*in, slice_of(names + 3 * i, 3)))
            continue;
        *in = slice_skip(*in, 3);
        return (unsigned)i + 1;
    }
    return 0;
}

static bool take_space(slice *in)
{
    bool space = in->len > 0 && in->ptr[0] == ' ';
    *in = slice_skip(*in, space);
    return space;
}

/* At least so many digits, and as many more as there are, up to four. */
static bool take_digits(slice *in, size_t least, unsigned *value_r)
{
    size_t width = 0;
    while (width < in->len && width < 4 && ascii_is_digit(in->ptr[width]))
        width++;
    return width >= least && take_number(in, width, '\0', value_r);
}

/* "+0100", or letters of old. */
static bool is_zone(slice zone)
{
    unsigned digits;
    if (zone.len == 5 && (zone.ptr[0] == '+' || zone.ptr[0] == '-')) {
        zone = slice_skip(zone, 1);
        return take_number(&zone, 4, '\0', &digits) && digits % 100 < 60;
    }
    for (size_t i = 0; i < zone.len; i++) {
        if (!ascii_is_alpha(zone.ptr[i]))
            return false;
    }
    return zone.len > 0 && zone.len <= 5;
}

/* It may be left out. */
static bool take_weekday(slice *in)
{
    if (take_name(in, weekday_names, 7) == 0)
        return true;
    (void)take_space(in);
    bool comma = in->len > 0 && in->ptr[0] == ',';
    *in = slice_skip(*in, comma);
    (void)take_space(in);
    return comma;
}

static bool take_day(slice *in, struct civil *c)
{
    if (!take_digits(in, 1, &c->day) || !take_space(in))
        return false;
    c->month = take_name(in, month_names, 12);
    return c->month > 0 && take_space(in) && take_digits(in, 2, &c->year) && take_space(in);
}

static bool take_time(slice *in, struct civil *c)
{
    if (!take_number(in, 2, ':', &c->hour) || !take_number(in, 2, '\0', &c->minute))
        return false;
    bool seconds = in->len > 0 && in->ptr[0] == ':';
    *in = slice_skip(*in, seconds);
    return !seconds || take_number(in, 2, '\0', &c->second);
}

bool date_rfc5322_valid(slice value)
{
    char memory[128];
    buf words;
    buf_init_fixed(&words, memory, sizeof memory);
    append_words(&words, value);
    slice in = buf_slice(&words);
    struct civil c = {0};
    return take_weekday(&in) && take_day(&in, &c) && take_time(&in, &c) && take_space(&in) && is_zone(in) &&
           civil_valid(&c);
}
