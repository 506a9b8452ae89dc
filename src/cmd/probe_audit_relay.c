/* SPDX-License-Identifier: ISC */
/* RCPT for strangers in every spelling that has opened a relay before; and what VRFY and EXPN tell. */
#include "cmd/probe_audit.h"

#define TEXT_MAX 1024u
#define RECONNECTS_MAX 8u
#define SHOWN_MAX 3u

struct form {
    const char *from, *to;
    bool certain; /* once it is taken, the server would send it on; the others could be a mailbox of a catch-all */
};

static const struct form forms[] = {
    {"{u}@{d}", "{u}@{d}", true},
    {"", "{u}@{d}", true},
    {"postmaster@{h}", "{u}@{d}", true},
    {"{u}@[{i}]", "{u}@{d}", true},
    {"{u}@localhost", "{u}@{d}", true},
    {"{u}@{d}", "{u}@{d}.", true},
    {"{u}@{d}", "postmaster@[192.0.2.1]", true},
    {"{u}@{d}", "@{h}:{u}@{d}", true},
    {"{u}@{d}", "@[{i}]:{u}@{d}", true},
    {"{u}@{d}", "{h}!{u}@{d}", true},
    {"{u}@{d}", "{u}%{d}@{h}", false},
    {"{u}@{d}", "{u}%{d}@[{i}]", false},
    {"{u}@{d}", "{u}%{d}", false},
    {"{u}@{d}", "{u}@{d}@{h}", false},
    {"{u}@{d}", "\"{u}@{d}\"@{h}", false},
    {"{u}@{d}", "\"{u}%{d}\"@{h}", false},
    {"{u}@{d}", "\"{u}@{d}\"", false},
    {"{u}@{d}", "{d}!{u}", false},
    {"{u}@{d}", "{d}!{u}@{h}", false},
    {"{u}@{d}", "{d}!{u}@[{i}]", false},
};
#define FORM_COUNT (sizeof forms / sizeof forms[0])

struct form_list {
    buf text; /* the first few, for people */
    size_t count;
};

struct relay {
    struct probe_audit *audit;
    slice values[4];
    char ip[64], nobody[64];
    unsigned reconnects;
    bool catch_all;
    struct form_list accepted, doubtful;
    size_t refused, unknown;
};

void probe_audit_form(buf *out, const char *pattern, const slice values[4])
{
    static const char names[] = "udhi";
    for (const char *c = pattern; *c; c++) {
        const char *at = *c == '{' && c[1] && c[2] == '}' ? strchr(names, c[1]) : NULL;
        if (at) {
            buf_append(out, values[at - names]);
            c += 2;
        } else {
            buf_append_char(out, *c);
        }
    }
}

static bool ask_line(struct relay *r, const char *verb, const char *pattern, struct smtp_reply *reply)
{
    char memory[TEXT_MAX];
    buf line;
    buf_init_fixed(&line, memory, sizeof memory);
    buf_printf(&line, "%s<", verb);
    probe_audit_form(&line, pattern, r->values);
    buf_append_char(&line, '>');
    return buf_ok(&line) && probe_ask(r->audit->p, buf_slice(&line), reply);
}

/* The code of RCPT, or of what was refused before it; 0: no answer. Servers hang up after so many errors: then it is asked again on a connection of its own. */
static uint16_t ask_form(struct relay *r, const struct form *f)
{
    struct smtp_reply reply = {0};
    for (int i = 0; i < 2; i++) {
        if (r->audit->p->link.fd < 0 && (r->reconnects++ >= RECONNECTS_MAX || !probe_audit_begin(r->audit)))
            return 0;
        if (probe_ask(r->audit->p, SLICE("RSET"), &reply) && ask_line(r, "MAIL FROM:", f->from, &reply) &&
            (reply.code != 250 || ask_line(r, "RCPT TO:", f->to, &reply)) && reply.code != 421)
            return reply.code;
        probe_link_close(&r->audit->p->link);
    }
    return 0;
}

static void note(struct form_list *forms_taken, const struct relay *r, const struct form *f)
{
    buf *list = &forms_taken->text;
    if (forms_taken->count++ >= SHOWN_MAX)
        return;
    buf_append(list, list->len > 0 ? SLICE(", ") : SLICE_NONE);
    buf_append_char(list, '<');
    probe_audit_form(list, f->to, r->values);
    buf_append_char(list, '>');
    if (strcmp(f->from, "{u}@{d}") != 0) {
        buf_append(list, SLICE(" from <"));
        probe_audit_form(list, f->from, r->values);
        buf_append_char(list, '>');
    }
}

static void say_relay(struct relay *r)
{
    struct probe_audit *a = r->audit;
    const struct form_list *list = r->accepted.count > 0 ? &r->accepted : &r->doubtful;
    const char *near =
        a->p->loopback ? " (asked from this machine, which servers often trust: ask from outside, too)" : "";
    if (r->accepted.count > 0)
        probe_audit_find(
            a,
            &(struct probe_audit_about){
                "relay", PROBE_BAD,
                "let only those who have signed in, and your own networks, send to domains that are not yours"},
            "open relay: strangers may send to strangers in %zu of %zu ways: %.*s%s%s", list->count, FORM_COUNT,
            SLICE_ARG(buf_slice(&list->text)), list->count > SHOWN_MAX ? ", ..." : "", near);
    else if (r->doubtful.count > 0)
        probe_audit_find(
            a,
            &(struct probe_audit_about){
                "relay", PROBE_WARNING,
                "see in the server's configuration or log that such mail goes to a mailbox of yours and nowhere else"},
            "any mailbox of %.*s is taken, so these may be mailboxes or a relay: %.*s%s", SLICE_ARG(a->own),
            SLICE_ARG(buf_slice(&list->text)), list->count > SHOWN_MAX ? ", ..." : "");
    else if (r->refused == 0)
        probe_audit_find(
            a, &(struct probe_audit_about){"relay", PROBE_WARNING, "try again later, or from another address"},
            "could not be judged: no lasting answer to any of %zu forms", FORM_COUNT);
    else
        probe_audit_find(a, &(struct probe_audit_about){"relay", PROBE_OK, ""},
                         "%zu forms of a stranger's address refused%s%s", r->refused,
                         r->unknown > 0 ? ", some without a lasting answer" : "", near);
}

void probe_audit_relay(struct probe_audit *a)
{
    struct relay r = {.audit = a};
    uint32_t random;
    buf ip, nobody;
    buf_init_fixed(&ip, r.ip, sizeof r.ip);
    buf_init_fixed(&nobody, r.nobody, sizeof r.nobody - 1);
    buf_append(&ip, a->place.address.ip_len == 16 ? SLICE("IPv6:") : SLICE_NONE);
    address_ip_print(&ip, a->place.address.ip, a->place.address.ip_len);
    os_random(&random, sizeof random);
    buf_printf(&nobody, "thurn-probe-%08x@{h}", (unsigned)random);
    r.nobody[nobody.len] = 0;
    const slice values[4] = {a->stranger, a->stranger_domain, a->own, buf_slice(&ip)};
    memcpy(r.values, values, sizeof values);
    buf_init(&r.accepted.text, 1u << 14);
    buf_init(&r.doubtful.text, 1u << 14);
    probe_link_close(&a->p->link);
    r.catch_all = ask_form(&r, &(struct form){"{u}@{d}", r.nobody, false}) / 100 == 2;
    for (size_t i = 0; i < FORM_COUNT; i++) {
        uint16_t code = ask_form(&r, &forms[i]);
        if (code / 100 == 2)
            note(forms[i].certain || !r.catch_all ? &r.accepted : &r.doubtful, &r, &forms[i]);
        r.refused += code >= 500;
        r.unknown += code / 100 != 2 && code < 500;
    }
    say_relay(&r);
    buf_deinit(&r.accepted.text);
    buf_deinit(&r.doubtful.text);
}

static uint16_t ask_word(struct probe_audit *a, const char *verb, slice word)
{
    struct smtp_reply reply = {0};
    char memory[TEXT_MAX];
    buf line;
    buf_init_fixed(&line, memory, sizeof memory);
    buf_printf(&line, "%s %.*s", verb, SLICE_ARG(word));
    return buf_ok(&line) && probe_ask(a->p, buf_slice(&line), &reply) ? reply.code : 0;
}

void probe_audit_verify(struct probe_audit *a)
{
    slice known = a->p->o->to_count > 0 ? a->p->o->to[0] : SLICE("postmaster");
    if (!probe_audit_begin(a)) {
        probe_audit_find(a, &(struct probe_audit_about){"vrfy", PROBE_WARNING, "try again later"},
                         "could not be judged: no connection");
        return;
    }
    uint16_t vrfy = ask_word(a, "VRFY", known), expn = ask_word(a, "EXPN", known);
    if (vrfy == 250 || vrfy == 251)
        probe_audit_find(a,
                         &(struct probe_audit_about){"vrfy", PROBE_WARNING,
                                                     "switch VRFY off for strangers: it then answers 252 to all"},
                         "VRFY tells strangers which addresses exist (%u)", vrfy);
    else
        probe_audit_find(a, &(struct probe_audit_about){"vrfy", PROBE_OK, ""}, "VRFY tells strangers nothing (%u)",
                         vrfy);
    if (expn == 250)
        probe_audit_find(a, &(struct probe_audit_about){"expn", PROBE_WARNING, "switch EXPN off for strangers"},
                         "EXPN shows strangers who is behind an address");
    else
        probe_audit_find(a, &(struct probe_audit_about){"expn", PROBE_OK, ""}, "EXPN shows strangers nothing (%u)",
                         expn);
}
