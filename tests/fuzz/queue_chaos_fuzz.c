/* SPDX-License-Identifier: ISC */
/* The whole process queue over a real spool folder, in a world where anything comes at any time: receivers that accept mail, fail, die in the midst of a write or before they have told of it; senders and
 * delivers that answer early, late, in part, twice, wrong, for jobs that are not theirs, and die with what they have; an admin; numbers that come late; a disk that is slow, full, failing; time; a
 * drain; the queue's own death at any point, and that of all. What the queue writes is seen as it goes to the disk, and held against what it was told: each recipient of each acknowledged mail
 * ends once, for a reason; none is given to two processes at once; the index, the lists and the counts agree with the disk after each event and after each start; nothing is given free that is needed.
 * In the end everything goes well, and then the queue must become empty but for what is held.
 * The spool's code is the real one, but for the writer's two threads: what they do is done here, so that what is on the disk when somebody dies is for the input to choose.
 * Input: each byte chooses the next event, and the bytes behind it what it is about. */
#include "chaos.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "proc/queue/listing.h"
#include "proc/queue/queue.h"
#include "spool/outcome.h"
#include "spool/writer_parts.h"

#define MAILS_MAX 1024u
#define ARRIVALS_MAX 96u
#define RECIPIENTS 4u
#define RECEIVERS 3u
#define WORKERS_AT RECEIVERS
#define WORKERS 4u
#define CONSOLE (WORKERS_AT + WORKERS)
#define PROCESSES (CONSOLE + 1)
#define JOBS 256u
#define ASKED 8u
#define LIVES_MAX 10u
#define STEPS_MAX 500u
#define CALM_TURNS 600u
#define SEGMENT_SIZE (512u << 10)
#define INLINE_MAX (64u << 10)
#define NUMBERS 256u
#define FD_COMMIT 100000
#define FD_DISK 100001
#define LOGIN "alice"
#define TAG "JOB/1"

enum place { ONE, TWO, SMART, LOCAL, LMTP, TRASH, REST, GONE, NOBODY, PLACES };

/* What is known of one recipient. */
struct fate {
    uint8_t place;       /* enum place */
    bool ended;          /* by a record on the disk */
    bool perhaps;        /* by one of which a failed write may have left all */
    bool pending;        /* by one on its way there; for the check that runs */
    bool taken, refused; /* a process said so to a queue */
    bool bounce;         /* its failure has to be told */
};

struct mail {
    uint64_t id, large;
    struct spool_place place; /* of its newest copy on the disk */
    bool durable;             /* acknowledged, or the queue's own and on the disk */
    bool ghost;               /* not acknowledged, and may be there all the same */
    bool moved_perhaps;
    int owner;     /* a receiver whose word of it the queue may be waiting for; -1 nobody */
    uint32_t told; /* the last life that was told of it */
    uint32_t count;
    struct fate fates[RECIPIENTS];
    bool held, held_unsure;
    int64_t held_s;
    int64_t arrival_s, release_s, by_s;
    bool null_path, by_return;
};

struct job_given {
    bool live, finished /* but no queue has heard of that */;
    unsigned by; /* process */
    uint32_t life;
    uint64_t number;
    struct spool_place place;
    struct mail *mail;
    uint32_t destination, mask, finished_mask;
    uint16_t heard[RECIPIENTS]; /* by the queue that lives: the word that counts */
    uint16_t finished_code;
};

struct process {
    enum process_kind kind;
    uint32_t number;
    bool alive, hello;
    struct hub_peer *peer;
    struct spool_writer *writer; /* receiver */
    uint64_t announced, acked;
};

struct asked {
    uint64_t token; /* 0: free */
    uint8_t verb, filter;
    bool dry;
    struct mail *mail;
    uint32_t items, orders;
};

enum disk { DISK_OK, DISK_NONE, DISK_TORN, DISK_WHOLE /* written, not synced */ };

struct spool_checkpoint_thread {
    struct spool_checkpoint *checkpoint;
    const struct spool_freed_list *freed;
    enum err err;
};

struct loop_watch {
    void (*call)(void *ctx, bool readable, bool writable);
    void *ctx;
};

static struct {
    struct mail mails[MAILS_MAX];
    uint32_t mail_count;
    struct job_given jobs[JOBS];
    struct process processes[PROCESSES];
    struct asked asked[ASKED];
    struct loop_watch disk, commit;
    struct spool_writer *writer; /* the queue's */
    struct spool_checkpoint_thread *checkpoint;
    struct spool_reader *reader; /* of whoever has a job */
    uint64_t number, floor, token;
    uint32_t life, orders, queue_process;
    bool numbers_wanted, settled, killed, reboot, over, was_recovered, retried, removed, clock_set;
    bool slow_disk, slow_commit, slow_numbers, slow_hello;
} w;

static bool loud;
static struct conf *conf;
static struct conf_source source;
static int dir_fd = -1;
#define SHM "/dev/shm"
#define FOLDER "thurn-queue-chaos-" /* and the process's id */
static char folder[64];
static char content[70000];

static const char *const places[PLACES] = {
    [ONE] = "one.example",    [TWO] = "two.example",   [SMART] = "smart.example",
    [LOCAL] = "test.example", [LMTP] = "lmtp.example", [TRASH] = "trash.example",
    [REST] = "hold.example",  [GONE] = "gone.example", [NOBODY] = "test.example",
};

static struct queue *queue(void)
{
    return chaos.child->ctx;
}

static void files_remove(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        (void)unlinkat(fd, e->d_name, 0);
    if (d)
        (void)closedir(d);
}

/* The process that a name in SHM is the folder of; 0: it is no such name. */
static pid_t folder_owner(const char *name)
{
    uint64_t pid = 0;
    slice s = slice_str(name);
    if (!slice_starts(s, SLICE(FOLDER)) || slice_to_u64(slice_skip(s, sizeof FOLDER - 1), INT32_MAX, &pid) != ERR_OK)
        return 0;
    return (pid_t)pid;
}

/* Who aborts removes nothing: what dead processes of ours have left goes now. A folder of an earlier process with our own id is one of them. */
static void folders_of_the_dead_remove(void)
{
    static const char *const names[] = {"seg", "large", "format", "numbers", "checkpoint", "checkpoint.new", ""};
    char path[sizeof SHM + 300];
    struct stat st;
    DIR *d = opendir(SHM);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        pid_t pid = folder_owner(e->d_name);
        bool dead = pid > 0 && (pid == getpid() || (kill(pid, 0) != 0 && errno == ESRCH));
        if (!dead || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode) ||
            st.st_uid != geteuid())
            continue;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            (void)snprintf(path, sizeof path, SHM "/%s/%s", e->d_name, names[i]);
            if (i < 2)
                files_remove(path);
            (void)remove(path);
        }
    }
    if (d)
        (void)closedir(d);
}

static void folder_remove(void)
{
    char path[sizeof folder + 32];
    static const char *const names[] = {"seg", "large", "format", "numbers", "checkpoint", "checkpoint.new", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(path);
    }
}

static void house_make(void)
{
    static const char text[] =
        "hostname = \"mx.test.example\"\npostmaster = \"alice@test.example\"\n"
        "[queue]\nretry = [\"1m\", \"5m\", \"30m\"]\ngive_up = \"6h\"\nwarn_after = \"1h\"\n"
        "connections_per_destination = 2\n"
        "[domain.\"test.example\"]\ndeliver = \"maildir:/var/mail/{user}\"\nusers = [\"Alice Example <alice>\", "
        "\"bob\"]\n"
        "[domain.\"lmtp.example\"]\ndeliver = \"lmtp:127.0.0.1:24\"\nusers = \"any\"\n"
        "[domain.\"trash.example\"]\ndeliver = \"discard:\"\nusers = \"any\"\n"
        "[domain.\"hold.example\"]\ndeliver = \"hold:\"\nusers = \"any\"\n"
        "[route.\"smart.example\"]\nvia = \"smtp://one.test:25\"\n";
    buf messages;
    if (conf)
        return;
    loud = getenv("CHAOS_LOG") != NULL;
    buf_init(&messages, 1 << 16);
    enum err e = conf_parse(SLICE("chaos.toml"), slice_str(text), false, &messages, &conf);
    if (e != ERR_OK)
        (void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&messages)));
    CHECK(e == ERR_OK);
    buf_deinit(&messages);
    conf->sources = &source;
    conf->source_count = 1;
    (void)snprintf(content, sizeof content, "Subject: x\r\n\r\nhello\r\n");
    for (size_t at = strlen(content); at < sizeof content; at++)
        content[at] = (char)(at % 64 == 62 ? '\r' : at % 64 == 63 ? '\n' : 'x');
    folders_of_the_dead_remove();
    (void)snprintf(folder, sizeof folder, SHM "/" FOLDER "%d", (int)getpid());
    CHECK(mkdir(folder, 0700) == 0 && spool_dir_open(folder, &dir_fd) == ERR_OK);
    (void)atexit(folder_remove);
}

/* With CHAOS_LOG in the environment: what happens, beside the queue's log. */
#define SAY(...) (loud ? (void)(log_flush(), fprintf(stderr, __VA_ARGS__)) : (void)0)

/* --- mails */

static struct mail *mail_find(uint64_t id)
{
    for (uint32_t i = 0; i < w.mail_count; i++)
        if (w.mails[i].id == id)
            return &w.mails[i];
    return NULL;
}

static struct mail *mail_new(uint64_t id)
{
    CHECK(w.mail_count < MAILS_MAX);
    struct mail *m = &w.mails[w.mail_count++];
    *m = (struct mail){.id = id, .owner = -1};
    return m;
}

static bool mail_done(const struct mail *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (!m->fates[i].ended)
            return false;
    return true;
}

/* Or as good as done, if a start has found what was left of a failed write. */
static bool mail_done_perhaps(const struct mail *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (!m->fates[i].ended && !m->fates[i].perhaps)
            return false;
    return true;
}

/* Would somebody be told of its failure? */
static bool bounce_due(const struct envelope *e, const struct recipient *r)
{
    if (r->kind == RECIPIENT_NOTICE || slice_starts(e->reverse_path, SLICE("nobody@")))
        return false;
    return e->reverse_path.len > 0 && (!r->notify || r->notify & NOTIFY_FAILURE);
}

static uint8_t place_of(const struct recipient *r)
{
    if (r->kind != RECIPIENT_ADDRESS)
        return r->kind == RECIPIENT_NOTICE ? NOBODY : GONE;
    for (uint8_t i = 0; i < GONE; i++)
        if (slice_ends_nocase(r->address, slice_str(places[i])))
            return i;
    return ONE;
}

static void mail_learn(struct mail *m, const struct spool_head *head)
{
    m->count = spool_head_recipient_count(head);
    CHECK(m->count <= RECIPIENTS);
    m->arrival_s = head->arrival_s;
    m->null_path = true;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct envelope *e;
        const struct recipient *r = spool_head_recipient(head, i, &e);
        m->fates[i] = (struct fate){.place = place_of(r), .bounce = bounce_due(e, r)};
    }
    for (uint16_t i = 0; i < head->envelope_count; i++) {
        const struct envelope *e = &head->envelopes[i];
        m->null_path = m->null_path && e->reverse_path.len == 0;
        m->held = m->held || e->flags & ENVELOPE_HELD;
        m->release_s = e->release_s > m->release_s ? e->release_s : m->release_s;
        m->by_s = e->deliver_by_s && (!m->by_s || e->deliver_by_s < m->by_s) ? e->deliver_by_s : m->by_s;
        m->by_return = m->by_return || e->flags & ENVELOPE_BY_RETURN;
    }
}

static void mail_arrives(struct process *p)
{
    static const slice paths[] = {
        {"s@one.example", 13}, {"alice@test.example", 18}, {NULL, 0}, {"nobody@test.example", 19}};
    static const uint8_t notify[] = {0, 0, NOTIFY_SUCCESS, NOTIFY_NEVER, NOTIFY_SUCCESS | NOTIFY_FAILURE, NOTIFY_DELAY};
    char addresses[RECIPIENTS][64];
    struct recipient recipients[RECIPIENTS] = {{.kind = 0}};
    struct envelope envelopes[2] = {{.flags = 0}};
    struct spool_message *message;
    if (w.mail_count > ARRIVALS_MAX || chaos.calm)
        return;
    unsigned shape = draw(256), what = draw(32), told = draw(6);
    uint32_t count = 1 + shape % RECIPIENTS;
    struct mail *m = mail_new(w.number++);
    int64_t now_s = os_wall_s();
    for (uint32_t i = 0; i < count; i++) {
        unsigned place = draw(PLACES);
        (void)snprintf(addresses[i], sizeof addresses[i], "m%u.r%u@%s", (unsigned)(m - w.mails), i, places[place]);
        recipients[i] = (struct recipient){.address = slice_str(addresses[i]), .notify = notify[told]};
        if (place == NOBODY)
            recipients[i].kind = RECIPIENT_NOTICE;
        if (place == NOBODY)
            recipients[i].index = DSN_EXPANDED;
        if (place == GONE) {
            recipients[i].kind = RECIPIENT_ALIAS_TARGET;
            recipients[i].table = SLICE("/nowhere");
            recipients[i].key = SLICE("x");
        }
    }
    uint32_t first = shape & 4 && count > 1 ? 1 : count;
    for (uint32_t i = 0; i < 2; i++)
        envelopes[i] = (struct envelope){.reverse_path = paths[((shape >> 3) + i) & 3],
                                         .recipients = &recipients[i ? first : 0],
                                         .recipient_count = i ? count - first : first};
    struct envelope *e = &envelopes[0];
    e->release_s = what == 1 || what == 2 ? now_s + 1800 * (int64_t)what : 0;
    e->deliver_by_s = what >= 3 && what <= 5 ? now_s + 900 * (int64_t)(what - 2) : 0;
    e->flags = what == 3 || what == 4 ? ENVELOPE_BY_RETURN : what == 5 ? ENVELOPE_BY_NOTIFY : 0;
    e->flags |= what == 6 ? ENVELOPE_BY_TRACE | ENVELOPE_BY_RETURN : 0;
    e->deliver_by_s = what == 6 ? now_s + 3600 : e->deliver_by_s;
    e->flags |= what >= 7 && what <= 9 ? ENVELOPE_TRUSTED : 0;
    e->flags |= what == 10 ? ENVELOPE_HELD : 0;
    e->tag = what == 10 || what == 11 ? SLICE(TAG) : SLICE_NONE;
    e->priority = (int8_t)(what >= 12 && what <= 15 ? (int)what * 4 - 55 : 0);
    struct body_scan scan;
    slice body = slice_of(content, what == 16 ? sizeof content : 64);
    body_scan_init(&scan);
    body_scan_feed(&scan, slice_sub(body, 0, 64));
    struct spool_head head = {.id = m->id,
                              .arrival_s = now_s,
                              .facts = body_scan_end(&scan),
                              .origin = {.client_name = SLICE("c.example"),
                                         .client_ip = SLICE("192.0.2.1"),
                                         .login = what == 7 || what == 8 ? SLICE(LOGIN) : SLICE_NONE},
                              .envelope_count = (uint16_t)(first < count ? 2 : 1),
                              .envelopes = envelopes};
    head.facts.size = body.len;
    mail_learn(m, &head);
    m->owner = (int)(p - w.processes);
    CHECK(spool_message_begin(p->writer, m, &message) == ERR_OK);
    CHECK(spool_message_append(message, body) == ERR_OK);
    m->large = message->large_file;
    CHECK(spool_message_commit(&message, &head) == ERR_OK);
}

/* --- what goes to the disk */

static bool was_answered_for(const struct mail *m, const struct fate *f, const struct spool_outcome *o)
{
    int64_t age_s = os_wall_s() - m->arrival_s,
            most_s = m->null_path ? conf->queue.bounce_give_up_s : conf->queue.give_up_s;
    switch ((enum spool_outcome_kind)o->kind) {
    case SPOOL_DELIVERED:
        return f->taken || f->place == TRASH || f->place == NOBODY;
    case SPOOL_FAILED:
        return f->refused || w.clock_set || age_s >= most_s || (m->by_return && os_wall_s() >= m->by_s);
    case SPOOL_REMOVED:
        return w.removed;
    default:
        return true;
    }
}

/* A failure that is to be told is told in the same group. */
static bool group_tells(slice group, const struct mail *m, uint32_t recipient)
{
    char address[32];
    int len = snprintf(address, sizeof address, "m%u.r%u@", (unsigned)(m - w.mails), recipient);
    for (struct spool_record r; group.len > 0; group = slice_skip(group, r.length)) {
        CHECK(spool_record_read(group, &r) == ERR_OK);
        if (r.kind == SPOOL_RECORD_MESSAGE && r.copy == 0 && slice_find(r.body, slice_of(address, (size_t)len)) >= 0)
            return true;
    }
    return false;
}

static void outcome_seen(slice group, const struct spool_outcome *o, bool durable)
{
    struct mail *m = mail_find(o->id);
    CHECK(m && (m->durable || m->ghost));
    SAY("disk: outcome %u of m%u.r%d, durable %d\n", o->kind, (unsigned)(m - w.mails), (int)o->recipient, durable);
    if (o->kind == SPOOL_HELD || o->kind == SPOOL_RELEASED) {
        bool held = o->kind == SPOOL_HELD;
        m->held_unsure = !durable || (held != m->held && o->when_s <= m->held_s) || m->held_unsure;
        m->held_s = o->when_s;
        if (durable)
            m->held = held;
    }
    if (o->recipient == UINT32_MAX) {
        CHECK(o->kind >= SPOOL_HELD && o->kind != SPOOL_REMOVED);
        return;
    }
    CHECK(o->recipient < m->count);
    struct fate *f = &m->fates[o->recipient];
    CHECK(!f->ended);
    CHECK(was_answered_for(m, f, o));
    if (o->kind == SPOOL_FAILED && f->bounce)
        CHECK(group_tells(group, m, o->recipient));
    if (o->kind == SPOOL_DELIVERED || o->kind == SPOOL_FAILED || o->kind == SPOOL_REMOVED) {
        f->ended = durable;
        f->perhaps = !durable;
    }
}

/* Of our own, or moved. */
static void message_seen(const struct spool_record *r, const struct spool_place *place, bool durable)
{
    struct mail *m = mail_find(r->id);
    SAY("disk: message %llu (m%d) copy %u at %llu:%u, durable %d\n", (unsigned long long)r->id,
        m ? (int)(m - w.mails) : -1, r->copy, (unsigned long long)place->segment, place->offset, durable);
    if (r->copy > 0) {
        CHECK(m && (m->durable || m->ghost));
        m->moved_perhaps = m->moved_perhaps || !durable;
        if (durable && place->copy > m->place.copy)
            m->place = *place;
        return;
    }
    if (!m) {
        struct arena arena;
        struct spool_head head;
        m = mail_new(r->id);
        arena_init(&arena, 1 << 20);
        CHECK(spool_head_decode(r->head, &arena, &head) == ERR_OK);
        mail_learn(m, &head);
        arena_deinit(&arena);
    }
    CHECK(!m->durable);
    m->durable = durable;
    m->ghost = !durable;
    if (durable)
        m->place = *place;
}

static void group_seen(const struct spool_commit *c, bool durable)
{
    SAY("disk: a group at %llu:%u, epoch %u\n", (unsigned long long)c->segment, c->offset, c->epoch);
    slice group = slice_skip(buf_slice(&c->head), SPOOL_FRAME_SIZE), left = group;
    for (struct spool_record r; left.len > 0; left = slice_skip(left, r.length)) {
        CHECK(spool_record_read(left, &r) == ERR_OK);
        struct spool_outcome o;
        struct spool_place place = {.segment = c->segment,
                                    .id = r.id,
                                    .offset = c->offset + (uint32_t)(left.ptr - c->head.ptr),
                                    .length = r.length,
                                    .epoch = c->epoch,
                                    .copy = r.copy};
        if (r.kind == SPOOL_RECORD_MESSAGE) {
            message_seen(&r, &place, durable);
            continue;
        }
        CHECK(spool_outcome_decode(r.head, &o) == ERR_OK && o.id == r.id);
        outcome_seen(group, &o, durable);
    }
}

static void commit_seen(const struct spool_commit *c, bool durable)
{
    if (c->is_group) {
        group_seen(c, durable);
        return;
    }
    struct mail *m = mail_find(c->id);
    CHECK(m && !m->durable);
    SAY("disk: m%u at %llu:%u, durable %d\n", (unsigned)(m - w.mails), (unsigned long long)c->segment, c->offset,
        durable);
    m->durable = durable;
    m->ghost = !durable;
    m->place = (struct spool_place){
        .segment = c->segment, .id = c->id, .offset = c->offset, .length = c->length, .epoch = c->epoch};
}

/* A mail that has moved on while it was read, or that was written twice, stays where it was for the queue that gave the job; the next one knows one place only, and the process has read it or is told that it cannot. */
static bool job_reads(const struct job_given *x)
{
    return x->live && !x->finished && !mail_done_perhaps(x->mail) &&
           (x->life == w.life || (!x->mail->moved_perhaps && x->place.segment == x->mail->place.segment));
}

/* Is something alive in the segment, or does somebody read from it? Epoch 0: any. */
static bool segment_needed(uint64_t segment, uint32_t epoch)
{
    for (uint32_t i = 0; i < w.mail_count; i++) {
        const struct mail *m = &w.mails[i];
        if (m->durable && m->place.segment == segment && (!epoch || m->place.epoch == epoch) && !m->moved_perhaps &&
            !mail_done_perhaps(m)) {
            SAY("m%u is in segment %llu\n", i, (unsigned long long)segment);
            return true;
        }
    }
    for (unsigned i = 0; i < JOBS; i++)
        if (job_reads(&w.jobs[i]) && w.jobs[i].place.segment == segment && (!epoch || w.jobs[i].place.epoch == epoch)) {
            SAY("job %llx reads from segment %llu\n", (unsigned long long)w.jobs[i].number,
                (unsigned long long)segment);
            return true;
        }
    return false;
}

/* --- the writers' threads */

static struct spool_writer *writer_new(uint32_t process, int wake_fd)
{
    struct spool_writer *x = calloc(1, sizeof *x);
    struct list *const lists[] = {&x->submitted, &x->reaped,    &x->pending,       &x->done,        &x->segments,
                                  &x->spares,    &x->recycling, &x->yard_messages, &x->idle_chunks, &x->first_chunks};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    list_init(&x->numbers_node.link);
    x->numbers_node.what = DONE_NUMBERS;
    x->o = (struct spool_writer_options){
        .dir_fd = dir_fd, .writer = process, .memory_max = 256u << 20, .outcomes_only = true};
    x->wake_fd = wake_fd;
    x->segment_size = SEGMENT_SIZE;
    x->inline_max = INLINE_MAX;
    (void)pthread_mutex_init(&x->lock, NULL);
    (void)pthread_cond_init(&x->journal_wake, NULL);
    (void)pthread_cond_init(&x->yard_wake, NULL);
    return x;
}

static void segments_free(struct spool_writer *x, struct list *segments, bool unlink_them)
{
    for (struct list *l = list_pop(segments); l; l = list_pop(segments)) {
        struct writer_segment *s = LIST_ENTRY(l, struct writer_segment, link);
        char name[SPOOL_NAME_SIZE];
        os_close(&s->fd);
        if (unlink_them)
            CHECK(os_unlink(x->o.dir_fd, spool_segment_name(name, s->block.number)) == ERR_OK);
        free(s);
    }
}

static void nodes_free(struct spool_writer *x, struct list *nodes)
{
    for (struct list *l = list_pop(nodes); l; l = list_pop(nodes)) {
        struct done_node *n = LIST_ENTRY(l, struct done_node, link);
        if (n->what == DONE_COMMIT)
            spool_commit_free(x, LIST_ENTRY(n, struct spool_commit, node));
    }
}

/* As at the process's death; clean: spares go. */
static void writer_free(struct spool_writer *x, bool clean)
{
    nodes_free(x, &x->submitted);
    nodes_free(x, &x->pending);
    nodes_free(x, &x->done);
    nodes_free(x, &x->reaped);
    if (x->last)
        spool_commit_free(x, x->last);
    segments_free(x, &x->spares, clean);
    segments_free(x, &x->segments, false);
    segments_free(x, &x->recycling, false);
    for (struct list *l; (l = list_pop(&x->idle_chunks)) || (l = list_pop(&x->first_chunks));)
        free(LIST_ENTRY(l, struct spool_chunk, link));
    (void)pthread_mutex_destroy(&x->lock);
    free(x->zeros);
    free(x);
}

static void active_close(struct spool_writer *x, enum segment_state state)
{
    struct writer_segment *s = x->active;
    x->closed[x->closed_count++] = (struct closed_segment){s->block.number, s->block.epoch};
    os_close(&s->fd);
    s->state = state;
    x->active = NULL;
}

static enum err segment_birth(struct spool_writer *x)
{
    char name[SPOOL_NAME_SIZE], page[SPOOL_PAGE];
    uint64_t number = spool_writer_number(x);
    if (number == 0)
        return ERR_TIMEOUT;
    struct writer_segment *s = calloc(1, sizeof *s);
    list_init(&s->link);
    s->fd = -1;
    s->block = (struct spool_superblock){
        .number = number, .mark = spool_segment_draw_mark(), .writer = x->o.writer, .epoch = 1, .size = SEGMENT_SIZE};
    CHECK(os_open(dir_fd, spool_segment_name(name, number), O_RDWR | O_CREAT | O_EXCL, 0600, &s->fd) == ERR_OK);
    spool_superblock_encode(page, &s->block);
    CHECK(os_pwrite(s->fd, slice_of(page, sizeof page), 0) == ERR_OK);
    s->committed = SPOOL_PAGE;
    list_push(&x->spares, &s->link);
    x->spare_count++;
    return ERR_OK;
}

static enum err active_open(struct spool_writer *x)
{
    enum err e = list_empty(&x->spares) ? segment_birth(x) : ERR_OK;
    if (e != ERR_OK)
        return e;
    struct list *l = list_pop(&x->spares);
    x->spare_count--;
    x->active = LIST_ENTRY(l, struct writer_segment, link);
    x->active->state = SEGMENT_ACTIVE;
    list_push(&x->segments, l);
    return ERR_OK;
}

static void commit_lay(struct spool_writer *x, struct spool_commit *c, uint32_t start, uint32_t end, buf *bytes)
{
    static const char zeros[8];
    const struct spool_superblock *block = &x->active->block;
    const struct spool_seal seal = {.mark = block->mark, .epoch = block->epoch, .batch = start};
    c->segment = block->number;
    c->epoch = block->epoch;
    c->offset = end;
    if (c->is_group)
        spool_record_seal_group(c->head.ptr, &seal);
    else
        spool_record_seal(c->head.ptr, &seal);
    buf_append(bytes, buf_slice(&c->head));
    LIST_FOREACH(l, &c->chunks) {
        const struct spool_chunk *chunk = LIST_ENTRY(l, const struct spool_chunk, link);
        buf_append(bytes, slice_of(chunk->bytes, chunk->len));
    }
    buf_append(bytes, slice_of(zeros, c->padding));
    CHECK(bytes->len == end - start + c->length);
}

/* What of the batch the disk has; the rest of its commits never were. */
static void batch_write(struct spool_writer *x, const struct list *commits, slice bytes, enum disk disk)
{
    uint32_t start = x->active->committed;
    if (disk == DISK_NONE)
        bytes.len = 0;
    if (disk == DISK_TORN)
        bytes.len = bytes.len * draw(256) / 256;
    CHECK(bytes.len == 0 || os_pwrite(x->active->fd, bytes, start) == ERR_OK);
    for (const struct list *l = commits->next; l != commits; l = l->next) {
        const struct spool_commit *c = LIST_ENTRY(l, const struct spool_commit, node.link);
        if (c->offset + c->length <= start + bytes.len)
            commit_seen(c, disk == DISK_OK);
    }
}

static void batch_done(struct spool_writer *x, struct list *commits, uint32_t committed, enum err e)
{
    size_t reported = 0;
    LIST_FOREACH(l, commits) {
        struct spool_commit *c = LIST_ENTRY(l, struct spool_commit, node.link);
        c->err = e;
        c->committed = committed;
        if (reported < x->closed_count)
            c->closed = x->closed[reported++];
    }
    x->closed_count -= reported;
    memmove(x->closed, x->closed + reported, x->closed_count * sizeof x->closed[0]);
    if (e == ERR_OK)
        x->active->committed = committed;
    for (struct list *l = list_pop(commits); l; l = list_pop(commits))
        spool_writer_done(x, LIST_ENTRY(l, struct done_node, link));
}

/* As journal.c, for all that waits; last: nobody will hear of it. */
static void writer_works(struct spool_writer *x, enum disk disk, bool last)
{
    spool_writer_flush(x);
    (void)pthread_mutex_lock(&x->lock);
    while (!list_empty(&x->yard_messages))
        spool_yard_large_step(x);
    (void)pthread_mutex_unlock(&x->lock);
    while (!list_empty(&x->pending)) {
        struct list commits;
        buf bytes;
        const struct spool_commit *first = LIST_ENTRY(x->pending.next, struct spool_commit, node.link);
        bool turn = !chaos.calm && draw(4) == 3;
        list_init(&commits);
        if (x->active && (turn || x->active->block.size - x->active->committed < first->length))
            active_close(x, SEGMENT_CLOSED);
        enum err e = x->active ? ERR_OK : active_open(x);
        buf_init(&bytes, SEGMENT_SIZE);
        uint32_t start = e == ERR_OK ? x->active->committed : 0, end = start;
        while (!list_empty(&x->pending)) {
            struct spool_commit *c = LIST_ENTRY(x->pending.next, struct spool_commit, node.link);
            if (e == ERR_OK && c->length > x->active->block.size - end)
                break;
            list_remove(&c->node.link);
            x->pending_count--;
            list_push(&commits, &c->node.link);
            if (e == ERR_OK)
                commit_lay(x, c, start, end, &bytes);
            end += c->length;
        }
        CHECK(buf_ok(&bytes));
        if (e == ERR_OK)
            batch_write(x, &commits, buf_slice(&bytes), disk);
        buf_deinit(&bytes);
        if (e == ERR_OK && disk != DISK_OK) {
            e = disk == DISK_NONE ? ERR_NOSPACE : ERR_IO;
            active_close(x, SEGMENT_RETIRED);
        }
        if (last)
            nodes_free(x, &commits);
        else
            batch_done(x, &commits, end, e);
    }
}

static enum disk disk_draw(void)
{
    static const enum disk disks[16] = {[11] = DISK_NONE, [12] = DISK_TORN, [13] = DISK_WHOLE};
    return chaos.calm ? DISK_OK : disks[draw(16)];
}

static void yard_works(struct spool_writer *x)
{
    SAY("yard of %u works\n", x->o.writer);
    while (!list_empty(&x->recycling))
        spool_yard_segment_step(x);
}

enum err __wrap_spool_writer_open(const struct spool_writer_options *o, struct spool_writer **writer_r)
{
    *writer_r = w.writer = writer_new(o->writer, FD_DISK);
    return ERR_OK;
}

void __wrap_spool_writer_close(struct spool_writer **x)
{
    if (!*x)
        return;
    writer_works(*x, w.killed ? disk_draw() : DISK_OK, true);
    if (!w.killed)
        yard_works(*x);
    writer_free(*x, !w.killed);
    *x = w.writer = NULL;
}

void __real_spool_writer_recycle(struct spool_writer *x, uint64_t segment, uint32_t epoch);
void __wrap_spool_writer_recycle(struct spool_writer *x, uint64_t segment, uint32_t epoch)
{
    SAY("segment %llu is used anew after epoch %u\n", (unsigned long long)segment, epoch);
    CHECK(!segment_needed(segment, epoch));
    __real_spool_writer_recycle(x, segment, epoch);
}

enum err __real_spool_segment_remove(int at, uint64_t segment);
enum err __wrap_spool_segment_remove(int at, uint64_t segment)
{
    SAY("segment %llu is removed\n", (unsigned long long)segment);
    CHECK(!segment_needed(segment, 0));
    for (unsigned i = 0; i < RECEIVERS; i++) {
        const struct spool_writer *x = w.processes[i].writer;
        struct spool_segment_state state;
        for (size_t k = 0; x && spool_writer_segment(x, k, &state); k++)
            CHECK(state.segment != segment);
    }
    return __real_spool_segment_remove(at, segment);
}

enum err __real_spool_large_remove(int at, uint64_t file);
enum err __wrap_spool_large_remove(int at, uint64_t file)
{
    for (uint32_t i = 0; i < w.mail_count; i++)
        CHECK(w.mails[i].large != file || mail_done_perhaps(&w.mails[i]));
    return __real_spool_large_remove(at, file);
}

enum err __wrap_spool_checkpoint_thread_begin(struct spool_checkpoint **c, int event_fd,
                                              const struct spool_freed_list *freed,
                                              struct spool_checkpoint_thread **thread_r)
{
    (void)event_fd;
    CHECK(!w.checkpoint);
    w.checkpoint = calloc(1, sizeof *w.checkpoint);
    w.checkpoint->checkpoint = *c;
    w.checkpoint->freed = freed;
    *c = NULL;
    *thread_r = w.checkpoint;
    return ERR_OK;
}

static void checkpoint_works(struct spool_checkpoint_thread *c, bool fails)
{
    if (!c || !c->checkpoint)
        return;
    if (fails)
        spool_checkpoint_abort(&c->checkpoint);
    c->err = fails ? ERR_IO : spool_checkpoint_commit(&c->checkpoint);
    SAY("checkpoint: %d\n", c->err);
    spool_freed_look(c->freed);
    CHECK(fails || c->err == ERR_OK);
}

enum err __wrap_spool_checkpoint_thread_end(struct spool_checkpoint_thread **thread)
{
    struct spool_checkpoint_thread *c = *thread;
    checkpoint_works(c, w.killed && draw(2));
    enum err e = c->err;
    free(c);
    *thread = w.checkpoint = NULL;
    return e;
}

enum err __wrap_loop_watch_open(struct loop *l, int fd, void (*call)(void *ctx, bool readable, bool writable),
                                void *ctx, struct loop_watch **watch_r)
{
    (void)l;
    struct loop_watch *x = fd == FD_DISK ? &w.disk : &w.commit;
    *x = (struct loop_watch){call, ctx};
    *watch_r = x;
    return ERR_OK;
}

void __wrap_loop_watch_set(struct loop_watch *x, bool readable, bool writable)
{
    (void)x;
    CHECK(readable && !writable);
}

enum err __wrap_os_event_open(int *fd_r)
{
    *fd_r = FD_COMMIT;
    return ERR_OK;
}

void __wrap_os_event_signal(int fd)
{
    (void)fd;
}

void __wrap_os_event_clear(int fd)
{
    (void)fd;
}

static void disk_event(void)
{
    if (list_empty(&w.writer->pending) && list_empty(&w.writer->done))
        return;
    writer_works(w.writer, list_empty(&w.writer->pending) ? DISK_OK : disk_draw(), false);
    w.disk.call(w.disk.ctx, true, false);
}

static void commit_event(void)
{
    if (!w.checkpoint)
        return;
    checkpoint_works(w.checkpoint, chance(16));
    w.commit.call(w.commit.ctx, true, false);
}

/* --- what the queue has in memory */

static void outcome_pending(const struct spool_outcome *o)
{
    struct mail *m = mail_find(o->id);
    CHECK(m);
    if (o->kind != SPOOL_DELIVERED && o->kind != SPOOL_FAILED && o->kind != SPOOL_REMOVED)
        return;
    CHECK(o->recipient < m->count && !m->fates[o->recipient].pending);
    m->fates[o->recipient].pending = true;
}

static void pending_mark(const struct queue *q)
{
    for (uint32_t i = 0; i < w.mail_count; i++)
        for (uint32_t k = 0; k < w.mails[i].count; k++)
            w.mails[i].fates[k].pending = false;
    LIST_FOREACH(l, &q->batches) {
        const struct batch *b = LIST_ENTRY(l, const struct batch, link);
        for (size_t i = 0; i < b->outcome_count; i++)
            outcome_pending(&b->outcomes[i]);
    }
    for (size_t i = 0; q->batch && i < q->batch->outcome_count; i++)
        outcome_pending(&q->batch->outcomes[i]);
}

/* What was said of it last, here or on the disk. */
static bool held_last(const struct queue *q, const struct mail *m)
{
    bool held = m->held;
    LIST_FOREACH(l, &q->batches) {
        const struct batch *b = LIST_ENTRY(l, const struct batch, link);
        for (size_t i = 0; i < b->outcome_count; i++)
            if (b->outcomes[i].id == m->id &&
                (b->outcomes[i].kind == SPOOL_HELD || b->outcomes[i].kind == SPOOL_RELEASED))
                held = b->outcomes[i].kind == SPOOL_HELD;
    }
    const struct batch *b = q->batch;
    for (size_t i = 0; b && i < b->outcome_count; i++)
        if (b->outcomes[i].id == m->id && (b->outcomes[i].kind == SPOOL_HELD || b->outcomes[i].kind == SPOOL_RELEASED))
            held = b->outcomes[i].kind == SPOOL_HELD;
    return held;
}

/* Must the queue have heard of it? */
static bool is_known(const struct mail *m)
{
    return m->durable && (m->owner < 0 || m->told == w.life);
}

static void adopt(struct queue *q, struct mail *m, uint32_t handle)
{
    const struct sched_message *x = sched_message(q->sched, handle);
    const struct spool_place place = {x->segment, x->id, x->offset, x->length, x->epoch, x->copy};
    if (m->ghost) {
        m->durable = true;
        m->ghost = false;
        m->place = place;
    }
    CHECK(m->durable);
    if (place.copy > m->place.copy) {
        CHECK(m->moved_perhaps);
        m->place = place;
    }
    CHECK(place.copy == m->place.copy || m->moved_perhaps || !list_empty(&q->batches) || q->batch);
}

static void check_readable(const struct spool_place *place)
{
    struct spool_entry *entry;
    CHECK(spool_entry_open(w.reader, place, &entry) == ERR_OK);
    CHECK(spool_entry_head(entry)->id == place->id);
    spool_entry_close(&entry);
}

/* The first look after a start: what was in doubt is so from now on. */
static void doubts_end(struct queue *q, struct mail *m, uint32_t handle)
{
    for (uint32_t i = 0; i < m->count; i++) {
        struct fate *f = &m->fates[i];
        uint32_t part = handle ? sched_part_of(q->sched, handle, i) : 0;
        if (f->perhaps && !part)
            f->ended = true;
        f->perhaps = false;
    }
    if (!handle)
        return;
    const struct sched_message *x = sched_message(q->sched, handle);
    const struct spool_place place = {x->segment, x->id, x->offset, x->length, x->epoch, x->copy};
    m->place = place;
    m->moved_perhaps = false;
    if (m->held_unsure)
        m->held = (x->flags & SCHED_HELD) != 0;
    m->held_unsure = false;
    check_readable(&place);
}

static void check_mail(struct queue *q, struct mail *m)
{
    uint32_t handle = sched_message_find(q->sched, m->id);
    if (handle)
        adopt(q, m, handle);
    if (!w.was_recovered && (handle || m->durable) && (handle || is_known(m)))
        doubts_end(q, m, handle);
    if (!handle) {
        CHECK(!is_known(m) || mail_done(m));
        return;
    }
    const struct sched_message *x = sched_message(q->sched, handle);
    bool held = (x->flags & SCHED_HELD) != 0;
    CHECK(m->held_unsure || held == held_last(q, m));
    for (uint32_t i = 0; i < m->count; i++) {
        const struct fate *f = &m->fates[i];
        uint32_t part = sched_part_of(q->sched, handle, i);
        bool open = part && sched_part(q->sched, part)->state != SCHED_ENDING;
        if (open ? f->ended || f->pending : !f->ended && !f->pending)
            SAY("m%u.r%u: open %d ended %d pending %d\n", (unsigned)(m - w.mails), i, open, f->ended, f->pending);
        CHECK(open ? !f->ended && !f->pending : f->ended || f->pending);
    }
    for (uint32_t part = x->first_part; part; part = sched_part(q->sched, part)->next_in_message) {
        const struct sched_part *p = sched_part(q->sched, part);
        bool rest = sched_destination(q->sched, p->destination)->kind == NEXT_HOLD;
        CHECK(p->message == handle);
        CHECK(held ? p->state != SCHED_READY && p->state != SCHED_WAITING : p->state != SCHED_PART_HELD || rest);
    }
}

static uint32_t jobs_of(const struct queue *q, uint32_t part, uint64_t id)
{
    uint32_t n = 0;
    bool whole = false;
    LIST_FOREACH(l, &q->jobs) {
        const struct job *j = LIST_ENTRY(l, const struct job, link);
        n += j->part == part;
        whole = whole || (j->part == 0 && j->id == id);
    }
    return n > 0 ? n : whole;
}

static void check_parts(const struct queue *q)
{
    uint32_t leased = 0, held = 0;
    for (uint32_t part = sched_part_next(q->sched, 0); part; part = sched_part_next(q->sched, part)) {
        const struct sched_part *p = sched_part(q->sched, part);
        uint32_t jobs = p->state == SCHED_LEASED ? jobs_of(q, part, sched_message(q->sched, p->message)->id) : 0;
        leased += p->state == SCHED_LEASED;
        held += p->state == SCHED_PART_HELD;
        CHECK(p->state != SCHED_LEASED || jobs == 1);
    }
    CHECK(sched_jobs(q->sched) == leased && sched_held(q->sched) == held);
}

static bool peer_lives(const struct hub_peer *p)
{
    for (unsigned i = 0; i < PROCESSES; i++)
        if (p && w.processes[i].peer == p)
            return w.processes[i].alive;
    return false;
}

static void check_jobs(const struct queue *q)
{
    LIST_FOREACH(l, &q->jobs) {
        const struct job *j = LIST_ENTRY(l, const struct job, link);
        CHECK(j->ended ? !j->peer : peer_lives(j->peer));
        CHECK(!j->part || j->ended || sched_part(q->sched, j->part)->state == SCHED_LEASED);
        CHECK(!j->part || sched_message_find(q->sched, j->id) == sched_part(q->sched, j->part)->message);
    }
}

static void check_segments(const struct queue *q)
{
    static uint64_t holding[MAILS_MAX + JOBS];
    size_t count = 0, at = 0;
    slice key;
    void *value;
    for (uint32_t m = sched_message_next(q->sched, 0); m; m = sched_message_next(q->sched, m))
        holding[count++] = sched_message(q->sched, m)->segment;
    LIST_FOREACH(l, &q->jobs)
        holding[count++] = LIST_ENTRY(l, const struct job, link)->segment;
    while (table_next(&q->segments, &at, &key, &value)) {
        const struct segment *s = value;
        uint32_t live = 0;
        for (size_t i = 0; i < count; i++)
            live += holding[i] == s->number;
        CHECK(s->live == live && !s->damaged);
        CHECK(!s->owner || peer_lives(s->owner));
        CHECK(live > 0 || !s->closed || !s->owner || s->freed);
    }
}

static void check_batches(const struct queue *q)
{
    size_t bytes = q->batch ? q->batch->bytes : 0;
    uint32_t waiting = 0;
    uint64_t serial = 0;
    LIST_FOREACH(l, &q->batches) {
        const struct batch *b = LIST_ENTRY(l, const struct batch, link);
        bytes += b->bytes;
        waiting += b->waiting;
        CHECK(b->serial > serial && !(b->waiting && b->durable));
        serial = b->serial;
    }
    CHECK(bytes == q->batch_bytes && waiting == q->batches_waiting);
}

static void check(void)
{
    struct queue *q = queue();
    if (chaos.stopped)
        return;
    CHECK(!q->broken && !q->incomplete);
    check_batches(q);
    for (unsigned i = 0; i < RECEIVERS; i++)
        CHECK(!w.processes[i].peer || !w.processes[i].peer->up || w.processes[i].announced == w.processes[i].acked);
    if (!q->recovered)
        return;
    pending_mark(q);
    for (uint32_t m = sched_message_next(q->sched, 0); m; m = sched_message_next(q->sched, m)) {
        const struct mail *x = mail_find(sched_message(q->sched, m)->id);
        CHECK(x && (x->durable || x->ghost));
    }
    for (uint32_t i = 0; i < w.mail_count; i++)
        check_mail(q, &w.mails[i]);
    w.was_recovered = true;
    check_parts(q);
    check_jobs(q);
    check_segments(q);
}

/* --- jobs */

static void tell(struct process *p, enum ipc_type type, struct ipc_message m)
{
    m.type = type;
    m.fd = -1;
    if (p->alive && p->hello && p->peer && p->peer->up)
        chaos_tell(p->peer, &m);
}

static void job_comes(struct process *p, const struct ipc_job *j)
{
    struct queue *q = queue();
    struct mail *m = mail_find(j->id);
    struct job_given *x = NULL;
    uint32_t handle = sched_message_find(q->sched, j->id);
    CHECK(m && handle && q->recovered);
    SAY("job %llx for m%u to process %u\n", (unsigned long long)j->job, (unsigned)(m - w.mails), p->number);
    adopt(q, m, handle);
    CHECK(is_known(m));
    CHECK(!(sched_message(q->sched, handle)->flags & SCHED_HELD));
    CHECK(w.retried || w.clock_set || os_wall_s() >= m->release_s);
    for (unsigned i = 0; i < JOBS && !x; i++)
        x = w.jobs[i].live ? NULL : &w.jobs[i];
    CHECK(x);
    *x = (struct job_given){.live = true,
                            .by = (unsigned)(p - w.processes),
                            .life = w.life,
                            .number = j->job,
                            .place = CHILD_PLACE_OF(*j),
                            .mail = m,
                            .destination = j->destination};
    CHECK(j->recipients.len > 0 && j->recipients.len % 4 == 0);
    pending_mark(q);
    for (size_t i = 0; i < j->recipients.len; i += 4) {
        uint32_t r = get_u32(j->recipients.ptr + i);
        CHECK(r < m->count && !(x->mask >> r & 1));
        CHECK(!m->fates[r].ended && !m->fates[r].pending);
        uint8_t place = m->fates[r].place;
        CHECK(place != TRASH && place != REST && place != GONE && place != NOBODY);
        CHECK((place == LOCAL) == (p->kind == PROCESS_DELIVER));
        x->mask |= 1u << r;
    }
    for (unsigned i = 0; i < JOBS; i++) {
        const struct job_given *o = &w.jobs[i];
        CHECK(o == x || !o->live || o->mail != m || !(o->mask & x->mask));
        CHECK(o == x || !o->live || o->number != x->number);
    }
    CHECK(sched_destination(q->sched, j->destination)->leased <= 16 + JOBS * (w.life > 1));
    check_readable(&x->place);
}

static struct ipc_message result_of(uint64_t number, uint16_t code)
{
    struct ipc_message m = {.type = IPC_result};
    m.u.result.job = number;
    m.u.result.code = code;
    m.u.result.enhanced_class = (uint8_t)(code / 100);
    m.u.result.remote = code != 451;
    m.u.result.dsn = (uint8_t)(code % 3);
    m.u.result.text = SLICE("said the host");
    m.u.result.host = SLICE("one.test[192.0.2.9]:25");
    return m;
}

static void job_says(struct job_given *x, uint32_t mask, uint16_t code, bool strange)
{
    SAY("job %llx: %u for %x of %x\n", (unsigned long long)x->number, code, mask, x->mask);
    struct process *p = &w.processes[x->by];
    struct ipc_message m = result_of(x->number, code);
    char list[4 * (RECIPIENTS + 2)];
    size_t n = 0;
    if (!p->hello || !p->peer || !p->peer->up)
        return;
    for (uint32_t i = 0; i < RECIPIENTS; i++)
        if (mask & x->mask & 1u << i)
            put_u32(list + 4 * n++, i);
    for (uint32_t i = 0; strange && i < 2; i++)
        put_u32(list + 4 * n++, i ? UINT32_MAX : x->mail->count);
    m.u.result.recipients = slice_of(list, 4 * n);
    for (uint32_t i = 0; i < RECIPIENTS; i++) {
        if (!(mask & x->mask & 1u << i))
            continue;
        struct fate *f = &x->mail->fates[i];
        f->taken = f->taken || code / 100 == 2;
        f->refused = f->refused || code / 100 == 5;
        if (x->heard[i] / 100 != 2 && x->heard[i] / 100 != 5)
            x->heard[i] = code;
    }
    tell(p, IPC_result, m);
}

static bool queue_has(const struct queue *q, uint64_t number)
{
    LIST_FOREACH(l, &q->jobs)
        if (LIST_ENTRY(l, const struct job, link)->number == number)
            return true;
    return false;
}

/* The queue has judged it: what was taken has its outcome, what was only deferred has none. */
static void check_judged(const struct job_given *x)
{
    const struct queue *q = queue();
    if (!q->recovered || queue_has(q, x->number))
        return;
    pending_mark(q);
    bool aged = w.clock_set || os_wall_s() - x->mail->arrival_s >= conf->queue.bounce_give_up_s ||
                (x->mail->by_s && x->mail->by_return);
    for (uint32_t i = 0; i < x->mail->count; i++) {
        const struct fate *f = &x->mail->fates[i];
        if (!(x->mask >> i & 1))
            continue;
        CHECK(x->heard[i] / 100 != 2 || f->ended || f->pending);
        CHECK(x->heard[i] / 100 == 2 || x->heard[i] / 100 == 5 || aged || f->ended || !f->pending);
    }
}

static void job_ends(struct job_given *x, bool returned)
{
    struct process *p = &w.processes[x->by];
    if (!p->hello || !p->peer || !p->peer->up)
        return;
    struct ipc_message m = {.type = IPC_job_done};
    SAY("job %llx ends\n", (unsigned long long)x->number);
    m.u.job_done.job = x->number;
    x->live = false;
    tell(p, returned ? IPC_job_returned : IPC_job_done, m);
    check_judged(x);
}

static struct job_given *some_job(void)
{
    unsigned start = draw(JOBS);
    for (unsigned i = 0; i < JOBS; i++)
        if (w.jobs[(start + i) % JOBS].live)
            return &w.jobs[(start + i) % JOBS];
    return NULL;
}

static void job_event(void)
{
    static const uint16_t codes[] = {250, 250, 251, 252, 450, 451, 550, 554};
    struct job_given *x = some_job();
    unsigned what = draw(8);
    if (!x || x->finished)
        return;
    uint16_t code = codes[draw(8)];
    if (draw(4) == 0 && job_reads(x))
        check_readable(&x->place);
    if (what < 3) {
        job_says(x, UINT32_MAX, code, false);
        job_ends(x, false);
    } else if (what == 3) {
        job_says(x, draw(16), code, draw(4) == 3);
    } else if (what == 4) {
        job_says(x, draw(16), code, false);
        job_says(x, draw(16), codes[draw(8)], draw(4) == 3);
        job_ends(x, draw(4) == 3);
    } else if (what == 5) {
        job_ends(x, draw(2));
    } else if (what == 6) {
        job_says(x, draw(16), code, false);
        job_ends(x, false);
        job_ends(x, false); /* twice */
    } else if (draw(2)) {
        struct ipc_message m = {.type = IPC_destination_down};
        m.u.destination_down.destination = draw(4) ? x->destination : draw(64);
        m.u.destination_down.code = 451;
        m.u.destination_down.text = SLICE("no host answers");
        m.u.destination_down.host = draw(2) ? SLICE("one.test") : SLICE_NONE;
        tell(&w.processes[x->by], IPC_destination_down, m);
    }
}

/* Of jobs that nobody has, or another one. */
static void wrong_answer(void)
{
    const struct job_given *x = some_job();
    struct process *p = &w.processes[WORKERS_AT + draw(WORKERS)];
    uint64_t number = x && (&w.processes[x->by] != p || !x->live) ? x->number : w.number + draw(256);
    char list[4];
    struct ipc_message m = result_of(number, draw(2) ? 250 : 550);
    put_u32(list, draw(4));
    m.u.result.recipients = slice_of(list, 4);
    tell(p, IPC_result, m);
    m = (struct ipc_message){.type = IPC_job_done};
    m.u.job_done.job = number;
    tell(p, draw(2) ? IPC_job_done : IPC_job_returned, m);
}

/* --- processes */

static void receiver_hears(struct process *p, const struct spool_done *done)
{
    struct ipc_message m = {.type = IPC_announce, .fd = -1};
    struct spool_segment_state state;
    bool up = p->peer && p->peer->up;
    struct mail *x = done->cookie;
    if (done->err == ERR_OK && up) {
        CHILD_PLACE_SET(m.u.announce, &done->place);
        m.u.announce.committed = done->committed;
        m.u.announce.head = done->head;
        p->announced += done->head.len + 64;
        x->told = w.life;
        chaos_tell(p->peer, &m);
    }
    for (size_t i = 0; up && done->closed_segment && spool_writer_segment(p->writer, i, &state); i++) {
        if (state.segment != done->closed_segment)
            continue;
        m = (struct ipc_message){.type = IPC_segment_closed, .fd = -1};
        m.u.segment_closed = (struct ipc_segment_closed){state.segment, state.epoch, state.committed};
        chaos_tell(p->peer, &m);
        return;
    }
}

/* It hears what has become of its mail, and tells; before its HELLO it hears nothing. */
static void receiver_reaps(struct process *p)
{
    struct spool_done done;
    if (!p->writer || (p->peer && !p->hello))
        return;
    while (spool_writer_next_done(p->writer, &done)) {
        if (done.kind == SPOOL_DONE_NUMBERS_LOW) {
            spool_writer_supply_numbers(p->writer, w.number, NUMBERS);
            w.number += NUMBERS;
        } else if (done.kind == SPOOL_DONE_COMMITTED) {
            receiver_hears(p, &done);
        }
    }
}

static void receiver_hello(struct process *p)
{
    struct ipc_message m = {.type = IPC_hello_segment};
    struct spool_segment_state state;
    for (size_t i = 0; spool_writer_segment(p->writer, i, &state); i++) {
        m.u.hello_segment = (struct ipc_hello_segment){state.segment, state.epoch, state.committed, state.closed};
        tell(p, IPC_hello_segment, m);
    }
    for (uint32_t i = 0; i < w.mail_count; i++)
        if (w.mails[i].owner == (int)(p - w.processes) && w.mails[i].durable)
            w.mails[i].told = w.life;
}

static void worker_hello(struct process *p)
{
    struct ipc_message m = {.type = IPC_hello_lease};
    for (unsigned i = 0; i < JOBS; i++) {
        if (!w.jobs[i].live || &w.processes[w.jobs[i].by] != p)
            continue;
        m.u.hello_lease = (struct ipc_hello_lease){w.jobs[i].number, w.jobs[i].mail->id};
        tell(p, IPC_hello_lease, m);
    }
}

static void process_hello(struct process *p)
{
    struct ipc_message m = {.type = IPC_hello_end};
    if (!p->alive || !p->peer || p->hello || !p->peer->up)
        return;
    p->hello = true;
    if (p->kind == PROCESS_RECEIVER)
        receiver_hello(p);
    else if (p->kind != PROCESS_CONSOLE)
        worker_hello(p);
    if (p->kind != PROCESS_CONSOLE)
        tell(p, IPC_hello_end, m);
    receiver_reaps(p);
    for (unsigned i = 0; i < JOBS; i++) {
        struct job_given *x = &w.jobs[i];
        if (!x->live || !x->finished || &w.processes[x->by] != p)
            continue;
        job_says(x, x->finished_mask, x->finished_code, false);
        job_ends(x, false);
    }
}

static void process_introduce(struct process *p)
{
    p->hello = false;
    p->announced = p->acked = 0;
    p->peer = peer_introduce(p->kind, p->number, (uint32_t)(p - w.processes));
    CHECK(p->peer);
    if (!w.slow_hello)
        process_hello(p);
}

static void process_begin(unsigned at, bool introduce)
{
    struct process *p = &w.processes[at];
    if (p->alive || p->peer)
        return;
    *p = (struct process){.kind = at < WORKERS_AT              ? PROCESS_RECEIVER
                                  : at == CONSOLE              ? PROCESS_CONSOLE
                                  : (at - WORKERS_AT) % 2 == 0 ? PROCESS_SENDER
                                                               : PROCESS_DELIVER,
                          .number = ++chaos.process,
                          .alive = true};
    if (p->kind == PROCESS_RECEIVER) {
        p->writer = writer_new(p->number, -1);
        spool_writer_supply_numbers(p->writer, w.number, NUMBERS);
        w.number += NUMBERS;
    }
    if (introduce)
        process_introduce(p);
}

static void process_die(struct process *p)
{
    if (!p->alive)
        return;
    SAY("process %u dies\n", p->number);
    unsigned at = (unsigned)(p - w.processes);
    p->alive = false;
    for (unsigned i = 0; i < JOBS; i++)
        w.jobs[i].live = w.jobs[i].live && w.jobs[i].by != at;
    if (p->writer) {
        writer_works(p->writer, disk_draw(), true);
        writer_free(p->writer, draw(2));
        p->writer = NULL;
    }
    for (uint32_t i = 0; i < w.mail_count; i++)
        w.mails[i].owner = w.mails[i].owner == (int)at ? -1 : w.mails[i].owner;
    if (p->kind == PROCESS_CONSOLE)
        memset(w.asked, 0, sizeof w.asked);
    if (p->peer)
        peer_die(p->peer);
    p->peer = NULL;
}

static void process_event(void)
{
    unsigned at = draw(PROCESSES);
    struct process *p = &w.processes[at];
    if (!p->alive)
        process_begin(at, true);
    else if (draw(4) == 0 && p->peer)
        peer_break(p->peer);
    else
        process_die(p);
}

/* --- the admin, and receivers that ask */

static void console_asks(void)
{
    static const uint8_t filters[] = {QUEUE_FILTER_ID,          QUEUE_FILTER_ID,   QUEUE_FILTER_ALL,
                                      QUEUE_FILTER_TO,          QUEUE_FILTER_FROM, QUEUE_FILTER_REASON,
                                      QUEUE_FILTER_DESTINATION, QUEUE_FILTER_TAG};
    static const slice values[] = {
        {"", 0}, {"@one.example", 12}, {"s@one.example", 13}, {"one.example", 11}, {"host", 4}, {TAG, 5}};
    struct process *p = &w.processes[CONSOLE];
    struct asked *a = NULL;
    char id[QUEUE_ID_TEXT_MAX];
    unsigned verb = draw(8), filter = draw(16), value = draw(6), more = draw(8);
    for (unsigned i = 0; i < ASKED && !a; i++)
        a = w.asked[i].token ? NULL : &w.asked[i];
    if (!a || !p->hello || !p->peer || !p->peer->up || w.mail_count == 0)
        return;
    /* What concerns all is seldom. */
    *a = (struct asked){
        .token = ++w.token, .verb = (uint8_t)verb, .filter = filters[filter < 8 ? filter : 0], .dry = more == 1};
    if (verb == QUEUE_VERB_REMOVE && a->filter == QUEUE_FILTER_ALL && value > 0)
        a->verb = QUEUE_VERB_SHOW;
    struct ipc_message m = {.type = IPC_queue_request};
    struct ipc_queue_request *r = &m.u.queue_request;
    *r = (struct ipc_queue_request){
        .token = a->token, .verb = a->verb, .filter = a->filter, .value = values[value], .dry = a->dry};
    r->held = more == 2;
    r->larger = more == 3 ? 100 : 0;
    r->before_s = more == 4 ? os_wall_s() - 60 : 0;
    if (a->filter == QUEUE_FILTER_ID) {
        a->mail = &w.mails[draw(w.mail_count)];
        r->value = slice_of(id, queue_id_write(id, a->mail->id));
        if (more > 4)
            a->mail = NULL;
    }
    w.orders += verb == QUEUE_VERB_HOLD || verb == QUEUE_VERB_RELEASE;
    a->orders = w.orders;
    w.removed = w.removed || verb == QUEUE_VERB_REMOVE;
    w.retried = w.retried || verb == QUEUE_VERB_RETRY;
    tell(p, IPC_queue_request, m);
    if (more == 7) {
        m = (struct ipc_message){.type = IPC_queue_gone};
        m.u.queue_gone.token = a->token;
        a->token = 0;
        tell(p, IPC_queue_gone, m);
    }
}

static struct asked *asked_find(uint64_t token)
{
    for (unsigned i = 0; i < ASKED; i++)
        if (w.asked[i].token == token)
            return &w.asked[i];
    return NULL;
}

/* What is promised is on the disk. */
static void answer_ends(struct asked *a, const struct ipc_queue_end *end)
{
    if (end->exit == 0 && (a->verb == QUEUE_VERB_LIST || a->verb == QUEUE_VERB_SHOW))
        CHECK(a->items == end->count);
    CHECK(end->exit == 0 || a->verb > QUEUE_VERB_REMOVE || end->count == 0);
    if (a->mail && end->exit == 0 && end->count == 1 && !a->dry) {
        if (a->verb == QUEUE_VERB_REMOVE && end->text.len == 0)
            CHECK(mail_done(a->mail));
        if (a->verb == QUEUE_VERB_HOLD && a->orders == w.orders && !mail_done(a->mail))
            CHECK(a->mail->held);
    }
    a->token = 0;
}

static void console_hears(const struct ipc_message *m)
{
    struct asked *a;
    switch (m->type) {
    case IPC_queue_item:
        a = asked_find(m->u.queue_item.token);
        CHECK(a && mail_find(m->u.queue_item.id));
        a->items++;
        break;
    case IPC_queue_end:
        a = asked_find(m->u.queue_end.token);
        CHECK(a);
        answer_ends(a, &m->u.queue_end);
        break;
    case IPC_queue_destination:
        CHECK(asked_find(m->u.queue_destination.token));
        break;
    case IPC_queue_text:
    case IPC_queue_progress:
        break;
    default:
        CHECK(false);
    }
}

static void receiver_asks(void)
{
    static const slice domains[] = {{"test.example", 12}, {"@example", 8}, {"one.example", 11}, {"lmtp.example", 12}};
    struct process *p = &w.processes[draw(RECEIVERS)];
    struct ipc_message m = {.type = IPC_etrn};
    if (draw(2)) {
        m.u.etrn = (struct ipc_etrn){++w.token, domains[draw(4)]};
        tell(p, IPC_etrn, m);
        return;
    }
    if (w.mail_count > ARRIVALS_MAX)
        return;
    w.orders++;
    m.u.user_alarm =
        (struct ipc_user_alarm){.login = SLICE(LOGIN), .messages = 5, .recipients = 9, .since_s = os_wall_s()};
    tell(p, IPC_user_alarm, m);
}

static void numbers_come(void)
{
    struct ipc_message m = {.type = IPC_numbers, .fd = -1};
    if (!w.numbers_wanted)
        return;
    w.numbers_wanted = false;
    m.u.numbers = (struct ipc_numbers){w.number, chaos.calm ? 16384 : 8u << draw(8)};
    w.number += m.u.numbers.count;
    chaos_tell(NULL, &m);
}

static void segment_free_comes(struct process *p, const struct ipc_segment_free *f)
{
    CHECK(p->kind == PROCESS_RECEIVER && p->writer);
    CHECK(!segment_needed(f->segment, f->epoch));
    SAY("segment %llu is free\n", (unsigned long long)f->segment);
    __real_spool_writer_recycle(p->writer, f->segment, f->epoch);
}

static void chaos_sent(struct hub_peer *peer, const struct ipc_message *m)
{
    if (!peer) {
        CHECK(m->type == IPC_numbers_wanted);
        w.numbers_wanted = true;
        return;
    }
    struct process *p = &w.processes[peer->slot];
    CHECK(p->peer == peer && p->alive);
    switch (m->type) {
    case IPC_job:
        CHECK(p->kind == PROCESS_SENDER || p->kind == PROCESS_DELIVER);
        job_comes(p, &m->u.job);
        break;
    case IPC_announce_ack:
        p->acked += m->u.announce_ack.bytes;
        CHECK(p->acked <= p->announced);
        break;
    case IPC_segment_free:
        segment_free_comes(p, &m->u.segment_free);
        break;
    case IPC_answer_etrn:
        CHECK(p->kind == PROCESS_RECEIVER);
        break;
    default:
        CHECK(p->kind == PROCESS_CONSOLE);
        console_hears(m);
    }
}

/* --- lives */

static void receiver_event(void)
{
    struct process *p = &w.processes[draw(RECEIVERS)];
    unsigned what = draw(8);
    if (!p->alive || !p->writer)
        return;
    if (what < 5)
        mail_arrives(p);
    if (what != 4)
        writer_works(p->writer, what < 3 ? DISK_OK : disk_draw(), false);
    if (what == 7)
        yard_works(p->writer);
    else
        receiver_reaps(p);
}

static void settle(void)
{
    if (!w.settled)
        chaos.child->ops->settled(chaos.child->ctx);
    w.settled = true;
}

static void end_life(bool reboot)
{
    w.killed = chaos.stopped = true;
    SAY("the queue is killed%s\n", reboot ? ", and all" : "");
    w.reboot = reboot;
}

static void rare_event(void)
{
    static const int64_t shifts_s[] = {0, -7200, 7200, -10};
    static const size_t pendings[] = {0, 0, 2u << 20, 5u << 20};
    switch (draw(14)) {
    case 0:
        w.slow_disk = !w.slow_disk;
        break;
    case 1:
        w.slow_commit = !w.slow_commit;
        break;
    case 2:
        w.slow_numbers = !w.slow_numbers;
        break;
    case 3:
        w.slow_hello = !w.slow_hello;
        break;
    case 4:
    case 5:
        end_life(false);
        break;
    case 6:
        end_life(true);
        break;
    case 7:
        chaos_drain(draw(2) ? 1000 : 600000);
        break;
    case 8:
        settle();
        break;
    case 9:
        numbers_come();
        break;
    case 10:
        commit_event();
        break;
    case 11:
        chaos.wall_shift_s = shifts_s[draw(4)];
        w.clock_set = true;
        break;
    case 12:
        chaos.pending = pendings[draw(4)];
        break;
    default:
        chaos_pass(301000);
    }
}

static void event(void)
{
    static const int64_t waits[] = {0, 4, 250, 1000, 61000, 301000, 1801000, 7200000};
    unsigned what = draw(32);
    if (what < 9)
        receiver_event();
    else if (what < 19)
        job_event();
    else if (what < 20)
        wrong_answer();
    else if (what < 24)
        chaos_pass(waits[draw(8)]);
    else if (what < 25)
        disk_event();
    else if (what < 27)
        console_asks();
    else if (what < 28)
        process_event();
    else if (what < 29)
        process_hello(&w.processes[draw(PROCESSES)]);
    else if (what < 30)
        receiver_asks();
    else
        rare_event();
}

/* What need not be waited for in a world that is not slow. */
static void world_works(void)
{
    if (!w.slow_disk && !chaos.stopped)
        disk_event();
    if (!w.slow_disk && !chaos.stopped)
        yard_works(w.writer);
    if (!w.slow_commit && !chaos.stopped)
        commit_event();
    if (!w.slow_numbers && !chaos.stopped)
        numbers_come();
}

static void step(void)
{
    if (chaos.stopped)
        return;
    turn_end();
    world_works();
    check();
}

static void all_hello(void)
{
    for (unsigned i = 0; i < PROCESSES; i++)
        process_hello(&w.processes[i]);
    settle();
}

static void release_all(void)
{
    struct ipc_message m = {.type = IPC_queue_request};
    struct asked *a = &w.asked[0];
    *a = (struct asked){.token = ++w.token, .verb = QUEUE_VERB_RELEASE, .filter = QUEUE_FILTER_ALL};
    m.u.queue_request = (struct ipc_queue_request){.token = a->token, .verb = a->verb, .filter = a->filter};
    w.orders++;
    tell(&w.processes[CONSOLE], IPC_queue_request, m);
}

static void jobs_work(void)
{
    for (unsigned i = 0; i < JOBS; i++) {
        if (!w.jobs[i].live)
            continue;
        job_says(&w.jobs[i], UINT32_MAX, 250, false);
        job_ends(&w.jobs[i], false);
        CHECK(!w.jobs[i].live);
    }
}

static bool rests(const struct queue *q)
{
    for (uint32_t part = sched_part_next(q->sched, 0); part; part = sched_part_next(q->sched, part))
        if (sched_destination(q->sched, sched_part(q->sched, part)->destination)->kind != NEXT_HOLD)
            return false;
    return queue_batch_idle(q) && !queue_control_busy(q) && !q->alarms && !q->checkpoint && !q->commit;
}

/* From now on all goes well. */
static void calm(void)
{
    struct queue *q = queue();
    unsigned turn = 0;
    chaos.calm = true;
    w.slow_disk = w.slow_commit = w.slow_numbers = w.slow_hello = false;
    chaos.pending = 0;
    process_die(&w.processes[CONSOLE]);
    for (unsigned i = 0; i < PROCESSES; i++) {
        if (w.processes[i].peer && !w.processes[i].peer->up)
            process_die(&w.processes[i]);
        process_begin(i, true);
    }
    all_hello();
    step();
    CHECK(chaos.stopped || q->recovered);
    for (; turn < CALM_TURNS && !chaos.stopped; turn++) {
        for (unsigned i = 0; i < RECEIVERS; i++) {
            writer_works(w.processes[i].writer, DISK_OK, false);
            receiver_reaps(&w.processes[i]);
            yard_works(w.processes[i].writer);
        }
        if (turn % 16 == 0 && !queue_control_busy(q))
            release_all();
        jobs_work();
        step();
        if (turn > 16 && rests(q))
            break;
        chaos_pass(turn % 4 == 3 ? 1500000 : 250);
        step();
    }
    if (q->child.draining)
        return;
    CHECK(turn < CALM_TURNS);
    for (uint32_t i = 0; i < w.mail_count; i++)
        for (uint32_t k = 0; w.mails[i].durable && k < w.mails[i].count; k++)
            CHECK(w.mails[i].fates[k].ended || w.mails[i].fates[k].place == REST);
    CHECK(list_empty(&q->jobs));
    w.over = true;
}

/* Nothing is asked of it any more: it ends by itself, whatever it waits for. */
static void drain(void)
{
    chaos.calm = true;
    w.slow_disk = w.slow_commit = w.slow_numbers = false;
    chaos.pending = 0;
    chaos_drain(1000);
    for (unsigned turn = 0; turn < 100 && !chaos.stopped; turn++) {
        step();
        if (!chaos.stopped)
            chaos_pass(250);
    }
    CHECK(chaos.stopped);
}

static void chaos_live(void)
{
    for (unsigned i = 0; i < PROCESSES; i++)
        if (w.processes[i].alive)
            process_introduce(&w.processes[i]);
    if (!w.slow_hello)
        settle();
    step();
    for (unsigned i = 0; chaos.left > 0 && i < STEPS_MAX && !chaos.stopped && !w.over; i++) {
        event();
        step();
    }
    if (!chaos.stopped && !w.over)
        calm();
    else if (!chaos.stopped) {
        all_hello();
        step();
        CHECK(queue()->recovered);
    }
    if (!chaos.stopped)
        drain();
}

/* What the process would end with. */
static void queue_forget(struct queue *q)
{
    for (size_t i = 0; i < PEERS_MAX; i++)
        if (chaos.peers[i])
            free(chaos.peers[i]->user);
    while (q->listings) {
        struct listing *l = q->listings;
        q->listings = l->next;
        queue_summary_close(&l->summary);
        free(l);
    }
    while (q->alarms) {
        void *a = q->alarms;
        memcpy(&q->alarms, a, sizeof q->alarms);
        free(a);
    }
    chaos_end();
    memset(q, 0, sizeof *q);
    chaos.timer_count = chaos.turn_end_count = 0;
    chaos.stopped = false;
    for (unsigned i = 0; i < PROCESSES; i++)
        w.processes[i].peer = NULL;
}

/* While there is no queue. */
static void meanwhile(void)
{
    memset(w.asked, 0, sizeof w.asked);
    chaos.pending = 0;
    w.numbers_wanted = w.killed = w.settled = w.was_recovered = false;
    for (unsigned i = 0; i < JOBS; i++) {
        struct job_given *x = &w.jobs[i];
        memset(x->heard, 0, sizeof x->heard);
        if (!x->live || x->finished || !chance(64))
            continue;
        x->finished = true;
        x->finished_mask = draw(16);
        x->finished_code = draw(2) ? 250 : 550;
    }
    for (unsigned i = 0; i < PROCESSES; i++)
        if (w.reboot || (w.processes[i].alive && chance(24)))
            process_die(&w.processes[i]);
    source.stamp.size += chance(64);
    if (w.reboot) {
        chaos.process = 0;
        w.floor = w.number;
    }
    w.reboot = false;
    chaos.calm = w.over;
    for (unsigned i = 0; i < PROCESSES; i++)
        if (!w.processes[i].alive && (w.over || !chance(64)))
            process_begin(i, false);
    if (!chance(192))
        receiver_event();
}

static void folder_clean(const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    CHECK(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        (void)unlinkat(fd, e->d_name, 0);
    (void)closedir(d);
    (void)unlinkat(dir_fd, "checkpoint", 0);
    (void)unlinkat(dir_fd, "checkpoint.new", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    house_make();
    chaos_log();
    memset(&w, 0, sizeof w);
    w.number = w.floor = 1;
    source.stamp.size = 0;
    chaos_begin(data, size);
    CHECK(spool_reader_open(dir_fd, &w.reader) == ERR_OK);
    for (unsigned i = 0; i < PROCESSES; i++)
        process_begin(i, false);
    for (bool last = false; !last;) {
        last = w.over;
        if (++w.life >= LIVES_MAX)
            chaos.left = 0;
        w.queue_process = ++chaos.process;
        SAY("--- life %u, process %u\n", w.life, w.queue_process);
        struct child_start start = {.kind = PROCESS_QUEUE,
                                    .process = w.queue_process,
                                    .conf = conf,
                                    .hash_key = {5, 6},
                                    .number_floor = w.floor,
                                    .spool_fd = dir_fd};
        CHECK(queue_main(&start) == 0);
        queue_forget(queue());
        meanwhile();
        spool_reader_trim(w.reader);
    }
    chaos.calm = true;
    for (unsigned i = 0; i < PROCESSES; i++)
        process_die(&w.processes[i]);
    spool_reader_close(&w.reader);
    folder_clean("seg");
    folder_clean("large");
    (void)log_flush();
    return 0;
}
