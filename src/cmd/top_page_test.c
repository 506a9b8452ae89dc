/* SPDX-License-Identifier: ISC */
#include "cmd/top_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define NOW_US ((int64_t)1700000001 * 1000000)

static struct top_state state_now;
static struct conf conf;

static void add_process(const char *name, uint32_t pid)
{
    struct top_process *p = &state_now.now.processes[state_now.now.count++];
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    p->alive = pid > 0;
    p->totals.pid = pid;
    p->totals.started_us = NOW_US - (int64_t)90 * 1000000;
    p->cpu_ticks = 150;
    p->memory = 12u << 20;
}

static void add_destination(const char *name, uint32_t messages)
{
    struct top_destination *d = &state_now.destinations[state_now.destination_count++];
    d->name_len = (size_t)snprintf(d->name, sizeof d->name, "%s", name);
    d->reason_len = (size_t)snprintf(d->reason, sizeof d->reason, "%s", "mx: 421 4.7.28 \x1b[2J rate limited");
    d->messages = messages;
    d->oldest_s = NOW_US / 1000000 - 840;
    d->next_s = NOW_US / 1000000 + 180;
    d->state = QUEUE_ITEM_DEFERRED;
}

static void add_problem(const char *words)
{
    struct top_problem *p = &state_now.problems[state_now.problem_count++ % TOP_PROBLEMS_MAX];
    p->time_us = NOW_US;
    p->len = (size_t)snprintf(p->words, sizeof p->words, "%s", words);
}

static int setup(void **state)
{
    (void)state;
    conf = (struct conf){.route.hostname = SLICE("mail.example.org")};
    state_now = (struct top_state){.conf = &conf, .asked = true};
    state_now.before.at_us = 1000000;
    state_now.now.at_us = 3000000;
    state_now.now.started_us = NOW_US - (int64_t)90 * 1000000;
    state_now.before.counters[TRACE_ACCEPTED] = 10;
    state_now.now.counters[TRACE_ACCEPTED] = 15;
    state_now.now.gauges[TRACE_GAUGE_MESSAGES] = 13;
    add_process("queue-0", 12);
    add_process("receiver-0", 11);
    add_process("receiver-1", 0);
    return 0;
}

static const char *page(size_t width, size_t height)
{
    static char text[65536];
    buf out;
    buf_init_fixed(&out, text, sizeof text - 1);
    top_page_print(&out, &state_now, NOW_US, (struct top_size){width, height});
    assert_true(buf_ok(&out));
    text[out.len] = 0;
    return text;
}

static size_t widest(const char *text)
{
    size_t most = 0;
    slice line, rest = slice_str(text);
    while (rest.len > 0) {
        (void)slice_cut(rest, '\n', &line, &rest);
        size_t n = 0;
        for (size_t i = 0; i < line.len; i++)
            n += ((unsigned char)line.ptr[i] & 0xc0) != 0x80;
        most = n > most ? n : most;
    }
    return most;
}

static size_t line_of(const char *text, const char *words)
{
    const char *found = strstr(text, words);
    size_t n = 0;
    assert_non_null(found);
    for (; text < found; text++)
        n += *text == '\n';
    return n;
}

static void a_page(void **state)
{
    (void)state;
    add_destination("example.com", 12);
    add_problem("7K3QX2M9: 421 4.7.28 rate limited: bob@example.com deferred by mx.example.com[192.0.2.26]:25");
    const char *text = page(80, 0);
    assert_true(strncmp(text, "mail.example.org   up 1m   2023-11-14 22:13:21\n\n", 48) == 0);
    assert_non_null(strstr(text, "\naccepted            2.5          15     clients               0\n"));
    assert_non_null(strstr(text, "\ndeferred            0.0           0     mails                13\n"));
    assert_non_null(strstr(text, "\nexample.com     12  14m     in 3m     mx: 421 4.7.28 \\x1b[2J rate limited\n"));
    assert_non_null(
        strstr(text, "\n22:13:21  7K3QX2M9: 421 4.7.28 rate limited: bob@example.com deferred by mx.e...\n"));
    assert_non_null(strstr(text, "\nreceiver-0   11"));
    assert_null(strstr(text, "receiver-1")); /* does not run */
    assert_null(strstr(text, "\x1b"));
    assert_in_range(widest(text), 60, 80);
    assert_non_null(strstr(page(120, 0), "by mx.example.com[192.0.2.26]:25\n"));
}

static void a_small_screen_has_what_matters(void **state)
{
    (void)state;
    char name[32];
    for (uint32_t i = 0; i < TOP_DESTINATIONS_MAX; i++) {
        (void)snprintf(name, sizeof name, "d%u.example", i);
        add_destination(name, 100 - i);
    }
    for (unsigned i = 0; i < 2 * TOP_PROBLEMS_MAX; i++) {
        (void)snprintf(name, sizeof name, "problem %u \xc3\xa4\xe2\x82\xac", i);
        add_problem(name);
    }
    for (unsigned i = 2; i < 8; i++) {
        (void)snprintf(name, sizeof name, "sender-%u", i);
        add_process(name, 20 + i);
    }
    const char *text = page(80, 24);
    assert_in_range(line_of(text, "d2.example"), 11, 23);
    assert_in_range(line_of(text, "problem 127"), 11, 23); /* the last one */
    assert_null(strstr(text, "d3.example"));
    text = page(80, 60);
    assert_in_range(line_of(text, "sender-7"), 24, 59);
    assert_in_range(line_of(text, "problem 110"), 11, 59);
}

static void without_a_server(void **state)
{
    (void)state;
    state_now.now.started_us = 0;
    state_now.asked = false;
    for (size_t i = 0; i < state_now.now.count; i++)
        state_now.now.processes[i].alive = false;
    const char *text = page(80, 24);
    assert_non_null(strstr(text, "mail.example.org   does not run"));
    assert_non_null(strstr(text, "The queue does not answer."));
    assert_null(strstr(text, "PROCESS"));
}

static void as_objects(void **state)
{
    (void)state;
    static char text[65536];
    buf out;
    buf_init_fixed(&out, text, sizeof text - 1);
    top_page_json(&out, &state_now);
    text[out.len] = 0;
    assert_non_null(strstr(text, "{\"process\": \"receiver-0\", \"pid\": 11, \"started\": 1699999911, \"cpu\": 1.50, "
                                 "\"memory\": 12582912, \"counters\": {\"note\": 0, "));
    assert_non_null(strstr(text, "{\"process\": \"receiver-1\", \"pid\": null, \"started\": null, "));
    assert_non_null(strstr(text, "{\"process\": null, \"running\": true, \"counters\": {"));
    assert_non_null(strstr(text, "\"accepted\": 15, "));
    assert_non_null(strstr(text, "\"gauges\": {\"sessions-in\": 0, \"sessions-out\": 0, \"messages\": 13, "));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_page),
        TEST(a_small_screen_has_what_matters),
        TEST(without_a_server),
        TEST(as_objects),
    };
    (void)setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
