/* SPDX-License-Identifier: ISC */
#define SPOOL_TEST_SEGMENT (512u << 10)
#include "spool/fixture_test.h"

static void commits_sizes(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 7, 4096, 8191, 8192, 8193, 65535, 65536, 65537, 131072, 300000, 3000000, 12};
    struct fixture f;
    struct spool_reader *r = NULL;
    fixture_open(&f);
    writer_open(&f);
    assert_int_equal(spool_reader_open(f.dir_fd, &r), ERR_OK);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct spool_done d;
        uint64_t id = 1000 + i;
        assert_int_equal(submit(&f, id, sizes[i]), ERR_OK);
        spool_writer_flush(f.w);
        next_done(&f, &d);
        assert_int_equal(d.kind, SPOOL_DONE_COMMITTED);
        assert_int_equal(d.err, ERR_OK);
        assert_true(d.cookie == (void *)(uintptr_t)id);
        assert_int_equal(d.place.id, id);
        assert_true(d.committed >= d.place.offset + d.place.length);
        check_entry(r, &d.place, sizes[i]);
        struct spool_entry *e = NULL;
        assert_int_equal(spool_entry_open_head(r, &d.place, &e), ERR_OK);
        assert_int_equal(spool_entry_head(e)->facts.size, sizes[i]);
        spool_entry_close(&e);
    }
    spool_reader_close(&r);
    fixture_close(&f);
}

/* A removed segment's space is free only when nobody has it open. */
static void a_reader_lets_go_of_removed_segments(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_reader *r = NULL;
    struct spool_entry *e = NULL;
    struct spool_done d;
    fixture_open(&f);
    writer_open(&f);
    assert_int_equal(spool_reader_open(f.dir_fd, &r), ERR_OK);
    assert_int_equal(submit(&f, 1000, 100), ERR_OK);
    spool_writer_flush(f.w);
    next_done(&f, &d);
    check_entry(r, &d.place, 100);
    spool_reader_trim(r);
    check_entry(r, &d.place, 100);
    assert_int_equal(spool_segment_remove(f.dir_fd, d.place.segment), ERR_OK);
    spool_reader_trim(r);
    assert_int_equal(spool_entry_open(r, &d.place, &e), ERR_NOTFOUND);
    spool_reader_close(&r);
    fixture_close(&f);
}

static void fills_segments_and_recycles(void **state)
{
    (void)state;
    enum { MAILS = 100, SIZE = 40000 };
    struct fixture f;
    struct spool_reader *r = NULL;
    struct spool_place places[MAILS];
    uint64_t closed[MAILS];
    size_t closed_count = 0;
    fixture_open(&f);
    writer_open(&f);
    assert_int_equal(spool_reader_open(f.dir_fd, &r), ERR_OK);
    for (size_t i = 0; i < MAILS; i += 10) {
        for (size_t k = i; k < i + 10; k++)
            assert_int_equal(submit(&f, 1 + k, SIZE), ERR_OK);
        spool_writer_flush(f.w);
        for (size_t k = 0; k < 10; k++) {
            struct spool_done d;
            next_done(&f, &d);
            assert_int_equal(d.err, ERR_OK);
            places[d.place.id - 1] = d.place;
            if (d.closed_segment)
                closed[closed_count++] = d.closed_segment;
        }
    }
    assert_in_range(closed_count, 7, 12);
    for (size_t i = 0; i < MAILS; i++)
        check_entry(r, &places[i], SIZE);
    struct spool_segment_state segment;
    for (size_t i = 0; i < closed_count; i++) {
        assert_true(spool_writer_segment(f.w, i, &segment));
        assert_int_equal(segment.segment, closed[i]);
        assert_int_equal(segment.epoch, 1);
        assert_true(segment.closed);
    }
    assert_true(spool_writer_segment(f.w, closed_count, &segment));
    assert_false(segment.closed);
    assert_false(spool_writer_segment(f.w, closed_count + 1, &segment));
    /* said of another epoch, it is not about the mail that is there now */
    spool_writer_recycle(f.w, closed[0], 2);
    assert_true(spool_writer_segment(f.w, 0, &segment));
    assert_int_equal(segment.segment, closed[0]);
    for (size_t i = 0; i < closed_count; i++)
        spool_writer_recycle(f.w, closed[i], 1);
    bool seen_higher = false;
    for (size_t i = 0; i < MAILS; i++) {
        struct spool_done d;
        assert_int_equal(submit(&f, 1000 + i, SIZE), ERR_OK);
        spool_writer_flush(f.w);
        next_done(&f, &d);
        assert_int_equal(d.err, ERR_OK);
        seen_higher = seen_higher || d.place.epoch > 1;
        check_entry(r, &d.place, SIZE);
    }
    assert_true(seen_higher);
    size_t stale = 0;
    for (size_t i = 0; i < MAILS; i++) {
        struct spool_entry *e = NULL;
        enum err err = spool_entry_open(r, &places[i], &e);
        stale += err == ERR_CORRUPT || err == ERR_NOTFOUND;
        spool_entry_close(&e);
    }
    assert_true(stale > 0);
    spool_reader_close(&r);
    fixture_close(&f);
}

static void group_is_read_back(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_reader *r = NULL;
    struct spool_group *g = NULL;
    struct spool_done d;
    struct test_head bounce, moved;
    char body[30000];
    fixture_open(&f);
    writer_open(&f);
    assert_int_equal(spool_reader_open(f.dir_fd, &r), ERR_OK);
    assert_int_equal(spool_group_begin(f.w, &f, &g), ERR_OK);
    const struct spool_outcome o = {.id = 5,
                                    .recipient = 3,
                                    .kind = SPOOL_FAILED,
                                    .code = 550,
                                    .enhanced = {5, 1, 1},
                                    .text = SLICE("no such user")};
    assert_int_equal(spool_group_outcome(g, &o), ERR_OK);
    test_head_init(&bounce, 6, 1001);
    body_fill(body, 6, 0, 1001);
    assert_int_equal(spool_group_message(g, &bounce.head, slice_of(body, 1001)), ERR_OK);
    test_head_init(&moved, 4, sizeof(body));
    moved.head.copy = 2;
    body_fill(body, 4, 0, sizeof(body));
    assert_int_equal(spool_group_move(g, &moved.head, slice_of(body, sizeof(body))), ERR_OK);
    assert_int_equal(spool_group_message(g, &bounce.head, slice_of(body, 70000)), ERR_LIMIT);
    assert_int_equal(spool_group_commit(&g), ERR_OK);
    spool_writer_flush(f.w);
    next_done(&f, &d);
    assert_int_equal(d.err, ERR_OK);
    assert_true(d.cookie == &f);
    assert_int_equal(d.place.id, 6);
    struct spool_place place;
    slice head;
    assert_true(spool_done_place(f.w, 1, &place, &head));
    assert_int_equal(place.copy, 2);
    struct arena arena;
    struct spool_head decoded;
    arena_init(&arena, 65536);
    assert_int_equal(spool_head_decode(head, &arena, &decoded), ERR_OK);
    assert_int_equal(decoded.id, 4);
    arena_deinit(&arena);
    assert_false(spool_done_place(f.w, 2, &place, &head));
    check_entry(r, &d.place, 1001);
    check_entry(r, &place, sizeof(body));
    spool_reader_close(&r);
    fixture_close(&f);
}

static void aborts_leave_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_message *m = NULL;
    char piece[4096] = {0};
    fixture_open(&f);
    writer_open(&f);
    for (size_t pieces = 0; pieces < 100; pieces += 33) {
        assert_int_equal(spool_message_begin(f.w, NULL, &m), ERR_OK);
        for (size_t i = 0; i < pieces; i++)
            assert_int_equal(spool_message_append(m, slice_of(piece, sizeof(piece))), ERR_OK);
        spool_message_abort(&m);
    }
    spool_writer_close(&f.w);
    struct os_dir *d = NULL;
    slice name;
    assert_int_equal(os_dir_open(f.dir_fd, SLICE("large"), &d), ERR_OK);
    assert_int_equal(os_dir_next(d, &name), ERR_NOTFOUND);
    os_dir_close(&d);
    assert_int_equal(os_dir_open(f.dir_fd, SLICE("seg"), &d), ERR_OK);
    assert_int_equal(os_dir_next(d, &name), ERR_NOTFOUND);
    os_dir_close(&d);
    fixture_close(&f);
}

/* Three mails in one batch. How many failed; the segment that was closed. */
static size_t commit_three(struct fixture *f, uint64_t id, uint64_t *segment_r, uint64_t *closed_r)
{
    size_t failed = 0;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(submit(f, id + i, 100), ERR_OK);
    spool_writer_flush(f->w);
    for (size_t i = 0; i < 3; i++) {
        struct spool_done d;
        next_done(f, &d);
        failed += d.err == ERR_IO;
        if (d.err == ERR_OK)
            *segment_r = d.segment;
        if (d.closed_segment)
            *closed_r = d.closed_segment;
    }
    return failed;
}

static void failed_sync_fails_the_batch_and_retires(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t first = 0, after = 0, closed = 0, id = 1;
    size_t failed = 0;
    fixture_open(&f);
    writer_open(&f);
    assert_int_equal(commit_three(&f, id, &first, &closed), 0);
    assert_int_equal(closed, 0);
    /* the fault may meet a sync of the yard first; the yard has only a few to make */
    for (unsigned tries = 0; failed == 0 && tries < 20; tries++) {
        id += 3;
        os_file_fault(1, 1u << OS_CALL_SYNC, ERR_IO);
        failed = commit_three(&f, id, &first, &closed);
    }
    os_file_fault(0, 0, ERR_OK);
    assert_int_equal(failed, 3);
    assert_int_equal(closed, first);
    assert_int_equal(commit_three(&f, id + 3, &after, &closed), 0);
    assert_true(after != first);
    fixture_close(&f);
}

static void bodies_in_flight_are_bounded(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_message *m[64] = {NULL};
    char piece[8000] = {0};
    fixture_open(&f);
    struct spool_writer_options o = small_options(&f);
    o.memory_max = 100000;
    assert_int_equal(spool_writer_open(&o, &f.w), ERR_OK);
    supply(&f, f.w);
    enum err e = ERR_OK;
    size_t begun = 0;
    for (; begun < 64 && e == ERR_OK; begun++) {
        e = spool_message_begin(f.w, NULL, &m[begun]);
        if (e == ERR_OK)
            e = spool_message_append(m[begun], slice_of(piece, sizeof(piece)));
    }
    assert_int_equal(e, ERR_NOMEM);
    assert_in_range(begun, 5, 13);
    assert_int_equal(spool_writer_room(f.w, 1000000), ERR_NOMEM);
    for (size_t i = 0; i < 64; i++)
        spool_message_abort(&m[i]);
    assert_int_equal(spool_writer_room(f.w, 50000), ERR_OK);
    fixture_close(&f);
}

static void full_disk_refuses_messages_not_outcomes(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_done d;
    struct spool_group *g = NULL;
    fixture_open(&f);
    struct spool_writer_options o = small_options(&f);
    o.min_free = UINT64_MAX / 2;
    assert_int_equal(spool_writer_open(&o, &f.w), ERR_OK);
    supply(&f, f.w);
    assert_int_equal(spool_writer_room(f.w, 1), ERR_NOSPACE);
    assert_int_equal(submit(&f, 1, 100), ERR_OK);
    spool_writer_flush(f.w);
    next_done(&f, &d);
    assert_int_equal(d.err, ERR_NOSPACE);
    spool_writer_close(&f.w);
    o.outcomes_only = true;
    assert_int_equal(spool_writer_open(&o, &f.w), ERR_OK);
    supply(&f, f.w);
    assert_int_equal(spool_group_begin(f.w, NULL, &g), ERR_OK);
    const struct spool_outcome outcome = {.id = 1, .kind = SPOOL_DELIVERED};
    assert_int_equal(spool_group_outcome(g, &outcome), ERR_OK);
    assert_int_equal(spool_group_commit(&g), ERR_OK);
    spool_writer_flush(f.w);
    next_done(&f, &d);
    assert_int_equal(d.err, ERR_OK);
    fixture_close(&f);
}

/* Whether a refusal for space is found at once in what room says, and not only by the next commit. */
static bool is_full_after_a_refusal(struct fixture *f, uint64_t id)
{
    struct spool_done d;
    os_file_fault(OS_FILE_FAULT_EACH, 1u << OS_CALL_SYNC, ERR_NOSPACE);
    assert_int_equal(submit(f, id, 100), ERR_OK);
    spool_writer_flush(f->w);
    next_done(f, &d);
    os_file_fault(0, 0, ERR_OK);
    assert_int_equal(d.err, ERR_NOSPACE);
    return spool_writer_room(f->w, 0) == ERR_NOSPACE;
}

/* Where the sum says that there is room, and the disk says no: one commit finds that out, and not each client at the end of its mail. */
static void a_disk_that_refuses_a_commit_is_full_for_a_while(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_done d;
    fixture_open(&f);
    writer_open(&f);
    for (int i = 0; i < 3; i++)
        supply(&f, f.w); /* none are taken while syncs fail */
    assert_int_equal(submit(&f, 1, 100), ERR_OK);
    spool_writer_flush(f.w);
    next_done(&f, &d);
    assert_int_equal(d.err, ERR_OK);
    assert_int_equal(spool_writer_room(f.w, 0), ERR_OK);
    bool full = false; /* a machine that stands still for that second proves nothing */
    for (uint64_t id = 2; id < 5 && !full; id++)
        full = is_full_after_a_refusal(&f, id);
    assert_true(full);
    for (int i = 0; i < 500 && spool_writer_room(f.w, 0) != ERR_OK; i++)
        usleep(10000);
    assert_int_equal(spool_writer_room(f.w, 0), ERR_OK);
    fixture_close(&f);
}

static void a_head_too_long_to_announce_is_refused(void **state)
{
    (void)state;
    enum { COUNT = 40000 };
    struct fixture f;
    fixture_open(&f);
    struct spool_writer_options o = small_options(&f);
    o.segment_size = 16 << 20;
    assert_int_equal(spool_writer_open(&o, &f.w), ERR_OK);
    supply(&f, f.w);
    struct recipient *r = calloc(COUNT, sizeof(*r));
    assert_non_null(r);
    for (size_t i = 0; i < COUNT; i++)
        r[i].address = SLICE("a.member.with.a.name.that.is.not.short@a.domain.with.a.name.that.is.not.short.example");
    struct envelope e = {.recipient_count = COUNT, .recipients = r};
    const struct spool_head head = {.id = 1, .envelope_count = 1, .envelopes = &e};
    for (unsigned i = 0; i < 2; i++) {
        struct spool_message *m = NULL;
        assert_int_equal(spool_message_begin(f.w, NULL, &m), ERR_OK);
        assert_int_equal(spool_message_append(m, SLICE("Subject: x\r\n\r\n")), ERR_OK);
        assert_int_equal(spool_message_commit(&m, &head), i == 0 ? ERR_LIMIT : ERR_OK);
        e.recipient_count = COUNT / 2;
    }
    spool_writer_flush(f.w);
    struct spool_done d;
    next_done(&f, &d);
    assert_int_equal(d.err, ERR_OK);
    assert_true(d.head.len <= SPOOL_HEAD_MAX);
    free(r);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commits_sizes),
        cmocka_unit_test(fills_segments_and_recycles),
        cmocka_unit_test(a_reader_lets_go_of_removed_segments),
        cmocka_unit_test(group_is_read_back),
        cmocka_unit_test(aborts_leave_nothing),
        cmocka_unit_test(failed_sync_fails_the_batch_and_retires),
        cmocka_unit_test(bodies_in_flight_are_bounded),
        cmocka_unit_test(a_disk_that_refuses_a_commit_is_full_for_a_while),
        cmocka_unit_test(a_head_too_long_to_announce_is_refused),
        cmocka_unit_test(full_disk_refuses_messages_not_outcomes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
