/* SPDX-License-Identifier: ISC */
/* What the files of the room share: the index itself and the moves between its lists. Private to the room. */
#ifndef SCHED_STATE_H
#define SCHED_STATE_H

#include "sched/heap.h"
#include "sched/index.h"
#include "sched/reason.h"

/* A name in the heap of waiting things: a part's handle, or a destination's with this bit. */
#define HEAP_DESTINATION 0x80000000u

struct sched {
    struct sched_options options;
    struct slab messages, parts, destinations;
    struct reasons reasons;
    struct heap waiting;
    struct table destination_by_key;
    uint32_t *by_id;              /* open addressing: handles, 0 empty */
    uint32_t by_id_cap;           /* a power of two */
    uint32_t active[SCHED_RINGS]; /* rings of destinations that can dispatch: the next one's turn */
    uint32_t turns;
    uint32_t sweep_at;     /* where the search for destinations to forget goes on */
    uint32_t added;        /* destinations, since that search last ran */
    uint32_t leased, held; /* parts */
};

void state_ready_push(struct sched *s, uint32_t part, bool front);
void state_ready_remove(struct sched *s, uint32_t part);
/* Puts the destination into its ring, or takes it out, as its state demands. */
void state_active_update(struct sched *s, uint32_t destination);
void state_wait(struct sched *s, uint32_t part, uint32_t until_s);
void state_wait_end(struct sched *s, uint32_t part);
/* A part that was LEASED is so no more. */
void state_lease_end(struct sched *s, uint32_t part);

#endif
