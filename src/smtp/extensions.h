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
    SMTP_UTF8,
    SMTP_DSN,
    SMTP_DELIVERBY,
    SMTP_FUTURERELEASE,
    SMTP_PRIORITY,
    SMTP_REQUIRETLS,
    SMTP_LIMITS,
    SMTP_ETRN,
    SMTP_XCLIENT,
    SMTP_XFORWARD,
    SMTP_XTAG,
    SMTP_HELP,
    SMTP_EXTENSION_COUNT
};

/* What the next hop does not offer and a message would use. */
enum smtp_downgrade {
    SMTP_DOWNGRADE_OMIT,   /* do without it */
    SMTP_DOWNGRADE_REFUSE, /* a message that declares it is refused; one that merely has it goes as it is */
};

/* A host's EHLO reply. */
struct smtp_offer {
    uint32_t bits; /* 1 << enum smtp_extension_id */
    uint64_t size; /* the host's maximum, 0 unknown or none */
    bool plain, login;
};

enum { SMTP_PARAMETERS = 2 };

struct smtp_extension {
    slice keyword;
    bool (*offered)(const struct smtp_server *s);
    void (*arguments)(const struct smtp_server *s, buf *b);             /* or NULL */
    struct smtp_parameter mail[SMTP_PARAMETERS], rcpt[SMTP_PARAMETERS]; /* without a function: none */
    enum status missing; /* a parameter where it is not offered; STATUS_OK: it is unknown, 555 */
    void (*learn)(struct smtp_offer *offer, slice arguments); /* or NULL */
    enum smtp_downgrade downgrade;
    slice help;
};

const struct smtp_extension *smtp_extension_at(enum smtp_extension_id id);
/* The row, or NULL. */
const struct smtp_extension *smtp_extension_find(slice keyword);
/* Notes one line of an EHLO reply, without its code; the lines after the first only. */
void smtp_offer_learn(struct smtp_offer *offer, slice line);
bool smtp_offer_has(const struct smtp_offer *offer, enum smtp_extension_id id);
/* True when a word is in a list of words between spaces, no matter its case. */
bool smtp_word_in(slice list, slice word);

#endif
