/* SPDX-License-Identifier: ISC */
#include "trace/event.h"

#include <assert.h>

#include "trace/layout.h"

slice trace_kind_name(enum trace_kind kind)
{
#define KIND_NAME(word, name, counts) SLICE(name),
    static const slice names[] = {TRACE_KINDS(KIND_NAME)};
    assert((unsigned)kind < TRACE_KIND_COUNT);
    return names[kind];
}

slice trace_key_name(enum trace_key key)
{
#define KEY_NAME(word, name) SLICE(name),
    static const slice names[] = {TRACE_KEYS(KEY_NAME)};
    assert((unsigned)key < TRACE_KEY_COUNT);
    return names[key];
}

void trace_event_init(struct trace_event *e, enum trace_kind kind, enum log_level level)
{
    e->kind = kind;
    e->level = level;
    e->count = 0;
}

static struct log_field *next_field(struct trace_event *e)
{
    assert(e->count < TRACE_FIELDS_MAX);
    return &e->fields[e->count++];
}

void trace_add(struct trace_event *e, enum trace_key key, slice text)
{
    if (text.len > 0 || key == TRACE_KEY_FROM)
        *next_field(e) = (struct log_field){.name = trace_key_name(key), .key = key, .text = text};
}

void trace_add_number(struct trace_event *e, enum trace_key key, int64_t value)
{
    *next_field(e) = (struct log_field){.name = trace_key_name(key), .key = key, .number = true, .value = value};
}

static const struct log_field *find_field(const struct trace_event *e, enum trace_key key, bool number)
{
    for (size_t i = 0; i < e->count; i++) {
        if (e->fields[i].key == key && e->fields[i].number == number)
            return &e->fields[i];
    }
    return NULL;
}

slice trace_text(const struct trace_event *e, enum trace_key key)
{
    const struct log_field *f = find_field(e, key, false);
    return f ? f->text : SLICE_NONE;
}

int64_t trace_number(const struct trace_event *e, enum trace_key key, int64_t fallback)
{
    const struct log_field *f = find_field(e, key, true);
    return f ? f->value : fallback;
}

void trace_emit(const struct trace_event *e, slice message)
{
    const struct log_said said = {.level = e->level,
                                  .now_us = os_wall_us(),
                                  .event = trace_kind_name(e->kind),
                                  .fields = e->fields,
                                  .count = e->count,
                                  .message = message};
    log_say(&said);
    ring_take(e, message, said.now_us);
}
