/* SPDX-License-Identifier: ISC */
#include "cmd/probe_session.h"

#include "sasl/sasl.h"

#define RESPONSE_MAX (64u << 10)
#define CHALLENGES_MAX 16

struct login {
    struct probe_session *p;
    struct sasl_client *sasl;
    slice mechanism;
    bool proved;
};

static void wipe(buf *b)
{
    if (b->ptr)
        explicit_bzero(b->ptr, b->cap);
    buf_deinit(b);
}

static bool refuse(struct probe_session *p, const char *why)
{
    probe_show_fault(p->show, slice_str(why), 0);
    probe_fail(p, EX_NOPERM, "no login");
    return false;
}

static slice offered(const struct probe_session *p)
{
    slice words = SLICE_NONE;
    return probe_offered(p, SLICE("AUTH"), &words) ? words : SLICE_NONE;
}

static bool has_plus(slice words)
{
    return slice_find(words, SLICE("-PLUS")) >= 0;
}

/* Without -PLUS the channel's binding is mentioned only to a host that does not offer it: to another it would be the lie that gives a man in the middle away. */
static enum err open_sasl(struct login *l, slice words)
{
    struct probe_session *p = l->p;
    const struct probe_options *o = p->o;
    uint8_t binding[TLS_BINDING_SIZE];
    bool bound = p->secured && tls_session_binding(p->link.tls, binding);
    struct sasl_client_options options = {
        .login = o->user,
        .secret = p->secret,
        .token = o->token_file.len > 0,
        .host = p->host,
        .port = o->target.port,
        .binding = bound ? slice_of(binding, sizeof binding) : SLICE_NONE,
        .certificate = p->secured && o->cert.len > 0,
        .may_plain = p->verified || p->loopback || o->insecure_login,
    };
    l->mechanism = o->mechanism.len > 0 ? o->mechanism : sasl_client_choose(words, &options);
    if (l->mechanism.len == 0)
        return ERR_NOTFOUND;
    if (!has_plus(l->mechanism) && has_plus(words))
        options.binding = SLICE_NONE;
    return sasl_client_open(l->mechanism, &options, &l->sasl);
}

/* Appends the next response in base64 to *hidden, which is kept to be recognized. */
static bool respond(struct login *l, slice challenge, bool first, buf *hidden)
{
    buf response;
    buf_init(&response, RESPONSE_MAX);
    enum sasl_status status = sasl_client_step(l->sasl, challenge, first, &response);
    l->proved = status == SASL_DONE;
    wipe(hidden);
    buf_init(hidden, 2 * RESPONSE_MAX);
    buf_append_base64(hidden, buf_slice(&response));
    wipe(&response);
    return status != SASL_REFUSED;
}

static bool say_auth(struct login *l)
{
    struct probe_session *p = l->p;
    buf line, shown;
    bool begins = sasl_client_begins(l->sasl);
    if (begins && !respond(l, SLICE_NONE, true, &p->hidden))
        return refuse(p, "the mechanism cannot begin with this login and password");
    buf_init(&line, 3 * RESPONSE_MAX);
    buf_init(&shown, RESPONSE_MAX);
    buf_printf(&line, "AUTH %.*s", SLICE_ARG(l->mechanism));
    buf_append(&shown, buf_slice(&line));
    if (begins && p->hidden.len == 0)
        buf_append(&line, SLICE(" ="));
    else if (begins)
        buf_printf(&line, " %.*s", SLICE_ARG(buf_slice(&p->hidden)));
    buf_append(&shown, begins && p->hidden.len > 0 ? SLICE(" (hidden)") : SLICE_NONE);
    buf_append_char(&shown, 0);
    bool said = buf_ok(&shown) && buf_ok(&line) && probe_say(p, buf_slice(&line), shown.ptr);
    wipe(&line);
    buf_deinit(&shown);
    return said;
}

/* One challenge answered. False: the exchange is over. */
static bool answer(struct login *l, slice text)
{
    struct probe_session *p = l->p;
    buf challenge;
    buf_init(&challenge, RESPONSE_MAX);
    bool good = buf_append_base64_decoded(&challenge, slice_trim(text)) == ERR_OK &&
                respond(l, buf_slice(&challenge), false, &p->hidden);
    wipe(&challenge);
    if (good)
        return probe_say(p, buf_slice(&p->hidden), p->hidden.len > 0 ? "(hidden)" : "");
    probe_show_fault(p->show, SLICE("the challenge, or the host's proof that it knows the password, is wrong"), 0);
    return probe_say(p, SLICE("*"), NULL);
}

/* The engine shows a challenge as what it is: what a host may put into it is not for the screen. */
static bool hear(struct probe_session *p, struct smtp_reply *reply_r)
{
    struct probe_show quiet = *p->show;
    const struct probe_show *show = p->show;
    quiet.quiet = true;
    p->show = &quiet;
    int64_t began = os_now_us();
    bool heard = probe_hear(p, SLICE("AUTH"), reply_r);
    p->show = show;
    struct smtp_reply shown = *reply_r;
    if (!heard) {
        probe_show_fault(show, SLICE("no reply to the login"), os_now_us() - began);
        return false;
    }
    if (shown.code == 334)
        shown.text = shown.text.len > 0 ? SLICE("(challenge)") : SLICE_NONE;
    probe_show_reply(show, SLICE("AUTH"), &shown, os_now_us() - began);
    return true;
}

static bool exchange(struct login *l)
{
    struct probe_session *p = l->p;
    struct smtp_reply r = {0};
    bool going = say_auth(l);
    for (int i = 0; going && i <= CHALLENGES_MAX; i++) {
        if (!hear(p, &r))
            return false;
        if (r.code != 334)
            break;
        going = answer(l, r.text);
    }
    if (!going)
        return false;
    if (r.code == 235 && !l->proved)
        return refuse(p, "the host took the login without having proved that it knows the password");
    if (r.code != 235)
        probe_fail(p, probe_status(r.code, EX_NOPERM), "login refused");
    return r.code == 235;
}

static bool not_for_us(struct probe_session *p, slice words)
{
    if (p->o->mechanism.len > 0)
        return refuse(
            p, p->verified || p->loopback || p->o->insecure_login
                   ? "this mechanism is not known, or lacks what it needs: --user, --token-file, --cert, or TLS 1.3"
                   : "this mechanism would show the secret, or lacks what it needs: TLS is not verified (--ca FILE, "
                     "--insecure-login)");
    if (words.len == 0)
        return refuse(p, "AUTH is not offered");
    return refuse(p, "none of the mechanisms that are offered will do: see --insecure-login where TLS is not verified");
}

bool probe_login(struct probe_session *p)
{
    struct login l = {.p = p};
    slice words = offered(p);
    if (p->o->user.len == 0 && p->o->mechanism.len == 0)
        return true;
    enum err e = open_sasl(&l, words);
    bool good = e == ERR_OK ? exchange(&l) : not_for_us(p, words);
    sasl_client_close(&l.sasl);
    p->signed_in = good;
    return good;
}
