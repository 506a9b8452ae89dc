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

enum {
    SMTP_CLIENT_RECIPIENTS_MAX = 1000,
    SMTP_CLIENT_OUTPUT_MAX = 1 << 20,
    SMTP_CLIENT_RESPONSE_MAX = 64 << 10,
    SMTP_CLIENT_QUEUE = 8
};

enum smtp_expect {
    SMTP_EXPECT_GREETING,
    SMTP_EXPECT_EHLO,
    SMTP_EXPECT_HELO,
    SMTP_EXPECT_STARTTLS,
    SMTP_EXPECT_HANDSHAKE,
    SMTP_EXPECT_LOGIN,    /* ours to say: the mechanism */
    SMTP_EXPECT_RESPONSE, /* ours to say: the answer to a challenge */
    SMTP_EXPECT_AUTH,
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
enum smtp_client_recipient {
    SMTP_RCPT_OPEN,
    SMTP_RCPT_BAD,  /* no address */
    SMTP_RCPT_UTF8, /* needs SMTPUTF8, which the host does not offer */
    SMTP_RCPT_ACCEPTED,
    SMTP_RCPT_TOLD
};

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
    bool signed_in;
    uint8_t challenges;
    bool utf8;        /* of the message in work: SMTPUTF8 is needed */
    bool chunked;     /* it goes with BDAT */
    bool chunk_begun; /* BDAT was said */
    bool
        early; /* the host says more before it could see the content: nothing of it is sent, and what it says is judged as such */
    bool unwritten; /* the end of data is with the caller still */
    uint64_t chunk_left;
    struct smtp_offer offer;
    struct smtp_reply_reader reader;
    struct smtp_stuffer stuffer;
    int64_t now_ms, deadline_ms;
    const struct smtp_client_message *message; /* in work, or NULL */
    size_t count, at, accepted;                /* recipients; the one whose reply is next */
    struct smtp_client_queued queue[SMTP_CLIENT_QUEUE];
    uint8_t queue_head, queue_count;
    buf out;
    buf initial;     /* a response that was too long for the AUTH command's line (RFC 4954 section 4) */
    buf said;        /* our last response, while the reply to it may repeat it */
    buf challenge;   /* decoded; the event's */
    char words[512]; /* of a verdict of ours */
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
void smtp_client_introduce(struct smtp_client *c);
/* What came in the clear where TLS was to begin could be anybody's (CVE-2021-38371). */
void smtp_client_fail_early(struct smtp_client *c);
/* client_auth.c */
void smtp_client_login(struct smtp_client *c);
void smtp_client_on_auth(struct smtp_client *c, const struct smtp_reply *r);
/* Overwrites what the compiler might think dead, and gives the memory back. */
void smtp_client_wipe(buf *b);
/* client_send.c: a message's transaction. */
void smtp_client_on_mail(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_rcpt(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_data(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_empty_end(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_rset(struct smtp_client *c, const struct smtp_reply *r);
/* The message has its verdicts. */
void smtp_client_finish(struct smtp_client *c);
/* client_content.c: from BODY to the last verdict. */
void smtp_client_content_begin(struct smtp_client *c);
void smtp_client_on_content(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_end(struct smtp_client *c, const struct smtp_reply *r);
/* A reply that no server of SMTP gives here. */
void smtp_client_garbage(struct smtp_client *c);
/* client_extensions.c: what the message in work needs, whether the host's offer is good for it, and the parameters. The client's half of the rows in extensions.c. */
bool smtp_client_has(const struct smtp_client *c, enum smtp_extension_id id); /* offered and usable */
/* The refusal of the first row that the message needs and cannot have; STATUS_OK: none. */
enum status smtp_client_lacks(const struct smtp_client *c);
bool smtp_client_needs_8bit(const struct smtp_client *c);
bool smtp_client_needs_binary(const struct smtp_client *c);
bool smtp_client_needs_utf8(const struct smtp_client *c);
bool smtp_client_needs_deliver_by(const struct smtp_client *c);
bool smtp_client_needs_requiretls(const struct smtp_client *c);
bool smtp_client_chunks(const struct smtp_client *c);
bool smtp_client_delivers_by(const struct smtp_client *c);
bool smtp_client_is_verified(const struct smtp_client *c);
int64_t smtp_client_by_left(const struct smtp_client *c); /* seconds */
void smtp_client_say_size(struct smtp_client *c);
void smtp_client_say_auth(struct smtp_client *c);
void smtp_client_say_8bit(struct smtp_client *c);
void smtp_client_say_binary(struct smtp_client *c);
void smtp_client_say_utf8(struct smtp_client *c);
void smtp_client_say_dsn(struct smtp_client *c);
void smtp_client_say_dsn_recipient(struct smtp_client *c, const struct recipient *r);
void smtp_client_say_deliver_by(struct smtp_client *c);
void smtp_client_say_priority(struct smtp_client *c);
void smtp_client_say_requiretls(struct smtp_client *c);

#endif
