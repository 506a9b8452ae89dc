/* SPDX-License-Identifier: ISC */
/* Standard error is shared: with the shell that started us, with sibling processes, with whatever else writes there. O_NONBLOCK
 * belongs to the shared file description, so setting it would make the others' writes fail. Instead a socket is written with
 * MSG_DONTWAIT, and a pipe or terminal is asked by poll before each piece. A ready pipe has room for PIPE_BUF bytes, and
 * pieces of that size are written whole, so lines of several processes on one pipe do not mix. (Two writers that are
 * told of the same room may still wait for the reader, for one piece.) A stream socket takes a small piece whole, too. Where a
 * line was broken all the same, by a full disk, its rest is never written: another process's line may have come between, and
 * then what a peer has chosen would begin a line. */
#include "os/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH 32
#define STREAM_PIECE 16384
#define LENGTH sizeof(uint32_t)
#define NAP_MS 10

static enum log_sink_kind kind_of(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return LOG_SINK_WAITING;
    if (S_ISSOCK(st.st_mode))
        return LOG_SINK_STREAM;
    return S_ISREG(st.st_mode) ? LOG_SINK_FILE : LOG_SINK_WAITING;
}

static uint32_t length_at(const struct log_sink *s, size_t at)
{
    uint32_t len;
    memcpy(&len, s->pending + at, LENGTH);
    return len;
}

static void lose_all(struct log_sink *s)
{
    for (size_t at = 0; at < s->len; s->lost++) {
        if (s->kind == LOG_SINK_DATAGRAMS) {
            at += LENGTH + length_at(s, at);
        } else {
            const char *end = memchr(s->pending + at, '\n', s->len - at);
            at = end ? (size_t)(end - s->pending) + 1 : s->len;
        }
    }
    s->len = 0;
}

/* Whoever rotates a file by emptying it would find it full of zeros up to where we were. */
static void append_always(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && !(flags & O_APPEND))
        (void)fcntl(fd, F_SETFL, flags | O_APPEND);
}

void log_sink_to(struct log_sink *s, int fd)
{
    if (s->kind == LOG_SINK_DATAGRAMS)
        lose_all(s);
    s->fd = fd;
    s->kind = kind_of(fd);
    if (s->kind == LOG_SINK_FILE)
        append_always(fd);
}

void log_sink_to_datagrams(struct log_sink *s, int fd)
{
    lose_all(s);
    s->fd = fd;
    s->kind = LOG_SINK_DATAGRAMS;
}

bool log_sink_begin(struct log_sink *s, buf *b, size_t size)
{
    size_t head = s->kind == LOG_SINK_DATAGRAMS ? LENGTH : 0;
    if (LOG_PENDING_MAX - s->len < head + size)
        return false;
    buf_init_fixed(b, s->pending + s->len + head, size);
    return true;
}

void log_sink_end(struct log_sink *s, const buf *b)
{
    if (s->kind == LOG_SINK_DATAGRAMS) {
        uint32_t len = (uint32_t)b->len;
        memcpy(s->pending + s->len, &len, LENGTH);
        s->len += LENGTH;
    }
    s->len += b->len;
}

/* Bytes of the whole lines that fit into size, or size when the first one does not. */
static size_t whole_lines(const char *text, size_t len, size_t size)
{
    if (len <= size)
        return len;
    const char *last = memrchr(text, '\n', size);
    return last ? (size_t)(last - text) + 1 : size;
}

/* What the stream took; 0 when it takes no more now. */
static size_t write_some(const struct log_sink *s, const char *text, size_t len)
{
    ssize_t n;
    if (s->kind == LOG_SINK_STREAM) {
        n = send(s->fd, text, whole_lines(text, len, STREAM_PIECE), MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
        struct pollfd ready = {.fd = s->fd, .events = POLLOUT};
        if (s->kind == LOG_SINK_WAITING) {
            if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
                return 0;
            len = whole_lines(text, len, PIPE_BUF);
        }
        n = write(s->fd, text, len);
    }
    return n > 0 ? (size_t)n : 0;
}

/* Bytes of the datagrams that are done with, lengths included. One that is too long for the socket is lost; for everything else, a daemon that is being started again among it, there is a later. */
static size_t send_some(struct log_sink *s, size_t at)
{
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    unsigned count = 0;
    size_t first = LENGTH + length_at(s, at);
    for (size_t next = at; next < s->len && count < BATCH; count++) {
        parts[count] = (struct iovec){s->pending + next + LENGTH, length_at(s, next)};
        messages[count] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[count], .msg_iovlen = 1}};
        next += LENGTH + parts[count].iov_len;
    }
    int sent = sendmmsg(s->fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EMSGSIZE) {
        s->lost++;
        return first;
    }
    size_t bytes = 0;
    for (int i = 0; i < sent; i++)
        bytes += LENGTH + parts[i].iov_len;
    return bytes;
}

/* Where what waits goes on when it was written up to at: at the end of a broken line. */
static size_t next_line_end(struct log_sink *s, size_t at)
{
    const char *end = memchr(s->pending + at, '\n', s->len - at);
    s->lost++;
    return end ? (size_t)(end - s->pending) : s->len;
}

void log_sink_flush(struct log_sink *s)
{
    size_t done = 0;
    while (done < s->len) {
        size_t n = s->kind == LOG_SINK_DATAGRAMS ? send_some(s, done) : write_some(s, s->pending + done, s->len - done);
        if (n == 0)
            break;
        done += n;
        if (s->kind != LOG_SINK_DATAGRAMS && s->pending[done - 1] != '\n')
            done = next_line_end(s, done);
    }
    s->len -= done;
    if (done > 0)
        memmove(s->pending, s->pending + done, s->len);
}

void log_sink_wait(const struct log_sink *s, int ms)
{
    struct pollfd ready = {.fd = s->fd, .events = POLLOUT};
    if (poll(&ready, 1, ms) == 1 && s->kind == LOG_SINK_DATAGRAMS)
        (void)poll(NULL, 0, ms < NAP_MS ? ms : NAP_MS); /* nobody there is "writable" */
}
