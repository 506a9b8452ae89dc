/* SPDX-License-Identifier: ISC */
/* The option table: every section and key of thurn.toml with type, bounds, default and one line of doc (tables/options.c), and the walk of a
 * TOML table against it. The walk says what is wrong with keys and types, fills in defaults, and puts values of simple types into
 * the struct that the row's offset is in; of all others it keeps the node, which the file read_*.c of that section reads.
 * A row of type OPTION_LATER is a key that is designed and not yet built: using it is an error.
 * `thurn config --defaults` and the manual page are printed from the same rows.
 */
#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include "conf/message.h"
#include "conf/toml_tree.h"

enum option_type {
    OPTION_BOOL,         /* bool */
    OPTION_COUNT,        /* uint32_t */
    OPTION_SIZE,         /* uint64_t, bytes */
    OPTION_SECONDS,      /* int64_t */
    OPTION_MILLISECONDS, /* int64_t */
    OPTION_WORD,         /* an enum: the word's number */
    OPTION_WORD_BOOL,    /* bool: false for the first word, true for the second */
    OPTION_STRING,       /* from here on: const struct toml_node * */
    OPTION_PATH,
    OPTION_FILE, /* a path, or "credential:NAME", which becomes one */
    OPTION_STRINGS,
    OPTION_STRING_OR_STRINGS,
    OPTION_TABLE,
    OPTION_LATER,
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset;
    int64_t min, max;         /* COUNT, SIZE, SECONDS, MILLISECONDS (in seconds) */
    const char *fallback;     /* as written, without quotes; NULL: none */
    const char *const *words; /* WORD; NULL ends */
    const char *doc;
};

struct section {
    const char *name;    /* "" is the top level */
    const char *example; /* of a section with a name of the user's, that name; else NULL */
    const struct option *options;
    size_t count;
    const char *doc;
    bool other_tables; /* keys that are not in the table may be tables: [tls."name"] */
};

enum section_id {
    SECTION_TOP,
    SECTION_QUEUE,
    SECTION_LISTEN,
    SECTION_TRUST,
    SECTION_TLS,
    SECTION_AUTH,
    SECTION_DOMAIN,
    SECTION_ADDRESS,
    SECTION_LIST,
    SECTION_ROUTE,
    SECTION_RELAY,
    SECTION_NETWORK,
    SECTION_SEND_AS,
    SECTION_LIMITS,
    SECTION_BATCH,
    SECTION_LOG,
    SECTION_COUNT
};

extern const struct section option_sections[SECTION_COUNT];

/* Defaults into target, then what table (NULL: absent) says. */
void option_read(struct messages *m, const struct section *section, const struct toml_node *table, void *target);
/* [queue], [domain."example.org"]: what messages call the table. */
void option_print_title(buf *b, const struct section *section, const struct toml_node *table);
/* "a string", "an integer" */
const char *option_kind_name(enum toml_kind kind);
/* Error: "name" must be EXPECTED, not KIND. */
void option_wrong_type(struct messages *m, const struct toml_node *node, const char *expected);
/* The number of the word that the string is, or -1 with an error. */
int option_word(struct messages *m, const struct toml_node *node, const char *const *words);

static inline slice toml_text(const struct toml_node *node)
{
    return slice_of(node->text, node->text_len);
}
static inline slice toml_key(const struct toml_node *node)
{
    return slice_of(node->key, node->key_len);
}
/* The children of a table or array; of a string, itself: so a list of one may be written without brackets. */
static inline size_t toml_count(const struct toml_node *node)
{
    size_t count = 0;
    for (const struct toml_node *child = node ? node->first : NULL; child; child = child->next)
        count++;
    return node && node->kind == TOML_STRING ? 1 : count;
}
static inline const struct toml_node *toml_first(const struct toml_node *node)
{
    return node && node->kind == TOML_STRING ? node : node ? node->first : NULL;
}

#endif
