/* SPDX-License-Identifier: ISC */
/* An event whose facts are a peer's, as `thurn trace` shows it: one line without a byte that drives a terminal, and one object of JSON. Input: a byte for the kind of event, then facts: a byte for the key
 * (above 127: a number), a byte of length, the text. */
#include <assert.h>
#include <jansson.h>

#include "cmd/trace_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_fact(struct trace_record *r, unsigned char what, slice text)
{
    enum trace_key key = (enum trace_key)((what & 127) % TRACE_KEY_COUNT);
    if (what > 127)
        trace_add_number(&r->event, key, text.len >= 8 ? (int64_t)get_u64(text.ptr) : (int64_t)text.len);
    else
        trace_add(&r->event, key, text);
}

static void check_words(const struct trace_record *r, slice of)
{
    buf out;
    buf_init(&out, 1u << 20);
    trace_words_append(&out, r, of, 0);
    assert(buf_ok(&out));
    for (size_t i = 0; i < out.len; i++)
        assert((unsigned char)out.ptr[i] >= 0x20 && out.ptr[i] != 0x7f);
    buf_deinit(&out);
}

static void check_object(const struct trace_record *r)
{
    buf out;
    buf_init(&out, 1u << 20);
    trace_words_json(&out, r);
    assert(buf_ok(&out) && slice_find_char(buf_slice(&out), '\n') == (ptrdiff_t)out.len - 1);
    json_t *o = json_loadb(out.ptr, out.len, JSON_ALLOW_NUL, NULL);
    assert(json_is_object(o));
    json_decref(o);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace_record r = {.time_us = 1795292165123456, .process = SLICE("receiver-0"), .pid = 4711};
    if (size == 0)
        return 0;
    slice rest = slice_of(data + 1, size - 1);
    trace_event_init(&r.event, (enum trace_kind)(data[0] % TRACE_KIND_COUNT), LOG_INFO);
    while (rest.len >= 2 && r.event.count < TRACE_FIELDS_MAX) {
        slice text = slice_sub(slice_skip(rest, 2), 0, (unsigned char)rest.ptr[1]);
        add_fact(&r, (unsigned char)rest.ptr[0], text);
        rest = slice_skip(rest, 2 + text.len);
    }
    r.message = rest;
    check_words(&r, SLICE_NONE);
    check_words(&r, trace_text(&r.event, TRACE_KEY_ID));
    check_object(&r);
    return 0;
}
