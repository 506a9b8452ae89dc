/* SPDX-License-Identifier: ISC */
#include "smtp/verbs.h"

/* XCLIENT and XFORWARD as Postfix's XCLIENT_README and XFORWARD_README describe them. */

enum { PROTO_MAX = 64, VALUE_MAX = 255 };

enum attribute_kind { KIND_NAME, KIND_ADDRESS, KIND_PORT, KIND_PROTO, KIND_LOGIN, KIND_WORD, KIND_SOURCE };

struct attribute {
    slice name;
    uint8_t of; /* enum smtp_permit, or-ed: the commands that have it */
    uint8_t kind;
};

#define S(text)                                                                                                        \
    {                                                                                                                  \
        "" text, sizeof(text) - 1                                                                                      \
    }
#define BOTH (SMTP_PERMIT_XCLIENT | SMTP_PERMIT_XFORWARD)

static const struct attribute attributes[SMTP_PEER_ATTRIBUTES] = {
    [SMTP_PEER_NAME] = {S("NAME"), BOTH, KIND_NAME},
    [SMTP_PEER_ADDR] = {S("ADDR"), BOTH, KIND_ADDRESS},
    [SMTP_PEER_PORT] = {S("PORT"), BOTH, KIND_PORT},
    [SMTP_PEER_PROTO] = {S("PROTO"), BOTH, KIND_PROTO},
    [SMTP_PEER_HELO] = {S("HELO"), BOTH, KIND_WORD},
    [SMTP_PEER_LOGIN] = {S("LOGIN"), SMTP_PERMIT_XCLIENT, KIND_LOGIN},
    [SMTP_PEER_DESTADDR] = {S("DESTADDR"), SMTP_PERMIT_XCLIENT, KIND_ADDRESS},
    [SMTP_PEER_DESTPORT] = {S("DESTPORT"), SMTP_PERMIT_XCLIENT, KIND_PORT},
    [SMTP_PEER_IDENT] = {S("IDENT"), SMTP_PERMIT_XFORWARD, KIND_WORD},
    [SMTP_PEER_SOURCE] = {S("SOURCE"), SMTP_PERMIT_XFORWARD, KIND_SOURCE},
};

/* What would mean something of its own in a trace field becomes '?'. */
static void neuter(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~' || slice_find_char(SLICE("()<>\",;\\"), text[i]) >= 0)
            text[i] = '?';
}

static bool is_port(slice value)
{
    uint64_t port;
    return value.len <= 5 && slice_to_u64(value, 65535, &port) == ERR_OK;
}

/* An IPv4 address, or an IPv6 address behind "IPV6:", without brackets; *value loses the tag. */
static bool is_address(slice *value)
{
    uint8_t ip[16];
    size_t len;
    bool tagged = slice_starts_nocase(*value, SLICE("IPV6:"));
    slice bare = slice_skip(*value, tagged ? 5 : 0);
    if (bare.len == 0 || bare.ptr[0] == '[' || slice_starts_nocase(bare, SLICE("IPV6:")) ||
        address_ip_parse(bare, ip, &len) != ERR_OK || len != (tagged ? 16 : 4))
        return false;
    *value = bare;
    return true;
}

static bool is_one_of(slice value, slice a, slice b)
{
    return slice_equal_nocase(value, a) || slice_equal_nocase(value, b);
}

/* Judges what was decoded, and makes it harmless. */
static bool judge(const struct attribute *a, bool xclient, slice *value)
{
    switch ((enum attribute_kind)a->kind) {
    case KIND_NAME: /* XCLIENT's is a host of the DNS; XFORWARD's may be any */
        return xclient ? address_domain_valid(*value, false) && value->ptr[0] != '[' : true;
    case KIND_ADDRESS:
        return is_address(value);
    case KIND_PORT:
        return is_port(*value);
    case KIND_PROTO:
        return xclient ? is_one_of(*value, SLICE("SMTP"), SLICE("ESMTP")) : value->len <= PROTO_MAX;
    case KIND_SOURCE:
        return is_one_of(*value, SLICE("LOCAL"), SLICE("REMOTE"));
    case KIND_LOGIN:
    case KIND_WORD:
        return true;
    }
    return false;
}

static const struct attribute *find_attribute(slice name, enum smtp_permit command)
{
    for (size_t i = 0; i < SMTP_PEER_ATTRIBUTES; i++)
        if ((attributes[i].of & command) && slice_equal_nocase(name, attributes[i].name))
            return &attributes[i];
    return NULL;
}

static enum status take_attribute(struct smtp_server *s, slice word, enum smtp_permit command)
{
    slice name, coded;
    (void)slice_cut(word, '=', &name, &coded);
    const struct attribute *a = find_attribute(name, command);
    uint32_t bit = a ? 1U << (a - attributes) : 0;
    if (!a || (s->peer->given & bit) || coded.len == 0)
        return STATUS_BAD_SYNTAX;
    s->peer->given |= bit;
    if (is_one_of(coded, SLICE("[UNAVAILABLE]"), SLICE("[TEMPUNAVAIL]")))
        return STATUS_OK;
    char *memory = arena_alloc(&s->scratch, coded.len);
    buf b;
    if (!memory)
        return STATUS_LOCAL_ERROR;
    buf_init_fixed(&b, memory, coded.len);
    if (xtext_decode(&b, coded) != ERR_OK || b.len > VALUE_MAX)
        return STATUS_BAD_SYNTAX;
    if (a->kind != KIND_LOGIN)
        neuter(memory, b.len);
    slice value = buf_slice(&b);
    if (!judge(a, command == SMTP_PERMIT_XCLIENT, &value))
        return STATUS_BAD_SYNTAX;
    s->peer->value[a - attributes] = value;
    return STATUS_OK;
}

static bool take_attributes(struct smtp_server *s, slice rest, enum smtp_permit command)
{
    enum status status = STATUS_OK;
    s->peer = arena_alloc(&s->scratch, sizeof *s->peer);
    if (!s->peer)
        status = STATUS_LOCAL_ERROR;
    while (status == STATUS_OK && rest.len > 0) {
        slice word;
        (void)slice_cut(rest, ' ', &word, &rest);
        if (word.len > 0)
            status = take_attribute(s, word, command);
    }
    if (status != STATUS_OK)
        smtp_session_status(s, status);
    return status == STATUS_OK;
}

static void deny(struct smtp_server *s, slice verb)
{
    smtp_session_tell(s, STATUS_COMMAND_DENIED, verb);
    smtp_session_status(s, STATUS_COMMAND_DENIED);
}

void smtp_verb_xclient(struct smtp_server *s, slice argument)
{
    if (!(s->permits & SMTP_PERMIT_XCLIENT))
        deny(s, SLICE("XCLIENT"));
    else if (take_attributes(s, argument, SMTP_PERMIT_XCLIENT))
        smtp_session_ask(s, SMTP_SERVER_XCLIENT, SLICE_NONE);
}

void smtp_verb_xforward(struct smtp_server *s, slice argument)
{
    if (!(s->permits & SMTP_PERMIT_XFORWARD))
        deny(s, SLICE("XFORWARD"));
    else if (take_attributes(s, argument, SMTP_PERMIT_XFORWARD))
        smtp_session_ask(s, SMTP_SERVER_XFORWARD, SLICE_NONE);
}

/* Another client speaks now: what the last one was or might do says nothing about it. TLS stays, it is the connection's. */
void smtp_verb_xclient_answer(struct smtp_server *s, const struct verdict *v)
{
    s->peer = NULL;
    if (!verdict_ok(v)) {
        smtp_session_reply(s, v);
        return;
    }
    smtp_session_forget(s);
    s->dialogue = SMTP_NEW;
    s->esmtp = false;
    s->trusted = false;
    s->authenticated = false;
    s->permits = 0;
    s->mechanisms = SLICE_NONE;
    smtp_greet(s, v);
}
