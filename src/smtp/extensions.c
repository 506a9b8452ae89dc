/* SPDX-License-Identifier: ISC */
#include "smtp/extensions.h"

#include "smtp/client_state.h"

static bool offered_always(const struct smtp_server *s)
{
    (void)s;
    return true;
}

static bool offered_never(const struct smtp_server *s)
{
    (void)s;
    return false;
}

static bool offered_starttls(const struct smtp_server *s)
{
    return s->o->starttls && !s->secured;
}

static bool offered_auth(const struct smtp_server *s)
{
    return s->o->auth_mechanisms.len > 0 && (s->secured || s->o->auth_plaintext_ok);
}

static void arguments_size(const struct smtp_server *s, buf *b)
{
    if (s->o->max_size == 0)
        return;
    buf_append_char(b, ' ');
    buf_append_u64(b, s->o->max_size);
}

static void arguments_auth(const struct smtp_server *s, buf *b)
{
    buf_append_char(b, ' ');
    buf_append(b, s->o->auth_mechanisms);
}

/* RFC 1870 section 5: 1 to 20 digits. */
static enum status take_size(struct smtp_server *s, slice value)
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

static enum status take_body(struct smtp_server *s, slice value)
{
    if (slice_equal_nocase(value, SLICE("8BITMIME")))
        s->envelope_flags |= ENVELOPE_BODY_8BIT;
    else if (!slice_equal_nocase(value, SLICE("7BIT")))
        return STATUS_BAD_SYNTAX;
    return STATUS_OK;
}

static int hex_digit(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 4954 section 5. The value is checked as xtext (RFC 3461 section 4) and not used: nobody is trusted to assert another's identity. What
 * decodes to a control character is refused all the same. */
static enum status take_auth(struct smtp_server *s, slice value)
{
    (void)s;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '=' || value.ptr[i] < 0x21 || value.ptr[i] > 0x7e)
            return STATUS_BAD_SYNTAX;
        if (value.ptr[i] != '+')
            continue;
        int high = i + 2 < value.len ? hex_digit(value.ptr[i + 1]) : -1;
        int low = i + 2 < value.len ? hex_digit(value.ptr[i + 2]) : -1;
        if (high < 2 || low < 0 || high * 16 + low >= 0x7f)
            return STATUS_BAD_SYNTAX;
        i += 2;
    }
    return value.len > 0 ? STATUS_OK : STATUS_BAD_SYNTAX;
}

#define S(text)                                                                                                        \
    {                                                                                                                  \
        "" text, sizeof(text) - 1                                                                                      \
    }

static const struct smtp_extension extensions[SMTP_EXTENSION_COUNT] = {
    [SMTP_PIPELINING] =
        {
            .keyword = S("PIPELINING"),
            .offered = offered_always,
            .help = S("PIPELINING\nCommands may be sent without waiting for each reply (RFC 2920)."),
        },
    [SMTP_SIZE] =
        {
            .keyword = S("SIZE"),
            .offered = offered_always,
            .arguments = arguments_size,
            .mail = {S("SIZE"), take_size},
            .help = S("SIZE\nEHLO tells the largest message that is taken, in bytes (RFC 1870).\n"
                      "MAIL FROM:<sender> SIZE=bytes asks before sending."),
            .client = {.learn = smtp_offer_size, .mail = smtp_client_say_size},
        },
    [SMTP_STARTTLS] =
        {
            .keyword = S("STARTTLS"),
            .offered = offered_starttls,
        },
    [SMTP_AUTH] =
        {
            .keyword = S("AUTH"),
            .offered = offered_auth,
            .arguments = arguments_auth,
            .mail = {S("AUTH"), take_auth},
            .client = {.learn = smtp_offer_auth, .mail = smtp_client_say_auth},
        },
    [SMTP_ENHANCED_CODES] =
        {
            .keyword = S("ENHANCEDSTATUSCODES"),
            .offered = offered_always,
            .help = S("ENHANCEDSTATUSCODES\nReplies carry a second code such as 5.1.1 (RFC 2034, RFC 3463)."),
        },
    [SMTP_8BITMIME] =
        {
            .keyword = S("8BITMIME"),
            .offered = offered_always,
            .mail = {S("BODY"), take_body},
            .help = S("8BITMIME\nMessages may have 8-bit characters: MAIL FROM:<sender> BODY=8BITMIME (RFC 6152)."),
            .client = {.needed = smtp_client_needs_8bit,
                       .mail = smtp_client_say_8bit,
                       .downgrade = SMTP_DOWNGRADE_CONVERT,
                       .refusal = STATUS_NO_8BITMIME},
        },
    [SMTP_HELP] =
        {
            .keyword = S("HELP"),
            .offered = offered_always,
        },
    [SMTP_CHUNKING] =
        {
            .keyword = S("CHUNKING"),
            .offered = offered_never,
        },
    [SMTP_BINARYMIME] =
        {
            .keyword = S("BINARYMIME"),
            .offered = offered_never,
            .client = {.needed = smtp_client_needs_binary,
                       .usable = smtp_client_chunks,
                       .mail = smtp_client_say_binary,
                       .downgrade = SMTP_DOWNGRADE_CONVERT,
                       .refusal = STATUS_NO_BINARYMIME},
        },
    [SMTP_SMTPUTF8] =
        {
            .keyword = S("SMTPUTF8"),
            .offered = offered_never,
            .client = {.needed = smtp_client_needs_utf8,
                       .mail = smtp_client_say_utf8,
                       .downgrade = SMTP_DOWNGRADE_REFUSE,
                       .refusal = STATUS_NO_SMTPUTF8},
        },
    [SMTP_DSN] =
        {
            .keyword = S("DSN"),
            .offered = offered_never,
            .client = {.mail = smtp_client_say_dsn, .rcpt = smtp_client_say_dsn_recipient},
        },
    [SMTP_DELIVERBY] =
        {
            .keyword = S("DELIVERBY"),
            .offered = offered_never,
            .client = {.learn = smtp_offer_deliver_by,
                       .needed = smtp_client_needs_deliver_by,
                       .usable = smtp_client_delivers_by,
                       .mail = smtp_client_say_deliver_by,
                       .downgrade = SMTP_DOWNGRADE_REFUSE,
                       .refusal = STATUS_NO_DELIVERBY},
        },
    [SMTP_MT_PRIORITY] =
        {
            .keyword = S("MT-PRIORITY"),
            .offered = offered_never,
            .client = {.mail = smtp_client_say_priority},
        },
    [SMTP_REQUIRETLS] =
        {
            .keyword = S("REQUIRETLS"),
            .offered = offered_never,
            .client = {.needed = smtp_client_needs_requiretls,
                       .usable = smtp_client_is_verified,
                       .mail = smtp_client_say_requiretls,
                       .downgrade = SMTP_DOWNGRADE_REFUSE,
                       .refusal = STATUS_NO_REQUIRETLS},
        },
    [SMTP_LIMITS] =
        {
            .keyword = S("LIMITS"),
            .offered = offered_never,
            .client = {.learn = smtp_offer_limits},
        },
    [SMTP_ETRN] =
        {
            .keyword = S("ETRN"),
            .offered = offered_never,
        },
};

const struct smtp_extension *smtp_extension_at(enum smtp_extension_id id)
{
    return &extensions[id];
}

const struct smtp_extension *smtp_extension_find(slice keyword)
{
    for (size_t i = 0; i < SMTP_EXTENSION_COUNT; i++)
        if (slice_equal_nocase(keyword, extensions[i].keyword))
            return &extensions[i];
    return NULL;
}

bool smtp_word_in(slice list, slice word)
{
    slice head;
    while (list.len > 0) {
        (void)slice_cut(list, ' ', &head, &list);
        if (head.len > 0 && slice_equal_nocase(head, word))
            return true;
    }
    return false;
}

void smtp_offer_learn(struct smtp_offer *offer, slice line)
{
    slice keyword, arguments;
    line = slice_trim(line);
    if (slice_starts_nocase(line, SLICE("AUTH="))) /* as old servers wrote it */
        keyword = SLICE("AUTH"), arguments = slice_skip(line, 5);
    else
        (void)slice_cut(line, ' ', &keyword, &arguments);
    const struct smtp_extension *x = smtp_extension_find(keyword);
    if (!x)
        return;
    offer->bits |= 1U << (x - extensions);
    if (x->client.learn)
        x->client.learn(offer, arguments);
}

bool smtp_offer_has(const struct smtp_offer *offer, enum smtp_extension_id id)
{
    return (offer->bits >> id & 1) != 0;
}

static const struct smtp_parameter *find_parameter(const struct smtp_server *s, slice name, bool rcpt, uint32_t *bit_r)
{
    for (size_t i = 0; i < SMTP_EXTENSION_COUNT; i++) {
        const struct smtp_parameter *p = rcpt ? &extensions[i].rcpt : &extensions[i].mail;
        if (p->take && slice_equal_nocase(name, p->name) && extensions[i].offered(s)) {
            *bit_r = 1U << i;
            return p;
        }
    }
    return NULL;
}

bool smtp_parameters_take(struct smtp_server *s, slice rest, bool rcpt)
{
    uint32_t seen = 0, bit = 0;
    slice word, name, value;
    while (rest.len > 0) {
        (void)slice_cut(rest, ' ', &word, &rest);
        if (word.len == 0)
            continue;
        (void)slice_cut(word, '=', &name, &value);
        const struct smtp_parameter *p = find_parameter(s, name, rcpt, &bit);
        enum status status = !p ? STATUS_UNKNOWN_PARAMETER : seen & bit ? STATUS_BAD_SYNTAX : p->take(s, value);
        if (status != STATUS_OK) {
            if (status == STATUS_MESSAGE_TOO_BIG)
                smtp_session_tell(s, status);
            smtp_session_status(s, status);
            return false;
        }
        seen |= bit;
    }
    return true;
}
