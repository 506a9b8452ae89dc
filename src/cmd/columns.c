/* SPDX-License-Identifier: ISC */
#include "cmd/columns.h"

#define GAP 2u
#define BATCH_BYTES (256u * 1024)
#define CELLS_MAX (8u * 1024 * 1024)
#define NARROWEST 8u

struct cell {
    uint32_t len, width; /* in bytes; in characters */
};

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
    buf_init(&c->sizes, CELLS_MAX);
}

void columns_deinit(struct columns *c)
{
    buf_deinit(&c->cells);
    buf_deinit(&c->sizes);
}

static size_t cell_count(const struct columns *c)
{
    return c->sizes.len / sizeof(struct cell);
}

static void cell_end(struct columns *c, size_t len, size_t width)
{
    const struct cell cell = {(uint32_t)len, (uint32_t)width};
    size_t column = cell_count(c) % c->count;
    buf_append(&c->sizes, slice_of(&cell, sizeof cell));
    if (width > c->wide[column])
        c->wide[column] = width;
}

void columns_add(struct columns *c, slice cell)
{
    size_t from = c->cells.len;
    buf_append_escaped(&c->cells, cell);
    slice escaped = slice_skip(buf_slice(&c->cells), from);
    cell_end(c, escaped.len, width_of(escaped));
}

void columns_add_plain(struct columns *c, slice cell)
{
    buf_append(&c->cells, cell);
    cell_end(c, cell.len, cell.len);
}

bool columns_empty(const struct columns *c)
{
    return c->cells.len == 0 && c->sizes.len == 0;
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

static slice first_characters(slice s, size_t n)
{
    size_t at = 0;
    for (; at < s.len; at++) {
        if (((unsigned char)s.ptr[at] & 0xc0) != 0x80 && n-- == 0)
            break;
    }
    return slice_sub(s, 0, at);
}

static void append_cell(const struct columns *c, size_t column, slice cell, size_t width, buf *out)
{
    size_t room = c->shown[column], left = width < room ? room - width : 0;
    bool last = column + 1 == c->count;
    if (width > room) {
        buf_append(out, first_characters(cell, room - 3));
        buf_append(out, SLICE("..."));
        cell = SLICE_NONE;
    }
    size_t before = c->columns[column].right ? left : 0, behind = last ? 1 : GAP + left - before;
    char *to = buf_reserve(out, before + cell.len + behind);
    if (!to)
        return;
    memset(to, ' ', before);
    if (cell.len > 0)
        memcpy(to + before, cell.ptr, cell.len);
    memset(to + before + cell.len, last ? '\n' : ' ', behind);
    buf_grown(out, before + cell.len + behind);
}

static void append_titles(struct columns *c, buf *out)
{
    buf_append(out, c->color ? SLICE("\x1b[1m") : SLICE_NONE);
    for (size_t i = 0; i < c->count; i++)
        append_cell(c, i, slice_str(c->columns[i].title), strlen(c->columns[i].title), out);
    if (c->color) {
        out->len -= buf_ok(out);
        buf_append(out, SLICE("\x1b[0m\n"));
    }
}

void columns_print(struct columns *c, buf *out)
{
    slice rest = buf_slice(&c->cells);
    size_t count = cell_count(c);
    fit(c);
    if (!c->titled)
        append_titles(c, out);
    c->titled = true;
    for (size_t i = 0, column = 0; i < count; i++) {
        struct cell cell;
        memcpy(&cell, c->sizes.ptr + i * sizeof cell, sizeof cell);
        append_cell(c, column, slice_sub(rest, 0, cell.len), cell.width, out);
        rest = slice_skip(rest, cell.len);
        column = column + 1 < c->count ? column + 1 : 0;
    }
    out->failed |= !buf_ok(&c->cells) || !buf_ok(&c->sizes);
    buf_clear(&c->cells);
    buf_clear(&c->sizes);
}
