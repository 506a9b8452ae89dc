/* SPDX-License-Identifier: ISC */
/* The verbs of the server, one table row each (verbs.c): where they are legal, whether they take an argument, what runs, what HELP says. A verb that needs
 * the caller's decision has a second function for the answer. A verb that is more than a few lines has a file of its own, verb_NAME.c. */
#ifndef SMTP_VERBS_H
#define SMTP_VERBS_H

#include "smtp/session.h"

enum smtp_verb_argument { SMTP_ARGUMENT_NONE, SMTP_ARGUMENT_OPTIONAL, SMTP_ARGUMENT_REQUIRED };

struct smtp_verb {
    slice name;
    uint8_t states;                                     /* enum smtp_dialogue, or-ed */
    uint8_t argument;                                   /* enum smtp_verb_argument */
    bool bare_replies;                                  /* without enhanced codes, RFC 2034 section 3 */
    bool after_login;                                   /* refused before login where login is required */
    slice out_of_order;                                 /* the 503's text where it is not legal */
    void (*run)(struct smtp_server *s, slice argument); /* NULL: known and not implemented, 502 */
    slice help;                                         /* lines joined by LF; empty: not listed */
    bool utf8;                                          /* the argument may hold UTF-8 (RFC 6531 section 3.1) */
    bool (*known)(const struct smtp_server *s);         /* or NULL: always; 500 where it is not */
    bool octets;                                        /* what follows are no commands: see smtp_verb_lost_count */
};

/* The row, or NULL. */
const struct smtp_verb *smtp_verb_find(slice name);
/* The i-th row, or NULL at the end. */
const struct smtp_verb *smtp_verb_at(size_t i);
/* Of a line that is too long: true when it is a browser's, or a BDAT, by its beginning; the session has then been ended. */
bool smtp_verb_refuse_unread(struct smtp_server *s, slice beginning);
void smtp_verb_refuse_http(struct smtp_server *s);
/* A BDAT that cannot be read: how many octets follow, and where the next command begins, nobody knows. Replies and ends the session. */
void smtp_verb_lost_count(struct smtp_server *s, enum status status, slice text);

/* The 503 to a client that has not said who it is. */
slice smtp_verb_greet_first(const struct smtp_server *s);

/* One more parameter of MAIL or RCPT, "NAME=VALUE", or "NAME" alone. Returns STATUS_OK or why not. */
struct smtp_parameter {
    slice name;
    bool alone; /* it takes no value; every other one must have one */
    bool kept;  /* s->mail or s->rcpt is there when it is taken */
    enum status (*take)(struct smtp_server *s, slice value);
};

/* Reads " NAME=VALUE NAME" by the tables of what is offered; replies and returns false when it refuses. */
bool smtp_parameters_take(struct smtp_server *s, slice rest, bool rcpt);

/* parameters.c: what MAIL and RCPT can say. */
enum status smtp_take_size(struct smtp_server *s, slice value);
enum status smtp_take_body(struct smtp_server *s, slice value);
enum status smtp_take_smtputf8(struct smtp_server *s, slice value);
enum status smtp_take_requiretls(struct smtp_server *s, slice value);
enum status smtp_take_auth(struct smtp_server *s, slice value);
enum status smtp_take_ret(struct smtp_server *s, slice value);
enum status smtp_take_envid(struct smtp_server *s, slice value);
enum status smtp_take_notify(struct smtp_server *s, slice value);
enum status smtp_take_orcpt(struct smtp_server *s, slice value);
enum status smtp_take_by(struct smtp_server *s, slice value);
enum status smtp_take_hold_for(struct smtp_server *s, slice value);
enum status smtp_take_hold_until(struct smtp_server *s, slice value);
enum status smtp_take_priority(struct smtp_server *s, slice value);
enum status smtp_take_tag(struct smtp_server *s, slice value);

/* The 220 of a connection, or of one that was taken over by XCLIENT; v may refuse. Without enhanced codes (RFC 2034 section 3). */
void smtp_greet(struct smtp_server *s, const struct verdict *v);
void smtp_verb_ehlo(struct smtp_server *s, slice argument);
void smtp_verb_helo(struct smtp_server *s, slice argument);
void smtp_verb_helo_answer(struct smtp_server *s, const struct verdict *v);
void smtp_verb_mail(struct smtp_server *s, slice argument);
void smtp_verb_mail_answer(struct smtp_server *s, const struct verdict *v);
void smtp_verb_rcpt(struct smtp_server *s, slice argument);
void smtp_verb_rcpt_answer(struct smtp_server *s, const struct verdict *v);
void smtp_verb_data(struct smtp_server *s, slice argument);
void smtp_verb_data_answer(struct smtp_server *s, const struct verdict *v);
void smtp_verb_bdat(struct smtp_server *s, slice argument);
void smtp_verb_bdat_answer(struct smtp_server *s, const struct verdict *v);
void smtp_verb_vrfy(struct smtp_server *s, slice argument);
void smtp_verb_expn(struct smtp_server *s, slice argument);
void smtp_verb_etrn(struct smtp_server *s, slice argument);
void smtp_verb_xclient(struct smtp_server *s, slice argument);
void smtp_verb_xclient_answer(struct smtp_server *s, const struct verdict *v);
void smtp_verb_xforward(struct smtp_server *s, slice argument);
void smtp_verb_auth(struct smtp_server *s, slice argument);
void smtp_verb_auth_response(struct smtp_server *s, slice line);
void smtp_verb_auth_answer(struct smtp_server *s, const struct verdict *v);
void smtp_verb_starttls(struct smtp_server *s, slice argument);
void smtp_verb_help(struct smtp_server *s, slice argument);

#endif
