/* SPDX-License-Identifier: ISC */
#include "mail/address.h"

#include "mail/address_syntax.h"

/* Comments nest; more than this is an attack. */
#define COMMENT_DEPTH_MAX 32
/* Local part or domain while white space and comments between its pieces are taken out. */
#define PART_MAX 256

struct reader {
    slice rest;
    slice comment;         /* the last one seen, without its parentheses; empty, or unset (NULL), when there was none */
    const char *local_end; /* behind the last local part read */
    bool skipped;          /* white space or a comment stood before rest */
};

static bool starts_with(const struct reader *r, char c)
{
    return r->rest.len > 0 && r->rest.ptr[0] == c;
}

static void step(struct reader *r, size_t n)
{
    r->rest = slice_skip(r->rest, n);
}

static enum err skip_comment(struct reader *r)
{
    unsigned depth = 0;
    for (size_t i = 0; i < r->rest.len; i++) {
        char c = r->rest.ptr[i];
        if (c == '\\') {
            i++;
        } else if (c == '(') {
            if (++depth > COMMENT_DEPTH_MAX)
                return ERR_SYNTAX;
        } else if (c == ')' && --depth == 0) {
            r->comment = slice_sub(r->rest, 1, i);
            step(r, i + 1);
            return ERR_OK;
        }
    }
    return ERR_SYNTAX;
}

/* CFWS of RFC 5322 section 3.2.2. */
static enum err skip_blanks(struct reader *r)
{
    r->skipped = false;
    while (r->rest.len > 0) {
        char c = r->rest.ptr[0];
        if (c == '(') {
            enum err e = skip_comment(r);
            if (e != ERR_OK)
                return e;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            step(r, 1);
        } else {
            break;
        }
        r->skipped = true;
    }
    return ERR_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Length of the quoted string with its quotes, or 0. */
static size_t quoted_len(slice s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] == '\\')
            i++;
        else if (s.ptr[i] == '"')
            return i + 1;
    }
    return 0;
}

/* An atom; any byte above 0x7f is let through, display names come in every charset. */
static size_t atom_len(slice s)
{
    size_t len = 0;
    while (len < s.len && ((unsigned char)s.ptr[len] >= 0x80 || address_atom_char_len(slice_skip(s, len), false) > 0))
        len++;
    return len;
}

/* Length of the word (or dot, as in "John Q. Public") that s begins with, or 0. */
static size_t word_len(slice s)
{
    if (s.len == 0)
        return 0;
    if (s.ptr[0] == '"')
        return quoted_len(s);
    return s.ptr[0] == '.' ? 1 : atom_len(s);
}

/* Text inside quotes or a comment, on one line: escapes undone, control characters and folding to single spaces. */
static void append_plain(buf *b, slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '\\' && i + 1 < s.len)
            c = (unsigned char)s.ptr[++i];
        if (c >= 0x20 && c != 0x7f)
            buf_append_char(b, (char)c);
        else if (b->len > 0 && b->ptr[b->len - 1] != ' ')
            buf_append_char(b, ' ');
    }
}

static slice inside(slice quoted)
{
    return slice_sub(quoted, 1, quoted.len - 1);
}

/* The words of a phrase with one space where white space was; it cannot be longer than its source. */
static enum err print_phrase(slice phrase, struct arena *arena, slice *name_r)
{
    char *memory = arena_alloc(arena, phrase.len);
    if (!memory)
        return ERR_NOMEM;
    buf name;
    buf_init_fixed(&name, memory, phrase.len);
    struct reader r = {.rest = phrase};
    while (skip_blanks(&r) == ERR_OK && r.rest.len > 0) {
        size_t len = word_len(r.rest);
        if (len == 0)
            break;
        slice word = slice_sub(r.rest, 0, len);
        if (r.skipped && name.len > 0)
            buf_append_char(&name, ' ');
        if (word.ptr[0] == '"')
            append_plain(&name, inside(word));
        else
            buf_append(&name, word);
        step(&r, len);
    }
    *name_r = slice_trim(buf_slice(&name));
    return ERR_OK;
}

static enum err print_comment(slice comment, struct arena *arena, slice *name_r)
{
    char *memory = arena_alloc(arena, comment.len);
    if (!memory)
        return ERR_NOMEM;
    buf name;
    buf_init_fixed(&name, memory, comment.len);
    append_plain(&name, comment);
    *name_r = slice_trim(buf_slice(&name));
    return ERR_OK;
}

/* A local part that needs quotes gets them, whatever it had. */
static enum err print_local(slice plain, struct arena *arena, slice *local_r)
{
    if (plain.len > 0 && address_dot_string_len(plain, true) == plain.len)
        return arena_copy(arena, plain, local_r);
    char memory[2 * PART_MAX + 2];
    buf quoted;
    buf_init_fixed(&quoted, memory, sizeof(memory));
    buf_append_char(&quoted, '"');
    for (size_t at = 0; at < plain.len;) {
        size_t len = address_print_char_len(slice_skip(plain, at), true);
        if (len == 0)
            return ERR_SYNTAX;
        if (plain.ptr[at] == '"' || plain.ptr[at] == '\\')
            buf_append_char(&quoted, '\\');
        buf_append(&quoted, slice_sub(plain, at, at + len));
        at += len;
    }
    buf_append_char(&quoted, '"');
    return arena_copy(arena, buf_slice(&quoted), local_r);
}

/* Inside quotes of a local part: escapes and folding undone; other control characters stay, to be refused. */
static void append_quoted_local(buf *b, slice content)
{
    for (size_t i = 0; i < content.len; i++) {
        char c = content.ptr[i];
        if (c == '\\' && i + 1 < content.len)
            buf_append_char(b, content.ptr[++i]);
        else if (c != '\r' && c != '\n')
            buf_append_char(b, c);
    }
}

/* local-part or obs-local-part: words with dots between them, blanks around those. */
static enum err read_local(struct reader *r, struct arena *arena, slice *local_r)
{
    char memory[PART_MAX];
    buf plain;
    buf_init_fixed(&plain, memory, sizeof(memory));
    bool word_expected = true;
    for (;;) {
        enum err e = skip_blanks(r);
        if (e != ERR_OK)
            return e;
        size_t len = word_len(r->rest);
        slice word = slice_sub(r->rest, 0, len);
        bool dot = len == 1 && word.ptr[0] == '.';
        if (len == 0 || dot == word_expected)
            break;
        if (word.ptr[0] == '"')
            append_quoted_local(&plain, inside(word));
        else
            buf_append(&plain, word);
        step(r, len);
        r->local_end = r->rest.ptr;
        word_expected = dot;
    }
    if (word_expected)
        return ERR_SYNTAX;
    return buf_ok(&plain) ? print_local(buf_slice(&plain), arena, local_r) : ERR_LIMIT;
}

static enum err read_literal(struct reader *r, buf *domain)
{
    ptrdiff_t end = slice_find_char(r->rest, ']');
    if (end < 0)
        return ERR_SYNTAX;
    for (ptrdiff_t i = 0; i <= end; i++) {
        if (!is_blank(r->rest.ptr[i]))
            buf_append_char(domain, r->rest.ptr[i]);
    }
    step(r, (size_t)end + 1);
    return ERR_OK;
}

static enum err read_domain(struct reader *r, struct arena *arena, slice *domain_r)
{
    char memory[PART_MAX];
    buf domain;
    buf_init_fixed(&domain, memory, sizeof(memory));
    enum err e = skip_blanks(r);
    if (e == ERR_OK && starts_with(r, '['))
        e = read_literal(r, &domain);
    bool atom_expected = domain.len == 0;
    while (e == ERR_OK) {
        size_t len = starts_with(r, '.') ? 1 : atom_len(r->rest);
        bool dot = starts_with(r, '.');
        if (len == 0 || dot == atom_expected)
            break;
        buf_append(&domain, slice_sub(r->rest, 0, len));
        step(r, len);
        atom_expected = dot;
        e = skip_blanks(r);
    }
    if (e != ERR_OK)
        return e;
    if (!buf_ok(&domain))
        return ERR_LIMIT;
    if (!address_domain_valid(buf_slice(&domain), true))
        return ERR_SYNTAX;
    return arena_copy(arena, buf_slice(&domain), domain_r);
}

/* local [ "@" domain ]; a name alone is an address of the own host. */
static enum err read_addr_spec(struct reader *r, struct arena *arena, struct address *address_r)
{
    struct address a = {SLICE_NONE, SLICE_NONE};
    enum err e = read_local(r, arena, &a.local);
    if (e != ERR_OK)
        return e;
    if (starts_with(r, '@')) {
        step(r, 1);
        e = read_domain(r, arena, &a.domain);
    }
    if (e == ERR_OK)
        e = address_check_limits(a);
    if (e == ERR_OK)
        *address_r = a;
    return e;
}

/* obs-route: "@a,@b:" */
static enum err skip_route(struct reader *r)
{
    enum err e = skip_blanks(r);
    if (e != ERR_OK || !starts_with(r, '@'))
        return e;
    ptrdiff_t colon = slice_find_char(r->rest, ':');
    ptrdiff_t end = slice_find_char(r->rest, '>');
    if (colon < 0 || end < colon)
        return ERR_SYNTAX;
    step(r, (size_t)colon + 1);
    return ERR_OK;
}

static enum err read_bracketed(struct reader *r, struct arena *arena, struct address *address_r)
{
    step(r, 1);
    enum err e = skip_route(r);
    if (e == ERR_OK)
        e = read_addr_spec(r, arena, address_r);
    if (e == ERR_OK)
        e = skip_blanks(r);
    if (e == ERR_OK && !starts_with(r, '>'))
        e = ERR_SYNTAX;
    step(r, 1);
    return e;
}

/* Passes over separators, group names and group ends, to the start of a mailbox. *phrase_r is the words before a "<", or empty. */
static enum err find_mailbox(struct reader *r, slice *phrase_r)
{
    for (;;) {
        r->comment = SLICE_NONE;
        enum err e = skip_blanks(r);
        if (e != ERR_OK)
            return e;
        if (r->rest.len == 0)
            return ERR_NOTFOUND;
        if (starts_with(r, ',') || starts_with(r, ';')) {
            step(r, 1);
            continue;
        }
        struct reader ahead = *r;
        size_t len;
        while (e == ERR_OK && (len = word_len(ahead.rest)) > 0) {
            step(&ahead, len);
            e = skip_blanks(&ahead);
        }
        if (e != ERR_OK)
            return e;
        slice phrase = slice_sub(r->rest, 0, (size_t)(ahead.rest.ptr - r->rest.ptr));
        if (starts_with(&ahead, '<')) {
            *r = ahead;
            *phrase_r = phrase;
            return ERR_OK;
        }
        if (!starts_with(&ahead, ':') || phrase.len == 0) {
            *phrase_r = SLICE_NONE;
            return ERR_OK;
        }
        *r = ahead;
        step(r, 1);
    }
}

static enum err read_mailbox(struct reader *r, struct arena *arena, slice *name_r, struct address *address_r)
{
    slice phrase;
    enum err e = find_mailbox(r, &phrase);
    if (e != ERR_OK)
        return e;
    if (starts_with(r, '<'))
        e = read_bracketed(r, arena, address_r);
    else
        e = read_addr_spec(r, arena, address_r);
    if (e == ERR_OK)
        e = skip_blanks(r);
    if (e != ERR_OK)
        return e;
    if (r->rest.len > 0 && !starts_with(r, ',') && !starts_with(r, ';'))
        return ERR_SYNTAX;
    *name_r = SLICE_NONE;
    if (phrase.len > 0)
        return print_phrase(phrase, arena, name_r);
    return r->comment.len > 0 ? print_comment(r->comment, arena, name_r) : ERR_OK;
}

enum err address_list_next_at(slice *in, struct arena *arena, struct address *address_r, size_t *local_end_r)
{
    struct reader r = {.rest = *in};
    slice name;
    enum err e = read_mailbox(&r, arena, &name, address_r);
    if (e != ERR_OK)
        return e;
    *local_end_r = (size_t)(r.local_end - in->ptr);
    *in = r.rest;
    return ERR_OK;
}

enum err address_list_next(slice *in, struct arena *arena, slice *name_r, struct address *address_r)
{
    struct reader r = {.rest = *in};
    slice name;
    struct address a;
    enum err e = read_mailbox(&r, arena, &name, &a);
    if (e != ERR_OK)
        return e;
    *in = r.rest;
    if (name_r)
        *name_r = name;
    *address_r = a;
    return ERR_OK;
}

enum err address_parse_mailbox(slice in, struct arena *arena, slice *name_r, struct address *address_r)
{
    enum err e = address_list_next(&in, arena, name_r, address_r);
    return e == ERR_NOTFOUND ? ERR_SYNTAX : e;
}
