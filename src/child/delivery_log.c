/* SPDX-License-Identifier: ISC */
#include "child/delivery_log.h"

#include "os/os.h"

static slice status_word(const struct verdict *v)
{
    switch (verdict_class(v)) {
    case VERDICT_OK:
        return SLICE("sent");
    case VERDICT_PERMANENT:
        return SLICE("bounced");
    case VERDICT_MORE:
    case VERDICT_TEMPORARY:
        break;
    }
    return SLICE("deferred");
}

/* Seconds, with two places below ten, as Postfix writes delays. */
static void delay_print(buf *b, int64_t us)
{
    if (us < 0)
        us = 0;
    buf_append_u64(b, (uint64_t)(us / 1000000));
    uint64_t hundredths = (uint64_t)(us / 10000) % 100;
    if (us >= 10 * 1000000 || hundredths == 0)
        return;
    buf_append_char(b, '.');
    buf_append_char(b, (char)('0' + hundredths / 10));
    if (hundredths % 10)
        buf_append_char(b, (char)('0' + hundredths % 10));
}

void delivery_log_line(const struct delivery_log *l)
{
    char memory[3072];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    queue_id_print(&b, l->id);
    buf_append(&b, SLICE(": to=<"));
    buf_append(&b, slice_sub(l->to, 0, 320));
    if (l->original_to.len > 0) {
        buf_append(&b, SLICE(">, orig_to=<"));
        buf_append(&b, slice_sub(l->original_to, 0, 320));
    }
    buf_append(&b, SLICE(">, relay="));
    buf_append(&b, slice_sub(l->relay, 0, 320));
    buf_append(&b, SLICE(", delay="));
    delay_print(&b, l->delay_us);
    for (size_t i = 0; i < 4; i++) {
        buf_append(&b, i ? SLICE("/") : SLICE(", delays="));
        delay_print(&b, l->parts_us[i]);
    }
    buf_append(&b, SLICE(", dsn="));
    status_print_enhanced(&b, &l->verdict);
    buf_append(&b, SLICE(", status="));
    buf_append(&b, status_word(&l->verdict));
    buf_append(&b, SLICE(" ("));
    char text[1024];
    buf verdict;
    buf_init_fixed(&verdict, text, sizeof text);
    struct verdict v = l->verdict;
    v.text = slice_sub(v.text, 0, sizeof text - 32);
    status_print(&verdict, &v);
    buf_append(&b, buf_slice(&verdict));
    buf_append_char(&b, ')');
    log_line(LOG_INFO, "%.*s", SLICE_ARG(buf_slice(&b)));
}
