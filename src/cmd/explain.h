/* SPDX-License-Identifier: ISC */
/* Inside the room only: `thurn explain`. A question is a recipient and whoever writes to it; an explanation is the reply that a live session would give, each step of the decision with the
 * file and line it came from, and what would become of each final recipient. The reply is made by the server's own engine (smtp/server), told what a receiver
 * tells it (child/admission, route/resolve): explain_session.c drives it in memory. The words about it (explain_steps.c, explain_delivery.c, explain_remote.c) decide nothing.
 * All of an explanation lives in its arena.
 */
#ifndef CMD_EXPLAIN_H
#define CMD_EXPLAIN_H

#include "child/child.h"
#include "dns/dns.h"

/* What all questions of one run share. */
struct explain_house {
    const struct conf *conf;
    struct route_index *routes;
    struct mailbox_house mailboxes;
    struct arena arena;  /* of its texts */
    struct store *store; /* NULL: none yet, or it cannot be had */
    enum err store_err;  /* of opening it */
    struct mx_self self;
    struct mx_address own[64];
    bool offline; /* no question to the DNS */
};

/* As given; empty: not given. */
struct explain_question {
    slice to, from, ip, user, helo, listener, tls, mail;
    bool from_given; /* from may be empty: the null reverse-path */
};

struct explain_step {
    slice text;
    slice file; /* empty: nowhere */
    uint32_t line;
};

/* A host that a remote recipient's mail would go to. */
struct explain_host {
    slice name;
    uint16_t preference;
    slice addresses; /* joined by ", "; empty: none */
};

struct explain_recipient {
    slice address;
    const struct route_list *list; /* whose copy it gets, or NULL */
    slice delivery;                /* "maildir:/var/mail/...", "MX of example.net" */
    slice state;                   /* "exists, writable by thurn", or what is wrong */
    bool wrong;
    slice tls; /* of what leaves by SMTP: the policy in words */
    slice source;
    const struct explain_host *hosts;
    size_t host_count;
    slice chain; /* "alias /etc/aliases:12 -> alice" */
};

struct explanation {
    struct arena arena;
    const struct explain_house *house;
    struct explain_question question;

    const struct conf_listener *listener; /* NULL: the local socket */
    struct route_session session;
    slice ip_text;
    bool secured;
    bool stranger_assumed; /* no word about who it is */
    bool login_unusable;   /* a login was given, and this session cannot sign in */

    struct address from; /* as policy sees it */
    slice reverse_path;
    bool trusted;
    const struct route_network *network; /* that trusts it */
    bool mx_asked, null_mx, mx_unknown;
    slice space; /* what the disk lacks, in words */
    uint32_t flags;

    const char *at; /* the command that the verdict is the reply to */
    struct verdict verdict;
    enum status status; /* the reason; STATUS_COUNT when the engine refused by itself */
    struct address to;
    struct resolve *resolve;
    const struct resolve_result *result; /* accepted only */

    struct explain_step *steps;
    size_t step_count, step_cap;
    struct explain_recipient *recipients;
    size_t recipient_count;
    bool out_of_memory;
};

/* explain_house.c: opens accounts and index for the configuration, which must outlive it. 0 or an exit status, with words said. */
int explain_house_open(struct explain_house *h, const struct conf *conf, bool offline);
void explain_house_close(struct explain_house *h);

/* explain_client.c: fills in who speaks, from the question and what it leaves out. False: the question is no good; why says it. */
bool explain_client_set(struct explanation *x, buf *why);

/* explain_session.c: the verdict. False without memory. */
bool explain_session_run(struct explanation *x);

/* explain_steps.c: the decision in words. */
void explain_steps_tell(struct explanation *x);
void explain_step_add(struct explanation *x, slice file, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* explain_trail.c: what became of the recipient's address, as steps; and how a final one was come to: "alias /etc/aliases:12 -> alice". */
void explain_trail_tell(struct explanation *x);
slice explain_trail_chain(struct explanation *x, const struct recipient *r);

/* explain_delivery.c: final recipients, each with its delivery. */
void explain_deliveries_find(struct explanation *x);
/* explain_mailbox.c: state and wrong of a mailbox, file or command, looked at as its user. */
void explain_mailbox_look(struct explanation *x, const struct recipient *recipient, struct explain_recipient *r);
/* explain_remote.c: what leaves by SMTP. */
void explain_remote_find(struct explanation *x, const struct next_hop *hop, struct explain_recipient *r);
/* The hosts of a domain's MX, or of a name by its addresses alone: as lookup finds them. */
enum lookup_status explain_mx_find(slice name, bool by_mx, struct arena *arena, struct host *hosts,
                                   size_t *host_count_r);

/* explain_print.c */
void explain_print_text(buf *out, const struct explanation *x);
void explain_print_json(buf *out, const struct explanation *x);

/* Text in the explanation's arena; empty, and remembered, without memory. */
slice explain_text(struct explanation *x, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
