/* SPDX-License-Identifier: ISC */
/* That the cost of a mail does not depend on how many destinations there are, without a clock: the files that know of more than one are compiled once more with each of their
 * steps (basic blocks) counted, and the steps a mail are compared. Sessions are played here: one takes a job at once. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sanitized.h>

#include "proc/sender/state.h"

#define MAILS 1000u
#define FEW 10u
#define MANY 10000u

static struct sender sender;
static uint64_t steps;
static unsigned sent;

void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
    steps++;
}

void sender_session_open(struct sender *s, struct destination *d, uint32_t target, bool plain_only)
{
    (void)s;
    (void)plain_only;
    if (sender_job_next(d, target))
        sent++;
}

void sender_session_next(struct sender *s, struct session *x)
{
    (void)s;
    (void)x;
    fail();
}

void sender_session_drive(struct sender *s, struct session *x)
{
    (void)s;
    (void)x;
    fail();
}

void sender_session_quit(struct sender *s, struct session *x)
{
    (void)s;
    (void)x;
    fail();
}

static int open_sender(void **state)
{
    (void)state;
    sender = (struct sender){.token = 0};
    sent = 0;
    sender_destinations_init(&sender, (struct hash_key){3, 4});
    return loop_open(&sender.child.loop) == ERR_OK && sender_pace_open(&sender) == ERR_OK ? 0 : 1;
}

static int close_sender(void **state)
{
    (void)state;
    sender_destination_close_all(&sender);
    loop_timer_close(&sender.pace);
    loop_close(&sender.child.loop);
    return 0;
}

/* Of a domain whose hosts must be asked for, or of an address. */
static struct destination *destination(unsigned number, bool asks)
{
    char name[32];
    int len =
        snprintf(name, sizeof name, asks ? "d%05u.example" : "10.0.%u.%u", asks ? number : number / 256, number % 256);
    struct next_hop hop = {.kind = NEXT_SMTP, .port = 25, .domain = slice_of(name, (size_t)len)};
    static const struct route_domain owner;
    hop.owner = &owner;
    if (!asks)
        hop.host = hop.domain;
    struct destination *d = sender_destination_get(&sender, &hop, 20);
    assert_non_null(d);
    return d;
}

static void mail(unsigned to, bool asks)
{
    static struct job jobs[MANY + MAILS];
    static unsigned used;
    struct job *j = &jobs[used++ % (MANY + MAILS)];
    *j = (struct job){.number = used};
    list_init(&j->link);
    struct destination *d = destination(to, asks);
    sender_job_wait(&sender, d, j);
    sender_destination_pump(&sender, d);
}

static void sweep(void)
{
    sender_targets_sweep(&sender);
    sender_destination_sweep(&sender);
}

/* Mails for so many destinations in turn, the sweep beside them: the steps that each costs. */
static uint64_t steps_a_mail(unsigned first, unsigned destinations)
{
    uint64_t before = steps;
    unsigned sent_before = sent;
    for (unsigned i = 0; i < MAILS; i++) {
        mail(first + i % destinations, false);
        if (i % 100 == 0)
            sweep();
    }
    assert_int_equal(sent - sent_before, MAILS);
    assert_in_range(steps - before, MAILS, UINT64_MAX);
    return (steps - before) / MAILS;
}

static void answer(uint64_t token)
{
    /* preference, name, one address */
    static const char host[] = "\x0a\x00\x05\x00mx.ex\x01\x00\x04\xc0\x00\x02\x01";
    struct ipc_answer_mx a = {.token = token, .status = LOOKUP_FOUND, .hosts = slice_of(host, sizeof host - 1)};
    sender_targets_answer(&sender, &a);
}

static void within(uint64_t steps_many, uint64_t steps_few, unsigned percent)
{
    assert_in_range(steps_many, 1, steps_few + steps_few * percent / 100 + 1);
}

static void q5_a_mail_costs_the_same_beside_ten_destinations_and_beside_ten_thousand(void **state)
{
    (void)state;
    uint64_t fresh_few = steps_a_mail(FEW, MAILS);
    (void)close_sender(NULL);
    assert_int_equal(open_sender(NULL), 0);
    (void)steps_a_mail(0, FEW);
    uint64_t few = steps_a_mail(0, FEW);
    for (unsigned i = FEW; i < MANY; i++)
        mail(i, false);
    sweep();
    sweep();
    within(steps_a_mail(0, MAILS), few, 10);
    within(steps_a_mail(MANY, MAILS), fresh_few, 10);
}

static void q5_an_answer_costs_the_same_among_ten_questions_and_among_ten_thousand(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FEW; i++)
        mail(i, true);
    uint64_t before = steps;
    for (uint64_t token = 1; token <= FEW; token++)
        answer(token);
    uint64_t few = (steps - before) / FEW;
    for (unsigned i = FEW; i < FEW + MANY; i++)
        mail(i, true);
    assert_int_equal(sent, FEW);
    before = steps;
    for (uint64_t token = FEW + MANY; token > FEW + MANY - MAILS; token--)
        answer(token);
    within((steps - before) / MAILS, few, 10);
    assert_int_equal(sent, FEW + MAILS);
}

/* Each of the pages that its memory takes must be found and zeroed by the system, which costs more than all the rest of a new destination. */
static void q5_a_destination_that_is_remembered_is_small(void **state)
{
    (void)state;
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (unsigned i = 0; i < MANY; i++)
        mail(i, false);
    if (!SANITIZED)
        assert_in_range(mallinfo2().uordblks + mallinfo2().hblkhd - before, 1, MANY * 640);
    assert_int_equal(sent, MANY);
}

/* However many there are and whoever else is busy: memory is given back when its time is over, and not some of it with each sweep. */
static void q5_destinations_that_are_idle_for_long_all_go_at_once(void **state)
{
    (void)state;
    mail(0, true);
    struct destination *asks = destination(0, true);
    for (unsigned i = 0; i < MANY; i++)
        mail(i, false);
    for (unsigned i = 0; i < 3; i++)
        sweep();
    unsigned count = 0;
    LIST_FOREACH(l, &sender.destinations) {
        LIST_ENTRY(l, struct destination, link)->used_ms -= 61 * 1000;
        count++;
    }
    assert_int_equal(count, MANY + 1);
    sweep();
    assert_ptr_equal(LIST_ENTRY(sender.destinations.next, struct destination, link), asks);
    assert_ptr_equal(asks->link.next, &sender.destinations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(q5_a_mail_costs_the_same_beside_ten_destinations_and_beside_ten_thousand,
                                        open_sender, close_sender),
        cmocka_unit_test_setup_teardown(q5_an_answer_costs_the_same_among_ten_questions_and_among_ten_thousand,
                                        open_sender, close_sender),
        cmocka_unit_test_setup_teardown(q5_a_destination_that_is_remembered_is_small, open_sender, close_sender),
        cmocka_unit_test_setup_teardown(q5_destinations_that_are_idle_for_long_all_go_at_once, open_sender,
                                        close_sender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
