/* SPDX-License-Identifier: ISC */
#include "cmd/columns.h"

#define GAP 2u
#define BATCH_BYTES (256u * 1024)
#define CELLS_MAX (8u * 1024 * 1024)
#define NARROWEST 8u

/* Characters, not bytes: cells are well-formed UTF-8. */
static size_t width_of(slice s)
{
    size_t n = 0;
    if (slice_is_ascii(s))
        return s.len;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

void columns_init(struct columns *c, const struct column *columns, size_t count, size_t width)
{
    *c = (struct columns){.columns = columns, .count = count, .width = width};
    for (size_t i = 0; i < count; i++) {
        size_t title = strlen(columns[i].title);
        c->wide[i] = title > columns[i].least ? title : columns[i].least;
    }
    buf_init(&c->cells, CELLS_MAX);
}

void columns_deinit(struct columns *c)
{
    buf_deinit(&c->cells);
}

void columns_add(struct columns *c, slice cell)
{
    size_t from = c->cells.len, column = c->cell_count++ % c->count;
    buf_append_escaped(&c->cells, cell);
    size_t width = width_of(slice_skip(buf_slice(&c->cells), from));
    buf_append_char(&c->cells, 0);
    if (width > c->wide[column])
        c->wide[column] = width;
}

bool columns_full(const struct columns *c)
{
    return c->cells.len > BATCH_BYTES;
}

/* Takes from the widest column that may be cut, until the line fits or none can give more. */
static void fit(struct columns *c)
{
    size_t total = GAP * (c->count - 1);
    for (size_t i = 0; i < c->count; i++)
        total += c->shown[i] = c->wide[i];
    while (total > c->width) {
        size_t widest = c->count;
        for (size_t i = 0; i < c->count; i++) {
            if (c->columns[i].cut && c->shown[i] > NARROWEST && (widest == c->count || c->shown[i] > c->shown[widest]))
                widest = i;
        }
        if (widest == c->count)
            return;
        c->shown[widest]--;
        total--;
    }
}

static void append_spaces(buf *out, size_t n)
{
    const slice spaces = SLICE("                                ");
    for (; n > spaces.len; n -= spaces.len)
        buf_append(out, spaces);
    buf_append(out, slice_sub(spaces, 0, n));
}

static slice first_characters(slice s, size_t n)
{
    size_t at = 0;
    for (; at < s.len; at++) {
        if (((unsigned char)s.ptr[at] & 0xc0) != 0x80 && n-- == 0)
            break;
    }
    return slice_sub(s, 0, at);
}

static void append_cell(const struct columns *c, size_t column, slice cell, buf *out)
{
    size_t room = c->shown[column], width = width_of(cell);
    bool last = column + 1 == c->count;
    if (width > room) {
        buf_append(out, first_characters(cell, room - 3));
        buf_append(out, SLICE("..."));
        width = room;
    } else {
        append_spaces(out, c->columns[column].right ? room - width : 0);
        buf_append(out, cell);
    }
    if (!last)
        append_spaces(out, GAP + (c->columns[column].right ? 0 : room - width));
    else
        buf_append_char(out, '\n');
}

static void append_titles(struct columns *c, buf *out)
{
    buf_append(out, c->color ? SLICE("\x1b[1m") : SLICE_NONE);
    for (size_t i = 0; i < c->count; i++)
        append_cell(c, i, slice_str(c->columns[i].title), out);
    if (c->color) {
        out->len -= buf_ok(out);
        buf_append(out, SLICE("\x1b[0m\n"));
    }
}

void columns_print(struct columns *c, buf *out)
{
    slice cell, rest = buf_slice(&c->cells);
    fit(c);
    if (!c->titled)
        append_titles(c, out);
    c->titled = true;
    for (size_t i = 0; i < c->cell_count && slice_cut(rest, 0, &cell, &rest); i++)
        append_cell(c, i % c->count, cell, out);
    buf_clear(&c->cells);
    c->cell_count = 0;
}
