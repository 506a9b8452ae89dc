/* SPDX-License-Identifier: ISC */
#include "spool_workload.h"

#include <ftw.h>
#include <poll.h>
#include <unistd.h>

#define SEGMENT (512u << 10)
#define INLINE_MAX (64u << 10)
#define BODY_MAX 200000

void workload_folder(char *out)
{
    snprintf(out, 64, "%s/spool-crash-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(out));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void workload_remove(const char *path)
{
    assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

uint64_t workload_setting(const char *name, uint64_t value)
{
    const char *s = getenv(name);
    if (s && slice_to_u64(slice_str(s), 100000, &value) != ERR_OK)
        fail_msg("%s is a number up to 100000", name);
    return value;
}

static uint64_t draw(struct workload *l, uint64_t below)
{
    l->random = l->random * 6364136223846793005u + 1442695040888963407u;
    return (l->random >> 33) % below;
}

static char body_byte(uint64_t id, uint64_t at)
{
    return (char)('a' + (id * 7 + at * 31 + at / 251) % 26);
}

static char *make_body(uint64_t id, uint64_t size)
{
    static char bytes[BODY_MAX];
    assert_true(size <= sizeof(bytes));
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = body_byte(id, i);
    return bytes;
}

/* One fault is injected at a time, so the second try succeeds. */
static uint64_t take_numbers(struct workload *l, uint32_t count)
{
    uint64_t first = 0;
    if (spool_numbers_take(l->dir_fd, count, &first) != ERR_OK)
        assert_int_equal(spool_numbers_take(l->dir_fd, count, &first), ERR_OK);
    return first;
}

static uint64_t next_id(struct workload *l)
{
    if (l->ids_left == 0) {
        l->ids = take_numbers(l, 100);
        l->ids_left = 100;
    }
    l->ids_left--;
    return l->ids++;
}

static void make_head(const struct mail *m, struct recipient *r, struct envelope *e, struct spool_head *h)
{
    *r = (struct recipient){.address = SLICE("recipient@example.com")};
    *e = (struct envelope){.reverse_path = SLICE("sender@example.org"), .recipient_count = 1, .recipients = r};
    *h = (struct spool_head){.id = m->id, .facts = {.size = m->size}, .envelope_count = 1, .envelopes = e};
}

static void note_closed(struct workload *l, const struct spool_done *d, bool queues)
{
    if (d->closed_segment == 0)
        return;
    assert_true(l->closed_count < WORKLOAD_CLOSED);
    l->closed[l->closed_count++] =
        (struct closed){.segment = d->closed_segment, .epoch = d->closed_epoch, .queues = queues};
}

/* The next completion of a commit. */
static void reap(struct workload *l, struct spool_writer *w, struct spool_done *d)
{
    for (;;) {
        if (spool_writer_next_done(w, d)) {
            note_closed(l, d, w == l->queue);
            if (d->kind == SPOOL_DONE_COMMITTED)
                return;
            if (d->kind == SPOOL_DONE_NUMBERS_LOW)
                spool_writer_supply_numbers(w, take_numbers(l, 40), 40);
            continue;
        }
        struct pollfd p = {.fd = spool_writer_wake_fd(w), .events = POLLIN};
        assert_int_equal(poll(&p, 1, 20000), 1);
    }
}

static struct mail *new_mail(struct workload *l, uint64_t size)
{
    assert_true(l->count < WORKLOAD_MAILS);
    struct mail *m = &l->mails[l->count++];
    *m = (struct mail){.id = next_id(l),
                       .size = size,
                       .acked_at = NEVER,
                       .end_sent_at = NEVER,
                       .end_acked_at = NEVER,
                       .next_copy = 1,
                       .large = size > INLINE_MAX};
    return m;
}

static uint64_t draw_size(struct workload *l)
{
    uint64_t kind = draw(l, 10);
    return kind < 4 ? draw(l, 5000) : kind < 9 ? draw(l, 60000) : 66000 + draw(l, BODY_MAX - 66000);
}

static bool submit(struct workload *l, struct mail *m)
{
    struct spool_message *message = NULL;
    struct recipient r;
    struct envelope e;
    struct spool_head h;
    make_head(m, &r, &e, &h);
    if (spool_message_begin(l->receiver, m, &message) != ERR_OK)
        return false;
    enum err err = ERR_OK;
    const char *body = make_body(m->id, m->size);
    for (uint64_t at = 0; err == ERR_OK && at < m->size; at += 9000) {
        uint64_t n = m->size - at < 9000 ? m->size - at : 9000;
        err = spool_message_append(message, slice_of(body + at, n));
    }
    if (err != ERR_OK || draw(l, 12) == 0) {
        spool_message_abort(&message);
        return false;
    }
    return spool_message_commit(&message, &h) == ERR_OK;
}

static void receive_some(struct workload *l)
{
    size_t sent = 0;
    for (uint64_t n = 1 + draw(l, 4); n > 0; n--)
        sent += submit(l, new_mail(l, draw_size(l)));
    spool_writer_flush(l->receiver);
    for (; sent > 0; sent--) {
        struct spool_done d;
        reap(l, l->receiver, &d);
        struct mail *m = d.cookie;
        if (d.err != ERR_OK)
            continue;
        assert_int_equal(d.place.id, m->id);
        m->place = d.place;
        m->acked_at = l->now();
    }
}

/* Mostly the oldest, so that segments become empty. */
static struct mail *pick_live(struct workload *l)
{
    size_t from = draw(l, 4) == 0 ? draw(l, l->count) : 0;
    for (size_t i = from; i < l->count; i++) {
        struct mail *m = &l->mails[i];
        if (m->acked_at != NEVER && m->end_sent_at == NEVER)
            return m;
    }
    return NULL;
}

static enum err commit_group(struct workload *l, struct spool_group **g, struct spool_done *d)
{
    assert_int_equal(spool_group_commit(g), ERR_OK);
    spool_writer_flush(l->queue);
    reap(l, l->queue, d);
    return d->err;
}

static void deliver(struct workload *l, struct mail *m)
{
    struct spool_group *g = NULL;
    struct spool_done d;
    const struct spool_outcome o = {.id = m->id, .kind = SPOOL_DELIVERED, .text = SLICE("250 ok")};
    if (spool_group_begin(l->queue, NULL, &g) != ERR_OK)
        return;
    assert_int_equal(spool_group_outcome(g, &o), ERR_OK);
    m->end_sent_at = l->now();
    if (commit_group(l, &g, &d) == ERR_OK)
        m->end_acked_at = l->now();
}

static void bounce(struct workload *l, struct mail *m)
{
    struct spool_group *g = NULL;
    struct spool_done d;
    struct recipient r;
    struct envelope e;
    struct spool_head h;
    const struct spool_outcome o = {.id = m->id, .kind = SPOOL_FAILED, .code = 550};
    struct mail *b = new_mail(l, draw(l, 3000));
    make_head(b, &r, &e, &h);
    if (spool_group_begin(l->queue, NULL, &g) != ERR_OK)
        return;
    assert_int_equal(spool_group_outcome(g, &o), ERR_OK);
    assert_int_equal(spool_group_message(g, &h, slice_of(make_body(b->id, b->size), b->size)), ERR_OK);
    m->bounce = b->id;
    m->end_sent_at = l->now();
    if (commit_group(l, &g, &d) != ERR_OK)
        return;
    m->end_acked_at = b->acked_at = l->now();
    b->place = d.place;
}

static void move(struct workload *l, struct mail *m)
{
    struct spool_group *g = NULL;
    struct spool_entry *entry = NULL;
    struct spool_done d;
    slice body = SLICE_NONE;
    if (spool_entry_open(l->reader, &m->place, &entry) != ERR_OK)
        return;
    struct spool_head h = *spool_entry_head(entry);
    h.copy = m->next_copy;
    if (h.large_file == 0)
        assert_int_equal(spool_entry_content(entry, 0, SIZE_MAX, &body), ERR_OK);
    if (spool_group_begin(l->queue, NULL, &g) == ERR_OK) {
        assert_int_equal(spool_group_move(g, &h, body), ERR_OK);
        m->next_copy++;
        if (commit_group(l, &g, &d) == ERR_OK) {
            m->place = d.place;
            l->moved++;
        }
    }
    spool_entry_close(&entry);
}

static bool is_live(const struct mail *m)
{
    return m->acked_at != NEVER && m->end_acked_at == NEVER;
}

static enum err fill_checkpoint(struct workload *l, struct spool_checkpoint *c)
{
    struct spool_writer *const writers[] = {l->receiver, l->queue};
    enum err e = ERR_OK;
    for (size_t w = 0; w < 2; w++) {
        struct spool_segment_state s;
        for (size_t i = 0; e == ERR_OK && spool_writer_segment(writers[w], i, &s); i++)
            e = spool_checkpoint_segment(c, s.segment, s.epoch, s.closed ? UINT32_MAX : s.committed);
    }
    for (size_t i = 0; e == ERR_OK && i < l->count; i++) {
        if (is_live(&l->mails[i]))
            e = spool_checkpoint_add(c, &l->mails[i].place, SLICE("state"));
    }
    return e;
}

static void checkpoint(struct workload *l)
{
    struct spool_checkpoint *c = NULL;
    enum err e = spool_checkpoint_begin(l->dir_fd, &c);
    if (e == ERR_OK)
        e = fill_checkpoint(l, c);
    if (e == ERR_OK)
        e = spool_checkpoint_commit(&c);
    else
        spool_checkpoint_abort(&c);
    for (size_t i = 0; e == ERR_OK && i < l->closed_count; i++)
        l->closed[i].covered = true;
    l->checkpoints += e == ERR_OK;
}

static void recycle(struct workload *l)
{
    for (size_t i = 0; i < l->closed_count; i++) {
        const struct closed c = l->closed[i];
        bool alive = c.queues && !c.covered;
        for (size_t k = 0; k < l->count; k++)
            alive = alive || (is_live(&l->mails[k]) && l->mails[k].place.segment == c.segment);
        if (alive)
            continue;
        spool_writer_recycle(c.queues ? l->queue : l->receiver, c.segment, c.epoch);
        l->closed[i--] = l->closed[--l->closed_count];
        l->recycled++;
    }
}

/* A large file goes when its mail's end is durable. */
static void remove_large(struct workload *l, const struct mail *m)
{
    if (!m->large || m->end_acked_at == NEVER)
        return;
    struct spool_entry *entry = NULL;
    if (spool_entry_open_head(l->reader, &m->place, &entry) != ERR_OK)
        return;
    enum err e = spool_large_remove(l->dir_fd, spool_entry_head(entry)->large_file);
    (void)e;
    spool_entry_close(&entry);
}

static struct spool_writer *open_writer(struct workload *l, uint32_t number, bool outcomes)
{
    const struct spool_writer_options o = {.dir_fd = l->dir_fd,
                                           .writer = number,
                                           .memory_max = 32 << 20,
                                           .segment_size = SEGMENT,
                                           .inline_max = INLINE_MAX,
                                           .outcomes_only = outcomes};
    struct spool_writer *w = NULL;
    if (spool_writer_open(&o, &w) != ERR_OK)
        assert_int_equal(spool_writer_open(&o, &w), ERR_OK);
    spool_writer_supply_numbers(w, take_numbers(l, 40), 40);
    return w;
}

static void work_on_live(struct workload *l)
{
    for (uint64_t n = draw(l, 8); n > 0; n--) {
        struct mail *m = pick_live(l);
        uint64_t what = draw(l, 10);
        if (!m)
            return;
        if (what < 6)
            deliver(l, m);
        else if (what < 8)
            bounce(l, m);
        else
            move(l, m);
        remove_large(l, m);
    }
}

void workload_run(struct workload *l, int dir_fd, unsigned rounds, uint64_t seed, size_t (*now)(void))
{
    memset(l, 0, sizeof(*l));
    l->dir_fd = dir_fd;
    l->random = seed;
    l->now = now;
    l->receiver = open_writer(l, 1, false);
    l->queue = open_writer(l, 2, true);
    assert_int_equal(spool_reader_open(dir_fd, &l->reader), ERR_OK);
    for (unsigned i = 0; i < rounds; i++) {
        receive_some(l);
        work_on_live(l);
        if (i % 5 == 4)
            checkpoint(l);
        recycle(l);
    }
    spool_writer_close(&l->receiver);
    spool_writer_close(&l->queue);
    spool_reader_close(&l->reader);
}

/* --- recovery */

struct finding {
    struct spool_place place;
    bool there, ended;
};

struct recovery {
    const struct workload *l;
    struct finding found[WORKLOAD_MAILS];
    uint64_t segments[256]; /* with a record in them */
    size_t segment_count;
    uint64_t large[WORKLOAD_MAILS];
    size_t large_count;
    unsigned damaged;
    bool quiet;
};

static struct finding *finding_of(struct recovery *r, uint64_t id)
{
    for (size_t i = 0; i < r->l->count; i++) {
        if (r->l->mails[i].id == id)
            return &r->found[i];
    }
    fail_msg("a mail that never was: %llu", (unsigned long long)id);
    return NULL;
}

static void take_place(struct recovery *r, const struct spool_place *place)
{
    struct finding *f = finding_of(r, place->id);
    if (!f->there || place->copy >= f->place.copy)
        f->place = *place;
    f->there = true;
    assert_true(r->segment_count < 256);
    if (r->segment_count == 0 || r->segments[r->segment_count - 1] != place->segment)
        r->segments[r->segment_count++] = place->segment;
}

static enum err on_message(void *ctx, const struct spool_place *place, slice head)
{
    struct arena arena;
    struct spool_head h;
    arena_init(&arena, 1 << 20);
    assert_int_equal(spool_head_decode(head, &arena, &h), ERR_OK);
    assert_int_equal(h.id, place->id);
    arena_deinit(&arena);
    take_place(ctx, place);
    return ERR_OK;
}

static enum err on_checkpoint(void *ctx, const struct spool_place *place, slice state)
{
    assert_true(slice_equal(state, SLICE("state")));
    take_place(ctx, place);
    return ERR_OK;
}

static enum err on_outcome(void *ctx, const struct spool_outcome *o)
{
    assert_true(o->kind == SPOOL_DELIVERED || o->kind == SPOOL_FAILED);
    finding_of(ctx, o->id)->ended = true;
    return ERR_OK;
}

static enum err on_segment(void *ctx, uint64_t segment, uint32_t writer, uint32_t epoch)
{
    const struct recovery *r = ctx;
    (void)segment;
    if (!r->quiet)
        assert_in_range(writer, 1, 2);
    assert_true(epoch > 0);
    return ERR_OK;
}

static void on_damaged(void *ctx, uint64_t segment, uint32_t offset, slice what)
{
    struct recovery *r = ctx;
    if (r->damaged++ == 0 && !r->quiet)
        print_message("segment %llu, offset %u: %.*s\n", (unsigned long long)segment, offset, SLICE_ARG(what));
}

static void recover(struct recovery *r, const struct workload *l, int dir_fd)
{
    static const struct spool_scan_ops ops = {.message = on_message,
                                              .outcome = on_outcome,
                                              .checkpoint = on_checkpoint,
                                              .segment = on_segment,
                                              .damaged = on_damaged};
    bool quiet = r->quiet;
    memset(r, 0, sizeof(*r));
    r->quiet = quiet;
    r->l = l;
    assert_int_equal(spool_scan(dir_fd, NULL, 0, &ops, r), ERR_OK);
}

static void check_whole(struct recovery *r, struct spool_reader *reader, const struct mail *m, const struct finding *f)
{
    struct spool_entry *entry = NULL;
    enum err e = spool_entry_open(reader, &f->place, &entry);
    if (e != ERR_OK)
        fail_msg("mail %llu (segment %llu, offset %u, copy %u) cannot be read: %s", (unsigned long long)m->id,
                 (unsigned long long)f->place.segment, f->place.offset, f->place.copy, err_text(e));
    uint64_t at = 0;
    slice content = SLICE_NONE;
    do {
        assert_int_equal(spool_entry_content(entry, at, 1 << 20, &content), ERR_OK);
        for (size_t i = 0; i < content.len; i++) {
            if (content.ptr[i] != body_byte(m->id, at + i))
                fail_msg("mail %llu is not what was sent, byte %llu", (unsigned long long)m->id,
                         (unsigned long long)(at + i));
        }
        at += content.len;
    } while (content.len > 0);
    assert_int_equal(at, m->size);
    if (spool_entry_head(entry)->large_file)
        r->large[r->large_count++] = spool_entry_head(entry)->large_file;
    spool_entry_close(&entry);
}

static bool lives(const struct finding *f)
{
    return f->there && !f->ended;
}

static void check_mail(struct recovery *r, struct spool_reader *reader, size_t i, size_t instant)
{
    const struct mail *m = &r->l->mails[i];
    const struct finding *f = &r->found[i];
    if (m->acked_at <= instant && m->end_sent_at > instant && !lives(f))
        fail_msg("mail %llu was promised at %zu and is lost at %zu", (unsigned long long)m->id, m->acked_at, instant);
    if (m->end_acked_at <= instant && lives(f))
        fail_msg("mail %llu ended and is back (segment %llu, offset %u, copy %u; acknowledged at %zu, ended at %zu, "
                 "now %zu)",
                 (unsigned long long)m->id, (unsigned long long)f->place.segment, f->place.offset, f->place.copy,
                 m->acked_at, m->end_acked_at, instant);
    if (m->bounce && m->end_sent_at <= instant && m->acked_at <= instant && !lives(f)) {
        const struct finding *b = finding_of(r, m->bounce);
        if (!b->there && !b->ended) {
            /* the bounce may have ended and gone itself */
            for (size_t k = 0; k < r->l->count; k++) {
                if (r->l->mails[k].id == m->bounce && r->l->mails[k].end_sent_at > instant)
                    fail_msg("mail %llu failed without its bounce", (unsigned long long)m->id);
            }
        }
    }
    if (lives(f))
        check_whole(r, reader, m, f);
}

static bool segment_alive(void *ctx, uint64_t segment)
{
    const struct recovery *r = ctx;
    for (size_t i = 0; i < r->segment_count; i++) {
        if (r->segments[i] == segment)
            return true;
    }
    return false;
}

static bool large_alive(void *ctx, uint64_t file)
{
    const struct recovery *r = ctx;
    for (size_t i = 0; i < r->large_count; i++) {
        if (r->large[i] == file)
            return true;
    }
    return false;
}

/* Outcomes alone keep no segment here: what they end is checked to stay ended only before the sweep. */
void workload_check(const struct workload *l, int dir_fd, size_t instant)
{
    static struct recovery first, again;
    struct spool_reader *reader = NULL;
    recover(&first, l, dir_fd);
    assert_int_equal(first.damaged, 0);
    assert_int_equal(spool_reader_open(dir_fd, &reader), ERR_OK);
    for (size_t i = 0; i < l->count; i++)
        check_mail(&first, reader, i, instant);
    recover(&again, l, dir_fd);
    for (size_t i = 0; i < l->count; i++) {
        assert_int_equal(lives(&first.found[i]), lives(&again.found[i]));
        assert_int_equal(first.found[i].place.segment, again.found[i].place.segment);
        assert_int_equal(first.found[i].place.offset, again.found[i].place.offset);
        assert_int_equal(first.found[i].place.copy, again.found[i].place.copy);
    }
    assert_int_equal(spool_sweep(dir_fd, segment_alive, large_alive, &first), ERR_OK);
    recover(&again, l, dir_fd);
    for (size_t i = 0; i < l->count; i++) {
        if (lives(&first.found[i]) && !lives(&again.found[i]))
            fail_msg("mail %llu was swept away", (unsigned long long)l->mails[i].id);
        if (lives(&first.found[i]))
            check_whole(&again, reader, &l->mails[i], &again.found[i]);
    }
    spool_reader_close(&reader);
}

size_t workload_count_lost(const struct workload *l, int dir_fd, size_t instant)
{
    static struct recovery r;
    size_t lost = 0;
    r.quiet = true;
    recover(&r, l, dir_fd);
    for (size_t i = 0; i < l->count; i++) {
        const struct mail *m = &l->mails[i];
        lost += m->acked_at <= instant && m->end_sent_at > instant && !lives(&r.found[i]);
    }
    return lost;
}
