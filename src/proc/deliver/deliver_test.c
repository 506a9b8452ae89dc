/* SPDX-License-Identifier: ISC */
/* Deliver as the master would start it, in a child process with its workers, with this process in the roles of master and queue. */
#include "proc/deliver/deliver.h"

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sanitized.h>

#define PATIENCE_MS 30000
#define ID_FIRST 1000u
#define RESULTS_MAX 4096u

struct seen_result {
    uint64_t job;
    uint32_t recipient;
    unsigned code;
    char text[200];
    uint8_t dsn;
};

static struct house {
    char dir[64];
    int spool_fd, pid;
    struct conf *conf;
    struct os_user user;
    struct arena arena;
    struct spool_writer *writer;
    struct spool_place places[16];
    unsigned place_count;
    struct ipc_channel *master, *queue;
    uint32_t process;
    struct seen_result results[RESULTS_MAX];
    unsigned result_count, done, leases, hello_ends, ready;
    uint64_t job;
} h;

static void send_to(struct ipc_channel *c, const struct ipc_message *m)
{
    ipc_channel_send(c, m);
    enum err e = ipc_channel_flush(c);
    assert_true(e == ERR_OK || e == ERR_AGAIN);
}

static void on_queue(void *ctx, const struct ipc_message *m)
{
    (void)ctx;
    h.done += m->type == IPC_job_done;
    h.leases += m->type == IPC_hello_lease;
    h.hello_ends += m->type == IPC_hello_end;
    if (m->type != IPC_result || h.result_count == RESULTS_MAX)
        return;
    struct seen_result *r = &h.results[h.result_count++];
    *r = (struct seen_result){m->u.result.job, get_u32(m->u.result.recipients.ptr), m->u.result.code, "",
                              m->u.result.dsn};
    size_t n = m->u.result.text.len < sizeof(r->text) - 1 ? m->u.result.text.len : sizeof(r->text) - 1;
    if (n > 0)
        memcpy(r->text, m->u.result.text.ptr, n);
}

static void on_master(void *ctx, const struct ipc_message *m)
{
    (void)ctx;
    h.ready += m->type == IPC_ready;
}

static void read_channel(struct ipc_channel **c, void (*call)(void *ctx, const struct ipc_message *m))
{
    enum err e = ipc_channel_read(*c, call, NULL);
    if (e != ERR_OK && e != ERR_AGAIN)
        ipc_channel_close(c);
}

static void pump(int ms)
{
    struct pollfd p[2] = {{.fd = -1}, {.fd = -1}};
    if (h.master)
        p[0] = (struct pollfd){.fd = ipc_channel_fd(h.master), .events = POLLIN};
    if (h.queue) {
        enum err e = ipc_channel_flush(h.queue);
        p[1] = (struct pollfd){.fd = ipc_channel_fd(h.queue),
                               .events = (short)(e == ERR_AGAIN ? POLLIN | POLLOUT : POLLIN)};
    }
    if (poll(p, 2, ms) <= 0)
        return;
    if (p[0].revents)
        read_channel(&h.master, on_master);
    if (p[1].revents & ~POLLOUT)
        read_channel(&h.queue, on_queue);
}

#define WAIT(condition)                                                                                                \
    do {                                                                                                               \
        int64_t until_ = os_now_ms() + PATIENCE_MS;                                                                    \
        while (!(condition) && os_now_ms() < until_)                                                                   \
            pump(20);                                                                                                  \
        assert_true(condition);                                                                                        \
    } while (0)

static void introduce_queue(void)
{
    int pair[2];
    ipc_channel_close(&h.queue);
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(ipc_channel_open(pair[0], PROCESS_QUEUE, PROCESS_DELIVER, &h.queue), ERR_OK);
    struct ipc_message m = {.type = IPC_peer, .fd = pair[1], .u.peer = {++h.process, PROCESS_QUEUE, 0, 1}};
    send_to(h.master, &m);
}

static void start_child(int control_fd)
{
    int log_fd = open("/dev/null", O_WRONLY);
    if (!getenv("DELIVER_TEST_LOG"))
        dup2(log_fd, 2);
    struct child_start start = {.kind = PROCESS_DELIVER,
                                .process = 7,
                                .generation = 1,
                                .master_pid = (uint32_t)getppid(),
                                .conf = h.conf,
                                .hash_key = os_random_key(),
                                .control_fd = control_fd,
                                .lock_fd = log_fd,
                                .spool_fd = h.spool_fd,
                                .user = h.user,
                                .root = getuid() == 0};
    _exit(deliver_main(&start));
}

static void write_file(const char *name, const char *text)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", h.dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static void read_conf(void)
{
    char text[4096], aliases[512];
    (void)snprintf(aliases, sizeof(aliases),
                   "null: /dev/null\nfile: %s/mail/file\ndie: \"|kill -9 $PPID\"\n"
                   "slow: \"|sleep 2\"\n",
                   h.dir);
    write_file("aliases", aliases);
    (void)snprintf(text, sizeof(text),
                   "hostname = \"mx.test.example\"\npostmaster = \"alice@dir.example\"\n"
                   "[domain.\"dir.example\"]\ndeliver = \"maildir:%s/mail/{user}\"\nusers = \"accounts\"\n"
                   "aliases = \"%s/aliases\"\nsubaddress = \"+\"\n"
                   "[domain.\"box.example\"]\ndeliver = \"mbox:%s/mail/{user}.mbox\"\nusers = \"accounts\"\n"
                   "[domain.\"pipe.example\"]\ndeliver = \"pipe:/bin/cat > %s/mail/piped; touch %s/mail/for-{user}\"\n"
                   "users = \"accounts\"\n"
                   "[domain.\"die.example\"]\ndeliver = \"pipe:/bin/true; kill -9 $PPID\"\nusers = \"any\"\n"
                   "[domain.\"slow.example\"]\ndeliver = \"pipe:/bin/sleep 2\"\nusers = \"any\"\n"
                   "[domain.\"sys.example\"]\ndeliver = \"maildir:~/thurn-test-maildir\"\nusers = \"system\"\n",
                   h.dir, h.dir, h.dir, h.dir, h.dir);
    buf messages;
    buf_init(&messages, 1 << 16);
    if (conf_parse(SLICE("test.toml"), slice_str(text), false, &messages, &h.conf) != ERR_OK)
        fail_msg("%.*s", SLICE_ARG(buf_slice(&messages)));
    buf_deinit(&messages);
}

static int prepare(void **state)
{
    (void)state;
    memset(&h, 0, sizeof(h));
    (void)snprintf(h.dir, sizeof(h.dir), "/tmp/deliver_test.XXXXXX");
    assert_non_null(mkdtemp(h.dir));
    arena_init(&h.arena, 1 << 20);
    assert_int_equal(os_user_by_uid(getuid() == 0 ? 65534 : getuid(), &h.arena, &h.user), ERR_OK);
    assert_int_equal(chmod(h.dir, 0755), 0);
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/queue", h.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(spool_dir_open(path, &h.spool_fd), ERR_OK);
    (void)snprintf(path, sizeof(path), "%s/mail", h.dir);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(chown(path, h.user.uid, h.user.gid), 0);
    struct spool_writer_options o = {.dir_fd = h.spool_fd, .writer = 1, .memory_max = 64 << 20};
    assert_int_equal(spool_writer_open(&o, &h.writer), ERR_OK);
    spool_writer_supply_numbers(h.writer, 1, 1000);
    read_conf();
    return 0;
}

/* A message in the spool for these recipients (separated by spaces): its index. */
static unsigned mail_of(const char *to, slice content)
{
    struct recipient recipients[16] = {0};
    struct envelope e = {.reverse_path = SLICE("s@far.example"), .recipients = recipients};
    for (slice rest = slice_str(to), one; rest.len > 0;) {
        (void)slice_cut(rest, ' ', &one, &rest);
        recipients[e.recipient_count++].address = one;
    }
    struct spool_message *m;
    struct body_scan scan;
    body_scan_init(&scan);
    body_scan_feed(&scan, content);
    assert_int_equal(spool_message_begin(h.writer, NULL, &m), ERR_OK);
    assert_int_equal(spool_message_append(m, content), ERR_OK);
    struct spool_head head = {.id = ID_FIRST + h.place_count,
                              .arrival_s = os_wall_s(),
                              .facts = body_scan_end(&scan),
                              .envelope_count = 1,
                              .envelopes = &e};
    assert_int_equal(spool_message_commit(&m, &head), ERR_OK);
    spool_writer_flush(h.writer);
    for (;;) {
        struct pollfd p = {.fd = spool_writer_wake_fd(h.writer), .events = POLLIN};
        struct spool_done d;
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        while (spool_writer_next_done(h.writer, &d)) {
            if (d.kind != SPOOL_DONE_COMMITTED)
                continue;
            assert_int_equal(d.err, ERR_OK);
            h.places[h.place_count] = d.place;
            return h.place_count++;
        }
    }
}

static unsigned mail(const char *to)
{
    return mail_of(to, SLICE("Subject: x\r\n\r\nhello\r\n"));
}

static void start(void)
{
    char command[160];
    int pair[2];
    spool_writer_close(&h.writer);
    (void)snprintf(command, sizeof(command), "chown -R %u %s/queue", h.user.uid, h.dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(process_fork(&h.pid), ERR_OK);
    if (h.pid == 0) {
        close(pair[0]);
        start_child(pair[1]);
    }
    close(pair[1]);
    assert_int_equal(ipc_channel_open(pair[0], PROCESS_MASTER, PROCESS_DELIVER, &h.master), ERR_OK);
    introduce_queue();
    WAIT(h.ready && h.hello_ends);
}

static uint64_t give(unsigned index, uint32_t recipient_count)
{
    char recipients[16 * 4];
    struct ipc_message m = {.type = IPC_job, .fd = -1};
    struct ipc_job *j = &m.u.job;
    for (uint32_t i = 0; i < recipient_count; i++)
        put_u32(recipients + i * sizeof(uint32_t), i);
    j->job = ++h.job;
    CHILD_PLACE_SET(*j, &h.places[index]);
    j->arrival_s = os_wall_s();
    j->dispatch_us = os_wall_us();
    j->recipients = slice_of(recipients, recipient_count * sizeof(uint32_t));
    send_to(h.queue, &m);
    return h.job;
}

static const struct seen_result *result_of(uint64_t job, uint32_t recipient)
{
    static const struct seen_result none;
    for (unsigned i = 0; i < h.result_count; i++)
        if (h.results[i].job == job && h.results[i].recipient == recipient)
            return &h.results[i];
    return &none;
}

static int end(void **state)
{
    (void)state;
    int status = 0, waited = 0;
    if (h.pid)
        process_kill(h.pid, SIGTERM);
    for (int i = 0; i < PATIENCE_MS && h.pid && waited == 0; i++) {
        pump(1);
        waited = waitpid(h.pid, &status, WNOHANG);
    }
    if (h.pid && waited == 0)
        process_kill(h.pid, SIGKILL);
    ipc_channel_close(&h.master);
    ipc_channel_close(&h.queue);
    os_close(&h.spool_fd);
    conf_close(&h.conf);
    arena_deinit(&h.arena);
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf %s", h.dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(waited, h.pid);
    assert_int_equal(status, 0);
    return 0;
}

/* The number of files below mail/; the last one's owner. */
static int files_in(const char *name, uid_t *owner_r)
{
    char path[400];
    int count = 0;
    (void)snprintf(path, sizeof(path), "%s/mail/%s", h.dir, name);
    DIR *d = opendir(path);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        struct stat st;
        if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, 0) != 0)
            continue;
        count++;
        if (owner_r)
            *owner_r = st.st_uid;
    }
    if (d)
        closedir(d);
    return count;
}

static bool there(const char *name)
{
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/mail/%s", h.dir, name);
    return access(path, F_OK) == 0;
}

static void each_recipient_has_a_mailbox(void **state)
{
    (void)state;
    unsigned m = mail("Alice+list@dir.example bob@dir.example carol@box.example dan@pipe.example");
    start();
    uint64_t job = give(m, 4);
    WAIT(h.done == 1);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(result_of(job, i)->code, 250);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(result_of(job, i)->dsn, RESULT_DSN_FINAL);
    uid_t owner = 0;
    assert_int_equal(files_in("alice/new", &owner), 1);
    assert_int_equal(owner, h.user.uid);
    assert_int_equal(files_in("bob/new", NULL), 1);
    assert_true(there("carol.mbox"));
    assert_true(there("piped"));
    assert_true(there("for-dan"));
}

static void names_that_are_no_mailbox_are_refused(void **state)
{
    (void)state;
    unsigned m = mail("../../up@dir.example .hidden@dir.example $(id)@pipe.example a;b@pipe.example `x`@pipe.example");
    start();
    uint64_t job = give(m, 5);
    WAIT(h.done == 1);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(result_of(job, i)->code / 100, 5);
    assert_int_equal(files_in("", NULL), 0);
}

static void a_loop_ends(void **state)
{
    (void)state;
    unsigned m = mail_of("alice@dir.example bob@dir.example",
                         SLICE("Delivered-To: alice@dir.example\r\nSubject: x\r\n\r\nhello\r\n"));
    start();
    uint64_t job = give(m, 2);
    WAIT(h.done == 1);
    assert_int_equal(result_of(job, 0)->code, 554);
    assert_int_equal(result_of(job, 1)->code, 250);
    assert_int_equal(files_in("alice/new", NULL), 0);
}

static void a_worker_that_dies_defers_what_it_had(void **state)
{
    (void)state;
    unsigned bad = mail("a@die.example"), good = mail("a@dir.example");
    start();
    uint64_t job = give(bad, 1);
    give(good, 1);
    WAIT(h.done == 2);
    assert_int_equal(result_of(job, 0)->code / 100, 4);
    give(good, 1);
    WAIT(h.done == 3);
    assert_int_equal(files_in("a/new", NULL), 2);
}

static long memory_kib(int pid)
{
    char path[64], line[256];
    long kib = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        (void)sscanf(line, "VmHWM: %ld", &kib);
    if (f)
        fclose(f);
    return kib;
}

static void thousands_at_once_need_little_memory(void **state)
{
    (void)state;
    static char content[200000];
    memset(content, 'x', sizeof(content));
    for (size_t i = 0; i + 2 <= sizeof(content); i += 1000)
        memcpy(content + i + 998, "\r\n", 2);
    memcpy(content, "S: x\r\n\r\n", 8);
    unsigned m = mail_of("a@dir.example", slice_of(content, sizeof(content)));
    start();
    for (int i = 0; i < 2000; i++)
        give(m, 1);
    WAIT(h.done == 2000);
    for (unsigned i = 0; i < h.result_count; i++)
        assert_int_equal(h.results[i].code, 250);
    assert_int_equal(files_in("a/new", NULL), 2000);
    assert_int_equal(files_in("a/tmp", NULL), 0);
    long kib = memory_kib(h.pid);
    assert_true(kib > 0);
    if (!SANITIZED)
        assert_true(kib < 100000); /* 400 MB of mail */
}

static void a_new_queue_hears_of_leases_and_of_results_in_between(void **state)
{
    (void)state;
    unsigned m = mail("a@slow.example");
    start();
    uint64_t job = give(m, 1);
    pump(300);
    ipc_channel_close(&h.queue);
    struct ipc_message gone = {.type = IPC_peer_gone, .fd = -1, .u.peer_gone = {h.process}};
    send_to(h.master, &gone);
    for (int i = 0; i < 40; i++)
        pump(100);
    h.hello_ends = h.leases = 0;
    introduce_queue();
    WAIT(h.hello_ends == 1 && h.done == 1);
    assert_int_equal(h.leases, 1);
    assert_int_equal(result_of(job, 0)->code, 250);
}

/* At a reload both are replaced, and there is no queue for a moment. */
static void a_drain_waits_for_a_queue_that_hears_of_results(void **state)
{
    (void)state;
    unsigned m = mail("a@slow.example");
    start();
    uint64_t job = give(m, 1);
    pump(300);
    ipc_channel_close(&h.queue);
    send_to(h.master, &(struct ipc_message){.type = IPC_peer_gone, .fd = -1, .u.peer_gone = {h.process}});
    send_to(h.master, &(struct ipc_message){.type = IPC_drain, .fd = -1, .u.drain = {PATIENCE_MS}});
    for (int i = 0; i < 40 && h.master; i++)
        pump(100);
    assert_non_null(h.master);
    h.hello_ends = h.leases = 0;
    introduce_queue();
    WAIT(h.hello_ends == 1 && h.done == 1);
    assert_int_equal(h.leases, 1);
    assert_int_equal(result_of(job, 0)->code, 250);
    WAIT(!h.master);
}

static void mail_is_never_written_as_root(void **state)
{
    (void)state;
    if (getuid() != 0)
        skip();
    unsigned m = mail("root@sys.example nosuchuser@sys.example");
    start();
    uint64_t job = give(m, 2);
    WAIT(h.done == 1);
    assert_int_equal(result_of(job, 0)->code, 451);
    assert_int_equal(result_of(job, 1)->code, 550);
    assert_int_equal(access("/root/thurn-test-maildir", F_OK), -1);
}

static void a_message_that_is_not_there_waits(void **state)
{
    (void)state;
    unsigned m = mail("a@dir.example");
    h.places[m].id++;
    start();
    uint64_t job = give(m, 1);
    WAIT(h.done == 1);
    assert_int_equal(result_of(job, 0)->code, 451);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, end)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(each_recipient_has_a_mailbox),
        TEST(names_that_are_no_mailbox_are_refused),
        TEST(a_loop_ends),
        TEST(a_worker_that_dies_defers_what_it_had),
        TEST(thousands_at_once_need_little_memory),
        TEST(a_new_queue_hears_of_leases_and_of_results_in_between),
        TEST(a_drain_waits_for_a_queue_that_hears_of_results),
        TEST(mail_is_never_written_as_root),
        TEST(a_message_that_is_not_there_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
