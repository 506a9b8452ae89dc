/* SPDX-License-Identifier: ISC */
/* A TOML document as a tree of plain C values, each with its place in the file. toml_shim.cc, the only C++ of the house, makes it with toml++;
 * no exception leaves that file. The tree and its texts live in memory that the caller's function hands out, and are never freed
 * one by one. Children stand in the order of the document. Bounded: documents of 4 MiB, 16 levels.
 * Lines and columns count from 1; a column is a code point.
 * Knows nothing of what the keys mean. Includes no header of the house, since those are not C++.
 */
#ifndef CONF_TOML_TREE_H
#define CONF_TOML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TOML_DOCUMENT_MAX ((size_t)4 << 20)
#define TOML_DEPTH_MAX 16

enum toml_kind { TOML_TABLE, TOML_ARRAY, TOML_STRING, TOML_INTEGER, TOML_FLOAT, TOML_BOOLEAN, TOML_DATE };

struct toml_place {
    uint32_t line, column;
};

struct toml_node {
    enum toml_kind kind;
    const char *key; /* NULL in arrays and at the root */
    size_t key_len;
    struct toml_place key_place, place;
    const char *text; /* TOML_STRING */
    size_t text_len;
    int64_t integer; /* TOML_INTEGER */
    bool boolean;    /* TOML_BOOLEAN */
    const struct toml_node *first, *next;
};

struct toml_error {
    struct toml_place place;
    char text[200]; /* NUL-terminated, valid UTF-8 */
};

struct toml_memory {
    void *(*allocate)(void *context, size_t size); /* zeroed; NULL when there is no more */
    void *context;
};

enum toml_outcome { TOML_OK, TOML_SYNTAX, TOML_NO_MEMORY };

/* *root_r is a table. With TOML_SYNTAX *error_r tells the first error; toml++ stops there. */
enum toml_outcome toml_tree_parse(const char *content, size_t len, const struct toml_memory *memory,
                                  const struct toml_node **root_r, struct toml_error *error_r);

#ifdef __cplusplus
}
#endif

#endif
