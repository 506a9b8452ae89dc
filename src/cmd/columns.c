/* SPDX-License-Identifier: ISC */
#include "cmd/columns.h"

#define GAP 2u
#define BATCH_BYTES (256u * 1024)
#define CELLS_MAX (8u * 1024 * 1024)
#define NARROWEST 8u
#define SPACES_STEP 16u
#define DOTS SLICE("...")

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

/* In steps of a fixed size, over the end: a row is given that much room more than it takes. */
static char *put_spaces(char *to, size_t n)
{
    for (size_t at = 0; at < n; at += SPACES_STEP)
        memset(to + at, ' ', SPACES_STEP);
    return to + n;
}

static char *put_text(char *to, slice text)
{
    if (text.len > 0)
        memcpy(to, text.ptr, text.len);
    return to + text.len;
}

static char *put_cell(const struct columns *c, size_t column, slice text, size_t width, char *to)
{
    size_t room = c->shown[column], left = width < room ? room - width : 0;
    bool last = column + 1 == c->count, right = c->columns[column].right;
    if (right)
        to = put_spaces(to, left);
    if (width > room) {
        to = put_text(to, first_characters(text, room - DOTS.len));
        text = DOTS;
    }
    to = put_text(to, text);
    if (!last)
        return put_spaces(to, GAP + (right ? 0 : left));
    *to = '\n';
    return to + 1;
}

static void append_row(const struct columns *c, const slice *texts, const size_t *widths, buf *out)
{
    size_t most = SPACES_STEP;
    for (size_t i = 0; i < c->count; i++)
        most += c->shown[i] + GAP + texts[i].len;
    char *start = buf_reserve(out, most), *to = start;
    if (!start)
        return;
    for (size_t i = 0; i < c->count; i++)
        to = put_cell(c, i, texts[i], widths[i], to);
    buf_grown(out, (size_t)(to - start));
}

static void append_titles(struct columns *c, buf *out)
{
    slice titles[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
    for (size_t i = 0; i < c->count; i++) {
        titles[i] = slice_str(c->columns[i].title);
        widths[i] = titles[i].len;
    }
    buf_append(out, c->color ? SLICE("\x1b[1m") : SLICE_NONE);
    append_row(c, titles, widths, out);
    if (c->color) {
        out->len -= buf_ok(out);
        buf_append(out, SLICE("\x1b[0m\n"));
    }
}

void columns_print(struct columns *c, buf *out)
{
    slice rest = buf_slice(&c->cells), texts[COLUMNS_MAX];
    size_t count = cell_count(c), widths[COLUMNS_MAX];
    fit(c);
    if (!c->titled)
        append_titles(c, out);
    c->titled = true;
    for (size_t i = 0; i + c->count <= count; i += c->count) {
        for (size_t column = 0; column < c->count; column++) {
            struct cell cell;
            memcpy(&cell, c->sizes.ptr + (i + column) * sizeof cell, sizeof cell);
            texts[column] = slice_sub(rest, 0, cell.len);
            widths[column] = cell.width;
            rest = slice_skip(rest, cell.len);
        }
        append_row(c, texts, widths, out);
    }
    out->failed |= !buf_ok(&c->cells) || !buf_ok(&c->sizes);
    buf_clear(&c->cells);
    buf_clear(&c->sizes);
}
