/* SPDX-License-Identifier: ISC */
#include "conf/option.h"

#include <inttypes.h>

#include "os/os.h"

#define SUGGESTIONS_MAX 64
#define CREDENTIAL SLICE("credential:")

const char *option_kind_name(enum toml_kind kind)
{
    static const char *const names[] = {"a table",          "an array",  "a string",      "an integer",
                                        "a decimal number", "a boolean", "a date or time"};
    return names[kind];
}

void option_print_title(buf *b, const struct section *section, const struct toml_node *table)
{
    bool named = section->example || (section->other_tables && !slice_equal(toml_key(table), slice_str(section->name)));
    buf_printf(b, "[%s", section->name);
    if (named)
        buf_printf(b, ".\"%.*s\"", SLICE_ARG(toml_key(table)));
    buf_append_char(b, ']');
}

void option_wrong_type(struct messages *m, const struct toml_node *node, const char *expected)
{
    if (node->key)
        messages_error(m, node->place, "\"%.*s\" must be %s, not %s", SLICE_ARG(toml_key(node)), expected,
                       option_kind_name(node->kind));
    else
        messages_error(m, node->place, "expected %s, not %s", expected, option_kind_name(node->kind));
}

int option_word(struct messages *m, const struct toml_node *node, const char *const *words)
{
    buf list;
    char space[200];
    size_t count = 0;
    buf_init_fixed(&list, space, sizeof(space));
    for (; words[count]; count++) {
        if (slice_equal(toml_text(node), slice_str(words[count])))
            return (int)count;
        buf_printf(&list, "%s\"%s\"", count == 0 ? "" : words[count + 1] ? ", " : " or ", words[count]);
    }
    messages_error(m, node->place, "\"%.*s\" must be %.*s, not \"%.*s\"", SLICE_ARG(toml_key(node)),
                   SLICE_ARG(buf_slice(&list)), SLICE_ARG(toml_text(node)));
    messages_hint(m, suggest_word(toml_text(node), words, count));
    return -1;
}

/* Numbers by type: value in *value_r, or false. Texts are what a default is written as, too. */
static bool parse_number(enum option_type type, slice text, int64_t *value_r)
{
    uint64_t number;
    enum err e;
    if (type == OPTION_SECONDS || type == OPTION_MILLISECONDS)
        return units_parse_duration(text, value_r) == ERR_OK;
    e = type == OPTION_SIZE ? units_parse_size(text, &number) : slice_to_u64(text, INT64_MAX, &number);
    if (e != ERR_OK || number > INT64_MAX)
        return false;
    *value_r = (int64_t)number;
    return true;
}

static void store_number(const struct option *o, int64_t value, char *target)
{
    uint32_t count = (uint32_t)value;
    uint64_t size = (uint64_t)value;
    int64_t time = o->type == OPTION_MILLISECONDS ? value * 1000 : value;
    switch (o->type) {
    case OPTION_COUNT:
        memcpy(target + o->offset, &count, sizeof(count));
        break;
    case OPTION_SIZE:
        memcpy(target + o->offset, &size, sizeof(size));
        break;
    default:
        memcpy(target + o->offset, &time, sizeof(time));
        break;
    }
}

static void store_word(const struct option *o, int word, char *target)
{
    bool second = word == 1;
    if (o->type == OPTION_WORD)
        memcpy(target + o->offset, &word, sizeof(word));
    else
        memcpy(target + o->offset, &second, sizeof(second));
}

static void store_default(const struct option *o, char *target)
{
    int64_t value = 0;
    bool truth = o->fallback && slice_equal(slice_str(o->fallback), SLICE("true"));
    switch (o->type) {
    case OPTION_BOOL:
        memcpy(target + o->offset, &truth, sizeof(truth));
        break;
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_SECONDS:
    case OPTION_MILLISECONDS:
        if (parse_number(o->type, slice_str(o->fallback), &value))
            store_number(o, value, target);
        break;
    case OPTION_WORD:
    case OPTION_WORD_BOOL:
        for (int word = 0; o->words[word]; word++) {
            if (slice_equal(slice_str(o->words[word]), slice_str(o->fallback)))
                store_word(o, word, target);
        }
        break;
    default:
        break;
    }
}

/* Seconds and bytes of a bound as people write them. */
static void print_bound(buf *b, enum option_type type, int64_t value)
{
    if (type == OPTION_COUNT)
        buf_printf(b, "%" PRId64, value);
    else if (type == OPTION_SIZE)
        units_print_size(b, (uint64_t)value);
    else
        units_print_age(b, value);
}

static void out_of_bounds(struct messages *m, const struct option *o, const struct toml_node *node)
{
    char space[200];
    buf b;
    buf_init_fixed(&b, space, sizeof(space));
    print_bound(&b, o->type, o->min);
    buf_append(&b, SLICE(" and "));
    print_bound(&b, o->type, o->max);
    if (node->kind == TOML_INTEGER)
        messages_error(m, node->place, "\"%s\" must be between %.*s, not %" PRId64, o->name, SLICE_ARG(buf_slice(&b)),
                       node->integer);
    else
        messages_error(m, node->place, "\"%s\" must be between %.*s, not \"%.*s\"", o->name, SLICE_ARG(buf_slice(&b)),
                       SLICE_ARG(toml_text(node)));
}

/* Sizes and counts may be integers; sizes and durations are strings with units. */
static void read_number(struct messages *m, const struct option *o, const struct toml_node *node, char *target)
{
    static const char *const expected[] = {
        [OPTION_COUNT] = "an integer",
        [OPTION_SIZE] = "a size like \"50M\"",
        [OPTION_SECONDS] = "a duration like \"90s\", \"4h\" or \"5d\"",
        [OPTION_MILLISECONDS] = "a duration like \"5s\"",
    };
    int64_t value = node->integer;
    bool takes_integer = o->type == OPTION_COUNT || o->type == OPTION_SIZE;
    if (node->kind == TOML_STRING && o->type != OPTION_COUNT) {
        if (!parse_number(o->type, toml_text(node), &value)) {
            messages_error(m, node->place, "\"%s\" must be %s, not \"%.*s\"", o->name, expected[o->type],
                           SLICE_ARG(toml_text(node)));
            return;
        }
    } else if (node->kind != TOML_INTEGER || !takes_integer) {
        option_wrong_type(m, node, expected[o->type]);
        return;
    }
    if (value < o->min || value > o->max)
        out_of_bounds(m, o, node);
    else
        store_number(o, value, target);
}

static bool are_strings(struct messages *m, const struct toml_node *array)
{
    bool good = true;
    for (const struct toml_node *child = array->first; child; child = child->next) {
        if (child->kind == TOML_STRING)
            continue;
        messages_error(m, child->place, "\"%.*s\" must be an array of strings, not of %s", SLICE_ARG(toml_key(array)),
                       option_kind_name(child->kind));
        good = false;
    }
    return good;
}

static bool is_good_node(struct messages *m, const struct option *o, const struct toml_node *node)
{
    static const struct {
        unsigned kinds; /* bits */
        const char *expected;
    } rules[] = {
        [OPTION_STRING] = {1u << TOML_STRING, "a string"},
        [OPTION_PATH] = {1u << TOML_STRING, "a string"},
        [OPTION_FILE] = {1u << TOML_STRING, "a string"},
        [OPTION_STRINGS] = {1u << TOML_ARRAY, "an array of strings"},
        [OPTION_STRING_OR_STRINGS] = {1u << TOML_STRING | 1u << TOML_ARRAY, "a string or an array of strings"},
        [OPTION_TABLE] = {1u << TOML_TABLE, "a table"},
    };
    if (!(rules[o->type].kinds & 1u << node->kind)) {
        option_wrong_type(m, node, rules[o->type].expected);
        return false;
    }
    if (node->kind == TOML_ARRAY)
        return are_strings(m, node);
    if (node->kind == TOML_STRING && memchr(node->text, 0, node->text_len)) {
        messages_error(m, node->place, "\"%s\" has a NUL in it", o->name);
        return false;
    }
    if ((o->type == OPTION_PATH || o->type == OPTION_FILE) && (node->text_len == 0 || node->text[0] != '/')) {
        messages_error(m, node->place, "\"%s\" must be an absolute path, not \"%.*s\"", o->name,
                       SLICE_ARG(toml_text(node)));
        return false;
    }
    return true;
}

/* A copy of the node with the path that the service manager has for it, or NULL with an error. */
static const struct toml_node *resolve_credential(struct messages *m, const struct option *o,
                                                  const struct toml_node *node)
{
    struct toml_node *copy = arena_alloc(m->arena, sizeof(*copy));
    char space[1024];
    slice text = SLICE_NONE;
    buf path;
    buf_init_fixed(&path, space, sizeof(space));
    if (os_credential_path(slice_skip(toml_text(node), CREDENTIAL.len), &path) != ERR_OK) {
        messages_error(m, node->place, "\"%s\" must be a path, or \"credential:NAME\" with the name of a credential",
                       o->name);
        return NULL;
    }
    if (!copy || arena_copy(m->arena, buf_slice(&path), &text) != ERR_OK) {
        m->out_of_memory = true;
        return NULL;
    }
    *copy = *node;
    copy->text = text.ptr;
    copy->text_len = text.len;
    return copy;
}

static void read_option(struct messages *m, const struct option *o, const struct toml_node *node, char *target)
{
    int word;
    switch (o->type) {
    case OPTION_BOOL:
        if (node->kind == TOML_BOOLEAN)
            memcpy(target + o->offset, &node->boolean, sizeof(node->boolean));
        else
            option_wrong_type(m, node, "true or false");
        break;
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_SECONDS:
    case OPTION_MILLISECONDS:
        read_number(m, o, node, target);
        break;
    case OPTION_WORD:
    case OPTION_WORD_BOOL:
        if (node->kind != TOML_STRING)
            option_wrong_type(m, node, "a string");
        else if ((word = option_word(m, node, o->words)) >= 0)
            store_word(o, word, target);
        break;
    default:
        if (o->type == OPTION_FILE && node->kind == TOML_STRING && slice_starts(toml_text(node), CREDENTIAL))
            node = resolve_credential(m, o, node);
        if (node && is_good_node(m, o, node))
            memcpy(target + o->offset, &node, sizeof(node));
        break;
    }
}

static void unknown_key(struct messages *m, const struct section *section, const struct toml_node *table,
                        const struct toml_node *node)
{
    const char *words[SUGGESTIONS_MAX];
    size_t count = 0;
    char space[400];
    buf title;
    buf_init_fixed(&title, space, sizeof(space));
    if (section->name[0] != 0) {
        buf_append(&title, SLICE(" in "));
        option_print_title(&title, section, table);
    }
    for (size_t i = 0; i < section->count && count < SUGGESTIONS_MAX; i++)
        words[count++] = section->options[i].name;
    messages_error(m, node->key_place, "unknown key \"%.*s\"%.*s", SLICE_ARG(toml_key(node)),
                   SLICE_ARG(buf_slice(&title)));
    messages_hint(m, suggest_word(toml_key(node), words, count));
}

static void not_yet(struct messages *m, const struct section *section, const struct toml_node *table,
                    const struct toml_node *node)
{
    char space[400];
    buf title;
    buf_init_fixed(&title, space, sizeof(space));
    if (section->name[0] != 0) {
        buf_append(&title, SLICE(" in "));
        option_print_title(&title, section, table);
    }
    messages_error(m, node->key_place, "\"%.*s\"%.*s is not yet built", SLICE_ARG(toml_key(node)),
                   SLICE_ARG(buf_slice(&title)));
}

static const struct option *find(const struct section *section, slice name)
{
    for (size_t i = 0; i < section->count; i++) {
        if (slice_equal(slice_str(section->options[i].name), name))
            return &section->options[i];
    }
    return NULL;
}

void option_read(struct messages *m, const struct section *section, const struct toml_node *table, void *target)
{
    for (size_t i = 0; i < section->count; i++)
        store_default(&section->options[i], target);
    for (const struct toml_node *node = table ? table->first : NULL; node; node = node->next) {
        const struct option *o = find(section, toml_key(node));
        if (o && o->type == OPTION_LATER)
            not_yet(m, section, table, node);
        else if (o)
            read_option(m, o, node, target);
        else if (!section->other_tables || node->kind != TOML_TABLE)
            unknown_key(m, section, table, node);
    }
}
