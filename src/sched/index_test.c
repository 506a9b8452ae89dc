/* SPDX-License-Identifier: ISC */
/* The index against a plain model of it: thousands of random operations, and after each all that must hold. Then what a user would notice, one by one. */
#include "sched/index.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "sched/state.h"

#define NOW 1800000000
#define MESSAGES 60u
#define DESTINATIONS 7u
#define CONNECTIONS 2u
#define JOBS_MAX 40u

static const int64_t retry_s[] = {60, 300, 900};
static const struct sched_options options = {retry_s, 3, CONNECTIONS, JOBS_MAX};

static struct sched *open_index(void)
{
    struct sched *s = NULL;
    assert_int_equal(sched_open(&options, (struct hash_key){3, 4}, &s), ERR_OK);
    return s;
}

static uint32_t add_message(struct sched *s, uint64_t id, uint8_t flags)
{
    uint32_t handle = 0;
    struct sched_message m = {.id = id, .arrival_s = NOW, .flags = flags};
    assert_int_equal(sched_message_add(s, &m, &handle), ERR_OK);
    return handle;
}

static uint32_t destination(struct sched *s, const char *key)
{
    uint32_t handle = 0;
    assert_int_equal(sched_destination_get(s, slice_str(key), 1, &handle), ERR_OK);
    return handle;
}

static uint32_t add_part(struct sched *s, uint32_t message, uint32_t to, const uint32_t *list, uint32_t count)
{
    uint32_t handle = 0;
    assert_int_equal(sched_part_add(s, message, to, (struct sched_recipients){list, count}, &handle), ERR_OK);
    return handle;
}

static uint32_t add_one(struct sched *s, uint64_t id, const char *key)
{
    static const uint32_t zero = 0;
    return add_part(s, add_message(s, id, 0), destination(s, key), &zero, 1);
}

/* What the model knows of a part, by its handle. */
struct model_part {
    uint64_t id;
    uint32_t destination;
    uint8_t state;
    uint16_t tries;
    uint32_t next_s, recipients;
};

static struct model {
    struct model_part parts[MESSAGES * 8];
    uint32_t message_parts[MESSAGES + 1]; /* by id; UINT32_MAX: no such message */
    bool held[MESSAGES + 1];
    uint8_t down[DESTINATIONS + 1]; /* enum sched_destination_state, by handle */
    uint32_t seed;
    int64_t now_s;
} model;

static uint32_t draw(uint32_t below)
{
    model.seed = model.seed * 1664525u + 1013904223u;
    return (model.seed >> 10) % below;
}

static uint32_t check_list(const struct sched *s, uint32_t handle, const struct sched_list *list, int priority)
{
    uint32_t count = 0, last = 0;
    for (uint32_t p = list->first; p; p = sched_part(s, p)->next) {
        assert_int_equal(sched_part(s, p)->state, SCHED_READY);
        assert_int_equal(sched_part(s, p)->destination, handle);
        assert_int_equal(sched_part(s, p)->prev, last);
        assert_int_equal(sched_part(s, p)->priority, priority);
        last = p;
        count++;
    }
    assert_int_equal(list->last, last);
    return count;
}

static int priority_of(const struct sched *s, uint32_t handle)
{
    const struct sched_destination *d = sched_destination(s, handle);
    for (int i = PRIORITY_MAX; i >= PRIORITY_MIN; i--) {
        if (i == 0 ? d->ready.first : d->levels ? d->levels->list[i - PRIORITY_MIN].first : 0)
            return i;
    }
    return PRIORITY_MIN - 1;
}

static void check_ready_list(const struct sched *s, uint32_t handle)
{
    const struct sched_destination *d = sched_destination(s, handle);
    uint32_t count = check_list(s, handle, &d->ready, 0);
    for (int i = PRIORITY_MIN; d->levels && i <= PRIORITY_MAX; i++) {
        const struct sched_list *list = &d->levels->list[i - PRIORITY_MIN];
        assert_int_equal(list->first != 0, (d->levels->mask >> (i - PRIORITY_MIN)) & 1);
        count += check_list(s, handle, list, i);
    }
    assert_int_equal(d->ready_count, count);
}

static void check_ring(const struct sched *s)
{
    uint32_t in_ring = 0, able = 0;
    for (int ring = 0; ring < SCHED_RINGS; ring++) {
        uint32_t at = s->active[ring];
        while (at) {
            const struct sched_destination *d = sched_destination(s, at);
            int highest = priority_of(s, at);
            assert_true(d->active);
            assert_int_equal(d->ring, ring);
            assert_int_equal(ring, highest > 0 ? SCHED_RING_URGENT : highest == 0 ? SCHED_RING_NORMAL : SCHED_RING_LOW);
            assert_int_equal(sched_destination(s, d->active_next)->active_prev, at);
            in_ring++;
            assert_true(in_ring <= DESTINATIONS);
            at = d->active_next == s->active[ring] ? 0 : d->active_next;
        }
    }
    for (uint32_t d = sched_destination_next(s, 0); d; d = sched_destination_next(s, d)) {
        const struct sched_destination *x = sched_destination(s, d);
        able += x->ready_count > 0 && x->state != SCHED_DOWN && x->leased < x->window;
    }
    assert_int_equal(in_ring, able);
}

static void check_waiting(const struct sched *s)
{
    uint32_t waiting = 0;
    for (uint32_t p = sched_part_next(s, 0); p; p = sched_part_next(s, p)) {
        const struct sched_part *x = sched_part(s, p);
        assert_int_equal(x->heap_at != 0, x->state == SCHED_WAITING);
        if (x->heap_at)
            assert_int_equal(s->waiting.items[x->heap_at].name, p);
        waiting += x->heap_at != 0;
    }
    for (uint32_t d = sched_destination_next(s, 0); d; d = sched_destination_next(s, d)) {
        const struct sched_destination *x = sched_destination(s, d);
        assert_int_equal(x->heap_at != 0, x->state == SCHED_DOWN);
        if (x->heap_at)
            assert_int_equal(s->waiting.items[x->heap_at].name, d | HEAP_DESTINATION);
        waiting += x->heap_at != 0;
    }
    assert_int_equal(waiting, s->waiting.count);
}

static void check_against_model(const struct sched *s)
{
    uint32_t leased_of[DESTINATIONS + 1] = {0}, parts_of[DESTINATIONS + 1] = {0}, leased = 0, count = 0;
    for (uint32_t p = 1; p <= s->parts.used; p++) {
        const struct sched_part *x = sched_part(s, p);
        const struct model_part *y = &model.parts[p];
        assert_int_equal(x->state, y->state);
        if (!y->state)
            continue;
        const uint32_t *list;
        assert_int_equal(x->destination, y->destination);
        assert_int_equal(x->tries, y->tries);
        assert_int_equal(sched_part_recipients(s, p, &list), y->recipients);
        assert_int_equal(sched_message(s, x->message)->id, y->id);
        if (y->state == SCHED_WAITING)
            assert_int_equal(x->next_s, y->next_s);
        parts_of[y->destination]++;
        leased_of[y->destination] += y->state == SCHED_LEASED;
        leased += y->state == SCHED_LEASED;
    }
    for (uint32_t d = sched_destination_next(s, 0); d; d = sched_destination_next(s, d)) {
        assert_int_equal(sched_destination(s, d)->part_count, parts_of[d]);
        assert_int_equal(sched_destination(s, d)->leased, leased_of[d]);
        assert_int_equal(sched_destination(s, d)->state, model.down[d]);
        assert_true(sched_destination(s, d)->window >= 1);
        check_ready_list(s, d);
    }
    for (uint64_t id = 1; id <= MESSAGES; id++) {
        uint32_t m = sched_message_find(s, id), parts = 0;
        assert_int_equal(m != 0, model.message_parts[id] != UINT32_MAX);
        for (uint32_t p = m ? sched_message(s, m)->first_part : 0; p; p = sched_part(s, p)->next_in_message)
            parts++;
        count += m != 0;
        if (m)
            assert_int_equal(parts, model.message_parts[id]);
    }
    assert_int_equal(sched_message_count(s), count);
    assert_int_equal(sched_jobs(s), leased);
    check_ring(s);
    check_waiting(s);
}

static void model_lease(const struct sched *s, uint32_t p)
{
    if (!p)
        return;
    assert_int_equal(model.parts[p].state, SCHED_READY);
    assert_int_not_equal(model.down[model.parts[p].destination], SCHED_DOWN);
    assert_true(sched_destination(s, model.parts[p].destination)->leased <= CONNECTIONS * 8);
    model.parts[p].state = SCHED_LEASED;
}

static void model_tick(struct sched *s)
{
    static const uint32_t steps[] = {0, 1, 30, 400};
    model.now_s += steps[draw(4)];
    int64_t next = sched_tick(s, model.now_s);
    assert_true(next > model.now_s);
    for (uint32_t p = 1; p <= s->parts.used; p++) {
        if (model.parts[p].state == SCHED_WAITING && model.parts[p].next_s <= model.now_s)
            model.parts[p].state = SCHED_READY;
    }
    for (uint32_t d = sched_destination_next(s, 0); d; d = sched_destination_next(s, d)) {
        if (model.down[d] == SCHED_DOWN && sched_destination(s, d)->retry_s <= model.now_s)
            model.down[d] = SCHED_PROBING;
    }
}

static void model_message(struct sched *s)
{
    static const char *const keys[DESTINATIONS] = {"smtp:a",  "smtp:b", "smtp:c", "smtp:d",
                                                   "local:e", "lmtp:f", "smtp:g"};
    uint64_t id = draw(MESSAGES) + 1;
    struct sched_message m = {.id = id, .arrival_s = NOW, .flags = draw(8) == 0 ? SCHED_HELD : 0};
    m.priority = (int8_t)(draw(2) ? 0 : (int)draw(19) + PRIORITY_MIN);
    uint32_t handle = 0, next = 0;
    enum err e = sched_message_add(s, &m, &handle);
    assert_int_equal(e, model.message_parts[id] == UINT32_MAX ? ERR_OK : ERR_EXISTS);
    assert_int_equal(sched_message_find(s, id), handle);
    if (e != ERR_OK)
        return;
    model.held[id] = m.flags != 0;
    model.message_parts[id] = draw(3) + 1;
    for (uint32_t i = 0; i < model.message_parts[id]; i++) {
        uint32_t list[4], count = draw(4) + 1, to = destination(s, keys[draw(DESTINATIONS)]);
        for (uint32_t k = 0; k < count; k++)
            list[k] = next++;
        uint32_t p = add_part(s, handle, to, list, count);
        assert_true(p < MESSAGES * 8);
        model.parts[p] = (struct model_part){
            .id = id, .destination = to, .state = model.held[id] ? SCHED_PART_HELD : SCHED_READY, .recipients = count};
        assert_int_equal(sched_part_of(s, handle, list[count - 1]), p);
    }
}

static void model_finish(struct sched *s, uint32_t p)
{
    uint64_t id = model.parts[p].id;
    uint32_t message = sched_part(s, p)->message;
    bool last = sched_part_finish(s, p);
    model.parts[p].state = 0;
    assert_int_equal(last, --model.message_parts[id] == 0);
    if (!last)
        return;
    sched_message_remove(s, message);
    model.message_parts[id] = UINT32_MAX;
}

static void model_destination(struct sched *s, uint32_t d, bool down)
{
    if (down)
        assert_true(sched_destination_down(s, d, model.now_s, SLICE("no route to host")) > model.now_s ||
                    model.down[d] == SCHED_DOWN);
    else
        sched_destination_ok(s, d);
    model.down[d] = down ? SCHED_DOWN : SCHED_UP;
}

static void model_defer(struct sched *s, uint32_t p)
{
    struct model_part *x = &model.parts[p];
    if (x->state != SCHED_LEASED)
        return;
    x->tries++;
    x->next_s = (uint32_t)(model.now_s + retry_s[x->tries < 3 ? x->tries - 1 : 2]);
    assert_int_equal(sched_part_defer(s, p, model.now_s, SLICE("450 later")), x->next_s);
    x->state = model.held[x->id] ? SCHED_PART_HELD : SCHED_WAITING;
}

static void model_restore(struct sched *s, uint32_t p)
{
    struct model_part *x = &model.parts[p];
    if (x->state == SCHED_LEASED || x->state == SCHED_ENDING)
        return;
    x->tries = (uint16_t)draw(5);
    x->next_s = draw(3) == 0 ? 0 : (uint32_t)(model.now_s + draw(500));
    sched_part_restore(s, p, x->tries, x->next_s, SLICE("450 earlier"));
    if (x->next_s && x->state != SCHED_PART_HELD)
        x->state = SCHED_WAITING;
    if (x->state == SCHED_WAITING)
        x->next_s = sched_part(s, p)->next_s;
}

static void model_admin(struct sched *s, uint32_t p)
{
    struct model_part *x = &model.parts[p];
    switch (draw(4)) {
    case 0:
        sched_part_retry(s, p);
        x->state = x->state == SCHED_WAITING ? SCHED_READY : x->state;
        if (model.down[x->destination] == SCHED_DOWN)
            model.down[x->destination] = SCHED_PROBING;
        break;
    case 1:
        sched_part_hold(s, p);
        x->state = x->state == SCHED_READY || x->state == SCHED_WAITING ? SCHED_PART_HELD : x->state;
        break;
    case 2:
        sched_part_until(s, p, model.now_s + 20);
        if (x->state == SCHED_WAITING && x->next_s > model.now_s + 20)
            x->next_s = (uint32_t)(model.now_s + 20);
        break;
    default:
        sched_part_release(s, p);
        x->state = x->state == SCHED_PART_HELD ? SCHED_READY : x->state;
        break;
    }
}

static void model_leased(struct sched *s, uint32_t p)
{
    struct model_part *x = &model.parts[p];
    if (x->state == SCHED_LEASED && draw(2)) {
        sched_part_return(s, p);
        x->state = model.held[x->id] ? SCHED_PART_HELD : SCHED_READY;
    } else if (x->state == SCHED_READY) {
        sched_part_lease(s, p);
        x->state = SCHED_LEASED;
    } else if (x->recipients > 1) {
        const uint32_t *list;
        (void)sched_part_recipients(s, p, &list);
        x->recipients--;
        assert_int_equal(sched_part_drop(s, p, list[draw(x->recipients + 1)]), x->recipients);
    } else if (x->state == SCHED_LEASED) {
        sched_part_end(s, p);
        x->state = SCHED_ENDING;
    }
}

static void model_step(struct sched *s)
{
    uint32_t p = sched_part_next(s, draw(s->parts.used + 1));
    switch (draw(9)) {
    case 0:
        model_message(s);
        return;
    case 1:
        model_tick(s);
        return;
    case 2:
    case 3:
        model_lease(s, sched_dispatch(s));
        return;
    default:
        break;
    }
    if (!p)
        return;
    switch (draw(6)) {
    case 0:
        model_finish(s, p);
        break;
    case 1:
        model_destination(s, model.parts[p].destination, draw(3) == 0);
        break;
    case 2:
        model_defer(s, p);
        break;
    case 3:
        model_restore(s, p);
        break;
    case 4:
        model_admin(s, p);
        break;
    default:
        model_leased(s, p);
        break;
    }
}

static void random_operations_agree_with_the_model(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < 5; run++) {
        struct sched *s = open_index();
        memset(&model, 0, sizeof model);
        memset(model.message_parts, 0xff, sizeof model.message_parts);
        model.seed = run * 77 + 1;
        model.now_s = NOW;
        for (int i = 0; i < 6000; i++) {
            model_step(s);
            check_against_model(s);
        }
        sched_close(&s);
    }
}

static void destinations_take_turns(void **state)
{
    (void)state;
    struct sched *s = open_index();
    for (uint64_t id = 1; id <= 4; id++)
        (void)add_one(s, id, "smtp:busy");
    uint32_t quiet = add_one(s, 9, "smtp:quiet");
    (void)sched_dispatch(s);
    assert_int_equal(sched_dispatch(s), quiet);
    sched_close(&s);
}

static uint32_t add_urgent(struct sched *s, uint64_t id, const char *key, int8_t priority)
{
    static const uint32_t zero = 0;
    uint32_t m = add_message(s, id, 0);
    sched_message(s, m)->priority = priority;
    return add_part(s, m, destination(s, key), &zero, 1);
}

/* Takes the next job, and gives its place free again. */
static uint32_t dispatch_one(struct sched *s)
{
    uint32_t p = sched_dispatch(s);
    if (p)
        (void)sched_part_finish(s, p);
    return p;
}

static void e8_server_higher_priority_goes_first(void **state)
{
    (void)state;
    struct sched *s = open_index();
    uint32_t low = add_urgent(s, 1, "smtp:x", -4), normal = add_one(s, 2, "smtp:x");
    uint32_t high = add_urgent(s, 3, "smtp:x", 3), higher = add_urgent(s, 4, "smtp:x", 9);
    assert_int_equal(dispatch_one(s), higher);
    assert_int_equal(dispatch_one(s), high);
    assert_int_equal(dispatch_one(s), normal);
    assert_int_equal(dispatch_one(s), low);
    assert_int_equal(dispatch_one(s), 0);
    sched_close(&s);
}

static void e8_server_no_priority_starves_another(void **state)
{
    (void)state;
    struct sched *s = open_index();
    uint32_t low = add_urgent(s, 1, "smtp:x", -9), normal = add_one(s, 2, "smtp:x");
    uint32_t low_at = 0, normal_at = 0;
    uint64_t id = 10;
    for (uint32_t i = 1; i <= 100; i++) {
        while (sched_destination(s, sched_destination_find(s, SLICE("smtp:x")))->ready_count < 4)
            (void)add_urgent(s, id++, "smtp:x", 6);
        uint32_t p = dispatch_one(s);
        low_at = p == low ? i : low_at;
        normal_at = p == normal ? i : normal_at;
        low = low_at ? 0 : low;
        normal = normal_at ? 0 : normal;
    }
    assert_in_range(normal_at, 8, 40);
    assert_in_range(low_at, 8, 40);
    sched_close(&s);
}

static void e8_server_urgent_mail_has_the_first_connections(void **state)
{
    (void)state;
    struct sched *s = open_index();
    char key[32];
    uint32_t urgent[3], got = 0;
    for (unsigned i = 0; i < 60; i++) {
        int n = snprintf(key, sizeof key, "smtp:%u", i);
        assert_true(n > 0);
        (void)add_urgent(s, i + 1, key, i % 2 ? 0 : -1);
    }
    for (unsigned i = 0; i < 3; i++) {
        int n = snprintf(key, sizeof key, "smtp:urgent%u", i);
        assert_true(n > 0);
        urgent[i] = add_urgent(s, 100 + i, key, 1);
    }
    for (unsigned i = 0; i < 4; i++) {
        uint32_t p = sched_dispatch(s);
        got += p == urgent[0] || p == urgent[1] || p == urgent[2];
    }
    assert_int_equal(got, 3);
    /* All other places go to normal mail first, but low mail is not left out. */
    uint32_t low = 0;
    for (uint32_t p = sched_dispatch(s); p; p = sched_dispatch(s))
        low += sched_part(s, p)->priority < 0;
    assert_in_range(low, 1, JOBS_MAX - 4 - 30 + 3);
    sched_close(&s);
}

static void a_message_with_one_recipient_takes_128_bytes(void **state)
{
    (void)state;
    /* its part may wait in the heap, and the hash is at most half and at least a quarter full */
    assert_true(sizeof(struct sched_message) + sizeof(struct sched_part) + sizeof(struct heap_item) +
                    4 * sizeof(uint32_t) <=
                128);
}

static void a_dead_destination_is_asked_once_and_then_again_with_one_job(void **state)
{
    (void)state;
    struct sched *s = open_index();
    for (uint64_t id = 1; id <= 5; id++)
        (void)add_one(s, id, "smtp:dead");
    uint32_t d = sched_destination_find(s, SLICE("smtp:dead"));
    uint32_t a = sched_dispatch(s), b = sched_dispatch(s);
    assert_int_equal(sched_destination_down(s, d, NOW, SLICE("refused")), NOW + 60);
    assert_int_equal(sched_destination_down(s, d, NOW + 1, SLICE("refused")), NOW + 60);
    sched_part_return(s, a);
    sched_part_return(s, b);
    assert_int_equal(sched_dispatch(s), 0);
    assert_int_equal(sched_part_time(s, a, NOW), NOW + 60);
    assert_true(slice_equal(sched_part_reason(s, a), SLICE("refused")));
    assert_int_equal(sched_tick(s, NOW), NOW + 60);
    (void)sched_tick(s, NOW + 60);
    a = sched_dispatch(s);
    assert_int_not_equal(a, 0);
    assert_int_equal(sched_dispatch(s), 0);
    assert_int_equal(sched_destination_down(s, d, NOW + 60, SLICE("refused")), NOW + 60 + 300);
    sched_part_return(s, a);
    (void)sched_tick(s, NOW + 400);
    a = sched_dispatch(s);
    sched_destination_ok(s, d);
    assert_int_not_equal(sched_dispatch(s), 0);
    assert_int_equal(sched_part_reason(s, a).len, 0);
    sched_close(&s);
}

static void the_last_of_several_restored_times_counts(void **state)
{
    (void)state;
    struct sched *s = open_index();
    uint32_t p = add_one(s, 1, "smtp:x");
    sched_part_restore(s, p, 1, NOW + 60, SLICE("first"));
    sched_part_restore(s, p, 2, NOW + 360, SLICE("second"));
    assert_int_equal(sched_tick(s, NOW + 100), NOW + 360);
    assert_int_equal(sched_dispatch(s), 0);
    assert_int_equal(sched_part(s, p)->tries, 2);
    assert_true(slice_equal(sched_part_reason(s, p), SLICE("second")));
    sched_close(&s);
}

static void a_clock_that_goes_back_makes_nothing_wait_longer_than_its_schedule(void **state)
{
    (void)state;
    struct sched *s = open_index();
    const int64_t before = NOW - 86400; /* what the clock says then */
    uint32_t first = add_one(s, 1, "smtp:a"), third = add_one(s, 2, "smtp:b"), asked = add_one(s, 3, "smtp:c");
    (void)add_one(s, 4, "smtp:dead");
    uint32_t soon = add_one(s, 5, "smtp:e");
    sched_part_restore(s, first, 1, NOW + 60, SLICE("later"));
    sched_part_restore(s, third, 3, NOW + 10, SLICE("later"));
    sched_part_restore(s, asked, 0, NOW + 60, SLICE("held until then as the sender asked"));
    sched_part_restore(s, soon, 3, before + 5, SLICE("later"));
    uint32_t dead = sched_destination_find(s, SLICE("smtp:dead"));
    (void)sched_destination_down(s, dead, NOW, SLICE("refused"));
    sched_waits_shorten(s, before);
    assert_int_equal(sched_part_time(s, first, before), before + 60);
    assert_int_equal(sched_part_time(s, third, before), before + 900);
    assert_int_equal(sched_part_time(s, asked, before), NOW + 60);
    assert_int_equal(sched_part_time(s, soon, before), before + 5);
    assert_int_equal(sched_destination(s, dead)->retry_s, before + 60);
    assert_int_equal(sched_tick(s, before), before + 5);
    assert_int_equal(sched_tick(s, before + 60), before + 900);
    for (int i = 0; i < 3; i++) /* soon, first, and the dead destination's probe */
        assert_int_not_equal(sched_dispatch(s), 0);
    assert_int_equal(sched_dispatch(s), 0);
    sched_close(&s);
}

static void no_more_jobs_than_allowed(void **state)
{
    (void)state;
    struct sched *s = open_index();
    char key[32];
    uint32_t jobs = 0;
    for (uint64_t id = 1; id <= 100; id++) {
        int n = snprintf(key, sizeof key, "smtp:%u", (unsigned)id);
        assert_true(n > 0);
        (void)add_one(s, id, key);
    }
    while (sched_dispatch(s))
        jobs++;
    assert_int_equal(jobs, JOBS_MAX);
    sched_close(&s);
}

static void strangers_domains_do_not_fill_the_memory(void **state)
{
    (void)state;
    struct sched *s = open_index();
    char key[32];
    for (uint64_t id = 1; id <= 20000; id++) {
        int n = snprintf(key, sizeof key, "smtp:%u", (unsigned)id);
        assert_true(n > 0);
        uint32_t p = add_one(s, id, key), d = sched_part(s, p)->destination;
        assert_string_equal(sched_destination(s, d)->key, key);
        if (id % 3 == 0)
            (void)sched_destination_down(s, d, NOW, SLICE("no such host"));
        assert_true(sched_part_finish(s, p));
        sched_message_remove(s, sched_message_find(s, id));
        if (id % 10 == 0)
            (void)sched_tick(s, NOW + (int64_t)id);
    }
    assert_true(s->destinations.count < 3000);
    for (uint32_t d = sched_destination_next(s, 0); d; d = sched_destination_next(s, d))
        assert_int_equal(sched_destination_find(s, slice_str(sched_destination(s, d)->key)), d);
    sched_close(&s);
}

static void a_destination_stays_until_the_next_tick(void **state)
{
    (void)state;
    struct sched *s = open_index();
    char key[32];
    uint32_t first = destination(s, "smtp:first");
    for (unsigned i = 0; i < 5000; i++) {
        int n = snprintf(key, sizeof key, "smtp:%u", i);
        assert_true(n > 0);
        (void)destination(s, key);
    }
    assert_int_equal(sched_destination_find(s, SLICE("smtp:first")), first);
    assert_string_equal(sched_destination(s, first)->key, "smtp:first");
    sched_close(&s);
}

static void many_messages_are_found_by_id(void **state)
{
    (void)state;
    enum { COUNT = 30000 };
    struct sched *s = open_index();
    for (uint64_t id = 1; id <= COUNT; id++)
        (void)add_message(s, id * 1000003, 0);
    for (uint64_t id = 1; id <= COUNT; id += 2)
        sched_message_remove(s, sched_message_find(s, id * 1000003));
    uint32_t seen = 0;
    for (uint32_t m = sched_message_next(s, 0); m; m = sched_message_next(s, m))
        seen++;
    assert_int_equal(seen, COUNT / 2);
    for (uint64_t id = 1; id <= COUNT; id++)
        assert_int_equal(sched_message_find(s, id * 1000003) != 0, id % 2 == 0);
    sched_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_the_model),
        cmocka_unit_test(destinations_take_turns),
        cmocka_unit_test(e8_server_higher_priority_goes_first),
        cmocka_unit_test(e8_server_no_priority_starves_another),
        cmocka_unit_test(e8_server_urgent_mail_has_the_first_connections),
        cmocka_unit_test(a_message_with_one_recipient_takes_128_bytes),
        cmocka_unit_test(a_dead_destination_is_asked_once_and_then_again_with_one_job),
        cmocka_unit_test(the_last_of_several_restored_times_counts),
        cmocka_unit_test(a_clock_that_goes_back_makes_nothing_wait_longer_than_its_schedule),
        cmocka_unit_test(no_more_jobs_than_allowed),
        cmocka_unit_test(strangers_domains_do_not_fill_the_memory),
        cmocka_unit_test(a_destination_stays_until_the_next_tick),
        cmocka_unit_test(many_messages_are_found_by_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
