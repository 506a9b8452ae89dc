/* SPDX-License-Identifier: ISC */
#include "cmd/batch_checkpoint.h"

#define TEXT_MAX 8192u

static void keep(buf *b, slice text, bool encoded)
{
    buf_clear(b);
    if (encoded)
        batch_record_text(b, text);
    else
        buf_append(b, text);
}

static void take_job(struct batch_progress *p, const struct batch_record *r, bool encoded)
{
    if (r->text[0].len == BATCH_JOB_ID)
        memcpy(p->job, r->text[0].ptr, BATCH_JOB_ID);
    p->uid = r->number[1];
    p->begun_s = (int64_t)(r->number[2] & INT64_MAX);
    keep(&p->user, r->text[1], encoded);
    keep(&p->path, r->text[2], encoded);
    keep(&p->reply_path, r->text[3], encoded);
}

void batch_progress_init(struct batch_progress *p)
{
    *p = (struct batch_progress){.state = BATCH_RUNNING};
    buf_init(&p->user, TEXT_MAX);
    buf_init(&p->path, TEXT_MAX);
    buf_init(&p->reply_path, TEXT_MAX);
    buf_init(&p->helo, TEXT_MAX);
    buf_init(&p->why, TEXT_MAX);
}

void batch_progress_deinit(struct batch_progress *p)
{
    buf_deinit(&p->user);
    buf_deinit(&p->path);
    buf_deinit(&p->reply_path);
    buf_deinit(&p->helo);
    buf_deinit(&p->why);
}

static void add(struct batch_doubt list[BATCH_DOUBTS_MAX], size_t *count, struct batch_doubt d)
{
    for (size_t i = 0; i < *count; i++) {
        if (list[i].line == d.line && list[i].report == d.report)
            return;
    }
    if (*count == BATCH_DOUBTS_MAX) {
        memmove(list, list + 1, (BATCH_DOUBTS_MAX - 1) * sizeof *list);
        --*count;
    }
    list[(*count)++] = d;
}

static void add_doubt(struct batch_progress *p, struct batch_doubt d)
{
    add(p->doubts, &p->doubt_count, d);
}

static struct batch_doubt take_doubt(const struct batch_record *r)
{
    return (struct batch_doubt){.line = r->number[0], .report = r->number[1], .id = r->number[2]};
}

static void take_released(struct batch_progress *p, uint64_t id)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->unsure_count; i++) {
        if (p->unsure[i].id != id)
            p->unsure[kept++] = p->unsure[i];
    }
    p->unsure_count = kept;
    if (p->held.id == id)
        p->held.id = 0;
}

static void take_begin(struct batch_progress *p, const struct batch_record *r)
{
    if (p->is_pending)
        add_doubt(p, p->pending);
    p->pending = (struct batch_doubt){.line = r->number[0], .report = r->number[1]};
    p->is_pending = true;
}

/* What was pending is in the queue under this id. */
static void settle(struct batch_progress *p, uint64_t id)
{
    for (size_t i = 0; p->is_pending && i < p->doubt_count; i++) {
        if (p->doubts[i].line == p->pending.line && p->doubts[i].report == p->pending.report)
            p->doubts[i].id = id;
    }
    p->is_pending = false;
    p->held = p->pending;
    p->held.id = id;
}

static void take_mail(struct batch_progress *p, const struct batch_record *r, bool encoded)
{
    settle(p, r->number[1]);
    p->mails++;
    p->offset = r->number[2];
    p->crc = (uint32_t)r->number[3];
    p->lines = r->number[4];
    p->replies = r->number[5];
    p->verbose = r->number[6] != 0;
    keep(&p->helo, r->text[0], encoded);
    p->kept_lost = p->lost;
    p->kept_refused = p->refused;
    p->kept_errors = p->errors;
}

static void take_resumed(struct batch_progress *p)
{
    if (p->is_pending)
        add_doubt(p, p->pending);
    p->is_pending = false;
    p->lost = p->kept_lost;
    p->refused = p->kept_refused;
    p->errors = p->kept_errors;
    p->errors_now = 0;
    p->report = 0;
    p->state = BATCH_RUNNING;
}

static void take_state(struct batch_progress *p, slice word)
{
    static const slice words[] = {{"running", 7}, {"done", 4}, {"held", 4}, {"deleted", 7}, {"dead", 4}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_equal(word, words[i]))
            p->state = (enum batch_state)i;
    }
}

void batch_progress_take(struct batch_progress *p, const struct batch_record *r, bool encoded)
{
    p->records++;
    switch (r->kind) {
    case BATCH_RECORD_JOB:
        take_job(p, r, encoded);
        break;
    case BATCH_RECORD_BEGIN:
        take_begin(p, r);
        break;
    case BATCH_RECORD_MAIL:
        take_mail(p, r, encoded);
        break;
    case BATCH_RECORD_REFUSED:
        p->refused++;
        break;
    case BATCH_RECORD_ERROR:
        p->errors++;
        p->errors_now++;
        break;
    case BATCH_RECORD_LOST:
        p->lost++;
        if (p->is_pending && p->pending.line == r->number[0])
            p->is_pending = false;
        break;
    case BATCH_RECORD_RELEASED:
        take_released(p, r->number[0]);
        break;
    case BATCH_RECORD_REPORT:
        settle(p, r->number[0]);
        p->report = r->number[0];
        p->reports++;
        break;
    case BATCH_RECORD_RESUMED:
        take_resumed(p);
        break;
    case BATCH_RECORD_STATE:
        take_state(p, r->text[0]);
        keep(&p->why, r->text[1], encoded);
        break;
    case BATCH_RECORD_DOUBT:
        add_doubt(p, take_doubt(r));
        break;
    case BATCH_RECORD_UNSURE:
        add(p->unsure, &p->unsure_count, take_doubt(r));
        break;
    case BATCH_RECORD_SERVER:
        p->server = r->number[0];
        break;
    case BATCH_RECORD_TO:
    case BATCH_RECORD_KINDS:
        break;
    }
}
