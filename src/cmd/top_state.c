/* SPDX-License-Identifier: ISC */
#include "cmd/top_state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/trace_words.h"

#define QUEUE_EVERY_US 4000000
#define STAT_MAX 1024

/* /proc/PID/stat: the name in brackets may hold anything, so what follows is looked for from behind it. */
static bool read_stat(uint32_t pid, uint64_t *ticks_r, uint64_t *memory_r)
{
    char path[48], memory[STAT_MAX];
    buf text;
    buf_init_fixed(&text, memory, sizeof memory - 1);
    (void)snprintf(path, sizeof path, "/proc/%u/stat", pid);
    if (os_file_read(AT_FDCWD, slice_str(path), &text) != ERR_OK)
        return false;
    memory[text.len] = 0;
    const char *behind = strrchr(memory, ')');
    unsigned long long user, system, pages;
    if (!strstr(memory, "(thurn") || !behind ||
        sscanf(behind + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u %*u %llu", &user,
               &system, &pages) != 3)
        return false;
    long hertz = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);
    *ticks_r = hertz > 0 ? (user + system) * 100 / (unsigned long)hertz : 0;
    *memory_r = page > 0 ? pages * (unsigned long)page : 0;
    return true;
}

static void add_up(struct top_sample *now, const struct top_process *p)
{
    for (int i = 0; i < TRACE_KIND_COUNT; i++)
        now->counters[i] += p->totals.counters[i];
    for (int i = 0; p->alive && i < TRACE_GAUGE_COUNT; i++)
        now->gauges[i] += p->totals.gauges[i];
    if (p->alive && slice_starts(p->totals.process, SLICE("master-")))
        now->started_us = p->totals.started_us;
}

static void on_totals(void *ctx, const struct trace_totals *t)
{
    struct top_sample *now = ctx;
    if (now->count == TOP_PROCESSES_MAX || t->process.len >= sizeof now->processes[0].name)
        return;
    struct top_process *p = &now->processes[now->count++];
    *p = (struct top_process){.totals = *t};
    memcpy(p->name, t->process.ptr, t->process.len);
    p->totals.process = SLICE_NONE;
    p->alive = t->pid != 0 && read_stat(t->pid, &p->cpu_ticks, &p->memory);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct top_process *)a)->name, ((const struct top_process *)b)->name);
}

static void take_sample(struct top_state *s)
{
    struct top_sample *now = &s->now;
    s->before = s->now;
    *now = (struct top_sample){.at_us = os_now_us()};
    trace_reader_totals(s->reader, on_totals, now);
    qsort(now->processes, now->count, sizeof now->processes[0], by_name);
    for (size_t i = 0; i < now->count; i++) {
        now->processes[i].totals.process = slice_str(now->processes[i].name);
        add_up(now, &now->processes[i]);
    }
}

static bool is_problem(const struct trace_event *e)
{
    switch (e->kind) {
    case TRACE_NOTE:
        return e->level >= LOG_WARNING;
    case TRACE_LOGIN_FAILED:
    case TRACE_HOST_FAILED:
    case TRACE_DEFERRED:
    case TRACE_BOUNCED:
        return true;
    default:
        return false;
    }
}

static void note_problem(struct top_state *s, const struct trace_record *r)
{
    struct top_problem *p = &s->problems[s->problem_count++ % TOP_PROBLEMS_MAX];
    slice id = trace_text(&r->event, TRACE_KEY_ID);
    buf words;
    buf_init(&words, 64u * 1024);
    if (id.len > 0) {
        buf_append_escaped(&words, id);
        buf_append(&words, SLICE(": "));
    }
    trace_words_append(&words, r, id, 0);
    p->time_us = r->time_us;
    p->len = words.len < sizeof p->words ? words.len : sizeof p->words;
    if (p->len > 0)
        memcpy(p->words, words.ptr, p->len);
    buf_deinit(&words);
}

static void read_problems(struct top_state *s)
{
    struct trace_record r;
    int64_t end_us = os_wall_us();
    while (trace_reader_next(s->reader, &r)) {
        if (is_problem(&r.event))
            note_problem(s, &r);
        if (r.time_us > end_us)
            return;
    }
}

static size_t copy_text(char *out, size_t size, slice text)
{
    size_t len = text.len < size ? text.len : size;
    if (len > 0)
        memcpy(out, text.ptr, len);
    return len;
}

/* The place of the one with the least mail, or a new one; NULL when all have more. */
static struct top_destination *place_for(struct top_state *s, uint32_t messages)
{
    if (s->destination_count < TOP_DESTINATIONS_MAX)
        return &s->destinations[s->destination_count++];
    struct top_destination *least = &s->destinations[0];
    for (size_t i = 1; i < s->destination_count; i++) {
        if (s->destinations[i].messages < least->messages)
            least = &s->destinations[i];
    }
    return least->messages < messages ? least : NULL;
}

static void on_destination(void *ctx, const struct ipc_message *m)
{
    struct top_state *s = ctx;
    const struct ipc_queue_destination *q = &m->u.queue_destination;
    struct top_destination *d = m->type == IPC_queue_destination ? place_for(s, q->messages) : NULL;
    if (!d)
        return;
    *d = (struct top_destination){
        .messages = q->messages, .oldest_s = q->oldest_s, .next_s = q->next_s, .state = q->state};
    d->name_len = copy_text(d->name, sizeof d->name, q->name);
    d->reason_len = copy_text(d->reason, sizeof d->reason, q->reason);
}

static int by_messages(const void *a, const void *b)
{
    uint32_t x = ((const struct top_destination *)a)->messages, y = ((const struct top_destination *)b)->messages;
    return (x < y) - (x > y);
}

static void ask_queue(struct top_state *s)
{
    struct socket_address a = {.ip_len = 0};
    uint32_t count = 0;
    struct queue_request request = {.verb = QUEUE_VERB_SUMMARY, .answer = on_destination, .ctx = s};
    if (s->asked && s->now.at_us - s->asked_at_us < QUEUE_EVERY_US)
        return;
    s->asked_at_us = s->now.at_us;
    s->destination_count = 0;
    s->asked = s->line.channel || queue_line_connect(s->conf, &s->line, &a) == ERR_OK;
    if (s->asked && queue_line_ask_quietly(&s->line, &request, &count) != 0) {
        queue_line_close(&s->line);
        s->asked = false;
    }
    qsort(s->destinations, s->destination_count, sizeof s->destinations[0], by_messages);
}

void top_state_look(struct top_state *s)
{
    take_sample(s);
    read_problems(s);
    ask_queue(s);
}

enum err top_state_open(struct top_state *s, const char *folder, const struct conf *conf)
{
    *s = (struct top_state){.folder = folder, .conf = conf};
    return trace_reader_open(folder, &s->reader);
}

void top_state_close(struct top_state *s)
{
    trace_reader_close(&s->reader);
    queue_line_close(&s->line);
}

static double seconds_between(const struct top_state *s)
{
    return s->before.at_us > 0 ? (double)(s->now.at_us - s->before.at_us) / 1e6 : 0;
}

double top_state_rate(const struct top_state *s, enum trace_kind kind)
{
    double seconds = seconds_between(s);
    uint64_t before = s->before.counters[kind], now = s->now.counters[kind];
    return seconds > 0 && now > before ? (double)(now - before) / seconds : 0;
}

double top_state_cpu(const struct top_state *s, const struct top_process *p)
{
    double seconds = seconds_between(s);
    for (size_t i = 0; p->alive && seconds > 0 && i < s->before.count; i++) {
        const struct top_process *b = &s->before.processes[i];
        if (b->alive && b->totals.pid == p->totals.pid && p->cpu_ticks >= b->cpu_ticks)
            return (double)(p->cpu_ticks - b->cpu_ticks) / seconds;
    }
    return -1;
}
