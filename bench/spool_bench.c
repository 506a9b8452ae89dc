/* SPDX-License-Identifier: ISC */
/* What the journal costs: durable messages a second and CPU microseconds each (user and system time of the process, all threads), with a
 * given number in flight: each completion begins the next message. Segments that are full and reaped are recycled at once.
 *
 *   spool_bench FOLDER [messages] [body bytes]
 */
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/os.h"
#include "spool/spool.h"

struct bench {
    struct spool_writer *w;
    int dir_fd;
    uint64_t submitted, reaped, total, size;
    char *body;
};

static void fail(const char *what, enum err e)
{
    fprintf(stderr, "spool_bench: %s: %s\n", what, err_text(e));
    exit(1);
}

static void must(const char *what, enum err e)
{
    if (e != ERR_OK)
        fail(what, e);
}

static void submit(struct bench *b)
{
    struct spool_message *m = NULL;
    struct recipient recipient = {.address = SLICE("recipient@example.com")};
    const struct envelope envelope = {
        .reverse_path = SLICE("sender@example.org"), .recipient_count = 1, .recipients = &recipient};
    const struct spool_head head = {.id = ++b->submitted,
                                    .facts = {.size = b->size},
                                    .origin = {.client_name = SLICE("client.example.org"),
                                               .client_ip = SLICE("192.0.2.1"),
                                               .helo = SLICE("client.example.org"),
                                               .protocol = SLICE("ESMTP")},
                                    .envelope_count = 1,
                                    .envelopes = &envelope};
    must("begin", spool_message_begin(b->w, NULL, &m));
    must("append", spool_message_append(m, slice_of(b->body, b->size)));
    must("commit", spool_message_commit(&m, &head));
}

static void supply(struct bench *b)
{
    uint64_t first = 0;
    must("numbers", spool_numbers_take(b->dir_fd, 1024, &first));
    spool_writer_supply_numbers(b->w, first, 1024);
}

static void reap(struct bench *b, struct spool_done *closed)
{
    struct spool_done d;
    while (spool_writer_next_done(b->w, &d)) {
        if (d.kind == SPOOL_DONE_NUMBERS_LOW) {
            supply(b);
            continue;
        }
        must("completion", d.err);
        b->reaped++;
        if (closed->closed_segment)
            spool_writer_recycle(b->w, closed->closed_segment, closed->closed_epoch);
        *closed = d;
    }
}

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void run(struct bench *b, uint64_t in_flight)
{
    struct spool_done closed = {0};
    b->submitted = b->reaped = 0;
    double cpu = cpu_us();
    int64_t start = os_now_us();
    while (b->reaped < b->total) {
        while (b->submitted < b->total && b->submitted - b->reaped < in_flight)
            submit(b);
        spool_writer_flush(b->w);
        struct pollfd p = {.fd = spool_writer_wake_fd(b->w), .events = POLLIN};
        if (poll(&p, 1, 10000) != 1)
            fail("no completion", ERR_TIMEOUT);
        reap(b, &closed);
    }
    double seconds = (double)(os_now_us() - start) / 1e6;
    printf("%4llu in flight: %8.0f messages/s, %6.1f us CPU each, %7.3f ms each in flight\n",
           (unsigned long long)in_flight, (double)b->total / seconds, (cpu_us() - cpu) / (double)b->total,
           seconds * 1e3 * (double)in_flight / (double)b->total);
}

int main(int argc, char **argv)
{
    static const uint64_t levels[] = {1, 20, 64, 256};
    uint64_t messages = 20000, size = 4096;
    if (argc < 2 || (argc > 2 && slice_to_u64(slice_str(argv[2]), UINT32_MAX, &messages) != ERR_OK) ||
        (argc > 3 && slice_to_u64(slice_str(argv[3]), 1u << 30, &size) != ERR_OK)) {
        fprintf(stderr, "usage: spool_bench FOLDER [messages] [body bytes]\n");
        return 2;
    }
    struct bench b = {.dir_fd = -1, .total = messages, .size = size, .body = calloc(1, size + 1)};
    if (!b.body)
        fail("memory", ERR_NOMEM);
    memset(b.body, 'x', size);
    must("folder", spool_dir_open(argv[1], &b.dir_fd));
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        const struct spool_writer_options o = {.dir_fd = b.dir_fd, .writer = 1, .memory_max = 1u << 30};
        must("writer", spool_writer_open(&o, &b.w));
        supply(&b);
        run(&b, levels[i]);
        spool_writer_close(&b.w);
    }
    os_close(&b.dir_fd);
    free(b.body);
    return 0;
}
