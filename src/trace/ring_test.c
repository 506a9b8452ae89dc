/* SPDX-License-Identifier: ISC */
#include "trace/trace.h"

#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE (128 * 1024)
#define BLOCK 32768
#define HEADER 4096

static char folder[64];
static int folder_fd;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st;
    (void)flag;
    (void)f;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/thurn-ring-test-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
    log_open(SLICE("test"), open("/dev/null", O_WRONLY), LOG_ERROR);
    return folder_fd < 0;
}

static int teardown(void **state)
{
    (void)state;
    trace_ring_use(NULL);
    (void)close(folder_fd);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct trace_ring *ring_of(const char *name, size_t size)
{
    struct trace_ring *ring = NULL;
    assert_int_equal(trace_ring_open(folder_fd, name, size, &ring), ERR_OK);
    return ring;
}

static void emit(int64_t number, const char *text)
{
    struct trace_event e;
    trace_event_init(&e, TRACE_SENT, LOG_INFO);
    trace_add(&e, TRACE_KEY_TO, slice_str(text));
    trace_add_number(&e, TRACE_KEY_SIZE, number);
    trace_emit(&e, SLICE("for the log"));
}

static struct trace_reader *reader(void)
{
    struct trace_reader *r = NULL;
    assert_int_equal(trace_reader_open(folder, &r), ERR_OK);
    return r;
}

static int64_t number_of(const struct trace_record *r)
{
    for (size_t i = 0; i < r->event.count; i++) {
        if (r->event.fields[i].key == TRACE_KEY_SIZE)
            return r->event.fields[i].value;
    }
    return -1;
}

static slice text_of(const struct trace_record *r, enum trace_key key)
{
    for (size_t i = 0; i < r->event.count; i++) {
        if (r->event.fields[i].key == key)
            return r->event.fields[i].text;
    }
    return SLICE("none");
}

/* Numbers rise, each is as it was written, and there is nothing else; the last one, or -1. */
static int64_t read_rising(struct trace_reader *r, size_t *count_r)
{
    struct trace_record record;
    int64_t last = -1;
    *count_r = 0;
    while (trace_reader_next(r, &record)) {
        assert_true(number_of(&record) > last);
        last = number_of(&record);
        assert_true(slice_equal(text_of(&record, TRACE_KEY_TO), SLICE("bob@example.com")));
        (*count_r)++;
    }
    return last;
}

static void what_was_told_can_be_read(void **state)
{
    (void)state;
    struct trace_ring *ring = ring_of("sender-0", SIZE);
    struct trace_event e;
    struct trace_record record;
    int64_t before = os_wall_us();
    emit(1, "nobody keeps this");
    trace_ring_use(ring);
    trace_event_init(&e, TRACE_ACCEPTED, LOG_WARNING);
    trace_add(&e, TRACE_KEY_ID, SLICE("7K3QX2M9"));
    trace_add(&e, TRACE_KEY_FROM, SLICE_NONE);
    trace_add(&e, TRACE_KEY_HELO, SLICE("\x1b[2J\0x"));
    trace_add_number(&e, TRACE_KEY_SIZE, -5);
    trace_emit(&e, SLICE("the words are made from the fields"));
    trace_event_init(&e, TRACE_NOTE, LOG_ERROR);
    trace_emit(&e, SLICE("the disk is full"));
    struct trace_reader *r = reader();
    assert_true(trace_reader_next(r, &record));
    assert_int_equal(record.event.kind, TRACE_ACCEPTED);
    assert_int_equal(record.event.level, LOG_WARNING);
    assert_int_equal(record.pid, process_pid());
    assert_true(slice_equal(record.process, SLICE("sender-0")));
    assert_true(record.time_us >= before && record.time_us <= os_wall_us());
    assert_int_equal(record.event.count, 4);
    assert_true(slice_equal(text_of(&record, TRACE_KEY_ID), SLICE("7K3QX2M9")));
    assert_int_equal(text_of(&record, TRACE_KEY_FROM).len, 0);
    assert_true(slice_equal(text_of(&record, TRACE_KEY_HELO), SLICE("\x1b[2J\0x")));
    assert_int_equal(number_of(&record), -5);
    assert_int_equal(record.message.len, 0);
    assert_true(trace_reader_next(r, &record));
    assert_true(slice_equal(record.message, SLICE("the disk is full")));
    assert_false(trace_reader_next(r, &record));
    emit(7, "bob@example.com"); /* followed */
    assert_true(trace_reader_next(r, &record));
    assert_int_equal(number_of(&record), 7);
    assert_int_equal(trace_reader_since_us(r), 0);
    trace_reader_close(&r);
    assert_null(r);
    trace_ring_close(&ring);
    assert_null(ring);
}

static void long_texts_are_cut_and_nothing_runs_over(void **state)
{
    (void)state;
    struct trace_ring *ring = ring_of("sender-0", SIZE);
    trace_ring_use(ring);
    static char text[70000];
    memset(text, 'x', sizeof text);
    struct trace_event e;
    struct trace_record record;
    trace_event_init(&e, TRACE_BOUNCED, LOG_INFO);
    for (int i = 0; i < (int)TRACE_FIELDS_MAX - 1; i++)
        trace_add(&e, TRACE_KEY_REASON, slice_of(text, sizeof text));
    trace_add_number(&e, TRACE_KEY_SIZE, 3);
    trace_emit(&e, slice_of(text, sizeof text));
    struct trace_reader *r = reader();
    assert_true(trace_reader_next(r, &record));
    assert_true(text_of(&record, TRACE_KEY_REASON).len >= 512);
    assert_int_equal(number_of(&record), 3);
    assert_false(trace_reader_next(r, &record));
    trace_reader_close(&r);
    trace_ring_close(&ring);
}

static void the_oldest_goes_when_it_is_full(void **state)
{
    (void)state;
    struct trace_ring *ring = ring_of("sender-0", SIZE);
    size_t count;
    trace_ring_use(ring);
    for (int64_t i = 0; i < 20000; i++)
        emit(i, "bob@example.com");
    struct trace_reader *r = reader();
    assert_int_equal(read_rising(r, &count), 19999);
    assert_in_range(count, (SIZE - 2 * BLOCK) / 80, SIZE / 56);
    assert_true(trace_reader_since_us(r) > 0);
    trace_reader_close(&r);
    trace_ring_close(&ring);
    struct stat st;
    assert_int_equal(fstatat(folder_fd, "sender-0", &st, 0), 0);
    assert_true(st.st_size <= SIZE);
    assert_true(st.st_blocks * 512 >= st.st_size); /* no hole that the disk could refuse later */
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void a_reader_that_is_lapped_goes_on_with_what_is_left(void **state)
{
    (void)state;
    struct trace_ring *ring = ring_of("sender-0", SIZE);
    struct trace_record record;
    size_t count;
    trace_ring_use(ring);
    for (int64_t i = 0; i < 100; i++)
        emit(i, "bob@example.com");
    struct trace_reader *r = reader();
    assert_true(trace_reader_next(r, &record));
    for (int64_t i = 100; i < 20000; i++)
        emit(i, "bob@example.com");
    assert_true(trace_reader_next(r, &record)); /* from the copy */
    assert_int_equal(number_of(&record), 1);
    assert_int_equal(read_rising(r, &count), 19999);
    assert_true(count < 19000);
    trace_reader_close(&r);
    trace_ring_close(&ring);
}

struct writing {
    struct trace_ring *ring;
    atomic_bool end, ended;
};

static void *write_on(void *arg)
{
    struct writing *w = arg;
    for (int64_t i = 0; !atomic_load(&w->end) && i < 20000000; i++)
        emit(i, "bob@example.com");
    atomic_store(&w->ended, true);
    return NULL;
}

static void a_reader_beside_a_writer_gets_whole_records_only(void **state)
{
    (void)state;
    struct writing w = {.ring = ring_of("sender-0", SIZE)};
    pthread_t thread;
    size_t count = 0, all = 0;
    trace_ring_use(w.ring);
    struct trace_reader *r = reader();
    assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
    struct trace_record record;
    for (int64_t last = -1; all < 20000;) {
        bool ended = atomic_load(&w.ended);
        if (!trace_reader_next(r, &record)) {
            assert_false(ended);
            continue;
        }
        assert_true(number_of(&record) > last);
        last = number_of(&record);
        assert_true(slice_equal(text_of(&record, TRACE_KEY_TO), SLICE("bob@example.com")));
        all++;
    }
    atomic_store(&w.end, true);
    (void)pthread_join(thread, NULL);
    (void)read_rising(r, &count);
    trace_reader_close(&r);
    trace_ring_close(&w.ring);
}

static void *write_some(void *arg)
{
    for (int i = 0; i < 500; i++)
        emit(*(int64_t *)arg, "bob@example.com");
    return NULL;
}

static void threads_may_tell_at_once(void **state)
{
    (void)state;
    struct trace_ring *ring = ring_of("queue-0", 4 * SIZE);
    pthread_t threads[4];
    int64_t numbers[4] = {0, 1, 2, 3};
    int counts[4] = {0};
    struct trace_record record;
    trace_ring_use(ring);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_some, &numbers[i]), 0);
    for (int i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    struct trace_reader *r = reader();
    while (trace_reader_next(r, &record)) {
        assert_in_range(number_of(&record), 0, 3);
        counts[number_of(&record)]++;
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(counts[i], 500);
    trace_reader_close(&r);
    trace_ring_close(&ring);
}

static void a_process_that_starts_again_goes_on(void **state)
{
    (void)state;
    size_t count;
    for (int64_t run = 0; run < 3; run++) {
        struct trace_ring *ring = ring_of("sender-0", 4 * SIZE);
        trace_ring_use(ring);
        for (int64_t i = 0; i < 900; i++)
            emit(run * 1000 + i, "bob@example.com");
        trace_ring_close(&ring);
    }
    struct trace_reader *r = reader();
    assert_int_equal(read_rising(r, &count), 2899);
    assert_int_equal(count, 2700);
    trace_reader_close(&r);
}

static void a_fork_writes_nowhere(void **state)
{
    (void)state;
    struct trace_ring *ring = ring_of("deliver-0", SIZE);
    size_t count;
    trace_ring_use(ring);
    emit(1, "bob@example.com");
    pid_t pid = fork();
    if (pid == 0) {
        emit(2, "bob@example.com");
        trace_gauge_set(TRACE_GAUGE_MESSAGES, 9);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    emit(3, "bob@example.com");
    struct trace_reader *r = reader();
    assert_int_equal(read_rising(r, &count), 3);
    assert_int_equal(count, 2);
    trace_reader_close(&r);
    trace_ring_close(&ring);
}

static void rings_are_read_in_order_of_time_and_new_ones_found(void **state)
{
    (void)state;
    struct trace_ring *a = ring_of("receiver-0", SIZE), *b = ring_of("queue-0", SIZE), *c = NULL;
    size_t count;
    for (int64_t i = 0; i < 300; i++) {
        trace_ring_use(i % 3 ? a : b);
        emit(i, "bob@example.com");
        while (os_wall_us() == os_wall_us()) /* each has a time of its own */
            ;
    }
    struct trace_reader *r = reader();
    assert_int_equal(read_rising(r, &count), 299);
    assert_int_equal(count, 300);
    c = ring_of("sender-0", SIZE);
    trace_ring_use(c);
    emit(1000, "bob@example.com");
    assert_int_equal(read_rising(r, &count), 1000);
    assert_int_equal(count, 1);
    /* One that is made anew is another file. */
    trace_ring_close(&c);
    c = ring_of("sender-0", 2 * SIZE);
    trace_ring_use(c);
    emit(2000, "bob@example.com");
    assert_int_equal(read_rising(r, &count), 2000);
    trace_reader_close(&r);
    trace_ring_close(&a);
    trace_ring_close(&b);
    trace_ring_close(&c);
}

static void a_reading_ends_where_the_rings_ended_when_it_began(void **state)
{
    (void)state;
    struct trace_ring *a = ring_of("receiver-0", SIZE), *b = ring_of("queue-0", SIZE), *c = NULL;
    size_t count;
    int64_t i = 0;
    trace_ring_use(b);
    struct trace_reader *r = reader();
    trace_reader_end_here(r);
    emit(i, "bob@example.com");
    assert_int_equal(read_rising(r, &count), -1); /* it was empty */
    trace_reader_close(&r);
    /* More than a block, and the last block not full. */
    trace_ring_use(a);
    while (i < BLOCK / 64 * 3 / 2)
        emit(++i, "bob@example.com");
    int64_t last = i;
    r = reader();
    trace_reader_end_here(r);
    for (int more = 0; more < 10; more++)
        emit(++i, "bob@example.com");
    c = ring_of("sender-0", SIZE);
    trace_ring_use(c);
    emit(++i, "bob@example.com");
    assert_int_equal(read_rising(r, &count), last);
    assert_int_equal(count, last + 1);
    assert_int_equal(read_rising(r, &count), -1); /* and stays there */
    trace_reader_close(&r);
    r = reader();
    trace_reader_end_here(r);
    assert_int_equal(read_rising(r, &count), i);
    trace_reader_close(&r);
    trace_ring_close(&a);
    trace_ring_close(&b);
    trace_ring_close(&c);
}

struct sums {
    int rings;
    struct trace_totals last;
    char name[32];
};

static void add_up(void *ctx, const struct trace_totals *t)
{
    struct sums *s = ctx;
    s->rings++;
    s->last = *t;
    (void)snprintf(s->name, sizeof s->name, "%.*s", SLICE_ARG(t->process));
}

static void counters_go_on_and_gauges_begin_anew(void **state)
{
    (void)state;
    struct trace_ring *ring = ring_of("queue-0", SIZE);
    struct sums s = {0};
    trace_gauge_set(TRACE_GAUGE_MESSAGES, 3); /* without a ring */
    trace_ring_use(ring);
    emit(1, "bob@example.com");
    trace_gauge_set(TRACE_GAUGE_MESSAGES, 41);
    trace_gauge_add(TRACE_GAUGE_MESSAGES, 1);
    struct trace_reader *r = reader();
    trace_reader_totals(r, add_up, &s);
    assert_int_equal(s.rings, 1);
    assert_string_equal(s.name, "queue-0");
    assert_int_equal(s.last.pid, process_pid());
    assert_int_equal(s.last.counters[TRACE_SENT], 1);
    assert_int_equal(s.last.counters[TRACE_BOUNCED], 0);
    assert_int_equal(s.last.gauges[TRACE_GAUGE_MESSAGES], 42);
    trace_ring_rest(ring);
    trace_reader_totals(r, add_up, &s);
    assert_int_equal(s.last.pid, 0);
    assert_int_equal(s.last.gauges[TRACE_GAUGE_MESSAGES], 0);
    trace_ring_close(&ring);
    ring = ring_of("queue-0", SIZE);
    trace_ring_use(ring);
    emit(1, "bob@example.com");
    trace_reader_totals(r, add_up, &s);
    assert_int_equal(s.last.counters[TRACE_SENT], 2);
    trace_reader_close(&r);
    trace_ring_close(&ring);
}

static void put(const char *name, size_t at, const void *bytes, size_t count)
{
    int fd = openat(folder_fd, name, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, count, (off_t)at), count);
    (void)close(fd);
}

/* The folder is the server's user's, who may be anybody's by now. */
static void the_master_outlives_a_ring_that_is_cut(void **state)
{
    (void)state;
    struct trace_ring *mine = ring_of("master-0", SIZE), *other = ring_of("receiver-0", SIZE);
    trace_ring_use(mine);
    int fd = openat(folder_fd, "receiver-0", O_WRONLY);
    assert_int_equal(ftruncate(fd, 0), 0);
    (void)close(fd);
    trace_ring_rest(other);
    trace_gauge_set(TRACE_GAUGE_MESSAGES, 1);
    trace_ring_close(&other);
    trace_ring_close(&mine);
}

static void a_ring_of_another_user_is_replaced(void **state)
{
    (void)state;
    struct stat after;
    if (os_uid() != 0)
        skip();
    struct trace_ring *ring = ring_of("receiver-0", SIZE);
    trace_ring_close(&ring);
    assert_int_equal(fchownat(folder_fd, "receiver-0", 65534, 65534, 0), 0);
    ring = ring_of("receiver-0", SIZE);
    assert_int_equal(fstatat(folder_fd, "receiver-0", &after, 0), 0);
    assert_int_equal(after.st_uid, 0);
    trace_ring_close(&ring);
}

static void a_torn_record_is_left_out_and_written_over(void **state)
{
    (void)state;
    struct trace_ring *ring = ring_of("sender-0", SIZE);
    size_t count;
    trace_ring_use(ring);
    for (int64_t i = 0; i < 10; i++)
        emit(i, "bob@example.com");
    trace_ring_close(&ring);
    /* Nine whole ones have the same length: the tenth is cut in its middle, as by a crash of the machine. */
    struct trace_reader *r = reader();
    (void)read_rising(r, &count);
    trace_reader_close(&r);
    size_t length = (26 + 2 + 2 + 15 + 2 + 8 + 7) / 8 * 8;
    put("sender-0", HEADER + 16 + 9 * length + 30, "????", 4);
    r = reader();
    assert_int_equal(read_rising(r, &count), 8);
    ring = ring_of("sender-0", SIZE);
    trace_ring_use(ring);
    emit(20, "bob@example.com");
    assert_int_equal(read_rising(r, &count), 20);
    assert_int_equal(count, 1);
    trace_reader_close(&r);
    /* One in the middle takes nothing else with it. */
    put("sender-0", HEADER + 16 + 4 * length + 30, "????", 4);
    r = reader();
    assert_int_equal(read_rising(r, &count), 20);
    assert_int_equal(count, 9);
    trace_reader_close(&r);
    trace_ring_close(&ring);
}

static void flipped_bits_and_cuts_harm_no_reader(void **state)
{
    (void)state;
    struct trace_ring *ring = ring_of("sender-0", SIZE);
    static unsigned char good[SIZE], bad[SIZE];
    size_t count, least = SIZE;
    trace_ring_use(ring);
    for (int64_t i = 0; i < 5000; i++)
        emit(i, "bob@example.com");
    trace_ring_close(&ring);
    int fd = openat(folder_fd, "sender-0", O_RDWR);
    size_t size = (size_t)pread(fd, good, sizeof good, 0);
    uint64_t random = 88172645463325252u;
    for (int round = 0; round < 200; round++) {
        memcpy(bad, good, size);
        for (int i = 0; i < 1 + round / 4; i++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            bad[round % 2    ? random % size
                : random % 2 ? random % 64
                             : HEADER + random % 3 * BLOCK + random % 8] ^= (unsigned char)(1u << (random >> 60 & 7));
        }
        assert_int_equal(pwrite(fd, bad, size, 0), size);
        struct trace_reader *r = reader();
        (void)read_rising(r, &count);
        least = count < least ? count : least;
        trace_reader_close(&r);
    }
    assert_int_equal(pwrite(fd, good, size, 0), size);
    struct trace_reader *r = reader();
    struct trace_record record;
    assert_true(trace_reader_next(r, &record));
    assert_int_equal(ftruncate(fd, HEADER + BLOCK + 100), 0); /* under the reader */
    (void)read_rising(r, &count);
    trace_reader_close(&r);
    r = reader();
    (void)read_rising(r, &count);
    assert_true(count < 1000);
    assert_int_equal(ftruncate(fd, 7), 0);
    assert_false(trace_reader_next(r, &record));
    trace_reader_close(&r);
    r = reader();
    assert_false(trace_reader_next(r, &record));
    trace_reader_close(&r);
    (void)close(fd);
    /* It was cut: the next process gets a whole one. */
    ring = ring_of("sender-0", SIZE);
    trace_ring_use(ring);
    emit(1, "bob@example.com");
    trace_ring_close(&ring);
    r = reader();
    assert_true(trace_reader_next(r, &record));
    trace_reader_close(&r);
}

static void what_is_no_ring_is_passed_over(void **state)
{
    (void)state;
    static char zeroes[SIZE];
    struct trace_record record;
    struct sums s = {0};
    put("zero-0", 0, zeroes, sizeof zeroes);
    put("receiver", 0, "x", 1);
    put("receiver-0", 0, "THRRING1", 8);
    assert_int_equal(mkdirat(folder_fd, "queue-0", 0700), 0);
    assert_int_equal(mkfifoat(folder_fd, "fifo-0", 0600), 0);
    assert_int_equal(symlinkat("zero-0", folder_fd, "link-0"), 0);
    struct trace_reader *r = reader();
    assert_false(trace_reader_next(r, &record));
    trace_reader_totals(r, add_up, &s);
    assert_int_equal(s.rings, 0);
    enum err why = ERR_OK;
    assert_true(trace_reader_flaw(r, &why).len > 0);
    assert_true(why == ERR_CORRUPT || why == ERR_PERMISSION);
    trace_reader_close(&r);
    /* A link or a file with a second name is not written to: it could be anybody's. */
    assert_int_equal(linkat(folder_fd, "zero-0", folder_fd, "hard-0", 0), 0);
    for (int i = 0; i < 2; i++) {
        struct trace_ring *ring = ring_of(i ? "hard-0" : "link-0", SIZE);
        trace_ring_use(ring);
        emit(1, "bob@example.com");
        trace_ring_close(&ring);
    }
    int fd = openat(folder_fd, "zero-0", O_RDONLY);
    char byte = 'x';
    assert_int_equal(pread(fd, &byte, 1, 0), 1);
    assert_int_equal(byte, 0);
    (void)close(fd);
    assert_int_equal(trace_reader_open("/nonexistent/trace", &r), ERR_NOTFOUND);
}

static int truncate_ring(const char *name, off_t size)
{
    int fd = openat(folder_fd, name, O_RDWR);
    int result = ftruncate(fd, size);
    (void)close(fd);
    return result;
}

static void a_file_that_was_cut_is_told_of_and_read(void **state)
{
    (void)state;
    struct trace_ring *ring = ring_of("sender-0", SIZE);
    struct trace_record record;
    enum err why = ERR_OK;
    trace_ring_use(ring);
    emit(7, "bob@example.com");
    struct trace_reader *r = reader();
    assert_int_equal(trace_reader_flaw(r, &why).len, 0);
    trace_reader_close(&r);
    trace_ring_close(&ring);
    assert_int_equal(truncate_ring("sender-0", HEADER + BLOCK), 0);
    r = reader();
    assert_true(slice_equal(trace_reader_flaw(r, &why), SLICE("sender-0")));
    assert_int_equal(why, ERR_CORRUPT);
    assert_true(trace_reader_next(r, &record));
    assert_int_equal(number_of(&record), 7);
    assert_false(trace_reader_next(r, &record));
    assert_true(slice_equal(trace_reader_flaw(r, &why), SLICE("sender-0")));
    /* Made anew, all is well again. */
    ring = ring_of("sender-0", SIZE);
    trace_ring_use(ring);
    emit(8, "bob@example.com");
    assert_true(trace_reader_next(r, &record));
    assert_int_equal(number_of(&record), 8);
    assert_int_equal(trace_reader_flaw(r, &why).len, 0);
    trace_reader_close(&r);
    trace_ring_close(&ring);
}

static void without_a_file_there_is_an_error_and_no_rest(void **state)
{
    (void)state;
    struct trace_ring *ring = NULL;
    struct stat st;
    for (uint64_t n = 1; n < 8; n++) {
        os_file_fault(n, 1u << OS_CALL_OTHER | 1u << OS_CALL_WRITE | 1u << OS_CALL_OPEN, ERR_NOSPACE);
        enum err e = trace_ring_open(folder_fd, "queue-0", SIZE, &ring);
        os_file_fault(0, 0, ERR_OK);
        trace_ring_close(&ring);
        if (e != ERR_OK)
            assert_int_not_equal(fstatat(folder_fd, "queue-0", &st, 0), 0);
        else
            (void)unlinkat(folder_fd, "queue-0", 0);
    }
    assert_int_equal(trace_ring_open(folder_fd, "queue-0", 0, &ring), ERR_LIMIT);
    assert_int_equal(trace_ring_open(folder_fd, "queue-0", BLOCK, &ring), ERR_LIMIT);
    assert_null(ring);
}

static void gauges_have_names_of_their_own(void **state)
{
    (void)state;
    for (int i = 0; i < TRACE_GAUGE_COUNT; i++) {
        assert_true(trace_gauge_name((enum trace_gauge)i).len > 0);
        for (int j = 0; j < i; j++)
            assert_false(slice_equal(trace_gauge_name((enum trace_gauge)i), trace_gauge_name((enum trace_gauge)j)));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_told_can_be_read),
        TEST(long_texts_are_cut_and_nothing_runs_over),
        TEST(the_oldest_goes_when_it_is_full),
        TEST(a_reader_that_is_lapped_goes_on_with_what_is_left),
        TEST(a_reader_beside_a_writer_gets_whole_records_only),
        TEST(threads_may_tell_at_once),
        TEST(a_process_that_starts_again_goes_on),
        TEST(a_fork_writes_nowhere),
        TEST(rings_are_read_in_order_of_time_and_new_ones_found),
        TEST(a_reading_ends_where_the_rings_ended_when_it_began),
        TEST(counters_go_on_and_gauges_begin_anew),
        TEST(the_master_outlives_a_ring_that_is_cut),
        TEST(a_ring_of_another_user_is_replaced),
        TEST(a_torn_record_is_left_out_and_written_over),
        TEST(flipped_bits_and_cuts_harm_no_reader),
        TEST(what_is_no_ring_is_passed_over),
        TEST(a_file_that_was_cut_is_told_of_and_read),
        TEST(without_a_file_there_is_an_error_and_no_rest),
        TEST(gauges_have_names_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
