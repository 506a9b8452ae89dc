/* SPDX-License-Identifier: ISC */
#include "mail/mime.h"

#include "mail/header.h"
#include "mail/mime_type.h"

/* What comes next: an entity's header, or text and delimiters around entities. */
enum { AT_ENTITY, BETWEEN, AT_END };

void mime_walk_init(struct mime_walk *w, slice content)
{
    w->rest = content;
    w->depth = 0;
    w->state = AT_ENTITY;
    w->message = true;
    w->too_deep = false;
    w->entities = 0;
}

static size_t line_len(slice s)
{
    ptrdiff_t at = slice_find(s, SLICE("\r\n"));
    return at < 0 ? s.len : (size_t)at + 2;
}

/* Length of the boundary at the start of s, 0 when s does not begin with it. */
static size_t match_boundary(const struct mime_boundary *b, slice s)
{
    if (s.len == 0 || (s.ptr[0] != b->text.ptr[0] && b->text.ptr[0] != '\\'))
        return 0;
    if (!b->quoted || slice_find_char(b->text, '\\') < 0)
        return slice_starts(s, b->text) ? b->text.len : 0;
    size_t at = 0;
    for (size_t i = 0; i < b->text.len; i++) {
        if (b->text.ptr[i] == '\\' && i + 1 < b->text.len)
            i++;
        if (at == s.len || s.ptr[at] != b->text.ptr[i])
            return 0;
        at++;
    }
    return at;
}

static bool is_padding(slice s)
{
    if (slice_starts(slice_sub(s, s.len < 2 ? 0 : s.len - 2, s.len), SLICE("\r\n")))
        s.len -= 2;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != ' ' && s.ptr[i] != '\t')
            return false;
    }
    return true;
}

struct delimiter {
    size_t len; /* of the line, 0 when it is none */
    uint8_t level;
    bool closes;
};

/* Whether the line that s begins with is a delimiter of a multipart that is open: the innermost counts. */
static struct delimiter find_delimiter(const struct mime_walk *w, slice s)
{
    struct delimiter d = {0, 0, false};
    if (w->depth == 0 || !slice_starts(s, SLICE("--")))
        return d;
    slice line = slice_sub(s, 0, line_len(s));
    for (uint8_t level = w->depth; level > 0; level--) {
        size_t len = match_boundary(&w->stack[level - 1], slice_skip(line, 2));
        if (len == 0)
            continue;
        slice rest = slice_skip(line, 2 + len);
        bool closes = slice_starts(rest, SLICE("--")) && is_padding(slice_skip(rest, 2));
        if (closes || is_padding(rest))
            return (struct delimiter){line.len, level, closes};
    }
    return d;
}

/* Length of the text before the next delimiter and before its CRLF; s is at the start of a line. */
static size_t text_len(const struct mime_walk *w, slice s)
{
    if (w->depth == 0)
        return s.len;
    if (find_delimiter(w, s).len > 0)
        return 0;
    size_t at = 0;
    for (;;) {
        ptrdiff_t next = slice_find(slice_skip(s, at), SLICE("\r\n--"));
        if (next < 0)
            return s.len;
        at += (size_t)next;
        if (find_delimiter(w, slice_skip(s, at + 2)).len > 0)
            return at;
        at += 2;
    }
}

static slice take(struct mime_walk *w, size_t len)
{
    slice taken = slice_sub(w->rest, 0, len);
    w->rest = slice_skip(w->rest, len);
    return taken;
}

static bool is_type(const struct mime_type *t, slice type, slice subtype)
{
    return slice_equal_nocase(t->type, type) && slice_equal_nocase(t->subtype, subtype);
}

static bool find_boundary(const struct mime_type *t, struct mime_boundary *b)
{
    slice rest = t->parameters, name, value;
    bool quoted;
    while (mime_parameter_next(&rest, &name, &value, &quoted)) {
        if (!slice_equal_nocase(name, SLICE("boundary")))
            continue;
        while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t'))
            value.len--;
        *b = (struct mime_boundary){value, quoted, is_type(t, SLICE("multipart"), SLICE("digest"))};
        return value.len > 0;
    }
    return false;
}

/* RFC 2045 section 6.4 allows no encoding of a message/rfc822; one that has it all the same is a leaf of 7 bits already. */
static enum mime_kind judge_message(const struct mime_type *t, enum mime_encoding encoding)
{
    if (slice_equal_nocase(t->subtype, SLICE("rfc822")))
        return encoding == MIME_QUOTED || encoding == MIME_BASE64 ? MIME_OTHER : MIME_MESSAGE;
    if (slice_equal_nocase(t->subtype, SLICE("partial")) || slice_equal_nocase(t->subtype, SLICE("external-body")))
        return MIME_FRAGMENT;
    return MIME_TEXT;
}

static enum mime_kind judge_type(struct mime_walk *w, const struct mime_type *t, const struct mime_piece *p)
{
    if (t->type.len == 0 || slice_equal_nocase(t->type, SLICE("text")))
        return MIME_TEXT;
    if (slice_equal_nocase(t->type, SLICE("message")))
        return judge_message(t, p->encoding);
    struct mime_boundary b;
    if (!slice_equal_nocase(t->type, SLICE("multipart")) || !find_boundary(t, &b))
        return MIME_OTHER;
    if (w->depth == MIME_DEPTH) {
        w->too_deep = true;
        return MIME_OTHER;
    }
    w->stack[w->depth++] = b;
    return MIME_MULTIPART;
}

/* Where a field is there twice, the first counts. */
static void read_header(struct mime_walk *w, struct mime_piece *p)
{
    const char *start = w->rest.ptr;
    bool digest = !p->message && w->depth > 0 && w->stack[w->depth - 1].digest;
    struct mime_type type = {SLICE("text"), SLICE("plain"), SLICE_NONE};
    if (digest)
        type = (struct mime_type){SLICE("message"), SLICE("rfc822"), SLICE_NONE};
    struct header_field f;
    while (find_delimiter(w, w->rest).len == 0 && header_next(&w->rest, &f)) {
        if (slice_equal_nocase(f.name, SLICE("MIME-Version"))) {
            p->version = true;
        } else if (slice_equal_nocase(f.name, SLICE("Content-Type")) && !p->typed) {
            p->typed = true;
            type = mime_type_parse(f.value);
        } else if (slice_equal_nocase(f.name, SLICE("Content-Transfer-Encoding")) && !p->labelled) {
            p->labelled = true;
            p->encoding = mime_encoding_parse(f.value);
        }
    }
    p->header = slice_of(start, (size_t)(w->rest.ptr - start));
    p->gap = slice_starts(w->rest, SLICE("\r\n")) ? take(w, 2) : SLICE_NONE;
    p->is_signed = is_type(&type, SLICE("multipart"), SLICE("signed")) ||
                   is_type(&type, SLICE("application"), SLICE("pkcs7-mime")) ||
                   is_type(&type, SLICE("application"), SLICE("x-pkcs7-mime"));
    p->kind = judge_type(w, &type, p);
}

static void read_entity(struct mime_walk *w, struct mime_piece *p)
{
    p->entity = true;
    p->message = w->message;
    read_header(w, p);
    w->message = p->kind == MIME_MESSAGE;
    w->state = p->kind == MIME_MESSAGE ? AT_ENTITY : BETWEEN;
    if (p->kind != MIME_MESSAGE && p->kind != MIME_MULTIPART)
        p->body = take(w, text_len(w, w->rest));
}

static void read_between(struct mime_walk *w, struct mime_piece *p)
{
    struct delimiter d = find_delimiter(w, w->rest);
    if (d.len == 0 && slice_starts(w->rest, SLICE("\r\n"))) {
        d = find_delimiter(w, slice_skip(w->rest, 2));
        d.len += d.len > 0 ? 2 : 0;
    }
    p->delimiter = d.len > 0;
    p->between = take(w, p->delimiter ? d.len : text_len(w, w->rest));
    if (!p->delimiter)
        return;
    w->depth = d.closes ? (uint8_t)(d.level - 1) : d.level;
    w->state = d.closes ? BETWEEN : AT_ENTITY;
    w->message = false;
}

bool mime_walk_next(struct mime_walk *w, struct mime_piece *piece_r)
{
    struct mime_piece p = {.kind = MIME_TEXT, .encoding = MIME_7BIT};
    if (w->state == BETWEEN && w->rest.len == 0)
        w->state = AT_END;
    if (w->state == AT_END)
        return false;
    if (w->state == AT_ENTITY && ++w->entities > MIME_ENTITIES) {
        w->too_deep = true;
        w->depth = 0;
        w->state = BETWEEN;
        return mime_walk_next(w, piece_r);
    }
    if (w->state == AT_ENTITY)
        read_entity(w, &p);
    else
        read_between(w, &p);
    *piece_r = p;
    return true;
}
