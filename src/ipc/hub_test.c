/* SPDX-License-Identifier: ISC */
/* Two hubs on one loop, a receiver's and a queue's; the test plays their master through the other ends of their control sockets. */
#include "ipc/ipc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/os.h"

#define TURNS_MAX 5000

struct side {
    struct ipc_hub *hub;
    struct ipc_channel *master; /* the test's end */
    struct hub_peer *peer;
    size_t messages, broke, dead, settled, drains, orphaned;
    uint64_t sum;
    size_t announced_when_it_died;
};

static struct loop *loop;
static struct side receiver, queue;
static struct loop_timer *turn_timer;
static bool (*done)(void);
static int turns;

static void peer_up(void *ctx, struct hub_peer *p)
{
    struct side *s = ctx;
    s->peer = p;
}
static void peer_down(void *ctx, struct hub_peer *p, bool dead)
{
    struct side *s = ctx;
    assert_ptr_equal(s->peer, p);
    assert_false(p->up);
    s->broke += !dead;
    s->dead += dead;
    s->announced_when_it_died = s->messages;
    if (dead)
        s->peer = NULL;
}
static void message(void *ctx, struct hub_peer *p, const struct ipc_message *m)
{
    struct side *s = ctx;
    s->messages++;
    if (m->type == IPC_announce)
        s->sum += m->u.announce.id;
    if (m->type == IPC_numbers)
        assert_null(p);
}
static void drain(void *ctx, int64_t limit_ms)
{
    struct side *s = ctx;
    assert_int_equal(limit_ms, 600000);
    s->drains++;
}
static void settled(void *ctx)
{
    struct side *s = ctx;
    s->settled++;
}
static void master_gone(void *ctx)
{
    struct side *s = ctx;
    s->orphaned++;
}

static void turn(void *ctx)
{
    (void)ctx;
    if (done() || ++turns > TURNS_MAX)
        loop_stop(loop);
    else
        loop_timer_start(turn_timer, turns > 100);
}

static void run_until(bool (*condition)(void))
{
    done = condition;
    turns = 0;
    loop_timer_start(turn_timer, 0);
    loop_run(loop);
    assert_true(done());
}

static void open_side(struct side *s, enum process_kind kind)
{
    static const struct ipc_hub_ops ops = {peer_up, peer_down, message, drain, settled, master_gone};
    int pair[2];
    *s = (struct side){0};
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(ipc_channel_open(pair[0], PROCESS_MASTER, kind, &s->master), ERR_OK);
    assert_int_equal(ipc_hub_open(loop, (struct ipc_hub_self){kind, pair[1]}, &ops, s, &s->hub), ERR_OK);
}

static void tell(struct side *s, struct ipc_message m)
{
    ipc_channel_send(s->master, &m);
    assert_int_equal(ipc_channel_flush(s->master), ERR_OK);
}

static void introduce(uint32_t generation)
{
    int pair[2];
    assert_int_equal(socket_pair(pair), ERR_OK);
    tell(&receiver, (struct ipc_message){.type = IPC_peer, .fd = pair[0], .u.peer = {2, PROCESS_QUEUE, 0, generation}});
    tell(&queue, (struct ipc_message){.type = IPC_peer, .fd = pair[1], .u.peer = {1, PROCESS_RECEIVER, 3, generation}});
}

static bool both_up(void)
{
    return receiver.peer && queue.peer;
}

static int begin(void **state)
{
    (void)state;
    assert_int_equal(loop_open(&loop), ERR_OK);
    assert_int_equal(loop_timer_open(loop, turn, NULL, &turn_timer), ERR_OK);
    open_side(&receiver, PROCESS_RECEIVER);
    open_side(&queue, PROCESS_QUEUE);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ipc_hub_close(&receiver.hub);
    ipc_hub_close(&queue.hub);
    ipc_channel_close(&receiver.master);
    ipc_channel_close(&queue.master);
    loop_timer_close(&turn_timer);
    loop_close(&loop);
    return 0;
}

static void announce(uint64_t id, size_t size)
{
    static char zeros[65536];
    struct ipc_message m = {.type = IPC_announce, .fd = -1, .u.announce = {.id = id, .head = {zeros, size}}};
    ipc_hub_send(receiver.hub, receiver.peer, &m);
}

static bool hundred_arrived(void)
{
    return queue.messages >= 100;
}

static void introduced_peers_know_each_other_and_talk(void **state)
{
    (void)state;
    introduce(5);
    run_until(both_up);
    assert_int_equal(queue.peer->kind, PROCESS_RECEIVER);
    assert_int_equal(queue.peer->process, 1);
    assert_int_equal(queue.peer->slot, 3);
    assert_int_equal(queue.peer->generation, 5);
    assert_ptr_equal(ipc_hub_find(receiver.hub, PROCESS_QUEUE), receiver.peer);
    assert_null(ipc_hub_find(receiver.hub, PROCESS_LOOKUP));
    assert_ptr_equal(ipc_hub_next(queue.hub, NULL), queue.peer);
    assert_null(ipc_hub_next(queue.hub, queue.peer));
    for (uint64_t i = 1; i <= 100; i++)
        announce(i, 20000);
    assert_true(ipc_hub_pending(receiver.hub, receiver.peer) > 100 * 20000);
    run_until(hundred_arrived);
    assert_int_equal(queue.sum, 5050);
    assert_int_equal(ipc_hub_pending(receiver.hub, receiver.peer), 0);
}

/* Nothing turns the loop here: the waiting itself moves the bytes. */
static void a_question_waits_for_its_answer(void **state)
{
    (void)state;
    struct ipc_message answer = {.type = IPC_announce_ack, .fd = -1, .u.announce_ack = {.bytes = 7}};
    introduce(5);
    run_until(both_up);
    announce(9, 10);
    assert_int_equal(ipc_hub_wait(receiver.hub, receiver.peer, 0), ERR_TIMEOUT);
    assert_int_equal(ipc_hub_wait(queue.hub, queue.peer, 60000), ERR_OK);
    assert_int_equal(queue.sum, 9);
    ipc_hub_send(queue.hub, queue.peer, &answer);
    assert_int_equal(ipc_hub_wait(queue.hub, queue.peer, 0), ERR_TIMEOUT);
    assert_int_equal(ipc_hub_wait(receiver.hub, receiver.peer, 60000), ERR_OK);
    assert_int_equal(receiver.messages, 1);
    ipc_hub_close(&queue.hub);
    assert_int_equal(ipc_hub_wait(receiver.hub, receiver.peer, 60000), ERR_CLOSED);
    assert_int_equal(receiver.broke, 1);
    assert_int_equal(ipc_hub_wait(receiver.hub, receiver.peer, 60000), ERR_CLOSED);
}

static bool queue_saw_death(void)
{
    return queue.dead == 1;
}

static bool queue_has_peer(void)
{
    return queue.peer != NULL;
}

/* A receiver that is a bare channel in the test's hands. */
static struct ipc_channel *introduce_bare(void)
{
    int pair[2];
    struct ipc_channel *bare = NULL;
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(ipc_channel_open(pair[0], PROCESS_RECEIVER, PROCESS_QUEUE, &bare), ERR_OK);
    tell(&queue, (struct ipc_message){.type = IPC_peer, .fd = pair[1], .u.peer = {1, PROCESS_RECEIVER, 0, 1}});
    run_until(queue_has_peer);
    return bare;
}

/* The master's word of a death may be read before what the dead one wrote. */
static void what_the_dead_wrote_is_heard_before_its_death(void **state)
{
    (void)state;
    struct ipc_channel *bare = introduce_bare();
    for (uint64_t i = 1; i <= 3; i++) {
        struct ipc_message m = {.type = IPC_announce, .fd = -1, .u.announce = {.id = i}};
        ipc_channel_send(bare, &m);
    }
    assert_int_equal(ipc_channel_flush(bare), ERR_OK);
    ipc_channel_close(&bare);
    tell(&queue, (struct ipc_message){.type = IPC_peer_gone, .fd = -1, .u.peer_gone = {1}});
    run_until(queue_saw_death);
    assert_int_equal(queue.announced_when_it_died, 3);
    assert_true(queue.broke <= 1);
    assert_null(ipc_hub_next(queue.hub, NULL));
}

static bool queue_broke(void)
{
    return queue.broke == 1;
}

static void a_broken_channel_is_not_yet_a_death(void **state)
{
    (void)state;
    struct ipc_channel *bare = introduce_bare();
    ipc_channel_close(&bare);
    run_until(queue_broke);
    assert_int_equal(queue.dead, 0);
    struct hub_peer *p = queue.peer;
    assert_ptr_equal(ipc_hub_next(queue.hub, NULL), p);
    assert_null(ipc_hub_find(queue.hub, PROCESS_RECEIVER));
    struct ipc_message ack = {.type = IPC_announce_ack, .fd = -1};
    ipc_hub_send(queue.hub, p, &ack);
    tell(&queue, (struct ipc_message){.type = IPC_peer_gone, .fd = -1, .u.peer_gone = {1}});
    run_until(queue_saw_death);
    assert_int_equal(queue.broke, 1);
}

static bool garbage_seen(void)
{
    return queue.broke == 1;
}

static void threat_garbage_closes_that_peer_only(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socket_pair(pair), ERR_OK);
    tell(&queue, (struct ipc_message){.type = IPC_peer, .fd = pair[1], .u.peer = {8, PROCESS_SENDER, 0, 1}});
    assert_int_equal(os_write(pair[0], SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), ERR_OK);
    run_until(garbage_seen);
    os_close(&pair[0]);
    assert_int_equal(queue.orphaned, 0);
    tell(&queue, (struct ipc_message){.type = IPC_peer_gone, .fd = -1, .u.peer_gone = {8}});
    run_until(queue_saw_death);
    introduce(1);
    run_until(both_up);
    for (uint64_t i = 1; i <= 100; i++)
        announce(i, 1);
    run_until(hundred_arrived);
}

static bool all_orders_came(void)
{
    return queue.settled == 1 && queue.drains == 1 && queue.messages == 1;
}

static bool orphaned(void)
{
    return queue.orphaned == 1;
}

static void orders_of_the_master_and_its_end_are_told(void **state)
{
    (void)state;
    tell(&queue, (struct ipc_message){.type = IPC_peers_settled, .fd = -1});
    tell(&queue, (struct ipc_message){.type = IPC_drain, .fd = -1, .u.drain = {600000}});
    tell(&queue, (struct ipc_message){.type = IPC_numbers, .fd = -1, .u.numbers = {1, 2}});
    run_until(all_orders_came);
    ipc_channel_close(&queue.master);
    run_until(orphaned);
    struct ipc_message ready = {.type = IPC_ready, .fd = -1};
    ipc_hub_send(queue.hub, NULL, &ready);
}

static void a_hub_that_is_gone_knows_nobody(void **state)
{
    (void)state;
    int pair[2];
    introduce(1);
    run_until(both_up);
    struct hub_peer *former = queue.peer;
    ipc_hub_close(&queue.hub);
    assert_null(queue.hub);
    assert_null(ipc_hub_find(queue.hub, PROCESS_RECEIVER));
    assert_null(ipc_hub_next(queue.hub, NULL));
    assert_int_equal(ipc_hub_pending(queue.hub, former), 0);
    assert_int_equal(socket_pair(pair), ERR_OK);
    struct ipc_message m = {.type = IPC_peer, .fd = pair[0], .u.peer = {7, PROCESS_QUEUE, 0, 1}};
    ipc_hub_send(queue.hub, former, &m);
    char byte;
    assert_int_equal(read(pair[1], &byte, 1), 0); /* what it carried is closed */
    os_close(&pair[1]);
}

static void paused_peers_wait(void **state)
{
    (void)state;
    introduce(1);
    run_until(both_up);
    ipc_hub_pause(queue.hub, queue.peer, true);
    for (uint64_t i = 1; i <= 100; i++)
        announce(i, 60000);
    ipc_hub_flush(receiver.hub, 50);
    assert_true(ipc_hub_pending(receiver.hub, receiver.peer) > 0);
    assert_int_equal(queue.messages, 0);
    ipc_hub_pause(queue.hub, queue.peer, false);
    run_until(hundred_arrived);
}

static bool queue_is_told_to_end(void)
{
    return queue.orphaned > 0;
}

/* A queue without one of its receivers would take it for dead, and its mail for read. */
static void a_peer_that_cannot_be_taken_up_ends_the_child(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socket_pair(pair), ERR_OK);
    tell(&queue, (struct ipc_message){.type = IPC_peer, .fd = pair[0], .u.peer = {7, PROCESS_KIND_COUNT, 0, 1}});
    run_until(queue_is_told_to_end);
    assert_null(queue.peer);
    os_close(&pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(introduced_peers_know_each_other_and_talk, begin, end),
        cmocka_unit_test_setup_teardown(a_question_waits_for_its_answer, begin, end),
        cmocka_unit_test_setup_teardown(what_the_dead_wrote_is_heard_before_its_death, begin, end),
        cmocka_unit_test_setup_teardown(a_broken_channel_is_not_yet_a_death, begin, end),
        cmocka_unit_test_setup_teardown(threat_garbage_closes_that_peer_only, begin, end),
        cmocka_unit_test_setup_teardown(orders_of_the_master_and_its_end_are_told, begin, end),
        cmocka_unit_test_setup_teardown(a_hub_that_is_gone_knows_nobody, begin, end),
        cmocka_unit_test_setup_teardown(paused_peers_wait, begin, end),
        cmocka_unit_test_setup_teardown(a_peer_that_cannot_be_taken_up_ends_the_child, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
