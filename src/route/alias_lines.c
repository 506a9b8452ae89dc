/* SPDX-License-Identifier: ISC */
#include "route/alias_lines.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool skips(slice text)
{
    text = slice_trim(text);
    return text.len == 0 || text.ptr[0] == '#';
}

slice alias_line_without_comment(slice text)
{
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        if (quoted && text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '"')
            quoted = !quoted;
        else if (!quoted && text.ptr[i] == '#' && (i == 0 || is_blank(text.ptr[i - 1])))
            return slice_sub(text, 0, i);
    }
    return text;
}

bool alias_text_has_control(slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

/* One physical line without its end. */
static bool next_physical(struct alias_lines *lines, slice *text_r)
{
    if (lines->rest.len == 0)
        return false;
    slice text;
    slice_cut(lines->rest, '\n', &text, &lines->rest);
    if (text.len > 0 && text.ptr[text.len - 1] == '\r')
        text.len--;
    lines->number++;
    *text_r = text;
    return true;
}

static void skip_mark(struct alias_lines *lines)
{
    if (!lines->begun && slice_starts(lines->rest, SLICE("\xef\xbb\xbf")))
        lines->rest = slice_skip(lines->rest, 3);
    lines->begun = true;
}

/* The bytes up to the next line that begins a logical one; *joined_r says whether there is more than one line in them. */
static slice take_logical(struct alias_lines *lines, slice first)
{
    const char *end = first.ptr + first.len;
    while (lines->rest.len > 0 && (is_blank(lines->rest.ptr[0]) || lines->rest.ptr[0] == '#' ||
                                   lines->rest.ptr[0] == '\n' || lines->rest.ptr[0] == '\r')) {
        slice text;
        if (!next_physical(lines, &text))
            break;
        if (!skips(text))
            end = text.ptr + text.len;
    }
    return slice_of(first.ptr, (size_t)(end - first.ptr));
}

static enum err join(struct arena *arena, slice raw, slice *text_r)
{
    char *out = arena_alloc(arena, raw.len + 1);
    if (!out)
        return ERR_NOMEM;
    size_t len = 0;
    while (raw.len > 0) {
        slice text;
        slice_cut(raw, '\n', &text, &raw);
        if (skips(text))
            continue;
        text = slice_trim(alias_line_without_comment(text));
        if (len > 0)
            out[len++] = ' ';
        if (text.len > 0)
            memcpy(out + len, text.ptr, text.len);
        len += text.len;
    }
    *text_r = slice_of(out, len);
    return ERR_OK;
}

static enum err fail(struct alias_error *error_r, uint32_t line, slice text)
{
    *error_r = (struct alias_error){.line = line, .text = text};
    return ERR_SYNTAX;
}

enum err alias_lines_next(struct alias_lines *lines, struct alias_line *line_r, struct alias_error *error_r)
{
    slice first;
    skip_mark(lines);
    do {
        if (!next_physical(lines, &first))
            return ERR_NOTFOUND;
    } while (skips(first));
    uint32_t number = lines->number;
    if (is_blank(first.ptr[0]))
        return fail(error_r, number, SLICE("this line continues another, but there is none before it"));
    slice raw = take_logical(lines, first);
    slice text = alias_line_without_comment(raw);
    if (slice_find_char(raw, '\n') >= 0) {
        enum err e = join(lines->arena, raw, &text);
        if (e != ERR_OK)
            return e;
    }
    if (alias_text_has_control(text))
        return fail(error_r, number, SLICE("control character"));
    *line_r = (struct alias_line){slice_trim(text), number};
    return ERR_OK;
}

size_t alias_lines_count(slice content)
{
    size_t count = 0;
    while (content.len > 0) {
        slice text;
        slice_cut(content, '\n', &text, &content);
        count += !skips(text) && !is_blank(text.ptr[0]);
    }
    return count;
}
