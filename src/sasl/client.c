/* SPDX-License-Identifier: ISC */
#include "sasl/client.h"

#include <stdlib.h>

#include "sasl/prepare.h"
#include "sasl/scram_client.h"

#define LOGIN_MAX 1000u
#define SECRET_MAX 16000u
#define HOST_MAX 255u

struct sasl_client {
    const struct mechanism *mechanism;
    struct scram_client scram;
    slice login, secret, host; /* behind the struct, in the same memory */
    uint16_t port;
    unsigned step;
    size_t size;
};

struct mechanism {
    slice name;
    bool scram, token, certificate, plus;
    bool plain; /* shows the server the secret */
    bool waits; /* for the server to begin */
    enum sasl_status (*step)(struct sasl_client *c, slice challenge, buf *response);
};

/* As SASLprep has it (RFC 4616 section 2, RFC 4954 section 4); as it is when it has nothing for it: a server that is as old may know it so. */
static void append_prepared(slice text, buf *response)
{
    char memory[SECRET_MAX];
    buf prepared;
    buf_init_fixed(&prepared, memory, sizeof memory);
    buf_append(response, sasl_prepare(text, &prepared) == ERR_OK ? buf_slice(&prepared) : text);
    explicit_bzero(memory, sizeof memory);
}

static enum sasl_status step_scram(struct sasl_client *c, slice challenge, buf *response)
{
    if (c->scram.stage == 0)
        return challenge.len == 0 ? scram_client_first(&c->scram, c->login, response) : SASL_REFUSED;
    if (c->scram.stage == 1)
        return scram_client_final(&c->scram, c->secret, challenge, response);
    return c->scram.stage == 2 ? scram_client_check(&c->scram, challenge) : SASL_REFUSED;
}

/* RFC 7628 section 3.1: the gs2-header's name is a saslname, and \1 ends each part. The error that may follow is answered with \1 (section 3.2.3). */
static enum sasl_status step_bearer(struct sasl_client *c, slice challenge, buf *response)
{
    (void)challenge;
    if (c->step > 1)
        return SASL_REFUSED;
    if (c->step == 1) {
        buf_append_char(response, 1);
        return SASL_DONE;
    }
    buf_append(response, SLICE("n,a="));
    scram_name_encode(c->login, response);
    buf_append(response, SLICE(",\1"));
    if (c->host.len > 0)
        buf_printf(response, "host=%.*s\1port=%u\1", SLICE_ARG(c->host), c->port);
    buf_append(response, SLICE("auth=Bearer "));
    buf_append(response, c->secret);
    buf_append(response, SLICE("\1\1"));
    return SASL_DONE;
}

static enum sasl_status step_xoauth2(struct sasl_client *c, slice challenge, buf *response)
{
    (void)challenge;
    if (c->step > 1)
        return SASL_REFUSED;
    if (c->step == 1)
        return SASL_DONE; /* an empty answer to the error */
    buf_append(response, SLICE("user="));
    append_prepared(c->login, response);
    buf_append(response, SLICE("\1auth=Bearer "));
    buf_append(response, c->secret);
    buf_append(response, SLICE("\1\1"));
    return SASL_DONE;
}

/* RFC 4422 appendix A: nothing is what asks for the identity of the certificate. */
static enum sasl_status step_external(struct sasl_client *c, slice challenge, buf *response)
{
    (void)response;
    return c->step == 0 && challenge.len == 0 ? SASL_DONE : SASL_REFUSED;
}

/* RFC 4616 section 2. */
static enum sasl_status step_plain(struct sasl_client *c, slice challenge, buf *response)
{
    if (c->step > 0 || challenge.len > 0)
        return SASL_REFUSED;
    buf_append_char(response, 0);
    append_prepared(c->login, response);
    buf_append_char(response, 0);
    append_prepared(c->secret, response);
    return SASL_DONE;
}

/* Whatever the server asks: what it says is not the same everywhere, and the order is. */
static enum sasl_status step_login(struct sasl_client *c, slice challenge, buf *response)
{
    (void)challenge;
    if (c->step > 1)
        return SASL_REFUSED;
    append_prepared(c->step == 0 ? c->login : c->secret, response);
    return c->step == 0 ? SASL_MORE : SASL_DONE;
}

/* In order. With a binding, -PLUS goes before what is without it, whatever the digest: "y" would be a lie to a server that offers -PLUS. */
static const struct mechanism mechanisms[] = {
    {.name = {"SCRAM-SHA-256-PLUS", 18}, .scram = true, .plus = true, .step = step_scram},
    {.name = {"SCRAM-SHA-1-PLUS", 16}, .scram = true, .plus = true, .step = step_scram},
    {.name = {"SCRAM-SHA-256", 13}, .scram = true, .step = step_scram},
    {.name = {"SCRAM-SHA-1", 11}, .scram = true, .step = step_scram},
    {.name = {"OAUTHBEARER", 11}, .token = true, .plain = true, .step = step_bearer},
    {.name = {"XOAUTH2", 7}, .token = true, .plain = true, .step = step_xoauth2},
    {.name = {"EXTERNAL", 8}, .certificate = true, .step = step_external},
    {.name = {"PLAIN", 5}, .plain = true, .step = step_plain},
    {.name = {"LOGIN", 5}, .plain = true, .waits = true, .step = step_login},
};
#define MECHANISM_COUNT (sizeof mechanisms / sizeof mechanisms[0])

static bool is_word_of(slice words, slice word)
{
    for (slice head; words.len > 0;) {
        (void)slice_cut(words, ' ', &head, &words);
        if (slice_equal_nocase(head, word))
            return true;
    }
    return false;
}

/* NUL ends a field of PLAIN, \1 one of OAUTH: who has one inside would say something else than he means. */
static bool is_sayable(slice s, char end)
{
    return s.len > 0 && slice_find_char(s, end) < 0;
}

static bool fits(const struct mechanism *m, const struct sasl_client_options *o)
{
    if (m->certificate)
        return o->certificate;
    if (!is_sayable(o->login, m->token ? 1 : 0) || !is_sayable(o->secret, m->token ? 1 : 0))
        return false;
    return o->token == m->token && (!m->plus || o->binding.len > 0) && (!m->plain || o->may_plain);
}

slice sasl_client_choose(slice offered, const struct sasl_client_options *o)
{
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        if (is_word_of(offered, mechanisms[i].name) && fits(&mechanisms[i], o))
            return mechanisms[i].name;
    }
    return SLICE_NONE;
}

static slice keep(char **at, slice s)
{
    slice kept = slice_of(*at, s.len);
    if (s.len > 0)
        memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return kept;
}

enum err sasl_client_open(slice mechanism, const struct sasl_client_options *o, struct sasl_client **c_r)
{
    const struct mechanism *m = NULL;
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        if (slice_equal_nocase(mechanisms[i].name, mechanism))
            m = &mechanisms[i];
    }
    if (!m || !fits(m, o))
        return ERR_UNSUPPORTED;
    if (o->login.len > LOGIN_MAX || o->secret.len > SECRET_MAX || o->host.len > HOST_MAX)
        return ERR_LIMIT;
    size_t size = sizeof(struct sasl_client) + o->login.len + o->secret.len + o->host.len;
    struct sasl_client *c = calloc(1, size);
    if (!c)
        return ERR_NOMEM;
    char *at = (char *)(c + 1);
    c->mechanism = m;
    c->size = size;
    c->login = keep(&at, o->login);
    c->secret = keep(&at, o->secret);
    c->host = keep(&at, o->host);
    c->port = o->port;
    enum crypt_digest digest;
    bool plus;
    if (scram_mechanism(m->name, &digest, &plus))
        scram_init(&c->scram.s, digest, plus, o->binding);
    *c_r = c;
    return ERR_OK;
}

void sasl_client_close(struct sasl_client **c)
{
    if (!*c)
        return;
    if ((*c)->mechanism->scram)
        scram_deinit(&(*c)->scram.s);
    explicit_bzero(*c, (*c)->size);
    free(*c);
    *c = NULL;
}

bool sasl_client_begins(const struct sasl_client *c)
{
    return !c->mechanism->waits;
}

enum sasl_status sasl_client_step(struct sasl_client *c, slice challenge, bool first, buf *response)
{
    enum sasl_status status = c->mechanism->step(c, first ? SLICE_NONE : challenge, response);
    c->step++;
    return buf_ok(response) ? status : SASL_REFUSED;
}
