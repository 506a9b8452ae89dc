/* SPDX-License-Identifier: ISC */
#include "proc/queue/listing.h"

static bool destination_matches(const struct listing *l, slice key)
{
    slice head, name;
    if (slice_equal_nocase(key, l->value))
        return true;
    return slice_cut(key, ':', &head, &name) && slice_equal_nocase(name, l->value);
}

static bool address_matches(slice address, slice wanted)
{
    if (slice_equal_nocase(address, wanted))
        return true;
    return wanted.len > 0 && wanted.ptr[0] == '@' && slice_ends_nocase(address, wanted);
}

static bool head_filter_matches(const struct listing *l, const struct spool_head *head)
{
    if (l->filter == FILTER_LOGIN)
        return slice_equal_nocase(head->origin.login, l->value);
    for (uint16_t i = 0; l->filter == QUEUE_FILTER_TAG && i < head->envelope_count; i++) {
        if (slice_equal(head->envelopes[i].tag, l->value))
            return true;
    }
    uint32_t total = spool_head_recipient_count(head);
    for (uint32_t i = 0; i < total; i++) {
        const struct envelope *e;
        const struct recipient *r = spool_head_recipient(head, i, &e);
        if (l->filter == QUEUE_FILTER_TO && address_matches(r->address, l->value))
            return true;
        if (l->filter == QUEUE_FILTER_FROM && address_matches(e->reverse_path, l->value))
            return true;
    }
    return false;
}

/* RFC 1985 section 5.3: the host itself, or with "@" it and everything below it. What is held, or is not to be sent yet, stays. */
static bool etrn_matches(const struct queue *q, const struct listing *l, const struct sched_part *p)
{
    slice domain = sched_label_text(q->sched, p->label), wanted = l->value;
    if (p->state == SCHED_PART_HELD || queue_wish_waits(q, p->message, l->now_s))
        return false;
    if (wanted.ptr[0] != '@')
        return slice_equal_nocase(domain, wanted);
    wanted = slice_skip(wanted, 1);
    if (!slice_ends_nocase(domain, wanted))
        return false;
    return domain.len == wanted.len || domain.ptr[domain.len - wanted.len - 1] == '.';
}

bool listing_part_matches(const struct queue *q, const struct listing *l, uint32_t part)
{
    const struct sched_part *p = sched_part(q->sched, part);
    if (p->state == SCHED_ENDING)
        return false;
    if (l->filter == QUEUE_FILTER_DESTINATION)
        return slice_equal_nocase(sched_label_text(q->sched, p->label), l->value) ||
               destination_matches(l, slice_str(sched_destination(q->sched, p->destination)->key));
    if (l->filter == FILTER_ETRN)
        return etrn_matches(q, l, p);
    if (l->filter == QUEUE_FILTER_REASON)
        return slice_find(sched_part_reason(q->sched, part), l->value) >= 0;
    return true;
}

bool listing_filters_head(const struct listing *l)
{
    return l->filter == QUEUE_FILTER_TO || l->filter == QUEUE_FILTER_FROM || l->filter == QUEUE_FILTER_TAG ||
           l->filter == FILTER_LOGIN;
}

bool listing_needs_head(const struct listing *l)
{
    return l->verb == QUEUE_VERB_LIST || l->verb == QUEUE_VERB_SHOW || l->larger > 0 || listing_filters_head(l);
}

/* Tags are rare, and mail of a login is always from who may relay: the other heads need not be read. */
bool listing_may_match(const struct queue *q, const struct listing *l, uint32_t message)
{
    if (l->filter == FILTER_LOGIN)
        return (sched_message(q->sched, message)->flags & (SCHED_TRUSTED | SCHED_HELD)) == SCHED_TRUSTED;
    if (l->filter != QUEUE_FILTER_TAG)
        return true;
    const struct wish *w = queue_wish(q, message);
    return w && w->flags & WISH_TAG && (w->tag == 0 || w->tag == l->tag);
}

bool listing_head_matches(const struct listing *l, const struct spool_head *head)
{
    return (l->larger == 0 || head->facts.size >= l->larger) &&
           (!listing_filters_head(l) || head_filter_matches(l, head));
}

bool listing_is_sound(const struct ipc_queue_request *r)
{
    /* An empty reason or the like would be found in all mail; an empty sender is that of bounces. */
    bool needs_value = r->filter != QUEUE_FILTER_ALL && r->filter != QUEUE_FILTER_FROM;
    return r->verb <= QUEUE_VERB_REMOVE && r->filter <= QUEUE_FILTER_TAG && (r->value.len > 0 || !needs_value);
}
