/* SPDX-License-Identifier: ISC */
#include "cmd/trace_follow.h"

#include <stdlib.h>

#include "cmd/command.h"
#include "cmd/trace_words.h"

#define LOOK_MS 200
#define OUT_MAX (8u << 20)
#define OUT_BATCH (64u * 1024)
#define KNOWN_MAX 10000u /* mails; of older ones nothing more is shown */

struct known {
    struct list link;
    bool whole;
    size_t len;
    char id[QUEUE_ID_TEXT_MAX];
};

struct following {
    const struct trace_query *query;
    struct table by_id;
    struct list known; /* oldest first */
    size_t count;
    buf out;
};

static void forget_oldest(struct following *f)
{
    struct list *l = list_pop(&f->known);
    struct known *k = LIST_ENTRY(l, struct known, link);
    (void)table_remove(&f->by_id, slice_of(k->id, k->len));
    free(k);
    f->count--;
}

/* Without memory the mail is not followed. */
static void know(struct following *f, slice id, bool whole)
{
    struct known *k = table_get(&f->by_id, id);
    if (k || id.len == 0 || id.len > QUEUE_ID_TEXT_MAX) {
        if (k)
            k->whole |= whole;
        return;
    }
    k = calloc(1, sizeof *k);
    if (!k)
        return;
    memcpy(k->id, id.ptr, id.len);
    k->len = id.len;
    k->whole = whole;
    if (table_put(&f->by_id, slice_of(k->id, k->len), k) != ERR_OK) {
        free(k);
        return;
    }
    list_push(&f->known, &k->link);
    if (++f->count > KNOWN_MAX)
        forget_oldest(f);
}

static bool is_shown(struct following *f, const struct trace_record *r)
{
    enum trace_match match = trace_query_match(f->query, r);
    slice id = trace_text(&r->event, TRACE_KEY_ID);
    if (match != TRACE_MATCH_NOT) {
        know(f, id, match == TRACE_MATCH_WHOLE);
        return true;
    }
    const struct known *k = id.len > 0 ? table_get(&f->by_id, id) : NULL;
    return k && (k->whole || trace_query_shows(f->query, r));
}

static void show(struct following *f, const struct trace_record *r, bool json)
{
    slice id = trace_text(&r->event, TRACE_KEY_ID);
    if (json) {
        trace_words_json(&f->out, r);
        return;
    }
    trace_words_clock(&f->out, r->time_us);
    buf_append(&f->out, SLICE("  "));
    buf_append_escaped(&f->out, id.len > 0 ? id : SLICE("-"));
    for (size_t i = id.len > 0 ? id.len : 1; i < 8; i++)
        buf_append_char(&f->out, ' ');
    buf_append(&f->out, SLICE("  "));
    trace_words_append(&f->out, r, id, 0);
    buf_append_char(&f->out, '\n');
}

static int write_out(struct following *f)
{
    int status = f->out.len > 0 ? command_print(&f->out) : 0;
    buf_clear(&f->out);
    return status;
}

static int follow(struct following *f, struct trace_reader *reader, int64_t begin_us, bool json)
{
    struct trace_record r;
    int status = 0;
    while (status == 0) {
        while (status == 0 && trace_reader_next(reader, &r)) {
            if (is_shown(f, &r) && r.time_us >= begin_us)
                show(f, &r, json);
            if (f->out.len > OUT_BATCH)
                status = write_out(f);
        }
        if (status == 0)
            status = write_out(f);
        if (status == 0)
            os_sleep_ms(LOOK_MS);
    }
    return status;
}

int trace_follow(const char *folder, const struct trace_query *q, int64_t begin_us, bool json)
{
    struct following f = {.query = q};
    struct trace_reader *reader = NULL;
    enum err e = trace_reader_open(folder, &reader);
    if (e != ERR_OK) {
        command_say("%s: %s", folder, err_text(e));
        return EX_UNAVAILABLE;
    }
    list_init(&f.known);
    table_init(&f.by_id, os_random_key(), false, KNOWN_MAX + 1);
    buf_init(&f.out, OUT_MAX);
    int status = follow(&f, reader, begin_us, json);
    buf_deinit(&f.out);
    while (f.count > 0)
        forget_oldest(&f);
    table_deinit(&f.by_id);
    trace_reader_close(&reader);
    return status;
}
