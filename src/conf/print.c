/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include <inttypes.h>

#include "conf/option.h"

#define COMMENT_WIDTH 100

static bool is_key(const struct option *o)
{
    return o->type != OPTION_TABLE && o->type != OPTION_LATER;
}

static bool has_default(const struct section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        if (is_key(&section->options[i]) && section->options[i].fallback)
            return true;
    }
    return false;
}

/* Broken at spaces. */
static void print_comment(buf *out, slice text)
{
    while (text.len > 0) {
        slice line = slice_sub(text, 0, COMMENT_WIDTH);
        ptrdiff_t space = text.len > COMMENT_WIDTH ? slice_rfind_char(line, ' ') : -1;
        if (space > 0)
            line.len = (size_t)space;
        buf_append(out, SLICE("# "));
        buf_append(out, line);
        buf_append_char(out, '\n');
        text = slice_trim(slice_skip(text, line.len));
    }
}

/* The default as it would be written. */
static void print_value(buf *out, const struct option *o)
{
    bool quoted = o->type != OPTION_BOOL && o->type != OPTION_COUNT && o->type != OPTION_STRINGS;
    if (!o->fallback)
        buf_append(out, o->type == OPTION_STRINGS ? SLICE("[]") : SLICE("\"\""));
    else
        buf_printf(out, quoted ? "\"%s\"" : "%s", o->fallback);
}

static void print_header(buf *out, const struct section *section, const char *lead)
{
    if (section->example)
        buf_printf(out, "%s[%s.\"%s\"]\n", lead, section->name, section->example);
    else if (section->name[0] != 0)
        buf_printf(out, "%s[%s]\n", lead, section->name);
}

void conf_print_defaults(buf *out)
{
    for (size_t s = 0; s < SECTION_COUNT; s++) {
        const struct section *section = &option_sections[s];
        bool live = !section->example && (s == SECTION_TOP || has_default(section));
        if (s > 0)
            buf_append_char(out, '\n');
        buf_printf(out, "# --- %s\n", section->doc);
        print_header(out, section, live ? "" : "# ");
        for (size_t i = 0; i < section->count; i++) {
            const struct option *o = &section->options[i];
            if (!is_key(o))
                continue;
            print_comment(out, slice_str(o->doc));
            buf_printf(out, "%s%s = ", live && o->fallback ? "" : "# ", o->name);
            print_value(out, o);
            buf_append_char(out, '\n');
        }
    }
}

/* Text of a manual page: a backslash and a control line's sign are taken literally. */
static void print_roff(buf *out, slice text)
{
    if (text.len > 0 && (text.ptr[0] == '.' || text.ptr[0] == '\''))
        buf_append(out, SLICE("\\&"));
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            buf_append(out, SLICE("\\e"));
        else if (text.ptr[i] == '-')
            buf_append(out, SLICE("\\-"));
        else if (text.ptr[i] == '"')
            buf_append(out, SLICE("\\(dq"));
        else
            buf_append_char(out, text.ptr[i]);
    }
}

static void print_bounds(buf *out, const struct option *o)
{
    if (o->type == OPTION_COUNT)
        buf_printf(out, "Between %" PRId64 " and %" PRId64 ".\n", o->min, o->max);
}

static void print_item(buf *out, const struct option *o)
{
    char space[256];
    buf value;
    buf_printf(out, ".It Cm %s\n", o->name);
    print_roff(out, slice_str(o->doc));
    buf_append_char(out, '\n');
    print_bounds(out, o);
    if (!o->fallback)
        return;
    buf_init_fixed(&value, space, sizeof(space));
    print_value(&value, o);
    buf_append(out, SLICE("Default: "));
    print_roff(out, buf_slice(&value));
    buf_append(out, SLICE(".\n"));
}

void conf_print_mdoc(buf *out)
{
    for (size_t s = 0; s < SECTION_COUNT; s++) {
        const struct section *section = &option_sections[s];
        char space[256];
        buf title;
        buf_init_fixed(&title, space, sizeof(space));
        print_header(&title, section, "");
        buf_append(out, SLICE(".It Sy "));
        print_roff(out, title.len > 0 ? slice_trim(buf_slice(&title)) : SLICE("Top level"));
        buf_append_char(out, '\n');
        print_roff(out, slice_str(section->doc));
        buf_append(out, SLICE(".\n"));
        for (size_t i = 0; i < section->count; i++) {
            if (is_key(&section->options[i]))
                print_item(out, &section->options[i]);
        }
    }
}
