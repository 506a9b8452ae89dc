/* SPDX-License-Identifier: ISC */
#include "load.h"
#include "load_channel.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Some servers have a listen queue of five: more connections at once would measure the retransmissions of their SYNs. */
#define GREETINGS_MAX 8
#define STALLED_S 10

enum state { CLOSED, GREETING, EHLO, STARTTLS, HANDSHAKE, MAIL, RCPT, DATA, END, QUIT };

struct session {
    struct load_channel channel;
    enum state state;
    int mails;    /* begun on this connection */
    size_t left;  /* bytes of the message still to be written */
    double ended; /* when the last byte of the message was written */
    size_t have;  /* bytes of an unfinished reply line in `line` */
    char line[2048];
};

static struct {
    const struct load_options *options;
    int epoll;
    int begun;
    int taken;
    int errors;
    int open;
    int greetings; /* connections that wait for theirs */
    double heard;  /* when the last bytes came */
    double last;   /* when the last 250 came */
    char *message;
    size_t message_len;
    char mail[64], rcpt[320];
    int destination;
    double *waits;
} run;

static void make_message(void)
{
    const char *header = "X-Bench-Sent: 00000000000000000\r\n"
                         "From: <bench@client.test>\r\nTo: <user@local.test>\r\nSubject: bench\r\n"
                         "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <bench@client.test>\r\n\r\n";
    if (!run.options->stamp)
        header = strchr(header, '\n') + 1;
    size_t size = (size_t)run.options->size, at = strlen(header);
    if (size < at + 2)
        size = at + 2;
    run.message = malloc(size + 5);
    if (!run.message)
        load_die("memory");
    memcpy(run.message, header, at);
    for (size_t column = 0; at < size; at++, column++) {
        run.message[at] = "abcdefghijklmnopqrstuvwxyz0123456789"[column % 36];
        if (column % 78 == 76)
            run.message[at] = '\r';
        if (column % 78 == 77)
            run.message[at] = '\n';
    }
    memcpy(run.message + size - 2, "\r\n", 2);
    if (run.message[size - 3] == '\r')
        run.message[size - 3] = 'x';
    memcpy(run.message + size, ".\r\n", 3);
    run.message_len = size + 3;
}

static void session_close(struct session *s)
{
    if (s->state == CLOSED)
        return;
    load_channel_close(&s->channel);
    run.greetings -= s->state == GREETING;
    s->state = CLOSED;
    run.open--;
}

static void session_fail(struct session *s)
{
    if (s->state != QUIT)
        run.errors++;
    session_close(s);
}

static void session_open(struct session *s)
{
    *s = (struct session){.channel = {.fd = load_connect(run.options->port)}, .state = GREETING};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = s};
    if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, s->channel.fd, &event) != 0)
        load_die("epoll_ctl");
    run.open++;
    run.greetings++;
}

/* A command fits in an empty socket buffer, so a short write is a broken connection. */
static void say(struct session *s, const char *text, enum state next)
{
    size_t len = strlen(text);
    if (load_channel_send(&s->channel, text, len) != (ssize_t)len)
        session_fail(s);
    else
        s->state = next;
}

/* The domains take turns: d0.test, d1.test and so on. */
static void name_recipient(void)
{
    if (run.options->domains > 0)
        snprintf(run.rcpt, sizeof run.rcpt, "RCPT TO:<user@d%d.test>\r\n", run.destination++ % run.options->domains);
}

static void begin_mail(struct session *s)
{
    if (run.begun >= run.options->count || s->mails >= run.options->per_connection) {
        say(s, "QUIT\r\n", QUIT);
        return;
    }
    run.begun++;
    s->mails++;
    if (run.options->pipeline) {
        char all[512];
        name_recipient();
        snprintf(all, sizeof all, "%s%sDATA\r\n", run.mail, run.rcpt);
        say(s, all, MAIL);
    } else {
        say(s, run.mail, MAIL);
    }
}

/* All sessions send the same bytes; the stamp is among the first of them, which are written at once. */
static void stamp(void)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%017.6f", load_now());
    memcpy(run.message + strlen("X-Bench-Sent: "), digits, 17);
}

static void write_message(struct session *s)
{
    while (s->left > 0) {
        ssize_t n = load_channel_send(&s->channel, run.message + run.message_len - s->left, s->left);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            session_fail(s);
            return;
        }
        s->left -= (size_t)n;
        s->ended = load_now();
    }
}

static void end_mail(struct session *s)
{
    run.last = load_now();
    run.waits[run.taken++] = run.last - s->ended;
    begin_mail(s);
}

static int wanted_code(enum state state)
{
    switch (state) {
    case GREETING:
    case STARTTLS:
        return 220;
    case DATA:
        return 354;
    case QUIT:
        return 221;
    default:
        return 250;
    }
}

static void on_reply(struct session *s, int code)
{
    bool pipeline = run.options->pipeline;
    if (code != wanted_code(s->state) || (s->state == END && s->left > 0)) {
        session_fail(s);
        return;
    }
    switch (s->state) {
    case GREETING:
        run.greetings--;
        s->state = EHLO;
        say(s, "EHLO client.test\r\n", EHLO);
        break;
    case EHLO:
        if (run.options->tls && !s->channel.ssl)
            say(s, "STARTTLS\r\n", STARTTLS);
        else
            begin_mail(s);
        break;
    case STARTTLS:
        load_channel_secure(&s->channel);
        s->state = HANDSHAKE;
        break;
    case MAIL:
        if (!pipeline)
            name_recipient();
        say(s, pipeline ? "" : run.rcpt, RCPT);
        break;
    case RCPT:
        say(s, pipeline ? "" : "DATA\r\n", DATA);
        break;
    case DATA:
        s->state = END;
        s->left = run.message_len;
        if (run.options->stamp)
            stamp();
        write_message(s);
        break;
    case END:
        end_mail(s);
        break;
    default:
        session_close(s);
    }
}

/* Takes the whole lines out of s->line; only the last line of a reply counts. */
static void read_lines(struct session *s)
{
    size_t at = 0;
    char *end;
    while (s->state != CLOSED && (end = memchr(s->line + at, '\n', s->have - at))) {
        char *line = s->line + at;
        at = (size_t)(end - s->line) + 1;
        if (end - line < 3)
            session_fail(s);
        else if (line[3] != '-')
            on_reply(s, (line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0');
    }
    s->have -= at;
    memmove(s->line, s->line + at, s->have);
}

static bool handshake_over(struct session *s)
{
    if (s->state != HANDSHAKE)
        return true;
    int done = load_channel_handshake(&s->channel);
    if (done < 0)
        session_fail(s);
    else if (done > 0)
        say(s, "EHLO client.test\r\n", EHLO);
    return done > 0;
}

static void on_event(struct session *s)
{
    while (s->state != CLOSED) {
        if (!handshake_over(s))
            return;
        ssize_t n = load_channel_recv(&s->channel, s->line + s->have, sizeof s->line - s->have);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            session_fail(s);
            break;
        }
        s->have += (size_t)n;
        run.heard = load_now();
        read_lines(s);
    }
    if (s->state == END)
        write_message(s);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(int percent)
{
    return run.taken ? run.waits[(int)((int64_t)run.taken * percent / 100)] * 1e3 : 0;
}

static void prepare(const struct load_options *options)
{
    run.options = options;
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    run.waits = calloc((size_t)options->count + 1, sizeof *run.waits);
    if (run.epoll < 0 || !run.waits)
        load_die("start");
    snprintf(run.mail, sizeof run.mail, "MAIL FROM:<bench@client.test>\r\n");
    snprintf(run.rcpt, sizeof run.rcpt, "RCPT TO:<%s>\r\n", options->to);
    make_message();
}

void load_send(const struct load_options *options)
{
    prepare(options);
    struct session *sessions = calloc((size_t)options->sessions, sizeof *sessions);
    if (!sessions)
        load_die("memory");
    double start = load_now();
    run.last = start;
    run.heard = start;
    do {
        for (int i = 0; i < options->sessions && run.greetings < GREETINGS_MAX; i++)
            if (sessions[i].state == CLOSED && run.begun < options->count && run.errors <= options->count)
                session_open(&sessions[i]);
        struct epoll_event events[256];
        int n = epoll_wait(run.epoll, events, 256, 100);
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr);
        /* all sessions may end in one round, when the server answers them together */
    } while ((run.open > 0 || (run.begun < options->count && run.errors <= options->count)) &&
             load_now() - start < options->limit_s && load_now() - run.heard < STALLED_S);
    run.errors += run.open;
    qsort(run.waits, (size_t)run.taken, sizeof *run.waits, compare);
    double seconds = run.last - start;
    printf("{\"taken\":%d,\"errors\":%d,\"seconds\":%.4f,\"rate\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
           "\"start\":%.6f,\"end\":%.6f,\"cpu\":%.3f}\n",
           run.taken, run.errors, seconds, seconds > 0 ? run.taken / seconds : 0, percentile_ms(50), percentile_ms(99),
           start, run.last, load_cpu());
    free(sessions);
    free(run.waits);
    free(run.message);
}
