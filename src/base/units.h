/* SPDX-License-Identifier: ISC */
/* Durations and sizes as people write them in a configuration and read them in a table. Durations: a whole number and one of
 * s m h d w ("90s", "4h", "5d"; "0s" too); sizes: a whole number and none or one of K M G T ("50M" is 50 x 2^20 bytes). */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/buf.h"
#include "base/slice.h"

/* Seconds; ERR_SYNTAX, ERR_LIMIT above 100 years. The unit is required. */
must_check enum err units_parse_duration(slice s, int64_t *seconds_r);
/* Bytes; ERR_SYNTAX, ERR_LIMIT above 2^62. */
must_check enum err units_parse_size(slice s, uint64_t *bytes_r);
/* Short and rounded down: "14m", "2h", "3d", "0s"; for tables. */
void units_print_age(buf *b, int64_t seconds);
/* Short: "812", "18K", "4.2M". */
void units_print_size(buf *b, uint64_t bytes);

#endif
