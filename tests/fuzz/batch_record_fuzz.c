/* SPDX-License-Identifier: ISC */
/* Checkpoints of batch jobs from a damaged disk: what counts is whole groups, counts again, and is printed as it was read; a damaged tail never hides what lies before it. */
#include "cmd/batch_checkpoint.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void init(struct batch_progress *p)
{
    *p = (struct batch_progress){.state = BATCH_RUNNING};
    buf_init(&p->user, 4096);
    buf_init(&p->path, 4096);
    buf_init(&p->reply_path, 4096);
    buf_init(&p->helo, 4096);
    buf_init(&p->why, 4096);
}

static void deinit(struct batch_progress *p)
{
    buf_deinit(&p->user);
    buf_deinit(&p->path);
    buf_deinit(&p->reply_path);
    buf_deinit(&p->helo);
    buf_deinit(&p->why);
}

/* A record, with its texts decoded, printed again and read again, is the same record. */
static void check_again(const struct batch_record *r)
{
    char memory[4][4096];
    struct batch_record plain = *r, again;
    struct batch_records records;
    size_t valid = 0;
    buf group;
    for (size_t i = 0; i < 4; i++) {
        buf text;
        buf_init_fixed(&text, memory[i], sizeof memory[i]);
        batch_record_text(&text, r->text[i]);
        if (!buf_ok(&text))
            return;
        plain.text[i] = buf_slice(&text);
    }
    buf_init(&group, 1 << 20);
    struct batch_record job = {.kind = BATCH_RECORD_JOB, .number = {1}};
    batch_record_print(&group, &job);
    batch_record_print(&group, &plain);
    batch_record_commit(&group);
    if (batch_records_init(&records, buf_slice(&group), &valid) != ERR_OK || valid != group.len ||
        !batch_records_next(&records, &again) || !batch_records_next(&records, &again) || again.kind != r->kind ||
        memcmp(again.number, r->number, sizeof again.number) != 0)
        abort();
    buf_deinit(&group);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct batch_records records;
    struct batch_record r;
    struct batch_progress progress;
    size_t valid = 0, once_more = 0;
    slice content = slice_of(data, size);
    if (batch_records_init(&records, content, &valid) != ERR_OK)
        return 0;
    if (valid > size)
        abort();
    init(&progress);
    while (batch_records_next(&records, &r)) {
        batch_progress_take(&progress, &r, true);
        check_again(&r);
    }
    if (progress.doubt_count > BATCH_DOUBTS_MAX)
        abort();
    deinit(&progress);
    if (batch_records_init(&records, slice_sub(content, 0, valid), &once_more) != ERR_OK || once_more != valid)
        abort();
    return 0;
}
