/* SPDX-License-Identifier: ISC */
#include "mail/convert_part.h"

#include "mail/char_set.h"
#include "mail/mime_type.h"

/* A byte that is a word of its own and a comma behind it become 29, folds and blanks counted: CONVERT_ROOM holds them. Longer fields stay as they are. */
#define FIELD_MAX 1100u
#define FILE_NAME_MAX 250u   /* so that no line is over 998 bytes */
#define ENCODED_WORD_MAX 75u /* RFC 2047 section 2 */
#define LINE_WISHED 76u

enum field_kind { FIELD_STAYS, FIELD_TEXT, FIELD_ADDRESSES, FIELD_PARAMETERS };

static enum field_kind kind_of(slice name)
{
    static const struct {
        slice name;
        enum field_kind kind;
    } kinds[] = {
        {SLICE("Subject"), FIELD_TEXT},
        {SLICE("Comments"), FIELD_TEXT},
        {SLICE("Content-Description"), FIELD_TEXT},
        {SLICE("From"), FIELD_ADDRESSES},
        {SLICE("Sender"), FIELD_ADDRESSES},
        {SLICE("Reply-To"), FIELD_ADDRESSES},
        {SLICE("To"), FIELD_ADDRESSES},
        {SLICE("Cc"), FIELD_ADDRESSES},
        {SLICE("Resent-From"), FIELD_ADDRESSES},
        {SLICE("Resent-Sender"), FIELD_ADDRESSES},
        {SLICE("Resent-To"), FIELD_ADDRESSES},
        {SLICE("Resent-Cc"), FIELD_ADDRESSES},
        {SLICE("Content-Type"), FIELD_PARAMETERS},
        {SLICE("Content-Disposition"), FIELD_PARAMETERS},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (slice_equal_nocase(name, kinds[i].name))
            return kinds[i].kind;
    }
    return FIELD_STAYS;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct field_writer {
    buf *out;
    slice charset;
    slice space;        /* read, but not written yet: it may have to be folded */
    size_t line;        /* where the line begins in out */
    bool phrase;        /* words may be quoted strings */
    bool begun;         /* a line before the first fold is not left without a word */
    bool after_encoded; /* readers drop the space between two encoded words (RFC 2047 section 6.2) */
};

static size_t column(const struct field_writer *w)
{
    return w->out->len - w->line;
}

static void put(struct field_writer *w, slice s)
{
    ptrdiff_t lf = slice_rfind_char(s, '\n');
    if (lf >= 0)
        w->line = w->out->len + (size_t)lf + 1;
    buf_append(w->out, s);
}

/* len: of the word that follows, 0 at the end. */
static void put_space(struct field_writer *w, size_t len)
{
    if (w->begun && len > 0 && w->space.len > 0 && column(w) + w->space.len + len > LINE_WISHED &&
        slice_find_char(w->space, '\n') < 0)
        put(w, SLICE("\r\n"));
    put(w, w->space);
    w->space = SLICE_NONE;
    w->begun = true;
}

/* White space is on both sides of an encoded word (RFC 2047 section 5). */
static void put_space_apart(struct field_writer *w, size_t len)
{
    if (w->space.len == 0)
        w->space = SLICE(" ");
    put_space(w, len);
}

static void begin_encoded(struct field_writer *w)
{
    put(w, SLICE("=?"));
    put(w, w->charset);
    put(w, SLICE("?Q?"));
}

/* RFC 2047 section 5 (3): what may stand in a phrase, which is safe everywhere. */
static bool is_plain(char c)
{
    static const struct char_set plain = {CHAR_SET_DIGITS | CHAR_BIT_OF('!') | CHAR_BIT_OF('*') | CHAR_BIT_OF('+') |
                                              CHAR_BIT_OF('-') | CHAR_BIT_OF('/'),
                                          CHAR_SET_LETTERS};
    return char_set_has(plain, c);
}

static void put_hex(struct field_writer *w, char sign, char c)
{
    static const char hex[] = "0123456789ABCDEF";
    char text[] = {sign, hex[(unsigned char)c >> 4], hex[c & 15]};
    buf_append(w->out, slice_of(text, sizeof text));
}

static void put_encoded_char(struct field_writer *w, slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (is_plain(bytes.ptr[i]))
            buf_append_char(w->out, bytes.ptr[i]);
        else if (bytes.ptr[i] == ' ')
            buf_append_char(w->out, '_');
        else
            put_hex(w, '=', bytes.ptr[i]);
    }
}

/* Each word holds whole characters (RFC 2047 section 5). */
static void put_encoded(struct field_writer *w, slice word)
{
    size_t overhead = w->charset.len + 7;
    size_t wished = overhead + 3 * word.len;
    put_space_apart(w, wished < ENCODED_WORD_MAX ? wished : ENCODED_WORD_MAX);
    size_t start = w->out->len;
    begin_encoded(w);
    if (w->after_encoded)
        buf_append_char(w->out, '_');
    while (word.len > 0) {
        char c = word.ptr[0];
        if (w->phrase && (c == '"' || (c == '\\' && word.len > 1))) {
            word = slice_skip(word, 1);
            if (c == '"')
                continue;
        }
        size_t len = slice_utf8_len(word);
        slice bytes = slice_sub(word, 0, len > 0 ? len : 1);
        if (w->out->len - start + 2 + 3 * bytes.len > ENCODED_WORD_MAX && w->out->len - start > overhead) {
            put(w, SLICE("?=\r\n "));
            start = w->out->len;
            begin_encoded(w);
        }
        put_encoded_char(w, bytes);
        word = slice_skip(word, bytes.len);
    }
    put(w, SLICE("?="));
    w->after_encoded = true;
}

static void put_plain(struct field_writer *w, slice word)
{
    if (w->after_encoded && word.len > 0)
        put_space_apart(w, word.len);
    else
        put_space(w, word.len);
    put(w, word);
    w->after_encoded =
        word.len > 4 && slice_starts(word, SLICE("=?")) && slice_starts(slice_skip(word, word.len - 2), SLICE("?="));
}

static slice take(slice *s, size_t len)
{
    slice taken = slice_sub(*s, 0, len);
    *s = slice_skip(*s, len);
    return taken;
}

static size_t space_len(slice s)
{
    size_t len = 0;
    while (len < s.len && is_space(s.ptr[len]))
        len++;
    return len;
}

static size_t word_len(slice s)
{
    size_t len = 0;
    while (len < s.len && !is_space(s.ptr[len]))
        len++;
    return len;
}

static void put_text(struct field_writer *w, slice value)
{
    while (value.len > 0) {
        w->space = take(&value, space_len(value));
        slice word = take(&value, word_len(value));
        if (!slice_is_ascii(word))
            put_encoded(w, word);
        else
            put_plain(w, word);
    }
}

/* Bytes up to and with the one that closes, where backslashes quote; all when nothing closes. */
static size_t closed_len(slice s, char open, char close)
{
    size_t depth = 0;
    for (size_t at = 0; at < s.len; at++) {
        char c = s.ptr[at];
        if (c == '\\')
            at++;
        else if (c == close && depth > 0 && --depth == 0)
            return at + 1;
        else if (c == open && (depth == 0 || open == '('))
            depth++;
    }
    return s.len;
}

static bool ends_word(slice s, size_t at)
{
    return at >= s.len || is_space(s.ptr[at]) || memchr(",:;<(", s.ptr[at], 5) != NULL;
}

/* One word of a phrase, or something that is none: *phrase_r says which. */
static size_t address_word_len(slice s, bool *phrase_r)
{
    *phrase_r = false;
    if (s.ptr[0] == '<')
        return closed_len(s, '<', '>');
    if (s.ptr[0] == '(')
        return closed_len(s, '(', ')');
    if (s.ptr[0] == ',' || s.ptr[0] == ':' || s.ptr[0] == ';')
        return 1;
    size_t len = s.ptr[0] == '"' ? closed_len(s, '"', '"') : 0;
    *phrase_r = len == 0 || ends_word(s, len);
    while (!ends_word(s, len)) {
        if (s.ptr[len] == '@' || s.ptr[len] == '"' || s.ptr[len] == '\\')
            *phrase_r = false;
        len++;
    }
    return len;
}

static void put_addresses(struct field_writer *w, slice value)
{
    w->phrase = true;
    while (value.len > 0) {
        w->space = take(&value, space_len(value));
        if (value.len == 0)
            break;
        bool phrase;
        slice word = take(&value, address_word_len(value, &phrase));
        if (phrase && !slice_is_ascii(word))
            put_encoded(w, word);
        else
            put_plain(w, word);
    }
    put_space(w, 0);
}

/* RFC 2231 section 4. */
static void put_parameter(struct field_writer *w, slice name, slice value, bool quoted)
{
    put(w, name);
    put(w, SLICE("*="));
    put(w, w->charset);
    put(w, SLICE("''"));
    for (size_t i = 0; i < value.len; i++) {
        if (quoted && value.ptr[i] == '\\' && i + 1 < value.len)
            i++;
        char c = value.ptr[i];
        if (ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_')
            buf_append_char(w->out, c);
        else
            put_hex(w, '%', c);
    }
}

static void put_parameters(struct field_writer *w, slice value)
{
    slice rest = mime_type_parse(value).parameters, name, parameter;
    const char *done = value.ptr;
    bool quoted;
    while (mime_parameter_next(&rest, &name, &parameter, &quoted)) {
        if (slice_is_ascii(parameter) || parameter.len > FILE_NAME_MAX ||
            (!slice_equal_nocase(name, SLICE("name")) && !slice_equal_nocase(name, SLICE("filename"))))
            continue;
        put(w, slice_of(done, (size_t)(name.ptr - done)));
        put_parameter(w, name, parameter, quoted);
        done = rest.ptr;
    }
    put(w, slice_of(done, (size_t)(value.ptr + value.len - done)));
}

bool convert_field(const struct header_field *f, buf *out)
{
    enum field_kind kind = kind_of(f->name);
    /* Beside a CR or LF alone a fold could end the field. */
    if (kind == FIELD_STAYS || f->whole.len > FIELD_MAX || slice_is_ascii(f->value) ||
        convert_body_needs(f->value).bare)
        return false;
    struct field_writer w = {
        .out = out,
        .charset = convert_is_utf8(f->value) ? SLICE("utf-8") : SLICE("unknown-8bit"),
        .line = out->len,
    };
    const char *end = f->value.ptr + f->value.len;
    put(&w, slice_of(f->whole.ptr, (size_t)(f->value.ptr - f->whole.ptr)));
    if (kind == FIELD_TEXT)
        put_text(&w, f->value);
    else if (kind == FIELD_ADDRESSES)
        put_addresses(&w, f->value);
    else
        put_parameters(&w, f->value);
    put(&w, slice_of(end, (size_t)(f->whole.ptr + f->whole.len - end)));
    return true;
}
