/* SPDX-License-Identifier: ISC */
#include "cmd/check.h"

#define LINE_MAX_BYTES 16384
#define WORDS_MAX 4096

static const char *const severities[] = {[CONF_ERROR] = "error", [CONF_WARNING] = "warning", [CONF_NOTE] = "note"};

static void append_number(buf *out, const char *name, uint32_t number)
{
    if (number > 0)
        buf_printf(out, ", \"%s\": %u", name, number);
    else
        buf_printf(out, ", \"%s\": null", name);
}

static void print_object(const struct conf_finding *f)
{
    buf out;
    buf_init(&out, LINE_MAX_BYTES);
    buf_printf(&out, "{\"severity\": \"%s\", \"file\": ", severities[f->severity]);
    buf_append_json(&out, f->file);
    append_number(&out, "line", f->line);
    append_number(&out, "column", f->column);
    buf_append(&out, SLICE(", \"key\": "));
    if (f->key.len > 0)
        buf_append_json(&out, f->key);
    else
        buf_append(&out, SLICE("null"));
    buf_append(&out, SLICE(", \"message\": "));
    buf_append_json(&out, f->text);
    buf_append(&out, SLICE("}\n"));
    (void)command_print(&out);
    buf_deinit(&out);
}

static void print_line(const struct check_report *r, const struct conf_finding *f)
{
    static const char *const colors[] = {[CONF_ERROR] = "31", [CONF_WARNING] = "35", [CONF_NOTE] = "36"};
    buf text;
    buf_init(&text, LINE_MAX_BYTES);
    buf_append_escaped(&text, f->text);
    (void)fprintf(stderr, "%.*s", SLICE_ARG(f->file));
    if (f->line > 0)
        (void)fprintf(stderr, ":%u", f->line);
    if (r->color)
        (void)fprintf(stderr, ": \x1b[1;%sm%s:\x1b[0m", colors[f->severity], severities[f->severity]);
    else
        (void)fprintf(stderr, ": %s:", severities[f->severity]);
    (void)fprintf(stderr, " %.*s\n", SLICE_ARG(buf_slice(&text)));
    buf_deinit(&text);
}

void check_report_take(void *ctx, const struct conf_finding *f)
{
    struct check_report *r = ctx;
    r->errors += f->severity == CONF_ERROR;
    r->warnings += f->severity == CONF_WARNING;
    if (r->json)
        print_object(f);
    else
        print_line(r, f);
}

void check_report_say(struct check_report *r, enum conf_severity severity, const char *key, const char *format, ...)
{
    char memory[WORDS_MAX];
    buf words;
    va_list args;
    buf_init_fixed(&words, memory, sizeof memory);
    va_start(args, format);
    buf_vprintf(&words, format, args);
    va_end(args);
    const struct conf_finding f = {
        .severity = severity, .file = slice_str(r->path), .key = slice_str(key), .text = buf_slice(&words)};
    check_report_take(r, &f);
}
