/* SPDX-License-Identifier: ISC */
#include "smtp/extensions.h"

#include "smtp/client_state.h"

static bool offered_always(const struct smtp_server *s)
{
    (void)s;
    return true;
}

static bool offered_starttls(const struct smtp_server *s)
{
    return s->o->starttls && !s->secured;
}

static bool offered_auth(const struct smtp_server *s)
{
    return smtp_session_mechanisms(s).len > 0 && (s->secured || s->o->auth_plaintext_ok);
}

static bool offered_deliver_by(const struct smtp_server *s)
{
    return s->o->deliver_by_min_s >= 0;
}

/* RFC 4865 section 4: for submission. The date that is told needs a clock. */
static bool offered_future_release(const struct smtp_server *s)
{
    return s->o->future_release_max_s > 0 && s->trusted && s->clock_told;
}

/* RFC 8689 section 2: only over TLS. */
static bool offered_requiretls(const struct smtp_server *s)
{
    return s->secured;
}

static bool offered_limits(const struct smtp_server *s)
{
    return smtp_session_max_recipients(s) > 0 || s->o->max_messages > 0;
}

static bool offered_etrn(const struct smtp_server *s)
{
    return s->o->etrn;
}

static bool offered_expn(const struct smtp_server *s)
{
    return s->o->expn;
}

static bool offered_xclient(const struct smtp_server *s)
{
    return s->permits & SMTP_PERMIT_XCLIENT;
}

static bool offered_xforward(const struct smtp_server *s)
{
    return s->permits & SMTP_PERMIT_XFORWARD;
}

static bool offered_xtag(const struct smtp_server *s)
{
    return s->permits & SMTP_PERMIT_TAG;
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
    buf_append(b, smtp_session_mechanisms(s));
}

static void arguments_deliver_by(const struct smtp_server *s, buf *b)
{
    if (s->o->deliver_by_min_s == 0)
        return;
    buf_append_char(b, ' ');
    buf_append_u64(b, (uint64_t)s->o->deliver_by_min_s);
}

static void arguments_future_release(const struct smtp_server *s, buf *b)
{
    buf_append_char(b, ' ');
    buf_append_u64(b, (uint64_t)s->o->future_release_max_s);
    buf_append_char(b, ' ');
    date_print_rfc3339(b, smtp_session_unix_s(s) + s->o->future_release_max_s);
}

/* RFC 9422 section 4: six digits at the most, and never 0. */
static void append_limit(buf *b, slice name, uint32_t limit)
{
    if (limit == 0)
        return;
    buf_append_char(b, ' ');
    buf_append(b, name);
    buf_append_char(b, '=');
    buf_append_u64(b, limit < 999999 ? limit : 999999);
}

static void arguments_limits(const struct smtp_server *s, buf *b)
{
    append_limit(b, SLICE("MAILMAX"), s->o->max_messages);
    append_limit(b, SLICE("RCPTMAX"), smtp_session_max_recipients(s));
}

static void arguments_xclient(const struct smtp_server *s, buf *b)
{
    (void)s;
    buf_append(b, SLICE(" NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"));
}

static void arguments_xforward(const struct smtp_server *s, buf *b)
{
    (void)s;
    buf_append(b, SLICE(" NAME ADDR PORT PROTO HELO IDENT SOURCE"));
}

#define S(text)                                                                                                        \
    {                                                                                                                  \
        "" text, sizeof(text) - 1                                                                                      \
    }
#define ROW(word, when, words) .keyword = S(word), .line = S("250 " word "\r\n"), .offered = (when), .help = S(words)
#define VALUE(word, code)                                                                                              \
    {                                                                                                                  \
        .name = S(word), .take = (code)                                                                                \
    }
#define KEPT(word, code)                                                                                               \
    {                                                                                                                  \
        .name = S(word), .take = (code), .kept = true                                                                  \
    }
#define ALONE(word, code)                                                                                              \
    {                                                                                                                  \
        .name = S(word), .take = (code), .alone = true                                                                 \
    }

static const struct smtp_extension extensions[SMTP_EXTENSION_COUNT] = {
    [SMTP_PIPELINING] = {ROW("PIPELINING", offered_always,
                             "PIPELINING\nCommands may be sent without waiting for each reply (RFC 2920).")},
    [SMTP_SIZE] = {ROW("SIZE", offered_always,
                       "SIZE\nEHLO tells the largest message that is taken, in bytes (RFC 1870).\n"
                       "MAIL FROM:<sender> SIZE=bytes asks before sending."),
                   .arguments = arguments_size, .mail = {VALUE("SIZE", smtp_take_size)},
                   .client = {.learn = smtp_offer_size, .mail = smtp_client_say_size}},
    [SMTP_STARTTLS] = {ROW("STARTTLS", offered_starttls, "")},
    [SMTP_AUTH] = {ROW("AUTH", offered_auth, ""), .arguments = arguments_auth, .mail = {KEPT("AUTH", smtp_take_auth)},
                   .client = {.learn = smtp_offer_auth, .mail = smtp_client_say_auth}},
    [SMTP_ENHANCED_CODES] = {ROW(
        "ENHANCEDSTATUSCODES", offered_always,
        "ENHANCEDSTATUSCODES\nReplies carry a second code such as 5.1.1 (RFC 2034, RFC 3463).")},
    [SMTP_8BITMIME] =
        {ROW("8BITMIME", offered_always,
             "8BITMIME\nMessages may have 8-bit characters: MAIL FROM:<sender> BODY=8BITMIME (RFC 6152)."),
         .mail = {VALUE("BODY", smtp_take_body)},
         .client = {.needed = smtp_client_needs_8bit,
                    .mail = smtp_client_say_8bit,
                    .downgrade = SMTP_DOWNGRADE_CONVERT,
                    .refusal = STATUS_NO_8BITMIME}},
    [SMTP_CHUNKING] = {ROW("CHUNKING", offered_always,
                           "CHUNKING\nBDAT size [LAST] in place of DATA (RFC 3030): HELP BDAT.")},
    [SMTP_BINARYMIME] =
        {ROW("BINARYMIME", offered_always,
             "BINARYMIME\nMessages may have any octets, sent by BDAT: MAIL FROM:<sender> BODY=BINARYMIME (RFC 3030)."),
         .client = {.needed = smtp_client_needs_binary,
                    .usable = smtp_client_chunks,
                    .mail = smtp_client_say_binary,
                    .downgrade = SMTP_DOWNGRADE_CONVERT,
                    .refusal = STATUS_NO_BINARYMIME}},
    [SMTP_SMTPUTF8] = {ROW("SMTPUTF8", offered_always,
                           "SMTPUTF8\nAddresses and header may be UTF-8: MAIL FROM:<sender> SMTPUTF8 (RFC 6531)."),
                       .mail = {ALONE("SMTPUTF8", smtp_take_smtputf8)},
                       .client = {.needed = smtp_client_needs_utf8,
                                  .mail = smtp_client_say_utf8,
                                  .downgrade = SMTP_DOWNGRADE_REFUSE,
                                  .refusal = STATUS_NO_SMTPUTF8}},
    [SMTP_DSN] = {ROW("DSN", offered_always,
                      "DSN\nWhich reports are wanted (RFC 3461):\n"
                      "MAIL FROM:<sender> RET=FULL|HDRS ENVID=xtext\n"
                      "RCPT TO:<recipient> NOTIFY=NEVER|SUCCESS,FAILURE,DELAY ORCPT=type;xtext"),
                  .mail = {VALUE("RET", smtp_take_ret), KEPT("ENVID", smtp_take_envid)},
                  .rcpt = {KEPT("NOTIFY", smtp_take_notify), KEPT("ORCPT", smtp_take_orcpt)},
                  .client = {.mail = smtp_client_say_dsn, .rcpt = smtp_client_say_dsn_recipient}},
    [SMTP_DELIVERBY] = {ROW("DELIVERBY", offered_deliver_by,
                            "DELIVERBY\nMAIL FROM:<sender> BY=seconds;R gives up when the time is over,\n"
                            "BY=seconds;N reports it (RFC 2852)."),
                        .arguments = arguments_deliver_by, .mail = {KEPT("BY", smtp_take_by)},
                        .client = {.learn = smtp_offer_deliver_by,
                                   .needed = smtp_client_needs_deliver_by,
                                   .usable = smtp_client_delivers_by,
                                   .mail = smtp_client_say_deliver_by,
                                   .downgrade = SMTP_DOWNGRADE_REFUSE,
                                   .refusal = STATUS_NO_DELIVERBY}},
    [SMTP_FUTURERELEASE] = {ROW("FUTURERELEASE", offered_future_release,
                                "FUTURERELEASE\nMAIL FROM:<sender> HOLDFOR=seconds or HOLDUNTIL=date keeps a message\n"
                                "until then (RFC 4865)."),
                            .arguments = arguments_future_release,
                            .mail = {KEPT("HOLDFOR", smtp_take_hold_for), KEPT("HOLDUNTIL", smtp_take_hold_until)}},
    [SMTP_MT_PRIORITY] = {ROW("MT-PRIORITY", offered_always,
                              "MT-PRIORITY\nMAIL FROM:<sender> MT-PRIORITY=-9...9 (RFC 6710)."),
                          .mail = {KEPT("MT-PRIORITY", smtp_take_priority)},
                          .client = {.mail = smtp_client_say_priority}},
    [SMTP_REQUIRETLS] =
        {ROW("REQUIRETLS", offered_requiretls,
             "REQUIRETLS\nMAIL FROM:<sender> REQUIRETLS: over verified TLS all the way, or not at all (RFC 8689)."),
         .mail = {ALONE("REQUIRETLS", smtp_take_requiretls)}, .missing = STATUS_REQUIRETLS_NEEDED,
         .client = {.needed = smtp_client_needs_requiretls,
                    .usable = smtp_client_is_verified,
                    .mail = smtp_client_say_requiretls,
                    .downgrade = SMTP_DOWNGRADE_REFUSE,
                    .refusal = STATUS_NO_REQUIRETLS}},
    [SMTP_LIMITS] = {ROW("LIMITS", offered_limits,
                         "LIMITS\nEHLO tells how many messages a session and how many recipients\n"
                         "a message may have (RFC 9422)."),
                     .arguments = arguments_limits, .client = {.learn = smtp_offer_limits}},
    [SMTP_ETRN] = {ROW("ETRN", offered_etrn, "")},
    [SMTP_EXPN] = {ROW("EXPN", offered_expn, "")},
    [SMTP_XCLIENT] = {ROW("XCLIENT", offered_xclient, ""), .arguments = arguments_xclient},
    [SMTP_XFORWARD] = {ROW("XFORWARD", offered_xforward, ""), .arguments = arguments_xforward},
    [SMTP_XTAG] = {ROW("XTAG", offered_xtag,
                       "XTAG\nMAIL FROM:<sender> XTAG=xtext marks a message of this machine's own."),
                   .mail = {KEPT("XTAG", smtp_take_tag)}},
    [SMTP_HELP] = {ROW("HELP", offered_always, "")},
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

/* The parameter of that name, or NULL; *number_r tells it from all the others. */
static const struct smtp_parameter *find_parameter(slice name, bool rcpt, unsigned *number_r)
{
    for (unsigned i = 0; i < SMTP_EXTENSION_COUNT; i++) {
        const struct smtp_parameter *p = rcpt ? extensions[i].rcpt : extensions[i].mail;
        for (unsigned k = 0; k < SMTP_PARAMETERS && p[k].take; k++) {
            if (slice_equal_nocase(name, p[k].name)) {
                *number_r = i * SMTP_PARAMETERS + k;
                return &p[k];
            }
        }
    }
    return NULL;
}

static bool has_room(struct smtp_server *s, bool rcpt)
{
    if (rcpt && !s->rcpt)
        s->rcpt = arena_alloc(&s->scratch, sizeof *s->rcpt);
    if (!rcpt && !s->mail)
        s->mail = arena_alloc(&s->scratch, sizeof *s->mail);
    return rcpt ? s->rcpt != NULL : s->mail != NULL;
}

static enum status take_parameter(struct smtp_server *s, slice word, bool rcpt, uint64_t *seen)
{
    slice name, value;
    unsigned number = 0;
    bool has_value = slice_cut(word, '=', &name, &value);
    const struct smtp_parameter *p = find_parameter(name, rcpt, &number);
    const struct smtp_extension *x = &extensions[number / SMTP_PARAMETERS];
    if (!p || !x->offered(s))
        return p && x->missing != STATUS_OK ? x->missing : STATUS_UNKNOWN_PARAMETER;
    /* RFC 5321 section 4.1.1.11: a value is never empty; RFC 3461 section 4: a parameter comes once */
    if (*seen >> number & 1 || has_value == p->alone || (has_value && value.len == 0))
        return STATUS_BAD_SYNTAX;
    *seen |= UINT64_C(1) << number;
    if (p->kept && !has_room(s, rcpt))
        return STATUS_LOCAL_ERROR;
    return p->take(s, value);
}

/* What makes no sense together. RFC 4865 section 5.2.2: held until after the time by which it is to be there. */
static bool is_contrary(const struct smtp_server *s)
{
    const struct smtp_mail_parameters *m = s->mail;
    if (!m || !m->by)
        return false;
    return (m->hold_s > 0 && m->hold_s > m->by_s) ||
           (m->release_s > 0 && m->release_s > smtp_session_unix_s(s) + m->by_s);
}

/* The name in the table's spelling: nothing of the client's comes back. */
static void tell_wrong(struct smtp_server *s, slice word, bool rcpt)
{
    unsigned number;
    slice name, value;
    (void)slice_cut(word, '=', &name, &value);
    const struct smtp_parameter *p = find_parameter(name, rcpt, &number);
    char text[96];
    buf b;
    buf_init_fixed(&b, text, sizeof text);
    buf_append(&b, status_verdict(STATUS_BAD_SYNTAX).text);
    buf_append(&b, p ? SLICE(": ") : SLICE_NONE);
    buf_append(&b, p ? p->name : SLICE_NONE);
    smtp_session_say(s, STATUS_BAD_SYNTAX, buf_slice(&b));
}

bool smtp_parameters_take(struct smtp_server *s, slice rest, bool rcpt)
{
    uint64_t seen = 0;
    enum status status = STATUS_OK;
    slice word = SLICE_NONE;
    while (status == STATUS_OK && rest.len > 0) {
        (void)slice_cut(rest, ' ', &word, &rest);
        if (word.len > 0)
            status = take_parameter(s, word, rcpt, &seen);
    }
    if (status == STATUS_OK && !rcpt && is_contrary(s)) {
        status = STATUS_BAD_SYNTAX;
        word = SLICE("BY");
    }
    if (status == STATUS_OK)
        return true;
    if (status == STATUS_MESSAGE_TOO_BIG)
        smtp_session_tell(s, status, SLICE_NONE);
    if (status == STATUS_BAD_SYNTAX)
        tell_wrong(s, word, rcpt);
    else
        smtp_session_status(s, status);
    return false;
}
