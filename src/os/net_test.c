/* SPDX-License-Identifier: ISC */
#include "os/os.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/tls_certificate_test.h"

/* One end of a connection, as its owner sees it. */
struct end {
    struct net_connection *c;
    buf got;
    int connected, secured, drained, closed;
    enum err why;
    void (*on_data)(struct end *e);
    void (*on_closed)(struct end *e);
};

static struct {
    struct loop *loop;
    struct net_listener *listener;
    struct loop_timer *timer;
    struct socket_address address;
    struct end server, client;
    struct tls_server *tls_server;
    struct tls_client *tls_client;
    bool (*done)(void);
    int turns;
    int listening, raw; /* raw: a plain peer, spoken to by the test itself */
    bool timed_out;
} t;

static void check_done(void *ctx)
{
    (void)ctx;
    t.turns++;
    if (t.done && t.done())
        loop_stop(t.loop);
}

static void data(void *ctx, slice in)
{
    struct end *e = ctx;
    buf_append(&e->got, in);
    if (e->on_data)
        e->on_data(e);
}
static void drained(void *ctx)
{
    ((struct end *)ctx)->drained++;
}
static void connected(void *ctx)
{
    ((struct end *)ctx)->connected++;
}
static void secured(void *ctx)
{
    ((struct end *)ctx)->secured++;
}
static void closed(void *ctx, enum err why)
{
    struct end *e = ctx;
    e->closed++;
    e->why = why;
    if (e->on_closed)
        e->on_closed(e);
}
static const struct net_ops ops = {data, drained, connected, secured, closed};

static void accepted(void *ctx, int fd, const struct socket_address *peer)
{
    (void)ctx;
    assert_int_equal(peer->ip_len, 4);
    assert_null(t.server.c);
    assert_int_equal(net_accept(t.loop, fd, &ops, &t.server, &t.server.c), ERR_OK);
}

static void too_late(void *ctx)
{
    (void)ctx;
    t.timed_out = true;
    loop_stop(t.loop);
}

/* Runs the loop until done says so; a bound of 10 s keeps a failing test from hanging. */
static void run_until(bool (*done)(void))
{
    t.done = done;
    loop_timer_start(t.timer, 10000);
    loop_run(t.loop);
    assert_false(t.timed_out);
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    t.raw = -1;
    buf_init(&t.server.got, 16 << 20);
    buf_init(&t.client.got, 16 << 20);
    assert_int_equal(loop_open(&t.loop), ERR_OK);
    assert_int_equal(loop_at_turn_end(t.loop, check_done, NULL), ERR_OK);
    assert_int_equal(loop_timer_open(t.loop, too_late, NULL, &t.timer), ERR_OK);
    assert_int_equal(socket_address_parse(SLICE("127.0.0.1"), 0, &t.address), ERR_OK);
    assert_int_equal(socket_listen(&t.address, 16, 0, &t.listening), ERR_OK);
    assert_int_equal(socket_local_address(t.listening, &t.address), ERR_OK);
    assert_int_equal(net_listen(t.loop, t.listening, accepted, NULL, &t.listener), ERR_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_close(&t.server.c);
    net_close(&t.client.c);
    net_listener_close(&t.listener);
    loop_timer_close(&t.timer);
    loop_close(&t.loop);
    os_close(&t.listening);
    os_close(&t.raw);
    tls_server_close(&t.tls_server);
    tls_client_close(&t.tls_client);
    buf_deinit(&t.server.got);
    buf_deinit(&t.client.got);
    return 0;
}

static bool both_connected(void)
{
    return t.server.c && t.client.connected;
}
static bool server_accepted(void)
{
    return t.server.c;
}
static bool server_closed(void)
{
    return t.server.closed;
}
static bool client_closed(void)
{
    return t.client.closed;
}
static bool server_got_any(void)
{
    return t.server.got.len > 0;
}

static void connect_both(void)
{
    struct net_route route = {.to = &t.address};
    assert_int_equal(net_connect(t.loop, &route, &ops, &t.client, &t.client.c), ERR_OK);
    run_until(both_connected);
    assert_int_equal(t.client.connected, 1);
    assert_int_equal(t.server.connected, 0);
}

static void connect_raw(void)
{
    assert_int_equal(socket_connect_wait(&t.address, 5000, &t.raw), ERR_OK);
    run_until(server_accepted);
}

static void say_raw(slice s)
{
    assert_int_equal(send(t.raw, s.ptr, s.len, MSG_NOSIGNAL), s.len);
}

/* All that the raw peer can read up to the end; false when it ends with a reset. */
static bool hear_raw(buf *b)
{
    for (;;) {
        char piece[4096];
        assert_int_equal(socket_wait(t.raw, false, 5000), ERR_OK);
        ssize_t n = recv(t.raw, piece, sizeof(piece), 0);
        if (n <= 0)
            return n == 0;
        buf_append(b, slice_of(piece, (size_t)n));
    }
}

static void assert_text(const buf *b, const char *expected)
{
    assert_int_equal(b->len, strlen(expected));
    assert_memory_equal(b->ptr ? b->ptr : "", expected, b->len);
}

static void refused_connections_close_once(void **state)
{
    (void)state;
    net_listener_close(&t.listener);
    os_close(&t.listening);
    struct net_route route = {.to = &t.address};
    assert_int_equal(net_connect(t.loop, &route, &ops, &t.client, &t.client.c), ERR_OK);
    assert_int_equal(t.client.closed, 0);
    run_until(client_closed);
    assert_int_equal(t.client.closed, 1);
    assert_int_equal(t.client.why, ERR_REFUSED);
    assert_int_equal(t.client.connected, 0);
    assert_int_equal(net_write(t.client.c, SLICE("x")), ERR_CLOSED);
}

static void connects_from_the_source_given(void **state)
{
    (void)state;
    struct socket_address source, seen;
    assert_int_equal(socket_address_parse(SLICE("127.0.0.7"), 0, &source), ERR_OK);
    struct net_route route = {.to = &t.address, .source = &source};
    assert_int_equal(net_connect(t.loop, &route, &ops, &t.client, &t.client.c), ERR_OK);
    run_until(both_connected);
    assert_int_equal(socket_local_address(net_fd(t.client.c), &seen), ERR_OK);
    assert_memory_equal(seen.ip, source.ip, 4);
}

static void answers_after_the_peers_half_close(void **state)
{
    (void)state;
    connect_raw();
    say_raw(SLICE("QUIT\r\n"));
    shutdown(t.raw, SHUT_WR);
    run_until(server_closed);
    assert_text(&t.server.got, "QUIT\r\n"); /* the data first, then the end */
    assert_int_equal(t.server.closed, 1);
    assert_int_equal(t.server.why, ERR_CLOSED);
    assert_int_equal(net_write(t.server.c, SLICE("221 bye\r\n")), ERR_OK);
    net_close_after_write(&t.server.c, 1000);
    assert_null(t.server.c);
    buf heard;
    buf_init(&heard, 1000);
    assert_true(hear_raw(&heard));
    assert_text(&heard, "221 bye\r\n");
    buf_deinit(&heard);
}

static void last_reply(struct end *e)
{
    if (!e->c)
        return;
    assert_int_equal(net_write(e->c, SLICE("421 too much\r\n")), ERR_OK);
    net_close_after_write(&e->c, 2000);
}

static void last_words(struct end *e)
{
    if (!e->c)
        return;
    assert_int_equal(net_write_last(e->c, SLICE("221 good bye\r\n")), ERR_OK);
    net_close_after_write(&e->c, 2000);
}

static bool raw_heard_all(void)
{
    char piece[64];
    return recv(t.raw, piece, sizeof(piece), MSG_PEEK | MSG_DONTWAIT) >= 14;
}

static void assert_hears_in_the_middle_of_sending(void (*ends)(struct end *e), const char *reply)
{
    static char bulk[1 << 20];
    memset(bulk, 'x', sizeof(bulk));
    connect_raw();
    t.server.on_data = ends;
    assert_true(send(t.raw, bulk, sizeof(bulk), MSG_NOSIGNAL) > 64 * 1024);
    run_until(raw_heard_all);
    assert_true(send(t.raw, bulk, 1000, MSG_NOSIGNAL | MSG_DONTWAIT) > 0 || errno == EAGAIN);
    loop_timer_start(t.timer, 0);
    loop_run(t.loop);
    t.timed_out = false;
    buf heard;
    buf_init(&heard, 1000);
    shutdown(t.raw, SHUT_WR);
    assert_true(hear_raw(&heard));
    assert_text(&heard, reply);
    buf_deinit(&heard);
}

/* A peer in the middle of sending must be able to read why it is cut off: no reset overtakes the reply. */
static void the_last_reply_survives_what_the_peer_still_sends(void **state)
{
    (void)state;
    assert_hears_in_the_middle_of_sending(last_reply, "421 too much\r\n");
}

static void the_last_words_survive_what_the_peer_still_sends(void **state)
{
    (void)state;
    assert_hears_in_the_middle_of_sending(last_words, "221 good bye\r\n");
}

/* The last words and the end, with no look for more: what the peer said was all there was. */
static void the_last_words_are_followed_by_the_end(void **state)
{
    (void)state;
    buf heard;
    buf_init(&heard, 1000);
    connect_raw();
    t.server.on_data = last_words;
    say_raw(SLICE("QUIT\r\nand more\r\n"));
    run_until(raw_heard_all);
    assert_true(hear_raw(&heard));
    assert_text(&heard, "221 good bye\r\n");
    buf_deinit(&heard);
}

static void a_reset_closes_once(void **state)
{
    (void)state;
    struct linger hard = {.l_onoff = 1};
    connect_raw();
    setsockopt(t.raw, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    os_close(&t.raw);
    run_until(server_closed);
    assert_int_equal(t.server.closed, 1);
    assert_int_equal(t.server.why, ERR_CLOSED);
}

static void close_now(struct end *e)
{
    net_close(&e->c);
}

static void an_owner_may_close_inside_its_callbacks(void **state)
{
    (void)state;
    connect_raw();
    t.server.on_data = close_now;
    say_raw(SLICE("x"));
    run_until(server_got_any);
    assert_null(t.server.c);
    assert_int_equal(t.server.closed, 0); /* its own doing */
    os_close(&t.raw);

    t.server.on_data = NULL;
    t.server.on_closed = close_now;
    connect_raw();
    os_close(&t.raw);
    run_until(server_closed);
    assert_null(t.server.c);
    assert_int_equal(t.server.closed, 1);
}

static void paused_reads_wait(void **state)
{
    (void)state;
    connect_raw();
    net_pause(t.server.c, true);
    say_raw(SLICE("DATA\r\n"));
    shutdown(t.raw, SHUT_WR);
    for (int i = 0; i < 3; i++) {
        loop_timer_start(t.timer, 5);
        loop_run(t.loop);
        t.timed_out = false;
    }
    assert_int_equal(t.server.got.len, 0);
    assert_int_equal(t.server.closed, 0);
    net_pause(t.server.c, false);
    run_until(server_closed);
    assert_text(&t.server.got, "DATA\r\n");
}

static bool client_has_8_mib(void)
{
    return t.client.got.len == 8 << 20 && t.server.drained;
}

static void large_writes_wait_and_drain(void **state)
{
    (void)state;
    connect_both();
    char *bulk = malloc(8 << 20);
    assert_non_null(bulk);
    for (size_t i = 0; i < 8 << 20; i++)
        bulk[i] = (char)(i * 31 >> 8);
    net_write_max(t.server.c, 8 << 20);
    assert_int_equal(net_write(t.server.c, slice_of(bulk, 5 << 20)), ERR_OK);
    assert_int_equal(net_write(t.server.c, slice_of(bulk + (5 << 20), 3 << 20)), ERR_OK);
    assert_true(net_write_pending(t.server.c) > 0);
    run_until(client_has_8_mib);
    assert_memory_equal(t.client.got.ptr, bulk, 8 << 20);
    assert_int_equal(t.server.drained, 1);
    assert_int_equal(net_write_pending(t.server.c), 0);
    free(bulk);
}

static void a_reader_that_does_not_read_fails_at_the_bound(void **state)
{
    (void)state;
    static char piece[64 * 1024];
    enum err e = ERR_OK;
    connect_raw();
    for (int i = 0; e == ERR_OK && i < 1000; i++)
        e = net_write(t.server.c, slice_of(piece, sizeof(piece)));
    assert_int_equal(e, ERR_LIMIT);
    assert_int_equal(net_write_pending(t.server.c), 0);
    assert_int_equal(net_write(t.server.c, SLICE("x")), ERR_CLOSED);
}

/* The peer refuses in the middle of what we send and goes away: its words come before the failure. */
static void the_peers_last_words_come_before_the_failure(void **state)
{
    (void)state;
    static char piece[64 * 1024];
    connect_raw();
    net_write_max(t.server.c, 16 << 20);
    for (int i = 0; i < 200; i++)
        assert_int_equal(net_write(t.server.c, slice_of(piece, sizeof(piece))), ERR_OK);
    assert_true(net_write_pending(t.server.c) > 0);
    char *words = malloc(100000); /* more than one read takes */
    assert_non_null(words);
    memset(words, 'w', 100000);
    say_raw(slice_of(words, 100000));
    os_close(&t.raw);
    run_until(server_closed);
    assert_int_equal(t.server.got.len, 100000);
    assert_memory_equal(t.server.got.ptr, words, 100000);
    free(words);
    assert_int_equal(t.server.closed, 1);
}

static void closing_writes_out_what_waits(void **state)
{
    (void)state;
    static char bulk[4 << 20];
    connect_both();
    net_write_max(t.server.c, sizeof(bulk));
    assert_int_equal(net_write(t.server.c, slice_of(bulk, sizeof(bulk))), ERR_OK);
    net_close_after_write(&t.server.c, 5000);
    run_until(client_closed);
    assert_int_equal(t.client.got.len, sizeof(bulk));
    assert_int_equal(t.client.why, ERR_CLOSED);
}

static void the_loop_may_close_while_output_waits(void **state)
{
    (void)state;
    static char bulk[4 << 20];
    connect_raw();
    net_write_max(t.server.c, sizeof(bulk));
    assert_int_equal(net_write(t.server.c, slice_of(bulk, sizeof(bulk))), ERR_OK);
    net_close_after_write(&t.server.c, 3600 * 1000);
    assert_null(t.server.c); /* the teardown closes the loop; the sanitizer sees what is left */
}

static int accepted_count;

static void count_accepted(void *ctx, int fd, const struct socket_address *peer)
{
    (void)ctx;
    (void)peer;
    accepted_count++;
    close(fd);
}

static bool ten_accepted(void)
{
    return accepted_count == 10;
}

static void a_rush_is_accepted_whole(void **state)
{
    (void)state;
    int fds[10];
    net_listener_close(&t.listener);
    assert_int_equal(net_listen(t.loop, t.listening, count_accepted, NULL, &t.listener), ERR_OK);
    accepted_count = 0;
    for (int i = 0; i < 10; i++)
        assert_int_equal(socket_connect_wait(&t.address, 5000, &fds[i]), ERR_OK);
    run_until(ten_accepted);
    for (int i = 0; i < 10; i++)
        close(fds[i]);
}

/* Without descriptors the listener waits instead of spinning, and comes back. */
static void accepts_again_after_running_out_of_descriptors(void **state)
{
    (void)state;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(socket_connect_wait(&t.address, 5000, &t.raw), ERR_OK);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    loop_timer_start(t.timer, 20);
    loop_run(t.loop);
    t.timed_out = false;
    assert_null(t.server.c);
    assert_true(t.turns < 10);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    run_until(server_accepted);
}

/* --- TLS --- */

static char folder[] = "/tmp/thurn-net-test-XXXXXX";
static char cert_path[64], key_path[64];

static int make_pair(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", folder);
    snprintf(key_path, sizeof(key_path), "%s/key.pem", folder);
    certificate_make(cert_path, key_path, "mx.example.org", false, os_wall_s(), 90);
    return 0;
}

static int remove_pair(void **state)
{
    (void)state;
    unlink(cert_path);
    unlink(key_path);
    return rmdir(folder);
}

static void load_tls(bool verify)
{
    char text[256];
    buf why;
    buf_init_fixed(&why, text, sizeof(text));
    struct tls_pair pair = {.cert = slice_str(cert_path), .key = slice_str(key_path)};
    assert_int_equal(tls_server_open(&pair, 1, SLICE_NONE, &t.tls_server, &why), ERR_OK);
    assert_int_equal(tls_client_open(verify, &t.tls_client, &why), ERR_OK);
}

static bool both_secured(void)
{
    return t.server.secured && t.client.secured;
}

static void secure_both(void)
{
    load_tls(false);
    connect_both();
    assert_int_equal(net_start_tls_server(t.server.c, t.tls_server), ERR_OK);
    assert_int_equal(net_start_tls_client(t.client.c, t.tls_client, SLICE("mx.example.org")), ERR_OK);
    run_until(both_secured);
}

static bool server_has_5(void)
{
    return t.server.got.len == 5;
}

static void tls_carries_both_ways(void **state)
{
    (void)state;
    secure_both();
    assert_int_equal(t.server.secured, 1);
    assert_int_equal(t.client.secured, 1);
    assert_true(slice_starts(net_tls_text(t.client.c), SLICE("TLSv1.3 TLS_")));
    assert_false(net_tls_verified(t.client.c)); /* self-signed: noted, not refused */
    assert_int_equal(net_write(t.client.c, SLICE("hello")), ERR_OK);
    run_until(server_has_5);
    assert_text(&t.server.got, "hello");
    char *bulk = calloc(1, 8 << 20);
    assert_non_null(bulk);
    net_write_max(t.server.c, 9 << 20);
    assert_int_equal(net_write(t.server.c, slice_of(bulk, 8 << 20)), ERR_OK);
    run_until(client_has_8_mib);
    assert_memory_equal(t.client.got.ptr, bulk, 8 << 20);
    free(bulk);
}

static void pause_now(struct end *e)
{
    net_pause(e->c, true);
}

/* What lies decrypted in the session comes after the pause though the socket stays silent, and before the end. */
static void tls_pauses_between_records(void **state)
{
    (void)state;
    secure_both();
    t.server.on_data = pause_now;
    assert_int_equal(net_write(t.client.c, SLICE("one,")), ERR_OK);
    assert_int_equal(net_write(t.client.c, SLICE("two,")), ERR_OK);
    assert_int_equal(net_write(t.client.c, SLICE("three")), ERR_OK);
    net_close_after_write(&t.client.c, 1000);
    run_until(server_got_any);
    assert_text(&t.server.got, "one,");
    net_pause(t.server.c, false);
    t.server.on_data = NULL;
    run_until(server_closed);
    assert_text(&t.server.got, "one,two,three");
    assert_int_equal(t.server.why, ERR_CLOSED);
    assert_int_equal(t.server.closed, 1);
}

static void after_close_notify_no_plaintext_is_read(void **state)
{
    (void)state;
    secure_both();
    int fd = dup(net_fd(t.client.c));
    assert_int_equal(net_write(t.client.c, SLICE("BDAT 100\r\nabc")), ERR_OK);
    net_close_after_write(&t.client.c, 1000);
    (void)!send(fd, "MAIL FROM:<>\r\n", 14, MSG_NOSIGNAL);
    run_until(server_closed);
    assert_text(&t.server.got, "BDAT 100\r\nabc");
    for (int i = 0; i < 3; i++) {
        loop_timer_start(t.timer, 5);
        loop_run(t.loop);
        t.timed_out = false;
    }
    assert_text(&t.server.got, "BDAT 100\r\nabc");
    assert_int_equal(t.server.closed, 1);
    close(fd);
}

static void an_end_without_close_notify_is_an_end(void **state)
{
    (void)state;
    secure_both();
    net_close(&t.client.c);
    run_until(server_closed);
    assert_int_equal(t.server.why, ERR_CLOSED);
}

static void plaintext_instead_of_a_handshake_fails(void **state)
{
    (void)state;
    load_tls(false);
    connect_raw();
    assert_int_equal(net_start_tls_server(t.server.c, t.tls_server), ERR_OK);
    say_raw(SLICE("EHLO plaintext.example.org\r\n"));
    run_until(server_closed);
    assert_int_equal(t.server.why, ERR_TLS);
    assert_int_equal(t.server.got.len, 0);
    assert_true(net_tls_error(t.server.c).len > 0);
    assert_int_equal(net_write(t.server.c, SLICE("220 in the clear")), ERR_CLOSED);
}

static void leaving_in_the_handshake_is_a_tls_failure(void **state)
{
    (void)state;
    load_tls(false);
    connect_raw();
    assert_int_equal(net_start_tls_client(t.server.c, t.tls_client, SLICE("mx.example.org")), ERR_OK);
    os_close(&t.raw);
    run_until(server_closed);
    assert_int_equal(t.server.why, ERR_TLS);
    assert_true(net_tls_error(t.server.c).len > 0);
}

static void a_verifying_client_refuses_a_self_signed_certificate(void **state)
{
    (void)state;
    load_tls(true);
    connect_both();
    assert_int_equal(net_start_tls_server(t.server.c, t.tls_server), ERR_OK);
    assert_int_equal(net_start_tls_client(t.client.c, t.tls_client, SLICE("mx.example.org")), ERR_OK);
    run_until(client_closed);
    assert_int_equal(t.client.why, ERR_TLS);
    assert_int_equal(t.client.secured, 0);
    assert_true(slice_find(net_tls_error(t.client.c), SLICE("self-signed")) >= 0 ||
                slice_find(net_tls_error(t.client.c), SLICE("self signed")) >= 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(refused_connections_close_once),
        T(connects_from_the_source_given),
        T(answers_after_the_peers_half_close),
        T(the_last_reply_survives_what_the_peer_still_sends),
        T(the_last_words_survive_what_the_peer_still_sends),
        T(the_last_words_are_followed_by_the_end),
        T(a_reset_closes_once),
        T(an_owner_may_close_inside_its_callbacks),
        T(paused_reads_wait),
        T(large_writes_wait_and_drain),
        T(a_reader_that_does_not_read_fails_at_the_bound),
        T(the_peers_last_words_come_before_the_failure),
        T(closing_writes_out_what_waits),
        T(the_loop_may_close_while_output_waits),
        T(a_rush_is_accepted_whole),
        T(accepts_again_after_running_out_of_descriptors),
        T(tls_carries_both_ways),
        T(tls_pauses_between_records),
        T(after_close_notify_no_plaintext_is_read),
        T(an_end_without_close_notify_is_an_end),
        T(plaintext_instead_of_a_handshake_fails),
        T(leaving_in_the_handshake_is_a_tls_failure),
        T(a_verifying_client_refuses_a_self_signed_certificate),
    };
    return cmocka_run_group_tests(tests, make_pair, remove_pair);
}
