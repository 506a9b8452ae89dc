/* SPDX-License-Identifier: ISC */
/* Recovery from states that are made by hand: each row of QUEUE.md's table of states. */
#define SPOOL_TEST_SEGMENT (512u << 10)
#include "spool/fixture_test.h"

#include "spool/record.h"
#include "spool/segment.h"

#define MAILS 6
#define SIZE 1000
#define FOUND 64

struct seen {
    struct spool_place places[FOUND];
    size_t messages, outcomes, checkpoint, segments, damaged;
    uint32_t damaged_at;
    uint32_t writer;
    enum err answer;
};

static enum err on_message(void *ctx, const struct spool_place *place, slice head)
{
    struct seen *s = ctx;
    assert_true(head.len > 0);
    assert_true(s->messages < FOUND);
    s->places[s->messages++] = *place;
    return s->answer;
}

static enum err on_outcome(void *ctx, const struct spool_outcome *o)
{
    struct seen *s = ctx;
    assert_true(o->id > 0);
    s->outcomes++;
    return ERR_OK;
}

static enum err on_checkpoint(void *ctx, const struct spool_place *place, slice state)
{
    struct seen *s = ctx;
    assert_int_equal(state.len, place->id * 1000);
    s->checkpoint++;
    return ERR_OK;
}

static enum err on_segment(void *ctx, uint64_t segment, uint32_t writer, uint32_t epoch)
{
    struct seen *s = ctx;
    assert_true(segment > 0 && epoch > 0);
    s->writer = writer;
    s->segments++;
    return ERR_OK;
}

static void on_damaged(void *ctx, uint64_t segment, uint32_t offset, slice what)
{
    struct seen *s = ctx;
    (void)segment;
    assert_true(what.len > 0);
    s->damaged++;
    s->damaged_at = offset;
}

static const struct spool_scan_ops ops = {.message = on_message,
                                          .outcome = on_outcome,
                                          .checkpoint = on_checkpoint,
                                          .segment = on_segment,
                                          .damaged = on_damaged};

static enum err scan(const struct fixture *f, struct seen *s)
{
    enum err answer = s->answer;
    memset(s, 0, sizeof(*s));
    s->answer = answer;
    return spool_scan(f->dir_fd, NULL, 0, &ops, s);
}

/* MAILS mails with ids from 1, each a batch of its own, or all in one; the writer is closed, one segment left. */
static void make_segment(struct fixture *f, struct spool_place *places, bool one_batch)
{
    struct spool_done d;
    fixture_open(f);
    writer_open(f);
    for (uint64_t id = 1; id <= MAILS; id++) {
        assert_int_equal(submit(f, id, SIZE), ERR_OK);
        if (one_batch && id < MAILS)
            continue;
        spool_writer_flush(f->w);
        for (uint64_t n = one_batch ? MAILS : 1; n > 0; n--) {
            next_done(f, &d);
            assert_int_equal(d.err, ERR_OK);
            places[d.place.id - 1] = d.place;
        }
    }
    spool_writer_close(&f->w);
}

static void change(const struct fixture *f, const struct spool_place *place, uint32_t at, char by)
{
    char name[SPOOL_NAME_SIZE], byte;
    int fd = -1;
    size_t got;
    assert_int_equal(os_open(f->dir_fd, spool_segment_name(name, place->segment), O_RDWR, 0, &fd), ERR_OK);
    assert_int_equal(os_pread(fd, &byte, 1, at, &got), ERR_OK);
    byte = (char)(byte ^ by);
    assert_int_equal(os_pwrite(fd, slice_of(&byte, 1), at), ERR_OK);
    os_close(&fd);
}

static void finds_what_was_written(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct seen s = {.answer = ERR_OK};
    make_segment(&f, places, false);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.messages, MAILS);
    for (size_t i = 0; i < MAILS; i++)
        assert_place_equal(&s.places[i], &places[i]);
    assert_int_equal(s.writer, 7);
    assert_int_equal(s.damaged, 0);
    fixture_close(&f);
}

/* Any byte of a mail that others follow: it is reported, the others are found. */
static void damage_is_reported_and_hides_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct seen s = {.answer = ERR_OK};
    make_segment(&f, places, false);
    for (uint32_t at = 0; at < places[2].length; at += 7) {
        change(&f, &places[2], places[2].offset + at, 0x40);
        assert_int_equal(scan(&f, &s), ERR_OK);
        assert_int_equal(s.messages, MAILS - 1);
        assert_int_equal(s.damaged, 1);
        assert_int_equal(s.damaged_at, places[2].offset);
        change(&f, &places[2], places[2].offset + at, 0x40);
    }
    fixture_close(&f);
}

static void torn_tail_is_silent(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct seen s = {.answer = ERR_OK};
    make_segment(&f, places, false);
    change(&f, &places[MAILS - 1], places[MAILS - 1].offset + 100, 1);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.messages, MAILS - 1);
    assert_int_equal(s.damaged, 0);
    /* the same below what its process says it committed is damage */
    const struct spool_scan_limit limit = {places[0].segment, places[0].epoch,
                                           places[MAILS - 1].offset + places[MAILS - 1].length};
    memset(&s, 0, sizeof(s));
    assert_int_equal(spool_scan(f.dir_fd, &limit, 1, &ops, &s), ERR_OK);
    assert_int_equal(s.messages, MAILS - 1);
    assert_int_equal(s.damaged, 1);
    fixture_close(&f);
}

static void hole_in_the_last_batch_is_torn(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct seen s = {.answer = ERR_OK};
    make_segment(&f, places, true);
    change(&f, &places[1], places[1].offset + 100, 1);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.messages, MAILS - 1);
    assert_int_equal(s.damaged, 0);
    fixture_close(&f);
}

static void owned_segment_is_read_to_its_limit(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct seen s = {.answer = ERR_OK};
    make_segment(&f, places, false);
    const struct spool_scan_limit limit = {places[0].segment, places[0].epoch, places[3].offset};
    assert_int_equal(spool_scan(f.dir_fd, &limit, 1, &ops, &s), ERR_OK);
    assert_int_equal(s.messages, 3);
    assert_int_equal(s.damaged, 0);
    const struct spool_scan_limit beyond = {places[0].segment, places[0].epoch, SPOOL_TEST_SEGMENT + 4096};
    memset(&s, 0, sizeof(s));
    assert_int_equal(spool_scan(f.dir_fd, &beyond, 1, &ops, &s), ERR_OK);
    assert_int_equal(s.messages, MAILS);
    assert_true(s.damaged > 0);
    /* its owner has begun it anew since: what is in it now comes by announcement */
    const struct spool_scan_limit before = {places[0].segment, places[0].epoch - 1, SPOOL_TEST_SEGMENT};
    memset(&s, 0, sizeof(s));
    assert_int_equal(spool_scan(f.dir_fd, &before, 1, &ops, &s), ERR_OK);
    assert_int_equal(s.messages, 0);
    assert_int_equal(s.damaged, 0);
    fixture_close(&f);
}

static void superblock_lost_is_reported_and_the_mail_found(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct seen s = {.answer = ERR_OK};
    make_segment(&f, places, false);
    change(&f, &places[0], 20, 1);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.messages, MAILS);
    assert_int_equal(s.damaged, 1);
    assert_int_equal(s.damaged_at, 0);
    /* and without a first record there is nothing to hold on to */
    change(&f, &places[0], places[0].offset, 1);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.messages, 0);
    assert_int_equal(s.damaged, 1);
    fixture_close(&f);
}

static void half_born_segment_is_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct seen s = {.answer = ERR_OK};
    int fd = -1;
    fixture_open(&f);
    assert_int_equal(os_open(f.dir_fd, SLICE("seg/0000000000000009"), O_RDWR | O_CREAT, 0600, &fd), ERR_OK);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(os_ftruncate(fd, 1 << 20), ERR_OK);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.segments + s.messages + s.damaged, 0);
    os_close(&fd);
    fixture_close(&f);
}

static void undecodable_head_is_damaged(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct seen s = {.answer = ERR_UNSUPPORTED};
    make_segment(&f, places, false);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.damaged, MAILS);
    s.answer = ERR_NOMEM;
    assert_int_equal(scan(&f, &s), ERR_NOMEM);
    fixture_close(&f);
}

/* A group is there or not: its records are valid each by itself, and must not be found when one of them is torn. */
static void torn_group_counts_for_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_group *g = NULL;
    struct spool_done d;
    struct test_head bounce;
    char body[SIZE];
    struct seen s = {.answer = ERR_OK};
    fixture_open(&f);
    writer_open(&f);
    assert_int_equal(spool_group_begin(f.w, NULL, &g), ERR_OK);
    const struct spool_outcome o = {.id = 5, .kind = SPOOL_FAILED};
    test_head_init(&bounce, 6, SIZE);
    body_fill(body, 6, 0, SIZE);
    assert_int_equal(spool_group_outcome(g, &o), ERR_OK);
    assert_int_equal(spool_group_message(g, &bounce.head, slice_of(body, SIZE)), ERR_OK);
    assert_int_equal(spool_group_commit(&g), ERR_OK);
    spool_writer_flush(f.w);
    next_done(&f, &d);
    assert_int_equal(d.err, ERR_OK);
    spool_writer_close(&f.w);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.messages, 1);
    assert_int_equal(s.outcomes, 1);
    for (uint32_t at = SPOOL_PAGE; at < d.place.offset + d.place.length; at += 5) {
        change(&f, &d.place, at, 0x10);
        assert_int_equal(scan(&f, &s), ERR_OK);
        assert_int_equal(s.messages + s.outcomes, 0);
        change(&f, &d.place, at, 0x10);
    }
    fixture_close(&f);
}

/* A mail whose body is a copy of a segment: its records are bytes of a mail and nothing else, even when the mail's own record is damaged. */
static void body_never_passes_as_a_record(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct spool_done d;
    struct spool_message *m = NULL;
    struct test_head t;
    char name[SPOOL_NAME_SIZE];
    static char content[20000];
    int fd = -1;
    size_t got;
    struct seen s = {.answer = ERR_OK};
    make_segment(&f, places, false);
    assert_int_equal(os_open(f.dir_fd, spool_segment_name(name, places[0].segment), O_RDONLY, 0, &fd), ERR_OK);
    assert_int_equal(os_pread(fd, content, sizeof(content), 0, &got), ERR_OK);
    os_close(&fd);
    writer_open(&f);
    for (uint64_t id = 100; id < 102; id++) {
        assert_int_equal(spool_message_begin(f.w, NULL, &m), ERR_OK);
        assert_int_equal(spool_message_append(m, slice_of(content, got)), ERR_OK);
        test_head_init(&t, id, got);
        assert_int_equal(spool_message_commit(&m, &t.head), ERR_OK);
        spool_writer_flush(f.w);
        next_done(&f, &d);
        assert_int_equal(d.err, ERR_OK);
        if (id == 100)
            places[0] = d.place;
    }
    spool_writer_close(&f.w);
    change(&f, &places[0], places[0].offset + 8, 1);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.messages, MAILS + 1);
    assert_int_equal(s.damaged, 1);
    fixture_close(&f);
}

/* One by one, or many with one read: the heads are the same, whatever the mails' lengths and order. */
static void heads_in_a_row_are_the_heads(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {10, 700, 3000, 9000, 60000, 1, 20000, 5000};
    enum { COUNT = 120 };
    struct fixture f;
    struct spool_place places[COUNT];
    struct spool_reader *r = NULL;
    struct spool_heads *heads = NULL;
    const struct spool_head *head = NULL;
    fixture_open(&f);
    writer_open(&f);
    for (size_t i = 0; i < COUNT; i++) {
        struct spool_done d;
        assert_int_equal(submit(&f, 100 + i, sizes[i % 8]), ERR_OK);
        spool_writer_flush(f.w);
        next_done(&f, &d);
        assert_int_equal(d.err, ERR_OK);
        places[i] = d.place;
    }
    spool_writer_close(&f.w);
    assert_int_equal(spool_reader_open(f.dir_fd, &r), ERR_OK);
    assert_int_equal(spool_heads_open(r, &heads), ERR_OK);
    for (size_t i = 0; i < 3 * COUNT; i++) { /* as they lie, then backwards, then far apart */
        size_t at = i < COUNT ? i : i < 2 * COUNT ? 2 * COUNT - 1 - i : i * 7 % COUNT;
        struct test_head t;
        test_head_init(&t, 100 + at, sizes[at % 8]);
        assert_int_equal(spool_heads_read(heads, &places[at], &head), ERR_OK);
        assert_int_equal(head->id, 100 + at);
        assert_int_equal(head->facts.size, sizes[at % 8]);
        assert_true(slice_equal(head->envelopes[0].recipients[0].address, t.recipient.address));
    }
    struct spool_place wrong = places[3];
    wrong.id++;
    assert_int_equal(spool_heads_read(heads, &wrong, &head), ERR_CORRUPT);
    wrong = places[3];
    wrong.segment += 1000;
    assert_int_equal(spool_heads_read(heads, &wrong, &head), ERR_NOTFOUND);
    assert_int_equal(spool_heads_read(heads, &places[5], &head), ERR_OK);
    spool_heads_close(&heads);
    spool_reader_close(&r);
    fixture_close(&f);
}

static void write_checkpoint(struct fixture *f, const struct spool_place *places, uint32_t covered)
{
    struct spool_checkpoint *c = NULL;
    static char state[MAILS * 1000];
    assert_int_equal(spool_checkpoint_begin(f->dir_fd, &c), ERR_OK);
    assert_int_equal(spool_checkpoint_segment(c, places[0].segment, places[0].epoch, covered), ERR_OK);
    for (unsigned round = 0; round < 40; round++) {
        for (size_t i = 0; i < MAILS; i++)
            assert_int_equal(spool_checkpoint_add(c, &places[i], slice_of(state, places[i].id * 1000)), ERR_OK);
    }
    assert_int_equal(spool_checkpoint_commit(&c), ERR_OK);
    assert_null(c);
}

/* The commit in its own thread leaves what the one on ours leaves. */
static void checkpoint_is_committed_in_a_thread(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct spool_checkpoint *c = NULL;
    struct spool_checkpoint_thread *commit = NULL;
    struct seen s = {.answer = ERR_OK};
    static char about[MAILS * 1000];
    int event = -1;
    make_segment(&f, places, false);
    struct spool_freed freed = {.segment = places[0].segment + 1};
    const struct spool_freed_list list = {f.dir_fd, &freed, 1};
    assert_int_equal(os_event_open(&event), ERR_OK);
    for (uint32_t round = 1; round <= 3; round++) {
        assert_int_equal(spool_checkpoint_begin(f.dir_fd, &c), ERR_OK);
        assert_int_equal(spool_checkpoint_segment(c, places[0].segment, places[0].epoch, UINT32_MAX), ERR_OK);
        for (uint32_t i = 0; i < round; i++)
            assert_int_equal(spool_checkpoint_add(c, &places[i], slice_of(about, places[i].id * 1000)), ERR_OK);
        assert_int_equal(spool_checkpoint_thread_begin(&c, event, &list, &commit), ERR_OK);
        assert_null(c);
        struct pollfd over = {.fd = event, .events = POLLIN};
        assert_int_equal(poll(&over, 1, 120000), 1);
        os_event_clear(event);
        assert_int_equal(spool_checkpoint_thread_end(&commit), ERR_OK);
        assert_null(commit);
        assert_true(freed.over);
        freed.over = false;
        assert_int_equal(scan(&f, &s), ERR_OK);
        assert_int_equal(s.checkpoint, round);
        assert_int_equal(s.messages, 0);
    }
    os_close(&event);
    fixture_close(&f);
}

static void checkpoint_spares_the_reading(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct seen s = {.answer = ERR_OK};
    make_segment(&f, places, false);
    write_checkpoint(&f, places, places[4].offset);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.checkpoint, MAILS * 40);
    assert_int_equal(s.messages, 2);
    assert_int_equal(s.segments, 1);
    write_checkpoint(&f, places, UINT32_MAX);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.messages, 0);
    /* another epoch than the one it saw: read whole */
    places[0].epoch++;
    write_checkpoint(&f, places, UINT32_MAX);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.messages, MAILS);
    fixture_close(&f);
}

static void damaged_checkpoint_is_not_used(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct seen s = {.answer = ERR_OK};
    struct os_file_stamp stamp;
    make_segment(&f, places, false);
    write_checkpoint(&f, places, UINT32_MAX);
    int fd = -1;
    assert_int_equal(os_open(f.dir_fd, SLICE("checkpoint"), O_RDWR, 0, &fd), ERR_OK);
    assert_int_equal(os_fd_stamp(fd, &stamp), ERR_OK);
    for (uint64_t at = 0; at < stamp.size; at += stamp.size / 50) {
        char byte;
        size_t got;
        assert_int_equal(os_pread(fd, &byte, 1, at, &got), ERR_OK);
        byte ^= 4;
        assert_int_equal(os_pwrite(fd, slice_of(&byte, 1), at), ERR_OK);
        assert_int_equal(scan(&f, &s), ERR_OK);
        assert_int_equal(s.checkpoint, 0);
        assert_int_equal(s.messages, MAILS);
        assert_int_equal(s.damaged, 1);
        byte ^= 4;
        assert_int_equal(os_pwrite(fd, slice_of(&byte, 1), at), ERR_OK);
    }
    assert_int_equal(os_ftruncate(fd, stamp.size - 1), ERR_OK);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.checkpoint, 0);
    os_close(&fd);
    fixture_close(&f);
}

static bool nothing_lives(void *ctx, uint64_t number)
{
    (void)ctx;
    (void)number;
    return false;
}

static void sweep_removes_what_is_dead(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct seen s = {.answer = ERR_OK};
    struct os_file_stamp stamp;
    make_segment(&f, places, false);
    assert_int_equal(os_file_replace(f.dir_fd, SLICE("checkpoint.new"), SLICE("x"), 0600), ERR_OK);
    assert_int_equal(os_file_replace(f.dir_fd, SLICE(".format.0123"), SLICE("x"), 0600), ERR_OK);
    assert_int_equal(os_file_replace(f.dir_fd, SLICE("large/00000000000000ff"), SLICE("x"), 0600), ERR_OK);
    assert_int_equal(spool_sweep(f.dir_fd, nothing_lives, nothing_lives, NULL), ERR_OK);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_int_equal(s.segments, 0);
    assert_int_equal(os_file_stamp(f.dir_fd, SLICE("checkpoint.new"), false, &stamp), ERR_NOTFOUND);
    assert_int_equal(os_file_stamp(f.dir_fd, SLICE(".format.0123"), false, &stamp), ERR_NOTFOUND);
    assert_int_equal(os_file_stamp(f.dir_fd, SLICE("large/00000000000000ff"), false, &stamp), ERR_NOTFOUND);
    assert_int_equal(os_file_stamp(f.dir_fd, SLICE("format"), false, &stamp), ERR_OK);
    assert_int_equal(os_file_stamp(f.dir_fd, SLICE("numbers"), false, &stamp), ERR_OK);
    fixture_close(&f);
}

/* The queue keeps one descriptor of its folder for all its life. One that can sync nothing (O_PATH) will do: each sync has its own, so that one whose sync has failed
 * is never used again. */
static void the_folders_descriptor_is_never_synced_itself(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct seen s = {.answer = ERR_OK};
    int only_a_path = -1;
    make_segment(&f, places, false);
    assert_int_equal(os_open(f.dir_fd, SLICE("."), O_PATH | O_DIRECTORY, 0, &only_a_path), ERR_OK);
    assert_int_not_equal(os_fsync(only_a_path), ERR_OK);
    int kept = f.dir_fd;
    f.dir_fd = only_a_path;
    write_checkpoint(&f, places, UINT32_MAX);
    assert_int_equal(scan(&f, &s), ERR_OK);
    assert_true(s.checkpoint > 0);
    assert_int_equal(spool_sweep(f.dir_fd, nothing_lives, nothing_lives, NULL), ERR_OK);
    f.dir_fd = kept;
    os_close(&only_a_path);
    fixture_close(&f);
}

static bool look(const struct fixture *f, struct spool_freed *freed)
{
    freed->over = freed->gone = false;
    spool_freed_look(&(struct spool_freed_list){f->dir_fd, freed, 1});
    return freed->over;
}

/* Only what is new, or gone, on the disk itself. */
static void freed_segment_is_over_when_it_cannot_come_back(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    char page[SPOOL_PAGE];
    make_segment(&f, places, false);
    struct spool_freed freed = {.segment = places[0].segment, .epoch = places[0].epoch};
    assert_false(look(&f, &freed));
    change(&f, &places[0], 20, 1);
    assert_false(look(&f, &freed));
    static const struct {
        uint64_t more;
        uint32_t epochs;
        bool over;
    } rows[] = {{0, 0, false}, {1, 1, false}, {0, 1, true}, {0, 7, true}};
    char name[SPOOL_NAME_SIZE];
    int fd = -1;
    assert_int_equal(os_open(f.dir_fd, spool_segment_name(name, freed.segment), O_RDWR, 0, &fd), ERR_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        spool_superblock_encode(page, &(struct spool_superblock){.number = freed.segment + rows[i].more,
                                                                 .mark = 5,
                                                                 .writer = 7,
                                                                 .epoch = freed.epoch + rows[i].epochs,
                                                                 .size = 1 << 20});
        assert_int_equal(os_pwrite(fd, slice_of(page, sizeof(page)), 0), ERR_OK);
        assert_int_equal(look(&f, &freed), rows[i].over);
        os_file_fault(OS_FILE_FAULT_EACH, 1u << OS_CALL_SYNC, ERR_IO);
        assert_false(look(&f, &freed));
        os_file_fault(OS_FILE_FAULT_EACH, 1u << OS_CALL_READ, ERR_IO);
        assert_false(look(&f, &freed));
        os_file_fault(0, 0, ERR_OK);
    }
    os_close(&fd);
    os_file_fault(OS_FILE_FAULT_EACH, 1u << OS_CALL_OPEN, ERR_LIMIT);
    assert_false(look(&f, &freed));
    os_file_fault(0, 0, ERR_OK);
    assert_int_equal(spool_segment_remove(f.dir_fd, freed.segment), ERR_OK);
    os_file_fault(OS_FILE_FAULT_EACH, 1u << OS_CALL_SYNC, ERR_IO);
    assert_false(look(&f, &freed));
    os_file_fault(0, 0, ERR_OK);
    assert_true(look(&f, &freed));
    fixture_close(&f);
}

static void on_unreadable(void *ctx, uint64_t segment)
{
    struct seen *s = ctx;
    assert_int_equal(segment, s->places[MAILS - 1].segment);
    s->segments += 100;
}

/* Whichever of its reads fails: it is named, and the scan ends well; nobody is told of it as damaged. */
static void segment_that_the_disk_does_not_give_is_named(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_place places[MAILS];
    struct spool_scan_ops with = ops;
    with.unreadable = on_unreadable;
    make_segment(&f, places, false);
    uint64_t n = 0;
    size_t named = 0;
    struct seen s;
    enum err e;
    do {
        s = (struct seen){.places = {[MAILS - 1] = places[0]}};
        os_file_fault(++n, 1u << OS_CALL_READ, ERR_IO);
        e = spool_scan(f.dir_fd, NULL, 0, &with, &s);
        named += s.segments >= 100;
        /* an error only for the folder itself */
        assert_int_equal(e, s.segments > 0 ? ERR_OK : ERR_IO);
        assert_int_equal(s.damaged, 0);
    } while ((e != ERR_OK || s.segments >= 100) && n < 20);
    os_file_fault(0, 0, ERR_OK);
    assert_in_range(named, 2, 19);
    assert_int_equal(s.messages, MAILS);
    os_file_fault(1, 1u << OS_CALL_READ, ERR_IO);
    assert_int_equal(spool_segment_probe(f.dir_fd, places[0].segment), ERR_IO);
    assert_int_equal(spool_segment_probe(f.dir_fd, places[0].segment), ERR_OK);
    assert_int_equal(spool_segment_probe(f.dir_fd, places[0].segment + 1), ERR_OK);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_written),
        cmocka_unit_test(damage_is_reported_and_hides_nothing),
        cmocka_unit_test(torn_tail_is_silent),
        cmocka_unit_test(hole_in_the_last_batch_is_torn),
        cmocka_unit_test(owned_segment_is_read_to_its_limit),
        cmocka_unit_test(superblock_lost_is_reported_and_the_mail_found),
        cmocka_unit_test(half_born_segment_is_nothing),
        cmocka_unit_test(undecodable_head_is_damaged),
        cmocka_unit_test(torn_group_counts_for_nothing),
        cmocka_unit_test(body_never_passes_as_a_record),
        cmocka_unit_test(heads_in_a_row_are_the_heads),
        cmocka_unit_test(checkpoint_is_committed_in_a_thread),
        cmocka_unit_test(checkpoint_spares_the_reading),
        cmocka_unit_test(damaged_checkpoint_is_not_used),
        cmocka_unit_test(sweep_removes_what_is_dead),
        cmocka_unit_test(the_folders_descriptor_is_never_synced_itself),
        cmocka_unit_test(freed_segment_is_over_when_it_cannot_come_back),
        cmocka_unit_test(segment_that_the_disk_does_not_give_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
