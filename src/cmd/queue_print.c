/* SPDX-License-Identifier: ISC */
#include "cmd/queue_print.h"

#define CELL_MAX 64
#define TO_MAX 1024

const struct column queue_summary_columns[QUEUE_SUMMARY_COLUMNS] = {{"DESTINATION", false, true, 12},
                                                                    {"MSGS", true, false, 0},
                                                                    {"OLDEST", false, false, 0},
                                                                    {"NEXT TRY", false, false, 0},
                                                                    {"REASON", false, true, 0}};
const struct column queue_list_columns[QUEUE_LIST_COLUMNS] = {
    {"ID", false, false, 0}, {"AGE", false, false, 0},  {"SIZE", false, false, 0}, {"FROM", false, true, 0},
    {"TO", false, true, 0},  {"TRIES", true, false, 0}, {"NEXT", false, false, 0}};

static const char *const state_names[] = {"active", "deferred", "held"};

static const char *state_name(uint8_t state)
{
    return state < sizeof state_names / sizeof state_names[0] ? state_names[state] : "deferred";
}

static int64_t age_of(int64_t from_s, int64_t now_s)
{
    return from_s > 0 && from_s < now_s ? now_s - from_s : 0;
}

static void append_next(buf *b, int64_t next_s, uint8_t state, int64_t now_s)
{
    if (state == QUEUE_ITEM_HELD)
        buf_append(b, SLICE("held"));
    else if (state == QUEUE_ITEM_ACTIVE || next_s <= now_s)
        buf_append(b, SLICE("now"));
    else {
        buf_append(b, SLICE("in "));
        units_print_age(b, next_s - now_s);
    }
}

static void add_age(struct columns *c, int64_t from_s, int64_t now_s)
{
    char memory[CELL_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    units_print_age(&b, age_of(from_s, now_s));
    columns_add_plain(c, buf_slice(&b));
}

static void add_number(struct columns *c, uint64_t number)
{
    char memory[CELL_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_append_u64(&b, number);
    columns_add_plain(c, buf_slice(&b));
}

static void add_next(struct columns *c, int64_t next_s, uint8_t state, int64_t now_s)
{
    char memory[CELL_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    append_next(&b, next_s, state, now_s);
    columns_add_plain(c, buf_slice(&b));
}

void queue_print_destination_row(struct columns *c, const struct ipc_queue_destination *d, int64_t now_s)
{
    columns_add(c, d->name);
    add_number(c, d->messages);
    add_age(c, d->oldest_s, now_s);
    add_next(c, d->next_s, d->state, now_s);
    columns_add(c, d->reason);
}

slice queue_print_next_address(slice to, slice *address_r)
{
    bool quoted = false;
    size_t at = 0;
    const char *comma = to.len > 0 ? memchr(to.ptr, ',', to.len) : NULL;
    slice plain = comma ? slice_sub(to, 0, (size_t)(comma - to.ptr)) : to;
    if (slice_find_char(plain, '"') < 0) {
        *address_r = plain;
        return slice_skip(to, plain.len + 1);
    }
    for (; at < to.len && (quoted || to.ptr[at] != ','); at++) {
        if (to.ptr[at] == '"')
            quoted = !quoted;
        else if (to.ptr[at] == '\\' && quoted)
            at++;
    }
    *address_r = slice_sub(to, 0, at);
    return slice_skip(to, at + 1);
}

/* The first recipient, and how many more there are. */
static void add_to(struct columns *c, slice to)
{
    char memory[TO_MAX];
    buf b;
    slice first, other, rest = queue_print_next_address(to, &first);
    uint64_t more = 0;
    if (rest.len == 0) {
        columns_add(c, slice_sub(first, 0, TO_MAX));
        return;
    }
    for (; rest.len > 0; more++)
        rest = queue_print_next_address(rest, &other);
    buf_init_fixed(&b, memory, sizeof memory);
    buf_append(&b, first);
    buf_printf(&b, " +%llu", (unsigned long long)more);
    columns_add(c, buf_slice(&b));
}

void queue_print_item_row(struct columns *c, const struct ipc_queue_item *item, int64_t now_s)
{
    char memory[CELL_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    queue_id_print(&b, item->id);
    columns_add_plain(c, buf_slice(&b));
    add_age(c, item->arrival_s, now_s);
    buf_clear(&b);
    units_print_size(&b, item->size);
    columns_add_plain(c, buf_slice(&b));
    columns_add(c, item->from.len > 0 ? item->from : SLICE("<>"));
    add_to(c, item->to);
    add_number(c, item->tries);
    add_next(c, item->next_s, item->state, now_s);
}

static void append_next_json(buf *out, int64_t next_s, uint8_t state)
{
    buf_append(out, SLICE(", \"next\": "));
    if (state == QUEUE_ITEM_HELD || next_s <= 0) {
        buf_append(out, SLICE("null"));
        return;
    }
    buf_append_char(out, '"');
    date_print_rfc3339(out, next_s);
    buf_append_char(out, '"');
}

void queue_print_destination_json(buf *out, const struct ipc_queue_destination *d, int64_t now_s)
{
    buf_append(out, SLICE("{\"destination\": "));
    buf_append_json(out, d->name);
    buf_printf(out, ", \"messages\": %u, \"oldest\": %lld", d->messages, (long long)age_of(d->oldest_s, now_s));
    append_next_json(out, d->next_s, d->state);
    buf_printf(out, ", \"state\": \"%s\", \"reason\": ", state_name(d->state));
    buf_append_json(out, d->reason);
    buf_append(out, SLICE("}\n"));
}

void queue_print_item_json(buf *out, const struct ipc_queue_item *item, int64_t now_s)
{
    slice address, rest = item->to;
    buf_append(out, SLICE("{\"id\": \""));
    queue_id_print(out, item->id);
    buf_append(out, SLICE("\", \"from\": "));
    buf_append_json(out, item->from);
    buf_append(out, SLICE(", \"to\": ["));
    while (rest.len > 0) {
        rest = queue_print_next_address(rest, &address);
        buf_append_json(out, address);
        buf_append(out, rest.len > 0 ? SLICE(", ") : SLICE_NONE);
    }
    buf_printf(out, "], \"size\": %llu, \"age\": %lld, \"tries\": %u", (unsigned long long)item->size,
               (long long)age_of(item->arrival_s, now_s), item->tries);
    append_next_json(out, item->next_s, item->state);
    buf_append(out, SLICE(", \"reason\": "));
    buf_append_json(out, item->reason);
    buf_append(out, SLICE(", \"destination\": "));
    buf_append_json(out, item->destination);
    buf_printf(out, ", \"state\": \"%s\"}\n", state_name(item->state));
}

static void append_line(buf *out, const char *name, slice value)
{
    buf_printf(out, "%-11s", name);
    buf_append_escaped(out, value);
    buf_append_char(out, '\n');
}

void queue_print_item_page(buf *out, const struct ipc_queue_item *item, int64_t now_s)
{
    slice address, rest = item->to;
    buf_printf(out, "%-11s", "id");
    queue_id_print(out, item->id);
    buf_append_char(out, '\n');
    append_line(out, "from", item->from.len > 0 ? item->from : SLICE("<>"));
    while (rest.len > 0) {
        rest = queue_print_next_address(rest, &address);
        append_line(out, "to", address);
    }
    buf_printf(out, "%-11s%llu bytes\n%-11s", "size", (unsigned long long)item->size, "arrived");
    date_print_rfc3339(out, item->arrival_s);
    buf_append(out, SLICE(" ("));
    units_print_age(out, age_of(item->arrival_s, now_s));
    buf_printf(out, " ago)\n%-11s%u\n%-11s", "tries", item->tries, "next try");
    append_next(out, item->next_s, item->state, now_s);
    buf_append_char(out, '\n');
    if (item->reason.len > 0)
        append_line(out, "reason", item->reason);
}

void queue_print_lines(buf *out, slice text)
{
    slice line;
    while (text.len > 0) {
        (void)slice_cut(text, '\n', &line, &text);
        buf_append_escaped(out, line);
        buf_append_char(out, '\n');
    }
}
