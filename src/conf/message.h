/* SPDX-License-Identifier: ISC */
/* Errors and warnings of one run over a configuration. They are gathered in any order and printed in the order of the file:
 *   PATH:LINE:COLUMN: error: TEXT
 *   the line
 *       ^
 *   did you mean "HINT"?
 * A message may be about another file (aliases, members): it is printed as FILE:LINE: error: TEXT, at the place of the key that named the file.
 * Texts live in the arena given. At most 100 are kept; the rest is counted.
 */
#ifndef CONF_MESSAGE_H
#define CONF_MESSAGE_H

#include "conf/conf.h"
#include "conf/toml_tree.h"

#define MESSAGES_MAX 100

struct message {
    struct toml_place place;
    bool is_warning;
    slice text, hint;
    slice file;    /* another file, or empty */
    uint32_t line; /* there; 0: the file as a whole */
};

struct messages {
    struct arena *arena;
    slice path, content;
    struct message list[MESSAGES_MAX];
    size_t count, more;
    bool failed; /* there is an error */
    bool out_of_memory;
};

void messages_init(struct messages *m, struct arena *arena, slice path, slice content);
void messages_error(struct messages *m, struct toml_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void messages_warn(struct messages *m, struct toml_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a hint to the newest message; empty is harmless. */
void messages_hint(struct messages *m, slice hint);
/* An error in another file that the key at place names. */
void messages_error_in(struct messages *m, struct toml_place place, slice file, uint32_t line, slice text);
/* In the order of the file. */
void messages_sort(struct messages *m);
/* One by one, in the same order. Keys are found by their place below root, which may be NULL. */
void messages_tell(struct messages *m, const struct toml_node *root, const struct conf_sink *sink);
void messages_print(struct messages *m, bool color, buf *out);

/* The word among count that `wrong` most probably stands for, or empty: at most a third of its letters differ. */
slice suggest_word(slice wrong, const char *const *words, size_t count);

#endif
