/* SPDX-License-Identifier: ISC */
/* Inside the room only: a question or an order of an admin (or ETRN's, or the alarm's) that is being worked on, and which mail it means (listing.c). Owned by control.c. What a filter means is seen on the message's parts where that is enough;
 * the head, which has to be read, is looked at for senders, recipients, logins and sizes only. A filter that is not known never means all mail. */
#ifndef PROC_QUEUE_LISTING_H
#define PROC_QUEUE_LISTING_H

#include "proc/queue/state.h"

/* Beside those of the console, enum queue_filter. */
enum { FILTER_ETRN = 100, FILTER_LOGIN };

struct listing {
    struct listing *next;
    struct hub_peer *peer;
    uint64_t token;
    uint8_t verb;
    uint8_t filter; /* enum queue_filter, or one of ours */
    bool dry;
    bool visited;    /* all of it: only the disk is waited for */
    uint64_t serial; /* of the last batch with what it changed */
    slice value;     /* in the same memory */
    slice reason;    /* HOLD: the same */
    uint64_t id;
    bool held;                 /* of these only what is held */
    int64_t before_s;          /* what came before; 0: all */
    uint64_t larger;           /* what has at least so many bytes */
    uint32_t tag;              /* queue_wish_tag of the value */
    uint32_t at;               /* cursor over messages (or destinations: SUMMARY) */
    uint32_t passed;           /* messages that were looked at */
    int64_t told_ms;           /* when its progress was told last */
    uint32_t count;            /* matched */
    uint32_t busy;             /* matched, but in delivery at this moment */
    uint32_t kept;             /* RETRY: matched, but held */
    uint32_t unread;           /* perhaps matched: the head cannot be read */
    uint32_t tries;            /* in a row, without memory */
    int64_t now_s;             /* of this step */
    struct spool_heads *heads; /* for this step, or NULL */
    struct summary *summary;   /* SUMMARY: what is to be sent of it */
};

/* One that the console may ask for: known, and with a value where it needs one. */
bool listing_is_sound(const struct ipc_queue_request *r);
/* Is the part (a handle) of what the filter means? ID, ALL and those of the head mean all parts. */
bool listing_part_matches(const struct queue *q, const struct listing *l, uint32_t part);
/* Whether the filter must see heads, or the answer needs them. */
bool listing_filters_head(const struct listing *l);
bool listing_needs_head(const struct listing *l);
/* By what is known of the message (a handle) without its head: false when it surely is not meant. */
bool listing_may_match(const struct queue *q, const struct listing *l, uint32_t message);
/* By its head, sizes included. */
bool listing_head_matches(const struct listing *l, const struct spool_head *head);

#endif
