/* SPDX-License-Identifier: ISC */
#include "smtp/verbs.h"

enum {
    ENVID_MAX = 100,
    ORCPT_MAX = 500,
    TAG_MAX = 255
}; /* the first two: RFC 3461 sections 4.4 and 4.2, as they come */

/* RFC 1870 section 5: 1 to 20 digits. */
enum status smtp_take_size(struct smtp_server *s, slice value)
{
    if (value.len > 20)
        return STATUS_BAD_SYNTAX;
    enum err e = slice_to_u64(value, UINT64_MAX, &s->size);
    if (e == ERR_SYNTAX)
        return STATUS_BAD_SYNTAX;
    if (e == ERR_LIMIT)
        return STATUS_MESSAGE_TOO_BIG;
    return s->o->max_size > 0 && s->size > s->o->max_size ? STATUS_MESSAGE_TOO_BIG : STATUS_OK;
}

/* RFC 6152 section 2, RFC 3030 section 3. */
enum status smtp_take_body(struct smtp_server *s, slice value)
{
    if (slice_equal_nocase(value, SLICE("8BITMIME")))
        s->envelope_flags |= ENVELOPE_BODY_8BIT;
    else if (slice_equal_nocase(value, SLICE("BINARYMIME")))
        s->envelope_flags |= ENVELOPE_BODY_BINARY;
    else if (!slice_equal_nocase(value, SLICE("7BIT")))
        return STATUS_BAD_SYNTAX;
    return STATUS_OK;
}

/* RFC 6531 section 3.4. */
enum status smtp_take_smtputf8(struct smtp_server *s, slice value)
{
    (void)value;
    s->envelope_flags |= ENVELOPE_SMTPUTF8;
    return STATUS_OK;
}

/* RFC 8689 section 2. */
enum status smtp_take_requiretls(struct smtp_server *s, slice value)
{
    (void)value;
    s->envelope_flags |= ENVELOPE_REQUIRETLS;
    return STATUS_OK;
}

/* A buffer in scratch that lives until the event is answered. */
static bool reserve(struct smtp_server *s, size_t size, buf *b)
{
    char *memory = arena_alloc(&s->scratch, size + 1);
    if (memory)
        buf_init_fixed(b, memory, size + 1);
    return memory != NULL;
}

static enum status decode(struct smtp_server *s, slice value, size_t max, slice *text_r)
{
    buf b;
    if (value.len > max)
        return STATUS_BAD_SYNTAX;
    if (!reserve(s, value.len, &b))
        return STATUS_LOCAL_ERROR;
    if (xtext_decode(&b, value) != ERR_OK)
        return STATUS_BAD_SYNTAX;
    *text_r = buf_slice(&b);
    return STATUS_OK;
}

/* RFC 4954 section 5: "<>" or a mailbox, as xtext. Whether it is believed is the caller's to say. */
enum status smtp_take_auth(struct smtp_server *s, slice value)
{
    struct address mailbox;
    slice text;
    enum status status = decode(s, value, ORCPT_MAX, &text);
    if (status != STATUS_OK)
        return status;
    if (!slice_equal(text, SLICE("<>"))) {
        enum err e = address_parse(text, ADDRESS_STRICT, &s->scratch, &mailbox);
        if (e != ERR_OK)
            return e == ERR_NOMEM ? STATUS_LOCAL_ERROR : STATUS_BAD_SYNTAX;
    }
    s->mail->auth = text;
    return STATUS_OK;
}

/* RFC 3461 section 4.3. */
enum status smtp_take_ret(struct smtp_server *s, slice value)
{
    if (slice_equal_nocase(value, SLICE("FULL")))
        s->envelope_flags |= ENVELOPE_RET_FULL;
    else if (slice_equal_nocase(value, SLICE("HDRS")))
        s->envelope_flags |= ENVELOPE_RET_HDRS;
    else
        return STATUS_BAD_SYNTAX;
    return STATUS_OK;
}

/* RFC 3461 section 4.4: printable characters of US-ASCII. */
enum status smtp_take_envid(struct smtp_server *s, slice value)
{
    slice text;
    enum status status = decode(s, value, ENVID_MAX, &text);
    if (status != STATUS_OK)
        return status;
    if (!slice_is_ascii(text))
        return STATUS_BAD_SYNTAX;
    s->mail->envid = text;
    return STATUS_OK;
}

/* RFC 3461 section 4.1: NEVER alone, or a list of the others. */
enum status smtp_take_notify(struct smtp_server *s, slice value)
{
    static const struct {
        slice word;
        uint8_t bit;
    } words[] = {{{"NEVER", 5}, NOTIFY_NEVER},
                 {{"SUCCESS", 7}, NOTIFY_SUCCESS},
                 {{"FAILURE", 7}, NOTIFY_FAILURE},
                 {{"DELAY", 5}, NOTIFY_DELAY}};
    uint8_t notify = 0;
    bool more = true;
    while (more) {
        slice word;
        uint8_t bit = 0;
        more = slice_cut(value, ',', &word, &value);
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            if (slice_equal_nocase(word, words[i].word))
                bit = words[i].bit;
        if (bit == 0)
            return STATUS_BAD_SYNTAX;
        notify |= bit;
    }
    if ((notify & NOTIFY_NEVER) && notify != NOTIFY_NEVER)
        return STATUS_BAD_SYNTAX;
    s->rcpt->notify = notify;
    return STATUS_OK;
}

/* RFC 3461 section 4.2, RFC 6533 section 3. */
enum status smtp_take_orcpt(struct smtp_server *s, slice value)
{
    buf b;
    if (value.len > ORCPT_MAX)
        return STATUS_BAD_SYNTAX;
    if (!reserve(s, value.len, &b))
        return STATUS_LOCAL_ERROR;
    if (xtext_decode_orcpt(&b, value, s->envelope_flags & ENVELOPE_SMTPUTF8) != ERR_OK)
        return STATUS_BAD_SYNTAX;
    s->rcpt->orcpt = buf_slice(&b);
    return STATUS_OK;
}

/* "R", "N", either with "T" behind it. */
static uint32_t by_mode(slice mode)
{
    uint32_t flags = 0;
    if (mode.len == 2 && ascii_lower(mode.ptr[1]) == 't')
        flags = ENVELOPE_BY_TRACE;
    else if (mode.len != 1)
        return 0;
    char c = ascii_lower(mode.ptr[0]);
    return c == 'r' ? flags | ENVELOPE_BY_RETURN : c == 'n' ? flags | ENVELOPE_BY_NOTIFY : 0;
}

/* RFC 2852 section 4: seconds with a sign or without, and the mode. R gives up when the time is over: it must not be over yet. */
enum status smtp_take_by(struct smtp_server *s, slice value)
{
    slice time, mode;
    uint64_t seconds;
    (void)slice_cut(value, ';', &time, &mode);
    bool minus = time.len > 0 && time.ptr[0] == '-';
    bool sign = minus || (time.len > 0 && time.ptr[0] == '+');
    slice digits = slice_skip(time, sign);
    uint32_t flags = by_mode(mode);
    if (flags == 0 || digits.len > 9 || slice_to_u64(digits, UINT32_MAX, &seconds) != ERR_OK)
        return STATUS_BAD_SYNTAX;
    s->mail->by = true;
    s->mail->by_s = minus ? -(int64_t)seconds : (int64_t)seconds;
    s->envelope_flags |= flags;
    if (!(flags & ENVELOPE_BY_RETURN))
        return STATUS_OK;
    if (s->mail->by_s <= 0)
        return STATUS_BAD_SYNTAX;
    return s->mail->by_s < s->o->deliver_by_min_s ? STATUS_BY_TIME_TOO_SHORT : STATUS_OK;
}

static bool is_held(const struct smtp_server *s)
{
    return s->mail->hold_s > 0 || s->mail->release_s > 0;
}

/* RFC 4865 section 5: one of the two, not beyond what EHLO told. */
enum status smtp_take_hold_for(struct smtp_server *s, slice value)
{
    uint64_t seconds;
    if (is_held(s) || value.len > 9 || slice_to_u64(value, UINT32_MAX, &seconds) != ERR_OK || seconds == 0)
        return STATUS_BAD_SYNTAX;
    if ((int64_t)seconds > s->o->future_release_max_s)
        return STATUS_HELD_TOO_LONG;
    s->mail->hold_s = (int64_t)seconds;
    return STATUS_OK;
}

enum status smtp_take_hold_until(struct smtp_server *s, slice value)
{
    int64_t unix_s;
    if (is_held(s) || date_parse_rfc3339(value, &unix_s) != ERR_OK || unix_s <= 0)
        return STATUS_BAD_SYNTAX;
    if (unix_s > smtp_session_unix_s(s) + s->o->future_release_max_s)
        return STATUS_HELD_TOO_LONG;
    s->mail->release_s = unix_s;
    return STATUS_OK;
}

/* RFC 6710 section 3: "0", or 1 to 9 with or without a minus. */
enum status smtp_take_priority(struct smtp_server *s, slice value)
{
    bool minus = value.len > 0 && value.ptr[0] == '-';
    slice digit = slice_skip(value, minus);
    if (digit.len != 1 || !ascii_is_digit(digit.ptr[0]) || (minus && digit.ptr[0] == '0'))
        return STATUS_BAD_SYNTAX;
    int8_t number = (int8_t)(digit.ptr[0] - '0');
    s->mail->priority = minus ? (int8_t)-number : number;
    return STATUS_OK;
}

enum status smtp_take_tag(struct smtp_server *s, slice value)
{
    return decode(s, value, TAG_MAX, &s->mail->tag);
}
