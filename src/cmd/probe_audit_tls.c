/* SPDX-License-Identifier: ISC */
/* STARTTLS, what is worth of it, and logins without it. Old versions and weak suites are asked for with a ClientHello of our own: our library may not know them any more. */
#include "cmd/probe_audit.h"
#include "cmd/probe_hello.h"

#define DAY_S 86400
#define EXPIRY_WARNING_DAYS 14
#define RSA_BITS_LEAST 2048u
#define EC_BITS_LEAST 224u
#define HELLO_MAX 4096u
#define PORT_RELAY 25

static void unknown(struct probe_audit *a, const char *check)
{
    probe_audit_find(a,
                     &(struct probe_audit_about){check, PROBE_WARNING, "see with thurn probe -v what the server says"},
                     "could not be judged: the server did not answer as expected");
}

static bool has_tls(const struct probe_audit *a)
{
    return a->has_starttls || a->p->o->target.smtps;
}

/* Up to the point where TLS would begin, in the clear. */
static bool before_tls(struct probe_audit *a)
{
    struct smtp_reply r;
    if (a->p->o->target.smtps)
        return probe_audit_connect(a);
    return probe_audit_plain(a) && probe_ask(a->p, SLICE("STARTTLS"), &r) && r.code == 220;
}

/* A command in the same packet as STARTTLS must be forgotten: a server that runs it behind the handshake runs what somebody else has put there (CVE-2011-0411). */
static void try_injection(struct probe_audit *a)
{
    static const char check[] = "injection",
                      remedy[] = "update the server: what came before the handshake must be discarded";
    struct probe_session *p = a->p;
    struct smtp_reply r = {0};
    if (!probe_audit_plain(a)) {
        unknown(a, check);
        return;
    }
    probe_show_sent(p->show, SLICE("STARTTLS, and NOOP in the same packet"));
    if (probe_link_write(&p->link, SLICE("STARTTLS\r\nNOOP\r\n")) != ERR_OK || !probe_hear(p, SLICE("STARTTLS"), &r) ||
        r.code != 220) {
        probe_audit_find(a, &(struct probe_audit_about){check, PROBE_OK, ""},
                         "STARTTLS with a command behind it is refused");
        return;
    }
    if (p->link.in.len > 0) {
        probe_audit_find(a, &(struct probe_audit_about){check, PROBE_BAD, remedy},
                         "a command behind STARTTLS is answered in the clear");
        return;
    }
    if (probe_link_secure(&p->link, a->tls, p->host) != ERR_OK) {
        probe_audit_find(a, &(struct probe_audit_about){check, PROBE_OK, ""},
                         "no TLS comes of a STARTTLS with a command behind it");
        return;
    }
    bool heard = probe_ask(p, SLICE("XPROBE"), &r);
    if (heard && r.code / 100 == 2)
        probe_audit_find(a, &(struct probe_audit_about){check, PROBE_BAD, remedy},
                         "a command from before the handshake is run behind it");
    else
        probe_audit_find(a, &(struct probe_audit_about){check, PROBE_OK, ""},
                         "a command from before the handshake is forgotten");
}

void probe_audit_starttls(struct probe_audit *a)
{
    if (a->p->o->target.smtps)
        return;
    if (!a->has_starttls) {
        probe_audit_find(a, &(struct probe_audit_about){"starttls", PROBE_WARNING, "give the server a certificate"},
                         "STARTTLS is not offered: mail comes in the clear");
        return;
    }
    probe_audit_find(a, &(struct probe_audit_about){"starttls", PROBE_OK, ""}, "STARTTLS is offered");
    try_injection(a);
}

static void judge_key(struct probe_audit *a, const struct tls_facts *f)
{
    bool rsa = slice_starts_nocase(f->key, SLICE("RSA"));
    bool weak = rsa ? f->key_bits < RSA_BITS_LEAST : f->key_bits < EC_BITS_LEAST;
    probe_audit_find(
        a,
        &(struct probe_audit_about){"key", weak ? PROBE_BAD : PROBE_OK, "make a new key: RSA of 2048 bits, or P-256"},
        "the certificate's key is %.*s of %u bits", SLICE_ARG(f->key), f->key_bits);
}

/* Between servers a certificate need not be valid; a user's program refuses one that is not. */
static void judge_certificate(struct probe_audit *a, const struct tls_facts *f)
{
    static const char check[] = "certificate";
    int64_t left = f->until_s - os_wall_s();
    enum probe_finding_kind wrong = a->place.address.port == PORT_RELAY ? PROBE_WARNING : PROBE_BAD;
    if (left < 0)
        probe_audit_find(a, &(struct probe_audit_about){check, PROBE_BAD, "renew it"},
                         "the certificate expired %lld days ago", (long long)(-left / DAY_S));
    else if (!f->name_ok)
        probe_audit_find(
            a, &(struct probe_audit_about){check, wrong, "get one for the name that clients know the server by"},
            "the certificate is not for %.*s", SLICE_ARG(a->place.name));
    else if (!f->chain_ok)
        probe_audit_find(
            a,
            &(struct probe_audit_about){
                check, wrong, "get one of a known authority, and put its intermediate certificates behind it"},
            "the certificate's chain is not trusted: %.*s", SLICE_ARG(f->chain_why));
    else
        probe_audit_find(a,
                         &(struct probe_audit_about){
                             check, left < EXPIRY_WARNING_DAYS * DAY_S ? PROBE_WARNING : PROBE_OK, "renew it soon"},
                         "the certificate fits, and expires in %lld days", (long long)(left / DAY_S));
}

void probe_audit_certificate(struct probe_audit *a)
{
    struct probe_session *p = a->p;
    struct tls_facts f;
    if (!has_tls(a))
        return;
    if (!before_tls(a) || probe_link_secure(&p->link, a->tls, p->host) != ERR_OK ||
        tls_session_facts(p->link.tls, p->host, &p->arena, &f) != ERR_OK || !f.has_certificate) {
        probe_audit_find(a, &(struct probe_audit_about){"certificate", PROBE_BAD, "see with thurn probe -v"},
                         "no handshake with a certificate: %s", p->link.fault[0] ? p->link.fault : "no answer");
        return;
    }
    judge_certificate(a, &f);
    judge_key(a, &f);
}

enum offer { OFFER_TAKEN, OFFER_REFUSED, OFFER_UNKNOWN };

static enum offer offer_hello(struct probe_audit *a, struct probe_hello *h)
{
    struct probe_link *l = &a->p->link;
    struct probe_hello_taken taken = {0};
    struct socket_address address;
    uint8_t random[PROBE_HELLO_RANDOM];
    char memory[HELLO_MAX];
    buf out;
    if (!before_tls(a))
        return OFFER_UNKNOWN;
    buf_init_fixed(&out, memory, sizeof memory);
    os_random(random, sizeof random);
    if (socket_address_parse(a->place.name, 0, &address) != ERR_OK)
        h->name = a->place.name;
    probe_hello_write(&out, h, random);
    if (!buf_ok(&out) || probe_link_write(l, buf_slice(&out)) != ERR_OK)
        return OFFER_UNKNOWN;
    for (;;) {
        enum probe_hello_answer answer = probe_hello_read(buf_slice(&l->in), &taken);
        if (answer != PROBE_HELLO_MORE)
            return answer == PROBE_HELLO_TAKEN && taken.version == h->version ? OFFER_TAKEN : OFFER_REFUSED;
        enum err e = probe_link_more(l);
        if (e != ERR_OK)
            return e == ERR_CLOSED ? OFFER_REFUSED : OFFER_UNKNOWN;
    }
}

/* Anonymous suites are left out: between servers they are no worse than a certificate that nobody checks. */
static const uint16_t usual[] = {0xc013, 0xc014, 0xc009, 0xc00a, 0x0033, 0x0039, 0x002f,
                                 0x0035, 0xc012, 0xc008, 0x0016, 0x000a, 0x0005, 0x00ff};
static const uint16_t broken[] = {0x0001, 0x0002, 0x003b, 0xc006, 0xc010, 0x0003, 0x0006, 0x0008,
                                  0x0014, 0x0009, 0x0015, 0x0004, 0x0005, 0xc007, 0xc011, 0x00ff};
static const uint16_t triple_des[] = {0x000a, 0x0016, 0xc012, 0xc008, 0x00ff};
static const uint16_t rsa_exchange[] = {0x002f, 0x0035, 0x003c, 0x003d, 0x009c, 0x009d, 0x00ff};

#define SUITES(list) list, sizeof list / sizeof list[0]
static const struct {
    const char *check, *good, *found, *remedy;
    uint16_t version;
    const uint16_t *suites;
    size_t count;
    enum probe_finding_kind kind;
} offers[] = {
    {"tls-1.0", "TLS 1.0 is refused", "TLS 1.0 is taken (RFC 8996 retires it)", "allow TLS 1.2 and 1.3 only", 0x0301,
     SUITES(usual), PROBE_WARNING},
    {"tls-1.1", "TLS 1.1 is refused", "TLS 1.1 is taken (RFC 8996 retires it)", "allow TLS 1.2 and 1.3 only", 0x0302,
     SUITES(usual), PROBE_WARNING},
    {"ciphers", "no RC4, DES, export or null ciphers", "RC4, DES, export or null ciphers are taken",
     "switch them off: they protect nothing", 0x0303, SUITES(broken), PROBE_BAD},
    {"3des", "no 3DES", "3DES is taken", "switch it off", 0x0303, SUITES(triple_des), PROBE_WARNING},
    {"key-exchange", "no key exchange by RSA alone", "key exchange by RSA alone is taken: no forward secrecy",
     "allow ECDHE (and DHE) suites only", 0x0303, SUITES(rsa_exchange), PROBE_WARNING},
};

void probe_audit_versions(struct probe_audit *a)
{
    for (size_t i = 0; has_tls(a) && i < sizeof offers / sizeof offers[0]; i++) {
        struct probe_hello h = {.version = offers[i].version, .suites = offers[i].suites, .count = offers[i].count};
        switch (offer_hello(a, &h)) {
        case OFFER_TAKEN:
            probe_audit_find(a, &(struct probe_audit_about){offers[i].check, offers[i].kind, offers[i].remedy}, "%s",
                             offers[i].found);
            break;
        case OFFER_REFUSED:
            probe_audit_find(a, &(struct probe_audit_about){offers[i].check, PROBE_OK, ""}, "%s", offers[i].good);
            break;
        case OFFER_UNKNOWN:
            unknown(a, offers[i].check);
            break;
        }
    }
}

/* Nothing of a login is said: whether the server would take one is in its first answer. */
static void judge_plain_login(struct probe_audit *a)
{
    struct smtp_reply r = {0};
    bool offered = probe_offered(a->p, SLICE("AUTH"), NULL);
    bool asked = probe_ask(a->p, SLICE("AUTH PLAIN"), &r);
    if (asked && r.code == 334)
        probe_audit_find(a,
                         &(struct probe_audit_about){"auth-plaintext", a->p->loopback ? PROBE_WARNING : PROBE_BAD,
                                                     "take logins over TLS only, and offer AUTH only behind STARTTLS"},
                         "passwords are taken without TLS: whoever listens has them");
    else if (offered)
        probe_audit_find(
            a, &(struct probe_audit_about){"auth-plaintext", PROBE_WARNING, "offer AUTH only behind STARTTLS"},
            "AUTH is offered without TLS, though refused: simple clients show their password all the same");
    else
        probe_audit_find(a, &(struct probe_audit_about){"auth-plaintext", PROBE_OK, ""}, "no login without TLS");
}

void probe_audit_auth(struct probe_audit *a)
{
    if (!a->p->o->target.smtps) {
        if (probe_audit_plain(a))
            judge_plain_login(a);
        else
            unknown(a, "auth-plaintext");
    }
    if (a->place.address.port != PORT_RELAY)
        return;
    if (!probe_audit_begin(a))
        unknown(a, "auth-port-25");
    else if (probe_offered(a->p, SLICE("AUTH"), NULL))
        probe_audit_find(
            a, &(struct probe_audit_about){"auth-port-25", PROBE_WARNING, "offer AUTH on ports 465 and 587 only"},
            "AUTH is offered on port 25: every guesser of passwords tries there");
    else
        probe_audit_find(a, &(struct probe_audit_about){"auth-port-25", PROBE_OK, ""},
                         "AUTH is not offered on port 25");
}
