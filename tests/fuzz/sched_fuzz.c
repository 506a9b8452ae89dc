/* SPDX-License-Identifier: ISC */
/* The index under any order of calls that its header allows: what is dispatched is leased and never more than may be, nothing is forgotten: in the end every part that was not
 * finished is dispatched once more. Input: two bytes a call. */
#include <assert.h>

#include "sched/sched.h"

#define PARTS_MAX 200
#define JOBS 5u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct model {
    struct sched *s;
    uint32_t parts[PARTS_MAX], messages[PARTS_MAX];
    size_t count;
    uint64_t ids;
    int64_t now_s;
};

static void add(struct model *m, uint8_t b)
{
    const struct sched_message fresh = {
        .id = ++m->ids, .arrival_s = (uint32_t)m->now_s, .priority = (int8_t)(b % 5 - 2)};
    char key[] = "smtp:a";
    uint32_t message, destination, part, recipients[] = {0, 1, 2};
    key[5] = (char)('a' + b % 4);
    if (m->count == PARTS_MAX || sched_message_add(m->s, &fresh, &message) != ERR_OK)
        return;
    if (sched_destination_get(m->s, slice_str(key), 1, &destination) != ERR_OK ||
        sched_part_add(m->s, message, destination, (struct sched_recipients){recipients, 1u + b % 3}, &part) != ERR_OK)
        abort();
    m->parts[m->count] = part;
    m->messages[m->count++] = message;
}

static void forget(struct model *m, size_t i)
{
    sched_part_end(m->s, m->parts[i]);
    if (!sched_part_finish(m->s, m->parts[i]))
        abort();
    sched_message_remove(m->s, m->messages[i]);
    m->count--;
    m->parts[i] = m->parts[m->count];
    m->messages[i] = m->messages[m->count];
}

static void on_leased(struct model *m, size_t i, uint8_t b)
{
    uint32_t part = m->parts[i];
    switch (b % 4) {
    case 0:
        sched_part_return(m->s, part);
        break;
    case 1:
        assert(sched_part_defer(m->s, part, m->now_s, SLICE("later")) > m->now_s);
        break;
    case 2:
        forget(m, i);
        break;
    default:
        assert(sched_destination_down(m->s, sched_part(m->s, part)->destination, m->now_s, SLICE("down")) > m->now_s);
        sched_part_return(m->s, part);
        break;
    }
}

static void on_part(struct model *m, uint8_t op, uint8_t b)
{
    size_t i = b % m->count;
    uint32_t part = m->parts[i];
    switch (op) {
    case 3:
        if (sched_part(m->s, part)->state == SCHED_LEASED)
            on_leased(m, i, b / 16);
        break;
    case 4:
        if (sched_part(m->s, part)->state != SCHED_LEASED)
            sched_part_hold(m->s, part);
        break;
    case 5:
        sched_part_release(m->s, part);
        break;
    case 6:
        sched_part_retry(m->s, part);
        break;
    case 7:
        sched_destination_ok(m->s, sched_part(m->s, part)->destination);
        break;
    default:
        if (sched_part(m->s, part)->state != SCHED_LEASED)
            forget(m, i);
        break;
    }
}

static void dispatch(struct model *m)
{
    uint32_t part = sched_dispatch(m->s);
    assert(part == 0 || sched_part(m->s, part)->state == SCHED_LEASED);
    assert(sched_jobs(m->s) <= JOBS);
}

static void step(struct model *m, uint8_t op, uint8_t b)
{
    op %= 10;
    if (op == 0) {
        add(m, b);
    } else if (op == 1) {
        dispatch(m);
    } else if (op == 2) {
        m->now_s += b;
        assert(sched_tick(m->s, m->now_s) > m->now_s);
    } else if (m->count > 0) {
        on_part(m, op, b);
    }
    assert(sched_message_count(m->s) == m->count);
}

/* Everything is released and returned; then all of it must come. */
static void drain(struct model *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (sched_part(m->s, m->parts[i])->state == SCHED_LEASED)
            sched_part_return(m->s, m->parts[i]);
        sched_part_release(m->s, m->parts[i]);
        sched_part_retry(m->s, m->parts[i]);
    }
    for (size_t rounds = 4 * m->count + 8; m->count > 0; rounds--) {
        assert(rounds > 0);
        uint32_t part = sched_dispatch(m->s);
        m->now_s += part ? 0 : 10000;
        (void)sched_tick(m->s, m->now_s);
        for (size_t i = 0; part && i < m->count; i++) {
            if (m->parts[i] != part)
                continue;
            sched_destination_ok(m->s, sched_part(m->s, part)->destination);
            forget(m, i);
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t retry_s[] = {1, 60, 600};
    const struct sched_options o = {.retry_s = retry_s, .retry_count = 3, .connections = 2, .jobs_max = JOBS};
    static struct model m;
    m = (struct model){.now_s = 1700000000};
    if (size > 4096 || sched_open(&o, (struct hash_key){1, 2}, &m.s) != ERR_OK)
        return 0;
    for (size_t i = 0; i + 1 < size; i += 2)
        step(&m, data[i], data[i + 1]);
    drain(&m);
    assert(sched_message_count(m.s) == 0);
    sched_close(&m.s);
    return 0;
}
