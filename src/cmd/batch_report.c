/* SPDX-License-Identifier: ISC */
#include "cmd/batch_report.h"

#include <inttypes.h>

#define TEXT_MAX 8192
#define SHOWN_MAX 320
#define RECIPIENTS_MAX (1u << 20)

/* A line that is no command may be anything: its beginning shows which it is. */
static void shown(buf *out, slice encoded)
{
    char memory[TEXT_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    batch_record_text(&b, encoded);
    buf_append_escaped(out, slice_sub(buf_slice(&b), 0, SHOWN_MAX));
    if (b.len > SHOWN_MAX)
        buf_append(out, SLICE("..."));
}

static void quoted(buf *out, slice encoded)
{
    char memory[TEXT_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    batch_record_text(&b, encoded);
    buf_append_json(out, buf_slice(&b));
}

/* False: the list is full, and one more is left out. */
static bool one_more(struct batch_report *r, enum batch_report_list list)
{
    r->count[list]++;
    if (r->text[list].len < BATCH_REPORT_LIST_MAX && r->json[list].len < BATCH_REPORT_LIST_MAX)
        return true;
    r->left_out[list]++;
    return false;
}

static void add_mail(struct batch_report *r, const struct batch_record *m)
{
    if (one_more(r, BATCH_REPORT_TAKEN)) {
        buf *text = &r->text[BATCH_REPORT_TAKEN], *json = &r->json[BATCH_REPORT_TAKEN];
        buf_printf(text, "  line %" PRIu64 ": ", m->number[0]);
        queue_id_print(text, m->number[1]);
        buf_append(text, SLICE(" from <"));
        shown(text, m->text[1]);
        buf_append(text, SLICE("> to"));
        buf_append(text, buf_slice(&r->to_text));
        buf_append_char(text, '\n');
        buf_printf(json, "%s{\"line\":%" PRIu64 ",\"id\":\"", json->len > 0 ? "," : "", m->number[0]);
        queue_id_print(json, m->number[1]);
        buf_append(json, SLICE("\",\"from\":"));
        quoted(json, m->text[1]);
        buf_append(json, SLICE(",\"to\":["));
        buf_append(json, buf_slice(&r->to_json));
        buf_append(json, SLICE("]}"));
    }
    for (size_t i = 0; i < BATCH_REPORT_LISTS; i++) {
        r->kept[i].text = r->text[i].len;
        r->kept[i].json = r->json[i].len;
        r->kept[i].count = r->count[i];
        r->kept[i].left_out = r->left_out[i];
    }
}

static void add_to(struct batch_report *r, const struct batch_record *m)
{
    buf_append(&r->to_text, SLICE(" <"));
    shown(&r->to_text, m->text[0]);
    buf_append_char(&r->to_text, '>');
    if (r->to_json.len > 0)
        buf_append_char(&r->to_json, ',');
    quoted(&r->to_json, m->text[0]);
}

static void add_refusal(struct batch_report *r, enum batch_report_list list, const struct batch_record *m)
{
    buf *text = &r->text[list], *json = &r->json[list];
    if (!one_more(r, list))
        return;
    buf_printf(text, "  line %" PRIu64 ": ", m->number[0]);
    shown(text, m->text[0]);
    buf_append(text, SLICE("\n      "));
    shown(text, m->text[1]);
    buf_append_char(text, '\n');
    buf_printf(json, "%s{\"line\":%" PRIu64 ",\"command\":", json->len > 0 ? "," : "", m->number[0]);
    quoted(json, m->text[0]);
    buf_append(json, SLICE(",\"reply\":"));
    quoted(json, m->text[1]);
    buf_append_char(json, '}');
}

/* Lines behind the last mail were read again: what was told of them is told again. */
static void roll_back(struct batch_report *r)
{
    for (size_t i = 0; i < BATCH_REPORT_LISTS; i++) {
        r->text[i].len = r->kept[i].text;
        r->json[i].len = r->kept[i].json;
        r->count[i] = r->kept[i].count;
        r->left_out[i] = r->kept[i].left_out;
    }
}

static void take(struct batch_report *r, const struct batch_record *m)
{
    switch (m->kind) {
    case BATCH_RECORD_BEGIN:
        buf_clear(&r->to_text);
        buf_clear(&r->to_json);
        break;
    case BATCH_RECORD_TO:
        add_to(r, m);
        break;
    case BATCH_RECORD_MAIL:
        add_mail(r, m);
        break;
    case BATCH_RECORD_REFUSED:
        add_refusal(r, BATCH_REPORT_REFUSED, m);
        break;
    case BATCH_RECORD_ERROR:
        add_refusal(r, BATCH_REPORT_ERRORS, m);
        break;
    case BATCH_RECORD_RESUMED:
        roll_back(r);
        break;
    default:
        break;
    }
}

enum err batch_report_init(struct batch_report *r, const struct batch_progress *progress, slice content, int64_t now_s)
{
    struct batch_records records;
    struct batch_record m;
    size_t valid = 0;
    *r = (struct batch_report){.progress = progress, .ended_s = now_s};
    for (size_t i = 0; i < BATCH_REPORT_LISTS; i++) {
        buf_init(&r->text[i], 2 * BATCH_REPORT_LIST_MAX);
        buf_init(&r->json[i], 2 * BATCH_REPORT_LIST_MAX);
    }
    buf_init(&r->to_text, RECIPIENTS_MAX);
    buf_init(&r->to_json, RECIPIENTS_MAX);
    enum err e = batch_records_init(&records, content, &valid);
    while (e == ERR_OK && batch_records_next(&records, &m))
        take(r, &m);
    for (size_t i = 0; e == ERR_OK && i < BATCH_REPORT_LISTS; i++)
        e = buf_ok(&r->text[i]) && buf_ok(&r->json[i]) ? ERR_OK : ERR_LIMIT;
    if (e != ERR_OK)
        batch_report_deinit(r);
    return e;
}

void batch_report_deinit(struct batch_report *r)
{
    for (size_t i = 0; i < BATCH_REPORT_LISTS; i++) {
        buf_deinit(&r->text[i]);
        buf_deinit(&r->json[i]);
    }
    buf_deinit(&r->to_text);
    buf_deinit(&r->to_json);
}
