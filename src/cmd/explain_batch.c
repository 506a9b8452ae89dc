/* SPDX-License-Identifier: ISC */
#include "cmd/explain_batch.h"

#include <jansson.h>

static slice *field_of(struct explain_question *q, const char *key)
{
    struct {
        const char *name;
        slice *field;
    } fields[] = {{"to", &q->to},     {"from", &q->from},         {"ip", &q->ip},   {"user", &q->user},
                  {"helo", &q->helo}, {"listener", &q->listener}, {"tls", &q->tls}, {"mail", &q->mail}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (slice_equal(slice_str(key), slice_str(fields[i].name)))
            return fields[i].field;
    return NULL;
}

static enum err take(json_t *object, struct arena *arena, struct explain_question *q, buf *why)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        slice *field = field_of(q, key);
        if (!field || !json_is_string(value)) {
            buf_printf(why, field ? "\"%s\" must be a string" : "unknown key \"%s\"", key);
            return ERR_SYNTAX;
        }
        if (arena_copy(arena, slice_of(json_string_value(value), json_string_length(value)), field) != ERR_OK)
            return ERR_NOMEM;
        q->from_given = q->from_given || field == &q->from;
    }
    if (q->to.len > 0)
        return ERR_OK;
    buf_append(why, SLICE("no \"to\""));
    return ERR_SYNTAX;
}

enum err explain_batch_read(slice line, struct arena *arena, struct explain_question *q, buf *why)
{
    json_error_t error;
    json_t *object = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, &error);
    enum err e = ERR_SYNTAX;
    if (json_is_object(object))
        e = take(object, arena, q, why);
    else
        buf_printf(why, "%s", object ? "not an object" : error.text);
    json_decref(object);
    return e;
}
