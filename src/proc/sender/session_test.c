/* SPDX-License-Identifier: ISC */
/* What a session does when its destination changes under it, without a process around it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proc/sender/state.h"

static struct conf conf;
static int listen_fd;
static uint16_t port;

static int open_sender(void **state)
{
    (void)state;
    struct sender *s = sender_get();
    struct socket_address a;
    *s = (struct sender){.conf = &conf};
    conf.route.hostname = SLICE("mx.test.example");
    sender_destinations_init(s, (struct hash_key){3, 4});
    list_init(&s->sessions);
    list_init(&s->jobs);
    list_init(&s->held);
    list_init(&s->done);
    assert_int_equal(socket_address_parse(SLICE("127.0.0.1"), 0, &a), ERR_OK);
    assert_int_equal(socket_listen(&a, 10, 0, &listen_fd), ERR_OK);
    assert_int_equal(socket_local_address(listen_fd, &a), ERR_OK);
    port = a.port;
    return loop_open(&s->child.loop) == ERR_OK && sender_pace_open(s) == ERR_OK ? 0 : 1;
}

static int close_sender(void **state)
{
    (void)state;
    struct sender *s = sender_get();
    LIST_FOREACH(l, &s->sessions)
        sender_session_close(s, LIST_ENTRY(l, struct session, all));
    sender_destination_close_all(s);
    loop_timer_close(&s->pace);
    loop_close(&s->child.loop);
    os_close(&listen_fd);
    return 0;
}

static void answer(struct destination *d, uint8_t status)
{
    /* preference, name, one address */
    static const char host[] = "\x0a\x00\x08\x00one.test\x01\x00\x04\x7f\x00\x00\x01";
    struct ipc_answer_mx a = {.token = d->asking, .status = status};
    if (status == LOOKUP_FOUND)
        a.hosts = slice_of(host, sizeof host - 1);
    assert_true(d->asking != 0);
    sender_targets_answer(sender_get(), &a);
}

/* Its host stalls in the handshake until our five minutes with its addresses are over, and nobody answers for the domain any more. */
static void threat_hostile_server_breaks_tls_when_its_addresses_are_gone(void **state)
{
    (void)state;
    struct sender *s = sender_get();
    static const struct route_domain owner;
    struct next_hop hop = {.kind = NEXT_SMTP, .port = port, .host = SLICE("one.test"), .owner = &owner};
    struct destination *d = sender_destination_get(s, &hop, 20);
    assert_non_null(d);
    assert_false(sender_targets_ready(s, d));
    answer(d, LOOKUP_FOUND);
    sender_session_open(s, d, 0, false);
    assert_int_equal(d->session_count, 1);
    struct session *x = LIST_ENTRY(d->sessions.next, struct session, link);
    x->state = SESSION_HANDSHAKE;
    assert_int_equal(x->options.tls, SMTP_CLIENT_TLS_MAY);
    d->targets_until_ms = 0;
    assert_false(sender_targets_ready(s, d));
    answer(d, LOOKUP_TEMPORARY);
    sender_session_ops.closed(x, ERR_TLS);
    assert_int_equal(d->session_count, 0);
    assert_int_equal(s->session_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(threat_hostile_server_breaks_tls_when_its_addresses_are_gone, open_sender,
                                        close_sender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
