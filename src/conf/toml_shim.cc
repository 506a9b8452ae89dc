/* SPDX-License-Identifier: ISC */
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 16
#undef NDEBUG
/* toml++ 3.3 asserts at several places where it should speak of an error ("[[[x]]]", "[1 }"), and without its asserts it takes for granted what they say.
 * A document must not end this process, so they throw. */
[[noreturn]] void toml_gave_up();
#define TOML_ASSERT(expr) ((expr) ? static_cast<void>(0) : toml_gave_up())
#include "conf/toml_tree.h"

#include "conf/toml_scan.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>
#include <toml++/toml.h>
#include <vector>

namespace
{

struct gave_up {
};

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

bool gives_up(std::string_view document)
{
    try {
        static_cast<void>(toml::parse(document));
    } catch (const gave_up &) {
        return true;
    } catch (const toml::parse_error &) {
        return false;
    }
    return false;
}

toml_place place_after(std::string_view before)
{
    size_t newline = before.rfind('\n');
    toml_place place{1, 1};
    place.line += static_cast<uint32_t>(std::count(before.begin(), before.end(), '\n'));
    for (char c : before.substr(newline == before.npos ? 0 : newline + 1))
        place.column += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return place;
}

/* The sign at which toml++ gave up is the last one of the shortest beginning at which it does. */
void fail_where_given_up(builder &b, std::string_view document)
{
    size_t fine = 0, bad = document.size();
    while (bad - fine > 1) {
        size_t middle = fine + (bad - fine) / 2;
        (gives_up(document.substr(0, middle)) ? bad : fine) = middle;
    }
    fail(b, place_after(document.substr(0, fine)), "syntax error");
}

void parse(builder &b, std::string_view document, const toml_node **root)
{
    toml_scan_result scan = toml_scan(document.data(), document.size());
    if (scan.text) /* what is wrong before that place is told instead */
        document = document.substr(0, scan.offset);
    toml_place end = place_after(document);
    try {
        toml::table result = toml::parse(document);
        const toml_node *made = scan.text ? nullptr : convert(b, result, nullptr, 0);
        if (made)
            *root = made;
    } catch (const toml::parse_error &e) {
        if (!scan.text || e.source().begin.line < end.line)
            fail(b, place_of(e.source()), e.description());
    } catch (const gave_up &) {
        fail_where_given_up(b, document);
    }
    if (scan.text)
        fail(b, end, scan.text);
}

} // namespace

void toml_gave_up()
{
    throw gave_up{};
}

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
    } catch (...) {
        b.outcome = TOML_NO_MEMORY;
    }
    return b.outcome;
}
