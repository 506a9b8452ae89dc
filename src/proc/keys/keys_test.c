/* SPDX-License-Identifier: ISC */
/* The process keys as it is; the test is its master and two receivers, of which one has been taken over. */
#include "proc/keys/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define QUESTIONS 100
#define ANSWERED 8 /* of one receiver in a turn */

static char folder[] = "/tmp/thurn-keys-XXXXXX", cert[64], key[64];
static struct ipc_channel *master, *good, *bad;
static struct conf conf;
static struct conf_tls pairs[1];
static int keys_pid;
static uint32_t processes;

struct seen {
    size_t ready, answers, signatures;
    uint64_t token; /* of the last answer */
    char memory[TLS_SIGNATURE_MAX];
    buf signature;
};

static void see(void *ctx, const struct ipc_message *m)
{
    struct seen *s = ctx;
    s->ready += m->type == IPC_ready;
    if (m->type != IPC_answer_sign)
        return;
    s->answers++;
    s->signatures += m->u.answer_sign.ok;
    s->token = m->u.answer_sign.token;
    buf_init_fixed(&s->signature, s->memory, sizeof s->memory);
    buf_append(&s->signature, m->u.answer_sign.signature);
}

static enum err read_once(struct ipc_channel *c, struct seen *s)
{
    assert_int_equal(socket_wait(ipc_channel_fd(c), false, WAIT_MS), ERR_OK);
    return ipc_channel_read(c, see, s);
}

static void send_now(struct ipc_channel *c, const struct ipc_message *m)
{
    ipc_channel_send(c, m);
    assert_int_equal(ipc_channel_flush(c), ERR_OK);
}

static struct ipc_channel *introduce(void)
{
    int pair[2];
    struct ipc_channel *c = NULL;
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(ipc_channel_open(pair[0], PROCESS_RECEIVER, PROCESS_KEYS, &c), ERR_OK);
    struct ipc_message m = {
        .type = IPC_peer, .fd = pair[1], .u.peer = {.process = ++processes, .kind = PROCESS_RECEIVER, .generation = 1}};
    send_now(master, &m);
    return c;
}

static void run_keys(int control_fd)
{
    struct arena arena;
    struct child_start start = {.kind = PROCESS_KEYS,
                                .process = 1,
                                .generation = 1,
                                .master_pid = process_pid(),
                                .conf = &conf,
                                .control_fd = control_fd,
                                .lock_fd = -1,
                                .spool_fd = -1,
                                .user = {.uid = os_uid(), .gid = process_gid()}};
    arena_init(&arena, 65536);
    if (start.user.uid == 0)
        assert_int_equal(os_user_by_name(SLICE("nobody"), &arena, &start.user), ERR_OK);
    assert_int_equal(process_fork(&keys_pid), ERR_OK);
    if (keys_pid == 0)
        process_exit(keys_main(&start));
    arena_deinit(&arena);
}

static int begin(void **state)
{
    (void)state;
    int pair[2];
    struct seen s = {.ready = 0};
    assert_non_null(mkdtemp(folder));
    snprintf(cert, sizeof cert, "%s/a.pem", folder);
    snprintf(key, sizeof key, "%s/a.key", folder);
    char command[256];
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=mx.example.org "
             "-keyout %s -out %s 2>/dev/null",
             key, cert);
    assert_int_equal(system(command), 0);
    pairs[0] = (struct conf_tls){.cert = slice_str(cert), .key = slice_str(key)};
    conf.tls = pairs;
    conf.tls_count = 1;
    assert_int_equal(socket_pair(pair), ERR_OK);
    run_keys(pair[1]);
    os_close(&pair[1]);
    assert_int_equal(ipc_channel_open(pair[0], PROCESS_MASTER, PROCESS_KEYS, &master), ERR_OK);
    while (s.ready == 0)
        assert_int_equal(read_once(master, &s), ERR_AGAIN);
    good = introduce();
    bad = introduce();
    return 0;
}

/* It ends when the master says so, with status 0: it has lived through all of it. */
static int end(void **state)
{
    (void)state;
    int status = -1;
    struct ipc_message m = {.type = IPC_drain, .fd = -1, .u.drain = {1000}};
    send_now(master, &m);
    assert_int_equal(waitpid(keys_pid, &status, 0), keys_pid);
    assert_int_equal(status, 0);
    ipc_channel_close(&master);
    ipc_channel_close(&good);
    ipc_channel_close(&bad);
    unlink(cert);
    unlink(key);
    return rmdir(folder);
}

/* As a receiver asks, with the channel in ctx. */
static enum err ask(void *ctx, const struct tls_question *q, buf *signature)
{
    struct ipc_channel *c = ctx;
    static uint64_t token;
    struct seen s = {.answers = 0};
    struct ipc_message m = {
        .type = IPC_ask_sign,
        .fd = -1,
        .u.ask_sign = {.token = ++token, .key = q->key, .algorithm = q->algorithm, .block = q->bytes}};
    send_now(c, &m);
    while (s.answers == 0)
        assert_int_equal(read_once(c, &s), ERR_AGAIN);
    assert_int_equal(s.answers, 1);
    assert_int_equal(s.token, token);
    buf_append(signature, buf_slice(&s.signature));
    return s.signatures == 1 ? ERR_OK : ERR_TLS;
}

static void carry(struct tls_session *from, struct tls_session *to)
{
    buf b;
    buf_init(&b, 1 << 20);
    tls_session_output(from, &b);
    assert_int_equal(tls_session_feed(to, buf_slice(&b)), ERR_OK);
    buf_deinit(&b);
}

static void handshake_works(struct ipc_channel *c)
{
    struct tls_server *t;
    struct tls_client *tc;
    struct tls_session *server, *client;
    char text[256];
    buf why;
    const struct tls_signer signer = {ask, c};
    const struct tls_pair pair = {.cert = slice_str(cert), .signer = &signer};
    enum err e = ERR_AGAIN, of_client = ERR_AGAIN;
    buf_init_fixed(&why, text, sizeof text);
    assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &t, &why), ERR_OK);
    assert_int_equal(tls_client_open(false, &tc, &why), ERR_OK);
    assert_int_equal(tls_session_open_server(t, &server), ERR_OK);
    assert_int_equal(tls_session_open_client(tc, SLICE("mx.example.org"), &client), ERR_OK);
    for (int i = 0; i < 10 && (e == ERR_AGAIN || of_client == ERR_AGAIN); i++) {
        if (of_client == ERR_AGAIN)
            of_client = tls_session_handshake(client);
        carry(client, server);
        if (e == ERR_AGAIN)
            e = tls_session_handshake(server);
        carry(server, client);
    }
    assert_int_equal(e, ERR_OK);
    assert_int_equal(of_client, ERR_OK);
    tls_session_close(&server);
    tls_session_close(&client);
    tls_client_close(&tc);
    tls_server_close(&t);
}

static void receivers_shake_hands(void **state)
{
    (void)state;
    handshake_works(good);
    handshake_works(bad);
}

static void threat_what_cannot_be_signed_is_answered_with_no(void **state)
{
    (void)state;
    char memory[TLS_SIGNATURE_MAX], id[TLS_KEY_ID_SIZE] = {0}, digest[32] = {0};
    buf signature;
    buf_init_fixed(&signature, memory, sizeof memory);
    const struct tls_question q = {slice_of(id, sizeof id), slice_of(digest, sizeof digest), TLS_SIGN_ECDSA};
    assert_int_equal(ask(bad, &q, &signature), ERR_TLS);
    assert_int_equal(signature.len, 0);
}

static void threat_a_flood_is_answered_in_part_and_stops_nobody(void **state)
{
    (void)state;
    struct seen s = {.answers = 0};
    for (uint64_t i = 1; i <= QUESTIONS; i++) {
        struct ipc_message m = {.type = IPC_ask_sign, .fd = -1, .u.ask_sign = {.token = i}};
        ipc_channel_send(bad, &m);
    }
    assert_int_equal(ipc_channel_flush(bad), ERR_OK);
    while (s.answers < ANSWERED)
        assert_int_equal(read_once(bad, &s), ERR_AGAIN);
    handshake_works(good);
    handshake_works(bad); /* whose answer is the next: the rest of the flood has none */
    assert_int_equal(s.answers, ANSWERED);
}

static void threat_garbage_ends_its_channel_and_nothing_else(void **state)
{
    (void)state;
    struct seen s = {.answers = 0};
    static const char *const garbage[] = {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                          "\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        assert_int_equal(os_write(ipc_channel_fd(bad), slice_str(garbage[i])), ERR_OK);
        enum err e;
        while ((e = read_once(bad, &s)) == ERR_AGAIN)
            continue;
        assert_int_equal(e, ERR_CLOSED);
        ipc_channel_close(&bad);
        handshake_works(good);
        bad = introduce();
        handshake_works(bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receivers_shake_hands),
        cmocka_unit_test(threat_what_cannot_be_signed_is_answered_with_no),
        cmocka_unit_test(threat_a_flood_is_answered_in_part_and_stops_nobody),
        cmocka_unit_test(threat_garbage_ends_its_channel_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
