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

static const slice key_names[] = {
#define KEY_NAME(word, name) {"" name, sizeof(name) - 1},
    TRACE_KEYS(KEY_NAME)};

slice trace_key_name(enum trace_key key)
{
    assert((unsigned)key < TRACE_KEY_COUNT);
    return key_names[key];
}

void trace_event_init(struct trace_event *e, enum trace_kind kind, enum log_level level)
{
    e->kind = kind;
    e->level = level;
    e->count = 0;
}

static struct log_field *next_field(struct trace_event *e, enum trace_key key)
{
    assert(e->count < TRACE_FIELDS_MAX && (unsigned)key < TRACE_KEY_COUNT);
    struct log_field *f = &e->fields[e->count++];
    f->name = key_names[key];
    f->key = (uint8_t)key;
    return f;
}

void trace_add(struct trace_event *e, enum trace_key key, slice text)
{
    if (text.len == 0 && key != TRACE_KEY_FROM)
        return;
    struct log_field *f = next_field(e, key);
    f->number = false;
    f->value = 0;
    f->text = text;
}

void trace_add_number(struct trace_event *e, enum trace_key key, int64_t value)
{
    struct log_field *f = next_field(e, key);
    f->number = true;
    f->value = value;
    f->text = SLICE_NONE;
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

void trace_emit_at(const struct trace_event *e, slice message, int64_t now_us)
{
    struct log_said said = {.level = e->level,
                            .now_us = now_us,
                            .event = trace_kind_name(e->kind),
                            .fields = e->fields,
                            .count = e->count,
                            .message = message};
    for (size_t i = 0; i < e->count; i++) {
        if (e->fields[i].key == TRACE_KEY_CLIENT)
            said.client = e->fields[i].text;
        else if (e->fields[i].key == TRACE_KEY_ID)
            said.of_mail = true;
    }
    log_say(&said);
    ring_take(e, message, now_us);
}

void trace_emit(const struct trace_event *e, slice message)
{
    trace_emit_at(e, message, os_wall_us());
}
