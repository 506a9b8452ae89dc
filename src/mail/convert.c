/* SPDX-License-Identifier: ISC */
#include "mail/convert.h"

#include <assert.h>

#include "mail/convert_part.h"

enum { AT_PIECE, IN_HEADER, AT_GAP, IN_BODY, AT_END };

void convert_init(struct convert *c, slice content, enum convert_target target)
{
    memset(c, 0, sizeof *c);
    mime_walk_init(&c->walk, content);
    c->target = target;
}

static bool target_takes(const struct convert *c, struct convert_needs n)
{
    return !n.nul && !n.bare && !n.long_line && (!n.high || c->target == CONVERT_TO_8BIT);
}

/* A label that says more than is true after conversion, and the one that is. */
static void lower_label(struct convert *c, const struct mime_piece *p, bool high)
{
    if (p->encoding != MIME_BINARY && (p->encoding != MIME_8BIT || c->target == CONVERT_TO_8BIT))
        return;
    c->relabel = p->labelled;
    c->label = high && c->target == CONVERT_TO_8BIT ? MIME_8BIT : MIME_7BIT;
}

static enum convert_encoding choose_encoding(const struct mime_piece *p, struct convert_needs n)
{
    if (p->encoding == MIME_QUOTED)
        return MEND_QUOTED;
    if (p->encoding == MIME_BASE64)
        return MEND_BASE64;
    bool lines = p->kind == MIME_TEXT || (p->encoding != MIME_BINARY && !n.long_line);
    return n.nul || n.bare || !lines ? ENCODE_BASE64 : ENCODE_QUOTED;
}

static void plan_leaf(struct convert *c, const struct mime_piece *p)
{
    struct convert_needs n = convert_body_needs(p->body);
    if (target_takes(c, n)) {
        lower_label(c, p, n.high);
        return;
    }
    if (p->kind == MIME_FRAGMENT || c->walk.too_deep)
        c->failed = true;
    c->encoding = (uint8_t)choose_encoding(p, n);
    if (c->encoding == MEND_QUOTED || c->encoding == MEND_BASE64)
        return;
    c->label = c->encoding == ENCODE_QUOTED ? MIME_QUOTED : MIME_BASE64;
    c->relabel = p->labelled;
    c->unlabelled = !p->labelled;
    c->unversioned = p->message && !p->version;
    c->untyped = p->message && !p->typed;
}

/* RFC 2045 section 6.4: a composite may not be encoded itself, and its label is at least what its parts need. */
static void plan_composite(struct convert *c, const struct mime_piece *p)
{
    lower_label(c, p, true);
    c->unversioned = p->message && !p->version && p->gap.len > 0;
}

static void begin_entity(struct convert *c, const struct mime_piece *p)
{
    c->encoding = ENCODE_NOT;
    c->relabel = c->unlabelled = c->untyped = c->unversioned = false;
    c->header = p->header;
    c->gap = p->gap;
    c->body = p->body;
    c->composite = p->kind == MIME_MULTIPART || p->kind == MIME_MESSAGE;
    if (c->composite)
        plan_composite(c, p);
    else
        plan_leaf(c, p);
    c->state = IN_HEADER;
}

/* MIME gives text outside of parts no encoding and its readers leave it out (RFC 2046 section 5.1.1): it is encoded so that nothing is lost. */
static void begin_between(struct convert *c, const struct mime_piece *p)
{
    struct convert_needs n = convert_body_needs(p->between);
    if (p->delimiter || target_takes(c, n)) {
        c->failed = c->failed || n.long_line; /* white space behind a delimiter */
        c->copy = p->between;
        return;
    }
    c->failed = c->failed || c->walk.too_deep;
    c->encoding = ENCODE_QUOTED;
    c->body = p->between;
    c->state = IN_BODY;
}

static void begin_piece(struct convert *c)
{
    struct mime_piece p;
    c->column = 0;
    c->broken = false;
    if (!mime_walk_next(&c->walk, &p))
        c->state = AT_END;
    else if (p.entity)
        begin_entity(c, &p);
    else
        begin_between(c, &p);
}

static void append_label(const struct convert *c, buf *out)
{
    static const slice names[] = {
        [MIME_7BIT] = SLICE("7bit"),
        [MIME_8BIT] = SLICE("8bit"),
        [MIME_QUOTED] = SLICE("quoted-printable"),
        [MIME_BASE64] = SLICE("base64"),
    };
    buf_append(out, SLICE("Content-Transfer-Encoding: "));
    buf_append(out, names[c->label]);
    buf_append(out, SLICE("\r\n"));
}

static slice charset_of(slice body)
{
    if (!convert_body_needs(body).high)
        return SLICE("us-ascii");
    return convert_is_utf8(body) ? SLICE("utf-8") : SLICE("unknown-8bit");
}

static void append_new_fields(const struct convert *c, buf *out)
{
    if (c->unversioned)
        buf_append(out, SLICE("MIME-Version: 1.0\r\n"));
    if (c->untyped) {
        buf_append(out, SLICE("Content-Type: text/plain; charset="));
        buf_append(out, charset_of(c->body));
        buf_append(out, SLICE("\r\n"));
    }
    if (c->unlabelled)
        append_label(c, out);
}

/* What encoding leaves too long, a word of a thousand letters, is folded as it came. */
static bool encode_field(const struct convert *c, const struct header_field *f, buf *out)
{
    size_t before = out->len;
    if (c->target != CONVERT_TO_7BIT || !convert_field(f, out))
        return false;
    if (!buf_ok(out) || !convert_body_needs(slice_skip(buf_slice(out), before)).long_line)
        return true;
    out->len = before;
    return false;
}

static void step_header(struct convert *c, buf *out)
{
    struct header_field f;
    if (!header_next(&c->header, &f)) {
        append_new_fields(c, out);
        c->state = AT_GAP;
    } else if (c->relabel && slice_equal_nocase(f.name, SLICE("Content-Transfer-Encoding"))) {
        append_label(c, out);
    } else if (!encode_field(c, &f, out)) {
        bool folds = convert_body_needs(f.whole).long_line;
        c->failed = c->failed || (folds && !convert_can_fold(&f));
        c->folding = folds ? f.whole : SLICE_NONE;
        c->copy = folds ? SLICE_NONE : f.whole;
        c->indented = false;
    }
}

/* Content that began with a line that is no field gets the empty line that it lacked: encoded, the line could read as one. */
static void step_gap(struct convert *c)
{
    bool begins = c->encoding != ENCODE_NOT || (c->composite && c->walk.rest.len > 0);
    c->copy = c->gap.len == 0 && begins ? SLICE("\r\n") : c->gap;
    c->state = IN_BODY;
}

static void step_body(struct convert *c, buf *out)
{
    if (c->encoding == ENCODE_NOT) {
        c->copy = c->body;
        c->body = SLICE_NONE;
    }
    if (c->body.len == 0) {
        c->state = AT_PIECE;
        return;
    }
    struct convert_line line = {c->column, c->broken};
    convert_encode(c->encoding, &c->body, &line, out);
    c->column = line.column;
    c->broken = line.broken;
    /* Before a delimiter the CRLF is the delimiter's. */
    if (c->body.len == 0 && c->encoding == ENCODE_BASE64 && c->walk.rest.len == 0)
        c->copy = SLICE("\r\n");
}

static void step_copy(struct convert *c, buf *out)
{
    slice piece = slice_sub(c->copy, 0, CONVERT_ROOM);
    buf_append(out, piece);
    c->copy = slice_skip(c->copy, piece.len);
}

bool convert_next(struct convert *c, buf *out)
{
    assert(out->max - out->len >= CONVERT_ROOM);
    size_t before = out->len;
    while (out->len == before && buf_ok(out)) {
        if (c->copy.len > 0)
            step_copy(c, out);
        else if (c->folding.len > 0)
            convert_fold(&c->folding, &c->indented, out);
        else if (c->state == AT_PIECE)
            begin_piece(c);
        else if (c->state == IN_HEADER)
            step_header(c, out);
        else if (c->state == AT_GAP)
            step_gap(c);
        else if (c->state == IN_BODY)
            step_body(c, out);
        else
            return false;
    }
    return buf_ok(out);
}

void convert_gauge_init(struct convert_gauge *g, slice content, enum convert_target target)
{
    convert_init(&g->convert, content, target);
    body_scan_init(&g->scan);
}

bool convert_gauge_next(struct convert_gauge *g, size_t max)
{
    char memory[CONVERT_ROOM];
    buf out;
    buf_init_fixed(&out, memory, sizeof memory);
    for (size_t done = 0; done < max; done += out.len) {
        buf_clear(&out);
        if (g->convert.failed || !convert_next(&g->convert, &out)) {
            g->convert.failed = g->convert.failed || !buf_ok(&out);
            return false;
        }
        body_scan_feed(&g->scan, buf_slice(&out));
    }
    return true;
}

enum err convert_gauge_end(struct convert_gauge *g, struct body_facts *facts_r)
{
    if (g->convert.failed)
        return ERR_UNSUPPORTED;
    *facts_r = body_scan_end(&g->scan);
    return ERR_OK;
}

enum err convert_measure(slice content, enum convert_target target, struct body_facts *facts_r)
{
    struct convert_gauge g;
    convert_gauge_init(&g, content, target);
    while (convert_gauge_next(&g, SIZE_MAX))
        continue;
    return convert_gauge_end(&g, facts_r);
}
