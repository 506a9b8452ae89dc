/* SPDX-License-Identifier: ISC */
#include "cmd/probe_audit.h"

#define STRANGER "thurn-probe@example.com"

int probe_audit_plan(const struct probe_options *o)
{
    (void)printf("This would try on %.*s, one connection after the other (at most %u, in at most %d minutes):\n\n"
                 "  relay       RCPT for addresses of strangers (%.*s), written in every way that has opened a\n"
                 "              relay before, and VRFY and EXPN; no message is sent to any of them\n"
                 "  TLS         STARTTLS, injection behind it, versions, ciphers, key exchange, the certificate\n"
                 "  login       whether AUTH is offered without TLS, or on port 25; no password is tried\n"
                 "  lines       the greeting, commands before it, SIZE, a line of 128 KiB\n"
                 "  smuggling   %s%.*s\n\n"
                 "It is safe for a server of your own. Do not do it to others'. Say --yes to begin.\n",
                 SLICE_ARG(o->target.host), PROBE_AUDIT_CONNECTIONS_MAX, PROBE_AUDIT_MS / 60000,
                 SLICE_ARG(o->relay_to.len > 0 ? o->relay_to : SLICE(STRANGER)),
                 o->to_count > 0 ? "false ends of a message; one test message (more if it is bad) goes to "
                                 : "not tried: it sends a test message, so it needs --to with an address of your own",
                 SLICE_ARG(o->to_count > 0 ? o->to[0] : SLICE_NONE));
    return EX_USAGE;
}

void probe_audit_find(struct probe_audit *a, const struct probe_audit_about *about, const char *format, ...)
{
    buf b;
    va_list args;
    buf_init(&b, 1u << 16);
    va_start(args, format);
    buf_vprintf(&b, format, args);
    va_end(args);
    a->found[about->kind]++;
    probe_show_finding(a->show,
                       &(struct probe_finding){about->check, about->kind, buf_slice(&b),
                                               about->kind == PROBE_OK ? SLICE_NONE : slice_str(about->remedy)});
    buf_deinit(&b);
}

bool probe_audit_connect(struct probe_audit *a)
{
    struct probe_session *p = a->p;
    probe_link_close(&p->link);
    p->status = 0;
    p->secured = p->verified = p->greeted = false;
    p->offer = SLICE_NONE;
    if (a->connections >= PROBE_AUDIT_CONNECTIONS_MAX || os_now_ms() > p->link.end_ms)
        return false;
    a->connections++;
    p->host = a->place.name;
    p->loopback = probe_is_loopback(&a->place.address);
    return probe_link_open(&p->link, &a->place.address, p->o->has_source ? &p->o->source : NULL) == ERR_OK;
}

static bool secure(struct probe_audit *a)
{
    struct probe_session *p = a->p;
    p->secured = probe_link_secure(&p->link, a->tls, p->host) == ERR_OK;
    return p->secured;
}

bool probe_audit_plain(struct probe_audit *a)
{
    return probe_audit_connect(a) && (!a->p->o->target.smtps || secure(a)) && probe_greeting(a->p) && probe_helo(a->p);
}

bool probe_audit_begin(struct probe_audit *a)
{
    struct probe_session *p = a->p;
    struct smtp_reply r;
    if (!probe_audit_plain(a))
        return false;
    if (p->secured || !probe_offered(p, SLICE("STARTTLS"), NULL))
        return true;
    return probe_ask(p, SLICE("STARTTLS"), &r) && r.code == 220 && secure(a) && probe_helo(p);
}

size_t probe_audit_replies(struct probe_audit *a, uint16_t until, size_t max, uint16_t *first_r)
{
    struct smtp_reply r;
    uint16_t first = 0;
    size_t count = 0;
    while (count < max && probe_hear(a->p, SLICE_NONE, &r) && r.code != until) {
        first = first ? first : r.code;
        count++;
    }
    *first_r = first;
    return count;
}

static slice domain_of(slice address)
{
    return slice_skip(address, (size_t)(slice_rfind_char(address, '@') + 1));
}

/* The first host that answers, and what its greeting and EHLO say. */
static bool find_host(struct probe_audit *a, const struct probe_places *places)
{
    struct probe_session *p = a->p;
    struct smtp_reply r;
    slice name, rest;
    for (size_t i = 0; i < places->count; i++) {
        a->place = places->of[i];
        if (!probe_audit_connect(a) || (p->o->target.smtps && !secure(a)) || !probe_hear(p, SLICE("connect"), &r) ||
            r.code != 220)
            continue;
        if (arena_copy(&p->arena, r.text, &a->greeting) != ERR_OK || !probe_helo(p))
            continue;
        (void)slice_cut(a->greeting, ' ', &name, &rest);
        a->own = p->o->to_count > 0 ? domain_of(p->o->to[0]) : name;
        a->has_starttls = probe_offered(p, SLICE("STARTTLS"), NULL);
        return true;
    }
    return false;
}

static int finish(struct probe_audit *a, bool reached)
{
    char memory[512];
    buf b;
    int status = !reached ? EX_UNAVAILABLE : a->found[PROBE_BAD] > 0 ? EX_DATAERR : 0;
    buf_init_fixed(&b, memory, sizeof memory);
    if (reached)
        buf_printf(&b, "audit: %u bad, %u warning%s, %u ok; %u connections", a->found[PROBE_BAD],
                   a->found[PROBE_WARNING], a->found[PROBE_WARNING] == 1 ? "" : "s", a->found[PROBE_OK],
                   a->connections);
    else
        buf_append(&b, SLICE("no host could be reached"));
    probe_show_result(a->show, &(struct probe_result){buf_slice(&b), status, "none", reached});
    return status;
}

int probe_audit(struct probe_session *p, const struct probe_places *places, const struct tls_client *t)
{
    static void (*const checks[])(struct probe_audit *) = {
        probe_audit_greeting,    probe_audit_pregreet,  probe_audit_size,     probe_audit_starttls,
        probe_audit_certificate, probe_audit_versions,  probe_audit_auth,     probe_audit_relay,
        probe_audit_verify,      probe_audit_long_line, probe_audit_smuggling};
    struct probe_show steps = *p->show;
    slice stranger = p->o->relay_to.len > 0 ? p->o->relay_to : SLICE(STRANGER);
    struct probe_audit a = {.p = p, .show = p->show, .tls = t, .stranger_domain = domain_of(stranger)};
    (void)slice_cut(stranger, '@', &a.stranger, &stranger);
    steps.quiet = !p->o->verbose;
    p->link.end_ms = os_now_ms() + PROBE_AUDIT_MS;
    p->show = &steps;
    bool reached = find_host(&a, places);
    for (size_t i = 0; reached && i < sizeof checks / sizeof checks[0]; i++)
        checks[i](&a);
    if (os_now_ms() > p->link.end_ms || a.connections >= PROBE_AUDIT_CONNECTIONS_MAX)
        probe_audit_find(&a,
                         &(struct probe_audit_about){"bounds", PROBE_WARNING,
                                                     "look at the checks above one by one, with thurn probe -v"},
                         "time or connections were used up: what is warned of may not have been tried");
    p->show = a.show;
    probe_link_close(&p->link);
    return finish(&a, reached);
}
