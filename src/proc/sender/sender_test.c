/* SPDX-License-Identifier: ISC */
/* A sender as the master would start it, in a child process, with this process in the roles of master, queue and lookup, and of the next hops. */
#include "proc/sender/sender.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <parts.h>
#include <sanitized.h>

#include "proc/sender/server_test.h"
#include "proc/sender/state.h"

#define PATIENCE_MS 90000
#define RESULTS_MAX 256
#define ID_FIRST 1000u

enum { FIRST, SECOND, LMTP_UNIX, SERVERS }; /* 127.0.0.1 and 127.0.0.2 at one port, and a unix socket */

struct seen_result {
    uint64_t job;
    uint32_t recipient;
    unsigned code;
    uint8_t dsn;
    bool remote;
    char text[256], host[128];
};

struct house {
    char dir[64];
    int spool_fd;
    uint16_t port;
    struct conf *conf;
    struct os_user user;
    struct arena arena;
    struct server servers[SERVERS];
    struct spool_writer *writer;
    struct spool_place places[64];
    unsigned place_count;
    int pid;
    int64_t timeout_percent;
    struct ipc_channel *master, *queue, *lookup;
    uint32_t process; /* the last introduced */
    bool mute;        /* lookup answers nothing */
    uint8_t mx_status;
    const char *mx_ip; /* of the MX answer; NULL: its hosts are broken off */
    const char *alias; /* what the answer calls a host instead of what it was asked for */
    struct seen_result results[RESULTS_MAX];
    unsigned result_count, done, returned, down, asked, leases, hello_ends, ready;
    char down_text[256];
    uint64_t job;
    struct envelope envelope;   /* of the mails to come: all but addresses */
    struct recipient recipient; /* the same of their recipients */
    bool bounce_signed;
};

static struct house h;

static void send_to(struct ipc_channel *c, const struct ipc_message *m)
{
    ipc_channel_send(c, m);
    enum err e = ipc_channel_flush(c);
    assert_true(e == ERR_OK || e == ERR_AGAIN);
}

static void text_copy(char *to, size_t size, slice from)
{
    size_t n = from.len < size - 1 ? from.len : size - 1;
    if (n > 0)
        memcpy(to, from.ptr, n);
    to[n] = 0;
}

static void on_result(const struct ipc_result *m)
{
    assert_true(h.result_count < RESULTS_MAX);
    struct seen_result *r = &h.results[h.result_count++];
    assert_int_equal(m->recipients.len, sizeof(uint32_t));
    *r = (struct seen_result){.job = m->job,
                              .recipient = get_u32(m->recipients.ptr),
                              .code = m->code,
                              .dsn = m->dsn,
                              .remote = m->remote != 0};
    text_copy(r->text, sizeof(r->text), m->text);
    text_copy(r->host, sizeof(r->host), m->host);
}

static void on_queue(void *ctx, const struct ipc_message *m)
{
    (void)ctx;
    h.done += m->type == IPC_job_done;
    h.returned += m->type == IPC_job_returned;
    h.leases += m->type == IPC_hello_lease;
    h.hello_ends += m->type == IPC_hello_end;
    if (m->type == IPC_result)
        on_result(&m->u.result);
    if (m->type == IPC_destination_down) {
        h.down++;
        text_copy(h.down_text, sizeof(h.down_text), m->u.destination_down.text);
    }
}

static void on_master(void *ctx, const struct ipc_message *m)
{
    (void)ctx;
    h.ready += m->type == IPC_ready;
}

static void put_u16_text(buf *b, unsigned v)
{
    char raw[2];
    put_u16(raw, (uint16_t)v);
    buf_append(b, slice_of(raw, 2));
}

static void host_print(buf *b, slice name, const char *const *ips, size_t count)
{
    put_u16_text(b, 10);
    put_u16_text(b, (unsigned)name.len);
    buf_append(b, name);
    put_u16_text(b, (unsigned)count);
    for (size_t i = 0; i < count; i++) {
        uint8_t ip[16];
        size_t len;
        assert_int_equal(address_ip_parse(slice_str(ips[i]), ip, &len), ERR_OK);
        buf_append_char(b, (char)len);
        buf_append(b, slice_of(ip, len));
    }
}

static void on_lookup(void *ctx, const struct ipc_message *m)
{
    (void)ctx;
    char memory[1024];
    buf hosts;
    buf_init_fixed(&hosts, memory, sizeof(memory));
    struct ipc_message a = {.type = IPC_answer_mx, .fd = -1, .u.answer_mx = {.status = LOOKUP_FOUND}};
    h.asked++;
    if (h.mute)
        return;
    if (m->type == IPC_ask_host) {
        static const char *const both[] = {"127.0.0.1", "127.0.0.2"};
        a.u.answer_mx.token = m->u.ask_host.token;
        host_print(&hosts, h.alias ? slice_str(h.alias) : m->u.ask_host.name, both,
                   slice_starts(m->u.ask_host.name, SLICE("two")) ? 2 : 1);
    } else if (m->type == IPC_ask_mx) {
        a.u.answer_mx.token = m->u.ask_mx.token;
        a.u.answer_mx.status = h.mx_status;
        if (h.mx_ip)
            host_print(&hosts, SLICE("mx.far.example"), &h.mx_ip, 1);
        else
            buf_append(&hosts, SLICE("\x00\x0a\xff\xff"));
    }
    a.u.answer_mx.hosts = buf_slice(&hosts);
    send_to(h.lookup, &a);
}

static void read_channel(struct ipc_channel **c, void (*call)(void *ctx, const struct ipc_message *m))
{
    if (!*c)
        return;
    enum err e = ipc_channel_read(*c, call, NULL);
    if (e != ERR_OK && e != ERR_AGAIN)
        ipc_channel_close(c);
}

static void pump(int ms)
{
    struct pollfd p[3] = {{.fd = -1}, {.fd = -1}, {.fd = -1}};
    struct ipc_channel *const channels[] = {h.master, h.queue, h.lookup};
    for (int i = 0; i < 3; i++)
        if (channels[i])
            p[i] = (struct pollfd){.fd = ipc_channel_fd(channels[i]), .events = POLLIN};
    if (poll(p, 3, ms) <= 0)
        return;
    if (p[0].revents)
        read_channel(&h.master, on_master);
    if (p[1].revents)
        read_channel(&h.queue, on_queue);
    if (p[2].revents)
        read_channel(&h.lookup, on_lookup);
}

#define WAIT(condition)                                                                                                \
    do {                                                                                                               \
        int64_t until_ = os_now_ms() + PATIENCE_MS;                                                                    \
        while (!(condition) && os_now_ms() < until_)                                                                   \
            pump(20);                                                                                                  \
        assert_true(condition);                                                                                        \
    } while (0)

static void introduce(enum process_kind kind, struct ipc_channel **c)
{
    int pair[2];
    ipc_channel_close(c);
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(ipc_channel_open(pair[0], kind, PROCESS_SENDER, c), ERR_OK);
    struct ipc_message m = {.type = IPC_peer, .fd = pair[1], .u.peer = {++h.process, (uint8_t)kind, 0, 1}};
    send_to(h.master, &m);
}

static void gone(uint32_t process, struct ipc_channel **c)
{
    ipc_channel_close(c);
    struct ipc_message m = {.type = IPC_peer_gone, .fd = -1, .u.peer_gone = {process}};
    send_to(h.master, &m);
}

static void start_child(int control_fd)
{
    char path[96];
    int log_fd = open("/dev/null", O_WRONLY);
    if (!getenv("SENDER_TEST_LOG"))
        dup2(log_fd, 2);
    (void)snprintf(path, sizeof(path), "%s/cert", h.dir);
    setenv("SSL_CERT_FILE", path, 1);
    struct child_start start = {.kind = PROCESS_SENDER,
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
    sender_get()->timeout_percent = h.timeout_percent;
    _exit(sender_main(&start));
}

/* One port that is free at both addresses. */
static void bind_servers(void)
{
    struct socket_address a;
    int fds[2] = {-1, -1};
    for (int i = 0; i < 100 && fds[1] < 0; i++) {
        os_close(&fds[0]);
        assert_int_equal(socket_address_parse(SLICE("127.0.0.1"), 0, &a), ERR_OK);
        assert_int_equal(socket_listen(&a, 100, 0, &fds[0]), ERR_OK);
        assert_int_equal(socket_local_address(fds[0], &a), ERR_OK);
        h.port = a.port;
        assert_int_equal(socket_address_parse(SLICE("127.0.0.2"), h.port, &a), ERR_OK);
        if (socket_listen(&a, 100, 0, &fds[1]) != ERR_OK)
            fds[1] = -1;
    }
    assert_true(fds[1] >= 0);
    server_open(&h.servers[FIRST], fds[0]);
    server_open(&h.servers[SECOND], fds[1]);
    a = (struct socket_address){0};
    (void)snprintf(a.path, sizeof(a.path), "%s/lmtp.sock", h.dir);
    assert_int_equal(socket_listen(&a, 100, 0666, &fds[0]), ERR_OK);
    server_open(&h.servers[LMTP_UNIX], fds[0]);
    h.servers[LMTP_UNIX].lmtp = true;
    for (int i = 0; i < SERVERS; i++) {
        int flags = fcntl(h.servers[i].listen_fd, F_GETFL);
        assert_int_equal(fcntl(h.servers[i].listen_fd, F_SETFL, flags & ~O_NONBLOCK), 0);
    }
}

static void read_conf(unsigned connections)
{
    char text[4096], path[96];
    (void)snprintf(path, sizeof(path), "%s/pw", h.dir);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "sesame\n", 7), 7);
    close(fd);
    (void)snprintf(text, sizeof(text),
                   "hostname = \"mx.test.example\"\npostmaster = \"alice@test.example\"\n"
                   "[queue]\nconnections_per_destination = %u\nsigned_8bit = \"%s\"\n"
                   "[domain.\"one.example\"]\ndeliver = \"smtp:one.test:%u\"\nusers = \"any\"\n"
                   "[domain.\"two.example\"]\ndeliver = \"smtp:two.test:%u\"\nusers = \"any\"\n"
                   "[domain.\"lmtp.example\"]\ndeliver = \"lmtp:127.0.0.1:%u\"\nusers = \"any\"\n"
                   "[domain.\"unix.example\"]\ndeliver = \"lmtp:unix:%s/lmtp.sock\"\nusers = \"any\"\n"
                   "[route.\"must.example\"]\nvia = \"smtp://one.test:%u\"\ntls = \"require\"\n"
                   "[route.\"sure.example\"]\nvia = \"smtp://one.test:%u\"\ntls = \"verify\"\n"
                   "[route.\"smart.example\"]\nvia = \"smtp://alice@one.test:%u\"\ntls = \"verify\"\n"
                   "password_file = \"%s\"\n"
                   "[domain.\"uno.example\"]\ndeliver = \"smtp:one.test:%u\"\nusers = \"any\"\n"
                   "[route.\"token.example\"]\nvia = \"smtp://alice@one.test:%u\"\ntls = \"verify\"\n"
                   "token_file = \"%s\"\n"
                   "[route.\"cert.example\"]\nvia = \"smtp://alice@one.test:%u\"\ntls = \"verify\"\n"
                   "cert = \"%s/cert\"\nkey = \"%s/key\"\n",
                   connections, h.bounce_signed ? "bounce" : "send", h.port, h.port, h.port, h.dir, h.port, h.port,
                   h.port, path, h.port, h.port, path, h.port, h.dir, h.dir);
    buf messages;
    buf_init(&messages, 1 << 16);
    if (conf_parse(SLICE("test.toml"), slice_str(text), false, &messages, &h.conf) != ERR_OK)
        fail_msg("%.*s", SLICE_ARG(buf_slice(&messages)));
    buf_deinit(&messages);
}

static void certificate(const char *name)
{
    char cert[96];
    (void)snprintf(cert, sizeof(cert), "%s/cert", h.dir);
    tls_server_close(&h.servers[FIRST].tls);
    h.servers[FIRST].tls = server_tls(name, h.dir);
    assert_int_equal(chmod(cert, 0644), 0);
}

static int prepare(void **state)
{
    (void)state;
    memset(&h, 0, sizeof(h));
    (void)snprintf(h.dir, sizeof(h.dir), "/tmp/sender_test.XXXXXX");
    assert_non_null(mkdtemp(h.dir));
    arena_init(&h.arena, 1 << 20);
    assert_int_equal(os_user_by_uid(getuid() == 0 ? 65534 : getuid(), &h.arena, &h.user), ERR_OK);
    assert_int_equal(chmod(h.dir, 0755), 0);
    assert_int_equal(spool_dir_open(h.dir, &h.spool_fd), ERR_OK);
    bind_servers();
    certificate("one.test");
    h.mx_status = LOOKUP_FOUND;
    h.mx_ip = "192.0.2.1";
    struct spool_writer_options o = {.dir_fd = h.spool_fd, .writer = 1, .memory_max = 128 << 20};
    assert_int_equal(spool_writer_open(&o, &h.writer), ERR_OK);
    spool_writer_supply_numbers(h.writer, 1, 1000);
    return 0;
}

/* A message in the spool for these recipients (separated by spaces): its index. */
static unsigned mail(const char *from, const char *to, const char *content, size_t filler)
{
    struct recipient recipients[64] = {0};
    struct envelope e = h.envelope;
    e.reverse_path = slice_str(from);
    e.recipients = recipients;
    for (slice rest = slice_str(to), one; rest.len > 0;) {
        (void)slice_cut(rest, ' ', &one, &rest);
        recipients[e.recipient_count] = h.recipient;
        recipients[e.recipient_count++].address = one;
    }
    struct spool_message *m;
    struct body_scan scan;
    body_scan_init(&scan);
    assert_int_equal(spool_message_begin(h.writer, NULL, &m), ERR_OK);
    body_scan_feed(&scan, slice_str(content));
    assert_int_equal(spool_message_append(m, slice_str(content)), ERR_OK);
    char line[1000];
    memset(line, 'x', sizeof(line));
    memcpy(line + sizeof(line) - 2, "\r\n", 2);
    struct spool_done d;
    for (size_t i = 0; i < filler; i++) {
        body_scan_feed(&scan, slice_of(line, sizeof(line)));
        assert_int_equal(spool_message_append(m, slice_of(line, sizeof(line))), ERR_OK);
        while (spool_message_congested(m)) {
            struct pollfd p = {.fd = spool_writer_wake_fd(h.writer), .events = POLLIN};
            assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
            while (spool_writer_next_done(h.writer, &d))
                continue;
        }
    }
    struct spool_head head = {.id = ID_FIRST + h.place_count,
                              .arrival_s = os_wall_s(),
                              .facts = body_scan_end(&scan),
                              .envelope_count = 1,
                              .envelopes = &e};
    assert_int_equal(spool_message_commit(&m, &head), ERR_OK);
    spool_writer_flush(h.writer);
    for (;;) {
        struct pollfd p = {.fd = spool_writer_wake_fd(h.writer), .events = POLLIN};
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

#define BODY "Subject: x\r\n\r\nhello\r\n"

static unsigned easy(const char *to)
{
    return mail("s@test.example", to, BODY, 0);
}

/* After the mails are there and the servers have their rules. */
static void start_with(unsigned connections)
{
    char command[160];
    int pair[2];
    spool_writer_close(&h.writer);
    read_conf(connections);
    (void)snprintf(command, sizeof(command), "chown -R %u %s", h.user.uid, h.dir);
    assert_int_equal(system(command), 0);
    (void)snprintf(command, sizeof(command), "chown %u %s/pw && chmod 600 %s/pw", getuid(), h.dir, h.dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(process_fork(&h.pid), ERR_OK);
    if (h.pid == 0) {
        close(pair[0]);
        for (int i = 0; i < SERVERS; i++)
            close(h.servers[i].listen_fd);
        start_child(pair[1]);
    }
    close(pair[1]);
    for (int i = 0; i < SERVERS; i++)
        server_start(&h.servers[i]);
    assert_int_equal(ipc_channel_open(pair[0], PROCESS_MASTER, PROCESS_SENDER, &h.master), ERR_OK);
    introduce(PROCESS_QUEUE, &h.queue);
    introduce(PROCESS_LOOKUP, &h.lookup);
    WAIT(h.ready && h.hello_ends);
}

static void start(void)
{
    start_with(20);
}

static uint64_t give_later(unsigned mail_index, uint32_t recipient_count)
{
    char recipients[64 * 4];
    struct ipc_message m = {.type = IPC_job, .fd = -1};
    struct ipc_job *j = &m.u.job;
    for (uint32_t i = 0; i < recipient_count; i++)
        put_u32(recipients + i * sizeof(uint32_t), i);
    j->job = ++h.job;
    j->destination = 5;
    j->connections = h.conf->queue.connections_per_destination;
    CHILD_PLACE_SET(*j, &h.places[mail_index]);
    j->arrival_s = os_wall_s();
    j->dispatch_us = os_wall_us();
    j->recipients = slice_of(recipients, recipient_count * sizeof(uint32_t));
    ipc_channel_send(h.queue, &m);
    return h.job;
}

static void give_flush(void)
{
    enum err e = ipc_channel_flush(h.queue);
    assert_true(e == ERR_OK || e == ERR_AGAIN);
}

static uint64_t give(unsigned mail_index, uint32_t recipient_count)
{
    uint64_t job = give_later(mail_index, recipient_count);
    give_flush();
    return job;
}

static const struct seen_result *result_of(uint64_t job, uint32_t recipient)
{
    for (unsigned i = 0; i < h.result_count; i++)
        if (h.results[i].job == job && h.results[i].recipient == recipient)
            return &h.results[i];
    return NULL;
}

static unsigned code_of(uint64_t job, uint32_t recipient)
{
    const struct seen_result *r = result_of(job, recipient);
    return r ? r->code : 0;
}

/* One mail, one recipient; its code. */
static unsigned send_one(const char *to)
{
    unsigned done = h.done, index = easy(to);
    start();
    uint64_t job = give(index, 1);
    WAIT(h.done > done || h.returned);
    return code_of(job, 0);
}

static int end(void **state)
{
    (void)state;
    int status = 0, waited = 0;

    if (h.pid) {
        process_kill(h.pid, SIGTERM);
        for (int i = 0; i < PATIENCE_MS && waited == 0; i++) {
            pump(1);
            waited = waitpid(h.pid, &status, WNOHANG);
        }
        if (waited == 0)
            process_kill(h.pid, SIGKILL);
    }
    ipc_channel_close(&h.master);
    ipc_channel_close(&h.queue);
    ipc_channel_close(&h.lookup);
    for (int i = 0; i < SERVERS; i++)
        server_close(&h.servers[i]);
    os_close(&h.spool_fd);
    if (h.conf)
        conf_close(&h.conf);
    arena_deinit(&h.arena);
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf %s", h.dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(waited, h.pid);
    assert_int_equal(status, 0);
    return 0;
}

/* --- what a host says about mail and recipients --- */

static void one_session_has_many_recipients_with_a_verdict_each(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){"RCPT TO:<bad@", "550 5.1.1 nobody\r\n", 0, 0};
    h.servers[FIRST].rules[1] = (struct rule){"RCPT TO:<later@", "450 4.2.1 busy\r\n", 0, 0};
    h.servers[FIRST].rules[2] = (struct rule){"RCPT TO:<many@", "552 5.5.3 too many\r\n", 0, 0};
    unsigned m = easy("good@one.example bad@one.example later@one.example many@one.example also@one.example");
    start();
    uint64_t job = give(m, 5);
    WAIT(h.done == 1);
    assert_int_equal(code_of(job, 0), 250);
    assert_int_equal(code_of(job, 1), 550);
    assert_int_equal(code_of(job, 2), 450);
    assert_int_equal(code_of(job, 3), 452);
    assert_int_equal(code_of(job, 4), 250);
    assert_string_equal(result_of(job, 1)->text, "nobody");
    assert_true(result_of(job, 1)->remote);
    char host[64];
    (void)snprintf(host, sizeof(host), "one.test[127.0.0.1]:%u", h.port);
    assert_string_equal(result_of(job, 0)->host, host);
    assert_int_equal(h.servers[FIRST].connections, 1);
    assert_int_equal(h.servers[FIRST].messages, 1);
}

static void a_session_carries_mail_after_mail(void **state)
{
    (void)state;
    unsigned m[30];
    for (int i = 0; i < 30; i++)
        m[i] = easy("a@one.example");
    h.servers[FIRST].ehlo = "250-PIPELINING\r\n";
    start_with(1);
    for (int i = 0; i < 30; i++)
        give(m[i], 1);
    WAIT(h.done == 30);
    assert_int_equal(h.result_count, 30);
    assert_int_equal(h.servers[FIRST].connections, 1);
    assert_int_equal(h.servers[FIRST].messages, 30);
    assert_int_equal(h.returned, 0);
}

static void an_idle_session_is_used_again_and_ended_in_the_end(void **state)
{
    (void)state;
    unsigned m = easy("a@one.example"), given = 0;
    start();
    /* This process may be kept from running for longer than a session stays idle: then another try. */
    do {
        give(m, 1);
        WAIT(h.done == given + 1);
    } while (++given < 10 && (given == 1 || h.servers[FIRST].connections == given));
    unsigned connections = h.servers[FIRST].connections;
    assert_true(connections < given);
    WAIT(server_heard(&h.servers[FIRST], "QUIT") == connections);
    give(m, 1);
    WAIT(h.done == given + 1);
    assert_int_equal(h.servers[FIRST].connections, connections + 1);
}

static void an_idle_session_says_at_once_what_it_knows(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-SIZE 5000\r\n";
    unsigned small = easy("a@one.example"), big = mail("s@test.example", "a@one.example", BODY, 20);
    start();
    give(small, 1);
    WAIT(h.done == 1);
    pump(100);
    uint64_t job = give(big, 1);
    WAIT(h.done == 2);
    assert_int_equal(code_of(job, 0), 552);
}

static void commands_are_pipelined_when_offered(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-PIPELINING\r\n";
    h.servers[FIRST].rules[0] = (struct rule){"MAIL", "550 5.7.1 not you\r\n", 0, 1};
    h.servers[FIRST].rules[1] = (struct rule){"RCPT", "503 5.5.1 MAIL first\r\n", 0, 1};
    h.servers[FIRST].rules[2] = (struct rule){"DATA", "503 5.5.1 RCPT first\r\n", 0, 1};
    unsigned m = easy("a@one.example b@one.example");
    start();
    uint64_t job = give(m, 2);
    WAIT(h.done == 1);
    assert_int_equal(code_of(job, 0), 550);
    assert_string_equal(result_of(job, 1)->text, "not you");
}

static void ehlo_refused_means_helo(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){"EHLO", "502 5.5.1 what?\r\n", 0, 0};
    assert_int_equal(send_one("a@one.example"), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "HELO mx.test.example"), 1);
}

static void the_content_arrives_as_it_was(void **state)
{
    (void)state;
    unsigned m = mail("", "a@one.example", "Subject: dots\r\n\r\n.\r\n..two\r\nend without newline", 0);
    start();
    give(m, 1);
    WAIT(h.done == 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL FROM:<>\r\n"), 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "\r\n\r\n..\r\n...two\r\nend without newline\r\n"), 1);
}

/* --- hosts that fail --- */

static void refused_by_the_greeting(void **state, const char *greeting)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){"", greeting, 0, 0};
    assert_int_equal(send_one("a@two.example"), 250);
    assert_int_equal(h.servers[FIRST].connections, 1);
    assert_int_equal(h.servers[SECOND].messages, 1);
    assert_int_equal(h.down, 0);
}

static void greeting_421_means_the_next_host(void **state)
{
    refused_by_the_greeting(state, "421 4.3.2 not now\r\n");
}

static void greeting_554_means_the_next_host(void **state)
{
    refused_by_the_greeting(state, "554 5.7.1 not you\r\n");
}

static void no_word_means_the_next_host(void **state)
{
    refused_by_the_greeting(state, SAY_CLOSE);
}

static void garbage_means_the_next_host(void **state)
{
    refused_by_the_greeting(state, "\001\377HTTP/1.1 400 Bad Request\r\n");
}

static void an_endless_reply_means_the_next_host(void **state)
{
    refused_by_the_greeting(state, SAY_ENDLESS);
}

static void a_dripping_greeting_has_a_deadline(void **state)
{
    h.timeout_percent = 1; /* 3 s for a greeting */
    refused_by_the_greeting(state, SAY_DRIP);
}

static void silence_has_a_deadline(void **state)
{
    h.timeout_percent = 1;
    refused_by_the_greeting(state, SAY_NOTHING);
}

static void refused_connection_means_the_next_address(void **state)
{
    (void)state;
    unsigned m = easy("a@two.example");
    /* Bound and not listening any more: refused. */
    assert_int_equal(shutdown(h.servers[FIRST].listen_fd, SHUT_RDWR), 0);
    start();
    uint64_t job = give(m, 1);
    WAIT(h.done == 1);
    assert_int_equal(code_of(job, 0), 250);
    assert_int_equal(h.servers[SECOND].messages, 1);
}

static void with_all_hosts_dead_the_jobs_go_back_once(void **state)
{
    (void)state;
    unsigned m = easy("a@two.example");
    h.servers[FIRST].rules[0] = (struct rule){"", "554 5.3.2 gone fishing\r\n", 0, 0};
    h.servers[SECOND].rules[0] = (struct rule){"", "554 5.3.2 gone fishing\r\n", 0, 0};
    start();
    for (int i = 0; i < 20; i++)
        give_later(m, 1);
    give_flush();
    WAIT(h.returned == 20);
    assert_int_equal(h.result_count, 0);
    assert_int_equal(h.done, 0);
    assert_true(h.down >= 1 && h.down <= 2); /* jobs that came while the first ones went back */
    assert_string_equal(h.down_text, "gone fishing");
    assert_true(h.servers[FIRST].connections <= 21);
}

static void too_many_sessions_is_no_failure(void **state)
{
    (void)state;
    unsigned m = easy("a@two.example");
    for (unsigned i = 2; i < 12; i++)
        h.servers[FIRST].rules[i - 2] = (struct rule){"", "421 4.7.0 one is enough\r\n", i, 0};
    start();
    for (int i = 0; i < 40; i++)
        give(m, 1);
    WAIT(h.done == 40);
    for (unsigned i = 0; i < h.result_count; i++)
        assert_int_equal(h.results[i].code, 250);
    assert_int_equal(h.down, 0);
}

static void death_in_data_means_the_next_host(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){"BODY", SAY_CLOSE, 0, 0};
    unsigned m = mail("s@test.example", "a@two.example", BODY, 20000);
    start_with(1);
    uint64_t job = give(m, 1);
    WAIT(h.done == 1);
    assert_int_equal(code_of(job, 0), 250);
    assert_int_equal(h.servers[SECOND].messages, 1);
}

/* The others' session with the host that killed it is up all the time: it must not keep this one waiting. */
static void a_mail_that_kills_one_host_is_not_stuck(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){"MAIL FROM:<poison@", SAY_CLOSE, 0, 0};
    unsigned poison = mail("poison@test.example", "a@two.example", BODY, 0), good = easy("a@two.example");
    start_with(2);
    give(good, 1);
    give(good, 1);
    uint64_t job = give(poison, 1);
    for (int i = 0; i < 10; i++)
        give(good, 1);
    WAIT(h.done == 13);
    assert_int_equal(code_of(job, 0), 250);
    assert_int_equal(h.servers[SECOND].messages >= 1, 1);
}

static void death_in_data_of_the_only_host_defers(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){"BODY", SAY_CLOSE, 0, 0};
    unsigned m = mail("s@test.example", "a@one.example", BODY, 20000);
    start();
    uint64_t job = give(m, 1);
    WAIT(h.done == 1);
    assert_int_equal(code_of(job, 0), 451);
    assert_int_equal(h.servers[FIRST].connections, 1);
}

static void a_host_that_ends_a_used_session_gets_the_mail_on_a_new_one(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){"MAIL", "421 4.7.0 enough in one session\r\n", 0, 3};
    unsigned m = easy("a@one.example");
    start_with(1);
    for (int i = 0; i < 8; i++)
        give(m, 1);
    WAIT(h.done == 8);
    for (unsigned i = 0; i < h.result_count; i++)
        assert_int_equal(h.results[i].code, 250);
    assert_int_equal(h.servers[FIRST].messages, 8);
}

static void silence_after_the_dot_goes_to_no_second_host(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){".", SAY_CLOSE, 0, 0};
    unsigned m = easy("a@two.example");
    start();
    uint64_t job = give(m, 1);
    WAIT(h.done == 1);
    assert_int_equal(code_of(job, 0), 451);
    assert_false(result_of(job, 0)->remote);
    assert_int_equal(h.servers[SECOND].connections, 0);
}

static void hostile_words_arrive_harmless(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){"RCPT", "550-\033[2J\001one\r\n550 \tFrom: x\rY\177\r\n", 0, 0};
    unsigned m = easy("a@one.example");
    start();
    uint64_t job = give(m, 1);
    WAIT(h.done == 1);
    assert_int_equal(code_of(job, 0), 550);
    for (const char *p = result_of(job, 0)->text; *p; p++)
        assert_true((unsigned char)*p >= 0x20 || *p == '\n');
}

/* --- LMTP --- */

static void lmtp_replies(struct server *s, const char *to)
{
    s->lmtp = true;
    s->rules[0] = (struct rule){".RCPT TO:<full@", "452 4.2.2 full\r\n", 0, 0};
    s->rules[1] = (struct rule){".RCPT TO:<bad@", "554 5.6.0 no\r\n", 0, 0};
    unsigned m = easy(to);
    start();
    uint64_t job = give(m, 3);
    WAIT(h.done == 1);
    assert_int_equal(code_of(job, 0), 250);
    assert_int_equal(code_of(job, 1), 452);
    assert_int_equal(code_of(job, 2), 554);
    assert_int_equal(server_heard(s, "LHLO "), 1);
    assert_int_equal(result_of(job, 0)->dsn, RESULT_DSN_FINAL);
}

static void lmtp_has_a_reply_a_recipient(void **state)
{
    (void)state;
    lmtp_replies(&h.servers[FIRST], "a@lmtp.example full@lmtp.example bad@lmtp.example");
}

static void lmtp_over_a_unix_socket(void **state)
{
    (void)state;
    lmtp_replies(&h.servers[LMTP_UNIX], "a@unix.example full@unix.example bad@unix.example");
    assert_non_null(strstr(h.results[0].host, "lmtp.sock"));
}

static void lmtp_that_dies_between_its_replies(void **state)
{
    (void)state;
    h.servers[FIRST].lmtp = true;
    h.servers[FIRST].rules[0] = (struct rule){".RCPT TO:<b@", SAY_CLOSE, 0, 0};
    unsigned m = easy("a@lmtp.example b@lmtp.example c@lmtp.example");
    start();
    uint64_t job = give(m, 3);
    WAIT(h.done == 1);
    assert_int_equal(code_of(job, 0), 250);
    assert_int_equal(code_of(job, 1), 451);
    assert_int_equal(code_of(job, 2), 451);
}

/* --- TLS and login --- */

static void tls_is_used_when_offered(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n";
    unsigned m = easy("a@one.example");
    start();
    give(m, 1);
    WAIT(h.done == 1);
    assert_int_equal(h.results[0].code, 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "STARTTLS"), 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "EHLO"), 2);
    /* and a second time, when the first session is over */
    WAIT(server_heard(&h.servers[FIRST], "QUIT") == 1);
    give(m, 1);
    WAIT(h.done == 2);
    assert_int_equal(h.servers[FIRST].connections, 2);
}

static void broken_tls_means_plaintext_when_it_may(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n";
    h.servers[FIRST].broken_tls = true;
    assert_int_equal(send_one("a@one.example"), 250);
    assert_int_equal(h.servers[FIRST].connections, 2);
}

static void nothing_goes_out(const char *to, unsigned connections)
{
    unsigned m = easy(to);
    start();
    give(m, 1);
    WAIT(h.returned == 1);
    assert_int_equal(h.down, 1);
    assert_int_equal(h.servers[FIRST].messages, 0);
    assert_int_equal(h.servers[FIRST].connections, connections);
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
    assert_int_equal(server_heard(&h.servers[FIRST], "AUTH"), 0);
}

static void required_tls_that_is_broken_defers(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n";
    h.servers[FIRST].broken_tls = true;
    nothing_goes_out("a@must.example", 1);
}

static void required_tls_that_is_not_offered_defers(void **state)
{
    (void)state;
    nothing_goes_out("a@must.example", 1);
}

static void verified_tls_with_another_name_defers(void **state)
{
    (void)state;
    certificate("evil.test");
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n";
    nothing_goes_out("a@smart.example", 1);
}

/* RFC 4954 section 14: a CNAME is anybody's word, and its certificate proves nothing. */
static void e11_client_a_name_from_dns_is_never_verified(void **state)
{
    (void)state;
    h.alias = "evil.test";
    certificate("evil.test");
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n";
    nothing_goes_out("a@smart.example", 1);
}

static void e11_client_cancels_what_is_no_base64(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n250-AUTH PLAIN\r\n";
    h.servers[FIRST].rules[0] = (struct rule){"AUTH", "334 !!!\r\n", 0, 0};
    unsigned m = easy("a@smart.example");
    start();
    give(m, 1);
    WAIT(h.returned == 1);
    assert_int_equal(h.down, 1);
    WAIT(server_heard(&h.servers[FIRST], "*\r\n") > 0);
    assert_int_equal(server_heard(&h.servers[FIRST], "\n*\r\n"), 1);
}

static void a_password_never_goes_over_plaintext(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-AUTH PLAIN LOGIN\r\n";
    nothing_goes_out("a@smart.example", 1);
}

static void a_login_goes_over_verified_tls(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n";
    assert_int_equal(send_one("a@smart.example"), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n"), 1);
}

static void a_login_that_is_refused_defers(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n250-AUTH PLAIN\r\n";
    h.servers[FIRST].rules[0] = (struct rule){"AUTH", "535 5.7.8 wrong\r\n", 0, 0};
    unsigned m = easy("a@smart.example");
    start();
    give(m, 1);
    WAIT(h.returned == 1);
    assert_int_equal(h.down, 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
}

/* --- extensions --- */

#define EIGHT_BIT                                                                                                      \
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "        \
    "8bit\r\n\r\n\xc3\xa9\r\n"
#define SIGNED "DKIM-Signature: v=1; a=rsa-sha256; d=test.example; s=x; h=from; bh=; b=\r\n" EIGHT_BIT

static unsigned send_content(const char *content)
{
    unsigned m = mail("s@test.example", "a@one.example", content, 0);
    start();
    uint64_t job = give(m, 1);
    WAIT(h.done == 1);
    return code_of(job, 0);
}

static void e2_client_converts_for_a_host_of_seven_bits(void **state)
{
    (void)state;
    h.envelope.flags = ENVELOPE_BODY_8BIT;
    assert_int_equal(send_content(EIGHT_BIT), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "=C3=A9"), 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "quoted-printable"), 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "\xc3\xa9"), 0);
    assert_int_equal(server_heard(&h.servers[FIRST], "BODY="), 0);
}

static void e2_client_converts_nothing_for_a_host_with_8bitmime(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-8BITMIME\r\n";
    h.envelope.flags = ENVELOPE_BODY_8BIT;
    assert_int_equal(send_content(EIGHT_BIT), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "\r\n\xc3\xa9\r\n"), 1);
    assert_int_equal(server_heard(&h.servers[FIRST], " BODY=8BITMIME\r\n"), 1);
}

static void e2_client_signed_mail_goes_as_it_is(void **state)
{
    (void)state;
    h.envelope.flags = ENVELOPE_BODY_8BIT;
    assert_int_equal(send_content(SIGNED), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "\r\n\xc3\xa9\r\n"), 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "BODY="), 0);
}

static void e2_client_signed_mail_is_bounced_by_choice(void **state)
{
    (void)state;
    h.envelope.flags = ENVELOPE_BODY_8BIT;
    h.bounce_signed = true;
    assert_int_equal(send_content(SIGNED), 554);
    assert_false(h.results[0].remote);
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
}

#define LETTERS_100                                                                                                    \
    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjjj"
#define LETTERS_500 LETTERS_100 LETTERS_100 LETTERS_100 LETTERS_100 LETTERS_100
#define LONG_LINE "Subject: x\r\nX-Long: " LETTERS_500 " " LETTERS_500 "\r\n\r\n" LETTERS_500 " " LETTERS_500 "\r\n"

/* RFC 5321 section 4.5.3.1.6: what 8BITMIME offers is no longer lines (RFC 6152 section 3). */
static void e2_client_breaks_no_host_with_long_lines(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-8BITMIME\r\n";
    assert_int_equal(send_content(LONG_LINE), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "X-Long: " LETTERS_500 "\r\n " LETTERS_500 "\r\n"), 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "Content-Transfer-Encoding: quoted-printable\r\n"), 1);
    assert_int_equal(server_heard(&h.servers[FIRST], LETTERS_500 " "), 0);
}

static void e2_client_long_lines_that_are_signed_go_as_they_are(void **state)
{
    (void)state;
    assert_int_equal(send_content("DKIM-Signature: v=1\r\n" LONG_LINE), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "\r\n" LETTERS_500 " " LETTERS_500 "\r\n"), 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "quoted-printable"), 0);
}

static void e2_client_long_lines_that_are_signed_are_bounced_by_choice(void **state)
{
    (void)state;
    h.bounce_signed = true;
    assert_int_equal(send_content("DKIM-Signature: v=1\r\n" LONG_LINE), 554);
    assert_false(h.results[0].remote);
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
}

/* A body in a file of its own, converted as it leaves: size declared and sent are one. */
static void e2_client_converts_a_large_message(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-SIZE 100000000\r\n";
    h.envelope.flags = ENVELOPE_BODY_8BIT;
    unsigned m = mail("s@test.example", "a@one.example", EIGHT_BIT, 3000);
    start();
    uint64_t job = give(m, 1);
    WAIT(h.done == 1);
    assert_int_equal(code_of(job, 0), 250);
    char size[64];
    (void)snprintf(size, sizeof(size), "SIZE=%llu\r\n", (unsigned long long)h.servers[FIRST].bytes);
    assert_int_equal(server_heard(&h.servers[FIRST], size), 1);
    assert_in_range(h.servers[FIRST].bytes, 3000000, 3500000);
}

/* A large message is converted in pieces, between which another session says all that it has to say. */
static void e2_client_converts_while_others_go_on(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-SIZE 100000000\r\n";
    h.envelope.flags = ENVELOPE_BODY_8BIT;
    unsigned large = mail("s@test.example", "a@one.example", EIGHT_BIT, 60000);
    h.envelope.flags = 0;
    unsigned small = mail("s@test.example", "a@unix.example", "Subject: x\r\n\r\nx\r\n", 0);
    start();
    uint64_t first = give(large, 1);
    WAIT(server_heard(&h.servers[FIRST], "EHLO") == 1);
    uint64_t second = give(small, 2);
    WAIT(h.done == 1);
    assert_int_equal(code_of(second, 0), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
    WAIT(h.done == 2);
    assert_int_equal(code_of(first, 0), 250);
    assert_int_equal(h.servers[FIRST].messages, 1);
    assert_true(h.servers[FIRST].bytes > 60000000);
}

/* The host hangs up while its message is converted: the message waits like any other whose session was lost. */
static void e2_client_a_host_that_hangs_up_in_a_conversion(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){.on = "EHLO", .reply = "250 mx.far.example\r\n421 4.3.2 bye\r\n"};
    h.envelope.flags = ENVELOPE_BODY_8BIT;
    unsigned m = mail("s@test.example", "a@one.example", EIGHT_BIT, 20000);
    start();
    uint64_t job = give(m, 1);
    WAIT(h.done + h.returned + h.down >= 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "DATA"), 0);
    if (h.done)
        assert_in_range(code_of(job, 0), 400, 499);
    assert_in_range(h.servers[FIRST].connections, 1, 12);
}

static void e5_client_binary_content_becomes_base64_for_others(void **state)
{
    (void)state;
    h.envelope.flags = ENVELOPE_BODY_BINARY;
    h.servers[FIRST].ehlo = "250-8BITMIME\r\n250-CHUNKING\r\n";
    assert_int_equal(send_content("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: image/x\r\n"
                                  "Content-Transfer-Encoding: binary\r\n\r\na\nb\x01"),
                     250);
    assert_int_equal(server_heard(&h.servers[FIRST], "YQpiAQ=="), 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "BODY="), 0);
    assert_int_equal(server_heard(&h.servers[FIRST], "BDAT"), 0);
}

static void dsn_of(const char *ehlo, uint8_t wanted)
{
    h.servers[FIRST].ehlo = ehlo;
    h.envelope.envid = SLICE("x y");
    h.recipient.notify = NOTIFY_SUCCESS;
    h.recipient.orcpt = SLICE("rfc822;o@test.example");
    assert_int_equal(send_one("a@one.example"), 250);
    assert_int_equal(h.results[0].dsn, wanted);
    bool passed = wanted == RESULT_DSN_PASSED;
    assert_int_equal(server_heard(&h.servers[FIRST], " ENVID=x+20y\r\n"), passed);
    assert_int_equal(server_heard(&h.servers[FIRST], " NOTIFY=SUCCESS ORCPT=rfc822;o@test.example\r\n"), passed);
}

static void e7_client_tells_that_dsn_was_passed_on(void **state)
{
    (void)state;
    dsn_of("250-DSN\r\n", RESULT_DSN_PASSED);
}

static void e7_client_tells_that_the_next_hop_has_no_dsn(void **state)
{
    (void)state;
    dsn_of("", RESULT_DSN_RELAYED);
}

static void e8_client_a_time_that_is_over_is_permanent(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-DELIVERBY\r\n";
    h.envelope.flags = ENVELOPE_BY_RETURN;
    h.envelope.deliver_by_s = os_wall_s() - 5;
    assert_int_equal(send_one("a@one.example"), 554);
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
}

static void e9_client_requiretls_over_verified_tls(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n250-REQUIRETLS\r\n";
    h.envelope.flags = ENVELOPE_REQUIRETLS;
    assert_int_equal(send_one("a@one.example"), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL FROM:<s@test.example> REQUIRETLS\r\n"), 1);
}

static void requiretls_refused(const char *ehlo)
{
    h.servers[FIRST].ehlo = h.servers[SECOND].ehlo = ehlo;
    h.envelope.flags = ENVELOPE_REQUIRETLS;
    assert_int_equal(send_one("a@two.example"), 550);
    assert_string_equal(h.results[0].text, "The next host does not promise REQUIRETLS");
    for (int i = FIRST; i <= SECOND; i++) { /* the other one was asked, too */
        assert_int_equal(h.servers[i].connections, 1);
        assert_int_equal(server_heard(&h.servers[i], "MAIL"), 0);
    }
}

static void e9_client_requiretls_never_in_the_clear(void **state)
{
    (void)state;
    requiretls_refused("250-REQUIRETLS\r\n");
}

static void e9_client_requiretls_is_delivered_on_this_machine(void **state)
{
    (void)state;
    h.servers[LMTP_UNIX].lmtp = h.servers[FIRST].lmtp = true;
    h.envelope.flags = ENVELOPE_REQUIRETLS;
    unsigned a = easy("a@unix.example"), b = easy("a@lmtp.example");
    start();
    uint64_t one = give(a, 1), two = give(b, 1);
    WAIT(h.done == 2);
    assert_int_equal(code_of(one, 0), 250);
    assert_int_equal(code_of(two, 0), 250);
}

/* The certificate is for one.test; for other mail that does not matter. */
static void e9_client_requiretls_needs_the_right_name(void **state)
{
    (void)state;
    h.servers[SECOND].tls = server_tls("one.test", h.dir);
    certificate("one.test");
    requiretls_refused("250-STARTTLS\r\n250-REQUIRETLS\r\n");
}

#define ANYHOW "TLS-Required: No\r\nSubject: x\r\n\r\nx\r\n"

static unsigned send_anyhow(const char *to)
{
    unsigned m = mail("s@test.example", to, ANYHOW, 0);
    start();
    uint64_t job = give(m, 1);
    WAIT(h.done + h.returned + h.down >= 1);
    return h.done ? code_of(job, 0) : 0;
}

/* RFC 8689 section 4.2.2: without a policy of ours it goes to a host without TLS, and to one of another name, like any mail; and the field goes on. */
static void e9_client_tls_required_no_is_passed_on(void **state)
{
    (void)state;
    certificate("evil.test");
    assert_int_equal(send_anyhow("a@one.example"), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "TLS-Required: No\r\n"), 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "REQUIRETLS"), 0);
}

/* What the admin says of a route is no policy of the recipient's domain. */
static void e9_client_tls_required_no_lifts_no_route(void **state)
{
    (void)state;
    certificate("evil.test");
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n";
    assert_int_not_equal(send_anyhow("a@sure.example"), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
    assert_int_equal(server_heard(&h.servers[FIRST], "TLS-Required"), 0);
}

/* RFC 8689 section 4.1 */
static void e9_client_tls_required_no_is_nothing_beside_requiretls(void **state)
{
    (void)state;
    h.envelope.flags = ENVELOPE_REQUIRETLS;
    h.servers[FIRST].ehlo = "250-REQUIRETLS\r\n";
    assert_int_equal(send_anyhow("a@one.example"), 550);
    assert_string_equal(h.results[0].text, "The next host does not promise REQUIRETLS");
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
}

static void e10_client_obeys_rcptmax_and_mailmax(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-LIMITS RCPTMAX=2 MAILMAX=2\r\n";
    unsigned m = easy("a@one.example b@one.example c@one.example d@one.example e@one.example");
    start_with(1);
    uint64_t job = give(m, 5);
    WAIT(h.done == 1);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(code_of(job, i), 250);
    assert_int_equal(h.servers[FIRST].messages, 3);
    assert_int_equal(h.servers[FIRST].connections, 2);
    WAIT(server_heard(&h.servers[FIRST], "QUIT") >= 1);
}

static void e10_client_obeys_rcptdomainmax(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-LIMITS RCPTDOMAINMAX=1\r\n";
    unsigned m = easy("a@one.example b@uno.example c@ONE.example d@uno.example");
    start_with(1);
    uint64_t job = give(m, 4);
    WAIT(h.done == 1);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(code_of(job, i), 250);
    assert_int_equal(h.servers[FIRST].messages, 2);
    assert_int_equal(h.servers[FIRST].connections, 2);
}

static void e11_client_a_token_goes_as_oauthbearer(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n250-AUTH PLAIN XOAUTH2 OAUTHBEARER\r\n";
    assert_int_equal(send_one("a@token.example"), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "AUTH OAUTHBEARER "), 1);
}

/* RFC 7628 section 3.2.3: the error is told as a challenge, which is answered, and then refused. */
static void e11_client_a_token_that_is_refused_defers(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n250-AUTH OAUTHBEARER\r\n";
    h.servers[FIRST].rules[0] = (struct rule){"AUTH", "334 eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\r\n", 0, 0};
    h.servers[FIRST].rules[1] = (struct rule){"AQ==", "535 5.7.8 token is old\r\n", 0, 0};
    unsigned m = easy("a@token.example");
    start();
    give(m, 1);
    WAIT(h.returned == 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "AQ==\r\n"), 1);
    assert_non_null(strstr(h.down_text, "token is old"));
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
}

static void e11_client_a_certificate_signs_in_as_external(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n250-AUTH PLAIN EXTERNAL\r\n";
    assert_int_equal(send_one("a@cert.example"), 250);
    assert_int_equal(server_heard(&h.servers[FIRST], "AUTH EXTERNAL =\r\n"), 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL FROM:<s@test.example> AUTH=<>\r\n"), 1);
}

/* SCRAM: whoever says 235 without the proof does not have the password, and gets no mail. */
static void threat_hostile_server_takes_a_login_without_its_proof(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n250-AUTH PLAIN SCRAM-SHA-256\r\n";
    unsigned m = easy("a@smart.example");
    start();
    give(m, 1);
    WAIT(h.returned == 1);
    assert_int_equal(server_heard(&h.servers[FIRST], "AUTH SCRAM-SHA-256 "), 1);
    assert_non_null(strstr(h.down_text, "without having proved"));
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
}

static void threat_hostile_server_challenges_without_end(void **state)
{
    (void)state;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n250-AUTH SCRAM-SHA-256 LOGIN\r\n";
    h.servers[FIRST].rules[0] = (struct rule){"", "220 hi\r\n", 0, 0};
    h.servers[FIRST].rules[1] = (struct rule){"AUTH", "334 cj14LHM9eCxpPTk5OTk5OTk5OTk=\r\n", 0, 0};
    unsigned m = easy("a@smart.example");
    start();
    give(m, 1);
    WAIT(h.returned == 1);
    WAIT(server_heard(&h.servers[FIRST], "\r\n*\r\n") == 1); /* nobody waits for the answer to it */
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
}

/* A stall at each step, one host after the other; the mails behind it go on. */
static void threat_hostile_server_stalls_in_each_phase(void **state)
{
    (void)state;
    h.timeout_percent = 1;
    h.servers[FIRST].rules[0] = (struct rule){"EHLO", SAY_NOTHING, 1, 0};
    h.servers[FIRST].rules[1] = (struct rule){"MAIL FROM:<mail@", SAY_NOTHING, 0, 0};
    h.servers[FIRST].rules[2] = (struct rule){"RCPT TO:<rcpt@", SAY_DRIP, 0, 0};
    h.servers[FIRST].rules[3] = (struct rule){".", SAY_NOTHING, 5, 0};
    unsigned by_mail = mail("mail@test.example", "a@one.example", BODY, 0), by_rcpt = easy("rcpt@one.example");
    unsigned good = easy("a@one.example");
    start_with(5);
    give(by_mail, 1);
    give(by_rcpt, 1);
    for (int i = 0; i < 12; i++)
        give(good, 1);
    WAIT(h.done + h.returned == 14);
    unsigned taken = 0;
    for (unsigned i = 0; i < h.result_count; i++)
        taken += h.results[i].code == 250;
    assert_true(taken >= 10);
}

/* Of each time-out so much that a host that does answer is in time on a slow machine, too: 9 s, for the answer to DATA 3.6 s. */
static void stalls_at(const char *on, const char *to, unsigned results)
{
    h.timeout_percent = 3;
    h.servers[FIRST].ehlo = "250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n";
    h.servers[FIRST].rules[0] = (struct rule){on, SAY_NOTHING, 0, 0};
    h.servers[LMTP_UNIX].lmtp = true;
    unsigned stalled = easy(to), other = easy("a@unix.example");
    start();
    uint64_t job = give(stalled, 1), good = give(other, 1);
    WAIT(h.done + h.returned == 2);
    assert_int_equal(code_of(good, 0), 250);
    assert_int_equal(h.returned, results ? 0 : 1); /* before mail is taken it is the host that is down */
    if (results)
        assert_int_equal(code_of(job, 0) / 100, 4);
}

static void threat_hostile_server_stalls_at_starttls(void **state)
{
    (void)state;
    stalls_at("STARTTLS", "a@must.example", 0);
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
}

static void threat_hostile_server_stalls_at_auth(void **state)
{
    (void)state;
    stalls_at("AUTH", "a@smart.example", 0);
    assert_int_equal(server_heard(&h.servers[FIRST], "MAIL"), 0);
}

static void threat_hostile_server_stalls_at_data(void **state)
{
    (void)state;
    stalls_at("DATA", "a@one.example", 1);
}

/* The verdict comes with the 354: the content was not there yet. */
static void threat_hostile_server_takes_what_was_not_sent(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){"DATA", "354 go\r\n250 taken\r\n", 0, 0};
    unsigned m = easy("a@one.example");
    start();
    uint64_t job = give(m, 1);
    WAIT(h.done + h.returned == 1);
    assert_int_not_equal(code_of(job, 0), 250);
}

/* --- where to --- */

static void mx_answer(uint8_t status, const char *ip, const char *to, unsigned code)
{
    h.mx_status = status;
    h.mx_ip = ip;
    unsigned m = easy(to);
    start();
    uint64_t job = give(m, 1);
    WAIT(h.done + h.returned == 1);
    assert_int_equal(code_of(job, 0), code);
    assert_int_equal(h.returned, code == 0);
    assert_int_equal(h.down, code == 0);
}

static void null_mx_is_permanent(void **state)
{
    (void)state;
    mx_answer(LOOKUP_NULL_MX, NULL, "a@far.example", 556);
}

static void a_domain_that_is_not_there_is_permanent(void **state)
{
    (void)state;
    mx_answer(LOOKUP_NONE, NULL, "a@far.example", 550);
}

static void dns_trouble_is_temporary(void **state)
{
    (void)state;
    mx_answer(LOOKUP_TEMPORARY, NULL, "a@far.example", 0);
}

static void a_broken_answer_is_temporary(void **state)
{
    (void)state;
    mx_answer(LOOKUP_FOUND, NULL, "a@far.example", 0);
}

static void an_mx_at_loopback_is_refused(void **state)
{
    (void)state;
    mx_answer(LOOKUP_FOUND, "127.0.0.1", "a@far.example", 550);
}

static void an_address_literal_at_loopback_is_refused(void **state)
{
    (void)state;
    unsigned m = easy("a@[127.0.0.1]");
    start();
    uint64_t job = give(m, 1);
    WAIT(h.done == 1);
    assert_int_equal(code_of(job, 0) / 100, 5);
    assert_int_equal(h.asked, 0);
}

static void lookup_restarted_is_asked_again(void **state)
{
    (void)state;
    h.mute = true;
    unsigned m = easy("a@one.example");
    start();
    give(m, 1);
    WAIT(h.asked == 1);
    gone(2, &h.lookup);
    pump(50);
    h.mute = false;
    introduce(PROCESS_LOOKUP, &h.lookup);
    WAIT(h.done == 1);
    assert_int_equal(h.asked, 2);
    assert_int_equal(h.results[0].code, 250);
}

/* --- restarts and the end --- */

static void a_new_queue_hears_of_leases_and_of_results_in_between(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){"RCPT TO:<slow@", SAY_NOTHING, 0, 0};
    h.servers[FIRST].rules[1] = (struct rule){".", SAY_LATER "250 2.0.0 Ok\r\n", 0, 0};
    unsigned slow = easy("slow@one.example"), quick = easy("a@lmtp.example");
    h.servers[FIRST].lmtp = true;
    start();
    give(slow, 1);
    WAIT(server_heard(&h.servers[FIRST], "RCPT TO:<slow@") == 1);
    uint64_t job = give(quick, 1);
    WAIT(h.servers[FIRST].messages == 1);
    gone(1, &h.queue);
    h.servers[FIRST].now = true;
    WAIT(server_heard(&h.servers[FIRST], "QUIT") == 1); /* its session was idle: the reply has been read */
    h.hello_ends = h.leases = h.result_count = h.done = 0;
    introduce(PROCESS_QUEUE, &h.queue);
    WAIT(h.hello_ends == 1 && h.done == 1);
    assert_int_equal(h.leases, 2);
    assert_int_equal(code_of(job, 0), 250);
    h.servers[FIRST].stop = true; /* the silent session is cut: its job must be told to the new queue */
    WAIT(h.done == 2);
}

/* At a reload both are replaced, and there is no queue for a moment. */
static void a_drain_waits_for_a_queue_that_hears_of_results(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){".", SAY_LATER "250 2.0.0 Ok\r\n", 0, 0};
    unsigned m = easy("a@one.example");
    start();
    uint64_t job = give(m, 1);
    WAIT(server_heard(&h.servers[FIRST], "DATA") == 1);
    gone(1, &h.queue);
    process_kill(h.pid, SIGTERM);
    h.servers[FIRST].now = true;
    WAIT(server_heard(&h.servers[FIRST], "QUIT") == 1);
    for (int i = 0; i < 20 && h.master; i++)
        pump(100);
    assert_non_null(h.master);
    h.hello_ends = h.leases = h.result_count = h.done = 0;
    introduce(PROCESS_QUEUE, &h.queue);
    WAIT(h.hello_ends == 1 && h.done == 1);
    assert_int_equal(h.leases, 1);
    assert_int_equal(code_of(job, 0), 250);
    WAIT(!h.master);
}

static void draining_finishes_what_is_under_way_and_returns_the_rest(void **state)
{
    (void)state;
    h.servers[FIRST].rules[0] = (struct rule){".", SAY_LATER "250 2.0.0 Ok\r\n", 0, 0};
    unsigned m = easy("a@one.example");
    start_with(1);
    for (int i = 0; i < 5; i++)
        give(m, 1);
    WAIT(server_heard(&h.servers[FIRST], "DATA") == 1);
    process_kill(h.pid, SIGTERM);
    WAIT(h.returned == 4);
    h.servers[FIRST].now = true;
    WAIT(h.done + h.returned >= 5 || !h.master);
    assert_int_equal(h.done, 1);
    assert_int_equal(h.returned, 4);
    assert_int_equal(h.results[0].code, 250);
}

static void a_large_message_is_streamed_in_bounded_memory(void **state)
{
    (void)state;
    unsigned m = mail("s@test.example", "a@one.example", BODY, 60000); /* 60 MB */
    start();
    give(m, 1);
    WAIT(h.done == 1);
    assert_int_equal(h.results[0].code, 250);
    assert_true(h.servers[FIRST].bytes >= 60000000);
    char path[64], line[256];
    long peak_kib = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", h.pid);
    FILE *f = fopen(path, "r");
    while (fgets(line, sizeof(line), f))
        (void)sscanf(line, "VmHWM: %ld", &peak_kib);
    fclose(f);
    assert_true(peak_kib > 0);
    if (!SANITIZED)
        assert_true(peak_kib < 50000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, end)

/* The argument, if there is one, is the pattern of the tests to run. */
int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(one_session_has_many_recipients_with_a_verdict_each),
        TEST(a_session_carries_mail_after_mail),
        TEST(an_idle_session_is_used_again_and_ended_in_the_end),
        TEST(an_idle_session_says_at_once_what_it_knows),
        TEST(commands_are_pipelined_when_offered),
        TEST(ehlo_refused_means_helo),
        TEST(the_content_arrives_as_it_was),
        TEST(greeting_421_means_the_next_host),
        TEST(greeting_554_means_the_next_host),
        TEST(no_word_means_the_next_host),
        TEST(garbage_means_the_next_host),
        TEST(an_endless_reply_means_the_next_host),
        TEST(a_dripping_greeting_has_a_deadline),
        TEST(silence_has_a_deadline),
        TEST(refused_connection_means_the_next_address),
        TEST(with_all_hosts_dead_the_jobs_go_back_once),
        TEST(too_many_sessions_is_no_failure),
        TEST(death_in_data_means_the_next_host),
        TEST(a_mail_that_kills_one_host_is_not_stuck),
        TEST(death_in_data_of_the_only_host_defers),
        TEST(a_host_that_ends_a_used_session_gets_the_mail_on_a_new_one),
        TEST(silence_after_the_dot_goes_to_no_second_host),
        TEST(hostile_words_arrive_harmless),
        TEST(e2_client_converts_for_a_host_of_seven_bits),
        TEST(e2_client_converts_nothing_for_a_host_with_8bitmime),
        TEST(e2_client_signed_mail_goes_as_it_is),
        TEST(e2_client_signed_mail_is_bounced_by_choice),
        TEST(e2_client_breaks_no_host_with_long_lines),
        TEST(e2_client_long_lines_that_are_signed_go_as_they_are),
        TEST(e2_client_long_lines_that_are_signed_are_bounced_by_choice),
        TEST(e2_client_converts_a_large_message),
        TEST(e2_client_converts_while_others_go_on),
        TEST(e2_client_a_host_that_hangs_up_in_a_conversion),
        TEST(e5_client_binary_content_becomes_base64_for_others),
        TEST(e7_client_tells_that_dsn_was_passed_on),
        TEST(e7_client_tells_that_the_next_hop_has_no_dsn),
        TEST(e8_client_a_time_that_is_over_is_permanent),
        TEST(e9_client_requiretls_over_verified_tls),
        TEST(e9_client_requiretls_never_in_the_clear),
        TEST(e9_client_requiretls_needs_the_right_name),
        TEST(e9_client_requiretls_is_delivered_on_this_machine),
        TEST(e9_client_tls_required_no_is_passed_on),
        TEST(e9_client_tls_required_no_lifts_no_route),
        TEST(e9_client_tls_required_no_is_nothing_beside_requiretls),
        TEST(e10_client_obeys_rcptmax_and_mailmax),
        TEST(e10_client_obeys_rcptdomainmax),
        TEST(e11_client_a_token_goes_as_oauthbearer),
        TEST(e11_client_a_token_that_is_refused_defers),
        TEST(e11_client_a_certificate_signs_in_as_external),
        TEST(threat_hostile_server_takes_a_login_without_its_proof),
        TEST(threat_hostile_server_challenges_without_end),
        TEST(threat_hostile_server_stalls_in_each_phase),
        TEST(threat_hostile_server_stalls_at_starttls),
        TEST(threat_hostile_server_stalls_at_auth),
        TEST(threat_hostile_server_stalls_at_data),
        TEST(threat_hostile_server_takes_what_was_not_sent),
        TEST(lmtp_has_a_reply_a_recipient),
        TEST(lmtp_over_a_unix_socket),
        TEST(lmtp_that_dies_between_its_replies),
        TEST(tls_is_used_when_offered),
        TEST(broken_tls_means_plaintext_when_it_may),
        TEST(required_tls_that_is_broken_defers),
        TEST(required_tls_that_is_not_offered_defers),
        TEST(verified_tls_with_another_name_defers),
        TEST(e11_client_a_name_from_dns_is_never_verified),
        TEST(e11_client_cancels_what_is_no_base64),
        TEST(a_password_never_goes_over_plaintext),
        TEST(a_login_goes_over_verified_tls),
        TEST(a_login_that_is_refused_defers),
        TEST(null_mx_is_permanent),
        TEST(a_domain_that_is_not_there_is_permanent),
        TEST(dns_trouble_is_temporary),
        TEST(a_broken_answer_is_temporary),
        TEST(an_mx_at_loopback_is_refused),
        TEST(an_address_literal_at_loopback_is_refused),
        TEST(lookup_restarted_is_asked_again),
        TEST(a_new_queue_hears_of_leases_and_of_results_in_between),
        TEST(a_drain_waits_for_a_queue_that_hears_of_results),
        TEST(draining_finishes_what_is_under_way_and_returns_the_rest),
        TEST(a_large_message_is_streamed_in_bounded_memory),
    };
    return parts_run(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
