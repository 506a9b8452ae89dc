/* SPDX-License-Identifier: ISC */
/* Inside of the client engine (client.h is its face): what is expected next from the host, one table row each (client.c), and the
 * steps between. Replies come in the order of the commands, so one value says which reply is next, pipelined or not. Events wait in a
 * short queue; nothing is read while one waits, so that a verdict's text, which is the reply's, is still there when it is pulled. */
#ifndef SMTP_CLIENT_STATE_H
#define SMTP_CLIENT_STATE_H

#include "smtp/client.h"
#include "smtp/dot.h"
#include "smtp/extensions.h"
#include "smtp/reply_reader.h"

enum { SMTP_CLIENT_RECIPIENTS_MAX = 1000, SMTP_CLIENT_OUTPUT_MAX = 1 << 20, SMTP_CLIENT_QUEUE = 6 };

enum smtp_expect {
    SMTP_EXPECT_GREETING,
    SMTP_EXPECT_EHLO,
    SMTP_EXPECT_HELO,
    SMTP_EXPECT_STARTTLS,
    SMTP_EXPECT_HANDSHAKE,
    SMTP_EXPECT_AUTH_USER,
    SMTP_EXPECT_AUTH_PASSWORD,
    SMTP_EXPECT_AUTH_END,
    SMTP_EXPECT_NOTHING,
    SMTP_EXPECT_MAIL,
    SMTP_EXPECT_RCPT,
    SMTP_EXPECT_DATA,
    SMTP_EXPECT_CONTENT, /* ours to send */
    SMTP_EXPECT_END,
    SMTP_EXPECT_EMPTY_END,
    SMTP_EXPECT_RSET,
    SMTP_EXPECT_QUIT,
    SMTP_EXPECT_OVER,
    SMTP_EXPECT_COUNT
};

/* What is known of a recipient of the message in work. */
enum smtp_client_recipient { SMTP_RCPT_OPEN, SMTP_RCPT_BAD, SMTP_RCPT_ACCEPTED, SMTP_RCPT_TOLD };

struct smtp_client_queued {
    enum smtp_client_event_kind kind;
    enum smtp_client_phase phase;
    bool remote;
    bool all; /* RECIPIENT: for each one whose state is in `states` */
    uint8_t states;
    uint32_t index;
    struct verdict verdict;
};

struct smtp_client {
    struct smtp_client_options o;
    struct arena memory; /* holds this struct */
    enum smtp_expect expect;
    bool secured, verified, no_memory;
    bool more_input;  /* behind the reply in hand */
    bool secret_sent; /* out has held a password */
    bool mail_open;   /* a transaction is open at the host */
    bool mail_refused;
    struct smtp_offer offer;
    struct smtp_reply_reader reader;
    struct smtp_stuffer stuffer;
    int64_t now_ms, deadline_ms;
    const struct smtp_client_message *message; /* in work, or NULL */
    size_t count, at, accepted;                /* recipients; the one whose reply is next */
    struct smtp_client_queued queue[SMTP_CLIENT_QUEUE];
    uint8_t queue_head, queue_count;
    buf out;
    char words[512];                                /* of a verdict of ours */
    uint8_t recipients[SMTP_CLIENT_RECIPIENTS_MAX]; /* enum smtp_client_recipient */
    bool asked[SMTP_CLIENT_RECIPIENTS_MAX];         /* RCPT was sent */
};

void smtp_client_expect(struct smtp_client *c, enum smtp_expect expect);
void smtp_client_push(struct smtp_client *c, enum smtp_client_event_kind kind);
/* A verdict on one recipient, and on all that are in one of these states (1 << enum smtp_client_recipient, or-ed). */
void smtp_client_tell(struct smtp_client *c, size_t index, const struct verdict *v);
void smtp_client_tell_all(struct smtp_client *c, unsigned states, const struct verdict *v, bool remote);
/* The session is over by fault; a message in work ends first, with this verdict. */
void smtp_client_fail(struct smtp_client *c, const struct verdict *v, bool remote);
void smtp_client_fail_status(struct smtp_client *c, enum status status, slice text);
void smtp_client_ready(struct smtp_client *c);
/* Ends the session when a command did not fit into memory. */
void smtp_client_check_output(struct smtp_client *c);
void smtp_client_line(struct smtp_client *c, slice verb, slice argument);

/* client_login.c: from the greeting to the login. */
void smtp_client_on_greeting(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_ehlo(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_helo(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_starttls(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_auth_user(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_auth_password(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_auth_end(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_introduce(struct smtp_client *c);
/* What came in the clear where TLS was to begin could be anybody's (CVE-2021-38371). */
void smtp_client_fail_early(struct smtp_client *c);
/* client_send.c: a message's transaction. */
void smtp_client_on_mail(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_rcpt(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_data(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_content(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_end(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_empty_end(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_rset(struct smtp_client *c, const struct smtp_reply *r);

#endif
