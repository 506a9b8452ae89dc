/* SPDX-License-Identifier: ISC */
#include "os/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/file.h"
#include "os/log_format.h"
#include "os/log_limit.h"
#include "os/log_sink.h"

#define MESSAGE_MAX 2048 /* of log_line, as the caller formats it; longer ones are cut */
#define CLOSE_WAIT_MS 200
#define SLOW_MS 50
#define LEFT_OUT_MS 1000
#define SOCKET_BUFFER (8 * 1024 * 1024)

static struct {
    pthread_mutex_t lock; /* the journal's thread logs, too */
    enum log_level least;
    bool forks_known;
    int socket; /* of syslog or journal; -1: none */
    struct sockaddr_un address;
    struct log_style style;
    struct log_origin origin;
    struct log_limit limit;
    struct log_sink sink;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER,
               .least = LOG_INFO,
               .socket = -1,
               .origin = {.second = -1},
               .sink = {.fd = 2, .kind = LOG_SINK_WAITING}};

/* After a fork what waits, and what was left out, is the parent's to write. */
static void forked(void)
{
    log_state.origin.pid = getpid();
    log_state.origin.second = -1;
    log_state.sink.len = log_state.sink.lost = 0;
    if (log_state.limit.waiting > 0)
        log_limit_init(&log_state.limit, log_state.limit.lines);
}

static void know_pid(void)
{
    if (log_state.forks_known)
        return;
    log_state.forks_known = true;
    log_state.origin.pid = getpid();
    (void)pthread_atfork(NULL, NULL, forked);
}

static void queue_record(const struct log_said *said)
{
    buf b;
    size_t most = log_state.style.to == LOG_TO_JOURNAL ? LOG_DATAGRAM_MAX : LOG_LINE_MAX;
    if (log_sink_begin(&log_state.sink, &b, most) && log_format(&b, &log_state.origin, &log_state.style, said))
        log_sink_end(&log_state.sink, &b);
    else
        log_state.sink.lost++;
}

static void tell_left_out(const struct log_left_out *told, int64_t now_us)
{
    slice client = slice_of(told->address, told->address_len), name = slice_of(told->name, told->name_len);
    struct log_field fields[2] = {{.name = SLICE("client"), .text = client},
                                  {.name = SLICE("lines-left-out"), .number = true, .value = told->count}};
    char memory[256];
    buf message;
    buf_init_fixed(&message, memory, sizeof memory);
    buf_printf(&message, "%u more %s (%.*s) about client %.*s %s left out", told->count,
               told->count == 1 ? "line" : "lines", SLICE_ARG(name), SLICE_ARG(client),
               told->count == 1 ? "was" : "were");
    queue_record(&(struct log_said){.level = LOG_WARNING,
                                    .now_us = now_us,
                                    .event = name,
                                    .fields = fields,
                                    .count = 2,
                                    .message = buf_slice(&message)});
}

static bool is_address(slice client)
{
    return slice_find_char(client, '.') >= 0 || slice_find_char(client, ':') >= 0;
}

/* Lines of a mail are always written; errors are ours. */
static bool passes(const struct log_said *said)
{
    struct log_left_out told;
    if (log_state.limit.lines == 0 || said->level == LOG_ERROR)
        return true;
    /* programs of this machine have no address, and are no strangers */
    if (!is_address(said->client))
        return true;
    if (said->of_mail) {
        log_limit_refill(&log_state.limit, said->client);
        return true;
    }
    bool allowed = log_limit_allow(&log_state.limit, said->client, said->event, said->now_us, &told);
    if (told.count > 0)
        tell_left_out(&told, said->now_us);
    return allowed;
}

void log_say(const struct log_said *said)
{
    if (said->level < log_state.least)
        return;
    pthread_mutex_lock(&log_state.lock);
    know_pid();
    if (passes(said))
        queue_record(said);
    pthread_mutex_unlock(&log_state.lock);
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
    if (n >= 0)
        log_say(&(struct log_said){
            .level = level,
            .now_us = os_wall_us(),
            .event = SLICE("note"),
            .message = slice_of(message, (size_t)n < sizeof(message) ? (size_t)n : sizeof(message) - 1)});
}

bool log_wants(enum log_level level)
{
    return level >= log_state.least;
}

static void report_lost(void)
{
    char text[96];
    int n = snprintf(text, sizeof(text), "%zu log lines were dropped: the log's reader is too slow, or its disk full",
                     log_state.sink.lost);
    log_state.sink.lost = 0;
    queue_record(&(struct log_said){
        .level = LOG_WARNING, .now_us = os_wall_us(), .event = SLICE("note"), .message = slice_of(text, (size_t)n)});
    log_sink_flush(&log_state.sink);
}

static void tell_due(bool at_end)
{
    struct log_left_out told;
    int64_t now_us = os_wall_us();
    while (log_state.sink.len < LOG_PENDING_MAX / 2 && log_limit_due(&log_state.limit, now_us, at_end, &told))
        tell_left_out(&told, now_us);
}

int64_t log_flush(void)
{
    pthread_mutex_lock(&log_state.lock);
    if (log_state.limit.waiting > 0)
        tell_due(false);
    if (log_state.sink.len > 0 || log_state.sink.lost > 0) {
        log_sink_flush(&log_state.sink);
        if (log_state.sink.lost > 0 && log_state.sink.len < LOG_PENDING_MAX / 2)
            report_lost();
    }
    int64_t ms = log_state.sink.len > 0 ? SLOW_MS : log_state.limit.waiting > 0 ? LEFT_OUT_MS : -1;
    pthread_mutex_unlock(&log_state.lock);
    return ms;
}

static void take_name(slice component)
{
    struct log_origin *o = &log_state.origin;
    slice name = slice_sub(component, 0, sizeof o->name);
    if (name.len > 0)
        memcpy(o->name, name.ptr, name.len);
    o->name_len = name.len;
    o->second = -1;
}

/* systemd.exec(5): the variable names the stream that standard error was when the service was started. */
static bool is_of_journal(int fd)
{
    char memory[64];
    buf here;
    struct stat st;
    const char *of_environment = getenv("JOURNAL_STREAM");
    if (!of_environment || fstat(fd, &st) != 0)
        return false;
    buf_init_fixed(&here, memory, sizeof memory);
    buf_append_u64(&here, st.st_dev);
    buf_append_char(&here, ':');
    buf_append_u64(&here, st.st_ino);
    return slice_equal(buf_slice(&here), slice_str(of_environment));
}

static void use_stream(int fd, enum log_format format)
{
    os_close(&log_state.socket);
    log_state.style = (struct log_style){.to = LOG_TO_STDERR, .format = format, .of_journal = is_of_journal(fd)};
    log_sink_to(&log_state.sink, fd);
}

void log_open(slice component, int fd, enum log_level least)
{
    log_flush();
    pthread_mutex_lock(&log_state.lock);
    know_pid();
    take_name(component);
    log_state.least = least;
    log_limit_init(&log_state.limit, 0);
    use_stream(fd, LOG_TEXT);
    pthread_mutex_unlock(&log_state.lock);
}

void log_begin(slice component)
{
    pthread_mutex_lock(&log_state.lock);
    know_pid();
    take_name(component);
    pthread_mutex_unlock(&log_state.lock);
}

int log_socket(void)
{
    return log_state.socket;
}

/* A datagram socket that is connected already changes its peer, for all processes that have it. */
static enum err connect_socket(void)
{
    if (log_state.socket < 0)
        return ERR_OK;
    if (connect(log_state.socket, (const struct sockaddr *)&log_state.address, sizeof log_state.address) == 0)
        return ERR_OK;
    return os_err(errno);
}

enum err log_reconnect(void)
{
    pthread_mutex_lock(&log_state.lock);
    enum err e = connect_socket();
    pthread_mutex_unlock(&log_state.lock);
    return e;
}

static enum err use_socket(const struct log_settings *settings)
{
    slice path = settings->socket;
    int size = SOCKET_BUFFER;
    if (path.len == 0)
        path = settings->to == LOG_TO_JOURNAL ? SLICE("/run/systemd/journal/socket") : SLICE("/dev/log");
    if (path.len >= sizeof log_state.address.sun_path)
        return ERR_LIMIT;
    bool same = log_state.socket >= 0 && log_state.style.to == settings->to &&
                slice_equal(slice_str(log_state.address.sun_path), path);
    log_state.style = (struct log_style){.to = settings->to, .format = settings->format};
    if (same)
        return connect_socket();
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return os_err(errno);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    os_close(&log_state.socket);
    log_state.socket = fd;
    log_state.address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(log_state.address.sun_path, path.ptr, path.len);
    log_sink_to_datagrams(&log_state.sink, fd);
    return connect_socket();
}

enum err log_use(const struct log_settings *settings)
{
    enum err e = ERR_OK;
    log_flush();
    tzset(); /* while its file can be read */
    pthread_mutex_lock(&log_state.lock);
    log_state.least = settings->least;
    if (log_state.limit.lines != settings->client_lines)
        log_limit_init(&log_state.limit, settings->client_lines);
    if (settings->to == LOG_TO_STDERR)
        use_stream(2, settings->format);
    else
        e = use_socket(settings);
    pthread_mutex_unlock(&log_state.lock);
    return e;
}

void log_close(void)
{
    int64_t end = os_now_ms() + CLOSE_WAIT_MS;
    pthread_mutex_lock(&log_state.lock);
    tell_due(true);
    pthread_mutex_unlock(&log_state.lock);
    for (;;) {
        log_flush();
        int64_t left = end - os_now_ms();
        if (log_state.sink.len == 0 || left <= 0)
            return;
        log_sink_wait(&log_state.sink, (int)left);
    }
}
