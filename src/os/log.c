/* SPDX-License-Identifier: ISC */
/* Standard error is shared: with the shell that started us, with sibling processes, with whatever else writes there. O_NONBLOCK
 * belongs to the shared file description, so setting it would make the others' writes fail. Instead a socket is written with
 * MSG_DONTWAIT, and a pipe or terminal is asked by poll before each piece. A ready pipe has room for PIPE_BUF bytes, and
 * pieces of that size are written whole, so lines of several processes on one pipe do not mix. (Two writers that are
 * told of the same room may still wait for the reader, for one piece.) */
#include "os/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/clock.h"

#define PENDING_MAX (256 * 1024)
#define MESSAGE_MAX 2048 /* as the caller formats it; longer ones are cut */
#define LINE_MAX_BYTES PIPE_BUF
#define CLOSE_WAIT_MS 200

enum sink { SINK_WAITING /* pipe or terminal */, SINK_FILE, SINK_SOCKET };

static struct {
    pthread_mutex_t lock; /* the journal's thread logs, too */
    int fd;
    enum sink sink;
    enum log_level least;
    char component[32];
    size_t component_len;
    int64_t second; /* that stamp is of */
    char stamp[24];
    size_t stamp_len;
    pid_t pid; /* ours; 0 before the first line */
    size_t len, dropped;
    char pending[PENDING_MAX];
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = 2, .least = LOG_INFO, .second = -1};

static enum sink sink_of(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return SINK_WAITING;
    if (S_ISSOCK(st.st_mode))
        return SINK_SOCKET;
    return S_ISREG(st.st_mode) ? SINK_FILE : SINK_WAITING;
}

/* Bytes of the whole lines that fit into size, or size when the first one does not. */
static size_t whole_lines(const char *text, size_t len, size_t size)
{
    if (len <= size)
        return len;
    const char *last = memrchr(text, '\n', size);
    return last ? (size_t)(last - text) + 1 : size;
}

/* What the sink took; 0 when it takes no more now. */
static size_t write_some(const char *text, size_t len)
{
    ssize_t n;
    if (log_state.sink == SINK_SOCKET) {
        n = send(log_state.fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
        struct pollfd ready = {.fd = log_state.fd, .events = POLLOUT};
        if (log_state.sink == SINK_WAITING) {
            if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
                return 0;
            len = whole_lines(text, len, PIPE_BUF);
        }
        n = write(log_state.fd, text, len);
    }
    return n > 0 ? (size_t)n : 0;
}

static void make_stamp(int64_t now_us)
{
    int64_t second = now_us / 1000000;
    if (second == log_state.second)
        return;
    time_t t = (time_t)second;
    struct tm tm;
    log_state.stamp_len =
        gmtime_r(&t, &tm) ? strftime(log_state.stamp, sizeof(log_state.stamp), "%Y-%m-%dT%H:%M:%S", &tm) : 0;
    log_state.second = second;
}

/* After a fork what waits is the parent's to write. */
static void forked(void)
{
    log_state.pid = getpid();
    log_state.len = log_state.dropped = 0;
}

static void know_pid(void)
{
    if (log_state.pid != 0)
        return;
    log_state.pid = getpid();
    (void)pthread_atfork(NULL, NULL, forked);
}

/* "2026-11-21T12:00:00.000Z thurn/smtpd[1234]: "; without printf, since a mail has five lines or more. */
static void append_prefix(buf *line, int64_t now_us)
{
    int ms = (int)(now_us / 1000 % 1000);
    const char fraction[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10)};
    make_stamp(now_us);
    know_pid();
    buf_append(line, slice_of(log_state.stamp, log_state.stamp_len));
    buf_append(line, slice_of(fraction, sizeof(fraction)));
    buf_append(line, SLICE("Z thurn/"));
    buf_append(line, slice_of(log_state.component, log_state.component_len));
    buf_append_char(line, '[');
    buf_append_u64(line, (uint64_t)log_state.pid);
    buf_append(line, SLICE("]: "));
}

static void queue_line(enum log_level level, slice message)
{
    static const slice marks[] = {SLICE("debug: "), SLICE_NONE, SLICE("warning: "), SLICE("error: ")};
    char memory[LINE_MAX_BYTES];
    buf line;
    buf_init_fixed(&line, memory, sizeof(memory) - 1);
    append_prefix(&line, os_wall_us());
    buf_append(&line, marks[level]);
    size_t head = line.len;
    buf_append_escaped(&line, message);
    /* Escaping can make four bytes of one: then the message is cut to what surely fits. */
    if (!buf_ok(&line)) {
        line.len = head;
        line.failed = false;
        buf_append_escaped(&line, slice_sub(message, 0, (sizeof(memory) - 8 - head) / 4));
        buf_append(&line, SLICE("..."));
    }
    memory[line.len] = '\n';
    if (line.len + 1 > PENDING_MAX - log_state.len) {
        log_state.dropped++;
        return;
    }
    memcpy(log_state.pending + log_state.len, memory, line.len + 1);
    log_state.len += line.len + 1;
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level < log_state.least)
        return;
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (n < 0)
        return;
    pthread_mutex_lock(&log_state.lock);
    queue_line(level, slice_of(message, (size_t)n < sizeof(message) ? (size_t)n : sizeof(message) - 1));
    pthread_mutex_unlock(&log_state.lock);
}

void log_record(enum log_level level, slice event, const struct log_field *fields, size_t count, slice message)
{
    (void)event;
    (void)fields;
    (void)count;
    if (level < log_state.least)
        return;
    pthread_mutex_lock(&log_state.lock);
    queue_line(level, message);
    pthread_mutex_unlock(&log_state.lock);
}

static void flush_pending(void)
{
    size_t done = 0;
    while (done < log_state.len) {
        size_t n = write_some(log_state.pending + done, log_state.len - done);
        if (n == 0)
            break;
        done += n;
    }
    log_state.len -= done;
    memmove(log_state.pending, log_state.pending + done, log_state.len);
}

static void report_dropped(void)
{
    char text[96];
    int n = snprintf(text, sizeof(text), "%zu log lines were dropped: the log's reader is too slow", log_state.dropped);
    log_state.dropped = 0;
    queue_line(LOG_WARNING, slice_of(text, (size_t)n));
    flush_pending();
}

void log_flush(void)
{
    pthread_mutex_lock(&log_state.lock);
    if (log_state.len > 0) {
        flush_pending();
        if (log_state.dropped > 0 && log_state.len < PENDING_MAX / 2)
            report_dropped();
    }
    pthread_mutex_unlock(&log_state.lock);
}

void log_open(slice component, int fd, enum log_level least)
{
    log_flush();
    pthread_mutex_lock(&log_state.lock);
    log_state.fd = fd;
    log_state.sink = sink_of(fd);
    log_state.least = least;
    slice name = slice_sub(component, 0, sizeof(log_state.component));
    if (name.len > 0)
        memcpy(log_state.component, name.ptr, name.len);
    log_state.component_len = name.len;
    pthread_mutex_unlock(&log_state.lock);
}

void log_close(void)
{
    int64_t end = os_now_ms() + CLOSE_WAIT_MS;
    for (;;) {
        log_flush();
        int64_t left = end - os_now_ms();
        if (log_state.len == 0 || left <= 0)
            return;
        struct pollfd ready = {.fd = log_state.fd, .events = POLLOUT};
        if (poll(&ready, 1, (int)left) < 0 && errno != EINTR)
            return;
    }
}
