/* SPDX-License-Identifier: ISC */
#include "cmd/batch_record.h"

static const struct {
    slice name;
    uint8_t numbers, texts;
} rows[BATCH_RECORD_KINDS] = {
    [BATCH_RECORD_JOB] = {{"job", 3}, 3, 4},         [BATCH_RECORD_BEGIN] = {{"begin", 5}, 2, 0},
    [BATCH_RECORD_MAIL] = {{"mail", 4}, 7, 2},       [BATCH_RECORD_TO] = {{"to", 2}, 1, 1},
    [BATCH_RECORD_REFUSED] = {{"refused", 7}, 1, 2}, [BATCH_RECORD_ERROR] = {{"error", 5}, 1, 2},
    [BATCH_RECORD_LOST] = {{"lost", 4}, 1, 0},       [BATCH_RECORD_RELEASED] = {{"released", 8}, 1, 0},
    [BATCH_RECORD_REPORT] = {{"report", 6}, 1, 0},   [BATCH_RECORD_RESUMED] = {{"resumed", 7}, 1, 0},
    [BATCH_RECORD_STATE] = {{"state", 5}, 1, 2},     [BATCH_RECORD_DOUBT] = {{"doubt", 5}, 3, 0},
    [BATCH_RECORD_UNSURE] = {{"unsure", 6}, 3, 0},   [BATCH_RECORD_SERVER] = {{"server", 6}, 1, 0},
};

static void print_text(buf *b, slice text)
{
    buf_append(b, SLICE(" ="));
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c > ' ' && c < 0x7f && c != '+')
            buf_append_char(b, (char)c);
        else
            buf_printf(b, "+%02X", c);
    }
}

void batch_record_print(buf *b, const struct batch_record *r)
{
    buf_append(b, rows[r->kind].name);
    for (size_t i = 0; i < rows[r->kind].numbers; i++) {
        buf_append_char(b, ' ');
        buf_append_u64(b, r->number[i]);
    }
    for (size_t i = 0; i < rows[r->kind].texts; i++)
        print_text(b, r->text[i]);
    buf_append_char(b, '\n');
}

void batch_record_commit(buf *b)
{
    uint32_t crc = hash_crc32c(0, buf_slice(b));
    buf_printf(b, "commit %08x\n", (unsigned)crc);
}

static int hex(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void batch_record_text(buf *b, slice encoded)
{
    for (size_t i = 0; i < encoded.len; i++) {
        bool coded = encoded.ptr[i] == '+' && i + 2 < encoded.len && hex(encoded.ptr[i + 1]) >= 0 &&
                     hex(encoded.ptr[i + 2]) >= 0;
        if (coded) {
            buf_append_char(b, (char)(hex(encoded.ptr[i + 1]) * 16 + hex(encoded.ptr[i + 2])));
            i += 2;
        } else {
            buf_append_char(b, encoded.ptr[i]);
        }
    }
}

static bool read_line(slice line, struct batch_record *r)
{
    slice word;
    (void)slice_cut(line, ' ', &word, &line);
    size_t kind = 0;
    while (kind < BATCH_RECORD_KINDS && !slice_equal(word, rows[kind].name))
        kind++;
    if (kind == BATCH_RECORD_KINDS)
        return false;
    *r = (struct batch_record){.kind = (enum batch_record_kind)kind};
    for (size_t i = 0; i < rows[kind].numbers; i++) {
        (void)slice_cut(line, ' ', &word, &line);
        if (slice_to_u64(word, UINT64_MAX, &r->number[i]) != ERR_OK)
            return false;
    }
    for (size_t i = 0; i < rows[kind].texts; i++) {
        (void)slice_cut(line, ' ', &word, &line);
        if (word.len == 0 || word.ptr[0] != '=')
            return false;
        r->text[i] = slice_skip(word, 1);
    }
    return line.len == 0;
}

/* The group that content begins with; 0 when there is none that is whole. */
static size_t group_length(slice content)
{
    slice rest = content, line;
    struct batch_record r;
    while (slice_cut(rest, '\n', &line, &rest)) {
        if (read_line(line, &r))
            continue;
        size_t before = (size_t)(line.ptr - content.ptr);
        char memory[32];
        buf expected;
        buf_init_fixed(&expected, memory, sizeof memory);
        buf_printf(&expected, "commit %08x", (unsigned)hash_crc32c(0, slice_sub(content, 0, before)));
        return before > 0 && slice_equal(line, buf_slice(&expected)) ? before + line.len + 1 : 0;
    }
    return 0;
}

enum err batch_records_init(struct batch_records *c, slice content, size_t *valid_r)
{
    slice rest = content, line;
    struct batch_record first;
    for (size_t n; (n = group_length(rest)) > 0;)
        rest = slice_skip(rest, n);
    size_t valid = content.len - rest.len;
    /* Groups are written one after the other, each in one piece: a commit behind a torn group cannot be from a stop. */
    if (slice_starts(rest, SLICE("commit ")) || slice_find(rest, SLICE("\ncommit ")) >= 0) {
        ptrdiff_t at = slice_find(rest, SLICE("\ncommit "));
        slice tail = at >= 0 ? slice_skip(rest, (size_t)at + 1) : rest;
        if (slice_cut(tail, '\n', &line, &tail))
            return ERR_CORRUPT;
    }
    slice start = slice_sub(content, 0, valid);
    if (valid > 0 && (!slice_cut(start, '\n', &line, &start) || !read_line(line, &first) ||
                      first.kind != BATCH_RECORD_JOB || first.number[0] != 1))
        return ERR_CORRUPT;
    c->rest = slice_sub(content, 0, valid);
    *valid_r = valid;
    return ERR_OK;
}

bool batch_records_next(struct batch_records *c, struct batch_record *record_r)
{
    slice line;
    while (slice_cut(c->rest, '\n', &line, &c->rest)) {
        if (read_line(line, record_r))
            return true;
    }
    return false;
}
