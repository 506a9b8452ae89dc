/* SPDX-License-Identifier: ISC */
#include "proc/sender/state.h"

void sender_report_log(const struct job *j, uint32_t index, const struct session *from, const struct spool_head *head)
{
    const struct job_result *r = &j->results[index];
    const struct envelope *envelope;
    const struct recipient *recipient = spool_head_recipient(head, j->recipients[index], &envelope);
    if (!r->set || !recipient)
        return;
    int64_t wall_us = os_wall_us(), now_us = os_now_us(), arrival_us = j->arrival_s * 1000000;
    struct delivery_log l = {
        .id = j->place.id,
        .to = recipient->address,
        .original_to = recipient->original,
        .relay = from->host_text,
        .delay_us = wall_us - arrival_us,
        .parts_us = {j->dispatch_us - arrival_us, (wall_us - j->dispatch_us) - (now_us - j->taken_us),
                     from->carried <= 1 ? from->ready_us - from->begun_us : 0, now_us - from->started_us},
        .verdict = r->verdict,
    };
    delivery_log_line(&l);
}
