/* SPDX-License-Identifier: ISC */
#include "cmd/terminal_screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"
#define FRAME_MAX (1u << 20)

static struct {
    bool open;
    struct termios before;
    volatile sig_atomic_t ended, resized;
} screen;

static void on_end(int number)
{
    screen.ended = number;
}

static void on_resize(int number)
{
    (void)number;
    screen.resized = 1;
}

/* Without SA_RESTART: they are to be seen while we wait. */
static void take_signals(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction act = {.sa_handler = on_end};
    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        (void)sigaction(ends[i], &act, NULL);
    act.sa_handler = on_resize;
    (void)sigaction(SIGWINCH, &act, NULL);
}

static enum err write_all(slice text)
{
    while (text.len > 0) {
        ssize_t n = write(STDOUT_FILENO, text.ptr, text.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        text = slice_skip(text, (size_t)n);
    }
    return ERR_OK;
}

enum err terminal_screen_open(void)
{
    struct termios raw;
    if (isatty(STDOUT_FILENO) != 1 || tcgetattr(STDIN_FILENO, &screen.before) != 0)
        return ERR_IO;
    take_signals();
    raw = screen.before;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    raw.c_cc[VSUSP] = _POSIX_VDISABLE; /* stopped, it would leave the shell on our screen */
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0)
        return ERR_IO;
    screen.open = true;
    return write_all(SLICE(ENTER));
}

void terminal_screen_close(void)
{
    if (!screen.open)
        return;
    screen.open = false;
    enum err e = write_all(SLICE(LEAVE));
    (void)e; /* a terminal that is gone needs nothing */
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &screen.before);
}

void terminal_screen_size(size_t *width_r, size_t *height_r)
{
    struct winsize w;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0;
    *width_r = known ? w.ws_col : 80;
    *height_r = known ? w.ws_row : 24;
}

/* The part of the line that has room in so many columns; each character is taken for one. */
static slice cut_line(slice line, size_t width)
{
    size_t at = 0;
    for (size_t n = 0; at < line.len && n < width; n++) {
        size_t len = slice_utf8_len(slice_skip(line, at));
        at += len > 0 ? len : 1;
    }
    return slice_sub(line, 0, at);
}

enum err terminal_screen_draw(slice text)
{
    size_t width, height;
    buf frame;
    slice line;
    terminal_screen_size(&width, &height);
    buf_init(&frame, FRAME_MAX);
    buf_append(&frame, SLICE("\033[H"));
    for (size_t row = 0; text.len > 0 && row < height; row++) {
        (void)slice_cut(text, '\n', &line, &text);
        buf_append(&frame, row > 0 ? SLICE("\r\n") : SLICE_NONE);
        buf_append(&frame, cut_line(line, width));
        buf_append(&frame, SLICE("\033[K"));
    }
    buf_append(&frame, SLICE("\033[J"));
    enum err e = buf_ok(&frame) ? write_all(buf_slice(&frame)) : ERR_NOMEM;
    buf_deinit(&frame);
    return e;
}

enum terminal_event terminal_screen_wait(int64_t ms, char *key_r)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    if (screen.ended)
        return TERMINAL_ENDED;
    int n = poll(&in, 1, ms > 0 ? (int)ms : 0);
    if (screen.ended || (n == 1 && !(in.revents & POLLIN)))
        return TERMINAL_ENDED;
    if (screen.resized) {
        screen.resized = 0;
        return TERMINAL_RESIZED;
    }
    if (n != 1)
        return TERMINAL_TIME;
    return read(STDIN_FILENO, key_r, 1) == 1 ? TERMINAL_KEY : TERMINAL_ENDED;
}

int terminal_screen_signal(void)
{
    return screen.ended;
}
