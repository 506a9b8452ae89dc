/* SPDX-License-Identifier: ISC */
/* The index of all mail in the queue and its schedule. A message has one part for each destination that it goes to; a part is what is dispatched, deferred, held. A
 * destination is a next hop (or a local delivery) with its queue of ready parts, its window of jobs under way and its back-off: a dead destination is one retry record, not
 * one a message. Handles are 32 bits, 0 is none; about 110 bytes a message with one recipient.
 *
 * Does no I/O and keeps no time: the caller passes now_s (unix time), writes outcomes to the spool, and tells results. Nothing is freed behind the caller's
 * back: sched_part_finish tells when a message has no part left, sched_message_remove lets it go. */
#ifndef SCHED_INDEX_H
#define SCHED_INDEX_H

#include "mail/mail.h"
#include "sched/slab.h"

struct sched;

struct sched_options {
    const int64_t *retry_s; /* waits between attempts; the last repeats; must outlive the index */
    size_t retry_count;
    uint32_t connections; /* of a destination at once */
    uint32_t jobs_max;    /* under way altogether */
};

enum sched_message_flags {
    SCHED_BOUNCE = 1,  /* null reverse-path of our own making: gives up sooner */
    SCHED_TRUSTED = 2, /* may be warned of delay */
    SCHED_WARNED = 4,
    SCHED_MOVED = 8,      /* is in the long-lived segments */
    SCHED_LARGE = 16,     /* has a large-body file */
    SCHED_HELD = 32,      /* by an admin or its delivery */
    SCHED_NULL_PATH = 64, /* null reverse-path: no bounce, no warning */
    SCHED_KEEP_BODY = 128 /* what became of it could not be written down: when it comes back it needs its large body */
};

struct sched_message {
    uint64_t id;
    uint64_t segment;
    uint32_t offset, length, epoch;
    uint32_t arrival_s; /* unix time, until 2106 */
    uint32_t first_part;
    uint32_t size; /* of the content, for listings; stops at 4 GiB */
    uint16_t copy;
    uint8_t flags;   /* enum sched_message_flags */
    int8_t priority; /* of its parts: PRIORITY_MIN to PRIORITY_MAX */
    uint32_t extra;  /* the caller's handle of what few messages have, 0 none */
};

enum sched_part_state { SCHED_READY = 1, SCHED_LEASED, SCHED_WAITING, SCHED_PART_HELD, SCHED_ENDING };

struct sched_part {
    uint32_t message, next_in_message;
    uint32_t destination;
    uint32_t prev, next; /* in its destination's ready list of this priority */
    uint32_t heap_at;    /* place in the heap of waiting ones, 0 none */
    uint32_t next_s;     /* when WAITING */
    uint32_t reason;     /* handle of a reason, 0 none */
    uint32_t label;      /* the domain that people know it by; see sched_label_text */
    uint16_t tries;
    uint8_t state : 7; /* enum sched_part_state */
    uint8_t many : 1;  /* recipients points to an array; else `one` is it */
    int8_t priority;   /* of its message */
    union {
        uint32_t one;
        uint32_t *list; /* list[0] is the count */
    } recipients;
};

struct sched_list {
    uint32_t first, last;
};

/* Ready parts of other priorities than 0. */
struct sched_levels {
    struct sched_list list[PRIORITY_MAX - PRIORITY_MIN + 1];
    uint32_t mask; /* a bit for each list that is not empty */
};

/* Which destinations have their turn first: those with ready mail above normal priority, those with normal mail, the rest. */
enum sched_ring { SCHED_RING_URGENT, SCHED_RING_NORMAL, SCHED_RING_LOW, SCHED_RINGS };

enum sched_destination_state {
    SCHED_UP,
    SCHED_DOWN /* until retry_s */,
    SCHED_PROBING /* one job to see whether it works again */
};

struct sched_destination {
    uint32_t part_count;         /* of any state */
    struct sched_list ready;     /* of priority 0 */
    struct sched_levels *levels; /* NULL as long as all its mail had priority 0 */
    uint32_t ready_count;        /* of any priority */
    char *key; /* NUL-terminated, as route_next_key; tells the live from the free: not the first field */
    uint32_t leased;
    uint32_t window;                   /* jobs at once at this moment */
    uint32_t active_prev, active_next; /* in the ring of those that can dispatch */
    uint32_t heap_at;
    uint32_t retry_s; /* when DOWN */
    uint32_t reason;
    uint16_t fails;
    uint8_t state; /* enum sched_destination_state */
    uint8_t kind;  /* the caller's */
    bool active;
    uint8_t ring;  /* enum sched_ring, when active */
    uint8_t turns; /* of its parts: now and then one of a lower priority goes first */
    uint8_t fair;  /* which one that was last */
};

must_check enum err sched_open(const struct sched_options *o, struct hash_key key, struct sched **s_r);
void sched_close(struct sched **s);

/* ERR_EXISTS: *handle_r is the one that is there (the caller compares copy numbers). ERR_NOMEM. */
must_check enum err sched_message_add(struct sched *s, const struct sched_message *m, uint32_t *handle_r);
uint32_t sched_message_find(const struct sched *s, uint64_t id);
struct sched_message *sched_message(const struct sched *s, uint32_t handle);
uint32_t sched_message_count(const struct sched *s);
/* For a message without parts (nothing was to be done for it). */
void sched_message_remove(struct sched *s, uint32_t handle);
/* Iteration: the first live handle above `after`; 0 at the end. Live messages may be removed meanwhile. */
uint32_t sched_message_next(const struct sched *s, uint32_t after);

/* Interns the key. ERR_NOMEM. The handle is good until the next sched_tick, and then as long as a part refers to it: a destination without mail is forgotten there. */
must_check enum err sched_destination_get(struct sched *s, slice key, uint8_t kind, uint32_t *handle_r);
uint32_t sched_destination_find(const struct sched *s, slice key);
struct sched_destination *sched_destination(const struct sched *s, uint32_t handle);
uint32_t sched_destination_next(const struct sched *s, uint32_t after);

struct sched_recipients {
    const uint32_t *list;
    uint32_t count; /* > 0 */
};
/* A new part: READY, or HELD. The list is copied. ERR_NOMEM. */
must_check enum err sched_part_add(struct sched *s, uint32_t message, uint32_t destination, struct sched_recipients r,
                                   uint32_t *handle_r);
struct sched_part *sched_part(const struct sched *s, uint32_t handle);
uint32_t sched_part_recipients(const struct sched *s, uint32_t handle, const uint32_t **list_r);
/* The part of a message that has this recipient, or 0. */
uint32_t sched_part_of(const struct sched *s, uint32_t message, uint32_t recipient);
/* Takes one recipient out of a part; the number left. */
uint32_t sched_part_drop(struct sched *s, uint32_t handle, uint32_t recipient);

/* The next part to dispatch: it is LEASED from now on. 0: none. Destinations take turns; of one destination's parts the highest priority goes first (RFC 6710). One in eight
 * of a destination, and one in four of all, goes to a lower one, so that none waits for ever. */
uint32_t sched_dispatch(struct sched *s);
/* Iteration over parts as over messages. */
uint32_t sched_part_next(const struct sched *s, uint32_t after);
/* Moves what is due to ready. Returns when to call again (unix time), INT64_MAX if nothing waits. */
int64_t sched_tick(struct sched *s, int64_t now_s);

/* A leased part comes back untouched, to the front of its queue. */
void sched_part_return(struct sched *s, uint32_t handle);
/* A leased part was tried in vain: waits until the schedule's next time, which is returned; tries goes up. */
int64_t sched_part_defer(struct sched *s, uint32_t handle, int64_t now_s, slice reason);
/* For a clock that has gone back: no deferred part and no destination waits longer from now_s than its step of the schedule says. A part that was never tried waits for the
 * time that its sender has named, and goes on waiting. */
void sched_waits_shorten(struct sched *s, int64_t now_s);
/* As recovered: waits until next_s after so many tries (next_s 0: is not made to wait). Of several the last one counts. What is held stays held. */
void sched_part_restore(struct sched *s, uint32_t handle, uint16_t tries, int64_t next_s, slice reason);
/* One that waits does so until then at the latest. */
void sched_part_until(struct sched *s, uint32_t handle, int64_t latest_s);
/* An admin: READY now whatever it waited for; its destination too. */
void sched_part_retry(struct sched *s, uint32_t handle);
/* Not when LEASED: it is held when it comes back, if its message has SCHED_HELD. */
void sched_part_hold(struct sched *s, uint32_t handle);
void sched_part_release(struct sched *s, uint32_t handle);
/* Leased or not: nothing more is tried while its outcome is on its way to the disk. */
void sched_part_end(struct sched *s, uint32_t handle);
/* All its recipients are done and that is durable: the part is gone; true when it was the message's last (the message stays, without parts, for sched_message_remove). */
bool sched_part_finish(struct sched *s, uint32_t handle);
/* A READY part is under way already: known from the HELLO of a process that had the job before a restart. */
void sched_part_lease(struct sched *s, uint32_t handle);

/* No host of it answers: no dispatch until the time that is returned. */
int64_t sched_destination_down(struct sched *s, uint32_t handle, int64_t now_s, slice reason);
/* A job went through to a mail server: back-off is over, the window grows. */
void sched_destination_ok(struct sched *s, uint32_t handle);

/* When this part is tried next: its own time or its destination's; now_s when ready. */
int64_t sched_part_time(const struct sched *s, uint32_t handle, int64_t now_s);
/* Its own last reason, or its destination's; may be empty. */
slice sched_part_reason(const struct sched *s, uint32_t handle);
/* The domain that a listing names, whatever next hop its mail goes through. Interned: labels run from 0 (none) to sched_label_last. */
void sched_part_label(struct sched *s, uint32_t handle, slice domain);
uint32_t sched_label_last(const struct sched *s);
slice sched_label_text(const struct sched *s, uint32_t label);
uint32_t sched_jobs(const struct sched *s);
/* Parts that are held. */
uint32_t sched_held(const struct sched *s);
/* With those that are to be forgotten at the next sched_tick. */
uint32_t sched_destination_count(const struct sched *s);

#endif
