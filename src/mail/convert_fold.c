/* SPDX-License-Identifier: ISC */
#include "mail/convert_part.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Where a line that is over max bytes is broken: before its last white space that has words before it, else in the midst of a word. */
static size_t fold_place(slice line, size_t max)
{
    size_t words = 0;
    while (words < max && is_blank(line.ptr[words]))
        words++;
    for (size_t at = max; at > words; at--) {
        if (is_blank(line.ptr[at]))
            return at;
    }
    for (unsigned back = 0; back < 3 && ((unsigned char)line.ptr[max] & 0xc0) == 0x80; back++)
        max--;
    return max;
}

/* Bytes of the line that s begins with and that fits, with its CRLF; 0 when it does not. */
static size_t fitting_len(slice s, size_t max)
{
    ptrdiff_t end = slice_find(slice_sub(s, 0, max + 2), SLICE("\r\n"));
    return end >= 0 ? (size_t)end + 2 : s.len <= max ? s.len : 0;
}

void convert_fold(slice *field, bool *indented, buf *out)
{
    size_t max = CONVERT_LINE_MAX - *indented;
    size_t len = fitting_len(*field, max);
    bool fits = len > 0;
    if (!fits)
        len = fold_place(*field, max);
    buf_append(out, slice_sub(*field, 0, len));
    *field = slice_skip(*field, len);
    *indented = !fits && !is_blank(field->ptr[0]);
    if (!fits)
        buf_append(out, SLICE("\r\n"));
    if (*indented)
        buf_append_char(out, ' ');
}

bool convert_can_fold(const struct header_field *f)
{
    slice rest = f->whole;
    bool shape = slice_equal_nocase(f->name, SLICE("Content-Type")) ||
                 slice_equal_nocase(f->name, SLICE("Content-Transfer-Encoding"));
    if (f->name.len >= CONVERT_LINE_MAX || f->whole.ptr[f->name.len] != ':')
        return false;
    while (shape && rest.len > 0) {
        size_t len = fitting_len(rest, CONVERT_LINE_MAX);
        if (len == 0)
            len = fold_place(rest, CONVERT_LINE_MAX);
        rest = slice_skip(rest, len);
        if (rest.len > 0 && len > 0 && !is_blank(rest.ptr[0]))
            return false;
    }
    return true;
}
