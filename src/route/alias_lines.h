/* SPDX-License-Identifier: ISC */
/* The lexical half of aliases files, for aliases.c only: physical lines into logical ones, quotes, and the targets of one line.
 * A logical line is a line that begins in the first column and the lines after it that begin with white space; empty lines and
 * lines whose first sign is "#" are skipped, and so is what follows a "#" behind white space outside of quotes. Line ends may be LF or
 * CRLF, and a byte order mark is skipped. Texts are copied into the arena when they are joined or unquoted.
 * NUL and control characters other than HT are refused. */
#ifndef ROUTE_ALIAS_LINES_H
#define ROUTE_ALIAS_LINES_H

#include "route/aliases.h"

struct alias_line {
    slice text;
    uint32_t number; /* of its first physical line */
};

struct alias_lines {
    slice rest;
    struct arena *arena;
    uint32_t number; /* lines read */
    bool begun;
};

/* ERR_NOTFOUND at the end, ERR_SYNTAX with *error_r, ERR_NOMEM. */
must_check enum err alias_lines_next(struct alias_lines *lines, struct alias_line *line_r, struct alias_error *error_r);
/* At least as many as there are logical lines. */
size_t alias_lines_count(slice content);
slice alias_line_without_comment(slice text);
bool alias_text_has_control(slice text);

/* The length of the quoted string that text begins with, both quotes counted, or 0 when it does not end. */
size_t alias_quoted_end(slice text);
/* What is between the quotes, with \x made x. ERR_NOMEM. */
must_check enum err alias_unquote(struct arena *arena, slice quoted, slice *text_r);

struct alias_targets {
    struct arena *arena;
    struct alias_target *targets;
    uint32_t count, cap;
    uint32_t line; /* for errors */
};

/* Appends the targets of a comma-separated text. ERR_SYNTAX with *error_r, ERR_NOMEM. */
must_check enum err alias_targets_read(struct alias_targets *targets, slice text, struct alias_error *error_r);

#endif
