/* SPDX-License-Identifier: ISC */
#include "proc/sender/state.h"

/* What the host did not want; empty when it took the mail, or said nothing. */
static slice refused_command(const struct job_result *r)
{
    static const char *const names[] = {[SMTP_PHASE_MAIL] = "MAIL",
                                        [SMTP_PHASE_RCPT] = "RCPT",
                                        [SMTP_PHASE_DATA] = "DATA",
                                        [SMTP_PHASE_BODY] = "end of data",
                                        [SMTP_PHASE_END] = "end of data"};
    bool known = r->remote && verdict_class(&r->verdict) != VERDICT_OK && r->phase < sizeof names / sizeof names[0];
    return known && names[r->phase] ? slice_str(names[r->phase]) : SLICE_NONE;
}

void sender_report_log(const struct job *j, uint32_t index, const struct session *from, const struct spool_head *head)
{
    const struct job_result *r = &j->results[index];
    const struct envelope *envelope;
    const struct recipient *recipient = spool_head_recipient(head, j->recipients[index], &envelope);
    if (!r->set || !recipient)
        return;
    int64_t wall_us = os_wall_us(), now_us = os_now_us();
    struct delivery_log l = {
        .id = j->place.id,
        .to = recipient->address,
        .original_to = recipient->original,
        .relay = from->host_text,
        .destination = from->destination->key,
        .tls = from->connection ? net_tls_text(from->connection) : SLICE_NONE,
        .delay_us = wall_us - j->arrival_us,
        .parts_us = {j->dispatch_us - j->arrival_us, (wall_us - j->dispatch_us) - (now_us - j->taken_us),
                     from->carried <= 1 ? from->ready_us - from->begun_us : 0, now_us - from->started_us},
        .command = refused_command(r),
        .verdict = r->verdict,
    };
    delivery_log_line(&l);
}

void sender_report_log_unsent(struct sender *s, const struct job *j, const struct verdict *v, slice relay)
{
    struct spool_entry *entry;
    if (spool_entry_open_head(s->reader, &j->place, &entry) != ERR_OK)
        return;
    int64_t wall_us = os_wall_us();
    for (uint32_t i = 0; i < j->recipient_count; i++) {
        const struct envelope *envelope;
        const struct recipient *r = spool_head_recipient(spool_entry_head(entry), j->recipients[i], &envelope);
        if (!r || j->results[i].set)
            continue;
        struct delivery_log l = {
            .id = j->place.id,
            .to = r->address,
            .original_to = r->original,
            .relay = relay.len > 0 ? relay : SLICE("none"),
            .delay_us = wall_us - j->arrival_us,
            .parts_us = {j->dispatch_us - j->arrival_us, wall_us - j->dispatch_us, 0, 0},
            .verdict = *v,
        };
        delivery_log_line(&l);
    }
    spool_entry_close(&entry);
}
