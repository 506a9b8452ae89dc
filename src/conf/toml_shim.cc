/* SPDX-License-Identifier: ISC */
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 16
/* Without its asserts toml++ takes for granted what they say. */
#undef NDEBUG
#include "conf/toml_tree.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <new>
#include <string_view>
#include <toml++/toml.h>
#include <vector>

namespace
{

/* More parts of a key than this are refused before toml++ sees them: it frees its tables by recursion. */
constexpr unsigned key_parts_max = 64;

struct builder {
    const toml_memory *memory;
    toml_error *error;
    toml_outcome outcome = TOML_OK;
};

toml_place place_of(const toml::source_region &region)
{
    return {region.begin.line, region.begin.column};
}

void fail(builder &b, toml_place place, std::string_view text)
{
    if (b.outcome != TOML_OK)
        return;
    b.outcome = TOML_SYNTAX;
    b.error->place = {std::max(place.line, 1u), std::max(place.column, 1u)};
    size_t len = std::min(text.size(), sizeof b.error->text - 1);
    while (len < text.size() && len > 0 && (static_cast<unsigned char>(text[len]) & 0xc0) == 0x80)
        len--;
    memcpy(b.error->text, text.data(), len);
    b.error->text[len] = 0;
}

void *allocate(builder &b, size_t size)
{
    void *memory = b.memory->allocate(b.memory->context, size);
    if (!memory)
        b.outcome = TOML_NO_MEMORY;
    return memory;
}

const char *copy(builder &b, std::string_view text)
{
    auto *place = static_cast<char *>(allocate(b, text.size() + 1));
    if (place)
        memcpy(place, text.data(), text.size());
    return place;
}

toml_kind kind_of(const toml::node &node)
{
    switch (node.type()) {
    case toml::node_type::table:
        return TOML_TABLE;
    case toml::node_type::array:
        return TOML_ARRAY;
    case toml::node_type::string:
        return TOML_STRING;
    case toml::node_type::integer:
        return TOML_INTEGER;
    case toml::node_type::floating_point:
        return TOML_FLOAT;
    case toml::node_type::boolean:
        return TOML_BOOLEAN;
    default:
        return TOML_DATE;
    }
}

toml_node *convert(builder &b, const toml::node &from, const toml::key *key, unsigned depth);

/* toml++ keeps a table sorted by name; people read in the order of the document. */
const toml_node *in_order(std::vector<toml_node *> &children)
{
    std::stable_sort(children.begin(), children.end(), [](const toml_node *l, const toml_node *r) {
        return l->key_place.line != r->key_place.line ? l->key_place.line < r->key_place.line
                                                      : l->key_place.column < r->key_place.column;
    });
    for (size_t i = 0; i + 1 < children.size(); i++)
        children[i]->next = children[i + 1];
    return children.empty() ? nullptr : children.front();
}

void convert_children(builder &b, const toml::node &from, toml_node *to, unsigned depth)
{
    std::vector<toml_node *> children;
    if (const toml::table *table = from.as_table()) {
        for (auto &&[key, value] : *table) {
            children.push_back(convert(b, value, &key, depth + 1));
            if (b.outcome != TOML_OK)
                return;
        }
        to->first = in_order(children);
        return;
    }
    for (auto &&value : *from.as_array()) {
        children.push_back(convert(b, value, nullptr, depth + 1));
        if (b.outcome != TOML_OK)
            return;
        if (children.size() > 1)
            children[children.size() - 2]->next = children.back();
    }
    to->first = children.empty() ? nullptr : children.front();
}

toml_node *convert(builder &b, const toml::node &from, const toml::key *key, unsigned depth)
{
    if (depth > TOML_DEPTH_MAX) {
        fail(b, place_of(from.source()), "tables and arrays are nested more than 16 deep");
        return nullptr;
    }
    auto *to = static_cast<toml_node *>(allocate(b, sizeof(toml_node)));
    if (!to)
        return nullptr;
    to->kind = kind_of(from);
    to->place = place_of(from.source());
    to->key_place = to->place;
    if (key) {
        to->key = copy(b, key->str());
        to->key_len = key->str().size();
        to->key_place = place_of(key->source());
    }
    if (auto text = from.as_string()) {
        to->text = copy(b, text->get());
        to->text_len = text->get().size();
    }
    to->integer = from.is_integer() ? from.as_integer()->get() : 0;
    to->boolean = from.is_boolean() && from.as_boolean()->get();
    if (from.is_table() || from.is_array())
        convert_children(b, from, to, depth);
    return b.outcome == TOML_OK ? to : nullptr;
}

/* Counts the dots between two signs that end a key, line by line, outside of quotes. */
void check_key_parts(builder &b, std::string_view document)
{
    unsigned line = 1, parts = 0;
    char quote = 0;
    for (size_t i = 0; i < document.size(); i++) {
        char c = document[i];
        if (c == '\n') {
            line++;
            parts = 0;
            quote = 0;
        } else if (quote) {
            i += quote == '"' && c == '\\' && i + 1 < document.size() && document[i + 1] != '\n';
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (std::strchr("=,[]{}#", c)) {
            parts = 0;
        } else if (c == '.' && ++parts > key_parts_max) {
            return fail(b, {line, 1}, "a key has more than 64 parts");
        }
    }
}

bool begins_key(char c)
{
    return isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80 || strchr("\"'_-]", c);
}

/* toml++ 3.3 ends the process, by an assert, at a table's header whose brackets are followed by no name ("[[["); so such lines do not get there. */
void check_headers(builder &b, std::string_view document)
{
    for (uint32_t number = 1; !document.empty(); number++) {
        std::string_view line = document.substr(0, document.find('\n'));
        size_t at = line.find_first_not_of(" \t");
        if (at != line.npos && line[at] == '[') {
            at = line.find_first_not_of(" \t", at + (line.substr(at, 2) == "[[" ? 2 : 1));
            if (at == line.npos || line[at] == 0 || !begins_key(line[at]))
                fail(b, {number, static_cast<uint32_t>(std::min(at, line.size()) + 1)}, "a table needs a name");
        }
        document.remove_prefix(std::min(document.size(), line.size() + 1));
    }
}

void parse(builder &b, std::string_view document, const toml_node **root)
{
    check_key_parts(b, document);
    check_headers(b, document);
    if (b.outcome != TOML_OK)
        return;
    toml::table result = toml::parse(document);
    const toml_node *made = convert(b, result, nullptr, 0);
    if (made)
        *root = made;
}

} // namespace

extern "C" toml_outcome toml_tree_parse(const char *content, size_t len, const toml_memory *memory,
                                        const toml_node **root_r, toml_error *error_r)
{
    builder b{memory, error_r};
    if (len > TOML_DOCUMENT_MAX) {
        fail(b, {1, 1}, "file is larger than 4 MiB");
        return b.outcome;
    }
    try {
        parse(b, std::string_view(content, len), root_r);
    } catch (const toml::parse_error &e) {
        fail(b, place_of(e.source()), e.description());
    } catch (...) {
        b.outcome = TOML_NO_MEMORY;
    }
    return b.outcome;
}
