/* SPDX-License-Identifier: ISC */
/* The face of the room base: values that every other room is built from. Uses nothing but the C library's
 * memory and formatting functions; does no I/O, reads no clock and keeps no global state. Other rooms include
 * this header only. */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include "base/banned.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/buf.h"
#include "base/arena.h"
#include "base/memory.h"
#include "base/list.h"
#include "base/hash.h"
#include "base/table.h"
#include "base/units.h"
#include "base/base32.h"
#include "base/endian.h"

#endif
