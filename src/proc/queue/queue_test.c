/* SPDX-License-Identifier: ISC */
/* A queue in a process of its own over a real spool; the test is its master, its receiver, sender, deliver and console. */
#include "proc/queue/queue.h"

#include "proc/queue/state.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <parts.h>

#ifdef FAULTS
#include <errno.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

/* Of the queue's allocations, from its start on. */
static struct fault_plan *plan;
/* The queue's own segments are small, as on a small disk: there is less to read at each start. */
static bool small_disk;

int fstatvfs64(int fd, struct statvfs64 *s)
{
    struct statfs there;
    if (syscall(SYS_fstatfs, fd, &there) != 0)
        return -1;
    *s = (struct statvfs64){.f_bsize = (unsigned long)there.f_bsize, .f_frsize = (unsigned long)there.f_bsize};
    s->f_bavail = s->f_bfree = small_disk ? (8u << 20) / s->f_frsize : there.f_bavail;
    s->f_blocks = small_disk ? s->f_bavail * 2 : there.f_blocks;
    return 0;
}
#endif

#define WAIT_MS 20000
#define FRAMES 512
#define HOUR 3600
#define CONF                                                                                                           \
    "hostname = \"mail.example.org\"\npostmaster = \"postmaster@example.org\"\n"                                       \
    "[domain.\"example.org\"]\ndeliver = \"maildir:/nowhere/{user}\"\nusers = [\"alice\", \"bob\"]\n"                  \
    "[domain.\"hold.example\"]\ndeliver = \"hold:\"\nusers = [\"alice\"]\n"                                            \
    "[domain.\"gate.example\"]\ndeliver = \"smtp:127.0.0.1:26\"\nusers = \"any\"\n"                                    \
    "[domain.\"quiet.example\"]\ndeliver = \"smtp:127.0.0.1:27\"\nusers = \"any\"\n"                                   \
    "[domain.\"void.example\"]\ndeliver = \"discard:\"\nusers = [\"alice\"]\n"

/* A frame that came, with its bytes. */
struct frame {
    struct ipc_message m;
    char bytes[2][2048];
    size_t len[2];
};

struct end {
    enum process_kind kind;
    uint32_t process;
    struct ipc_channel *channel;
    struct frame frames[FRAMES];
    size_t first, count;
    bool closed;
    struct ipc_queue_progress progress; /* the last */
    unsigned progress_count;
};

static char folder[64];
static int dir_fd = -1;
static struct conf *conf;
static int64_t retry_s[] = {1 * HOUR, 2 * HOUR, 4 * HOUR};
static struct end master, receiver, sender, deliver, console;
static struct spool_writer *writer;
static uint64_t number_floor, ids;
static uint32_t process_next = 100, job_seen;
static int queue_pid;
static uint32_t queue_process;
static struct spool_place places[64]; /* of mails, by order */
/* In shared memory. While wanted is 1, each sync of the queue fails; 2: each read; 3: each write; -1: there is no thread for it. */
static struct {
    atomic_int wanted, set; /* set: what the queue's thread has made of it */
} * fault;

static void take_bytes(struct frame *f, size_t i, slice *s)
{
    assert_true(s->len <= sizeof f->bytes[i]);
    if (s->len)
        memcpy(f->bytes[i], s->ptr, s->len);
    *s = slice_of(f->bytes[i], s->len);
}

static void see(void *ctx, const struct ipc_message *m)
{
    struct end *e = ctx;
    if (m->type == IPC_announce_ack)
        return;
    if (m->type == IPC_queue_progress) {
        e->progress = m->u.queue_progress;
        e->progress_count++;
        return;
    }
    if (m->type == IPC_numbers_wanted) {
        struct ipc_message n = {.type = IPC_numbers, .fd = -1};
        assert_int_equal(spool_numbers_take(dir_fd, m->u.numbers_wanted.count, &n.u.numbers.first), ERR_OK);
        n.u.numbers.count = m->u.numbers_wanted.count;
        ipc_channel_send(e->channel, &n);
        return;
    }
    assert_true(e->count < FRAMES);
    struct frame *f = &e->frames[(e->first + e->count++) % FRAMES];
    f->m = *m;
    if (m->type == IPC_job)
        take_bytes(f, 0, &f->m.u.job.recipients);
    if (m->type == IPC_queue_text)
        take_bytes(f, 0, &f->m.u.queue_text.text);
    if (m->type == IPC_queue_item) {
        take_bytes(f, 0, &f->m.u.queue_item.reason);
        take_bytes(f, 1, &f->m.u.queue_item.destination);
    }
    if (m->type == IPC_queue_destination) {
        take_bytes(f, 0, &f->m.u.queue_destination.name);
        take_bytes(f, 1, &f->m.u.queue_destination.reason);
    }
}

static struct end *const ends[] = {&master, &receiver, &sender, &deliver, &console};
#define ENDS (sizeof ends / sizeof ends[0])

/* Reads and writes once on all channels. */
static void pump(int64_t wait_ms)
{
    int64_t until = os_now_ms() + wait_ms;
    do {
        for (size_t i = 0; i < ENDS; i++) {
            struct end *e = ends[i];
            if (!e->channel || e->closed)
                continue;
            enum err r = ipc_channel_read(e->channel, see, e);
            e->closed = r == ERR_CLOSED || r == ERR_SYNTAX;
            if (!e->closed && ipc_channel_flush(e->channel) != ERR_OK)
                e->closed = true;
        }
        if (wait_ms > 0)
            usleep(2000);
    } while (os_now_ms() < until);
}

static void send_to(struct end *e, struct ipc_message m)
{
    m.fd = m.type == IPC_peer ? m.fd : -1;
    ipc_channel_send(e->channel, &m);
    pump(0);
}

/* The next frame on this channel. */
static struct ipc_message *next(struct end *e, enum ipc_type type)
{
    int64_t until = os_now_ms() + WAIT_MS;
    while (e->count == 0) {
        if (os_now_ms() > until)
            fail_msg("no %s came", ipc_message_name(type));
        pump(2);
    }
    struct frame *f = &e->frames[e->first];
    e->first = (e->first + 1) % FRAMES;
    e->count--;
    if (f->m.type != type)
        fail_msg("%s came, %s expected", ipc_message_name(f->m.type), ipc_message_name(type));
    return &f->m;
}

/* Round trip: what was sent to the queue before is done. */
static void settle(void)
{
    struct ipc_message m = {.type = IPC_queue_request};
    m.u.queue_request = (struct ipc_queue_request){
        .token = 77, .verb = QUEUE_VERB_SHOW, .filter = QUEUE_FILTER_ID, .value = SLICE("-")};
    for (int i = 0; i < 2; i++) {
        send_to(&console, m);
        assert_int_equal(next(&console, IPC_queue_end)->u.queue_end.token, 77);
    }
}

static void introduce(struct end *e, enum process_kind kind)
{
    int pair[2];
    struct ipc_message m = {.type = IPC_peer};
    e->kind = kind;
    if (!e->process)
        e->process = process_next++;
    e->first = e->count = 0;
    e->closed = false;
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(ipc_channel_open(pair[0], kind, PROCESS_QUEUE, &e->channel), ERR_OK);
    m.fd = pair[1];
    m.u.peer = (struct ipc_peer){e->process, (uint8_t)kind, 0, 1};
    send_to(&master, m);
}

static void hello_end(struct end *e)
{
    send_to(e, (struct ipc_message){.type = IPC_hello_end});
}

static void end_close(struct end *e)
{
    ipc_channel_close(&e->channel);
    e->count = 0;
}

static int queue_log_fd = -1; /* where the next queue's log goes, if not to ours */

static void *fault_run(void *ctx)
{
    static const unsigned calls[] = {0, OS_CALL_SYNC, OS_CALL_READ, OS_CALL_WRITE};
    (void)ctx;
    for (;;) {
        int now = atomic_load(&fault->wanted);
        if (now != atomic_load(&fault->set))
            os_file_fault(now ? OS_FILE_FAULT_EACH : 0, 1u << calls[now], ERR_IO);
        atomic_store(&fault->set, now);
        usleep(1000);
    }
    return NULL;
}

/* Of the queue that runs, if one does. */
static void fault_set(int wanted)
{
    int64_t until = os_now_ms() + WAIT_MS;
    atomic_store(&fault->wanted, wanted);
    while (queue_pid > 0 && atomic_load(&fault->set) != wanted) {
        if (os_now_ms() > until)
            fail_msg("the queue does not take fault %d", wanted);
        usleep(1000);
    }
}

static void queue_run(const struct child_start *start)
{
    pthread_t thread;
    if (queue_log_fd >= 0)
        dup2(queue_log_fd, 2);
    atomic_store(&fault->set, 0);
    if (atomic_load(&fault->wanted) >= 0 && pthread_create(&thread, NULL, fault_run, NULL) != 0)
        process_exit(3);
#ifdef FAULTS
    fault_plan = plan;
#endif
    process_exit(queue_main(start));
}

static void queue_fork_begin(void)
{
    int pair[2], pid;
    assert_int_equal(socket_pair(pair), ERR_OK);
    queue_process = process_next++;
    struct child_start start = {.kind = PROCESS_QUEUE,
                                .process = queue_process,
                                .generation = 1,
                                .master_pid = process_pid(),
                                .conf = conf,
                                .hash_key = {5, 6},
                                .control_fd = pair[1],
                                .lock_fd = -1,
                                .spool_fd = dir_fd,
                                .number_floor = number_floor,
                                .user = {.uid = os_uid(), .gid = process_gid()}};
    assert_int_equal(process_fork(&pid), ERR_OK);
    if (pid == 0)
        queue_run(&start);
    queue_pid = pid;
    os_close(&pair[1]);
    master.first = master.count = 0;
    master.closed = false;
    assert_int_equal(ipc_channel_open(pair[0], PROCESS_MASTER, PROCESS_QUEUE, &master.channel), ERR_OK);
}

static void queue_peers(void)
{
    introduce(&receiver, PROCESS_RECEIVER);
    introduce(&sender, PROCESS_SENDER);
    introduce(&deliver, PROCESS_DELIVER);
    introduce(&console, PROCESS_CONSOLE);
    send_to(&master, (struct ipc_message){.type = IPC_peers_settled});
}

/* Forks the queue; the peers are introduced, and say nothing yet. */
static void queue_fork(void)
{
    queue_fork_begin();
    assert_int_equal(next(&master, IPC_ready)->type, IPC_ready);
    queue_peers();
}

/* As the receiver does it. */
static void receiver_hello(void)
{
    struct spool_segment_state state;
    for (size_t i = 0; writer && spool_writer_segment(writer, i, &state); i++) {
        struct ipc_message m = {.type = IPC_hello_segment};
        m.u.hello_segment = (struct ipc_hello_segment){state.segment, state.epoch, state.committed, state.closed};
        send_to(&receiver, m);
    }
    hello_end(&receiver);
}

static void queue_start(void)
{
    queue_fork();
    receiver_hello();
    hello_end(&sender);
    hello_end(&deliver);
    settle();
}

static void queue_gone(void)
{
    for (size_t i = 0; i < ENDS; i++)
        end_close(ends[i]);
    queue_pid = 0;
}

static int queue_wait(void)
{
    int status = -1;
    for (int i = 0; i < WAIT_MS / 5; i++) {
        if (waitpid(queue_pid, &status, WNOHANG) == queue_pid)
            break;
        pump(5);
    }
    queue_gone();
    return status;
}

static void queue_kill(void)
{
    process_kill(queue_pid, SIGKILL);
    (void)queue_wait();
}

/* As at the end of the service: a checkpoint is left behind. */
static void queue_drain(void)
{
    send_to(&master, (struct ipc_message){.type = IPC_drain, .u.drain = {1000}});
    assert_int_equal(queue_wait(), 0);
}

static void writer_start(uint32_t segment_size)
{
    const struct spool_writer_options o = {
        .dir_fd = dir_fd, .writer = receiver.process, .memory_max = 32 << 20, .segment_size = segment_size};
    assert_int_equal(spool_writer_open(&o, &writer), ERR_OK);
    uint64_t first;
    assert_int_equal(spool_numbers_take(dir_fd, 1000, &first), ERR_OK);
    spool_writer_supply_numbers(writer, first, 1000);
}

static void writer_done(struct spool_done *d)
{
    int64_t until = os_now_ms() + WAIT_MS;
    do {
        assert_true(os_now_ms() < until);
        if (!spool_writer_next_done(writer, d))
            d->kind = SPOOL_DONE_NUMBERS_LOW;
        if (d->kind == SPOOL_DONE_NUMBERS_LOW)
            usleep(500);
    } while (d->kind != SPOOL_DONE_COMMITTED);
    assert_int_equal(d->err, ERR_OK);
}

struct mail {
    const char *from, *to[4]; /* from NULL: the null reverse-path of a bounce of ours */
    int64_t age_s;
    uint32_t flags;
    size_t size;
    uint8_t notify, kind, index;        /* of each recipient */
    const char *orcpt, *envid, *tag;    /* or NULL */
    const char *login;                  /* or NULL */
    int64_t release_in_s, deliver_in_s; /* from now; 0 none */
    int8_t priority;
};

static slice text_of(const char *s)
{
    return s ? slice_str(s) : SLICE_NONE;
}

static void announce(const struct spool_done *d)
{
    struct ipc_message m = {.type = IPC_announce};
    CHILD_PLACE_SET(m.u.announce, &d->place);
    m.u.announce.committed = d->committed;
    m.u.announce.head = d->head;
    send_to(&receiver, m);
}

static void closed_tell(uint64_t segment)
{
    struct spool_segment_state state;
    for (size_t i = 0; spool_writer_segment(writer, i, &state); i++) {
        struct ipc_message m = {.type = IPC_segment_closed,
                                .u.segment_closed = {segment, state.epoch, state.committed}};
        if (state.segment == segment)
            send_to(&receiver, m);
    }
}

static uint64_t mail_commit(const struct mail *x, bool tell, struct spool_place *place_r)
{
    static char body[300000];
    struct recipient r[4] = {{.kind = RECIPIENT_ADDRESS}};
    int64_t now_s = os_wall_s();
    struct envelope envelope = {.recipients = r,
                                .flags = x->flags,
                                .envid = text_of(x->envid),
                                .tag = text_of(x->tag),
                                .release_s = x->release_in_s ? now_s + x->release_in_s : 0,
                                .deliver_by_s = x->deliver_in_s ? now_s + x->deliver_in_s : 0,
                                .priority = x->priority};
    struct spool_message *m = NULL;
    struct spool_done d;
    for (size_t i = 0; i < 4 && x->to[i]; i++)
        r[envelope.recipient_count++] = (struct recipient){.address = slice_str(x->to[i]),
                                                           .notify = x->notify,
                                                           .kind = x->kind,
                                                           .index = x->index,
                                                           .orcpt = text_of(x->orcpt)};
    if (x->from)
        envelope.reverse_path = slice_str(x->from);
    memset(body, 'x', sizeof body);
    slice content = slice_of(body, x->size > 40 ? x->size : 40);
    memcpy(body, "Subject: the original\r\n\r\n", 24);
    struct spool_head head = {
        .id = ids++,
        .arrival_s = os_wall_s() - x->age_s,
        .facts = {.size = content.len, .header_len = 24},
        .origin = {.client_name = SLICE("client"), .protocol = SLICE("ESMTP"), .login = text_of(x->login)},
        .envelope_count = 1,
        .envelopes = &envelope};
    assert_int_equal(spool_message_begin(writer, NULL, &m), ERR_OK);
    assert_int_equal(spool_message_append(m, content), ERR_OK);
    assert_int_equal(spool_message_commit(&m, &head), ERR_OK);
    spool_writer_flush(writer);
    writer_done(&d);
    *place_r = d.place;
    if (tell)
        announce(&d);
    if (tell && d.closed_segment)
        closed_tell(d.closed_segment);
    return head.id;
}

static uint64_t mail(const struct mail *x)
{
    return mail_commit(x, true, &places[0]);
}

static const struct mail remote = {.from = "carol@example.net", .to = {"dave@far.example"}};
static const struct mail local = {.from = "carol@example.net", .to = {"alice@example.org"}};

static struct ipc_job job_from(struct end *e)
{
    struct ipc_job j = next(e, IPC_job)->u.job;
    job_seen++;
    return j;
}

static void result_dsn(struct end *e, const struct ipc_job *j, enum result_dsn dsn, slice recipients)
{
    struct ipc_message m = {.type = IPC_result};
    m.u.result = (struct ipc_result){.job = j->job,
                                     .remote = 1,
                                     .dsn = (uint8_t)dsn,
                                     .code = 250,
                                     .enhanced_class = 2,
                                     .text = SLICE("queued there as 17"),
                                     .host = SLICE("mx.far.example[192.0.2.9]"),
                                     .recipients = recipients};
    send_to(e, m);
}

static void result_send(struct end *e, const struct ipc_job *j, uint16_t code, const char *text, slice recipients)
{
    struct ipc_message m = {.type = IPC_result};
    m.u.result = (struct ipc_result){.job = j->job,
                                     .remote = 1,
                                     .code = code,
                                     .enhanced_class = (uint8_t)(code / 100),
                                     .text = slice_str(text),
                                     .host = SLICE("mx.far.example[192.0.2.9]:25"),
                                     .recipients = recipients};
    send_to(e, m);
}

static void job_done(struct end *e, const struct ipc_job *j)
{
    send_to(e, (struct ipc_message){.type = IPC_job_done, .u.job_done = {j->job}});
}

static void answer(struct end *e, const struct ipc_job *j, uint16_t code, const char *text)
{
    result_send(e, j, code, text, j->recipients);
    job_done(e, j);
}

static void nothing_for(struct end *e)
{
    settle();
    pump(20);
    if (e->count > 0)
        fail_msg("unexpected %s", ipc_message_name(e->frames[e->first].m.type));
}

/* What the disk says. */
struct on_disk {
    uint64_t id;
    uint32_t outcomes[9]; /* by kind */
    uint32_t records;     /* of the message */
    uint32_t listed;      /* in the checkpoint */
    uint32_t damaged;
};

static enum err disk_message(void *ctx, const struct spool_place *place, slice head)
{
    struct on_disk *d = ctx;
    (void)head;
    d->records += place->id == d->id;
    return ERR_OK;
}

static enum err disk_outcome(void *ctx, const struct spool_outcome *o)
{
    struct on_disk *d = ctx;
    if (o->id == d->id && o->kind < 9)
        d->outcomes[o->kind]++;
    return ERR_OK;
}

static enum err disk_listed(void *ctx, const struct spool_place *place, slice state)
{
    struct on_disk *d = ctx;
    (void)state;
    d->listed += place->id == d->id;
    return ERR_OK;
}

static enum err disk_segment(void *ctx, uint64_t number, uint32_t who, uint32_t epoch)
{
    (void)ctx;
    (void)number;
    (void)who;
    (void)epoch;
    return ERR_OK;
}

static void disk_damaged(void *ctx, uint64_t number, uint32_t offset, slice what)
{
    struct on_disk *d = ctx;
    (void)number;
    (void)offset;
    (void)what;
    d->damaged++;
}

/* The queue may write while we read: what looks damaged then is whole at another look. */
static struct on_disk disk(uint64_t id)
{
    static const struct spool_scan_ops ops = {.message = disk_message,
                                              .outcome = disk_outcome,
                                              .checkpoint = disk_listed,
                                              .segment = disk_segment,
                                              .damaged = disk_damaged};
    struct on_disk d;
    int looks = 0;
    do {
        d = (struct on_disk){.id = id};
        assert_int_equal(spool_scan(dir_fd, NULL, 0, &ops, &d), ERR_OK);
    } while (d.damaged != 0 && ++looks < 10);
    assert_int_equal(d.damaged, 0);
    return d;
}

/* Waits until the disk has so many outcomes of the kind for the message. */
static void disk_has(uint64_t id, enum spool_outcome_kind kind, uint32_t count)
{
    int64_t until = os_now_ms() + WAIT_MS;
    while (disk(id).outcomes[kind] != count) {
        if (os_now_ms() > until)
            fail_msg("the disk has %u outcomes of kind %d, not %u", disk(id).outcomes[kind], kind, count);
        pump(20);
    }
}

/* False: the queue has gone over it. */
static bool list_if_up(struct ipc_queue_request request, uint32_t *count_r)
{
    struct ipc_message m = {.type = IPC_queue_request};
    m.u.queue_request = request;
    m.u.queue_request.token = 5;
    send_to(&console, m);
    for (;;) {
        int64_t until = os_now_ms() + WAIT_MS;
        while (console.count == 0) {
            if (console.closed)
                return false;
            if (os_now_ms() > until)
                fail_msg("no end of a listing");
            pump(2);
        }
        struct ipc_message *got = &console.frames[console.first].m;
        if (got->type == IPC_queue_end) {
            *count_r = next(&console, IPC_queue_end)->u.queue_end.count;
            return true;
        }
        (void)next(&console, got->type);
    }
}

static uint32_t listed(enum queue_verb verb, enum queue_filter filter, const char *value)
{
    uint32_t count = 0;
    assert_true(list_if_up(
        (struct ipc_queue_request){.verb = (uint8_t)verb, .filter = (uint8_t)filter, .value = slice_str(value)},
        &count));
    return count;
}

static struct ipc_queue_item item(uint64_t id)
{
    char text[QUEUE_ID_TEXT_MAX];
    struct ipc_message m = {.type = IPC_queue_request};
    m.u.queue_request = (struct ipc_queue_request){.token = 6, .verb = QUEUE_VERB_LIST, .filter = QUEUE_FILTER_ID};
    m.u.queue_request.value = slice_of(text, queue_id_write(text, id));
    send_to(&console, m);
    struct ipc_queue_item i = next(&console, IPC_queue_item)->u.queue_item;
    assert_int_equal(next(&console, IPC_queue_end)->u.queue_end.count, 1);
    return i;
}

/* The mail that a job is about: its whole content, NUL-terminated, and its envelope's facts. */
struct content {
    char text[270000];
    char to[128];
    bool null_path;
    uint32_t flags; /* of its envelope */
};

static void read_job(const struct ipc_job *j, struct content *c)
{
    struct spool_reader *r = NULL;
    struct spool_entry *e = NULL;
    struct spool_place place = CHILD_PLACE_OF(*j);
    slice content;
    assert_int_equal(spool_reader_open(dir_fd, &r), ERR_OK);
    assert_int_equal(spool_entry_open(r, &place, &e), ERR_OK);
    assert_int_equal(spool_entry_content(e, 0, sizeof c->text - 1, &content), ERR_OK);
    memcpy(c->text, content.ptr, content.len);
    c->text[content.len] = 0;
    const struct envelope *envelope = &spool_entry_head(e)->envelopes[0];
    c->null_path = envelope->reverse_path.len == 0;
    c->flags = envelope->flags;
    slice to = envelope->recipients[0].address;
    assert_true(to.len < sizeof c->to);
    memcpy(c->to, to.ptr, to.len);
    c->to[to.len] = 0;
    spool_entry_close(&e);
    spool_reader_close(&r);
}

static void remove_folder(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf -- '%s' '%s.mark'", folder, folder);
    assert_int_equal(system(command), 0);
}

static void conf_make(void)
{
    buf messages;
    buf_init(&messages, 1 << 16);
    conf_close(&conf);
    if (conf_parse(SLICE("t.toml"), SLICE(CONF), false, &messages, &conf) != ERR_OK)
        fail_msg("%.*s", SLICE_ARG(buf_slice(&messages)));
    buf_deinit(&messages);
    conf->queue.retry_s = retry_s;
    conf->queue.retry_count = 3;
    conf->queue.give_up_s = 100 * HOUR;
    conf->queue.bounce_give_up_s = 24 * HOUR;
    conf->queue.warn_after_s = 4 * HOUR;
    conf->queue.min_free = 0;
}

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/thurn-queue-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(spool_dir_open(folder, &dir_fd), ERR_OK);
    conf_make();
    assert_int_equal(spool_numbers_take(dir_fd, 1000, &ids), ERR_OK);
    number_floor = ids;
    atomic_store(&fault->wanted, -1);
    for (size_t i = 0; i < ENDS; i++)
        ends[i]->process = 0;
    receiver.process = process_next++;
    /* Forked before the writer has threads: one of them could hold a lock of the allocator. */
    queue_start();
    writer_start(0);
    return 0;
}

static int finish(void **state)
{
    (void)state;
#ifdef FAULTS
    small_disk = false;
#endif
    if (queue_pid > 1)
        queue_kill();
    spool_writer_close(&writer);
    os_close(&dir_fd);
    conf_close(&conf);
    remove_folder();
    return 0;
}

static void delivered_mail_is_done(void **state)
{
    (void)state;
    uint64_t a = mail(&remote), b = mail(&local);
    struct ipc_job j = job_from(&sender), k = job_from(&deliver);
    assert_int_equal(j.id, a);
    assert_int_equal(k.id, b);
    answer(&sender, &j, 250, "ok");
    answer(&deliver, &k, 250, "ok");
    disk_has(a, SPOOL_DELIVERED, 1);
    disk_has(b, SPOOL_DELIVERED, 1);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 0);
    nothing_for(&sender);
}

static void a_full_segment_comes_back_when_its_mail_is_done(void **state)
{
    (void)state;
    spool_writer_close(&writer);
    receiver.process = process_next++;
    queue_kill();
    queue_start();
    writer_start(512 << 10);
    const struct mail big = {.from = "carol@example.net", .to = {"dave@far.example"}, .size = 60000};
    struct ipc_job kept = {0};
    size_t in_first = 0, last = 0;
    for (size_t i = 0; i < 10; i++) {
        (void)mail_commit(&big, true, &places[i]);
        in_first += places[i].segment == places[0].segment;
        last = places[i].segment == places[0].segment ? i : last;
    }
    assert_in_range(in_first, 5, 9);
    for (size_t i = 0; i < 10; i++) {
        struct ipc_job j = job_from(&sender);
        if (j.id == places[last].id)
            kept = j;
        else
            answer(&sender, &j, 250, "ok");
    }
    nothing_for(&receiver);
    answer(&sender, &kept, 250, "ok");
    assert_int_equal(next(&receiver, IPC_segment_free)->u.segment_free.segment, places[0].segment);
}

/* A writer's own segment is gone from what it tells of once it is a spare. */
static void until_spare(uint64_t segment)
{
    for (int i = 0; i < WAIT_MS / 5; i++) {
        struct spool_segment_state s;
        bool there = false;
        for (size_t n = 0; spool_writer_segment(writer, n, &s); n++)
            there = there || s.segment == segment;
        if (!there)
            return;
        usleep(5000);
    }
    fail_msg("never recycled");
}

/* What the queue before allowed comes to pass between the HELLO to the new one and its reading: mail that goes into the segment then is not old mail. */
static void a_segment_recycled_after_its_hello_loses_no_mail(void **state)
{
    (void)state;
    spool_writer_close(&writer);
    receiver.process = process_next++;
    queue_kill();
    queue_start();
    writer_start(512 << 10);
    const struct mail big = {.from = "carol@example.net", .to = {"dave@far.example"}, .size = 60000};
    for (size_t i = 0; i < 10; i++) {
        (void)mail_commit(&big, true, &places[i]);
        struct ipc_job j = job_from(&sender);
        answer(&sender, &j, 250, "ok");
    }
    assert_int_equal(next(&receiver, IPC_segment_free)->u.segment_free.segment, places[0].segment);
    for (size_t i = 0; i < 10; i++)
        disk_has(places[i].id, SPOOL_DELIVERED, 1);
    queue_kill();
    queue_fork();
    struct spool_segment_state s;
    for (size_t i = 0; spool_writer_segment(writer, i, &s); i++)
        send_to(&receiver, (struct ipc_message){.type = IPC_hello_segment,
                                                .u.hello_segment = {s.segment, s.epoch, s.committed, s.closed}});
    spool_writer_recycle(writer, places[0].segment, places[0].epoch);
    until_spare(places[0].segment);
    hello_end(&receiver);
    hello_end(&sender);
    hello_end(&deliver);
    settle();
    struct spool_place place = {0};
    for (int i = 0; i < 60 && place.segment != places[0].segment; i++) {
        (void)mail_commit(&big, true, &place);
        struct ipc_job j = job_from(&sender);
        answer(&sender, &j, 250, "ok");
    }
    assert_int_equal(place.segment, places[0].segment);
    assert_int_equal(place.epoch, places[0].epoch + 1);
    queue_drain();
    uint64_t unheard = mail_commit(&big, false, &place);
    assert_int_equal(place.segment, places[0].segment);
    queue_start();
    assert_int_equal(job_from(&sender).id, unheard);
}

/* The checkpoint is older than the end of the last mail that was in it. What its receiver writes into it from now on must stay. */
static void a_segment_used_anew_is_not_removed_for_what_a_checkpoint_says(void **state)
{
    (void)state;
    spool_writer_close(&writer);
    receiver.process = process_next++;
    queue_kill();
    queue_start();
    writer_start(512 << 10);
    const struct mail big = {.from = "carol@example.net", .to = {"dave@far.example"}, .size = 60000};
    struct spool_place place = {0};
    for (size_t i = 0; i < 10; i++) {
        (void)mail_commit(&big, true, &places[i]);
        struct ipc_job j = job_from(&sender);
        if (i > 0)
            answer(&sender, &j, 250, "ok");
    }
    queue_drain();
    queue_start();
    struct ipc_job last = job_from(&sender);
    assert_int_equal(last.id, places[0].id);
    answer(&sender, &last, 250, "ok");
    assert_int_equal(next(&receiver, IPC_segment_free)->u.segment_free.segment, places[0].segment);
    spool_writer_recycle(writer, places[0].segment, places[0].epoch);
    until_spare(places[0].segment);
    queue_kill();
    queue_start();
    for (int i = 0; i < 60 && place.segment != places[0].segment; i++) {
        (void)mail_commit(&big, true, &place);
        struct ipc_job j = job_from(&sender);
        answer(&sender, &j, 250, "ok");
    }
    assert_int_equal(place.segment, places[0].segment);
    struct spool_reader *r = NULL;
    struct spool_entry *e = NULL;
    assert_int_equal(spool_reader_open(dir_fd, &r), ERR_OK);
    assert_int_equal(spool_entry_open(r, &place, &e), ERR_OK);
    spool_entry_close(&e);
    spool_reader_close(&r);
}

static void no_step(void *ctx)
{
    (void)ctx;
}

/* A queue in this process, which has nothing to do but to keep account of segments: minutes between two checkpoints need not pass. */
static void account_open(struct queue *q, const struct child_start *start)
{
    *q = (struct queue){.conf = conf, .key = {5, 6}, .recovered = true, .commit_fd = -1};
    q->child.start = start;
    q->sched_options = (struct sched_options){.retry_s = retry_s, .retry_count = 3, .connections = 1, .jobs_max = 1};
    table_init(&q->segments, q->key, false, UINT32_MAX / 2);
    list_init(&q->batches);
    arena_init(&q->turn, 1 << 20);
    assert_int_equal(sched_open(&q->sched_options, q->key, &q->sched), ERR_OK);
    assert_int_equal(loop_open(&q->child.loop), ERR_OK);
    assert_int_equal(loop_timer_open(q->child.loop, no_step, q, &q->tick), ERR_OK);
    assert_int_equal(queue_checkpoint_open(q), ERR_OK);
    /* Another one than the receiver's: what is handed back waits until the test recycles it. */
    const struct spool_writer_options o = {.dir_fd = dir_fd, .writer = 1, .memory_max = 1 << 20};
    assert_int_equal(spool_writer_open(&o, &q->writer), ERR_OK);
}

static void account_close(struct queue *q)
{
    queue_checkpoint_close(q);
    spool_writer_close(&q->writer);
    queue_segments_close(q);
    sched_close(&q->sched);
    loop_watch_close(&q->commit_watch);
    loop_timer_close(&q->checkpoint_timer);
    loop_timer_close(&q->tick);
    loop_close(&q->child.loop);
    os_close(&q->commit_fd);
    arena_deinit(&q->turn);
}

/* All mail in it is done, the outcomes that say so are nowhere any more but in the checkpoint that covers it, and its writer may use it anew. */
static void account_free(struct queue *q, const struct spool_place *place)
{
    struct segment *s = queue_segment_get(q, place->segment);
    assert_non_null(s);
    s->epoch = place->epoch;
    s->mine = s->closed = true;
    s->committed = s->covered = UINT32_MAX;
    queue_segment_release(q, s);
    assert_true(s->freed);
}

/* The writer may take its time: as long as a power cut would bring back what was in the segment, each checkpoint says that it is done. */
static void a_freed_segment_is_named_until_it_cannot_come_back(void **state)
{
    (void)state;
    static struct queue q;
    const struct child_start start = {.spool_fd = dir_fd};
    const struct mail big = {.from = "carol@example.net", .to = {"dave@far.example"}, .size = 100000};
    const struct spool_place *recycled = &places[0], *removed = &places[6];
    spool_writer_close(&writer);
    queue_kill();
    writer_start(512 << 10);
    for (size_t i = 0; i < 12; i++)
        (void)mail_commit(&big, false, &places[i]);
    assert_true(recycled->segment != removed->segment && removed->segment != places[11].segment);
    account_open(&q, &start);
    account_free(&q, recycled);
    account_free(&q, removed);
    for (int i = 0; i < 6; i++)
        queue_checkpoint_whole(&q);
    assert_int_equal(disk(recycled->id).records, 0);
    assert_int_equal(disk(removed->id).records, 0);
    assert_int_equal(disk(places[11].id).records, 1);
    spool_writer_recycle(writer, recycled->segment, recycled->epoch);
    until_spare(recycled->segment);
    queue_checkpoint_whole(&q);
    assert_null(queue_segment_find(&q, recycled->segment));
    assert_non_null(queue_segment_find(&q, removed->segment));
    assert_int_equal(spool_segment_remove(dir_fd, removed->segment), ERR_OK);
    queue_checkpoint_whole(&q);
    assert_int_equal(q.segments.count, 0);
    queue_checkpoint_whole(&q);
    assert_int_equal(disk(recycled->id).records, 0);
    account_close(&q);
}

/* A checkpoint may still name it: where it could not be written down that it is done, it comes back, and must not find another mail in its place. */
static void a_segment_is_not_used_anew_while_a_mail_in_it_may_come_back(void **state)
{
    (void)state;
    static struct queue q;
    const struct child_start start = {.spool_fd = dir_fd};
    queue_kill();
    for (int written = 0; written < 2; written++) {
        struct sched_message m = {.id = 7, .segment = 8, .epoch = 1};
        const struct spool_outcome o = {.id = m.id, .kind = SPOOL_DELIVERED};
        uint32_t message;
        account_open(&q, &start);
        assert_int_equal(sched_message_add(q.sched, &m, &message), ERR_OK);
        queue_segment_live_add(&q, m.segment);
        struct segment *s = queue_segment_get(&q, m.segment);
        s->mine = s->closed = true;
        q.batch = calloc(1, sizeof *q.batch);
        list_init(&q.batch->link);
        arena_init(&q.batch->arena, written ? 1 << 20 : 8);
        queue_batch_outcome(&q, &o);
        queue_intake_message_done(&q, message);
        assert_int_equal(s->live, 0);
        assert_int_equal(s->freed, written);
        queue_batch_close(&q);
        account_close(&q);
    }
}

struct restored {
    struct on_disk disk;
    struct queue *q;
};

static enum err restore_listed(void *ctx, const struct spool_place *place, slice state)
{
    const struct restored *r = ctx;
    return queue_checkpoint_restore(r->q, place, state);
}

/* The checkpoint says what could not be written down, so the body goes when the rest of its mail is done. */
static void a_body_is_not_kept_for_what_a_checkpoint_says(void **state)
{
    (void)state;
    static struct queue q;
    static const struct spool_scan_ops ops = {.message = disk_message,
                                              .outcome = disk_outcome,
                                              .checkpoint = restore_listed,
                                              .segment = disk_segment,
                                              .damaged = disk_damaged};
    const struct child_start start = {.spool_fd = dir_fd};
    const struct mail half = {.from = "carol@example.net", .to = {"dave@far.example"}};
    uint64_t id = mail_commit(&half, false, &places[0]);
    queue_kill();
    struct sched_message m = {.id = id,
                              .segment = places[0].segment,
                              .offset = places[0].offset,
                              .length = places[0].length,
                              .epoch = places[0].epoch,
                              .arrival_s = 1,
                              .flags = SCHED_LARGE | SCHED_KEEP_BODY};
    uint32_t message;
    account_open(&q, &start);
    assert_int_equal(sched_message_add(q.sched, &m, &message), ERR_OK);
    queue_segment_live_add(&q, m.segment);
    queue_checkpoint_whole(&q);
    account_close(&q);
    account_open(&q, &start);
    struct restored r = {.disk.id = id, .q = &q};
    assert_int_equal(spool_scan(dir_fd, NULL, 0, &ops, &r), ERR_OK);
    message = sched_message_find(q.sched, id);
    assert_true(message);
    assert_int_equal(sched_message(q.sched, message)->flags, SCHED_LARGE);
    account_close(&q);
}

static void a_failure_comes_back_as_a_bounce(void **state)
{
    (void)state;
    static struct content c;
    const struct mail x = {.from = "alice@example.org", .to = {"dave@far.example", "eve@far.example"}};
    uint64_t id = mail(&x);
    struct ipc_job j = job_from(&sender);
    assert_int_equal(j.recipients.len, 8);
    result_send(&sender, &j, 250, "ok", slice_sub(j.recipients, 0, 4));
    result_send(&sender, &j, 550, "no such user", slice_skip(j.recipients, 4));
    job_done(&sender, &j);
    struct ipc_job bounce = job_from(&deliver);
    read_job(&bounce, &c);
    assert_true(c.null_path);
    assert_string_equal(c.to, "alice@example.org");
    assert_non_null(strstr(c.text, "Content-Type: multipart/report"));
    assert_non_null(strstr(c.text, "Auto-Submitted: auto-replied"));
    assert_non_null(strstr(c.text, "Final-Recipient: rfc822; eve@far.example"));
    assert_non_null(strstr(c.text, "no such user"));
    assert_non_null(strstr(c.text, "Subject: the original"));
    assert_null(strstr(c.text, "Final-Recipient: rfc822; dave@far.example"));
    disk_has(id, SPOOL_FAILED, 1);
    disk_has(id, SPOOL_DELIVERED, 1);
    answer(&deliver, &bounce, 250, "ok");
    settle();
    disk_has(bounce.id, SPOOL_DELIVERED, 1);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 0);
}

static void a_bounce_that_bounces_goes_to_the_postmaster_and_no_further(void **state)
{
    (void)state;
    static struct content c;
    (void)mail(&(struct mail){.from = "gone@example.net", .to = {"dave@far.example"}});
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 550, "no");
    struct ipc_job first = job_from(&sender);
    read_job(&first, &c);
    assert_string_equal(c.to, "gone@example.net");
    answer(&sender, &first, 550, "no such sender");
    struct ipc_job second = job_from(&deliver);
    read_job(&second, &c);
    assert_true(c.null_path);
    assert_non_null(strstr(c.to, "@example.org"));
    answer(&deliver, &second, 550, "mailbox is gone");
    nothing_for(&deliver);
    nothing_for(&sender);
    disk_has(second.id, SPOOL_FAILED, 1);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 0);
}

static void strangers_null_path_is_never_answered(void **state)
{
    (void)state;
    uint64_t id = mail(&(struct mail){.from = NULL, .to = {"dave@far.example"}});
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 550, "no");
    disk_has(id, SPOOL_FAILED, 1);
    nothing_for(&sender);
    nothing_for(&deliver);
}

static void a_temporary_failure_waits_by_the_schedule(void **state)
{
    (void)state;
    uint64_t id = mail(&remote);
    struct ipc_job j = job_from(&sender);
    int64_t now = os_wall_s();
    answer(&sender, &j, 451, "try later");
    disk_has(id, SPOOL_DEFERRED, 1);
    struct ipc_queue_item i = item(id);
    assert_int_equal(i.state, QUEUE_ITEM_DEFERRED);
    assert_int_equal(i.tries, 1);
    assert_in_range(i.next_s, now + HOUR, now + HOUR + 30);
    assert_true(slice_find(i.reason, SLICE("try later")) >= 0);
    assert_true(slice_equal(i.destination, SLICE("far.example")));
    nothing_for(&sender);
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_DESTINATION, "far.example"), 1);
    j = job_from(&sender);
    answer(&sender, &j, 451, "try later");
    disk_has(id, SPOOL_DEFERRED, 2);
    assert_in_range(item(id).next_s, now + 2 * HOUR, now + 2 * HOUR + 30);
}

static void too_old_is_given_up_and_half_old_is_warned_of_once(void **state)
{
    (void)state;
    static struct content c;
    uint64_t old = mail(&(struct mail){.from = "alice@example.org", .to = {"dave@far.example"}, .age_s = 101 * HOUR});
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 451, "try later");
    struct ipc_job bounce = job_from(&deliver);
    read_job(&bounce, &c);
    assert_non_null(strstr(c.text, "try later"));
    assert_non_null(strstr(c.text, "Action: failed"));
    answer(&deliver, &bounce, 250, "ok");
    disk_has(old, SPOOL_FAILED, 1);
    uint64_t late = mail(&(struct mail){
        .from = "alice@example.org", .to = {"dave@far.example"}, .age_s = 5 * HOUR, .flags = ENVELOPE_TRUSTED});
    j = job_from(&sender);
    answer(&sender, &j, 451, "try later");
    bounce = job_from(&deliver);
    read_job(&bounce, &c);
    assert_non_null(strstr(c.text, "Action: delayed"));
    answer(&deliver, &bounce, 250, "ok");
    disk_has(late, SPOOL_WARNED, 1);
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ALL, ""), 1);
    j = job_from(&sender);
    answer(&sender, &j, 451, "try later");
    disk_has(late, SPOOL_DEFERRED, 2);
    nothing_for(&deliver);
    /* A stranger is not told. */
    (void)mail(&(struct mail){.from = "alice@example.org", .to = {"dave@far.example"}, .age_s = 5 * HOUR});
    j = job_from(&sender);
    answer(&sender, &j, 451, "try later");
    nothing_for(&deliver);
}

static void a_dead_destination_is_one_record(void **state)
{
    (void)state;
    struct ipc_job jobs[3];
    for (size_t i = 0; i < 3; i++)
        (void)mail_commit(&remote, true, &places[i]);
    for (size_t i = 0; i < 3; i++)
        jobs[i] = job_from(&sender);
    struct ipc_message m = {.type = IPC_destination_down};
    m.u.destination_down = (struct ipc_destination_down){
        .destination = jobs[0].destination, .code = 421, .text = SLICE("nobody there"), .host = SLICE("mx")};
    send_to(&sender, m);
    for (size_t i = 0; i < 3; i++)
        send_to(&sender, (struct ipc_message){.type = IPC_job_returned, .u.job_returned = {jobs[i].job}});
    nothing_for(&sender);
    (void)mail(&remote);
    nothing_for(&sender);
    struct ipc_message r = {.type = IPC_queue_request};
    r.u.queue_request = (struct ipc_queue_request){.token = 9, .verb = QUEUE_VERB_SUMMARY};
    send_to(&console, r);
    struct ipc_queue_destination d = next(&console, IPC_queue_destination)->u.queue_destination;
    assert_int_equal(d.messages, 4);
    assert_int_equal(d.state, QUEUE_ITEM_DEFERRED);
    assert_true(slice_find(d.reason, SLICE("nobody there")) >= 0);
    (void)next(&console, IPC_queue_end);
    assert_int_equal(disk(places[0].id).outcomes[SPOOL_DEFERRED], 0);
    /* One job asks whether it is back; then all go. */
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_DESTINATION, "smtp:far.example"), 4);
    struct ipc_job probe = job_from(&sender);
    nothing_for(&sender);
    answer(&sender, &probe, 250, "ok");
    for (size_t i = 0; i < 3; i++)
        (void)job_from(&sender);
    /* A number that is no destination's. */
    m.u.destination_down.destination = 4000000000u;
    send_to(&sender, m);
    settle();
}

static void an_admin_holds_releases_and_removes(void **state)
{
    (void)state;
    uint64_t a = mail(&remote);
    struct ipc_job j = job_from(&sender);
    assert_int_equal(listed(QUEUE_VERB_REMOVE, QUEUE_FILTER_ALL, ""), 1); /* in delivery: left alone */
    assert_int_equal(listed(QUEUE_VERB_HOLD, QUEUE_FILTER_FROM, "carol@example.net"), 1);
    answer(&sender, &j, 451, "later");
    disk_has(a, SPOOL_HELD, 1);
    assert_int_equal(item(a).state, QUEUE_ITEM_HELD);
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ALL, ""), 1);
    nothing_for(&sender);
    assert_int_equal(listed(QUEUE_VERB_RELEASE, QUEUE_FILTER_TO, "@far.example"), 1);
    j = job_from(&sender);
    answer(&sender, &j, 451, "later");
    disk_has(a, SPOOL_RELEASED, 1);
    assert_int_equal(listed(QUEUE_VERB_REMOVE, QUEUE_FILTER_TO, "nobody@far.example"), 0);
    assert_int_equal(listed(QUEUE_VERB_REMOVE, QUEUE_FILTER_REASON, "later"), 1);
    disk_has(a, SPOOL_REMOVED, 1);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 0);
    nothing_for(&deliver); /* no bounce */
    assert_int_equal(listed((enum queue_verb)9, QUEUE_FILTER_ALL, ""), 0);
    (void)mail(&remote);
    (void)job_from(&sender);
    assert_int_equal(listed(QUEUE_VERB_REMOVE, (enum queue_filter)99, ""), 0);
}

static uint32_t asked(struct ipc_queue_request request, bool *refused_r)
{
    struct ipc_message m = {.type = IPC_queue_request, .u.queue_request = request};
    m.u.queue_request.token = 5;
    send_to(&console, m);
    for (;;) {
        while (console.count == 0)
            pump(2);
        struct ipc_message *got = &console.frames[console.first].m;
        if (got->type == IPC_queue_end) {
            struct ipc_queue_end end = next(&console, IPC_queue_end)->u.queue_end;
            *refused_r = end.exit != 0;
            return end.count;
        }
        (void)next(&console, got->type);
    }
}

static void filters_narrow_each_other(void **state)
{
    (void)state;
    const int64_t now_s = os_wall_s();
    uint64_t old = mail(&(struct mail){.from = "carol@example.net", .to = {"dave@far.example"}, .age_s = 2 * HOUR});
    uint64_t large =
        mail(&(struct mail){.from = "carol@example.net", .to = {"erin@far.example"}, .size = 20000, .age_s = 10});
    uint64_t held = mail(&(struct mail){.from = "alice@example.org", .to = {"frank@far.example"}, .age_s = 2 * HOUR});
    for (int i = 0; i < 3; i++) {
        struct ipc_job j = job_from(&sender);
        answer(&sender, &j, 451, "later");
    }
    char id[QUEUE_ID_TEXT_MAX + 1] = {0};
    (void)queue_id_write(id, held);
    assert_int_equal(listed(QUEUE_VERB_HOLD, QUEUE_FILTER_ID, id), 1);
    assert_int_equal(item(old).state, QUEUE_ITEM_DEFERRED);
    assert_int_equal(item(large).state, QUEUE_ITEM_DEFERRED);
    const struct {
        struct ipc_queue_request request;
        uint32_t count;
    } rows[] = {
        {{.held = 1}, 1},
        {{.before_s = now_s - HOUR}, 2},
        {{.before_s = now_s - 3 * HOUR}, 0},
        {{.before_s = 1}, 0},
        {{.before_s = -1}, 0},
        {{.before_s = INT64_MIN}, 0},
        {{.before_s = INT64_MAX}, 3},
        {{.larger = 10000}, 1},
        {{.larger = UINT64_MAX}, 0},
        {{.larger = 10000, .before_s = now_s - HOUR}, 0},
        {{.held = 1, .before_s = now_s - HOUR}, 1},
        {{.held = 255, .larger = 10000}, 0},
        {{.filter = QUEUE_FILTER_FROM, .value = SLICE("carol@example.net"), .before_s = now_s - HOUR}, 1},
        {{.filter = QUEUE_FILTER_FROM, .value = SLICE("carol@example.net"), .larger = 10000}, 1},
        {{.filter = QUEUE_FILTER_FROM, .value = SLICE("carol@example.net"), .held = 1}, 0},
        {{.filter = QUEUE_FILTER_TO, .value = SLICE("@far.example"), .held = 1}, 1},
        {{.filter = QUEUE_FILTER_DESTINATION, .value = SLICE("far.example"), .before_s = now_s - HOUR}, 2},
        {{.filter = QUEUE_FILTER_REASON, .value = SLICE("later"), .larger = 10000}, 1},
        {{.filter = QUEUE_FILTER_FROM}, 0}, /* bounces */
    };
    bool refused;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ipc_queue_request r = rows[i].request;
        r.verb = QUEUE_VERB_LIST;
        assert_int_equal(asked(r, &refused), rows[i].count);
        assert_false(refused);
        r.verb = QUEUE_VERB_REMOVE;
        r.dry = 1;
        assert_int_equal(asked(r, &refused), rows[i].count);
    }
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 3);
    /* Without a value they would mean all mail. */
    static const enum queue_filter needy[] = {QUEUE_FILTER_ID, QUEUE_FILTER_TO, QUEUE_FILTER_DESTINATION,
                                              QUEUE_FILTER_REASON, QUEUE_FILTER_TAG};
    for (size_t i = 0; i < sizeof needy / sizeof needy[0]; i++) {
        struct ipc_queue_request r = {.verb = QUEUE_VERB_REMOVE, .filter = (uint8_t)needy[i]};
        assert_int_equal(asked(r, &refused), 0);
        assert_true(refused);
    }
    struct ipc_queue_request remove = {.verb = QUEUE_VERB_REMOVE, .before_s = now_s - HOUR, .held = 1};
    assert_int_equal(asked(remove, &refused), 1);
    disk_has(held, SPOOL_REMOVED, 1);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 2);
}

static void hold_and_discard_need_nobody(void **state)
{
    (void)state;
    uint64_t held = mail(&(struct mail){.from = "a@b.example", .to = {"alice@hold.example"}});
    uint64_t gone = mail(&(struct mail){.from = "a@b.example", .to = {"alice@void.example"}});
    disk_has(gone, SPOOL_DELIVERED, 1);
    assert_int_equal(item(held).state, QUEUE_ITEM_HELD);
    nothing_for(&deliver);
    nothing_for(&sender);
}

static void a_dead_senders_jobs_come_back(void **state)
{
    (void)state;
    uint64_t a = mail(&remote);
    struct ipc_job j = job_from(&sender);
    assert_int_equal(j.id, a);
    send_to(&master, (struct ipc_message){.type = IPC_peer_gone, .u.peer_gone = {sender.process}});
    end_close(&sender);
    sender.process = 0;
    introduce(&sender, PROCESS_SENDER);
    hello_end(&sender);
    struct ipc_job again = job_from(&sender);
    assert_int_equal(again.id, a);
    assert_true(again.job != j.job);
    /* What the dead one would still say means nothing. */
    answer(&sender, &j, 550, "no");
    settle();
    assert_int_equal(disk(a).outcomes[SPOOL_FAILED], 0);
    answer(&sender, &again, 250, "ok");
    disk_has(a, SPOOL_DELIVERED, 1);
}

static void foreign_and_malformed_results_harm_nothing(void **state)
{
    (void)state;
    uint64_t a = mail(&remote), b = mail(&local);
    struct ipc_job j = job_from(&sender), k = job_from(&deliver), bad = j;
    char foreign[12];
    put_u32(foreign, 7);
    put_u32(foreign + 4, UINT32_MAX);
    put_u32(foreign + 8, 0);
    bad.job ^= 0x55;
    answer(&sender, &bad, 550, "no such job");
    answer(&sender, &k, 550, "not its job");
    result_send(&sender, &j, 550, "not its recipients", slice_of(foreign, 8));
    result_send(&sender, &j, 451, "not its recipients", slice_of(foreign, 8));
    result_send(&sender, &j, 0, "half a number", slice_of(foreign, 3));
    result_send(&sender, &j, 999, "an odd code", slice_of(foreign, 12));
    send_to(&sender, (struct ipc_message){.type = IPC_hello_lease, .u.hello_lease = {12345, a}});
    result_send(&sender, &j, 250, "ok", j.recipients);
    result_send(&sender, &j, 250, "again", j.recipients);
    result_send(&sender, &j, 550, "no, not", j.recipients);
    job_done(&sender, &j);
    job_done(&sender, &j);
    settle();
    disk_has(a, SPOOL_DELIVERED, 1);
    assert_int_equal(disk(a).outcomes[SPOOL_FAILED], 0);
    assert_int_equal(disk(b).outcomes[SPOOL_FAILED], 0);
    answer(&deliver, &k, 250, "ok");
    disk_has(b, SPOOL_DELIVERED, 1);
}

static void two_words_on_one_recipient_are_one_bounce(void **state)
{
    (void)state;
    uint64_t a = mail(&(struct mail){.from = "alice@example.org", .to = {"dave@far.example"}});
    struct ipc_job j = job_from(&sender);
    result_send(&sender, &j, 550, "no", j.recipients);
    answer(&sender, &j, 550, "no");
    struct ipc_job bounce = job_from(&deliver);
    answer(&deliver, &bounce, 250, "ok");
    nothing_for(&deliver);
    disk_has(a, SPOOL_FAILED, 1);
}

static void a_killed_queue_knows_everything_again(void **state)
{
    (void)state;
    uint64_t done = mail(&remote);
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 250, "ok");
    disk_has(done, SPOOL_DELIVERED, 1);
    uint64_t waits = mail(&remote);
    j = job_from(&sender);
    answer(&sender, &j, 451, "later");
    disk_has(waits, SPOOL_DEFERRED, 1);
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ALL, ""), 1);
    j = job_from(&sender);
    answer(&sender, &j, 451, "later still");
    disk_has(waits, SPOOL_DEFERRED, 2);
    uint64_t unheard = mail_commit(&local, false, &places[0]);
    for (int round = 0; round < 3; round++) {
        if (round == 1)
            queue_drain();
        else
            queue_kill();
        queue_start();
        j = job_from(&deliver);
        assert_int_equal(j.id, unheard);
        nothing_for(&sender);
        assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 2);
        struct ipc_queue_item i = item(waits);
        assert_int_equal(i.tries, 2);
        assert_in_range(i.next_s, os_wall_s() + 2 * HOUR - 60, os_wall_s() + 2 * HOUR);
        assert_true(slice_find(i.reason, SLICE("later still")) >= 0);
        if (round == 0)
            send_to(&deliver, (struct ipc_message){.type = IPC_job_returned, .u.job_returned = {j.job}});
    }
}

/* What a receiver would say once more of the mail at this place; the head is the caller's to free. */
static struct ipc_message announcement_of(const struct spool_place *place, buf *head)
{
    struct ipc_message m = {.type = IPC_announce};
    struct spool_reader *r = NULL;
    struct spool_entry *e = NULL;
    assert_int_equal(spool_reader_open(dir_fd, &r), ERR_OK);
    assert_int_equal(spool_entry_open_head(r, place, &e), ERR_OK);
    buf_init(head, 65536);
    spool_head_encode(head, spool_entry_head(e));
    CHILD_PLACE_SET(m.u.announce, place);
    m.u.announce.committed = place->offset + place->length;
    m.u.announce.head = buf_slice(head);
    spool_entry_close(&e);
    spool_reader_close(&r);
    return m;
}

static void an_announcement_twice_is_one_mail(void **state)
{
    (void)state;
    uint64_t a = mail(&remote);
    buf head;
    struct ipc_message m = announcement_of(&places[0], &head);
    send_to(&receiver, m);
    struct ipc_job j = job_from(&sender);
    nothing_for(&sender);
    answer(&sender, &j, 451, "later");
    disk_has(a, SPOOL_DEFERRED, 1);
    /* Again before the new queue has read what was done of it. */
    queue_drain();
    queue_fork();
    send_to(&receiver, m);
    receiver_hello();
    hello_end(&sender);
    hello_end(&deliver);
    nothing_for(&sender);
    assert_int_equal(item(a).tries, 1);
    /* A head that is no head: nothing dies. */
    m.u.announce.head = SLICE("nonsense");
    m.u.announce.id = 424242;
    m.u.announce.offset += m.u.announce.length;
    send_to(&receiver, m);
    settle();
    buf_deinit(&head);
}

/* A receiver may be busy between its HELLO and the announcements of what it had committed before: the queue has read that from the disk meanwhile, and sent it. */
static void mail_that_is_done_stays_so_when_it_is_announced_late(void **state)
{
    (void)state;
    buf head;
    queue_kill();
    uint64_t a = mail_commit(&remote, false, &places[0]);
    queue_start();
    struct ipc_job j = job_from(&sender);
    assert_int_equal(j.id, a);
    answer(&sender, &j, 250, "ok");
    disk_has(a, SPOOL_DELIVERED, 1);
    settle();
    struct ipc_message m = announcement_of(&places[0], &head);
    send_to(&receiver, m);
    nothing_for(&sender);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 0);
    uint64_t b = mail(&remote);
    assert_int_equal(job_from(&sender).id, b);
    buf_deinit(&head);
}

/* It came held, and was let go long before the queue that hears of it again. */
static void b3_what_was_let_go_stays_so_when_it_is_announced_again(void **state)
{
    (void)state;
    const struct mail x = {.from = "a@b.example", .to = {"dave@far.example"}, .tag = "job/1", .flags = ENVELOPE_HELD};
    uint64_t a = mail(&x);
    buf head;
    struct ipc_message m = announcement_of(&places[0], &head);
    assert_int_equal(listed(QUEUE_VERB_RELEASE, QUEUE_FILTER_TAG, "job/1"), 1);
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 451, "later");
    disk_has(a, SPOOL_DEFERRED, 1);
    queue_drain();
    queue_fork();
    send_to(&receiver, m);
    receiver_hello();
    hello_end(&sender);
    hello_end(&deliver);
    assert_int_equal(item(a).state, QUEUE_ITEM_DEFERRED);
    buf_deinit(&head);
}

static void jobs_outlive_the_queue_that_gave_them(void **state)
{
    (void)state;
    const struct mail two = {.from = "carol@example.net", .to = {"dave@far.example", "alice@example.org"}};
    uint64_t a = mail(&two), b = mail(&remote);
    struct ipc_job remote_part = job_from(&sender), local_part = job_from(&deliver), other = job_from(&sender);
    queue_kill();
    queue_fork();
    send_to(&sender, (struct ipc_message){.type = IPC_hello_lease, .u.hello_lease = {remote_part.job, a}});
    send_to(&sender, (struct ipc_message){.type = IPC_hello_lease, .u.hello_lease = {other.job, b}});
    send_to(&deliver, (struct ipc_message){.type = IPC_hello_lease, .u.hello_lease = {local_part.job, a}});
    hello_end(&sender);
    hello_end(&deliver);
    /* Before the receiver's HELLO, so before anything was read. */
    answer(&sender, &other, 250, "ok");
    receiver_hello();
    settle();
    disk_has(b, SPOOL_DELIVERED, 1);
    answer(&sender, &remote_part, 451, "later");
    nothing_for(&deliver);
    nothing_for(&sender);
    disk_has(a, SPOOL_DEFERRED, 1);
    answer(&deliver, &local_part, 250, "ok");
    disk_has(a, SPOOL_DELIVERED, 1);
    nothing_for(&deliver);
    nothing_for(&sender);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 1);
}

/* Under way although its record says that it waits, or is held: the result counts all the same, or the mail would be sent twice. */
/* Of two jobs of the queue before, one ends in vain and its part is given out again while the other is still under way. */
static void a_part_given_out_anew_stays_with_its_job(void **state)
{
    (void)state;
    const struct mail x = {.from = "carol@example.net", .to = {"dave@far.example", "alice@example.org"}};
    uint64_t id = mail(&x);
    struct ipc_job remote_part = job_from(&sender), local_part = job_from(&deliver);
    queue_kill();
    queue_fork();
    receiver_hello();
    send_to(&sender, (struct ipc_message){.type = IPC_hello_lease, .u.hello_lease = {remote_part.job, id}});
    hello_end(&sender);
    send_to(&deliver, (struct ipc_message){.type = IPC_hello_lease, .u.hello_lease = {local_part.job, id}});
    hello_end(&deliver);
    settle();
    char recipients[8], text[QUEUE_ID_TEXT_MAX + 1] = {0};
    put_u32(recipients, 0);
    put_u32(recipients + 4, 1);
    result_send(&sender, &remote_part, 451, "later", slice_of(recipients, 4));
    job_done(&sender, &remote_part);
    disk_has(id, SPOOL_DEFERRED, 1);
    (void)queue_id_write(text, id);
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ID, text), 1);
    struct ipc_job again = job_from(&sender);
    /* What it says of the other one's recipient does not count. */
    result_send(&deliver, &local_part, 250, "ok", slice_of(recipients, sizeof recipients));
    job_done(&deliver, &local_part);
    disk_has(id, SPOOL_DELIVERED, 1);
    nothing_for(&sender);
    answer(&sender, &again, 250, "ok");
    disk_has(id, SPOOL_DELIVERED, 2);
}

static void jobs_outlive_what_is_ordered_of_their_mail(void **state)
{
    (void)state;
    struct mail x = remote;
    for (int i = 0; i < 3; i++) {
        x.release_in_s = i == 2 ? HOUR : 0;
        uint64_t id = mail(&x);
        if (i == 1) {
            struct ipc_job first = job_from(&sender);
            answer(&sender, &first, 451, "later");
            disk_has(id, SPOOL_DEFERRED, 1);
        }
        if (i > 0)
            assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ALL, ""), 1);
        struct ipc_job j = job_from(&sender);
        if (i == 0)
            assert_int_equal(listed(QUEUE_VERB_HOLD, QUEUE_FILTER_ALL, ""), 1);
        queue_kill();
        queue_fork();
        receiver_hello();
        send_to(&sender, (struct ipc_message){.type = IPC_hello_lease, .u.hello_lease = {j.job, id}});
        hello_end(&sender);
        hello_end(&deliver);
        settle();
        answer(&sender, &j, 250, "ok");
        disk_has(id, SPOOL_DELIVERED, 1);
        assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 0);
    }
}

static void receiver_dies(void)
{
    spool_writer_close(&writer);
    send_to(&master, (struct ipc_message){.type = IPC_peer_gone, .u.peer_gone = {receiver.process}});
    end_close(&receiver);
    settle();
}

static void what_a_dead_receiver_never_announced_is_found(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        /* First a segment that the queue has not even heard of, then the end of one that it knows. */
        uint64_t heard = known ? mail(&remote) : 0;
        if (known)
            assert_int_equal(job_from(&sender).id, heard);
        uint64_t unheard = mail_commit(&remote, false, &places[1]), second = mail_commit(&local, false, &places[2]);
        receiver_dies();
        assert_int_equal(job_from(&sender).id, unheard);
        assert_int_equal(job_from(&deliver).id, second);
        nothing_for(&sender);
        receiver.process = process_next++;
        introduce(&receiver, PROCESS_RECEIVER);
        hello_end(&receiver);
        writer_start(0);
    }
}

static void spares_of_the_living_are_left_alone(void **state)
{
    (void)state;
    /* The queue starts and checkpoints while the receiver has spares only; then mail goes into them. */
    (void)mail(&remote);
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 451, "later");
    settle();
    usleep(200000);
    queue_drain();
    queue_start();
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ALL, ""), 1);
    j = job_from(&sender);
    answer(&sender, &j, 451, "later");
    queue_drain();
    queue_start();
    for (int i = 0; i < 40; i++) {
        const struct mail big = {.from = "a@b.example", .to = {"dave@far.example"}, .size = 250000};
        uint64_t id = mail_commit(&big, true, &places[0]);
        char name[64];
        int n = snprintf(name, sizeof name, "seg/%016llx", (unsigned long long)places[0].segment);
        struct os_file_stamp stamp;
        assert_int_equal(os_file_stamp(dir_fd, slice_of(name, (size_t)n), false, &stamp), ERR_OK);
        j = job_from(&sender);
        assert_int_equal(j.id, id);
        answer(&sender, &j, 250, "ok");
    }
}

static void a_half_written_segment_of_this_masters_days_is_not_removed(void **state)
{
    (void)state;
    /* A living receiver writes a superblock, and has got halfway, each time that the queue looks: after the death of another, and at its own start. */
    char name[64], page[4096];
    memset(page, 0, sizeof page);
    memcpy(page, "THURNSEG", 8);
    int n = snprintf(name, sizeof name, "seg/%016llx", (unsigned long long)number_floor + 900);
    slice path = slice_of(name, (size_t)n);
    struct os_file_stamp stamp;
    int fd = -1;
    assert_int_equal(os_open(dir_fd, path, O_WRONLY | O_CREAT, 0600, &fd), ERR_OK);
    assert_int_equal(os_pwrite(fd, slice_of(page, sizeof page), 0), ERR_OK);
    os_close(&fd);
    (void)mail(&remote);
    struct ipc_job j = job_from(&sender);
    receiver_dies();
    answer(&sender, &j, 250, "ok");
    queue_drain();
    assert_int_equal(os_file_stamp(dir_fd, path, false, &stamp), ERR_OK);
    receiver.process = process_next++;
    writer_start(0);
    queue_start();
    queue_drain();
    assert_int_equal(os_file_stamp(dir_fd, path, false, &stamp), ERR_OK);
    queue_start();
}

static uint32_t segment_files(void)
{
    uint32_t count = 0;
    int fd = -1;
    assert_int_equal(os_open(dir_fd, SLICE("seg"), O_RDONLY | O_DIRECTORY, 0, &fd), ERR_OK);
    DIR *d = fdopendir(fd);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

/* Each makes segments of its own, and none lives until a checkpoint is due. */
static void a_queue_that_keeps_dying_fills_no_disk(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++) {
        uint64_t id = mail(&remote);
        struct ipc_job j = job_from(&sender);
        answer(&sender, &j, 250, "ok");
        disk_has(id, SPOOL_DELIVERED, 1);
        queue_kill();
        queue_start();
    }
    int64_t until = os_now_ms() + WAIT_MS;
    while (segment_files() > 18 && os_now_ms() < until)
        pump(20);
    assert_in_range(segment_files(), 1, 18);
}

static void segment_remove(uint64_t number)
{
    char name[64];
    int n = snprintf(name, sizeof name, "seg/%016llx", (unsigned long long)number);
    assert_int_equal(os_unlink(dir_fd, slice_of(name, (size_t)n)), ERR_OK);
}

/* A checkpoint tells of a mail that was delivered after it, whose segment went. That is no news. */
static void a_start_says_nothing_of_large_mail_that_is_gone(void **state)
{
    (void)state;
    char text[4096] = "";
    FILE *log = tmpfile();
    assert_non_null(log);
    uint64_t id = mail(&(struct mail){.from = "a@b.example", .to = {"dave@far.example"}, .size = 290000});
    struct spool_place place = places[0];
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 451, "later");
    disk_has(id, SPOOL_DEFERRED, 1);
    queue_drain();
    queue_start();
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ALL, ""), 1);
    j = job_from(&sender);
    assert_int_equal(j.id, id);
    answer(&sender, &j, 250, "ok");
    disk_has(id, SPOOL_DELIVERED, 1);
    spool_writer_close(&writer);
    queue_kill();
    segment_remove(place.segment);
    queue_log_fd = fileno(log);
    queue_start();
    queue_log_fd = -1;
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 0);
    assert_true(pread(fileno(log), text, sizeof text - 1, 0) > 0);
    assert_non_null(strstr(text, "queue has 0 messages"));
    assert_null(strstr(text, "warning"));
    fclose(log);
    receiver.process = process_next++;
    writer_start(0);
}

static void a_changed_route_moves_waiting_mail_and_keeps_its_schedule(void **state)
{
    (void)state;
    const struct mail two = {.from = "carol@example.net", .to = {"dave@far.example", "alice@example.org"}};
    uint64_t a = mail(&two);
    struct ipc_job j = job_from(&sender), k = job_from(&deliver);
    answer(&sender, &j, 451, "later");
    answer(&deliver, &k, 250, "ok");
    disk_has(a, SPOOL_DEFERRED, 1);
    disk_has(a, SPOOL_DELIVERED, 1);
    queue_drain();
    /* As a configuration from a file that has changed. */
    static struct conf_source source = {.stamp = {.size = 1}};
    struct conf_source *sources = conf->sources;
    size_t count = conf->source_count;
    conf->sources = &source;
    conf->source_count = 1;
    queue_start();
    conf->sources = sources;
    conf->source_count = count;
    nothing_for(&sender);
    nothing_for(&deliver);
    struct ipc_queue_item i = item(a);
    assert_int_equal(i.tries, 1);
    assert_in_range(i.next_s, os_wall_s() + HOUR - 60, os_wall_s() + HOUR);
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ALL, ""), 1);
    j = job_from(&sender);
    assert_int_equal(j.recipients.len, 4);
    assert_int_equal(get_u32(j.recipients.ptr), 0);
}

static void a_failing_disk_delays_outcomes_and_loses_none(void **state)
{
    (void)state;
    queue_kill();
    fault_set(0);
    queue_start();
    uint64_t a = mail(&(struct mail){.from = "alice@example.org", .to = {"dave@far.example"}}), b = mail(&local);
    struct ipc_job j = job_from(&sender), k = job_from(&deliver);
    fault_set(1);
    answer(&sender, &j, 550, "no");
    answer(&deliver, &k, 250, "ok");
    nothing_for(&deliver); /* the bounce is not on the disk */
    pump(1500);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 0); /* nothing that could be acted on */
    fault_set(0);
    struct ipc_job bounce = job_from(&deliver);
    disk_has(b, SPOOL_DELIVERED, disk(b).outcomes[SPOOL_DELIVERED]);
    assert_true(disk(a).outcomes[SPOOL_FAILED] >= 1);
    assert_true(disk(b).outcomes[SPOOL_DELIVERED] >= 1);
    queue_kill();
    queue_start();
    assert_int_equal(job_from(&deliver).id, bounce.id);
    nothing_for(&sender);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 1);
}

/* Nor is a stop or a reload kept waiting until the master kills it. */
static void a_queue_ends_by_itself_while_the_disk_takes_nothing(void **state)
{
    (void)state;
    queue_kill();
    fault_set(0);
    queue_start();
    uint64_t a = mail(&(struct mail){.from = "alice@example.org", .to = {"dave@far.example"}}), b = mail(&local);
    struct ipc_job j = job_from(&sender), k = job_from(&deliver);
    fault_set(3);
    answer(&sender, &j, 550, "no");
    answer(&deliver, &k, 250, "ok");
    queue_drain();
    fault_set(0);
    queue_start();
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 2);
    j = job_from(&sender);
    k = job_from(&deliver);
    assert_int_equal(j.id, a);
    assert_int_equal(k.id, b);
    answer(&sender, &j, 250, "ok");
    answer(&deliver, &k, 250, "ok");
    disk_has(a, SPOOL_DELIVERED, 1);
    disk_has(b, SPOOL_DELIVERED, 1);
}

static void long_waiting_mail_moves_and_its_segment_is_free(void **state)
{
    (void)state;
    spool_writer_close(&writer);
    receiver.process = process_next++;
    queue_kill();
    queue_start();
    writer_start(512 << 10);
    const struct mail big = {.from = "carol@example.net", .to = {"dave@far.example"}, .size = 100000};
    const struct mail two = {
        .from = "carol@example.net", .to = {"dave@far.example", "alice@example.org"}, .size = 100000};
    uint64_t id = mail_commit(&two, true, &places[0]);
    struct ipc_job waits = job_from(&sender), reads = job_from(&deliver);
    for (int i = 0; i < 5; i++) {
        (void)mail_commit(&big, true, &places[1 + i]);
        struct ipc_job j = job_from(&sender);
        answer(&sender, &j, 250, "ok");
    }
    assert_true(places[5].segment != places[0].segment);
    answer(&sender, &waits, 451, "later");
    disk_has(id, SPOOL_DEFERRED, 1);
    char text[QUEUE_ID_TEXT_MAX + 1] = {0};
    (void)queue_id_write(text, id);
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ID, text), 1);
    waits = job_from(&sender);
    answer(&sender, &waits, 451, "later");
    disk_has(id, SPOOL_DEFERRED, 2);
    nothing_for(&receiver); /* deliver still reads it there */
    answer(&deliver, &reads, 451, "disk full");
    disk_has(id, SPOOL_DEFERRED, 3);
    /* The sweep that moves it runs at the next deferral at the latest. */
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ID, text), 1);
    for (int i = 0; i < 2; i++) {
        while (sender.count == 0 && deliver.count == 0)
            pump(2);
        struct end *e = sender.count ? &sender : &deliver;
        struct ipc_job j = job_from(e);
        answer(e, &j, 451, "later");
    }
    assert_int_equal(next(&receiver, IPC_segment_free)->u.segment_free.segment, places[0].segment);
    spool_writer_recycle(writer, places[0].segment, places[0].epoch);
    usleep(100000);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ID, text), 1);
        struct ipc_job j = job_from(&sender);
        static struct content c;
        struct ipc_job head = j;
        assert_true(head.copy > 0);
        (void)c;
        struct spool_reader *r = NULL;
        struct spool_entry *e = NULL;
        struct spool_place place = CHILD_PLACE_OF(j);
        assert_int_equal(spool_reader_open(dir_fd, &r), ERR_OK);
        assert_int_equal(spool_entry_open(r, &place, &e), ERR_OK);
        assert_int_equal(spool_entry_head(e)->facts.size, 100000);
        spool_entry_close(&e);
        spool_reader_close(&r);
        (void)job_from(&deliver);
        if (i == 0) {
            queue_kill();
            queue_start();
        }
    }
}

static void has(const struct content *c, const char *text)
{
    if (!strstr(c->text, text))
        fail_msg("\"%s\" is not in:\n%s", text, c->text);
}

static void lacks(const struct content *c, const char *text)
{
    if (strstr(c->text, text))
        fail_msg("\"%s\" is in:\n%s", text, c->text);
}

/* The next mail for alice, which is taken. */
static void report(struct content *c)
{
    struct ipc_job j = job_from(&deliver);
    read_job(&j, c);
    assert_true(c->null_path);
    assert_true(c->flags & ENVELOPE_BOUNCE);
    assert_string_equal(c->to, "alice@example.org");
    answer(&deliver, &j, 250, "ok");
    disk_has(j.id, SPOOL_DELIVERED, 1);
}

static void e7_server_success_is_told_by_who_delivers_last(void **state)
{
    (void)state;
    static struct content c;
    const struct mail x = {.from = "alice@example.org",
                           .to = {"dave@far.example", "eve@far.example", "fred@far.example"},
                           .notify = NOTIFY_SUCCESS,
                           .orcpt = "rfc822;Dave@alias.example",
                           .envid = "QQ314",
                           .size = 3000};
    uint64_t id = mail(&x);
    struct ipc_job j = job_from(&sender);
    assert_int_equal(j.recipients.len, 12);
    result_dsn(&sender, &j, RESULT_DSN_RELAYED, slice_sub(j.recipients, 0, 4));
    result_dsn(&sender, &j, RESULT_DSN_PASSED, slice_sub(j.recipients, 4, 8));
    result_dsn(&sender, &j, RESULT_DSN_FINAL, slice_skip(j.recipients, 8));
    job_done(&sender, &j);
    report(&c);
    has(&c, "Subject: Successful mail delivery report");
    has(&c, "Original-Envelope-Id: QQ314\r\n");
    has(&c, "Original-Recipient: rfc822; Dave@alias.example\r\nFinal-Recipient: rfc822; dave@far.example\r\nAction: "
            "relayed\r\n"
            "Status: 2.0.0\r\nRemote-MTA: dns; mx.far.example\r\nDiagnostic-Code: smtp; 250 2.0.0 queued there as 17");
    has(&c, "Final-Recipient: rfc822; fred@far.example\r\nAction: delivered\r\n");
    lacks(&c, "Final-Recipient: rfc822; eve@far.example");
    has(&c, "Content-Type: text/rfc822-headers");
    lacks(&c, "xxxxxxxx");
    disk_has(id, SPOOL_DELIVERED, 3);
    nothing_for(&deliver);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 0);
}

static void e7_server_one_report_for_all_that_ends_together(void **state)
{
    (void)state;
    static struct content c;
    const struct mail x = {.from = "alice@example.org",
                           .to = {"dave@far.example", "eve@far.example"},
                           .notify = NOTIFY_SUCCESS | NOTIFY_FAILURE};
    (void)mail(&x);
    struct ipc_job j = job_from(&sender);
    result_dsn(&sender, &j, RESULT_DSN_RELAYED, slice_sub(j.recipients, 0, 4));
    result_send(&sender, &j, 550, "no such user", slice_skip(j.recipients, 4));
    job_done(&sender, &j);
    report(&c);
    has(&c, "Action: relayed");
    has(&c, "Action: failed");
    nothing_for(&deliver);
}

static void e7_server_notify_decides(void **state)
{
    (void)state;
    static const struct {
        uint8_t notify;
        uint32_t flags;
        uint16_t code;
        int64_t age_s;
        const char *action; /* or NULL */
    } rows[] = {
        {0, 0, 550, 0, "Action: failed"},
        {NOTIFY_FAILURE, 0, 550, 0, "Action: failed"},
        {NOTIFY_NEVER, 0, 550, 0, NULL},
        {NOTIFY_SUCCESS, 0, 550, 0, NULL},
        {NOTIFY_SUCCESS | NOTIFY_DELAY, 0, 550, 0, NULL},
        {0, 0, 250, 0, NULL},
        {NOTIFY_FAILURE | NOTIFY_DELAY, 0, 250, 0, NULL},
        {NOTIFY_SUCCESS, 0, 250, 0, "Action: relayed"},
        {0, 0, 451, 5 * HOUR, NULL},
        {0, ENVELOPE_TRUSTED, 451, 5 * HOUR, "Action: delayed"},
        {NOTIFY_FAILURE, ENVELOPE_TRUSTED, 451, 5 * HOUR, NULL},
        {NOTIFY_DELAY, 0, 451, 5 * HOUR, "Action: delayed"},
        {NOTIFY_NEVER, ENVELOPE_TRUSTED, 451, 5 * HOUR, NULL},
        {NOTIFY_SUCCESS, 0, 451, 101 * HOUR, NULL},
        {NOTIFY_FAILURE, 0, 451, 101 * HOUR, "Action: failed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct content c;
        const struct mail x = {.from = "alice@example.org",
                               .to = {"dave@far.example"},
                               .notify = rows[i].notify,
                               .flags = rows[i].flags,
                               .age_s = rows[i].age_s};
        (void)mail(&x);
        struct ipc_job j = job_from(&sender);
        answer(&sender, &j, rows[i].code, "words");
        if (rows[i].action) {
            report(&c);
            has(&c, rows[i].action);
        }
        nothing_for(&deliver);
        (void)listed(QUEUE_VERB_REMOVE, QUEUE_FILTER_ALL, "");
    }
}

static void e7_server_nobody_is_told_without_a_reverse_path(void **state)
{
    (void)state;
    uint64_t id = mail(&(struct mail){.to = {"dave@far.example"}, .notify = NOTIFY_SUCCESS});
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 250, "ok");
    disk_has(id, SPOOL_DELIVERED, 1);
    nothing_for(&deliver);
}

static void e7_server_ret_is_for_failures(void **state)
{
    (void)state;
    static struct content c;
    static const struct {
        uint32_t flags;
        size_t size;
        bool full;
    } rows[] = {{0, 3000, true},
                {0, 60000, false},
                {ENVELOPE_RET_HDRS, 3000, false},
                {ENVELOPE_RET_FULL, 60000, true},
                {ENVELOPE_RET_FULL, 290000, false},
                {ENVELOPE_RET_FULL | ENVELOPE_REQUIRETLS, 3000, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)mail(&(struct mail){
            .from = "alice@example.org", .to = {"dave@far.example"}, .flags = rows[i].flags, .size = rows[i].size});
        struct ipc_job j = job_from(&sender);
        answer(&sender, &j, 550, "no");
        report(&c);
        has(&c, rows[i].full ? "Content-Type: message/rfc822\r\n" : "Content-Type: text/rfc822-headers\r\n");
        has(&c, "Subject: the original");
        assert_int_equal(strstr(c.text, "xxxxxxxxxxxxxxxx") != NULL, rows[i].full);
        /* RFC 8689 section 5 */
        assert_int_equal(c.flags & ENVELOPE_REQUIRETLS, rows[i].flags & ENVELOPE_REQUIRETLS);
    }
}

static void e7_server_who_became_others_is_answered_by_the_queue(void **state)
{
    (void)state;
    static struct content c;
    const struct mail x = {.from = "alice@example.org",
                           .to = {"team@example.org"},
                           .kind = RECIPIENT_NOTICE,
                           .index = DSN_EXPANDED,
                           .notify = NOTIFY_SUCCESS,
                           .orcpt = "rfc822;team@example.org"};
    uint64_t id = mail(&x);
    report(&c);
    has(&c, "Original-Recipient: rfc822; team@example.org\r\nFinal-Recipient: rfc822; team@example.org\r\nAction: "
            "expanded\r\n"
            "Status: 2.0.0\r\n");
    disk_has(id, SPOOL_DELIVERED, 1);
    /* Found on the disk, too, by a queue that nobody tells of it. */
    struct mail list = x;
    list.index = DSN_DELIVERED;
    queue_kill();
    id = mail_commit(&list, false, &places[0]);
    queue_start();
    report(&c);
    has(&c, "Action: delivered");
    disk_has(id, SPOOL_DELIVERED, 1);
    queue_kill();
    queue_start();
    nothing_for(&deliver);
}

/* Nothing is delivered twice for its sake, so the report of what became of an address can wait. */
static void e7_server_who_became_others_is_answered_later(void **state)
{
    (void)state;
    static struct content c;
    const struct mail x = {.from = "alice@example.org",
                           .to = {"team@example.org"},
                           .kind = RECIPIENT_NOTICE,
                           .index = DSN_EXPANDED,
                           .notify = NOTIFY_SUCCESS};
    queue_kill();
    fault_set(0);
    queue_start();
    fault_set(2);
    uint64_t id = mail(&x);
    nothing_for(&deliver);
    fault_set(0);
    assert_int_equal(disk(id).outcomes[SPOOL_DELIVERED], 0);
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ALL, ""), 1);
    report(&c);
    has(&c, "Action: expanded");
    disk_has(id, SPOOL_DELIVERED, 1);
}

/* What was delivered and its report are one group: after a crash both are there or none. */
static void e7_server_a_success_and_its_report_are_one(void **state)
{
    (void)state;
    static struct content c;
    queue_kill();
    fault_set(0);
    queue_start();
    const struct mail x = {.from = "alice@example.org", .to = {"dave@far.example"}, .notify = NOTIFY_SUCCESS};
    uint64_t id = mail(&x);
    struct ipc_job j = job_from(&sender);
    fault_set(1);
    answer(&sender, &j, 250, "ok");
    nothing_for(&deliver);
    fault_set(0);
    report(&c);
    has(&c, "Action: relayed");
    disk_has(id, SPOOL_DELIVERED, disk(id).outcomes[SPOOL_DELIVERED]);
    queue_kill();
    queue_start();
    nothing_for(&sender);
    nothing_for(&deliver);
}

static void e6_server_international_reports(void **state)
{
    (void)state;
    static struct content c;
    const struct mail x = {.from = "alice@example.org",
                           .to = {"d\xc3\xb6rte@far.example"},
                           .flags = ENVELOPE_SMTPUTF8,
                           .orcpt = "utf-8;d\xc3\xb6rte@alias.example"};
    (void)mail(&x);
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 550, "no");
    report(&c);
    has(&c, "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n");
    has(&c, "Original-Recipient: utf-8; d\xc3\xb6rte@alias.example\r\nFinal-Recipient: utf-8; "
            "d\xc3\xb6rte@far.example\r\n");
    has(&c, "Content-Type: message/global\r\n");
    assert_int_equal(c.flags & (ENVELOPE_SMTPUTF8 | ENVELOPE_BODY_8BIT), ENVELOPE_SMTPUTF8 | ENVELOPE_BODY_8BIT);
    /* SMTPUTF8 was declared, and nothing needs it */
    (void)mail(&(struct mail){.from = "alice@example.org", .to = {"dave@far.example"}, .flags = ENVELOPE_SMTPUTF8});
    j = job_from(&sender);
    answer(&sender, &j, 550, "no");
    report(&c);
    has(&c, "Content-Type: message/delivery-status\r\n");
    assert_int_equal(c.flags & ENVELOPE_SMTPUTF8, 0);
}

static void e8_server_by_return_gives_up_in_time(void **state)
{
    (void)state;
    static struct content c;
    const struct mail x = {
        .from = "alice@example.org", .to = {"dave@far.example"}, .flags = ENVELOPE_BY_RETURN, .deliver_in_s = 4};
    uint64_t id = mail(&x);
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 451, "later");
    disk_has(id, SPOOL_DEFERRED, 1);
    assert_in_range(item(id).next_s, os_wall_s() - 5, os_wall_s() + 4);
    queue_kill();
    queue_start();
    report(&c);
    has(&c, "Action: failed\r\nStatus: 5.4.7\r\n");
    has(&c, "later");
    nothing_for(&sender);
    /* What comes too late is not sent at all. */
    (void)mail(&(struct mail){
        .from = "alice@example.org", .to = {"dave@far.example"}, .flags = ENVELOPE_BY_RETURN, .deliver_in_s = -1});
    report(&c);
    has(&c, "Status: 5.4.7");
    nothing_for(&sender);
    /* In time is in time. */
    (void)mail(&(struct mail){
        .from = "alice@example.org", .to = {"bob@example.org"}, .flags = ENVELOPE_BY_RETURN, .deliver_in_s = 100});
    j = job_from(&deliver);
    answer(&deliver, &j, 250, "ok");
    nothing_for(&deliver);
}

static void e8_server_by_notify_tells_once_and_goes_on(void **state)
{
    (void)state;
    static struct content c;
    const struct mail x = {.from = "alice@example.org",
                           .to = {"dave@far.example", "eve@other.example"},
                           .flags = ENVELOPE_BY_NOTIFY,
                           .deliver_in_s = 2};
    uint64_t id = mail(&x);
    for (int i = 0; i < 2; i++) {
        struct ipc_job j = job_from(&sender);
        answer(&sender, &j, 451, "later");
    }
    report(&c);
    has(&c, "Final-Recipient: rfc822; dave@far.example\r\nAction: delayed\r\nStatus: 4.4.7\r\n");
    has(&c, "Final-Recipient: rfc822; eve@other.example\r\nAction: delayed\r\n");
    disk_has(id, SPOOL_BY_TOLD, 1);
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            queue_kill();
        else
            queue_drain();
        queue_start();
        pump(1200);
        nothing_for(&deliver);
    }
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ALL, ""), 1);
    (void)job_from(&sender);
    (void)job_from(&sender);
}

static void e8_server_a_trace_names_each_host(void **state)
{
    (void)state;
    static struct content c;
    const struct mail x = {.from = "alice@example.org",
                           .to = {"dave@far.example"},
                           .flags = ENVELOPE_BY_NOTIFY | ENVELOPE_BY_TRACE,
                           .deliver_in_s = 1000};
    (void)mail(&x);
    struct ipc_job j = job_from(&sender);
    result_dsn(&sender, &j, RESULT_DSN_PASSED, j.recipients);
    job_done(&sender, &j);
    report(&c);
    has(&c, "Action: relayed\r\nStatus: 2.0.0\r\nRemote-MTA: dns; mx.far.example\r\n");
    struct mail never = x;
    never.notify = NOTIFY_NEVER;
    (void)mail(&never);
    j = job_from(&sender);
    answer(&sender, &j, 250, "ok");
    nothing_for(&deliver);
}

/* RFC 2852 section 4.1.4.2: mode N and a host that knows nothing of the time. */
static void e8_server_a_time_that_goes_no_further_is_told(void **state)
{
    (void)state;
    static struct content c;
    struct mail x = {
        .from = "alice@example.org", .to = {"dave@far.example"}, .flags = ENVELOPE_BY_NOTIFY, .deliver_in_s = 1000};
    (void)mail(&x);
    struct ipc_job j = job_from(&sender);
    result_dsn(&sender, &j, RESULT_DSN_PASSED, j.recipients);
    job_done(&sender, &j);
    report(&c);
    has(&c, "Action: relayed\r\nStatus: 2.0.0\r\nRemote-MTA: dns; mx.far.example\r\n");
    /* not when it was told, nor when nobody is to hear of it */
    (void)mail(&x);
    j = job_from(&sender);
    result_dsn(&sender, &j, (enum result_dsn)(RESULT_DSN_PASSED | RESULT_BY_PASSED), j.recipients);
    job_done(&sender, &j);
    x.notify = NOTIFY_NEVER;
    (void)mail(&x);
    j = job_from(&sender);
    result_dsn(&sender, &j, RESULT_DSN_RELAYED, j.recipients);
    job_done(&sender, &j);
    nothing_for(&deliver);
}

static void e8_server_future_release_waits_through_restarts(void **state)
{
    (void)state;
    const struct mail x = {.from = "alice@example.org",
                           .to = {"dave@far.example"},
                           .release_in_s = 1000,
                           .age_s = 101 * HOUR,
                           .flags = ENVELOPE_TRUSTED};
    uint64_t id = mail(&x);
    for (int i = 0; i < 3; i++) {
        nothing_for(&sender);
        struct ipc_queue_item waits = item(id);
        assert_int_equal(waits.state, QUEUE_ITEM_DEFERRED);
        assert_in_range(waits.next_s, os_wall_s() + 900, os_wall_s() + 1000);
        assert_true(slice_starts(waits.reason, SLICE("held until ")));
        if (i == 0)
            queue_kill();
        else
            queue_drain();
        queue_start();
    }
    /* Held and released by an admin it still waits; asked to be tried now it goes, and its age is counted from its release. */
    assert_int_equal(listed(QUEUE_VERB_HOLD, QUEUE_FILTER_ALL, ""), 1);
    assert_int_equal(item(id).state, QUEUE_ITEM_HELD);
    assert_int_equal(listed(QUEUE_VERB_RELEASE, QUEUE_FILTER_ALL, ""), 1);
    nothing_for(&sender);
    assert_int_equal(item(id).state, QUEUE_ITEM_DEFERRED);
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_ALL, ""), 1);
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 451, "later");
    nothing_for(&deliver);
    (void)mail(&(struct mail){.from = "alice@example.org", .to = {"dave@far.example"}, .release_in_s = 2});
    nothing_for(&sender);
    (void)job_from(&sender);
}

static void e8_server_priority_is_kept(void **state)
{
    (void)state;
    uint64_t low =
        mail(&(struct mail){.from = "a@b.example", .to = {"dave@far.example"}, .priority = -5, .flags = ENVELOPE_HELD});
    uint64_t plain = mail(&(struct mail){.from = "a@b.example", .to = {"dave@far.example"}, .flags = ENVELOPE_HELD});
    uint64_t high =
        mail(&(struct mail){.from = "a@b.example", .to = {"dave@far.example"}, .priority = 5, .flags = ENVELOPE_HELD});
    for (int i = 0; i < 3; i++) {
        assert_int_equal(listed(QUEUE_VERB_RELEASE, QUEUE_FILTER_ALL, ""), 3);
        assert_int_equal(job_from(&sender).id, high);
        assert_int_equal(job_from(&sender).id, plain);
        assert_int_equal(job_from(&sender).id, low);
        assert_int_equal(listed(QUEUE_VERB_HOLD, QUEUE_FILTER_ALL, ""), 3);
        if (i == 0)
            queue_drain();
        else
            queue_kill();
        sender.process = 0;
        queue_start();
    }
}

/* What has become of an address is told once: by its own report, not by the one about the delay, too. */
static void e8_server_by_notify_says_nothing_of_expansions(void **state)
{
    (void)state;
    static struct content c;
    const struct mail x = {.from = "alice@example.org",
                           .to = {"team@example.org"},
                           .flags = ENVELOPE_BY_NOTIFY | ENVELOPE_HELD,
                           .kind = RECIPIENT_NOTICE,
                           .index = DSN_EXPANDED,
                           .notify = NOTIFY_SUCCESS,
                           .deliver_in_s = 1};
    uint64_t id = mail(&x);
    disk_has(id, SPOOL_BY_TOLD, 1);
    nothing_for(&deliver);
    assert_int_equal(listed(QUEUE_VERB_RELEASE, QUEUE_FILTER_ALL, ""), 1);
    report(&c);
    has(&c, "Action: expanded");
    disk_has(id, SPOOL_DELIVERED, 1);
    nothing_for(&deliver);
}

/* What a sanitizer keeps for itself, freed memory above all, is no memory of the queue's. */
#if defined(__SANITIZE_ADDRESS__)
#define QUEUE_MEMORY_MAX (1L << 30)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QUEUE_MEMORY_MAX (1L << 30)
#endif
#endif
#ifndef QUEUE_MEMORY_MAX
#define QUEUE_MEMORY_MAX (64L << 20)
#endif

static long queue_memory(void)
{
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", queue_pid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*s %ld", &pages), 1);
    (void)fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

/* Many times to be delivered by may be over at once, after a queue was away: their reports must not all wait in memory for a disk that fails. */
static void e8_server_reports_wait_their_turn(void **state)
{
    (void)state;
    const struct mail x = {.from = "alice@example.org",
                           .to = {"dave@far.example"},
                           .flags = ENVELOPE_BY_RETURN,
                           .deliver_in_s = 4,
                           .size = 48000};
    uint64_t middle = 0, last = 0;
    queue_kill();
    for (int i = 0; i < 1500; i++) {
        last = mail_commit(&x, false, &places[0]);
        middle = i == 700 ? last : middle;
    }
    fault_set(0);
    queue_start();
    fault_set(1);
    pump(4500);
    assert_in_range(queue_memory(), 1, QUEUE_MEMORY_MAX);
    fault_set(0);
    disk_has(middle, SPOOL_FAILED, 1);
    disk_has(last, SPOOL_FAILED, 1);
}

static void b3_mail_is_found_by_its_tag(void **state)
{
    (void)state;
    const struct mail x = {.from = "a@b.example", .to = {"dave@far.example"}, .tag = "job/1", .flags = ENVELOPE_HELD};
    struct mail y = x;
    y.tag = "job/2";
    uint64_t a = mail(&x);
    (void)mail(&y);
    (void)mail(&remote);
    (void)job_from(&sender);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_TAG, "job/1"), 1);
        assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_TAG, "job/"), 0);
        assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_TAG, ""), 0);
        assert_int_equal(item(a).state, QUEUE_ITEM_HELD);
        assert_true(item(a).reason.len > 0);
        if (i == 0)
            queue_kill();
        else
            queue_drain();
        queue_start();
    }
    assert_int_equal(listed(QUEUE_VERB_RELEASE, QUEUE_FILTER_TAG, "job/1"), 1);
    struct ipc_job j = job_from(&sender);
    while (j.id != a)
        j = job_from(&sender);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_TAG, "job/1"), 1);
    answer(&sender, &j, 250, "ok");
    disk_has(a, SPOOL_DELIVERED, 1);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_TAG, "job/1"), 0);
    assert_int_equal(listed(QUEUE_VERB_REMOVE, QUEUE_FILTER_TAG, "job/2"), 1);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_TAG, "job/2"), 0);
}

/* Who waits sees that it goes on. */
static void progress_of(uint64_t token, uint32_t messages)
{
    int64_t until = os_now_ms() + WAIT_MS;
    console.progress_count = 0;
    while (console.progress_count == 0) {
        assert_true(os_now_ms() < until);
        pump(2);
    }
    assert_int_equal(console.progress.token, token);
    assert_int_equal(console.progress.done, messages);
    assert_int_equal(console.progress.all, messages);
    assert_int_equal(console.progress.count, messages);
}

static void an_order_is_answered_when_it_is_on_disk(void **state)
{
    (void)state;
    static const enum queue_verb verbs[] = {QUEUE_VERB_HOLD, QUEUE_VERB_RELEASE, QUEUE_VERB_REMOVE};
    static const enum spool_outcome_kind kinds[] = {SPOOL_HELD, SPOOL_RELEASED, SPOOL_REMOVED};
    queue_kill();
    fault_set(0);
    queue_start();
    uint64_t id = mail(&remote);
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 451, "later");
    disk_has(id, SPOOL_DEFERRED, 1);
    for (size_t i = 0; i < 3; i++) {
        struct ipc_message m = {.type = IPC_queue_request};
        m.u.queue_request = (struct ipc_queue_request){.token = 40 + i, .verb = (uint8_t)verbs[i]};
        fault_set(1);
        send_to(&console, m);
        settle(); /* other questions are answered meanwhile */
        nothing_for(&console);
        if (i == 0)
            progress_of(40, 1);
        fault_set(0);
        struct ipc_queue_end end = next(&console, IPC_queue_end)->u.queue_end;
        assert_int_equal(end.token, 40 + i);
        assert_int_equal(end.count, 1);
        assert_true(disk(id).outcomes[kinds[i]] >= 1);
        if (verbs[i] == QUEUE_VERB_RELEASE) {
            j = job_from(&sender);
            answer(&sender, &j, 451, "later");
            disk_has(id, SPOOL_DEFERRED, 2);
        }
    }
    queue_kill();
    queue_start();
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 0);
}

static struct ipc_answer_etrn etrn(const char *domain)
{
    struct ipc_message m = {.type = IPC_etrn};
    m.u.etrn = (struct ipc_etrn){.token = 9, .domain = slice_str(domain)};
    send_to(&receiver, m);
    struct ipc_answer_etrn a = next(&receiver, IPC_answer_etrn)->u.answer_etrn;
    assert_int_equal(a.token, 9);
    return a;
}

static void e15_server_etrn_starts_what_waits(void **state)
{
    (void)state;
    static const char *const to[] = {"x@gate.example", "x@sub.gate.example", "x@notgate.example", "x@far.example"};
    for (size_t i = 0; i < 4; i++) {
        (void)mail(&(struct mail){.from = "a@b.example", .to = {to[i]}});
        struct ipc_job j = job_from(&sender);
        answer(&sender, &j, 451, "later");
    }
    (void)mail(&(struct mail){.from = "a@b.example", .to = {"x@gate.example"}, .release_in_s = 1000});
    (void)mail(&(struct mail){.from = "a@b.example", .to = {"x@gate.example"}, .flags = ENVELOPE_HELD});
    nothing_for(&sender);
    assert_int_equal(etrn("far.example").status, ETRN_NOT_OURS);
    assert_int_equal(etrn("#queue").status, ETRN_NOT_OURS);
    assert_int_equal(etrn("@").status, ETRN_NOT_OURS);
    assert_int_equal(etrn("").status, ETRN_NOT_OURS);
    assert_int_equal(etrn("quiet.example").status, ETRN_NOTHING_WAITS);
    nothing_for(&sender);
    struct ipc_answer_etrn a = etrn("GATE.example");
    assert_int_equal(a.status, ETRN_STARTED);
    assert_int_equal(a.count, 1);
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 451, "later");
    nothing_for(&sender);
    assert_int_equal(etrn("@gate.example").count, 2);
    (void)job_from(&sender);
    (void)job_from(&sender);
    nothing_for(&sender);
}

static void g7_server_alarm_holds_and_tells(void **state)
{
    (void)state;
    static struct content c;
    const struct mail x = {
        .from = "bob@example.org", .to = {"dave@far.example"}, .login = "bob@example.org", .flags = ENVELOPE_TRUSTED};
    uint64_t id = mail(&x), other = mail(&remote);
    for (int i = 0; i < 2; i++) {
        struct ipc_job j = job_from(&sender);
        answer(&sender, &j, 451, "later");
    }
    disk_has(other, SPOOL_DEFERRED, 1);
    struct ipc_message m = {.type = IPC_user_alarm};
    m.u.user_alarm = (struct ipc_user_alarm){SLICE("bob@example.org"), 101, 102, os_wall_s()};
    send_to(&receiver, m);
    struct ipc_job j = job_from(&deliver);
    read_job(&j, &c);
    assert_true(c.null_path);
    assert_string_equal(c.to, "postmaster@example.org");
    has(&c, "bob@example.org has sent 101 messages to 102 recipients");
    answer(&deliver, &j, 250, "ok");
    disk_has(id, SPOOL_HELD, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(item(id).state, QUEUE_ITEM_HELD);
        assert_true(slice_find(item(id).reason, SLICE("bob@example.org has sent too much")) >= 0);
        assert_int_equal(item(other).state, QUEUE_ITEM_DEFERRED);
        queue_kill();
        queue_start();
    }
    assert_int_equal(listed(QUEUE_VERB_RELEASE, QUEUE_FILTER_FROM, "bob@example.org"), 1);
    assert_int_equal(job_from(&sender).id, id);
}

static void a_record_that_cannot_be_read_is_told_to_who_lists(void **state)
{
    (void)state;
    uint64_t id = mail(&remote);
    struct spool_place bad = places[0];
    struct ipc_job j = job_from(&sender);
    answer(&sender, &j, 451, "later");
    disk_has(id, SPOOL_DEFERRED, 1);
    (void)mail(&local);
    (void)job_from(&deliver);
    char name[64];
    int n = snprintf(name, sizeof name, "seg/%016llx", (unsigned long long)bad.segment), fd = -1;
    assert_int_equal(os_open(dir_fd, slice_of(name, (size_t)n), O_WRONLY, 0, &fd), ERR_OK);
    assert_int_equal(os_pwrite(fd, SLICE("damage"), bad.offset + 56), ERR_OK);
    os_close(&fd);
    struct ipc_message m = {.type = IPC_queue_request};
    m.u.queue_request = (struct ipc_queue_request){.token = 9, .verb = QUEUE_VERB_LIST, .filter = QUEUE_FILTER_ALL};
    send_to(&console, m);
    (void)next(&console, IPC_queue_item);
    const struct ipc_queue_end *end = &next(&console, IPC_queue_end)->u.queue_end;
    assert_int_equal(end->count, 1);
    assert_int_equal(end->exit, 1);
}

/* Sanitizers stand where faults are made. */
#ifdef FAULTS
static void plan_set(uint64_t nth, uint64_t last)
{
    atomic_store(&plan->armed, 0);
    plan->kinds = UINT32_MAX;
    plan->calls = 1u << FAULT_MALLOC;
    plan->error = ENOMEM;
    plan->first = nth;
    plan->last = last;
    atomic_store(&plan->seen, 0);
    atomic_store(&plan->hits, 0);
    atomic_store(&plan->armed, 1);
}

/* Anew, with small segments. */
static void begin_small(void)
{
    char command[128];
    spool_writer_close(&writer);
    receiver.process = process_next++;
    queue_kill();
    snprintf(command, sizeof command, "rm -f -- '%s'/seg/*", folder);
    assert_int_equal(system(command), 0);
    small_disk = true;
    queue_start();
    writer_start(512 << 10);
}

/* The queue is ready, and its nth allocation from then on fails, most of them while it reads the spool. It is up then, or has ended by itself. */
static void start_in_need(uint64_t nth, uint32_t mails)
{
    int status = 0;
    struct ipc_message ask = {.type = IPC_queue_request};
    ask.u.queue_request = (struct ipc_queue_request){.token = 78, .verb = QUEUE_VERB_SHOW, .filter = QUEUE_FILTER_ID};
    queue_fork_begin();
    assert_int_equal(next(&master, IPC_ready)->type, IPC_ready);
    plan_set(nth, nth);
    queue_peers();
    receiver_hello();
    hello_end(&sender);
    hello_end(&deliver);
    send_to(&console, ask);
    int64_t until = os_now_ms() + WAIT_MS;
    bool going = false;
    while (waitpid(queue_pid, &status, WNOHANG) == 0) {
        /* Or a channel has broken: whoever was at its other end goes, which is not tried here. */
        bool broken = receiver.closed || sender.closed || deliver.closed || console.closed;
        if (!going && (console.count > 0 || broken)) {
            uint32_t known = mails;
            atomic_store(&plan->armed, 0);
            if (!broken)
                (void)next(&console, IPC_queue_end);
            /* Who is up knows all of it; but the allocation may be one after that answer. */
            going = !broken && !list_if_up((struct ipc_queue_request){.verb = QUEUE_VERB_LIST}, &known);
            if (known != mails)
                fail_msg("allocation %llu: it is up and knows %u mails", (unsigned long long)nth, known);
            if (!going) {
                queue_kill();
                return;
            }
        }
        if (os_now_ms() > until)
            fail_msg("allocation %llu: neither up nor ended", (unsigned long long)nth);
        pump(1);
    }
    atomic_store(&plan->armed, 0);
    queue_gone();
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 0)
        fail_msg("allocation %llu: it ended with status %x", (unsigned long long)nth, status);
}

static void no_allocation_that_fails_at_a_start_harms_mail(void **state)
{
    (void)state;
    const struct mail many = {.from = "carol@example.net",
                              .to = {"dave@far.example", "erin@near.example", "bob@example.org"}},
                      large = {.from = "carol@example.net", .to = {"dave@far.example"}, .size = 250000},
                      asking = {.from = "bob@example.org",
                                .to = {"dave@far.example"},
                                .login = "bob@example.org",
                                .flags = ENVELOPE_TRUSTED,
                                .tag = "job 7",
                                .priority = 3,
                                .deliver_in_s = HOUR};
    begin_small();
    /* A part of it is in the checkpoint, a part behind it: mails, and outcomes of both. */
    uint64_t kept[4];
    for (int i = 0; i < 2; i++) {
        (void)mail(&many);
        struct ipc_job a = job_from(&sender), b = job_from(&sender), c = job_from(&deliver);
        answer(&sender, &a, 451, i ? "later" : "not now");
        answer(&sender, &b, 250, "ok");
        answer(&deliver, &c, 250, "ok");
        kept[i] = mail(&large);
        a = job_from(&sender);
        answer(&sender, &a, 452, "full");
        kept[2 + i] = mail(&asking);
        a = job_from(&sender);
        answer(&sender, &a, 451, i ? "busy" : "very busy");
        disk_has(kept[2 + i], SPOOL_DEFERRED, 1);
        if (i == 0) {
            queue_drain();
            queue_start();
        }
    }
    (void)mail_commit(&local, false, &places[0]);
    queue_kill();
    /* Each queue makes segments of its own, into which nothing comes here: they go again. */
    char mark[160], clean[256];
    snprintf(mark, sizeof mark, "touch '%s.mark'", folder);
    snprintf(clean, sizeof clean, "find '%s/seg' -newer '%s.mark' -type f -delete", folder, folder);
    assert_int_equal(system(mark), 0);
    uint64_t nth = 1;
    do {
        start_in_need(nth++, 7);
        assert_int_equal(system(clean), 0);
    } while (atomic_load(&plan->hits) > 0 && nth < 5000);
    assert_int_equal(atomic_load(&plan->hits), 0);
    queue_start();
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 7);
    for (int i = 0; i < 4; i++) {
        struct ipc_queue_item it = item(kept[i]);
        assert_int_equal(it.state, QUEUE_ITEM_DEFERRED);
        assert_int_equal(it.tries, 1);
    }
    assert_int_equal(listed(QUEUE_VERB_RETRY, QUEUE_FILTER_FROM, "carol@example.net"), 5);
}

/* No more faults; how many there were. */
static uint64_t plan_end(void)
{
    uint64_t hits = atomic_load(&plan->hits);
    atomic_store(&plan->armed, 0);
    return hits;
}

/* After a start: what became of it was not on the disk. */
static void given_again(uint64_t id)
{
    struct ipc_job j = job_from(&sender);
    assert_int_equal(j.id, id);
    answer(&sender, &j, 250, "ok");
}

/* In need a report waits; it is never dropped as if it were too large. */
static void no_allocation_that_fails_drops_a_bounce(void **state)
{
    (void)state;
    begin_small();
    static const struct mail ours = {.from = "alice@example.org", .to = {"dave@far.example"}};
    uint64_t nth = 1, hits;
    do {
        uint64_t id = mail(&ours);
        struct ipc_job j = job_from(&sender);
        plan_set(nth, nth);
        nth++;
        answer(&sender, &j, 550, "no");
        int64_t until = os_now_ms() + WAIT_MS;
        struct on_disk d = disk(id);
        while (deliver.count == 0 && !d.outcomes[SPOOL_DEFERRED] && !d.outcomes[SPOOL_FAILED] && !sender.closed &&
               !master.closed && os_now_ms() < until) {
            pump(5);
            d = disk(id);
        }
        hits = plan_end();
        queue_kill();
        d = disk(id); /* now: a checkpoint of the next queue may take its place */
        queue_start();
        /* Whatever has become of the process: the failure is on the disk together with its report, or not at all. */
        if (d.outcomes[SPOOL_FAILED]) {
            j = job_from(&deliver);
            answer(&deliver, &j, 250, "ok");
        } else if (!d.outcomes[SPOOL_DEFERRED]) {
            given_again(id);
        }
        settle();
    } while (hits > 0 && nth < 1000);
    assert_int_equal(hits, 0);
}

static bool body_is_there(const struct spool_place *place)
{
    struct spool_reader *r = NULL;
    struct spool_entry *e = NULL;
    slice body;
    assert_int_equal(spool_reader_open(dir_fd, &r), ERR_OK);
    bool there = spool_entry_open(r, place, &e) == ERR_OK && spool_entry_content(e, 0, SIZE_MAX, &body) == ERR_OK;
    spool_entry_close(&e);
    spool_reader_close(&r);
    return there;
}

/* Where there was no memory for the note that a mail is delivered, it comes back at the next start: with its body, or it would be tried in vain for days and reported as failed. */
static void no_allocation_that_fails_takes_the_body_of_mail_that_comes_back(void **state)
{
    (void)state;
    begin_small();
    static const struct mail large = {.from = "carol@example.net", .to = {"dave@far.example"}, .size = 250000};
    uint64_t nth = 1, hits, again = 0;
    do {
        uint64_t id = mail(&large);
        struct spool_place place = places[0];
        struct ipc_job j = job_from(&sender);
        plan_set(nth, nth);
        nth++;
        answer(&sender, &j, 250, "ok");
        int64_t until = os_now_ms() + WAIT_MS;
        while (body_is_there(&place) && !disk(id).outcomes[SPOOL_DELIVERED] && !sender.closed && !master.closed &&
               os_now_ms() < until && atomic_load(&plan->hits) == 0)
            pump(5);
        pump(50);
        hits = plan_end();
        queue_kill();
        bool recorded = disk(id).outcomes[SPOOL_DELIVERED] != 0;
        if (!recorded && !body_is_there(&place))
            fail_msg("allocation %llu: the body is gone, and the mail comes back", (unsigned long long)nth - 1);
        queue_start();
        if (!recorded) {
            again++;
            given_again(id);
        }
        settle();
    } while (hits > 0 && nth < 1000);
    assert_int_equal(hits, 0);
    assert_true(again > 0);
}

static void a_listing_without_memory_ends_with_an_error(void **state)
{
    (void)state;
    (void)mail(&remote);
    (void)job_from(&sender);
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 1); /* channels have their memory */
    static const enum queue_verb verbs[] = {QUEUE_VERB_LIST, QUEUE_VERB_SUMMARY};
    for (size_t i = 0; i < 2; i++) {
        struct ipc_message m = {.type = IPC_queue_request};
        m.u.queue_request =
            (struct ipc_queue_request){.token = 79, .verb = (uint8_t)verbs[i], .filter = QUEUE_FILTER_ALL};
        /* Not the first, which is the request itself; then as many as it tries. */
        plan_set(2, 101);
        send_to(&console, m);
        const struct ipc_queue_end *end = &next(&console, IPC_queue_end)->u.queue_end;
        atomic_store(&plan->armed, 0);
        assert_int_equal(end->exit, 1);
    }
    assert_int_equal(listed(QUEUE_VERB_LIST, QUEUE_FILTER_ALL, ""), 1);
}
#endif

int main(int argc, char **argv)
{
    /* What the queue does it does as an ordinary user. */
    if (os_uid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 1;
    fault = mmap(NULL, sizeof *fault, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (fault == MAP_FAILED)
        return 1;
#ifdef FAULTS
    plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (plan == MAP_FAILED)
        return 1;
#endif
    signal(SIGPIPE, SIG_IGN);
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)
    const struct CMUnitTest tests[] = {
        TEST(delivered_mail_is_done),
        TEST(a_full_segment_comes_back_when_its_mail_is_done),
        TEST(a_segment_recycled_after_its_hello_loses_no_mail),
        TEST(a_segment_used_anew_is_not_removed_for_what_a_checkpoint_says),
        TEST(a_freed_segment_is_named_until_it_cannot_come_back),
        TEST(a_segment_is_not_used_anew_while_a_mail_in_it_may_come_back),
        TEST(a_body_is_not_kept_for_what_a_checkpoint_says),
        TEST(a_failure_comes_back_as_a_bounce),
        TEST(a_bounce_that_bounces_goes_to_the_postmaster_and_no_further),
        TEST(strangers_null_path_is_never_answered),
        TEST(a_temporary_failure_waits_by_the_schedule),
        TEST(too_old_is_given_up_and_half_old_is_warned_of_once),
        TEST(a_dead_destination_is_one_record),
        TEST(an_admin_holds_releases_and_removes),
        TEST(filters_narrow_each_other),
        TEST(hold_and_discard_need_nobody),
        TEST(a_dead_senders_jobs_come_back),
        TEST(foreign_and_malformed_results_harm_nothing),
        TEST(two_words_on_one_recipient_are_one_bounce),
        TEST(a_killed_queue_knows_everything_again),
        TEST(an_announcement_twice_is_one_mail),
        TEST(mail_that_is_done_stays_so_when_it_is_announced_late),
        TEST(b3_what_was_let_go_stays_so_when_it_is_announced_again),
        TEST(jobs_outlive_the_queue_that_gave_them),
        TEST(a_part_given_out_anew_stays_with_its_job),
        TEST(jobs_outlive_what_is_ordered_of_their_mail),
        TEST(what_a_dead_receiver_never_announced_is_found),
        TEST(spares_of_the_living_are_left_alone),
        TEST(a_half_written_segment_of_this_masters_days_is_not_removed),
        TEST(a_queue_that_keeps_dying_fills_no_disk),
        TEST(a_start_says_nothing_of_large_mail_that_is_gone),
        TEST(a_changed_route_moves_waiting_mail_and_keeps_its_schedule),
        TEST(a_failing_disk_delays_outcomes_and_loses_none),
        TEST(a_queue_ends_by_itself_while_the_disk_takes_nothing),
        TEST(long_waiting_mail_moves_and_its_segment_is_free),
        TEST(e7_server_success_is_told_by_who_delivers_last),
        TEST(e7_server_one_report_for_all_that_ends_together),
        TEST(e7_server_notify_decides),
        TEST(e7_server_nobody_is_told_without_a_reverse_path),
        TEST(e7_server_ret_is_for_failures),
        TEST(e7_server_who_became_others_is_answered_by_the_queue),
        TEST(e7_server_who_became_others_is_answered_later),
        TEST(e7_server_a_success_and_its_report_are_one),
        TEST(e6_server_international_reports),
        TEST(e8_server_by_return_gives_up_in_time),
        TEST(e8_server_by_notify_tells_once_and_goes_on),
        TEST(e8_server_by_notify_says_nothing_of_expansions),
        TEST(e8_server_reports_wait_their_turn),
        TEST(e8_server_a_trace_names_each_host),
        TEST(e8_server_a_time_that_goes_no_further_is_told),
        TEST(e8_server_future_release_waits_through_restarts),
        TEST(e8_server_priority_is_kept),
        TEST(b3_mail_is_found_by_its_tag),
        TEST(an_order_is_answered_when_it_is_on_disk),
        TEST(e15_server_etrn_starts_what_waits),
        TEST(g7_server_alarm_holds_and_tells),
        TEST(a_record_that_cannot_be_read_is_told_to_who_lists),
#ifdef FAULTS
        TEST(no_allocation_that_fails_at_a_start_harms_mail),
        TEST(no_allocation_that_fails_drops_a_bounce),
        TEST(no_allocation_that_fails_takes_the_body_of_mail_that_comes_back),
        TEST(a_listing_without_memory_ends_with_an_error),
#endif
    };
    return parts_run(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
