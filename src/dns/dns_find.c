/* SPDX-License-Identifier: ISC */
#include "dns/dns.h"

struct find {
    struct loop *loop;
    struct arena *arena;
    size_t waits;
    bool out_of_memory;
};

struct find_question {
    struct find *find;
    struct dns_wanted *wanted;
    struct dns_question question;
};

static void on_answer(void *ctx, const struct dns_answer *a)
{
    struct find_question *q = ctx;
    struct dns_wanted *w = q->wanted;
    slice *records = arena_array(q->find->arena, a->count, sizeof *records);
    enum err e = records ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; e == ERR_OK && i < a->count; i++)
        e = arena_copy(q->find->arena, a->records[i], &records[i]);
    q->find->out_of_memory = q->find->out_of_memory || e != ERR_OK;
    if (e == ERR_OK) {
        w->status = a->status;
        w->records = records;
        w->count = a->count;
    }
    q->find->waits--;
    if (q->find->waits == 0)
        loop_stop(q->find->loop);
}

static void on_time(void *ctx)
{
    struct find *f = ctx;
    loop_stop(f->loop);
}

static enum err ask(struct find *f, struct dns *d, struct dns_wanted *wanted, size_t count)
{
    struct find_question *questions = arena_array(f->arena, count, sizeof *questions);
    for (size_t i = 0; questions && i < count; i++) {
        questions[i] = (struct find_question){f, &wanted[i], {.done = on_answer, .ctx = &questions[i]}};
        enum err e = dns_ask(d, &wanted[i].name, wanted[i].type, &questions[i].question);
        if (e != ERR_OK)
            return e;
        f->waits++;
    }
    return questions ? ERR_OK : ERR_NOMEM;
}

enum err dns_find(struct dns_wanted *wanted, size_t count, struct arena *arena, int64_t wait_ms)
{
    struct find f = {.arena = arena};
    struct dns *d = NULL;
    struct loop_timer *timer = NULL;
    for (size_t i = 0; i < count; i++)
        wanted[i].status = DNS_TEMPORARY;
    enum err e = loop_open(&f.loop);
    if (e != ERR_OK)
        return e;
    e = dns_open(f.loop, &d);
    if (e == ERR_OK)
        e = loop_timer_open(f.loop, on_time, &f, &timer);
    if (e == ERR_OK)
        e = ask(&f, d, wanted, count);
    if (e == ERR_OK && count > 0) {
        loop_timer_start(timer, wait_ms);
        loop_run(f.loop);
    }
    if (timer)
        loop_timer_close(&timer);
    dns_close(&d);
    loop_close(&f.loop);
    return e == ERR_OK && f.out_of_memory ? ERR_NOMEM : e;
}
