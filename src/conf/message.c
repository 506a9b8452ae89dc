/* SPDX-License-Identifier: ISC */
#include "conf/message.h"

#define LINE_SHOWN 160

void messages_init(struct messages *m, struct arena *arena, slice path, slice content)
{
    *m = (struct messages){.arena = arena, .path = path, .content = content};
}

static struct message *add(struct messages *m, struct toml_place place, bool is_warning)
{
    m->failed = m->failed || !is_warning;
    if (m->count == MESSAGES_MAX) {
        m->more++;
        return NULL;
    }
    struct message *message = &m->list[m->count++];
    *message = (struct message){.place = place, .is_warning = is_warning};
    return message;
}

static void add_text(struct messages *m, struct message *message, const char *format, va_list args)
{
    char space[1024];
    buf text;
    if (!message)
        return;
    buf_init_fixed(&text, space, sizeof(space));
    buf_vprintf(&text, format, args);
    if (arena_copy(m->arena, buf_slice(&text), &message->text) != ERR_OK)
        m->out_of_memory = true;
}

void messages_error(struct messages *m, struct toml_place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_text(m, add(m, place, false), format, args);
    va_end(args);
}

void messages_warn(struct messages *m, struct toml_place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_text(m, add(m, place, true), format, args);
    va_end(args);
}

void messages_hint(struct messages *m, slice hint)
{
    if (m->more == 0 && m->count > 0)
        m->list[m->count - 1].hint = hint;
}

void messages_error_in(struct messages *m, struct toml_place place, slice file, uint32_t line, slice text)
{
    struct message *message = add(m, place, false);
    if (!message)
        return;
    message->file = file;
    message->line = line;
    message->text = text;
}

/* Insertion keeps messages of one place in the order in which they came. */
void messages_sort(struct messages *m)
{
    for (size_t i = 1; i < m->count; i++) {
        struct message moved = m->list[i];
        size_t at = i;
        while (at > 0 &&
               (m->list[at - 1].place.line > moved.place.line || (m->list[at - 1].place.line == moved.place.line &&
                                                                  m->list[at - 1].place.column > moved.place.column))) {
            m->list[at] = m->list[at - 1];
            at--;
        }
        m->list[at] = moved;
    }
}

static slice line_of(slice content, uint32_t number)
{
    slice line = SLICE_NONE;
    for (uint32_t i = 0; i < number; i++)
        slice_cut(content, '\n', &line, &content);
    if (number == 1 && slice_starts(line, SLICE("\xef\xbb\xbf")))
        line = slice_skip(line, 3);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The bytes before the column, which counts code points from 1. */
static size_t offset_of(slice line, uint32_t column)
{
    size_t at = 0;
    for (uint32_t i = 1; i < column && at < line.len; i++) {
        at++;
        while (at < line.len && is_continuation(line.ptr[at]))
            at++;
    }
    return at;
}

/* What a terminal might take for a command becomes "?". */
static void print_line(buf *out, slice line)
{
    size_t start = out->len;
    buf_append(out, line);
    for (size_t i = start; i < out->len; i++) {
        unsigned char c = (unsigned char)out->ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            out->ptr[i] = '?';
    }
    buf_append_char(out, '\n');
}

static void print_source(const struct messages *m, struct toml_place place, bool color, buf *out)
{
    slice line = line_of(m->content, place.line);
    if (line.len == 0)
        return;
    size_t at = offset_of(line, place.column), from = 0;
    if (at > LINE_SHOWN / 2)
        from = at - LINE_SHOWN / 2;
    while (from < at && is_continuation(line.ptr[from]))
        from++;
    size_t to = from + LINE_SHOWN;
    while (to < line.len && is_continuation(line.ptr[to]))
        to--;
    print_line(out, slice_sub(line, from, to));
    for (size_t i = from; i < at; i++) {
        if (!is_continuation(line.ptr[i]))
            buf_append_char(out, line.ptr[i] == '\t' ? '\t' : ' ');
    }
    buf_append(out, color ? SLICE("\x1b[1;32m^\x1b[0m\n") : SLICE("^\n"));
}

static void print_message(const struct messages *m, const struct message *message, bool color, buf *out)
{
    static const char *const labels[2][2] = {{"error: ", "\x1b[1;31merror: \x1b[0m"},
                                             {"warning: ", "\x1b[1;35mwarning: \x1b[0m"}};
    if (message->file.len > 0 && message->line > 0)
        buf_printf(out, "%.*s:%u: ", SLICE_ARG(message->file), message->line);
    else if (message->file.len > 0)
        buf_printf(out, "%.*s: ", SLICE_ARG(message->file));
    else
        buf_printf(out, "%.*s:%u:%u: ", SLICE_ARG(m->path), message->place.line, message->place.column);
    buf_append(out, slice_str(labels[message->is_warning][color]));
    print_line(out, message->text);
    if (message->file.len == 0)
        print_source(m, message->place, color, out);
    if (message->hint.len > 0) {
        buf_append(out, SLICE("did you mean \""));
        buf_append(out, message->hint);
        buf_append(out, SLICE("\"?\n"));
    }
}

void messages_print(struct messages *m, bool color, buf *out)
{
    messages_sort(m);
    for (size_t i = 0; i < m->count; i++)
        print_message(m, &m->list[i], color, out);
    if (m->more > 0)
        buf_printf(out, "%.*s: %zu more\n", SLICE_ARG(m->path), m->more);
}
