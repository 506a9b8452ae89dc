/* SPDX-License-Identifier: ISC */
/* The line that an admin greps for, in Postfix's words. */
#include "proc/sender/state.h"

static const char *status_word(const struct verdict *v)
{
    switch (verdict_class(v)) {
    case VERDICT_OK:
        return "sent";
    case VERDICT_PERMANENT:
        return "bounced";
    case VERDICT_MORE:
    case VERDICT_TEMPORARY:
        break;
    }
    return "deferred";
}

/* Seconds with a fraction, as Postfix writes delays. */
static void delay_print(buf *b, int64_t us)
{
    if (us < 0)
        us = 0;
    buf_append_u64(b, (uint64_t)(us / 1000000));
    uint64_t tenths = (uint64_t)(us / 10000) % 100;
    if (us < 10 * 1000000 && tenths > 0) {
        buf_append_char(b, '.');
        buf_append_char(b, (char)('0' + tenths / 10));
        if (tenths % 10)
            buf_append_char(b, (char)('0' + tenths % 10));
    }
}

void report_log(const struct job *j, uint32_t index, const struct session *from, const struct spool_head *head)
{
    const struct job_result *r = &j->results[index];
    const struct envelope *envelope;
    const struct recipient *recipient = spool_head_recipient(head, j->recipients[index], &envelope);
    if (!r->set || !recipient)
        return;
    char memory[2048];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    int64_t wall_us = os_wall_us(), now_us = os_now_us();
    int64_t before = j->dispatch_us - j->arrival_s * 1000000;
    int64_t wait = (wall_us - j->dispatch_us) - (now_us - j->taken_us);
    int64_t setup = from->carried <= 1 ? from->ready_us - from->begun_us : 0;
    queue_id_print(&b, j->place.id);
    buf_append(&b, SLICE(": to=<"));
    buf_append(&b, slice_sub(recipient->address, 0, 320));
    if (recipient->original.len > 0) {
        buf_append(&b, SLICE(">, orig_to=<"));
        buf_append(&b, slice_sub(recipient->original, 0, 320));
    }
    buf_append(&b, SLICE(">, relay="));
    buf_append(&b, from->host_text);
    buf_append(&b, SLICE(", delay="));
    delay_print(&b, wall_us - j->arrival_s * 1000000);
    int64_t parts[4] = {before, wait, setup, now_us - from->started_us};
    for (size_t i = 0; i < 4; i++) {
        buf_append(&b, i ? SLICE("/") : SLICE(", delays="));
        delay_print(&b, parts[i]);
    }
    buf_append(&b, SLICE(", dsn="));
    status_print_enhanced(&b, &r->verdict);
    buf_append(&b, SLICE(", status="));
    buf_append(&b, slice_str(status_word(&r->verdict)));
    buf_append(&b, SLICE(" ("));
    buf verdict;
    char text[1024];
    buf_init_fixed(&verdict, text, sizeof text);
    status_print(&verdict, &r->verdict);
    buf_append(&b, buf_slice(&verdict));
    buf_append_char(&b, ')');
    log_line(LOG_INFO, "%.*s", SLICE_ARG(buf_slice(&b)));
}
