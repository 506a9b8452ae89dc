/* SPDX-License-Identifier: ISC */
/* A receiver as the master would start it, in a child process, with this process in the roles of master, queue and lookup, and of its SMTP clients. */
#include "proc/receiver/receiver.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <parts.h>

#include "sched/sched.h"

enum { MX, SUBMISSION, LOCAL, LISTENERS };

#define PATIENCE_MS 15000

struct house {
    char dir[64];
    int spool_fd;
    struct conf *conf;
    struct os_user user; /* nobody, when we are root */
    struct arena arena;
    int pid;
    void *shared;
    _Atomic int *fail_sync; /* in memory shared with the child: its next sync fails */
    int listen_fds[LISTENERS];
    uint16_t port[LISTENERS];
    struct ipc_channel *master, *queue, *lookup;
    uint64_t next_number;
    bool mute;      /* lookup answers nothing */
    bool hold_name; /* nor what a client's name is, until it is told to */
    uint64_t held_name;
    uint32_t hold; /* so many questions about passwords are answered together: no */
    uint32_t held_count;
    uint64_t held[8];
    uint32_t announced, hello_segments, hello_ends, ready;
    uint32_t committed; /* as the last HELLO said */
    buf head;           /* the last one announced */
    struct ipc_announce last;
    uint32_t alarms, alarm_messages;
    uint8_t etrn_status; /* what the queue answers; above ETRN_UNABLE: nothing */
    unsigned exchanges_gone;
    int exit_status; /* with which the receiver should end */
};

static struct house h;

static const char configuration[] = "hostname = \"mx.test.example\"\n"
                                    "postmaster = \"alice@test.example\"\n"
                                    "[listen]\n"
                                    "mx = [\"127.0.0.1:2525\"]\n"
                                    "submission = [\"127.0.0.1:2587\"]\n"
                                    "[auth]\n"
                                    "plaintext_on_loopback = true\n"
                                    "[domain.\"test.example\"]\n"
                                    "deliver = \"maildir:/var/mail/{user}\"\n"
                                    "users = [\"Alice Example <alice>\", \"bob\"]\n"
                                    "[domain.\"acc.example\"]\n"
                                    "deliver = \"maildir:/var/mail/{user}\"\n"
                                    "users = \"accounts\"\n"
                                    "[list.\"team@test.example\"]\n"
                                    "members = [\"alice@test.example\", \"x@far.example\"]\n"
                                    "post = \"any\"\n"
                                    "[limits]\n"
                                    "vrfy = \"any\"\n"
                                    "expn = \"any\"\n"
                                    "auth_failures = 3\n"
                                    "sessions_per_address = 8\n"
                                    "etrn = \"any\"\n"
                                    "user_messages_per_hour = 1\n"
                                    "tarpit = \"1s\"\n"
                                    "connections_per_minute = 0\n";

static void send_to(struct ipc_channel *c, const struct ipc_message *m)
{
    ipc_channel_send(c, m);
    enum err e = ipc_channel_flush(c);
    assert_true(e == ERR_OK || e == ERR_AGAIN);
}

static void on_master(void *ctx, const struct ipc_message *m)
{
    (void)ctx;
    if (m->type == IPC_numbers_wanted) {
        struct ipc_message n = {.type = IPC_numbers, .fd = -1, .u.numbers = {h.next_number, m->u.numbers_wanted.count}};
        h.next_number += m->u.numbers_wanted.count;
        send_to(h.master, &n);
    }
    h.ready += m->type == IPC_ready;
}

static void on_queue(void *ctx, const struct ipc_message *m)
{
    (void)ctx;
    if (m->type == IPC_announce) {
        h.announced++;
        h.last = m->u.announce;
        buf_clear(&h.head);
        buf_append(&h.head, m->u.announce.head);
    } else if (m->type == IPC_hello_segment) {
        h.hello_segments++;
        if (m->u.hello_segment.committed > h.committed)
            h.committed = m->u.hello_segment.committed;
    } else if (m->type == IPC_hello_end) {
        h.hello_ends++;
    } else if (m->type == IPC_user_alarm) {
        h.alarms++;
        h.alarm_messages = m->u.user_alarm.messages;
    } else if (m->type == IPC_etrn && h.etrn_status <= ETRN_UNABLE) {
        struct ipc_message a = {
            .type = IPC_answer_etrn, .fd = -1, .u.answer_etrn = {m->u.etrn.token, h.etrn_status, 7}};
        send_to(h.queue, &a);
    }
}

static void hold_login(uint64_t token)
{
    h.held[h.held_count++] = token;
    for (uint32_t i = 0; h.held_count == h.hold && i < h.hold; i++) {
        struct ipc_message a = {.type = IPC_answer_sasl,
                                .fd = -1,
                                .u.answer_sasl = {h.held[i], SASL_ANSWER_NO, SLICE("alice@test.example"), SLICE_NONE}};
        send_to(h.lookup, &a);
    }
}

/* As much of PLAIN and LOGIN as the tests need; a mechanism that is not one of them is malformed at once. */
static struct ipc_answer_sasl sasl_answer(const struct ipc_ask_sasl *m)
{
    struct ipc_answer_sasl a = {m->token, SASL_ANSWER_CHALLENGE, SLICE("alice@test.example"), SLICE_NONE};
    if (slice_equal(m->mechanism, SLICE("LOGIN"))) {
        a.challenge = SLICE("Username:");
    } else if (m->mechanism.len == 0 && slice_equal(m->response, SLICE("alice@test.example"))) {
        a.challenge = SLICE("Password:");
    } else if (m->mechanism.len == 0 || (slice_equal(m->mechanism, SLICE("PLAIN")) && m->response.len > 0)) {
        slice password = slice_skip(m->response, m->response.len > 6 ? m->response.len - 6 : 0);
        a.status = slice_equal(password, SLICE("sesame")) ? SASL_ANSWER_YES : SASL_ANSWER_NO;
    } else {
        a.status = SASL_ANSWER_MALFORMED;
    }
    return a;
}

static void on_lookup(void *ctx, const struct ipc_message *m)
{
    (void)ctx;
    struct ipc_message a = {.fd = -1};
    if (h.mute)
        return;
    if (m->type == IPC_sasl_gone) {
        h.exchanges_gone++;
        return;
    }
    if (m->type == IPC_ask_sasl && h.held_count < h.hold) {
        hold_login(m->u.ask_sasl.token);
        return;
    }
    if (m->type == IPC_ask_name && h.hold_name) {
        h.held_name = m->u.ask_name.token;
        return;
    }
    if (m->type == IPC_ask_user) {
        a.type = IPC_answer_user;
        bool known = slice_equal(m->u.ask_user.name, SLICE("carol@acc.example"));
        a.u.answer_user = (struct ipc_answer_user){m->u.ask_user.token, known, SLICE("Carol Example")};
    } else if (m->type == IPC_ask_sasl) {
        a.type = IPC_answer_sasl;
        a.u.answer_sasl = sasl_answer(&m->u.ask_sasl);
    } else if (m->type == IPC_ask_name) {
        a.type = IPC_answer_name;
        a.u.answer_name = (struct ipc_answer_name){m->u.ask_name.token, SLICE("client.test.example")};
    } else {
        return;
    }
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

/* Plays the other processes for a moment; true when fd (or -1) is readable. */
static bool pump(int fd, int ms)
{
    struct pollfd p[4] = {{.fd = fd, .events = POLLIN}, {.fd = -1}, {.fd = -1}, {.fd = -1}};
    struct ipc_channel *const channels[] = {h.master, h.queue, h.lookup};
    for (int i = 0; i < 3; i++)
        if (channels[i])
            p[i + 1] = (struct pollfd){.fd = ipc_channel_fd(channels[i]), .events = POLLIN};
    if (poll(p, 4, ms) <= 0)
        return false;
    if (p[1].revents)
        read_channel(&h.master, on_master);
    if (p[2].revents)
        read_channel(&h.queue, on_queue);
    if (p[3].revents)
        read_channel(&h.lookup, on_lookup);
    return p[0].revents != 0;
}

static void introduce(enum process_kind kind, uint32_t process, struct ipc_channel **c)
{
    int pair[2];
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(ipc_channel_open(pair[0], kind, PROCESS_RECEIVER, c), ERR_OK);
    struct ipc_message m = {.type = IPC_peer, .fd = pair[1], .u.peer = {process, (uint8_t)kind, 0, 1}};
    send_to(h.master, &m);
}

static void *wait_for_fault(void *unused)
{
    (void)unused;
    for (;;) {
        if (atomic_exchange(h.fail_sync, 0))
            os_file_fault(1, 1u << OS_CALL_SYNC, ERR_IO);
        usleep(1000);
    }
    return NULL;
}

static void start_receiver(int control_fd)
{
    static const size_t conf_of[LISTENERS] = {0, 1, SIZE_MAX};
    pthread_t thread;
    int log_fd = open("/dev/null", O_WRONLY);
    if (!getenv("RECEIVER_TEST_LOG"))
        dup2(log_fd, 2);
    struct child_start start = {.kind = PROCESS_RECEIVER,
                                .process = 7,
                                .generation = 1,
                                .master_pid = (uint32_t)getppid(),
                                .conf = h.conf,
                                .hash_key = os_random_key(),
                                .control_fd = control_fd,
                                .lock_fd = log_fd,
                                .spool_fd = h.spool_fd,
                                .listen_fds = h.listen_fds,
                                .listen_conf = conf_of,
                                .listen_count = LISTENERS,
                                .shared = h.shared,
                                .user = h.user,
                                .root = getuid() == 0};
    if (pthread_create(&thread, NULL, wait_for_fault, NULL) != 0)
        _exit(99);
    _exit(receiver_main(&start));
}

static void bind_listeners(void)
{
    for (int i = 0; i < LISTENERS; i++) {
        struct socket_address a = {0};
        if (i == LOCAL)
            (void)snprintf(a.path, sizeof(a.path), "%s/smtp.sock", h.dir);
        else
            assert_int_equal(socket_address_parse(SLICE("127.0.0.1"), 0, &a), ERR_OK);
        assert_int_equal(socket_listen(&a, 100, 0666, &h.listen_fds[i]), ERR_OK);
        if (i != LOCAL && socket_local_address(h.listen_fds[i], &a) == ERR_OK)
            h.port[i] = a.port;
    }
}

static int open_house(void **state)
{
    (void)state;
    memset(&h, 0, sizeof(h));
    (void)snprintf(h.dir, sizeof(h.dir), "/tmp/receiver_test.XXXXXX");
    assert_non_null(mkdtemp(h.dir));
    h.next_number = 1000;
    buf_init(&h.head, 1 << 20);
    buf messages;
    buf_init(&messages, 1 << 16);
    if (conf_parse(SLICE("test.toml"), slice_str(configuration), false, &messages, &h.conf) != ERR_OK)
        fail_msg("%.*s", SLICE_ARG(buf_slice(&messages)));
    buf_deinit(&messages);
    h.conf->queue.min_free = 0;
    char spool[80];
    arena_init(&h.arena, 1 << 16);
    assert_int_equal(os_user_by_uid(getuid() == 0 ? 65534 : getuid(), &h.arena, &h.user), ERR_OK);
    assert_int_equal(chown(h.dir, h.user.uid, h.user.gid), 0);
    (void)snprintf(spool, sizeof(spool), "%s/queue", h.dir);
    assert_int_equal(mkdir(spool, 0700), 0);
    assert_int_equal(chown(spool, h.user.uid, h.user.gid), 0);
    assert_int_equal(spool_dir_open(spool, &h.spool_fd), ERR_OK);
    void *fault;
    assert_int_equal(process_shared_memory(limits_region_size(), &h.shared), ERR_OK);
    assert_int_equal(process_shared_memory(64, &fault), ERR_OK);
    limits_region_init(h.shared, os_random_key());
    h.fail_sync = fault;
    bind_listeners();
    int pair[2];
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(process_fork(&h.pid), ERR_OK);
    if (h.pid == 0) {
        close(pair[0]);
        start_receiver(pair[1]);
    }
    close(pair[1]);
    assert_int_equal(ipc_channel_open(pair[0], PROCESS_MASTER, PROCESS_RECEIVER, &h.master), ERR_OK);
    introduce(PROCESS_QUEUE, 1, &h.queue);
    introduce(PROCESS_LOOKUP, 2, &h.lookup);
    for (int i = 0; i < PATIENCE_MS && h.master && (!h.ready || h.hello_ends < 1); i++)
        pump(-1, 1);
    assert_int_equal(h.ready, 1);
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    int status = 0, waited = 0;
    process_kill(h.pid, SIGTERM);
    for (int i = 0; i < PATIENCE_MS && waited == 0; i++) {
        pump(-1, 1);
        waited = waitpid(h.pid, &status, WNOHANG);
    }
    if (waited == 0)
        process_kill(h.pid, SIGKILL);
    ipc_channel_close(&h.master);
    ipc_channel_close(&h.queue);
    ipc_channel_close(&h.lookup);
    for (int i = 0; i < LISTENERS; i++)
        os_close(&h.listen_fds[i]);
    os_close(&h.spool_fd);
    conf_close(&h.conf);
    arena_deinit(&h.arena);
    buf_deinit(&h.head);
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf %s", h.dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(waited, h.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), h.exit_status);
    return 0;
}

/* --- a client --- */

struct client {
    int fd;
    char text[65536];
    size_t len;
    char reply[8192];
};

static struct client *client_open(int listener)
{
    struct client *c = calloc(1, sizeof(*c));
    struct socket_address a = {0};
    assert_non_null(c);
    if (listener == LOCAL)
        (void)snprintf(a.path, sizeof(a.path), "%s/smtp.sock", h.dir);
    else
        assert_int_equal(socket_address_parse(SLICE("127.0.0.1"), h.port[listener], &a), ERR_OK);
    assert_int_equal(socket_connect_wait(&a, 5000, &c->fd), ERR_OK);
    return c;
}

static void client_close(struct client *c)
{
    close(c->fd);
    free(c);
}

static void client_say(struct client *c, const char *text)
{
    size_t len = strlen(text), done = 0;
    for (int i = 0; i < PATIENCE_MS && done < len; i++) {
        ssize_t n = send(c->fd, text + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            done += (size_t)n;
        else
            pump(-1, 1);
    }
    assert_int_equal(done, len);
}

/* The length of the whole reply at the start of text, or 0. */
static size_t reply_len(const char *text, size_t len)
{
    size_t at = 0;
    for (;;) {
        const char *lf = memchr(text + at, '\n', len - at);
        if (!lf)
            return 0;
        size_t end = (size_t)(lf - text) + 1;
        if (end - at < 5 || text[at + 3] != '-')
            return end;
        at = end;
    }
}

static const char *client_reply(struct client *c)
{
    int64_t until = os_now_ms() + PATIENCE_MS;
    size_t n;
    while ((n = reply_len(c->text, c->len)) == 0 && os_now_ms() < until) {
        if (!pump(c->fd, 50))
            continue;
        ssize_t got = recv(c->fd, c->text + c->len, sizeof(c->text) - c->len, MSG_DONTWAIT);
        if (got == 0)
            break;
        if (got > 0)
            c->len += (size_t)got;
    }
    assert_true(n < sizeof(c->reply));
    memcpy(c->reply, c->text, n);
    c->reply[n] = 0;
    memmove(c->text, c->text + n, c->len - n);
    c->len -= n;
    return c->reply;
}

#define EXPECT(c, start) assert_memory_equal(client_reply(c), start, strlen(start))

static void talk(struct client *c, const char *say, const char *reply)
{
    client_say(c, say);
    const char *got = client_reply(c);
    if (strncmp(got, reply, strlen(reply)) != 0)
        fail_msg("to %s expected %s got %s", say, reply, got);
}

static void assert_closed(struct client *c)
{
    char byte;
    ssize_t n = -1;
    for (int i = 0; i < PATIENCE_MS / 50 && n < 0; i++)
        if (pump(c->fd, 50))
            n = recv(c->fd, &byte, 1, MSG_DONTWAIT);
    assert_int_equal(n, 0);
}

static void await_announced(uint32_t count)
{
    for (int i = 0; i < PATIENCE_MS && h.announced < count; i++)
        pump(-1, 1);
    assert_int_equal(h.announced, count);
}

struct landed {
    struct arena arena;
    struct spool_head head;
    struct spool_reader *reader;
    struct spool_entry *entry;
    char body[16384];
    size_t body_len;
};

/* What was announced last, read from the spool as a sender would. */
static void read_landed(struct landed *l)
{
    memset(l, 0, sizeof(*l));
    arena_init(&l->arena, 1 << 20);
    assert_int_equal(spool_head_decode(buf_slice(&h.head), &l->arena, &l->head), ERR_OK);
    assert_int_equal(spool_reader_open(h.spool_fd, &l->reader), ERR_OK);
    struct spool_place place = CHILD_PLACE_OF(h.last);
    assert_int_equal(spool_entry_open(l->reader, &place, &l->entry), ERR_OK);
    slice body;
    assert_int_equal(spool_entry_content(l->entry, 0, sizeof(l->body) - 1, &body), ERR_OK);
    memcpy(l->body, body.ptr, body.len);
    l->body_len = body.len;
    assert_int_equal(l->body_len, l->head.facts.size);
    /* the facts are those of what is stored */
    struct body_scan scan;
    body_scan_init(&scan);
    body_scan_feed(&scan, slice_of(l->body, l->body_len));
    struct body_facts f = body_scan_end(&scan);
    assert_int_equal(f.longest_line, l->head.facts.longest_line);
    assert_int_equal(f.received, l->head.facts.received);
    assert_int_equal(f.header_len, l->head.facts.header_len);
}

static void close_landed(struct landed *l)
{
    spool_entry_close(&l->entry);
    spool_reader_close(&l->reader);
    arena_deinit(&l->arena);
}

static const struct recipient *recipient_at(const struct landed *l, uint32_t i)
{
    const struct envelope *e;
    return spool_head_recipient(&l->head, i, &e);
}

/* --- tests --- */

static void the_textbook_session_is_taken(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    EXPECT(c, "220 mx.test.example");
    talk(c, "HELO client.example.com\r\n", "250 mx.test.example Hello client.example.com\r\n");
    talk(c, "MAIL FROM: sender@example.com\r\n", "250 2.1.0 <sender@example.com>... Sender ok\r\n");
    talk(c, "RCPT TO: alice@test.example\r\n", "250 2.1.5 <alice@test.example>... Recipient ok\r\n");
    talk(c, "DATA\r\n", "354 Enter mail, end with \".\" on a line by itself\r\n");
    talk(c, "Hello Alice\r\n..dot\r\n.\r\n", "250 2.0.0 Ok: queued as ");
    talk(c, "QUIT\r\n", "221 2.0.0 mx.test.example closing connection\r\n");
    assert_closed(c);
    client_close(c);
    await_announced(1);
    struct landed l;
    read_landed(&l);
    assert_int_equal(spool_head_recipient_count(&l.head), 1);
    assert_string_equal(l.head.envelopes[0].reverse_path.ptr, "sender@example.com");
    assert_true(slice_equal(recipient_at(&l, 0)->address, SLICE("alice@test.example")));
    l.body[l.body_len] = 0;
    assert_memory_equal(l.body, "Received: from client.example.com (", 35);
    assert_non_null(strstr(l.body, "for <alice@test.example>; "));
    /* a body without a header does not become one */
    assert_non_null(strstr(l.body, "\r\n\r\nHello Alice\r\n.dot\r\n"));
    close_landed(&l);
}

static void who_is_not_here_is_refused(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-mx.test.example");
    talk(c, "MAIL FROM:<a@b.example>\r\n", "250 2.1.0");
    talk(c, "RCPT TO:<nobody@test.example>\r\n", "550 5.1.1 User unknown");
    talk(c, "RCPT TO:<x@far.example>\r\n", "550 5.7.1 Relaying denied");
    talk(c, "RCPT TO:<dave@acc.example>\r\n", "550 5.1.1 User unknown");
    talk(c, "RCPT TO:<postmaster>\r\n", "250 2.1.5");
    talk(c, "RCPT TO:<carol@acc.example>\r\n", "250 2.1.5");
    talk(c, "RSET\r\n", "250 2.0.0");
    talk(c, "AUTH PLAIN AGEAYQ==\r\n", "50");
    client_close(c);
}

static void pipelined_commands_wait_for_lookup_in_order(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-");
    client_say(c, "MAIL FROM:<a@b.example>\r\nRCPT TO:<carol@acc.example>\r\nRCPT TO:<dave@acc.example>\r\n"
                  "RCPT TO:<bob@test.example>\r\nDATA\r\n");
    EXPECT(c, "250 2.1.0");
    EXPECT(c, "250 2.1.5 <carol");
    EXPECT(c, "550 5.1.1");
    EXPECT(c, "250 2.1.5 <bob");
    EXPECT(c, "354 ");
    client_say(c, "Subject: x\r\n\r\nhi\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<bob@test.example>\r\nQUIT\r\n");
    EXPECT(c, "250 2.0.0 Ok: queued");
    EXPECT(c, "250 2.1.0 <>");
    EXPECT(c, "250 2.1.5");
    EXPECT(c, "221 ");
    client_close(c);
    await_announced(1);
}

/* What the server's Received field says about the client, of the mail that was announced last. */
static void assert_landed_from(const char *from)
{
    struct landed l;
    read_landed(&l);
    l.body[l.body_len] = 0;
    if (strncmp(l.body, from, strlen(from)) != 0)
        fail_msg("expected %s, got %.80s", from, l.body);
    close_landed(&l);
}

static void answer_held_name(void)
{
    for (int i = 0; i < PATIENCE_MS && h.held_name == 0; i++)
        pump(-1, 1);
    struct ipc_message a = {.type = IPC_answer_name, .fd = -1};
    a.u.answer_name = (struct ipc_answer_name){h.held_name, SLICE("client.test.example")};
    send_to(h.lookup, &a);
    h.hold_name = false;
}

#define MAIL_ALICE "MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@test.example>\r\n"
#define CONTENT "Subject: x\r\n\r\nhi\r\n.\r\n"

/* A client that speaks before its name is there, and resets: one mail has one name from its beginning to its end, and the next mail has the client's. */
static void a_name_that_comes_late_is_the_next_mail_s(void **state)
{
    (void)state;
    h.hold_name = true;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-");
    client_say(c, "MAIL FROM:<a@b.example>\r\nRCPT TO:<carol@acc.example>\r\nRSET\r\n" MAIL_ALICE "DATA\r\n");
    EXPECT(c, "250 2.1.0");
    EXPECT(c, "250 2.1.5 <carol");
    EXPECT(c, "250 2.0.0");
    EXPECT(c, "250 2.1.0");
    EXPECT(c, "250 2.1.5 <alice");
    EXPECT(c, "354 ");
    answer_held_name();
    talk(c, CONTENT, "250 2.0.0 Ok: queued");
    await_announced(1);
    assert_landed_from("Received: from c.example (unknown [127.0.0.1])");
    talk(c, "RSET\r\n", "250 2.0.0");
    client_say(c, MAIL_ALICE "DATA\r\n" CONTENT);
    EXPECT(c, "250 2.1.0");
    EXPECT(c, "250 2.1.5 <alice");
    EXPECT(c, "354 ");
    EXPECT(c, "250 2.0.0 Ok: queued");
    await_announced(2);
    assert_landed_from("Received: from c.example (client.test.example [127.0.0.1])");
    client_close(c);
}

/* The same without a transaction open: what lookup answers after a RSET counts for the mail that follows. */
static void a_reset_does_not_forget_that_the_name_was_asked_for(void **state)
{
    (void)state;
    h.hold_name = true;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-");
    client_say(c, "MAIL FROM:<a@b.example>\r\nRCPT TO:<carol@acc.example>\r\nRSET\r\n");
    EXPECT(c, "250 2.1.0");
    EXPECT(c, "250 2.1.5 <carol");
    EXPECT(c, "250 2.0.0");
    answer_held_name();
    client_say(c, "NOOP\r\n");
    EXPECT(c, "250 ");
    pump(-1, 100);
    client_say(c, MAIL_ALICE "DATA\r\n" CONTENT);
    EXPECT(c, "250 2.1.0");
    EXPECT(c, "250 2.1.5 <alice");
    EXPECT(c, "354 ");
    EXPECT(c, "250 2.0.0 Ok: queued");
    await_announced(1);
    assert_landed_from("Received: from c.example (client.test.example [127.0.0.1])");
    client_close(c);
}

static void a_silent_lookup_is_a_451(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "HELO c\r\n", "250 ");
    talk(c, "MAIL FROM:<a@b.example>\r\n", "250 ");
    h.mute = true;
    talk(c, "RCPT TO:<carol@acc.example>\r\n", "451 4.4.3");
    h.mute = false;
    talk(c, "RCPT TO:<carol@acc.example>\r\n", "250 ");
    /* the same when it dies while it is being asked */
    h.mute = true;
    client_say(c, "RCPT TO:<dave@acc.example>\r\n");
    pump(-1, 100);
    ipc_channel_close(&h.lookup);
    EXPECT(c, "451 4.4.3");
    client_close(c);
}

static void a_list_gets_a_copy_of_its_own(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-");
    talk(c, "MAIL FROM:<a@b.example>\r\n", "250 ");
    talk(c, "RCPT TO:<bob@test.example>\r\n", "250 ");
    talk(c, "RCPT TO:<BOB@test.example>\r\n", "250 ");
    talk(c, "RCPT TO:<team@test.example>\r\n", "250 ");
    talk(c, "DATA\r\n", "354 ");
    talk(c, "Subject: x\r\n\r\nhi\r\n.\r\n", "250 2.0.0 Ok: queued");
    await_announced(2);
    struct landed l;
    read_landed(&l);
    l.body[l.body_len] = 0;
    assert_non_null(strstr(l.body, "\r\nList-Id: <team.test.example>\r\nSubject: x\r\n"));
    assert_true(slice_equal(l.head.envelopes[0].reverse_path, SLICE("team-owner@test.example")));
    assert_int_equal(spool_head_recipient_count(&l.head), 2);
    close_landed(&l);
    /* and does not expand what has been through it */
    talk(c, "MAIL FROM:<a@b.example>\r\n", "250 ");
    talk(c, "RCPT TO:<team@test.example>\r\n", "250 ");
    talk(c, "DATA\r\n", "354 ");
    talk(c, "List-Id: Team <team.test.example>\r\n\r\nhi\r\n.\r\n", "550 5.7.2");
    talk(c, "NOOP\r\n", "250 ");
    client_close(c);
    assert_int_equal(h.announced, 2);
}

static void e7_server_what_is_to_be_told_goes_with_each_recipient(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    const struct envelope *e;
    struct landed l;
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-");
    talk(c, "MAIL FROM:<a@b.example> RET=HDRS ENVID=QQ+2B1\r\n", "250 ");
    talk(c, "RCPT TO:<bob@test.example> NOTIFY=SUCCESS ORCPT=rfc822;Bob@test.example\r\n", "250 ");
    talk(c, "RCPT TO:<alice@test.example> NOTIFY=NEVER\r\n", "250 ");
    talk(c, "RCPT TO:<BOB@test.example> NOTIFY=DELAY\r\n", "250 ");
    talk(c, "DATA\r\n", "354 ");
    talk(c, "Subject: x\r\n\r\nhi\r\n.\r\n", "250 2.0.0 Ok: queued");
    await_announced(1);
    read_landed(&l);
    assert_int_equal(spool_head_recipient_count(&l.head), 2);
    const struct recipient *r = spool_head_recipient(&l.head, 0, &e);
    assert_int_equal(r->notify, NOTIFY_SUCCESS | NOTIFY_DELAY);
    assert_true(slice_equal(r->orcpt, SLICE("rfc822;Bob@test.example")));
    assert_int_equal(spool_head_recipient(&l.head, 1, &e)->notify, NOTIFY_NEVER);
    assert_true(slice_equal(e->envid, SLICE("QQ+1")));
    assert_int_equal(e->flags & (ENVELOPE_RET_HDRS | ENVELOPE_RET_FULL), ENVELOPE_RET_HDRS);
    close_landed(&l);
    /* A list: its members' envelope has nothing of this; the sender's has one recipient, who is nobody. */
    talk(c, "MAIL FROM:<a@b.example> RET=HDRS ENVID=QQ\r\n", "250 ");
    talk(c, "RCPT TO:<team@test.example> NOTIFY=SUCCESS ORCPT=rfc822;team@test.example\r\n", "250 ");
    talk(c, "RCPT TO:<team@test.example> NOTIFY=SUCCESS\r\n", "250 ");
    talk(c, "DATA\r\n", "354 ");
    talk(c, "Subject: x\r\n\r\nhi\r\n.\r\n", "250 2.0.0 Ok: queued");
    await_announced(3);
    read_landed(&l);
    assert_int_equal(spool_head_recipient_count(&l.head), 2);
    for (uint32_t i = 0; i < 2; i++) {
        r = spool_head_recipient(&l.head, i, &e);
        assert_int_equal(r->notify, NOTIFY_FAILURE);
        assert_int_equal(r->orcpt.len, 0);
    }
    assert_int_equal(e->envid.len, 0);
    assert_int_equal(e->flags & (ENVELOPE_RET_HDRS | ENVELOPE_RET_FULL), 0);
    close_landed(&l);
    client_close(c);
}

/* RFC 4954 section 6 */
static void e11_server_trouble_of_our_own_is_a_454(void **state)
{
    (void)state;
    struct client *c = client_open(SUBMISSION);
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-");
    h.mute = true;
    talk(c, "AUTH PLAIN AGFsaWNlQHRlc3QuZXhhbXBsZQBzZXNhbWU=\r\n", "454 4.7.0");
    h.mute = false;
    talk(c, "AUTH PLAIN AGFsaWNlQHRlc3QuZXhhbXBsZQBzZXNhbWU=\r\n", "235 2.7.0");
    client_close(c);
}

static void users_sign_in_and_write_as_themselves(void **state)
{
    (void)state;
    struct client *c = client_open(SUBMISSION);
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-");
    talk(c, "MAIL FROM:<alice@test.example>\r\n", "530 5.7.0");
    talk(c, "AUTH PLAIN AGFsaWNlQHRlc3QuZXhhbXBsZQB3cm9uZw==\r\n", "535 5.7.8"); /* wrong */
    talk(c, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
    talk(c, "YWxpY2VAdGVzdC5leGFtcGxl\r\n", "334 UGFzc3dvcmQ6\r\n");
    talk(c, "c2VzYW1l\r\n", "235 2.7.0");
    talk(c, "MAIL FROM:<bob@test.example>\r\n", "550 5.7.1");
    talk(c, "MAIL FROM:<alice@test.example>\r\n", "250 ");
    talk(c, "RCPT TO:<x@far.example>\r\n", "250 ");
    talk(c, "DATA\r\n", "354 ");
    talk(c, "From: Bob <bob@test.example>\r\n\r\nhi\r\n.\r\n", "550 5.7.1");
    talk(c, "MAIL FROM:<alice@test.example>\r\n", "250 ");
    talk(c, "RCPT TO:<x@far.example>\r\n", "250 ");
    talk(c, "DATA\r\n", "354 ");
    talk(c,
         "From: Alice <alice@test.example>\r\nBcc: secret@far.example\r\nResent-Bcc: secret@far.example\r\nSubject: "
         "x\r\n\r\nBcc: in the text\r\n.\r\n",
         "250 2.0.0");
    client_close(c);
    await_announced(1);
    struct landed l;
    read_landed(&l);
    l.body[l.body_len] = 0;
    assert_non_null(strstr(l.body, "with ESMTPA id"));
    assert_non_null(strstr(l.body, "\r\nDate: "));
    assert_non_null(strstr(l.body, "\r\nMessage-ID: <"));
    assert_null(strstr(l.body, "secret"));
    assert_non_null(strstr(l.body, "\r\n\r\nBcc: in the text\r\n"));
    assert_true(slice_equal(l.head.origin.login, SLICE("alice@test.example")));
    assert_true((l.head.envelopes[0].flags & ENVELOPE_TRUSTED) != 0);
    close_landed(&l);
}

static void await_gone(unsigned count)
{
    for (int i = 0; i < PATIENCE_MS && h.exchanges_gone < count; i++)
        pump(-1, 1);
    assert_int_equal(h.exchanges_gone, count);
}

/* RFC 4954 section 4: "=" is an empty initial response, and none of PLAIN; "*" cancels; once is enough, and never amid a message. */
static void e11_server_auth_is_the_rfcs(void **state)
{
    (void)state;
    struct client *c = client_open(SUBMISSION);
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-");
    talk(c, "AUTH PLAIN =\r\n", "501 5.5.2");
    talk(c, "AUTH GSSAPI\r\n", "504 5.5.4");
    talk(c, "AUTH SCRAM-SHA-256-PLUS\r\n", "504 5.5.4"); /* there is no channel to bind to */
    talk(c, "AUTH EXTERNAL =\r\n", "504 5.5.4");         /* nor a certificate */
    talk(c, "AUTH SCRAM-SHA-256 biws\r\n", "501 5.5.2");
    talk(c, "AUTH PLAIN !!\r\n", "501 5.5.2");
    talk(c, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
    talk(c, "*\r\n", "501 5.7.0");
    talk(c, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
    await_gone(1);
    talk(c, "YWxpY2VAdGVzdC5leGFtcGxl\r\n", "334 UGFzc3dvcmQ6\r\n");
    talk(c, "c2VzYW1l\r\n", "235 2.7.0");
    talk(c, "AUTH PLAIN AGFsaWNlQHRlc3QuZXhhbXBsZQBzZXNhbWU=\r\n", "503 5.5.1");
    client_close(c);
    c = client_open(SUBMISSION);
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-");
    talk(c, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
    client_close(c);
    await_gone(2); /* lookup keeps nothing for a client that has gone */
}

static struct client *signed_in(void)
{
    struct client *c = client_open(SUBMISSION);
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-");
    talk(c, "AUTH PLAIN AGFsaWNlQHRlc3QuZXhhbXBsZQBzZXNhbWU=\r\n", "235 2.7.0");
    return c;
}

/* RFC 6409 section 7, whatever [limits] etrn says. FUTURERELEASE is for who is trusted (RFC 4865 section 4.2). */
static void e12_server_etrn_is_not_for_submission(void **state)
{
    (void)state;
    struct client *c = client_open(SUBMISSION);
    EXPECT(c, "220 ");
    client_say(c, "EHLO c.example\r\n");
    assert_null(strstr(client_reply(c), "ETRN"));
    client_close(c);
    c = signed_in();
    client_say(c, "EHLO c.example\r\n");
    const char *offer = client_reply(c);
    assert_null(strstr(offer, "ETRN"));
    assert_non_null(strstr(offer, "FUTURERELEASE"));
    talk(c, "ETRN test.example\r\n", "502 5.5.1");
    client_close(c);
    c = client_open(MX);
    EXPECT(c, "220 ");
    client_say(c, "EHLO c.example\r\n");
    offer = client_reply(c);
    assert_non_null(strstr(offer, "ETRN"));
    assert_null(strstr(offer, "FUTURERELEASE"));
    client_close(c);
}

/* RFC 6409 sections 4.1, 4.2 and 5.1: what nobody outside could find or answer is refused with 554, never completed but for bare names. */
static void e12_server_submission_takes_whole_addresses_only(void **state)
{
    (void)state;
    static const struct {
        const char *content, *reply;
    } rows[] = {
        {"From: alice@test.example\r\nTo: bob@sales\r\n\r\n.\r\n", "554 5.1.2"},
        {"From: alice@test.example\r\nCc: bob@@far.example\r\n\r\n.\r\n", "554 5.1.3"},
        {"From: alice@test.example\r\nReply-To: A B\r\n\r\n.\r\n", "554 5.1.3"},
        {"From: alice@test.example\r\nSubject: bob@sales\r\n\r\nTo: bob@sales\r\n.\r\n", "250 2.0.0"},
    };
    struct client *c = signed_in();
    talk(c, "MAIL FROM:<alice@test.example>\r\n", "250 2.1.0");
    talk(c, "RCPT TO:<bob@sales>\r\n", "554 5.1.2");
    talk(c, "RSET\r\n", "250 ");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        talk(c, "MAIL FROM:<alice@test.example>\r\n", "250 2.1.0");
        talk(c, "RCPT TO:<bob@squeaky.sales>\r\n", "250 2.1.5");
        talk(c, "DATA\r\n", "354 ");
        talk(c, rows[i].content, rows[i].reply);
    }
    await_announced(1);
    struct landed l;
    read_landed(&l);
    assert_true(slice_equal(l.head.envelopes[0].recipients[0].address, SLICE("bob@squeaky.sales")));
    close_landed(&l);
    client_close(c);
}

/* RFC 6409 section 8.8: whatever is done to a header, what stands before the "@" of somebody else is his. */
static void e12_server_local_parts_stay_as_they_are(void **state)
{
    (void)state;
    static const char to[] = "\r\nTo: \"J. R\"@Far.Example, MiXed+x@far.example, bob\r\n";
    struct client *c = signed_in();
    talk(c, "MAIL FROM:<alice@test.example>\r\n", "250 2.1.0");
    talk(c, "RCPT TO:<\"J. R\"@far.example>\r\n", "250 2.1.5");
    talk(c, "RCPT TO:<MiXed+x@far.example>\r\n", "250 2.1.5");
    talk(c, "DATA\r\n", "354 ");
    client_say(c, "From: alice@test.example");
    client_say(c, to);
    talk(c, "\r\nhi\r\n.\r\n", "250 2.0.0");
    await_announced(1);
    struct landed l;
    read_landed(&l);
    const struct envelope *e = &l.head.envelopes[0];
    assert_int_equal(e->recipient_count, 2);
    assert_true(slice_equal(e->recipients[0].address, SLICE("\"J. R\"@far.example")));
    assert_true(slice_equal(e->recipients[1].address, SLICE("MiXed+x@far.example")));
    assert_true(slice_find(slice_of(l.body, l.body_len),
                           SLICE("To: \"J. R\"@Far.Example, MiXed+x@far.example, bob@mx.test.example\r\n")) > 0);
    close_landed(&l);
    client_close(c);
}

static void e11_server_never_offers_auth_to_strangers(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    client_say(c, "EHLO c.example\r\n");
    assert_null(strstr(client_reply(c), "AUTH"));
    talk(c, "AUTH PLAIN AGFsaWNlQHRlc3QuZXhhbXBsZQBzZXNhbWU=\r\n", "502 5.5.1");
    client_close(c);
}

static void guessing_passwords_locks(void **state)
{
    (void)state;
    struct client *c = client_open(SUBMISSION);
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-");
    for (int i = 0; i < 3; i++)
        talk(c, "AUTH PLAIN AGFsaWNlQHRlc3QuZXhhbXBsZQB3cm9uZw==\r\n", "535 5.7.8");
    /* the right one does not help now */
    talk(c, "AUTH PLAIN AGFsaWNlQHRlc3QuZXhhbXBsZQBzZXNhbWU=\r\n", "454 4.7.0");
    client_close(c);
}

/* Hostile: thousands of guesses. Sessions that all ask before the first answer comes have no more guesses than one session. */
static void guessing_in_parallel_locks_as_well(void **state)
{
    enum { GUESSES = 6 };
    struct client *c[GUESSES];
    int wrong = 0, locked = 0;
    (void)state;
    h.hold = GUESSES;
    for (int i = 0; i < GUESSES; i++) {
        c[i] = client_open(SUBMISSION);
        EXPECT(c[i], "220 ");
        talk(c[i], "EHLO c.example\r\n", "250-");
    }
    for (int i = 0; i < GUESSES; i++)
        client_say(c[i], "AUTH PLAIN AGFsaWNlQHRlc3QuZXhhbXBsZQB3cm9uZw==\r\n");
    for (int i = 0; i < GUESSES; i++) {
        const char *reply = client_reply(c[i]);
        wrong += strncmp(reply, "535 5.7.8", 9) == 0;
        locked += strncmp(reply, "454 4.7.0", 9) == 0;
        client_close(c[i]);
    }
    assert_int_equal(wrong, 3);
    assert_int_equal(locked, 3);
}

/* A From that lies behind more header than is looked at would be anybody's. */
static void a_header_too_long_to_judge_is_refused(void **state)
{
    char *text = calloc(1, 80000);
    (void)state;
    memset(text, 'x', 70000);
    for (size_t i = 900; i < 70000; i += 900)
        memcpy(text + i, "\r\n ", 3);
    memcpy(text, "X-Pad: ", 7);
    (void)snprintf(text + 70000, 1000, "%s", "\r\nFrom: Bob <bob@test.example>\r\n\r\nhi\r\n.\r\n");
    struct client *c = client_open(SUBMISSION);
    EXPECT(c, "220 ");
    talk(c, "EHLO c.example\r\n", "250-");
    talk(c, "AUTH PLAIN AGFsaWNlQHRlc3QuZXhhbXBsZQBzZXNhbWU=\r\n", "235 2.7.0");
    talk(c, "MAIL FROM:<alice@test.example>\r\n", "250 ");
    talk(c, "RCPT TO:<x@far.example>\r\n", "250 ");
    talk(c, "DATA\r\n", "354 ");
    talk(c, text, "552 5.3.4");
    talk(c, "NOOP\r\n", "250 ");
    client_close(c);
    free(text);
    assert_int_equal(h.announced, 0);
}

static void local_programs_are_trusted(void **state)
{
    (void)state;
    struct client *c = client_open(LOCAL);
    EXPECT(c, "220 ");
    talk(c, "EHLO localhost\r\n", "250-");
    talk(c, "MAIL FROM:<root>\r\n", "250 2.1.0");
    talk(c, "RCPT TO:<x@far.example>\r\n", "250 2.1.5");
    talk(c, "DATA\r\n", "354 ");
    talk(c, "no header\r\n.\r\n", "250 2.0.0");
    client_close(c);
    await_announced(1);
    struct landed l;
    read_landed(&l);
    assert_true(slice_equal(l.head.envelopes[0].reverse_path, SLICE("root@mx.test.example")));
    l.body[l.body_len] = 0;
    assert_non_null(strstr(l.body, "\r\nFrom: root@mx.test.example\r\n\r\nno header\r\n"));
    close_landed(&l);
}

static void names_are_verified_and_expanded(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "HELO c\r\n", "250 ");
    talk(c, "VRFY alice\r\n", "250 2.1.5 Alice Example <alice@test.example>\r\n");
    talk(c, "VRFY carol@acc.example\r\n", "250 2.1.5 Carol Example <carol@acc.example>\r\n");
    talk(c, "VRFY nobody\r\n", "550 5.1.1");
    talk(c, "VRFY postmaster\r\n", "553 5.1.4");
    talk(c, "VRFY x@far.example\r\n", "252 2.5.0");
    talk(c, "EXPN team@test.example\r\n", "250-2.1.5 <alice@test.example>\r\n250 2.1.5 <x@far.example>\r\n");
    talk(c, "EXPN nobody@test.example\r\n", "550 5.1.1");
    client_close(c);
}

static const char *send_one(struct client *c)
{
    talk(c, "MAIL FROM:<a@b.example>\r\n", "250 ");
    talk(c, "RCPT TO:<bob@test.example>\r\n", "250 ");
    talk(c, "DATA\r\n", "354 ");
    client_say(c, "Subject: x\r\n\r\nhi\r\n.\r\n");
    return client_reply(c);
}

static void a_failed_sync_is_a_451_and_nothing_is_announced(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "HELO c\r\n", "250 ");
    assert_memory_equal(send_one(c), "250 ", 4);
    uint32_t taken = 1;
    bool failed = false;
    /* a sync of a segment that is being born may take the fault */
    for (int i = 0; i < 20 && !failed; i++) {
        pump(-1, 50);
        atomic_store(h.fail_sync, 1);
        pump(-1, 50);
        const char *reply = send_one(c);
        failed = strncmp(reply, "451 4.3.0", 9) == 0;
        taken += !failed;
    }
    assert_true(failed);
    assert_memory_equal(send_one(c), "250 ", 4);
    await_announced(taken + 1);
    client_close(c);
}

static void a_new_queue_hears_how_far_the_disk_is(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "HELO c\r\n", "250 ");
    assert_memory_equal(send_one(c), "250 ", 4);
    await_announced(1);
    uint32_t before = h.last.committed;
    ipc_channel_close(&h.queue);
    assert_memory_equal(send_one(c), "250 ", 4);
    h.hello_ends = h.hello_segments = h.committed = 0;
    introduce(PROCESS_QUEUE, 9, &h.queue);
    for (int i = 0; i < PATIENCE_MS && h.hello_ends == 0; i++)
        pump(-1, 1);
    assert_true(h.hello_segments >= 1);
    assert_true(h.committed > before);
    assert_int_equal(h.announced, 1);
    assert_memory_equal(send_one(c), "250 ", 4);
    await_announced(2);
    client_close(c);
}

static void a_client_that_leaves_early_leaves_nothing(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "HELO c\r\n", "250 ");
    talk(c, "MAIL FROM:<a@b.example>\r\n", "250 ");
    talk(c, "RCPT TO:<bob@test.example>\r\n", "250 ");
    talk(c, "DATA\r\n", "354 ");
    client_say(c, "half a message\r\n");
    client_close(c);
    /* one that says all and closes its side gets all answers */
    c = client_open(MX);
    client_say(c, "HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@test.example>\r\nDATA\r\nx: y\r\n\r\nhi\r\n.\r\n");
    assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
    EXPECT(c, "220 ");
    EXPECT(c, "250 ");
    EXPECT(c, "250 ");
    EXPECT(c, "250 ");
    EXPECT(c, "354 ");
    EXPECT(c, "250 2.0.0 Ok: queued");
    assert_closed(c);
    client_close(c);
    await_announced(1);
}

static void tell_to_drain(int64_t limit_ms)
{
    struct ipc_message m = {.type = IPC_drain, .fd = -1, .u.drain = {limit_ms}};
    send_to(h.master, &m);
}

/* After a reload a session has minutes; when the server stops meanwhile, it has not. */
static void a_stop_ends_what_a_reload_let_live(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "HELO c\r\n", "250 ");
    tell_to_drain(600000);
    talk(c, "NOOP\r\n", "250 ");
    tell_to_drain(1000);
    EXPECT(c, "421 4.3.2");
    assert_closed(c);
    client_close(c);
}

/* Whatever its sessions are about: they are closed when there is no channel to anybody any more. */
static void a_receiver_without_its_master_ends_in_order(void **state)
{
    (void)state;
    struct client *idle = client_open(MX), *sends = client_open(MX), *asks = client_open(MX),
                  *signs_in = client_open(SUBMISSION);
    EXPECT(idle, "220 ");
    EXPECT(sends, "220 ");
    EXPECT(asks, "220 ");
    EXPECT(signs_in, "220 ");
    talk(sends, "HELO c\r\nMAIL FROM:<a@b.example>\r\n", "250 ");
    EXPECT(sends, "250 2.1.0");
    talk(sends, "RCPT TO:<bob@test.example>\r\nDATA\r\n", "250 2.1.5");
    EXPECT(sends, "354");
    client_say(sends, "Subject: half\r\n");
    talk(signs_in, "EHLO c.example\r\n", "250-");
    talk(signs_in, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
    talk(asks, "HELO c\r\nMAIL FROM:<a@b.example>\r\n", "250 ");
    EXPECT(asks, "250 2.1.0");
    h.mute = true;
    client_say(asks, "RCPT TO:<carol@acc.example>\r\n");
    h.exit_status = 75; /* a temporary failure, sysexits.h */
    ipc_channel_close(&h.master);
    assert_closed(idle);
    assert_closed(signs_in);
    client_close(idle);
    client_close(sends);
    client_close(asks);
    client_close(signs_in);
}

/* The server stops: a client that is never idle goes between two transactions, one in a transaction ends it first. */
static void a_busy_client_does_not_hold_up_the_stop(void **state)
{
    (void)state;
    struct client *busy = client_open(MX), *c = client_open(MX);
    EXPECT(busy, "220 ");
    EXPECT(c, "220 ");
    talk(c, "HELO c\r\nMAIL FROM:<a@b.example>\r\n", "250 ");
    EXPECT(c, "250 2.1.0");
    talk(c, "RCPT TO:<bob@test.example>\r\nDATA\r\n", "250 2.1.5");
    EXPECT(c, "354");
    tell_to_drain(30000);
    const char *reply = "";
    for (int i = 0; i < 1000 && strncmp(reply, "421 4.3.2", 9) != 0; i++) {
        usleep(10000);
        client_say(busy, "NOOP\r\n");
        reply = client_reply(busy);
    }
    assert_memory_equal(reply, "421 4.3.2", 9);
    client_close(busy);
    talk(c, "Subject: x\r\n\r\nhi\r\n.\r\n", "250 2.0.0");
    EXPECT(c, "421 4.3.2");
    client_close(c);
    await_announced(1);
}

static void too_many_sessions_of_an_address_are_told(void **state)
{
    (void)state;
    struct client *c[9];
    for (int i = 0; i < 8; i++) {
        c[i] = client_open(MX);
        EXPECT(c[i], "220 ");
    }
    c[8] = client_open(MX);
    EXPECT(c[8], "421 mx.test.example Too many connections from your address");
    assert_closed(c[8]);
    client_close(c[0]);
    client_close(c[8]);
    for (int i = 0; i < PATIENCE_MS && limits_sessions(h.shared) == 8; i++)
        pump(-1, 1);
    c[0] = client_open(MX);
    EXPECT(c[0], "220 ");
    for (int i = 0; i < 8; i++)
        client_close(c[i]);
}

static void e15_server_etrn_asks_the_queue(void **state)
{
    (void)state;
    static const struct {
        uint8_t status;
        const char *reply;
    } rows[] = {{ETRN_STARTED, "253 2.0.0 OK, 7 pending messages"},
                {ETRN_NOTHING_WAITS, "251 2.0.0 "},
                {ETRN_NOT_OURS, "459 4.7.0 "},
                {ETRN_UNABLE, "458 4.3.0 "},
                {ETRN_UNABLE + 1, "458 4.3.0 "} /* no answer */};
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "EHLO c\r\n", "250-");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        h.etrn_status = rows[i].status;
        talk(c, "ETRN example.org\r\n", rows[i].reply);
    }
    client_close(c);
}

static uint32_t landed_flags(void)
{
    struct landed l;
    read_landed(&l);
    uint32_t flags = l.head.envelopes[0].flags;
    close_landed(&l);
    return flags;
}

static void submit_one(struct client *c, uint32_t announced)
{
    talk(c, "MAIL FROM:<alice@test.example>\r\n", "250 ");
    talk(c, "RCPT TO:<x@far.example>\r\n", "250 ");
    talk(c, "DATA\r\n", "354 ");
    talk(c, "From: alice@test.example\r\n\r\n.\r\n", "250 ");
    await_announced(announced);
}

static void g7_a_login_above_its_hour_is_held_and_the_queue_told(void **state)
{
    (void)state;
    struct client *c = client_open(SUBMISSION);
    EXPECT(c, "220 ");
    talk(c, "EHLO c\r\n", "250-");
    talk(c, "AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n", "235 ");
    submit_one(c, 1);
    assert_int_equal(landed_flags() & ENVELOPE_HELD, 0);
    assert_int_equal(h.alarms, 0);
    submit_one(c, 2);
    assert_int_equal(landed_flags() & ENVELOPE_HELD, ENVELOPE_HELD);
    assert_int_equal(h.alarms, 1);
    assert_int_equal(h.alarm_messages, 2);
    talk(c, "MAIL FROM:<alice@test.example>\r\n", "452 4.7.1 ");
    assert_int_equal(h.alarms, 1);
    client_close(c);
}

static void e8_what_was_asked_at_mail_is_in_the_envelope(void **state)
{
    (void)state;
    struct client *c = client_open(LOCAL);
    EXPECT(c, "220 ");
    talk(c, "EHLO c\r\n", "250-");
    int64_t before = os_wall_s();
    talk(c, "MAIL FROM:<a@test.example> ENVID=one+20two RET=HDRS XTAG=job/7 HOLDFOR=100 BY=900;NT MT-PRIORITY=3\r\n",
         "250 ");
    talk(c, "RCPT TO:<x@far.example> NOTIFY=DELAY ORCPT=rfc822;y@far.example\r\n", "250 ");
    talk(c, "DATA\r\n", "354 ");
    talk(c, "Subject: x\r\n\r\n.\r\n", "250 ");
    client_close(c);
    await_announced(1);
    struct landed l;
    read_landed(&l);
    const struct envelope *e = &l.head.envelopes[0];
    assert_true(slice_equal(e->envid, SLICE("one two")));
    assert_true(slice_equal(e->tag, SLICE("job/7")));
    assert_true(e->release_s >= before + 100 && e->release_s <= before + 130);
    assert_true(e->deliver_by_s >= before + 900 && e->deliver_by_s <= before + 930);
    assert_int_equal(e->priority, 3);
    assert_int_equal(e->flags & (ENVELOPE_HELD | ENVELOPE_RET_HDRS | ENVELOPE_BY_NOTIFY | ENVELOPE_BY_TRACE),
                     ENVELOPE_HELD | ENVELOPE_RET_HDRS | ENVELOPE_BY_NOTIFY | ENVELOPE_BY_TRACE);
    assert_int_equal(recipient_at(&l, 0)->notify, NOTIFY_DELAY);
    close_landed(&l);
}

static void g4_the_tarpit_holds_all_replies_and_loses_none(void **state)
{
    (void)state;
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    for (int i = 0; i < 15; i++)
        client_say(c, "NONSENSE\r\n");
    client_say(c, "NOOP\r\n");
    for (int i = 0; i < 15; i++)
        EXPECT(c, "500 ");
    EXPECT(c, "250 ");
    client_close(c);
}

static void a_large_body_goes_through(void **state)
{
    (void)state;
    static char chunk[60001];
    struct client *c = client_open(MX);
    EXPECT(c, "220 ");
    talk(c, "HELO c\r\n", "250 ");
    talk(c, "MAIL FROM:<a@b.example>\r\n", "250 ");
    talk(c, "RCPT TO:<bob@test.example>\r\n", "250 ");
    talk(c, "DATA\r\n", "354 ");
    for (size_t i = 0; i < sizeof(chunk) - 1; i += 60)
        memcpy(chunk + i, "0123456789012345678901234567890123456789012345678901234567\r\n", 60);
    for (int i = 0; i < 200; i++)
        client_say(c, chunk);
    talk(c, ".\r\n", "250 2.0.0");
    await_announced(1);
    struct arena arena;
    struct spool_head head;
    arena_init(&arena, 1 << 20);
    assert_int_equal(spool_head_decode(buf_slice(&h.head), &arena, &head), ERR_OK);
    assert_true(head.facts.size > 12000000 && head.facts.size < 12001000);
    assert_true(head.large_file != 0);
    arena_deinit(&arena);
    client_close(c);
}

#define IN_A_HOUSE(test) cmocka_unit_test_setup_teardown(test, open_house, close_house)

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        IN_A_HOUSE(the_textbook_session_is_taken),
        IN_A_HOUSE(who_is_not_here_is_refused),
        IN_A_HOUSE(pipelined_commands_wait_for_lookup_in_order),
        IN_A_HOUSE(a_silent_lookup_is_a_451),
        IN_A_HOUSE(a_name_that_comes_late_is_the_next_mail_s),
        IN_A_HOUSE(a_reset_does_not_forget_that_the_name_was_asked_for),
        IN_A_HOUSE(a_list_gets_a_copy_of_its_own),
        IN_A_HOUSE(e7_server_what_is_to_be_told_goes_with_each_recipient),
        IN_A_HOUSE(e11_server_trouble_of_our_own_is_a_454),
        IN_A_HOUSE(users_sign_in_and_write_as_themselves),
        IN_A_HOUSE(e11_server_auth_is_the_rfcs),
        IN_A_HOUSE(e12_server_etrn_is_not_for_submission),
        IN_A_HOUSE(e12_server_submission_takes_whole_addresses_only),
        IN_A_HOUSE(e12_server_local_parts_stay_as_they_are),
        IN_A_HOUSE(e11_server_never_offers_auth_to_strangers),
        IN_A_HOUSE(guessing_passwords_locks),
        IN_A_HOUSE(guessing_in_parallel_locks_as_well),
        IN_A_HOUSE(a_header_too_long_to_judge_is_refused),
        IN_A_HOUSE(local_programs_are_trusted),
        IN_A_HOUSE(names_are_verified_and_expanded),
        IN_A_HOUSE(a_failed_sync_is_a_451_and_nothing_is_announced),
        IN_A_HOUSE(a_new_queue_hears_how_far_the_disk_is),
        IN_A_HOUSE(a_client_that_leaves_early_leaves_nothing),
        IN_A_HOUSE(too_many_sessions_of_an_address_are_told),
        IN_A_HOUSE(a_stop_ends_what_a_reload_let_live),
        IN_A_HOUSE(a_receiver_without_its_master_ends_in_order),
        IN_A_HOUSE(a_busy_client_does_not_hold_up_the_stop),
        IN_A_HOUSE(a_large_body_goes_through),
        IN_A_HOUSE(e15_server_etrn_asks_the_queue),
        IN_A_HOUSE(g7_a_login_above_its_hour_is_held_and_the_queue_told),
        IN_A_HOUSE(e8_what_was_asked_at_mail_is_in_the_envelope),
        IN_A_HOUSE(g4_the_tarpit_holds_all_replies_and_loses_none),
    };
    return parts_run(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
