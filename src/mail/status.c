/* SPDX-License-Identifier: ISC */
#include "mail/status.h"

#include <assert.h>

static const struct verdict verdicts[STATUS_COUNT] = {
#define STATUS(name, code, a, b, c, text) {code, {a, b, c}, {"" text "", sizeof(text) - 1}},
#include "mail/tables/status_table.h"
#undef STATUS
};

struct verdict status_verdict(enum status s)
{
    assert(s < STATUS_COUNT);
    return verdicts[s];
}

struct verdict status_verdict_text(enum status s, slice text)
{
    struct verdict v = status_verdict(s);
    v.text = text;
    return v;
}

/* One number of an enhanced code, at most three digits, none to spare (RFC 3463 section 2). */
static bool read_number(slice *in, uint16_t *number_r)
{
    size_t digits = 0;
    uint16_t number = 0;
    while (digits < in->len && digits < 3 && ascii_is_digit(in->ptr[digits]))
        number = (uint16_t)(number * 10 + (in->ptr[digits++] - '0'));
    if (digits == 0 || (digits > 1 && in->ptr[0] == '0'))
        return false;
    *in = slice_skip(*in, digits);
    *number_r = number;
    return true;
}

static bool read_dot(slice *in)
{
    bool dot = in->len > 0 && in->ptr[0] == '.';
    *in = slice_skip(*in, dot);
    return dot;
}

/* Takes "5.1.1 " from the start of the text; false, with the text as it was, when that does not begin with a code of this class. */
static bool read_enhanced(slice *text, unsigned first, uint8_t enhanced_r[3])
{
    slice rest = *text;
    uint16_t a, b, c;
    bool read = read_number(&rest, &a) && read_dot(&rest) && read_number(&rest, &b) && read_dot(&rest) &&
                read_number(&rest, &c);
    if (!read || a != first || b > 255 || c > 255)
        return false;
    bool ends = rest.len == 0 || rest.ptr[0] == ' ' || rest.ptr[0] == '\n';
    if (!ends || first == VERDICT_MORE)
        return false;
    while (rest.len > 0 && rest.ptr[0] == ' ')
        rest = slice_skip(rest, 1);
    *text = rest;
    enhanced_r[0] = (uint8_t)a;
    enhanced_r[1] = (uint8_t)b;
    enhanced_r[2] = (uint8_t)c;
    return true;
}

struct verdict status_verdict_of_reply(uint16_t code, slice text)
{
    struct verdict v = {.code = code, .text = text};
    if (code < 200 || code > 599)
        v.code = 451;
    (void)read_enhanced(&v.text, v.code / 100U, v.enhanced);
    return v;
}

static void append_enhanced(buf *b, const uint8_t enhanced[3])
{
    buf_append_u64(b, enhanced[0]);
    buf_append_char(b, '.');
    buf_append_u64(b, enhanced[1]);
    buf_append_char(b, '.');
    buf_append_u64(b, enhanced[2]);
}

void status_print(buf *b, const struct verdict *v)
{
    buf_append_u64(b, v->code);
    if (v->enhanced[0] != 0) {
        buf_append_char(b, ' ');
        append_enhanced(b, v->enhanced);
    }
    slice rest = v->text;
    while (rest.len > 0) {
        slice line;
        slice_cut(rest, '\n', &line, &rest);
        buf_append_char(b, ' ');
        buf_append(b, line);
        /* peers repeat the enhanced code in each line (RFC 2034 section 4); a reader wants it once */
        uint8_t repeated[3];
        slice after = rest;
        if (v->enhanced[0] != 0 && read_enhanced(&after, v->enhanced[0], repeated) &&
            memcmp(repeated, v->enhanced, 3) == 0)
            rest = after;
    }
}

void status_print_enhanced(buf *b, const struct verdict *v)
{
    if (v->enhanced[0] != 0) {
        append_enhanced(b, v->enhanced);
        return;
    }
    uint8_t general[3] = {VERDICT_TEMPORARY, 0, 0};
    if (verdict_class(v) == VERDICT_OK || verdict_class(v) == VERDICT_PERMANENT)
        general[0] = (uint8_t)(v->code / 100);
    append_enhanced(b, general);
}
