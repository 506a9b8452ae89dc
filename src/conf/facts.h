/* SPDX-License-Identifier: ISC */
/* A configuration as a list of plain statements, so that two of them can be compared: each has a subject that is the same in both
 * ("10.1.2.0/24 may relay", "alias sales in /etc/aliases") and what is said of it, which may have changed.
 * Statements live in the arena of struct facts, and their order is that of the configuration. Contents of files count (aliases, members), dates of
 * files do not.
 */
#ifndef CONF_FACTS_H
#define CONF_FACTS_H

#include "conf/conf.h"

struct fact {
    slice subject, text;
};

struct facts {
    struct arena arena;
    struct fact *list;
    size_t count, cap;
    bool failed; /* memory ran out */
};

/* facts_deinit also after failed. */
void facts_init(struct facts *f, const struct conf *conf);
void facts_deinit(struct facts *f);

/* For facts.c and facts_route.c. */
void facts_add(struct facts *f, slice subject, slice text);
slice facts_text(struct facts *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
slice facts_join(struct facts *f, const slice *texts, size_t count);
void facts_add_routes(struct facts *f, const struct conf *conf);
void facts_add_domains(struct facts *f, const struct conf *conf);

#endif
