/* SPDX-License-Identifier: ISC */
/* What the files of the process receiver share. One struct receiver a process; everything runs on its loop's thread. The life of a message here: MAIL makes a transaction,
 * RCPT resolves each recipient into parts (one for the message itself, one for each list, since a list's copy has its List-Id), DATA opens a spool message a part, content
 * streams into them, the end of data commits them and leaves a struct storing behind; when the writer says that all parts are on disk the queue is
 * told and the client gets its 250. The session may be gone by then: the mail stands.
 *
 * Whatever a session waits for (an answer of lookup, a handshake, the disk) is its one `wait`, with a deadline where nobody else keeps one; a sweep once
 * a second looks at all deadlines, so that no command starts a timer. */
#ifndef PROC_RECEIVER_STATE_H
#define PROC_RECEIVER_STATE_H

#include "child/child.h"
#include "proc/receiver/development.h"
#include "proc/receiver/receiver.h"
#include "sched/sched.h"
#include "smtp/smtp.h"
#include "trace/trace.h"

#define RECEIVER_NAME_MAX 256
#define EXIT_TEMPORARY 75
#define RECEIVER_ANSWER_MS 10000 /* lookup's time */
#define RECEIVER_ARENAS_MAX                                                                                            \
    (256u << 20) /* of all sessions: a list of many members at many sessions must not take the machine */

struct receiver;
struct session;

struct listener {
    struct receiver *r;
    struct net_listener *net;         /* NULL until numbers have come, and while draining */
    const struct conf_listener *conf; /* NULL: the local socket */
    struct smtp_server_options options;
    int fd;
};

/* A question to lookup. Its token is its place and its generation, so that a late answer finds nobody. */
struct ask {
    struct session *session; /* NULL: free */
    uint32_t generation;
    uint32_t next_free; /* number of the next free one, 0 none */
    bool name;          /* of the client; else what the session waits for */
};

/* A message (or several parts of one) between its end of data and the disk. */
struct storing {
    struct list link; /* in receiver.free_storings */
    struct receiver *r;
    struct session *session; /* NULL: gone */
    uint64_t id;             /* the one that the client is told */
    uint32_t waits;          /* parts not yet done */
    struct list accepted;    /* what is to be said of each when it is */
    enum err err;            /* of a part that failed */
};

/* A copy of the message that is stored by itself. */
struct part {
    const struct route_list *list; /* NULL: the message as its recipients get it */
    struct recipient *recipients;  /* in the transaction's arena */
    uint32_t count, cap;
    uint64_t id;
    struct spool_message *message; /* from DATA to the commit */
    struct body_facts prefix;      /* of the fields that we put before the content */
};

enum content_stage {
    CONTENT_FIRST_LINE, /* is it a header field? */
    CONTENT_HEADER,     /* of a trusted session: held back until its end, to be mended */
    CONTENT_THROUGH,
};

struct transaction {
    struct arena arena;
    uint64_t id;
    int64_t arrival_s;
    uint32_t arrival_us; /* beyond arrival_s */
    struct address path; /* completed with origin; null: both empty */
    slice reverse_path;  /* the same, printed */
    uint32_t flags;      /* enum envelope_flags */
    slice envid, tag;    /* as in the envelope, to deliver_by_s */
    int8_t priority;
    bool priority_lowered; /* a stranger asked for a higher one */
    int64_t release_s, deliver_by_s;
    bool trusted;
    bool headless;           /* content without a header: an empty line was put before it */
    struct resolve *resolve; /* while lookup is asked about a recipient */
    slice rcpt;              /* of the RCPT in hand, then of the last one accepted */
    slice rcpt_orcpt;        /* ORCPT of the RCPT in hand, in the arena, or empty */
    uint8_t rcpt_notify;     /* NOTIFY of the RCPT in hand, enum notify; 0 not given */
    uint32_t rcpt_count;     /* accepted */
    struct part *parts;      /* 0 is the message itself */
    uint32_t part_count, part_cap;
    struct table seen;       /* recipients of part 0, once there are two */
    size_t counted;          /* bytes of the arena that receiver.transaction_bytes has */
    struct storing *storing; /* from DATA to the commit */
    enum content_stage stage;
    enum err lost;                  /* the spool took no more */
    buf held;                       /* the content's beginning, in the first two stages */
    struct body_scan scan;          /* of a trusted session's content as mended */
    struct development_fault fault; /* the last one asked for that is still to come */
    struct body_facts *slow_facts;  /* while the answer to the content is slow, and after */
};

enum session_wait {
    WAIT_NONE,
    WAIT_HANDSHAKE,
    WAIT_PREGREET,
    WAIT_SENDER,  /* MAIL */
    WAIT_RESOLVE, /* RCPT */
    WAIT_VERIFY,  /* VRFY, EXPN */
    WAIT_LOGIN,
    WAIT_LOGIN_FAILED, /* the penalty */
    WAIT_STORE,
    WAIT_ETRN,
    WAIT_TARPIT, /* replies are held back, and nothing is read */
    WAIT_SLOW    /* thurn dev's slow@ and slow-data@ */
};

#define AUTH_LOGIN_MAX 320
#define AUTH_OFFER_MAX 256

#define AUTH_MECHANISM_MAX 24

/* From AUTH to its answer: of sessions on submission listeners. */
struct auth {
    uint64_t exchange; /* under way in lookup; 0 none */
    bool counted;      /* it has failed already, and is counted */
    uint16_t user_len;
    char mechanism[AUTH_MECHANISM_MAX];
    char user[AUTH_LOGIN_MAX]; /* as whom the client wants to sign in */
};

/* As whom a session is signed in. */
struct auth_login {
    char mechanism[AUTH_MECHANISM_MAX];
    uint16_t len;
    char name[];
};

/* Mechanisms, as EHLO lists them. */
struct auth_offer {
    uint16_t len;
    bool plus; /* a -PLUS is among them */
    char words[AUTH_OFFER_MAX];
};

enum { AUTH_OFFER_BOUND = 1, AUTH_OFFER_IDENTITY = 2, AUTH_OFFERS = 4 };

/* Most are short. */
struct session_text {
    char *more; /* of a long one, or NULL */
    uint8_t len;
    char kept[39];
};

struct verify;
struct forward;

/* Of what the disconnect line tells. */
struct session_counts {
    uint32_t helo, ehlo, starttls, auth, auth_ok, mail, mail_ok, rcpt, rcpt_ok, data, data_ok, query, etrn;
};

struct session {
    struct list link; /* in receiver.sessions or receiver.free_sessions */
    struct receiver *r;
    const struct listener *listener;
    struct net_connection *net;
    struct smtp_server *smtp;
    struct route_session route;
    struct transaction *transaction;
    struct storing *storing;
    struct auth *auth; /* NULL: no AUTH is under way */
    struct auth_login *login;
    struct verify *verify;
    struct forward *forward; /* XFORWARD, until the message is taken */
    char *claimed_login;     /* XCLIENT; route.login looks into it */
    enum session_wait wait;
    int64_t wait_until_ms;      /* INT64_MAX: somebody else keeps the time */
    int64_t active_ms;          /* something came from the client */
    uint32_t asked, asked_name; /* numbers of asks, 0 none */
    uint32_t errors_seen;       /* of the engine's errors, by the tarpit */
    uint32_t auth_failures;
    uint8_t offer;                   /* number of the receiver's offer that the engine has, from 1; 0 none */
    buf stash;                       /* input that came with what is being waited for */
    enum status refusal;             /* STATUS_OK, or why the greeting is none */
    const char *verb;                /* the last one, for the log */
    bool counted;                    /* in the limits */
    bool over, quits;                /* CLOSE has come / on the client's QUIT, after which it says nothing */
    bool eof, broken;                /* the client ends / the connection is of no use any more */
    bool paused, congested, blocked; /* congested: the spool; blocked: the client does not read */
    bool esmtp, connect_logged, name_known;
    bool is_proxy;   /* that has not said for whom it speaks: its address gives it nothing */
    bool spoken_for; /* by XCLIENT: what the channel proves is proven of the one who speaks */
    struct session_counts counts;
    uint8_t ip_text_len;
    char ip_text[46];
    struct session_text name; /* reverse name, or "unknown" */
    struct session_text helo;
};

struct name_entry;

/* The one signature that a handshake waits for. */
struct signing {
    uint64_t token; /* of the last question */
    buf *signature; /* NULL: nobody waits */
    bool answered, ok;
    uint32_t owing; /* the process that has not answered in time, until it does; 0: none */
};

struct receiver {
    struct child child;
    const struct child_start *start;
    const struct conf *conf;
    struct route_index *routes;
    struct tls_server *tls; /* NULL without [tls] */
    struct tls_server
        *tls_asking; /* the same, and it asks for a certificate: of submission; NULL without [auth] client_ca */
    struct tls_signer signer; /* of all our pairs */
    bool keys_needed;         /* by at least one of them */
    struct signing signing;
    uint64_t last_exchange;
    struct auth_offer offers[AUTH_OFFERS]; /* by what a session's channel has: AUTH_OFFER_BOUND, AUTH_OFFER_IDENTITY */
    struct limits_config limits;
    struct spool_writer *writer;
    struct loop_watch *writer_watch;
    struct listener *listeners;
    size_t listener_count;
    bool listening;
    uint32_t hurry;      /* percent of the timeouts: 100, or less under stress */
    struct list proxied; /* connections without their PROXY header yet */
    struct list sessions, free_sessions, free_storings;
    size_t session_count, free_session_count, storing_count;
    struct loop_timer *sweep;
    bool sweeping;
    uint64_t transaction_bytes; /* of all transactions' arenas */

    uint64_t number_next, number_end, spare_next, spare_end; /* leased numbers */
    bool numbers_asked, writer_wants_numbers;

    struct hub_peer *queue;   /* whom announcements go to; NULL: none is up */
    uint64_t unacked;         /* announced bytes that no queue has acknowledged */
    int64_t unacked_since_ms; /* the last acknowledgement, or the first announcement after all were acknowledged */

    struct ask *asks; /* number i is asks[i - 1] */
    uint32_t ask_count, ask_cap, ask_free;
    struct name_entry *names;

    bool draining;
    int64_t drain_grace_ms, drain_until_ms;
    int64_t drain_busy_until_ms; /* then a session that is in no transaction goes, idle or not */
};

static inline int64_t receiver_now_ms(const struct receiver *r)
{
    return loop_now_ms(r->child.loop);
}
static inline slice session_text(const struct session_text *t)
{
    return slice_of(t->more ? t->more : t->kept, t->len);
}
static inline slice session_name(const struct session *s)
{
    return session_text(&s->name);
}
static inline slice session_ip(const struct session *s)
{
    return slice_of(s->ip_text, s->ip_text_len);
}
static inline slice session_helo(const struct session *s)
{
    return session_text(&s->helo);
}

/* receiver.c */
/* Ends the process when it drains and nothing is left. */
void receiver_end_if_drained(struct receiver *r);

/* listener.c */
must_check enum err listeners_open(struct receiver *r);
void listeners_start(struct receiver *r);
void listeners_stop(struct receiver *r);
/* The status of a session that the shared limits refuse, with its line in the log. */
enum status listener_limit(const struct receiver *r, enum limits_answer a, slice ip);

/* proxied.c */
/* A connection to a listener that wants a PROXY header; fd is its. */
void proxied_accept(const struct listener *l, int fd, const struct socket_address *peer);
/* Ends those that take too long. */
void proxied_sweep(struct receiver *r, int64_t now_ms);
/* Ends all. */
void proxied_close(struct receiver *r);

/* log.c: the setting behind a refusal: " ([limits] hops = 50)", or nothing */
void log_rule(buf *b, const struct conf *conf, enum status status);

/* session.c */
struct session_peer {
    struct socket_address address;
    bool is_proxy; /* that does not say for whom it speaks: nothing is trusted by this address */
};
/* fd is the session's, also when nothing comes of it. */
void session_accept(const struct listener *l, int fd, const struct session_peer *peer, enum status refusal);
/* An answer has been given outside of the engine's drive, or what held up the input is gone. The session may be freed. */
void session_resume(struct session *s);
/* Gives the answer that the session waits for; the caller resumes. */
void session_answer(struct session *s, const struct verdict *v);
void session_answer_status(struct session *s, enum status status);
/* From here on the session waits; for_ms 0: somebody else keeps the time. */
void session_wait(struct session *s, enum session_wait wait, int64_t for_ms);
/* To be called while handling an event: nothing of it is needed afterwards. */
void session_start_tls(struct session *s);
/* Frees what the lists of free structs have. */
void sessions_close(struct receiver *r);

/* At most RECEIVER_NAME_MAX - 1 bytes of it; without memory fewer. */
void session_text_set(struct session_text *t, slice text);

/* Whom the session is with, from now on; its reverse name is looked for. ip_len 0: nobody knows. */
void session_set_address(struct session *s, const uint8_t *ip, uint8_t ip_len);

/* peer.c */
/* What the session may do by its client's address, said to the engine: when it begins, after STARTTLS and XCLIENT. */
void peer_permit(struct session *s);
void peer_xclient(struct session *s, const struct smtp_peer_attributes *p);
void peer_xforward(struct session *s, const struct smtp_peer_attributes *p);
/* Where the message comes from, for trace and log. */
struct message_origin peer_origin(const struct session *s);
/* What XFORWARD told is over. */
void peer_forget(struct session *s);

/* sweep.c */
void sessions_sweep_start(struct receiver *r);
void sessions_sweep(void *ctx);

/* event.c: what each event of the engine sets off */
void event_take(struct session *s, const struct smtp_server_event *e);

/* transaction.c */
void transaction_mail(struct session *s, const struct smtp_server_event *e);
void transaction_rcpt(struct session *s, const struct smtp_server_event *e);
/* lookup has answered about the sender's domain, or will not. */
void transaction_mail_answered(struct session *s, bool null_mx);
/* lookup has answered about the recipient in hand. */
/* A recipient that was to wait has waited. */
void transaction_rcpt_go_on(struct session *s);
void transaction_rcpt_answered(struct session *s, enum resolve_answer answer);
/* Forgets it, with whatever content there is. Harmless without one. */
void transaction_abort(struct session *s);

/* parameters.c */
/* What MAIL said joins the transaction; t->trusted is known. STATUS_OK or a refusal. */
enum status parameters_mail(struct transaction *t, const struct smtp_mail_parameters *p);

/* The same of RCPT: t->rcpt_notify, t->rcpt_orcpt. ERR_NOMEM. */
must_check enum err parameters_rcpt(struct transaction *t, const struct smtp_rcpt_parameters *p);

/* rate.c */
/* May the login send one more message, to so many recipients? STATUS_OK, STATUS_USER_RATE. */
enum status rate_admits(const struct session *s, uint32_t recipients);
/* The message is taken. Above the limit it is to be held, and the queue is told. */
void rate_count(struct session *s);

/* etrn.c */
void etrn_begin(struct session *s, slice domain);
/* answer: enum etrn_status. */
void etrn_answered(struct session *s, unsigned answer, uint32_t count);

/* parts.c */
/* Recipients of one RCPT join the transaction. ERR_NOMEM. */
must_check enum err parts_add(struct receiver *r, struct transaction *t, const struct resolve_result *result);
/* No more RCPTs: a part whose head would be too long for the queue (SPOOL_HEAD_MAX) becomes several. ERR_NOMEM. */
must_check enum err parts_split(struct transaction *t);

/* content.c */
void content_data(struct session *s);
void content_piece(struct session *s, slice in);
/* No more content: nothing is held back any longer. */
void content_finish(struct session *s);
void content_abort(struct transaction *t);
/* Facts of a part's stored body; engine's are those of the content as it came. */
struct body_facts content_facts(struct transaction *t, const struct part *p, const struct body_facts *engine);

/* header.c: pure steps on the beginning of the content */
enum header_first_line { HEADER_FIELD, HEADER_NONE, HEADER_UNDECIDED };
enum header_first_line header_first_line(slice content);
/* Is the end of the header in content? from: what has been searched before. */
bool header_has_end(slice content, size_t from);
struct header_added {
    slice from; /* reverse-path, or empty */
    slice hostname;
    slice origin; /* completes bare addresses */
    bool authors; /* the session is the author's own: what is there is mended, too, unless it is signed */
    uint64_t id;
    int64_t unix_s;
    int offset_min;
};
/* content with the fixes for trusted sessions: Date, Message-ID, From added when missing, Bcc removed. From authors also: a Date or Message-ID
 * that is none is replaced, bare addresses are completed (RFC 6409 sections 4.2, 8.2, 8.3). */
void header_mend(buf *out, slice content, const struct header_added *add);

/* addresses.c */
/* Appends the field; in an address field each address without a domain gets origin, but for those of several authors. What cannot be read stays as it is. */
void addresses_qualify(buf *out, const struct header_field *f, slice origin);
/* OK, BAD_HEADER_ADDRESS, UNQUALIFIED, LOCAL_ERROR. */
enum status addresses_judge(const struct route_index *routes, slice header);
/* Is the session one of a submission listener? */
bool session_is_submission(const struct session *s);
/* What its MAIL and RCPT are judged by. */
struct admission session_admission(const struct session *s);

/* store.c */
void store_message(struct session *s, const struct body_facts *facts);
void store_done(struct receiver *r, const struct spool_done *done);
/* NULL without memory. */
struct storing *storing_take(struct session *s);
void storing_give_back(struct storing *st);

/* announce.c */
void announce_message(struct receiver *r, const struct spool_done *done);
void announce_closed(struct receiver *r, uint64_t segment);
void announce_queue_up(struct receiver *r, struct hub_peer *p);
void announce_queue_down(struct receiver *r, const struct hub_peer *p);
void announce_ack(struct receiver *r, const struct hub_peer *p, uint64_t bytes);
/* Too much that the queue has not acknowledged, or for too long. */
bool announce_queue_busy(const struct receiver *r);

/* numbers.c */
void numbers_ask(struct receiver *r);
void numbers_arrived(struct receiver *r, uint64_t first, uint32_t count);
void numbers_writer_low(struct receiver *r);
/* 0 when there is none for the moment. */
uint64_t numbers_draw(struct receiver *r);

/* ask.c */
/* False when lookup cannot be asked now; else the caller waits, for RECEIVER_ANSWER_MS at the most. */
bool ask_user(struct session *s, enum users_kind kind, slice name);
/* The same for a domain's MX. */
bool ask_mx(struct session *s, slice domain);
/* Its token is filled in. */
bool ask_sasl(struct session *s, struct ipc_ask_sasl *q);
/* The same of the queue. */
bool ask_etrn(struct session *s, slice domain);
void ask_name(struct session *s);
void ask_cancel(struct session *s);
void ask_cancel_name(struct session *s);
void ask_answer(struct receiver *r, const struct ipc_message *m);
/* No answer will come, or not in time, to what the session waits for. */
void ask_failed(struct session *s);
/* lookup is gone: nobody will answer. */
void ask_lookup_down(struct receiver *r);

/* sign.c: a tls_signer's function; ctx is the receiver */
must_check enum err sign_ask(void *ctx, const struct tls_question *q, buf *signature);
/* Tells the listeners whether STARTTLS can succeed. */
void sign_look(struct receiver *r);
void sign_answer(struct receiver *r, const struct ipc_answer_sign *answer);

/* name.c: the clients' reverse names, kept for a while */
void name_find(struct session *s);
/* Between two transactions: a name that came in the midst of one is known from the next one on. */
void name_find_late(struct session *s);
void name_arrived(struct session *s, slice name);
/* A trusted peer says it; empty: it does not know. */
void name_told(struct session *s, slice name);

/* auth.c */
void auth_begin(struct session *s, const struct smtp_server_event *e);
void auth_response(struct session *s, slice response);
void auth_answered(struct session *s, const struct ipc_answer_sasl *answer);
/* No answer will come. */
void auth_failed(struct session *s);
/* The penalty of a failed login is over. */
void auth_penalty_over(struct session *s);
/* Forgets login and all (STARTTLS, end). */
void auth_forget(struct session *s);
/* Tells the engine what this session may use, as its channel is now: on submission listeners only. */
void auth_offer(struct session *s);
/* What sessions may: from the configuration, and with Dovecot from what it has. Sessions that have an offer get the new one. */
void auth_offer_set(struct receiver *r, slice of_dovecot);
/* "PLAIN", or "none"; lives as long as the session's login. */
const char *auth_mechanism(const struct session *s);

/* verify.c */
void verify_begin(struct session *s, slice argument, bool expand);
void verify_answered(struct session *s, enum resolve_answer answer, slice full_name);
void verify_abort(struct session *s);

/* log.c: the lines that readers of Postfix's log know */
void log_connect(struct session *s);
void log_disconnect(struct session *s, slice why);
/* A refusal at verb; to is empty at MAIL. */
void log_reject(struct session *s, const char *verb, const struct verdict *v, slice to);
/* The same at MAIL, before there is a transaction. */
void log_reject_from(struct session *s, const char *verb, const struct verdict *v, slice from);
/* Gathers what is to be said when the part is stored. */
void log_message(struct session *s, const struct part *p, const struct spool_head *head);
/* Says it, or (e) that nothing came of it; harmless when nothing was gathered. */
void log_stored(struct storing *st, uint64_t id, enum err e);
void log_not_stored(uint64_t id, enum err e);
/* Forgets what is left. */
void log_stored_none(struct storing *st);
void log_pregreet(struct session *s);
void log_tls_failed(struct session *s, slice why);
/* kind: LOGIN or LOGIN_FAILED; what: "authentication failed"; user: as whom. */
void log_login(struct session *s, enum trace_kind kind, slice what, slice user);
/* Somebody who got no session: what is "refused". */
void log_refused(slice ip, const char *what, slice why);
/* An event with what is known of the session. */
void log_event_begin(struct trace_event *e, const struct session *s, enum trace_kind kind, enum log_level level);
/* name[ip] */
void log_print_client(buf *b, slice name, slice ip);

/* The protocol of RFC 3848: "ESMTPSA" and so on. */
slice session_protocol(const struct session *s);

#endif
