/* SPDX-License-Identifier: ISC */
/* The extensions of SMTP, one table row each (extensions.c), for both sides: the EHLO keyword, when the server offers it and with what arguments, the parameters
 * that it adds to MAIL and RCPT, what HELP says; and for the client what it learns from a host's EHLO, and what happens to a
 * message when the next hop lacks it. */
#ifndef SMTP_EXTENSIONS_H
#define SMTP_EXTENSIONS_H

#include "smtp/verbs.h"

enum smtp_extension_id {
    SMTP_PIPELINING,
    SMTP_SIZE,
    SMTP_STARTTLS,
    SMTP_AUTH,
    SMTP_ENHANCED_CODES,
    SMTP_8BITMIME,
    SMTP_CHUNKING,
    SMTP_BINARYMIME,
    SMTP_SMTPUTF8,
    SMTP_DSN,
    SMTP_DELIVERBY,
    SMTP_FUTURERELEASE,
    SMTP_MT_PRIORITY,
    SMTP_REQUIRETLS,
    SMTP_LIMITS,
    SMTP_ETRN,
    SMTP_EXPN,
    SMTP_XCLIENT,
    SMTP_XFORWARD,
    SMTP_XTAG,
    SMTP_HELP,
    SMTP_EXTENSION_COUNT
};

struct smtp_client;

enum { SMTP_MECHANISMS_MAX = 512 };

/* A host's EHLO reply. */
struct smtp_offer {
    uint32_t bits; /* 1 << enum smtp_extension_id */
    uint64_t size; /* the host's maximum, 0 unknown or none */
    int64_t deliver_by_min_s;
    uint32_t rcpt_max, mail_max, rcpt_domain_max; /* 0 unknown */
    uint16_t mechanisms_len;
    char mechanisms[SMTP_MECHANISMS_MAX];
};

/* What the next hop does not offer, or not as the message needs it. */
enum smtp_downgrade {
    SMTP_DOWNGRADE_OMIT,    /* do without it */
    SMTP_DOWNGRADE_CONVERT, /* the caller converts the content, or says that it shall go as it is; else refused */
    SMTP_DOWNGRADE_REFUSE,  /* a message that needs it is refused for good, without asking */
};

/* The client's half of a row (offer.c, client_extensions.c). A NULL learn: the keyword says all. A NULL needed: no message needs it; a NULL usable: as soon as it is offered. mail and rcpt append
 * parameters, where the host offers it and it is usable. */
struct smtp_extension_client {
    void (*learn)(struct smtp_offer *offer, slice arguments);
    bool (*needed)(const struct smtp_client *c);
    bool (*usable)(const struct smtp_client *c);
    void (*mail)(struct smtp_client *c);
    void (*rcpt)(struct smtp_client *c, const struct recipient *r);
    enum smtp_downgrade downgrade;
    enum status refusal;
};

enum { SMTP_PARAMETERS = 2 };

struct smtp_extension {
    slice keyword;
    slice line; /* "250 PIPELINING" and its CRLF: all that EHLO says where there are no arguments */
    bool (*offered)(const struct smtp_server *s);
    void (*arguments)(const struct smtp_server *s, buf *b);             /* or NULL */
    struct smtp_parameter mail[SMTP_PARAMETERS], rcpt[SMTP_PARAMETERS]; /* without a function: none */
    enum status missing; /* a parameter where it is not offered; STATUS_OK: it is unknown, 555 */
    slice help;
    struct smtp_extension_client client;
};

const struct smtp_extension *smtp_extension_at(enum smtp_extension_id id);
/* The row, or NULL. */
const struct smtp_extension *smtp_extension_find(slice keyword);
/* Notes one line of an EHLO reply, without its code; the lines after the first only. */
void smtp_offer_learn(struct smtp_offer *offer, slice line);
bool smtp_offer_has(const struct smtp_offer *offer, enum smtp_extension_id id);
/* offer.c: what stands behind a keyword. What is malformed is as if it were not there. */
void smtp_offer_size(struct smtp_offer *offer, slice arguments);
void smtp_offer_auth(struct smtp_offer *offer, slice arguments);
void smtp_offer_deliver_by(struct smtp_offer *offer, slice arguments);
void smtp_offer_limits(struct smtp_offer *offer, slice arguments);
/* True when a word is in a list of words between spaces, no matter its case. */
bool smtp_word_in(slice list, slice word);

#endif
