/* SPDX-License-Identifier: ISC */
/* The log's socket is made here, before children are forked, and shared by all of them: when the daemon behind it was started again, connecting it anew here mends it for all. */
#include "proc/master/state.h"

#define RECONNECT_MS 2000
#define WARNING ": warning: "
#define ERROR ": error: "

/* Where a line says itself that it is a warning, after its place ("FILE:8:1: warning: ..."); negative: it does not. */
static ptrdiff_t label_of_warning(slice line)
{
    ptrdiff_t warning = slice_find(line, SLICE(WARNING)), error = slice_find(line, SLICE(ERROR));
    return warning >= 0 && (error < 0 || warning < error) ? warning : -1;
}

/* The log marks a warning as one, so its own word for it is left out. It is no error where it stands among errors; neither is the source line that follows it. */
static enum log_level say_line(enum log_level level, enum log_level of_all, slice line)
{
    ptrdiff_t at = label_of_warning(line);
    if (at < 0) {
        level = slice_find(line, SLICE(ERROR)) >= 0 ? of_all : level;
        log_line(level, "%.*s", SLICE_ARG(line));
        return level;
    }
    log_line(LOG_WARNING, "%.*s: %.*s", (int)at, line.ptr, SLICE_ARG(slice_skip(line, (size_t)at + strlen(WARNING))));
    return LOG_WARNING;
}

void master_log_lines(enum log_level level, slice text)
{
    enum log_level now = level;
    slice line;
    while (text.len > 0) {
        (void)slice_cut(text, '\n', &line, &text);
        if (line.len > 0 && level >= LOG_WARNING)
            now = say_line(now, level, line);
        else if (line.len > 0)
            log_line(level, "%.*s", SLICE_ARG(line));
    }
}

/* Where the log cannot be written it is of no use to log that. */
static void say(struct master *m, enum err e)
{
    char memory[160];
    buf words;
    if (e == m->log_err)
        return;
    m->log_err = e;
    buf_init_fixed(&words, memory, sizeof memory);
    if (e == ERR_OK)
        buf_append(&words, SLICE("thurn: the log is reached again\n"));
    else
        buf_printf(&words, "thurn: warning: [log] to: its socket cannot be reached: %s; lines wait\n", err_text(e));
    if (os_write(2, buf_slice(&words)) != ERR_OK)
        m->log_err = e;
}

void master_log_use(struct master *m, const struct log_settings *settings)
{
    say(m, log_use(settings));
    m->log_at_ms = os_now_ms() + RECONNECT_MS;
}

void master_log_tick(struct master *m, int64_t now_ms)
{
    if (log_socket() < 0 || now_ms < m->log_at_ms)
        return;
    m->log_at_ms = now_ms + RECONNECT_MS;
    say(m, log_reconnect());
}
