/* SPDX-License-Identifier: ISC */
/* What the tests of the room share: a spool in a temporary folder, a writer that gets its numbers by itself, mails of a size whose every byte
 * follows from their id. */
#ifndef SPOOL_FIXTURE_TEST_H
#define SPOOL_FIXTURE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "spool/spool.h"

struct fixture {
    char path[64];
    int dir_fd;
    struct spool_writer *w;
};

static inline void remove_tree(const char *path)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf -- '%s'", path);
    assert_int_equal(system(command), 0);
}

static inline void fixture_open(struct fixture *f)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    f->w = NULL;
    f->dir_fd = -1;
    snprintf(f->path, sizeof(f->path), "%s/spool-test-XXXXXX", base);
    assert_non_null(mkdtemp(f->path));
    assert_int_equal(spool_dir_open(f->path, &f->dir_fd), ERR_OK);
}

static inline void supply(struct fixture *f, struct spool_writer *w)
{
    uint64_t first = 0;
    assert_int_equal(spool_numbers_take(f->dir_fd, 64, &first), ERR_OK);
    spool_writer_supply_numbers(w, first, 64);
}

static inline struct spool_writer_options small_options(const struct fixture *f)
{
    return (struct spool_writer_options){.dir_fd = f->dir_fd,
                                         .writer = 7,
                                         .memory_max = 32 << 20,
                                         .segment_size = SPOOL_TEST_SEGMENT,
                                         .inline_max = 64 << 10};
}

static inline void writer_open(struct fixture *f)
{
    const struct spool_writer_options o = small_options(f);
    assert_int_equal(spool_writer_open(&o, &f->w), ERR_OK);
    supply(f, f->w);
}

static inline void fixture_close(struct fixture *f)
{
    spool_writer_close(&f->w);
    os_close(&f->dir_fd);
    remove_tree(f->path);
}

/* The next completion but for numbers, which are supplied; fails the test after ten seconds of silence. */
static inline void next_done(struct fixture *f, struct spool_done *d)
{
    for (;;) {
        if (spool_writer_next_done(f->w, d)) {
            if (d->kind != SPOOL_DONE_NUMBERS_LOW)
                return;
            supply(f, f->w);
            continue;
        }
        struct pollfd p = {.fd = spool_writer_wake_fd(f->w), .events = POLLIN};
        assert_int_equal(poll(&p, 1, 10000), 1);
    }
}

static inline void assert_place_equal(const struct spool_place *a, const struct spool_place *b)
{
    assert_int_equal(a->segment, b->segment);
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->length, b->length);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->copy, b->copy);
}

static inline char body_byte(uint64_t id, uint64_t at)
{
    return (char)('a' + (id * 7 + at * 31 + at / 251) % 26);
}

static inline void body_fill(char *out, uint64_t id, uint64_t from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = body_byte(id, from + i);
}

/* A head with one envelope and one recipient that says the id. `text` and the structs must outlive it. */
struct test_head {
    char text[32];
    struct recipient recipient;
    struct envelope envelope;
    struct spool_head head;
};

static inline void test_head_init(struct test_head *t, uint64_t id, uint64_t size)
{
    memset(t, 0, sizeof(*t));
    int len = snprintf(t->text, sizeof(t->text), "r%llu@example.com", (unsigned long long)id);
    t->recipient.address = slice_of(t->text, (size_t)len);
    t->envelope = (struct envelope){
        .reverse_path = SLICE("sender@example.org"), .recipient_count = 1, .recipients = &t->recipient};
    t->head = (struct spool_head){.id = id,
                                  .arrival_s = 1790000000,
                                  .facts = {.size = size},
                                  .origin = {.client_name = SLICE("unknown"), .client_ip = SLICE("192.0.2.1")},
                                  .envelope_count = 1,
                                  .envelopes = &t->envelope};
}

/* Begins, appends in pieces and commits; not flushed. */
static inline enum err submit(struct fixture *f, uint64_t id, uint64_t size)
{
    struct spool_message *m = NULL;
    char piece[5000];
    enum err e = spool_message_begin(f->w, (void *)(uintptr_t)id, &m);
    if (e != ERR_OK)
        return e;
    for (uint64_t at = 0; at < size;) {
        size_t n = size - at < sizeof(piece) ? (size_t)(size - at) : sizeof(piece);
        body_fill(piece, id, at, n);
        e = spool_message_append(m, slice_of(piece, n));
        if (e != ERR_OK) {
            spool_message_abort(&m);
            return e;
        }
        at += n;
        while (spool_message_congested(m)) {
            struct spool_done d;
            next_done(f, &d);
            assert_int_equal(d.kind, SPOOL_DONE_DRAINED);
            assert_true(d.cookie == (void *)(uintptr_t)id);
        }
    }
    struct test_head t;
    test_head_init(&t, id, size);
    return spool_message_commit(&m, &t.head);
}

/* The whole content is what `submit` gave. */
static inline void check_entry(struct spool_reader *r, const struct spool_place *place, uint64_t size)
{
    struct spool_entry *e = NULL;
    assert_int_equal(spool_entry_open(r, place, &e), ERR_OK);
    struct test_head t;
    test_head_init(&t, place->id, size);
    const struct spool_head *h = spool_entry_head(e);
    assert_int_equal(h->id, place->id);
    assert_int_equal(h->envelope_count, 1);
    assert_true(slice_equal(h->envelopes[0].recipients[0].address, t.recipient.address));
    uint64_t at = 0;
    for (;;) {
        slice content = SLICE_NONE;
        assert_int_equal(spool_entry_content(e, at, 70000, &content), ERR_OK);
        if (content.len == 0)
            break;
        for (size_t i = 0; i < content.len; i++)
            assert_int_equal(content.ptr[i], body_byte(place->id, at + i));
        at += content.len;
    }
    assert_int_equal(at, size);
    spool_entry_close(&e);
}

#endif
