/* SPDX-License-Identifier: ISC */
#include "cmd/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define LEAST_WIDTH 80u
#define MOST_WIDTH 10000u
#define LINE_MAX_BYTES 1024
#define CONTROL_C 3
#define CONTROL_BACKSLASH 28

size_t terminal_width(void)
{
    struct winsize w;
    uint64_t columns = LEAST_WIDTH;
    const char *wanted = getenv("COLUMNS");
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0)
        columns = w.ws_col;
    else if (wanted && slice_to_u64(slice_str(wanted), MOST_WIDTH, &columns) != ERR_OK)
        columns = LEAST_WIDTH;
    return columns < LEAST_WIDTH ? LEAST_WIDTH : (size_t)columns;
}

/* Byte by byte: what follows the line is not ours. */
static enum err read_line(buf *line)
{
    for (;;) {
        char c;
        ssize_t n = read(STDIN_FILENO, &c, 1);
        if (n <= 0)
            return line->len > 0 ? ERR_OK : ERR_CLOSED;
        if (c == CONTROL_C || c == CONTROL_BACKSLASH)
            return ERR_CLOSED;
        if (c == '\n')
            break;
        buf_append_char(line, c);
        if (!buf_ok(line))
            return ERR_LIMIT;
    }
    if (line->len > 0 && line->ptr[line->len - 1] == '\r')
        line->len--;
    return ERR_OK;
}

/* Signals from the keyboard are off meanwhile, so that none leaves the terminal without echo. The prompt comes when what is typed counts: what was typed before is thrown away. */
static enum err read_unseen(const char *prompt, slice what, buf *line)
{
    struct termios before, unseen;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return ERR_IO;
    unseen = before;
    unseen.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen) != 0)
        return ERR_IO;
    (void)fprintf(stderr, "%s %.*s: ", prompt, SLICE_ARG(what));
    (void)fflush(stderr);
    enum err e = read_line(line);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void)fputc('\n', stderr);
    return e;
}

enum err terminal_read_password(slice what, buf *password)
{
    char memory[LINE_MAX_BYTES];
    buf again;
    if (isatty(STDIN_FILENO) != 1)
        return read_line(password);
    buf_init_fixed(&again, memory, sizeof memory);
    enum err e = read_unseen("Password for", what, password);
    if (e == ERR_OK)
        e = read_unseen("Once more, password for", what, &again);
    if (e == ERR_OK && !slice_equal_secret(buf_slice(password), buf_slice(&again)))
        e = ERR_SYNTAX;
    explicit_bzero(memory, sizeof memory);
    return e;
}

enum err terminal_ask_password(slice what, buf *password)
{
    return isatty(STDIN_FILENO) == 1 ? read_unseen("Password for", what, password) : read_line(password);
}
