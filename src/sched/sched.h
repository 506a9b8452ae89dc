/* SPDX-License-Identifier: ISC */
/* The face of the room sched: which mail is tried when. PURE. Other rooms include this header only. */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "sched/index.h"
#include "sched/limits.h"
#include "sched/slab.h"

#endif
