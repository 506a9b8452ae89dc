/* SPDX-License-Identifier: ISC */
/* Next hops for the sender's test: each server is a thread that accepts at one address and answers every command as a plain SMTP host would, but for what its rules say. What it
 * heard is kept for the test to look at. */
#ifndef PROC_SENDER_SERVER_TEST_H
#define PROC_SENDER_SERVER_TEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "os/os.h"

#define SERVER_RULES 16
#define SERVER_HEARD (1 << 20)

/* The first rule whose `on` begins the line ("" is the greeting, "." the end of data, "BODY" the first byte after 354) and whose counts fit. Replies: text with CRLF; */
#define SAY_CLOSE "close"     /* hangs up */
#define SAY_NOTHING "nothing" /* is silent until the client goes */
#define SAY_DRIP "drip"       /* a byte of a reply now and then, for ever */
#define SAY_LATER "later "    /* before text: as soon as `now` is set */
#define SAY_ENDLESS "endless" /* continuation lines for ever */
struct rule {
    const char *on, *reply;
    unsigned connection; /* only in the n-th, 0: all */
    unsigned message;    /* only for the n-th message of a connection, 0: all */
};

struct server {
    int listen_fd;
    const char *ehlo; /* the lines after the first, each "250-X\r\n"; the last is "250 OK" and is ours */
    struct rule rules[SERVER_RULES];
    bool lmtp, broken_tls;
    struct tls_server *tls;
    atomic_uint connections, messages;
    atomic_ullong bytes; /* of content, as sent */
    atomic_bool stop, now;
    pthread_t thread;
    pthread_mutex_t lock;
    char *heard;
    size_t heard_len;
};

struct talk {
    struct server *s;
    int fd;
    struct tls_session *tls;
    unsigned connection, message;
    char in[65536];
    size_t at, len;
    char accepted[64][128];
    unsigned accepted_count;
    bool over;
};

/* A server whose certificate, valid for name, signs itself; it lies in dir/cert. */
static inline struct tls_server *server_tls(const char *name, const char *dir)
{
    char command[512], cert[96], key[96];
    (void)snprintf(cert, sizeof(cert), "%s/cert", dir);
    (void)snprintf(key, sizeof(key), "%s/key", dir);
    (void)snprintf(command, sizeof(command),
                   "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=%s "
                   "-addext subjectAltName=DNS:%s -keyout %s -out %s 2>%s/openssl.log",
                   name, name, key, cert, dir);
    assert_int_equal(system(command), 0);
    struct tls_pair pair = {.cert = slice_str(cert), .key = slice_str(key)};
    struct tls_server *tls = NULL;
    buf why;
    buf_init(&why, 1024);
    if (tls_server_open(&pair, 1, SLICE_NONE, &tls, &why) != ERR_OK)
        fail_msg("%.*s", SLICE_ARG(buf_slice(&why)));
    buf_deinit(&why);
    return tls;
}

static inline void server_hears(struct server *s, const char *text, size_t len)
{
    pthread_mutex_lock(&s->lock);
    if (s->heard_len + len + 1 < SERVER_HEARD) {
        memcpy(s->heard + s->heard_len, text, len);
        s->heard_len += len;
        s->heard[s->heard_len] = 0;
    }
    pthread_mutex_unlock(&s->lock);
}

/* How often the text was heard. */
static inline unsigned server_heard(struct server *s, const char *text)
{
    unsigned count = 0;
    pthread_mutex_lock(&s->lock);
    for (const char *at = s->heard; (at = strstr(at, text)) != NULL; at++)
        count++;
    pthread_mutex_unlock(&s->lock);
    return count;
}

static inline void talk_send(struct talk *t, const char *text, size_t len)
{
    for (size_t done = 0; done < len && !t->over;) {
        ssize_t n = send(t->fd, text + done, len - done, MSG_NOSIGNAL);
        if (n <= 0)
            t->over = true;
        else
            done += (size_t)n;
    }
}

static inline void talk_tls_out(struct talk *t)
{
    buf out;
    buf_init(&out, 1 << 20);
    tls_session_output(t->tls, &out);
    talk_send(t, out.ptr, out.len);
    buf_deinit(&out);
}

static inline void talk_say(struct talk *t, const char *text)
{
    if (!t->tls) {
        talk_send(t, text, strlen(text));
        return;
    }
    t->over = t->over || tls_session_write(t->tls, slice_str(text)) != ERR_OK;
    talk_tls_out(t);
}

/* Bytes as they come; 0 at the end. */
static inline size_t talk_receive(struct talk *t, char *to, size_t size)
{
    while (!t->over && !t->s->stop) {
        ssize_t n = recv(t->fd, to, size, 0);
        if (n > 0)
            return (size_t)n;
        t->over = n == 0 || (errno != EAGAIN && errno != EINTR);
    }
    return 0;
}

/* Plaintext from inside; 0 at the end. */
static inline size_t talk_tls_receive(struct talk *t, char *to, size_t size)
{
    char cipher[16384];
    size_t got;
    for (;;) {
        enum err e = tls_session_read(t->tls, to, size, &got);
        if (e == ERR_OK)
            return got;
        size_t n = e == ERR_AGAIN ? talk_receive(t, cipher, sizeof(cipher)) : 0;
        if (n == 0 || tls_session_feed(t->tls, slice_of(cipher, n)) != ERR_OK) {
            t->over = true;
            return 0;
        }
    }
}

static inline bool talk_more(struct talk *t)
{
    memmove(t->in, t->in + t->at, t->len - t->at);
    t->len -= t->at;
    t->at = 0;
    size_t room = sizeof(t->in) - t->len;
    size_t n = t->tls ? talk_tls_receive(t, t->in + t->len, room) : talk_receive(t, t->in + t->len, room);
    t->len += n;
    return n > 0;
}

/* A line with its CRLF; false at the end. */
static inline bool talk_line(struct talk *t, char *line, size_t size)
{
    for (;;) {
        char *lf = memchr(t->in + t->at, '\n', t->len - t->at);
        if (lf) {
            size_t n = (size_t)(lf + 1 - (t->in + t->at));
            size_t kept = n < size ? n : size - 1;
            memcpy(line, t->in + t->at, kept);
            line[kept] = 0;
            t->at += n;
            return true;
        }
        if (t->len - t->at == sizeof(t->in) || !talk_more(t))
            return false;
    }
}

static inline const char *talk_rule(struct talk *t, const char *line)
{
    for (struct rule *r = t->s->rules; r < t->s->rules + SERVER_RULES && r->on; r++) {
        bool fits = *r->on ? strncasecmp(line, r->on, strlen(r->on)) == 0 : !*line;
        if (fits && (!r->connection || r->connection == t->connection) && (!r->message || r->message == t->message + 1))
            return r->reply;
    }
    return NULL;
}

/* True when a rule spoke. */
static inline bool talk_ruled(struct talk *t, const char *line)
{
    const char *reply = talk_rule(t, line);
    if (!reply)
        return false;
    if (strcmp(reply, SAY_CLOSE) == 0) {
        t->over = true;
    } else if (strcmp(reply, SAY_NOTHING) == 0) {
        while (talk_more(t))
            t->at = t->len;
    } else if (strcmp(reply, SAY_DRIP) == 0) {
        for (int i = 0; i < 3000 && !t->over && !t->s->stop; i++) {
            talk_say(t, "2");
            usleep(10000);
        }
    } else if (strcmp(reply, SAY_ENDLESS) == 0) {
        for (int i = 0; i < 1000000 && !t->over && !t->s->stop; i++)
            talk_say(t, "250-and so on, and so on, and so on\r\n");
    } else if (strncmp(reply, SAY_LATER, strlen(SAY_LATER)) == 0) {
        while (!t->s->now && !t->s->stop)
            usleep(5000);
        talk_say(t, reply + strlen(SAY_LATER));
    } else {
        talk_say(t, reply);
    }
    return true;
}

static inline void talk_tls(struct talk *t)
{
    talk_say(t, "220 go ahead\r\n");
    if (t->s->broken_tls) {
        (void)talk_more(t);
        t->at = t->len;
        talk_say(t, "this is no TLS at all\r\n");
        t->over = true;
        return;
    }
    char cipher[16384];
    enum err e = ERR_AGAIN;
    t->at = t->len = 0;
    if (tls_session_open_server(t->s->tls, &t->tls) != ERR_OK)
        t->tls = NULL;
    while (t->tls && e == ERR_AGAIN) {
        size_t n = talk_receive(t, cipher, sizeof(cipher));
        e = n > 0 ? tls_session_feed(t->tls, slice_of(cipher, n)) : ERR_CLOSED;
        if (e == ERR_OK)
            e = tls_session_handshake(t->tls);
        talk_tls_out(t);
    }
    t->over = t->over || e != ERR_OK;
}

static inline void talk_data(struct talk *t)
{
    char line[65536];
    talk_say(t, "354 go on\r\n");
    if (talk_rule(t, "BODY") && (t->at < t->len || talk_more(t)) && talk_ruled(t, "BODY"))
        return;
    while (talk_line(t, line, sizeof(line)) && strcmp(line, ".\r\n") != 0) {
        t->s->bytes += strlen(line);
        server_hears(t->s, line, strlen(line));
    }
    if (t->over)
        return;
    t->s->messages++;
    unsigned replies = t->s->lmtp ? t->accepted_count : 1;
    for (unsigned i = 0; i < replies && !t->over; i++) {
        char of[200];
        (void)snprintf(of, sizeof(of), ".%s", t->s->lmtp ? t->accepted[i] : "");
        if (!talk_ruled(t, of))
            talk_say(t, "250 2.0.0 Ok: taken\r\n");
    }
    t->message++;
}

static inline void talk_command(struct talk *t, const char *line)
{
    if (strncmp(line, "EHLO", 4) == 0 || strncmp(line, "LHLO", 4) == 0) {
        talk_say(t, "250-host.test\r\n");
        talk_say(t, t->s->ehlo ? t->s->ehlo : "");
        talk_say(t, "250 ENHANCEDSTATUSCODES\r\n");
    } else if (strncmp(line, "MAIL", 4) == 0) {
        t->accepted_count = 0;
        talk_say(t, "250 2.1.0 Ok\r\n");
    } else if (strncmp(line, "RCPT", 4) == 0) {
        if (t->accepted_count < 64)
            (void)snprintf(t->accepted[t->accepted_count++], 128, "%.120s", line);
        talk_say(t, "250 2.1.5 Ok\r\n");
    } else if (strncmp(line, "DATA", 4) == 0) {
        talk_data(t);
    } else if (strncmp(line, "STARTTLS", 8) == 0) {
        talk_tls(t);
    } else if (strncmp(line, "AUTH", 4) == 0) {
        talk_say(t, "235 2.7.0 Welcome\r\n");
    } else if (strncmp(line, "QUIT", 4) == 0) {
        talk_say(t, "221 2.0.0 Bye\r\n");
        t->over = true;
    } else {
        talk_say(t, "250 2.0.0 Ok\r\n");
    }
}

struct talk_start {
    struct server *s;
    int fd;
    unsigned connection;
};

static inline void *talk_run(void *start)
{
    static _Thread_local struct talk t;
    struct talk_start *with = start;
    t = (struct talk){.s = with->s, .fd = with->fd, .connection = with->connection};
    free(with);
    struct timeval patience = {0, 100000};
    (void)setsockopt(t.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    char line[4096];
    if (!talk_ruled(&t, ""))
        talk_say(&t, "220 host.test ESMTP\r\n");
    while (!t.over && talk_line(&t, line, sizeof(line))) {
        server_hears(t.s, line, strlen(line));
        if (!talk_ruled(&t, line))
            talk_command(&t, line);
    }
    tls_session_close(&t.tls);
    close(t.fd);
    return NULL;
}

static inline void *server_run(void *server)
{
    struct server *s = server;
    pthread_t threads[256];
    unsigned count = 0;
    while (!s->stop && count < 256) {
        struct pollfd p = {.fd = s->listen_fd, .events = POLLIN};
        if (poll(&p, 1, 50) <= 0)
            continue;
        int fd = accept(s->listen_fd, NULL, NULL);
        if (fd < 0)
            continue;
        struct talk_start *start = malloc(sizeof(*start));
        *start = (struct talk_start){s, fd, ++s->connections};
        if (pthread_create(&threads[count], NULL, talk_run, start) == 0)
            count++;
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return NULL;
}

static inline void server_open(struct server *s, int listen_fd)
{
    memset(s, 0, sizeof(*s));
    s->listen_fd = listen_fd;
    s->heard = calloc(1, SERVER_HEARD);
    pthread_mutex_init(&s->lock, NULL);
}

/* After the child was forked: a fork does not copy threads. */
static inline void server_start(struct server *s)
{
    assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static inline void server_close(struct server *s)
{
    s->stop = true;
    pthread_join(s->thread, NULL);
    close(s->listen_fd);
    free(s->heard);
    tls_server_close(&s->tls);
    pthread_mutex_destroy(&s->lock);
}

#endif
