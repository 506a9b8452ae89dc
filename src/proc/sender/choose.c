/* SPDX-License-Identifier: ISC */
/* Which recipients of a job go in one message: those of one envelope, as many as the host takes. */
#include "proc/sender/state.h"

/* The envelope of a job: its recipients are of one envelope each, but a list's members and others of the same message may be mixed: those of another reverse-path wait for the next round. */
static uint32_t envelope_of(const struct spool_head *h, uint32_t recipient)
{
    for (uint32_t i = 0; i < h->envelope_count; i++) {
        if (recipient < h->envelopes[i].recipient_count)
            return i;
        recipient -= h->envelopes[i].recipient_count;
    }
    return UINT32_MAX;
}

static uint32_t first_of_envelope(const struct spool_head *h, uint32_t envelope)
{
    uint32_t first = 0;
    for (uint32_t i = 0; i < envelope; i++)
        first += h->envelopes[i].recipient_count;
    return first;
}

static uint32_t domain_of(slice address)
{
    char lower[256];
    slice domain = slice_skip(address, (size_t)(slice_rfind_char(address, '@') + 1));
    size_t len = domain.len < sizeof lower ? domain.len : sizeof lower;
    for (size_t i = 0; i < len; i++)
        lower[i] = ascii_lower(domain.ptr[i]);
    return hash_crc32c(0, slice_of(lower, len));
}

/* RFC 9422 section 4.3: domains of a whole session. We remember few of them: then it has had enough. */
static bool domain_fits(struct session *x, slice address)
{
    uint32_t max = x->offer.rcpt_domain_max, hash;
    if (max == 0)
        return true;
    hash = domain_of(address);
    for (uint32_t i = 0; i < x->domain_count; i++)
        if (x->domains[i] == hash)
            return true;
    if (x->domain_count >= max || x->domain_count >= DOMAINS_MAX)
        return false;
    x->domains[x->domain_count++] = hash;
    return true;
}

/* RFC 9422 section 4.2. */
static uint32_t recipients_max(const struct session *x, const struct job *j)
{
    uint32_t most = j->recipient_count < RECIPIENTS_MAX ? j->recipient_count : RECIPIENTS_MAX;
    return x->offer.rcpt_max > 0 && x->offer.rcpt_max < most ? x->offer.rcpt_max : most;
}

enum chosen sender_choose(struct session *x, struct job *j, const struct spool_head *h)
{
    uint32_t most = recipients_max(x, j);
    uint32_t *list = arena_array(&j->arena, most, sizeof *list);
    x->map = arena_array(&j->arena, most, sizeof *x->map);
    if (!list || !x->map)
        return CHOSEN_NONE;
    uint32_t envelope = UINT32_MAX, count = 0;
    bool full = false;
    for (uint32_t i = 0; i < j->recipient_count && count < most; i++) {
        uint32_t of = envelope_of(h, j->recipients[i]);
        if (j->results[i].set || of == UINT32_MAX || (envelope != UINT32_MAX && of != envelope))
            continue;
        uint32_t number = j->recipients[i] - first_of_envelope(h, of);
        if (!domain_fits(x, h->envelopes[of].recipients[number].address)) {
            full = true;
            continue;
        }
        envelope = of;
        x->map[count] = i;
        list[count++] = number;
    }
    x->exhausted = x->exhausted || full;
    if (count == 0)
        return full ? CHOSEN_LATER : CHOSEN_NONE;
    x->message = (struct smtp_client_message){
        .envelope = &h->envelopes[envelope],
        .recipients = list,
        .recipient_count = count,
        .facts = h->facts,
        .now_s = os_wall_s(),
    };
    return CHOSEN;
}
