/* SPDX-License-Identifier: ISC */
/* Aliases files as sendmail reads them (aliases(5)): `name: target, target`, continuation lines, comments, quotes, `:include:/file`, `|command`,
 * `/file`, `\local`. A file is parsed whole from bytes; a broken line is named and the whole file refused (the old table is kept by
 * whoever holds it). Include files are read by the caller and given as further sources. Keys are without case. */
#ifndef ROUTE_ALIASES_H
#define ROUTE_ALIASES_H

#include "mail/mail.h"

struct alias_table;

enum alias_target_kind {
    ALIAS_ADDRESS,
    ALIAS_LOCAL_FINAL /* \local: not expanded again */,
    ALIAS_PIPE,
    ALIAS_FILE,
    ALIAS_INCLUDE
};

struct alias_target {
    enum alias_target_kind kind;
    slice text; /* address, command without the bar, path */
};

struct alias_entry {
    slice key;
    uint32_t line;
    uint32_t target_count;
    struct alias_target *targets;
};

struct alias_error {
    uint32_t line;
    slice text; /* static or in the arena */
    slice why;  /* the same without what stands there; empty where text has nothing of it */
};

struct alias_source {
    slice name; /* the file's path: it is what a stored recipient's `table` says */
    slice content;
};

/* Parses content (at most 16 MiB, 1,000,000 entries) into the arena, which the table lives in. On ERR_SYNTAX *error_r tells the line. */
must_check enum err alias_table_parse(struct arena *arena, struct alias_source source, struct hash_key key,
                                      struct alias_table **table_r, struct alias_error *error_r);
/* Parses an include file's content: a list of targets over many lines. */
must_check enum err alias_include_parse(struct arena *arena, slice content, struct alias_target **targets_r,
                                        uint32_t *count_r, struct alias_error *error_r);
/* Replaces the include target number `index` of entry by targets (conf calls this while it loads). */
must_check enum err alias_entry_splice(struct arena *arena, struct alias_entry *entry, uint32_t index,
                                       const struct alias_target *targets, uint32_t count);
void alias_table_free(struct alias_table *table); /* the index only; entries are the arena's */
slice alias_table_name(const struct alias_table *table);
struct alias_entry *alias_table_find(const struct alias_table *table, slice key);
/* Iteration in file order; NULL at the end. */
struct alias_entry *alias_table_at(const struct alias_table *table, size_t i);

#endif
