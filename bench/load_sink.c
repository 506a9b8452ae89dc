/* SPDX-License-Identifier: ISC */
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
    int fd;
    bool in_data;
    bool gone;   /* but an acknowledgement waits for it */
    int waiting; /* acknowledgements that are not due yet */
    int matched; /* bytes of CRLF . CRLF seen last; a message begins with 2 */
    size_t have; /* bytes of an unfinished command in `line` */
    char line[1024];
    size_t reply_len;
    char reply[8192];
    size_t start_len; /* of the message, as far as its stamp may be */
    char start[2048];
};

/* Acknowledgements that wait; all wait equally long, so the first is due first. */
struct due {
    struct due *next;
    struct peer *peer;
    double at;
};

static struct {
    const struct load_options *options;
    struct due *first_due, **last_due;
    double *ages; /* of stamped mails when they came */
    int age_count;
    int epoll;
    int listener;
    int taken;
    int open, most_open, connections;
    double first, last; /* the first connection; the last acknowledgement */
} sink;

static void reply(struct peer *p, const char *text)
{
    size_t len = strlen(text);
    if (len <= sizeof p->reply - p->reply_len) {
        memcpy(p->reply + p->reply_len, text, len);
        p->reply_len += len;
    }
}

static void on_command(struct peer *p)
{
    if (strncasecmp(p->line, "EHLO", 4) == 0) {
        char text[128];
        snprintf(text, sizeof text, "250-LIMITS MAILMAX=%d\r\n", sink.options->mails_max);
        reply(p, "250-sink.test\r\n250-PIPELINING\r\n250-SIZE\r\n");
        reply(p, sink.options->mails_max ? text : "");
        reply(p, "250 8BITMIME\r\n");
    } else if (strncasecmp(p->line, "DATA", 4) == 0) {
        reply(p, "354 go on\r\n");
        p->in_data = true;
        p->matched = 2;
        p->start_len = 0;
    } else if (strncasecmp(p->line, "QUIT", 4) == 0) {
        reply(p, "221 bye\r\n");
    } else {
        reply(p, "250 2.0.0 Ok\r\n");
    }
    p->have = 0;
}

static void acknowledge(struct peer *p)
{
    sink.taken++;
    sink.last = load_now();
    reply(p, "250 2.0.0 Ok: taken\r\n");
}

static void note_age(struct peer *p)
{
    static const char field[] = "X-Bench-Sent: ";
    const char *at = memmem(p->start, p->start_len, field, strlen(field));
    if (at && sink.age_count < sink.options->count && at + strlen(field) + 17 <= p->start + p->start_len)
        sink.ages[sink.age_count++] = load_now() - strtod(at + strlen(field), NULL);
}

/* The message is whole. */
static void take(struct peer *p)
{
    p->in_data = false;
    if (sink.options->stamp)
        note_age(p);
    if (!sink.options->wait_ms) {
        acknowledge(p);
        return;
    }
    struct due *due = calloc(1, sizeof *due);
    if (!due)
        load_die("memory");
    *due = (struct due){.peer = p, .at = load_now() + sink.options->wait_ms / 1e3};
    p->waiting++;
    *sink.last_due = due;
    sink.last_due = &due->next;
}

static void keep_start(struct peer *p, const char *bytes, size_t len)
{
    size_t room = sizeof p->start - 1 - p->start_len, kept = len < room ? len : room;
    memcpy(p->start + p->start_len, bytes, kept);
    p->start_len += kept;
    p->start[p->start_len] = '\0';
}

/* Reads message bytes up to the end of data; returns how many it used. */
static size_t take_data(struct peer *p, const char *bytes, size_t len)
{
    static const char end[] = "\r\n.\r\n";
    if (sink.options->stamp)
        keep_start(p, bytes, len);
    for (size_t i = 0; i < len; i++) {
        if (p->matched == 0) {
            const char *cr = memchr(bytes + i, '\r', len - i);
            if (!cr)
                return len;
            i = (size_t)(cr - bytes);
            p->matched = 1;
        } else if (bytes[i] == end[p->matched]) {
            p->matched++;
        } else {
            p->matched = bytes[i] == '\r';
        }
        if (p->matched == 5) {
            take(p);
            return i + 1;
        }
    }
    return len;
}

static size_t take_command(struct peer *p, const char *bytes, size_t len)
{
    const char *end = memchr(bytes, '\n', len);
    size_t used = end ? (size_t)(end - bytes) + 1 : len;
    size_t room = sizeof p->line - 1 - p->have, kept = used < room ? used : room;
    memcpy(p->line + p->have, bytes, kept);
    p->have += kept;
    p->line[p->have] = '\0';
    if (end)
        on_command(p);
    return used;
}

static void drop(struct peer *p)
{
    if (!p->gone) {
        close(p->fd);
        sink.open--;
    }
    p->gone = true;
    if (!p->waiting)
        free(p);
}

static void answer(struct peer *p)
{
    if (p->reply_len > 0 && send(p->fd, p->reply, p->reply_len, 0) != (ssize_t)p->reply_len)
        drop(p);
    else
        p->reply_len = 0;
}

/* Milliseconds until the next acknowledgement is due, at most 100. */
static int acknowledge_due(void)
{
    for (struct due *due = sink.first_due; due; due = sink.first_due) {
        double left = due->at - load_now();
        if (left > 0)
            return left > 0.1 ? 100 : (int)(left * 1e3) + 1;
        sink.first_due = due->next;
        if (!sink.first_due)
            sink.last_due = &sink.first_due;
        struct peer *p = due->peer;
        free(due);
        p->waiting--;
        if (p->gone) {
            drop(p);
        } else {
            acknowledge(p);
            answer(p);
        }
    }
    return 100;
}

static void on_readable(struct peer *p)
{
    static char bytes[65536];
    ssize_t n = recv(p->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(p);
        return;
    }
    for (size_t at = 0; at < (size_t)n;) {
        size_t left = (size_t)n - at;
        at += p->in_data ? take_data(p, bytes + at, left) : take_command(p, bytes + at, left);
    }
    answer(p);
}

static void watch(int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(sink.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        load_die("epoll_ctl");
}

static void on_connection(void)
{
    int fd = accept4(sink.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct peer *p = calloc(1, sizeof *p);
    if (!p)
        load_die("memory");
    p->fd = fd;
    if (sink.connections++ == 0)
        sink.first = load_now();
    if (++sink.open > sink.most_open)
        sink.most_open = sink.open;
    watch(fd, p);
    if (send(fd, "220 sink.test ESMTP\r\n", 21, 0) != 21)
        drop(p);
}

static void start_listening(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_ANY); /* every address of 127.0.0.0/8, and nobody else's */
    int on = 1;
    sink.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(sink.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (setsockopt(sink.listener, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) != 0)
        load_die("lo");
    if (bind(sink.listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(sink.listener, 4096) != 0)
        load_die("listen");
    sink.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (sink.epoll < 0)
        load_die("epoll_create1");
    watch(sink.listener, NULL);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double age_ms(int percent)
{
    return sink.age_count ? sink.ages[(int)((int64_t)sink.age_count * percent / 100)] * 1e3 : 0;
}

void load_sink(const struct load_options *options)
{
    sink.options = options;
    sink.last_due = &sink.first_due;
    sink.ages = calloc((size_t)options->count + 1, sizeof *sink.ages);
    if (!sink.ages)
        load_die("memory");
    start_listening(options->port);
    puts("{\"ready\":true}");
    fflush(stdout);
    double start = load_now();
    while (sink.taken < options->count && load_now() - start < options->limit_s) {
        struct epoll_event events[256];
        int n = epoll_wait(sink.epoll, events, 256, acknowledge_due());
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                on_readable(events[i].data.ptr);
            else
                on_connection();
        }
    }
    qsort(sink.ages, (size_t)sink.age_count, sizeof *sink.ages, compare);
    printf("{\"taken\":%d,\"connections\":%d,\"most_open\":%d,\"start\":%.6f,\"end\":%.6f,\"cpu\":%.3f,"
           "\"age_p50_ms\":%.3f,\"age_p99_ms\":%.3f}\n",
           sink.taken, sink.connections, sink.most_open, sink.first, sink.last, load_cpu(), age_ms(50), age_ms(99));
    free(sink.ages);
}
