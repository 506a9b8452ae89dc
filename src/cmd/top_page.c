/* SPDX-License-Identifier: ISC */
#include "cmd/top_page.h"

#include "cmd/columns.h"
#include "cmd/queue_print.h"
#include "cmd/trace_words.h"

#define FIXED_LINES 16u /* all but destinations, processes and problems */
#define LEAST_ROWS 3u
#define LEAST_WIDTH 80u
#define CLOCK_WIDTH 10u /* with its spaces */

static const struct column process_columns[] = {{"PROCESS", false, false, 0},
                                                {"PID", true, false, 0},
                                                {"CPU%", true, false, 0},
                                                {"MEMORY", true, false, 0},
                                                {"UP", true, false, 0}};

static void add_printed(struct columns *c, buf *cell)
{
    columns_add(c, buf_slice(cell));
    buf_clear(cell);
}

static void head(buf *out, const struct top_state *s, int64_t now_us)
{
    buf_append_escaped(out, s->conf->route.hostname);
    if (s->now.started_us > 0) {
        buf_append(out, SLICE("   up "));
        units_print_age(out, (now_us - s->now.started_us) / 1000000);
    } else {
        buf_append(out, SLICE("   does not run"));
    }
    buf_append(out, SLICE("   "));
    trace_words_day(out, now_us);
    buf_append_char(out, ' ');
    trace_words_clock(out, now_us);
    out->len -= 4; /* without the fraction */
    buf_append(out, SLICE("\n\n"));
}

/* What happens on the left, what is on the right. */
static void rates(buf *out, const struct top_state *s)
{
    static const struct {
        const char *name;
        enum trace_kind kind;
        const char *now;
        enum trace_gauge gauge;
    } rows[] = {
        {"accepted", TRACE_ACCEPTED, "clients", TRACE_GAUGE_SESSIONS_IN},
        {"delivered", TRACE_SENT, "hosts", TRACE_GAUGE_SESSIONS_OUT},
        {"deferred", TRACE_DEFERRED, "mails", TRACE_GAUGE_MESSAGES},
        {"bounced", TRACE_BOUNCED, "active", TRACE_GAUGE_MESSAGES_ACTIVE},
        {"refused", TRACE_REJECT, "held", TRACE_GAUGE_MESSAGES_HELD},
        {"logins", TRACE_LOGIN, "destinations", TRACE_GAUGE_DESTINATIONS},
        {"logins failed", TRACE_LOGIN_FAILED, "bytes taken", TRACE_GAUGE_BYTES_ACCEPTED},
    };
    buf_printf(out, "%-14s%9s%12s     %-13s%10s\n", "", "PER S", "ALL", "", "NOW");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char memory[24];
        buf value;
        int64_t now = s->now.gauges[rows[i].gauge];
        buf_init_fixed(&value, memory, sizeof memory);
        if (rows[i].gauge == TRACE_GAUGE_BYTES_ACCEPTED)
            units_print_size(&value, now > 0 ? (uint64_t)now : 0);
        else
            buf_printf(&value, "%lld", (long long)now);
        buf_printf(out, "%-14s%9.1f%12llu     %-13s%10.*s\n", rows[i].name, top_state_rate(s, rows[i].kind),
                   (unsigned long long)s->now.counters[rows[i].kind], rows[i].now, SLICE_ARG(buf_slice(&value)));
    }
}

static void destinations(buf *out, const struct top_state *s, int64_t now_us, size_t width, size_t most)
{
    struct columns c;
    if (!s->asked || s->destination_count == 0) {
        buf_append(out, s->asked ? SLICE("\nThe queue is empty.\n") : SLICE("\nThe queue does not answer.\n"));
        return;
    }
    columns_init(&c, queue_summary_columns, QUEUE_SUMMARY_COLUMNS, width);
    for (size_t i = 0; i < s->destination_count && i < most; i++) {
        const struct top_destination *d = &s->destinations[i];
        const struct ipc_queue_destination row = {.name = slice_of(d->name, d->name_len),
                                                  .reason = slice_of(d->reason, d->reason_len),
                                                  .messages = d->messages,
                                                  .oldest_s = d->oldest_s,
                                                  .next_s = d->next_s,
                                                  .state = d->state};
        queue_print_destination_row(&c, &row, now_us / 1000000);
    }
    buf_append_char(out, '\n');
    columns_print(&c, out);
    columns_deinit(&c);
}

static void processes(buf *out, const struct top_state *s, int64_t now_us, size_t width)
{
    struct columns c;
    char memory[32];
    buf cell;
    buf_init_fixed(&cell, memory, sizeof memory);
    columns_init(&c, process_columns, sizeof process_columns / sizeof process_columns[0], width);
    for (size_t i = 0; i < s->now.count; i++) {
        const struct top_process *p = &s->now.processes[i];
        double cpu = top_state_cpu(s, p);
        if (!p->alive)
            continue;
        columns_add(&c, slice_str(p->name));
        buf_append_u64(&cell, p->totals.pid);
        add_printed(&c, &cell);
        if (cpu >= 0)
            buf_printf(&cell, "%.1f", cpu);
        add_printed(&c, &cell);
        units_print_size(&cell, p->memory);
        add_printed(&c, &cell);
        units_print_age(&cell, (now_us - p->totals.started_us) / 1000000);
        add_printed(&c, &cell);
    }
    if (!columns_empty(&c)) {
        buf_append_char(out, '\n');
        columns_print(&c, out);
    }
    columns_deinit(&c);
}

/* The part of the text that has room in so many columns; each character is taken for one. */
static slice part_of(slice text, size_t columns)
{
    size_t at = 0;
    for (size_t n = 0; at < text.len && n < columns; n++) {
        size_t len = slice_utf8_len(slice_skip(text, at));
        at += len > 0 ? len : 1;
    }
    return slice_sub(text, 0, at);
}

/* What has no room ends in dots. */
static void add_line(buf *out, slice words, size_t columns)
{
    bool fits = part_of(words, columns).len == words.len;
    buf_append(out, fits ? words : part_of(words, columns - 3));
    buf_append(out, fits ? SLICE("\n") : SLICE("...\n"));
}

static void problems(buf *out, const struct top_state *s, size_t width, size_t most)
{
    uint64_t count = s->problem_count < TOP_PROBLEMS_MAX ? s->problem_count : TOP_PROBLEMS_MAX;
    if (count > most)
        count = most;
    if (count > 0)
        buf_append(out, SLICE("\nRECENT PROBLEMS\n"));
    for (uint64_t i = s->problem_count - count; i < s->problem_count; i++) {
        const struct top_problem *p = &s->problems[i % TOP_PROBLEMS_MAX];
        trace_words_clock(out, p->time_us);
        out->len -= 4;
        buf_append(out, SLICE("  "));
        add_line(out, slice_of(p->words, p->len),
                 width > LEAST_WIDTH ? width - CLOCK_WIDTH : LEAST_WIDTH - CLOCK_WIDTH);
    }
}

static size_t alive_count(const struct top_state *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->now.count; i++)
        n += s->now.processes[i].alive;
    return n;
}

void top_page_print(buf *out, const struct top_state *s, int64_t now_us, struct top_size size)
{
    size_t taken = FIXED_LINES + alive_count(s);
    size_t rows = size.height == 0 ? 10 : size.height > taken ? (size.height - taken) / 2 : 0;
    if (rows < LEAST_ROWS)
        rows = LEAST_ROWS;
    head(out, s, now_us);
    rates(out, s);
    destinations(out, s, now_us, size.width, rows);
    problems(out, s, size.width, rows);
    processes(out, s, now_us, size.width);
}

static void json_numbers(buf *out, const uint64_t *counters, const int64_t *gauges)
{
    buf_append(out, SLICE(", \"counters\": {"));
    for (int i = 0; i < TRACE_KIND_COUNT; i++)
        buf_printf(out, "%s\"%s\": %llu", i ? ", " : "", trace_kind_name((enum trace_kind)i).ptr,
                   (unsigned long long)counters[i]);
    buf_append(out, SLICE("}, \"gauges\": {"));
    for (int i = 0; i < TRACE_GAUGE_COUNT; i++)
        buf_printf(out, "%s\"%s\": %lld", i ? ", " : "", trace_gauge_name((enum trace_gauge)i).ptr,
                   (long long)gauges[i]);
    buf_append(out, SLICE("}}\n"));
}

void top_page_json(buf *out, const struct top_state *s)
{
    static const int64_t none[TRACE_GAUGE_COUNT];
    for (size_t i = 0; i < s->now.count; i++) {
        const struct top_process *p = &s->now.processes[i];
        buf_printf(out, "{\"process\": \"%s\", \"pid\": ", p->name);
        if (p->alive)
            buf_printf(out, "%u, \"started\": %lld, \"cpu\": %llu.%02llu, \"memory\": %llu", p->totals.pid,
                       (long long)(p->totals.started_us / 1000000), (unsigned long long)(p->cpu_ticks / 100),
                       (unsigned long long)(p->cpu_ticks % 100), (unsigned long long)p->memory);
        else
            buf_append(out, SLICE("null, \"started\": null, \"cpu\": null, \"memory\": null"));
        json_numbers(out, p->totals.counters, p->alive ? p->totals.gauges : none);
    }
    buf_printf(out, "{\"process\": null, \"running\": %s", s->now.started_us > 0 ? "true" : "false");
    json_numbers(out, s->now.counters, s->now.gauges);
}
