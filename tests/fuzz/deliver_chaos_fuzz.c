/* SPDX-License-Identifier: ISC */
/* The parent of the process deliver in a world where anything comes at any time: jobs of one or many recipients, small and long, one or a hundred at once; workers that cannot be started, read
 * slowly, answer late, twice, out of turn, for what is not theirs or has not come, speak garbage, hang, and die with work in hand; a spool that fails; time, a queue that dies and comes again, a drain.
 * After each event the lists, counts and limits must agree. Each recipient is given to one worker at most, with the right user and the right content, and answered once: with its worker's words when
 * they had come, as delivered never without them. In the end everything goes well, and then each job must come to its end, each worker go, and all be given back.
 * Input: each byte chooses the next event, and the bytes behind it what it is about. */
#include "chaos.h"
#include "proc/deliver/deliver.h"
#include "proc/deliver/state.h"

#define JOBS_MAX 1024u
#define RECIPIENTS_MAX 16u
#define HANDS_MAX 256u
#define FD_FIRST 100000
#define FDS 8192u
#define STEPS_MAX 400u
#define ANSWER_TEXT_MAX 65000u
#define USERS 190u
/* The limits that deliver keeps. */
#define WORKERS_MAX 128u
#define ENTRIES_MAX 256u
#define ENTRIES_BYTES (64u * 1024 * 1024)
#define HANG_MS (20 * 60 * 1000)
#define IDLE_MS (60 * 1000)
#define SWEEP_MS 500
#define CALM_MS (45 * 60 * 1000)

enum mode { MAILDIR, MBOX, SYSTEM, SYSTEM_GROUP, PIPE, ALIAS, BAD, MIXED, MODES };
enum kind { SMALL, EMPTY, LOOP, CHUNK, LARGE, HUGE_CONTENT, KINDS };
enum expect { GOOD, NEVER, NOT_NOW };

struct seen_job {
    bool live, listed;
    bool failed; /* the spool or the name service had an error: it may say less than it knows */
    uint8_t mode, kind;
    uint32_t base, mask, process /* of the queue that knows of it */;
    uint32_t length; /* as the queue tells it */
    uint32_t found;  /* deliveries; for check */
    uint32_t unsent;
    bool given[RECIPIENTS_MAX]; /* a worker has seen it */
    uint16_t said[RECIPIENTS_MAX], code[RECIPIENTS_MAX];
};

struct spool_entry {
    struct spool_head head;
    struct envelope envelope;
    struct recipient recipients[RECIPIENTS_MAX];
    char addresses[RECIPIENTS_MAX][64], sender[32];
    uint32_t job;
    char *piece;
};

struct loop_watch {
    int fd;
    void (*call)(void *ctx, bool readable, bool writable);
    void *ctx;
    bool write;
};

/* A worker's process. */
struct hand {
    int pid, fd; /* the parent's end; -1: it has closed it */
    struct loop_watch *watch;
    bool dead, stuck, mad /* it has said what is no answer */, refused /* a write, being dead */;
    int status;
    size_t room; /* bytes that it takes before it blocks */
    buf in, out, said;
    uint64_t body_left, body_at, number;
    uint32_t job;
    uint64_t *items; /* that it has whole, without an answer */
    size_t item_count, item_room;
};

static struct {
    struct seen_job jobs[JOBS_MAX]; /* number N is at N - 1 */
    uint32_t job_count, entries, leases, huge;
    struct hand *hands[HANDS_MAX];
    struct loop_watch *watches[WORKERS_MAX + 1];
    struct {
        bool open;
        struct hand *hand;
    } fds[FDS];
    uint32_t fd_count, fds_open;
    int pid;
} w;

static struct conf *conf;
static char table[64]; /* the alias table's name */
static buf contents[KINDS];
static struct body_facts facts[KINDS];

static struct deliver *deliver(void)
{
    return chaos.child->ctx;
}

/* --- the house */

static void content_make(enum kind k, slice head, size_t size)
{
    struct body_scan scan;
    buf_init(&contents[k], 4u << 20);
    buf_append(&contents[k], head);
    for (uint32_t i = 0; contents[k].len < size; i++)
        buf_printf(&contents[k], "Line %u of what is long.\r\n", i);
    contents[k].len = size && contents[k].len > size ? size : contents[k].len;
    body_scan_init(&scan);
    body_scan_feed(&scan, buf_slice(&contents[k]));
    facts[k] = body_scan_end(&scan);
}

static void conf_make(void)
{
    static const char aliases[] = "file: /var/mail/file\npipe: \"|/bin/true\"\n";
    static const char format[] =
        "hostname = \"mx.test.example\"\npostmaster = \"alice@dir.example\"\n"
        "[domain.\"dir.example\"]\ndeliver = \"maildir:/var/mail/{user}\"\nusers = \"accounts\"\naliases = \"%s\"\n"
        "[domain.\"box.example\"]\ndeliver = \"mbox:/var/mail/{user}\"\nusers = \"accounts\"\n"
        "[domain.\"sys.example\"]\ndeliver = \"maildir:~/Maildir\"\nusers = \"system\"\nsubaddress = \"+\"\n"
        "[domain.\"p0.example\"]\ndeliver = \"pipe:/bin/true\"\nusers = \"any\"\n"
        "[domain.\"p1.example\"]\ndeliver = \"pipe:/bin/true\"\nusers = \"any\"\ndeliver_as = \"u1\"\n"
        "[domain.\"p2.example\"]\ndeliver = \"pipe:/bin/true\"\nusers = \"any\"\ndeliver_as = \"u2\"\n"
        "[domain.\"p3.example\"]\ndeliver = \"pipe:/bin/true\"\nusers = \"any\"\ndeliver_as = \"v3\"\n";
    char text[4096];
    buf messages;
    (void)snprintf(table, sizeof table, "/tmp/deliver_chaos.XXXXXX");
    int fd = mkstemp(table);
    CHECK(fd >= 0 && write(fd, aliases, sizeof aliases - 1) == sizeof aliases - 1);
    (void)close(fd);
    (void)snprintf(text, sizeof text, format, table);
    buf_init(&messages, 1 << 16);
    enum err e = conf_parse(SLICE("chaos.toml"), slice_str(text), false, &messages, &conf);
    (void)unlink(table);
    if (e != ERR_OK)
        (void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&messages)));
    CHECK(e == ERR_OK);
    buf_deinit(&messages);
}

static void house_make(void)
{
    if (conf)
        return;
    conf_make();
    content_make(SMALL, SLICE("Subject: x\r\n\r\nhello\r\n.dot\r\n"), 0);
    content_make(EMPTY, SLICE_NONE, 0);
    content_make(LOOP, SLICE("Delivered-To: loop@dir.example\r\nSubject: x\r\n\r\nhello\r\n"), 0);
    content_make(CHUNK, SLICE("Subject: x\r\n\r\n"), 65536);
    content_make(LARGE, SLICE("Subject: x\r\n\r\n"), 150001);
    content_make(HUGE_CONTENT, SLICE("Subject: x\r\n\r\n"), 1100000);
}

static bool name_number(slice name, char letter, uint32_t *number_r)
{
    if (name.len < 2 || name.len > 4 || name.ptr[0] != letter)
        return false;
    *number_r = 0;
    for (size_t i = 1; i < name.len; i++) {
        if (name.ptr[i] < '0' || name.ptr[i] > '9')
            return false;
        *number_r = *number_r * 10 + (uint32_t)(name.ptr[i] - '0');
    }
    return true;
}

/* uN has a group of its own, vN is the same user in another group. */
enum err __wrap_os_user_by_name(slice name, struct arena *arena, struct os_user *user_r)
{
    uint32_t number = 0;
    if (chance(1)) {
        for (uint32_t i = 0; i < w.job_count; i++)
            w.jobs[i].failed = true;
        return ERR_IO;
    }
    struct os_user u = {.uid = 0, .gid = 0};
    if (name_number(name, 'u', &number))
        u.uid = u.gid = 1000 + number;
    else if (name_number(name, 'v', &number)) {
        u.uid = 1000 + number;
        u.gid = 7;
    } else if (!slice_equal(name, SLICE("root")))
        return ERR_NOTFOUND;
    if (arena_copy(arena, name, &u.name) != ERR_OK || arena_copy(arena, SLICE("/home"), &u.home) != ERR_OK)
        return ERR_NOMEM;
    *user_r = u;
    return ERR_OK;
}

enum err __wrap_os_names_load(void)
{
    return ERR_OK;
}

enum err __wrap_sandbox_enter(const struct sandbox_profile *profile)
{
    (void)profile;
    return ERR_OK;
}

/* --- the spool: a mail's recipients, and what each must come to */

struct target {
    char address[64];
    const char *key; /* of an alias */
    enum expect expect;
    enum item_kind kind;
    uint32_t uid, gid;
};

static void target_bad(struct target *t, uint32_t r)
{
    static const char *const formats[] = {"..%u@dir.example", "nosuch+r%u@sys.example", "root+r%u@sys.example",
                                          "r%u@far.example"};
    static const enum expect expects[] = {NEVER, NEVER, NOT_NOW, NOT_NOW};
    t->expect = expects[r % 4];
    (void)snprintf(t->address, sizeof t->address,
                   r % 4 == 0   ? formats[0]
                   : r % 4 == 1 ? formats[1]
                   : r % 4 == 2 ? formats[2]
                                : formats[3],
                   r);
}

static struct target target_of(const struct seen_job *j, uint32_t r)
{
    struct target t = {.expect = GOOD, .kind = ITEM_MAILDIR, .uid = 500, .gid = 500};
    uint32_t user = (j->base + r) % USERS;
    unsigned mode = j->mode == MIXED ? (j->base + r) % MIXED : j->mode;
    switch ((enum mode)mode) {
    case MAILDIR:
        (void)snprintf(t.address, sizeof t.address, "r%u@dir.example", r);
        if (j->kind == LOOP && r == 0)
            (void)snprintf(t.address, sizeof t.address, "loop@dir.example");
        if (j->kind == LOOP && r == 0 && !j->failed)
            t.expect = NEVER;
        break;
    case MBOX:
        (void)snprintf(t.address, sizeof t.address, "r%u@box.example", r);
        t.kind = ITEM_MBOX;
        break;
    case SYSTEM:
        (void)snprintf(t.address, sizeof t.address, "u%u+r%u@sys.example", user, r);
        t.uid = t.gid = 1000 + user;
        break;
    case SYSTEM_GROUP:
        (void)snprintf(t.address, sizeof t.address, "v%u+r%u@sys.example", j->base % USERS, r);
        t.uid = 1000 + j->base % USERS;
        t.gid = 7;
        break;
    case PIPE:
        (void)snprintf(t.address, sizeof t.address, "r%u@p%u.example", r, user % 4);
        t.kind = ITEM_COMMAND;
        t.uid = user % 4 ? 1000 + user % 4 : 500;
        t.gid = user % 4 == 3 ? 7 : t.uid;
        break;
    case ALIAS:
        (void)snprintf(t.address, sizeof t.address, "r%u@dir.example", r);
        t.key = r % 4 == 0 ? "pipe" : r % 4 == 3 ? "gone" : "file";
        t.kind = r % 4 == 0 ? ITEM_COMMAND : ITEM_FILE;
        t.expect = r % 4 == 3 ? NOT_NOW : GOOD;
        break;
    case BAD:
    case MIXED:
    case MODES:
        target_bad(&t, r);
        break;
    }
    return t;
}

/* One that is asked for and is not in the head. */
static uint32_t head_recipients(const struct seen_job *j)
{
    return j->mode == BAD ? RECIPIENTS_MAX - 1 : RECIPIENTS_MAX;
}

enum err __wrap_spool_entry_open(struct spool_reader *r, const struct spool_place *place, struct spool_entry **entry_r)
{
    (void)r;
    CHECK(place->id >= 1 && place->id <= w.job_count);
    struct seen_job *j = &w.jobs[place->id - 1];
    if (chance(2)) {
        j->failed = true;
        return ERR_CORRUPT;
    }
    struct spool_entry *e = calloc(1, sizeof *e);
    e->job = (uint32_t)place->id - 1;
    for (uint32_t i = 0; i < RECIPIENTS_MAX; i++) {
        if (!(j->mask >> i & 1))
            continue;
        struct target t = target_of(j, i);
        memcpy(e->addresses[i], t.address, sizeof t.address);
        e->recipients[i].address = slice_str(e->addresses[i]);
        if (!t.key)
            continue;
        e->recipients[i].kind = RECIPIENT_ALIAS_TARGET;
        e->recipients[i].table = slice_str(table);
        e->recipients[i].key = slice_str(t.key);
    }
    (void)snprintf(e->sender, sizeof e->sender, "j%u@test.example", e->job);
    e->envelope = (struct envelope){
        .reverse_path = slice_str(e->sender), .recipient_count = head_recipients(j), .recipients = e->recipients};
    e->head = (struct spool_head){.id = place->id,
                                  .arrival_s = CHAOS_WALL_S,
                                  .facts = facts[j->kind],
                                  .envelope_count = 1,
                                  .envelopes = &e->envelope};
    w.entries++;
    *entry_r = e;
    return ERR_OK;
}

void __wrap_spool_entry_close(struct spool_entry **e)
{
    if (!*e)
        return;
    free((*e)->piece);
    free(*e);
    *e = NULL;
    w.entries--;
}

const struct spool_head *__wrap_spool_entry_head(const struct spool_entry *e)
{
    return &e->head;
}

enum err __wrap_spool_entry_content(struct spool_entry *e, uint64_t offset, size_t max, slice *content_r)
{
    free(e->piece);
    e->piece = NULL;
    if (chance(1)) {
        w.jobs[e->job].failed = true;
        return ERR_IO;
    }
    slice piece = slice_sub(buf_slice(&contents[w.jobs[e->job].kind]), (size_t)offset, (size_t)offset + max);
    e->piece = malloc(piece.len ? piece.len : 1);
    if (piece.len > 0)
        memcpy(e->piece, piece.ptr, piece.len);
    *content_r = slice_of(e->piece, piece.len);
    return ERR_OK;
}

enum err __wrap_spool_reader_open(int dir_fd, struct spool_reader **reader_r)
{
    (void)dir_fd;
    *reader_r = NULL;
    return ERR_OK;
}

void __wrap_spool_reader_trim(struct spool_reader *r)
{
    (void)r;
}

/* --- descriptors */

static struct hand *hand_of(int fd)
{
    CHECK(fd >= FD_FIRST && fd < FD_FIRST + (int)w.fd_count && w.fds[fd - FD_FIRST].open);
    CHECK(w.fds[fd - FD_FIRST].hand);
    return w.fds[fd - FD_FIRST].hand;
}

enum err __wrap_socket_pair(int pair_r[2])
{
    if (w.fd_count + 2 > FDS || chance(2))
        return ERR_LIMIT;
    for (int i = 0; i < 2; i++) {
        w.fds[w.fd_count].open = true;
        w.fds[w.fd_count].hand = NULL;
        w.fds_open++;
        pair_r[i] = FD_FIRST + (int)w.fd_count++;
    }
    return ERR_OK;
}

void __real_os_close(int *fd);
void __wrap_os_close(int *fd)
{
    if (*fd < FD_FIRST) {
        __real_os_close(fd);
        return;
    }
    uint32_t at = (uint32_t)(*fd - FD_FIRST);
    CHECK(at < w.fd_count && w.fds[at].open);
    w.fds[at].open = false;
    w.fds_open--;
    struct hand *h = w.fds[at].hand;
    w.fds[at].hand = NULL;
    if (h) {
        h->fd = -1;
        CHECK(!h->refused || h->mad || h->out.len == 0); /* what it said before it died counts */
    }
    *fd = -1;
}

enum err __wrap_loop_watch_open(struct loop *l, int fd, void (*call)(void *ctx, bool readable, bool writable),
                                void *ctx, struct loop_watch **watch_r)
{
    (void)l;
    unsigned at = 0;
    while (w.watches[at])
        CHECK(++at <= WORKERS_MAX);
    if (chance(2))
        return ERR_NOMEM;
    struct loop_watch *watch = calloc(1, sizeof *watch);
    *watch = (struct loop_watch){fd, call, ctx, false};
    w.watches[at] = watch;
    hand_of(fd)->watch = watch;
    *watch_r = watch;
    return ERR_OK;
}

void __wrap_loop_watch_set(struct loop_watch *watch, bool read, bool write)
{
    CHECK(read);
    (void)hand_of(watch->fd);
    watch->write = write;
}

void __wrap_loop_watch_close(struct loop_watch **watch)
{
    for (unsigned i = 0; i <= WORKERS_MAX; i++)
        if (*watch && w.watches[i] == *watch)
            w.watches[i] = NULL;
    for (unsigned i = 0; i < HANDS_MAX; i++)
        if (*watch && w.hands[i] && w.hands[i]->watch == *watch)
            w.hands[i]->watch = NULL;
    free(*watch);
    *watch = NULL;
}

/* --- workers' processes */

static void hand_free(struct hand *h)
{
    for (unsigned i = 0; i < HANDS_MAX; i++)
        if (w.hands[i] == h)
            w.hands[i] = NULL;
    for (uint32_t i = 0; i < w.fd_count; i++)
        CHECK(w.fds[i].hand != h);
    buf_deinit(&h->in);
    buf_deinit(&h->out);
    buf_deinit(&h->said);
    free(h->items);
    free(h);
}

static size_t some_room(void)
{
    static const size_t rooms[] = {0, 10, 3000, 70000, 200000, SIZE_MAX, SIZE_MAX, SIZE_MAX};
    return chaos.calm ? SIZE_MAX : rooms[draw(8)];
}

/* The new process's end of the pair is the second of the two that were opened last. */
enum err __wrap_process_fork(int *pid_r)
{
    unsigned at = 0;
    while (at < HANDS_MAX && w.hands[at])
        at++;
    if (at == HANDS_MAX || chance(3))
        return ERR_NOMEM;
    struct hand *h = calloc(1, sizeof *h);
    *h = (struct hand){.pid = ++w.pid, .fd = FD_FIRST + (int)w.fd_count - 2, .room = some_room()};
    buf_init(&h->in, 1u << 20);
    buf_init(&h->out, 1u << 20);
    buf_init(&h->said, 1u << 20);
    CHECK(w.fds[w.fd_count - 2].open && w.fds[w.fd_count - 1].open && !w.fds[w.fd_count - 2].hand);
    w.fds[w.fd_count - 2].hand = h;
    w.hands[at] = h;
    *pid_r = h->pid;
    if (chance(3)) { /* it could not become the user */
        h->dead = true;
        h->status = 1 << 8;
    }
    return ERR_OK;
}

static void hand_dies(struct hand *h, int status)
{
    if (!h->dead)
        h->status = status;
    h->dead = true;
}

/* Never another's process, and none that has been reaped. */
void __wrap_process_kill(int pid, int signal_number)
{
    struct hand *h = NULL;
    for (unsigned i = 0; i < HANDS_MAX; i++)
        if (w.hands[i] && w.hands[i]->pid == pid)
            h = w.hands[i];
    CHECK(h);
    if (signal_number == 9 || !chance(64))
        hand_dies(h, signal_number);
}

/* A process whose socket is closed ends, soon. */
enum err __wrap_process_reap(int *pid_r, int *status_r)
{
    for (unsigned i = 0; i < HANDS_MAX; i++) {
        struct hand *h = w.hands[i];
        if (h && h->fd < 0 && h->pid < 0)
            hand_free(h);
        else if (h && h->fd < 0 && !chance(64))
            hand_dies(h, 0);
        h = w.hands[i];
        if (!h || !h->dead || h->pid < 0 || chance(32))
            continue;
        *pid_r = h->pid;
        *status_r = h->status;
        if (h->fd < 0)
            hand_free(h);
        else
            h->pid = -1;
        return ERR_OK;
    }
    return ERR_AGAIN;
}

static void item_is_whole(struct hand *h)
{
    if (h->item_count == h->item_room) {
        h->item_room = h->item_room * 2 + 8;
        h->items = realloc(h->items, h->item_room * sizeof *h->items);
    }
    h->items[h->item_count++] = h->number;
}

static struct worker *worker_of(const struct hand *h)
{
    CHECK(h->watch);
    return h->watch->ctx;
}

static void item_begins(struct hand *h, const struct item *i)
{
    char sender[64] = {0};
    CHECK(i->sender.len < sizeof sender && i->sender.len > 0);
    memcpy(sender, i->sender.ptr, i->sender.len);
    CHECK(sscanf(sender, "j%u@", &h->job) == 1 && h->job < w.job_count);
    struct seen_job *j = &w.jobs[h->job];
    const struct worker *x = worker_of(h);
    uint32_t r = 0;
    struct target t = {.address = ""};
    for (; r < RECIPIENTS_MAX; r++) {
        if (!(j->mask >> r & 1))
            continue;
        t = target_of(j, r);
        if (slice_equal(i->recipient, slice_str(t.address)))
            break;
    }
    CHECK(r < RECIPIENTS_MAX && t.expect == GOOD);
    /* A worker may have said what comes of it before it had it. */
    CHECK((j->live && j->code[r] == 0) || j->said[r]);
    CHECK(!j->given[r]);
    j->given[r] = true;
    CHECK(i->kind == t.kind && x->uid == t.uid && x->gid == t.gid && x->commands == (t.kind == ITEM_COMMAND));
    CHECK(i->body_size == contents[j->kind].len && i->number > 0);
    CHECK(i->trace.len > 0 && memmem(i->trace.ptr, i->trace.len, t.address, strlen(t.address)));
    h->number = i->number;
    h->body_left = i->body_size;
    h->body_at = 0;
    if (h->body_left == 0)
        item_is_whole(h);
}

static void hand_reads(struct hand *h, slice data)
{
    buf_append(&h->in, data);
    CHECK(buf_ok(&h->in));
    size_t at = 0;
    for (;;) {
        slice in = slice_skip(buf_slice(&h->in), at);
        struct item i;
        size_t used;
        if (h->body_left > 0) {
            used = in.len < h->body_left ? in.len : (size_t)h->body_left;
            if (used == 0)
                break;
            CHECK(memcmp(in.ptr, contents[w.jobs[h->job].kind].ptr + h->body_at, used) == 0);
            h->body_at += used;
            h->body_left -= used;
            if (h->body_left == 0)
                item_is_whole(h);
        } else {
            enum err e = item_decode(in, &i, &used);
            CHECK(e == ERR_OK || e == ERR_AGAIN);
            if (e == ERR_AGAIN)
                break;
            item_begins(h, &i);
        }
        at += used;
    }
    buf_consume(&h->in, at);
}

enum err __wrap_socket_send_fd(int fd, slice data, int passed, size_t *sent_r)
{
    struct hand *h = hand_of(fd);
    CHECK(passed == -1 && data.len > 0);
    if (h->dead) {
        h->refused = true;
        return ERR_CLOSED;
    }
    size_t n = data.len < h->room ? data.len : h->room;
    if (n == 0)
        return ERR_AGAIN;
    if (chance(16) && n > 300)
        n = 1 + draw(256);
    if (h->room != SIZE_MAX)
        h->room -= n;
    hand_reads(h, slice_sub(data, 0, n));
    *sent_r = n;
    return ERR_OK;
}

/* What the parent now knows. What it does not ask for, or has heard before, does not count. */
static void answer_heard(struct hand *h, const struct item_answer *a)
{
    LIST_FOREACH(l, &worker_of(h)->sent) {
        const struct delivery *x = LIST_ENTRY(l, struct delivery, link);
        struct seen_job *j = &w.jobs[x->job->number - 1];
        if (x->number == a->number && j->said[x->recipient] == 0)
            j->said[x->recipient] = a->verdict.code;
    }
}

static void answers_heard(struct hand *h, slice bytes)
{
    struct item_answer a;
    size_t at = 0, used;
    enum err e = ERR_AGAIN;
    buf_append(&h->said, bytes);
    while (!h->mad && (e = item_answer_decode(slice_skip(buf_slice(&h->said), at), &a, &used)) == ERR_OK) {
        answer_heard(h, &a);
        at += used;
    }
    h->mad = h->mad || e != ERR_AGAIN;
    buf_consume(&h->said, at);
}

enum err __wrap_socket_take(int fd, void *out, size_t size, size_t *got_r)
{
    struct hand *h = hand_of(fd);
    CHECK(size > 0);
    if (h->out.len == 0)
        return h->dead ? ERR_CLOSED : ERR_AGAIN;
    size_t n = h->out.len < size ? h->out.len : size;
    if (!h->dead && chance(32))
        n = 1 + draw(n < 256 ? (unsigned)n : 256);
    memcpy(out, h->out.ptr, n);
    buf_consume(&h->out, n);
    answers_heard(h, slice_of(out, n));
    *got_r = n;
    return ERR_OK;
}

static void hand_event_call(const struct hand *h)
{
    struct loop_watch *watch = h->watch;
    if (!watch)
        return;
    bool readable = h->out.len > 0 || h->dead, writable = watch->write && (h->room > 0 || h->dead);
    if (readable || writable)
        watch->call(watch->ctx, readable, writable);
}

static bool still_there(const struct hand *h)
{
    for (unsigned i = 0; i < HANDS_MAX; i++)
        if (w.hands[i] == h)
            return true;
    return false;
}

/* --- what they say */

static void hand_says(struct hand *h, uint64_t number, uint16_t code, size_t text_len)
{
    struct item_answer a = {.number = number, .verdict = {.code = code, .enhanced = {(uint8_t)(code / 100), 0, 0}}};
    char text[64];
    (void)snprintf(text, sizeof text, "%llu: done", (unsigned long long)number);
    a.verdict.text = slice_str(text);
    if (h->out.len > 500000)
        return;
    item_answer_encode(&h->out, &a);
    if (text_len == 0)
        return;
    /* Longer than a worker of ours would say it. */
    size_t len = a.verdict.text.len, frame = 4 + 8 + 2 + 3 + 4 + len;
    char *at = h->out.ptr + h->out.len - frame;
    put_u32(at, (uint32_t)(frame - 4 + text_len));
    put_u32(at + 17, (uint32_t)(len + text_len));
    for (size_t i = 0; i < text_len; i++)
        buf_append_char(&h->out, '\n');
}

static uint64_t item_take(struct hand *h, size_t at)
{
    uint64_t number = h->items[at];
    h->item_count--;
    memmove(&h->items[at], &h->items[at + 1], (h->item_count - at) * sizeof *h->items);
    return number;
}

static uint16_t some_code(void)
{
    static const uint16_t codes[] = {250, 250, 250, 250, 250, 451, 452, 550, 200, 599};
    return chaos.calm ? 250 : codes[draw(10)];
}

static void hand_answers(struct hand *h, size_t most)
{
    size_t said = 0;
    uint16_t code = some_code();
    while (said < most && said < h->item_count)
        hand_says(h, h->items[said++], code, 0);
    if (said == 0)
        return;
    h->item_count -= said;
    memmove(h->items, h->items + said, h->item_count * sizeof *h->items);
}

static struct hand *some_hand(void)
{
    unsigned from = draw(HANDS_MAX);
    for (unsigned i = 0; i < HANDS_MAX; i++)
        if (w.hands[(from + i) % HANDS_MAX] && w.hands[(from + i) % HANDS_MAX]->fd >= 0)
            return w.hands[(from + i) % HANDS_MAX];
    return NULL;
}

static void hand_odd(struct hand *h)
{
    const struct hand *other = some_hand();
    switch (draw(12)) {
    case 0: /* twice */
        if (h->item_count > 0) {
            hand_says(h, h->items[0], some_code(), 0);
            hand_says(h, item_take(h, 0), some_code(), 0);
        }
        break;
    case 1: /* another's */
        if (other && other->item_count > 0)
            hand_says(h, other->items[0], 250, 0);
        break;
    case 2: /* what it has not whole yet, or has answered */
        hand_says(h, h->number, 250, 0);
        break;
    case 3:
        hand_says(h, draw(256), 250, 0);
        break;
    case 4: /* no code */
        hand_says(h, h->number, 199, 0);
        break;
    case 5:
        buf_append(&h->out, SLICE("\xff\xff\xff\xff"));
        break;
    case 6: /* ends in the midst of an answer */
        if (h->item_count > 0)
            hand_says(h, item_take(h, 0), 250, 0);
        h->out.len -= h->out.len ? 1 : 0;
        hand_dies(h, 9);
        break;
    case 7: /* says much */
        if (h->item_count > 0)
            hand_says(h, item_take(h, 0), some_code(), ANSWER_TEXT_MAX);
        break;
    case 8: /* forgets one */
        if (h->item_count > 0)
            (void)item_take(h, draw((unsigned)(h->item_count < 256 ? h->item_count : 256)));
        break;
    case 9:
        h->stuck = true;
        break;
    case 10: /* out of turn */
        if (h->item_count > 0)
            hand_says(h, item_take(h, draw((unsigned)(h->item_count < 256 ? h->item_count : 256))), some_code(), 0);
        break;
    case 11: /* the number of the next one */
        hand_says(h, deliver()->delivery_counter + 1 - draw(4), 250, 0);
        break;
    }
}

static void hand_event(unsigned what)
{
    struct hand *h = some_hand();
    if (!h)
        return;
    if (what < 3 && !h->stuck && !h->dead)
        hand_answers(h, SIZE_MAX);
    else if (what == 3 && !h->stuck && !h->dead)
        hand_answers(h, 1 + draw(8));
    else if (what == 4 && !h->dead)
        hand_odd(h);
    else if (what == 5 && !h->stuck && h->room != SIZE_MAX)
        h->room = some_room();
    else if (what == 6)
        hand_dies(h, draw(2) ? 9 : draw(2) << 8);
    else if (what == 7 && !h->stuck && !h->dead) { /* its last words */
        hand_answers(h, SIZE_MAX);
        hand_dies(h, 9);
    }
    if (what < 5 || draw(2))
        hand_event_call(h);
}

/* All of them, as those do that are well. */
static void hands_work(void)
{
    for (unsigned i = 0; i < HANDS_MAX; i++) {
        struct hand *h = w.hands[i];
        if (!h || h->fd < 0)
            continue;
        if (!h->stuck && !h->dead) {
            h->room = SIZE_MAX;
            hand_event_call(h);
            if (still_there(h) && h->fd >= 0)
                hand_answers(h, SIZE_MAX);
        }
        if (still_there(h) && h->fd >= 0)
            hand_event_call(h);
    }
}

/* --- the queue */

static struct seen_job *job_of(uint64_t number)
{
    CHECK(number >= 1 && number <= w.job_count);
    CHECK(w.jobs[number - 1].live);
    return &w.jobs[number - 1];
}

static void on_result(const struct hub_peer *p, const struct ipc_result *m)
{
    struct seen_job *j = job_of(m->job);
    CHECK(m->recipients.len == 4 && m->dsn == RESULT_DSN_FINAL && !m->remote && j->process == p->process);
    uint32_t r = get_u32(m->recipients.ptr);
    CHECK(r < RECIPIENTS_MAX && j->mask >> r & 1);
    CHECK(j->code[r] == 0 && m->code >= 200 && m->code < 600);
    j->code[r] = m->code;
    struct target t = target_of(j, r);
    unsigned long long number = 0;
    char text[32] = {0};
    if (m->text.len > 0)
        memcpy(text, m->text.ptr, m->text.len < 31 ? m->text.len : 31);
    if (j->said[r])
        CHECK(m->code == j->said[r] && sscanf(text, "%llu: done", &number) == 1 && number > 0);
    else if (t.expect == NEVER && !j->failed && r < head_recipients(j))
        CHECK(m->code / 100 == 5);
    else if (t.expect == NEVER)
        CHECK(m->code / 100 == 4 || m->code / 100 == 5);
    else if (j->kind == LOOP && r == 0)
        CHECK(m->code / 100 != 2);
    else
        CHECK(m->code / 100 == 4);
    CHECK(t.expect == GOOD || !j->given[r]);
}

static void on_done(const struct hub_peer *p, uint64_t number)
{
    struct seen_job *j = job_of(number);
    CHECK(j->process == p->process);
    for (uint32_t r = 0; r < RECIPIENTS_MAX; r++)
        CHECK(!(j->mask >> r & 1) || j->code[r] != 0);
    j->live = false;
}

static void on_lease(const struct hub_peer *p, const struct ipc_hello_lease *m)
{
    struct seen_job *j = job_of(m->job);
    CHECK(m->id == m->job && j->process != p->process);
    j->process = p->process;
    w.leases++;
}

static void on_hello_end(const struct hub_peer *p, uint32_t count)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < w.job_count; i++) {
        live += w.jobs[i].live;
        CHECK(!w.jobs[i].live || w.jobs[i].process == p->process);
    }
    CHECK(count == w.leases && count == live);
    w.leases = 0;
}

static void chaos_sent(struct hub_peer *p, const struct ipc_message *m)
{
    CHECK(p && p->kind == PROCESS_QUEUE);
    CHECK(m->fd == -1 && ipc_message_permitted(m->type, PROCESS_DELIVER, PROCESS_QUEUE));
    CHECK(ipc_message_size(m) < IPC_FRAME_MAX);
    if (m->type == IPC_result)
        on_result(p, &m->u.result);
    else if (m->type == IPC_job_done)
        on_done(p, m->u.job_done.job);
    else if (m->type == IPC_hello_lease)
        on_lease(p, &m->u.hello_lease);
    else {
        CHECK(m->type == IPC_hello_end);
        on_hello_end(p, m->u.hello_end.count);
    }
}

static void job_arrives(uint8_t mode, uint8_t kind, uint32_t base, uint32_t mask, uint32_t length)
{
    struct hub_peer *queue = peer_find(PROCESS_QUEUE);
    if (w.job_count == JOBS_MAX || !queue)
        return;
    struct seen_job *j = &w.jobs[w.job_count++];
    memset(j, 0, sizeof *j);
    j->live = true;
    j->mode = mode;
    j->kind = kind;
    j->base = base;
    j->mask = mask;
    j->length = length;
    j->process = queue->process;
    char recipients[4 * RECIPIENTS_MAX];
    size_t len = 0;
    for (uint32_t i = 0; i < RECIPIENTS_MAX; i++)
        if (mask >> i & 1) {
            put_u32(recipients + len, i);
            len += 4;
        }
    struct spool_place place = {.segment = 1, .id = w.job_count, .length = length};
    struct ipc_message m = {.type = IPC_job, .fd = -1};
    m.u.job.job = w.job_count;
    CHILD_PLACE_SET(m.u.job, &place);
    m.u.job.arrival_s = CHAOS_WALL_S;
    m.u.job.dispatch_us = CHAOS_WALL_S * INT64_C(1000000);
    /* The slice lives for the call only. */
    char *copy = malloc(len ? len : 1);
    memcpy(copy, recipients, len);
    m.u.job.recipients = slice_of(copy, len);
    chaos_tell(queue, &m);
    free(copy);
}

static void some_job(void)
{
    static const uint32_t masks[] = {1, 1, 3, 7, 0xffff, 0x0f, 0x8001, 0};
    static const uint32_t lengths[] = {1000, 1000, 3u << 20, 30u << 20};
    unsigned first = draw(256), second = draw(256);
    uint8_t kind = (uint8_t)(second >> 3 & 7) % KINDS, mode = first & 7;
    uint32_t mask = masks[second & 7];
    /* Once, and for few: else it takes long here, too. */
    if (kind == HUGE_CONTENT && w.huge++)
        kind = LARGE;
    if (kind == HUGE_CONTENT)
        mask &= 7;
    job_arrives(mode, kind, first >> 3, mask, lengths[second >> 6]);
}

/* Many small ones at once. */
static void many_jobs(void)
{
    static const uint32_t lengths[] = {1000, 1000, 1u << 20, 5u << 20};
    unsigned first = draw(256), second = draw(256), third = draw(256);
    for (unsigned i = 0; i < (first < 208 ? first % 24 : first); i++)
        job_arrives(second & 7, second >> 3 & 1 ? EMPTY : SMALL, third + (second & 16 ? i : 0),
                    second & 32 && i < 16 ? 0xffff : 1, lengths[second >> 6]);
}

static void peer_event(void)
{
    w.leases = 0;
    chaos_peer_event(PROCESS_QUEUE);
}

/* --- what must be true between events */

static void check_delivery(const struct delivery *x, bool unsent)
{
    CHECK(x->job->number >= 1 && x->job->number <= w.job_count);
    struct seen_job *j = &w.jobs[x->job->number - 1];
    CHECK(j->live && x->recipient < RECIPIENTS_MAX && j->mask >> x->recipient & 1);
    CHECK(j->said[x->recipient] == 0 && j->code[x->recipient] == 0);
    j->found++;
    j->unsent += unsent;
}

static void check_worker(const struct worker *x)
{
    const struct hand *h = hand_of(x->fd);
    uint32_t load = 0;
    LIST_FOREACH(l, &x->waiting) {
        check_delivery(LIST_ENTRY(l, struct delivery, link), true);
        load++;
    }
    LIST_FOREACH(l, &x->sent) {
        check_delivery(LIST_ENTRY(l, struct delivery, link), false);
        load++;
    }
    CHECK(load == x->load);
    CHECK(h->pid == x->pid || x->pid == 0);
    CHECK(!x->streaming || x->waiting.next == &x->streaming->link);
    CHECK(h->watch == x->watch && x->watch->fd == x->fd && x->watch->ctx == x && !x->dirty);
    /* Who has something to say will be asked. */
    CHECK(x->watch->write || (x->out.len == 0 && list_empty(&x->waiting)));
    CHECK(chaos.now_ms - x->progress_ms < (load > 0 ? HANG_MS : IDLE_MS) + 2 * SWEEP_MS);
}

static void check_job(const struct job *j, bool done)
{
    CHECK(j->number >= 1 && j->number <= w.job_count);
    struct seen_job *seen = &w.jobs[j->number - 1];
    CHECK(seen->live && !seen->listed && j->place.id == j->number);
    seen->listed = true;
    CHECK(j->open == seen->found && j->unsent == seen->unsent && done == (j->open == 0));
    CHECK(!j->entry || !done);
    CHECK(list_empty(&j->kept) || !peer_find(PROCESS_QUEUE));
}

static void check_limits(const struct deliver *d)
{
    uint32_t entries = 0, streaming = 0;
    uint64_t bytes = 0, streaming_bytes = 0;
    LIST_FOREACH(l, &d->workers) {
        const struct worker *x = LIST_ENTRY(l, struct worker, link);
        streaming += x->streaming != NULL;
        streaming_bytes += x->streaming ? x->streaming->job->place.length : 0;
    }
    LIST_FOREACH(l, &d->jobs) {
        const struct job *j = LIST_ENTRY(l, struct job, link);
        entries += j->entry != NULL;
        bytes += j->entry ? j->place.length : 0;
    }
    CHECK(entries == d->entries && entries == w.entries && bytes == d->entries_bytes);
    CHECK(entries <= ENTRIES_MAX + streaming && bytes <= ENTRIES_BYTES + streaming_bytes);
}

static void check(void)
{
    const struct deliver *d = deliver();
    uint32_t workers = 0;
    uint8_t same[2][2][2 * USERS] = {0};
    for (uint32_t i = 0; i < w.job_count; i++) {
        w.jobs[i].found = w.jobs[i].unsent = 0;
        w.jobs[i].listed = false;
    }
    LIST_FOREACH(l, &d->workers) {
        const struct worker *x = LIST_ENTRY(l, struct worker, link);
        check_worker(x);
        CHECK(++same[x->commands][x->gid == 7][x->uid % (2 * USERS)] <= WORKERS_A_USER);
        workers++;
    }
    LIST_FOREACH(l, &d->homeless)
        check_delivery(LIST_ENTRY(l, struct delivery, link), true);
    CHECK(workers == d->worker_count && workers <= WORKERS_MAX && workers == w.fds_open);
    LIST_FOREACH(l, &d->jobs)
        check_job(LIST_ENTRY(l, struct job, link), false);
    LIST_FOREACH(l, &d->done)
        check_job(LIST_ENTRY(l, struct job, link), true);
    for (uint32_t i = 0; i < w.job_count; i++)
        CHECK(w.jobs[i].live == w.jobs[i].listed);
    check_limits(d);
    CHECK(list_empty(&d->done) || !peer_find(PROCESS_QUEUE));
    CHECK(chaos.stopped || ((struct chaos_timer *)(void *)d->sweep)->due_ms >= 0);
}

/* --- events */

/* True: the master has gone. */
static bool event(void)
{
    static const int64_t waits[] = {0, 250, 500, 1000, 2500, 61000, 1190000, 1210000};
    unsigned what = draw(32);
    if (what < 16)
        hand_event(what % 8);
    else if (what < 22)
        some_job();
    else if (what == 22)
        many_jobs();
    else if (what < 28)
        chaos_pass(waits[draw(8)]);
    else if (what == 28)
        hands_work();
    else if (what < 31)
        peer_event();
    else if (draw(16) == 15)
        chaos_drain(draw(2) ? 30000 : 600000);
    else if (draw(32) == 31) {
        chaos.child->ops->master_gone(chaos.child->ctx);
        return true;
    }
    return false;
}

/* From now on all that is asked for is given; who hangs with work in hand goes on hanging. */
static void calm(void)
{
    const struct deliver *d = deliver();
    chaos.calm = true;
    w.leases = 0;
    if (!peer_find(PROCESS_QUEUE))
        (void)peer_begin(PROCESS_QUEUE, 0);
    int64_t until_ms = chaos.now_ms + CALM_MS;
    for (unsigned i = 0; i < HANDS_MAX; i++)
        if (w.hands[i] && w.hands[i]->fd >= 0)
            w.hands[i]->stuck = w.hands[i]->stuck && worker_of(w.hands[i])->load > 0;
    for (unsigned turn = 1; !chaos.stopped && !(list_empty(&d->jobs) && list_empty(&d->workers)); turn++) {
        hands_work();
        turn_end();
        chaos_pass(turn % 4 == 0 ? 60000 : 250);
        turn_end();
        check();
        CHECK(chaos.now_ms < until_ms);
    }
    chaos_pass(SWEEP_MS);
    for (unsigned i = 0; i < HANDS_MAX; i++)
        CHECK(chaos.stopped || !w.hands[i]);
    CHECK(chaos.stopped || (list_empty(&d->jobs) && list_empty(&d->done) && w.entries == 0 && w.fds_open == 0));
    CHECK(chaos.stopped == d->child.draining);
}

static void chaos_live(void)
{
    (void)peer_begin(PROCESS_QUEUE, 0);
    bool to_the_end = draw(4) != 3, gone = false;
    for (unsigned i = 0; chaos.left > 0 && i < STEPS_MAX && !chaos.stopped; i++) {
        gone = event();
        turn_end();
        check();
    }
    const struct deliver *d = deliver();
    if (chaos.stopped && !gone) /* drained: all was done and told, or it was time */
        CHECK((list_empty(&d->jobs) && list_empty(&d->done)) || chaos.now_ms >= d->drain_until_ms);
    else if (to_the_end && !gone)
        calm();
}

/* The process would end with them. */
static void jobs_free(struct list *jobs)
{
    LIST_FOREACH(l, jobs) {
        struct job *j = LIST_ENTRY(l, struct job, link);
        spool_entry_close(&j->entry);
        arena_deinit(&j->arena);
        free(j);
    }
}

static void deliver_free(struct deliver *d)
{
    jobs_free(&d->jobs);
    jobs_free(&d->done);
    LIST_FOREACH(l, &d->workers) {
        struct worker *x = LIST_ENTRY(l, struct worker, link);
        loop_watch_close(&x->watch);
        buf_deinit(&x->out);
        buf_deinit(&x->in);
        free(x);
    }
    route_index_close(&d->routes);
    arena_deinit(&d->self_arena);
    *d = (struct deliver){0};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    house_make();
    chaos_log();
    w.job_count = w.entries = w.leases = w.huge = w.fd_count = 0;
    chaos_begin(data, size);
    struct child_start start = {.kind = PROCESS_DELIVER,
                                .process = 1,
                                .conf = conf,
                                .hash_key = {5, 6},
                                .spool_fd = -1,
                                .user = {.uid = 500, .gid = 500, .name = SLICE("mail"), .home = SLICE("/")},
                                .root = true};
    CHECK(deliver_main(&start) == 0);
    CHECK(w.fds_open == 0);
    deliver_free(deliver());
    CHECK(w.entries == 0);
    for (unsigned i = 0; i <= WORKERS_MAX; i++)
        CHECK(!w.watches[i]);
    for (unsigned i = 0; i < HANDS_MAX; i++)
        if (w.hands[i])
            hand_free(w.hands[i]);
    chaos_end();
    (void)log_flush();
    return 0;
}
