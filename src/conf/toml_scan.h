/* SPDX-License-Identifier: ISC */
/* A first look at a document, for toml_shim.cc: what toml++ 3.3 must not see. Its tables are freed by recursion, so keys of very many parts are
 * refused; and beside a character that is not ASCII outside of strings and comments (TOML 1.0 has none there), or after a line that a
 * backslash continues, it relies on undefined behaviour. Knows of TOML only where strings and comments begin and end.
 * Reads bytes, allocates nothing.
 */
#ifndef CONF_TOML_SCAN_H
#define CONF_TOML_SCAN_H

#include "conf/toml_tree.h"

#ifdef __cplusplus
extern "C" {
#endif

struct toml_scan_result {
    const char *text; /* what is wrong, or NULL */
    size_t offset;    /* where */
};

struct toml_scan_result toml_scan(const char *document, size_t len);

#ifdef __cplusplus
}
#endif

#endif
