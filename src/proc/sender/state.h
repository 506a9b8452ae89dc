/* SPDX-License-Identifier: ISC */
/* What the files of the process sender share. A job (some recipients of one message for one destination) waits at its destination until a session takes it. A destination has its targets, the
 * addresses to try in order, and its sessions; a session is one connection with one engine, and carries job after job. Whatever happens to a session, its job is either reported,
 * put back to wait for another session, or given back to the queue; the queue owns the schedule. */
#ifndef PROC_SENDER_STATE_H
#define PROC_SENDER_STATE_H

#include "child/child.h"
#include "route/route.h"
#include "sasl/sasl.h"
#include "smtp/smtp.h"
#include "trace/trace.h"

#define TARGETS_MAX 32u
#define RECIPIENTS_MAX 1000u
#define TARGETS_TRIED_MAX 10u /* of a job */
#define DOMAINS_MAX 16u       /* of a session, where a host limits them */

struct job_result {
    struct verdict verdict; /* text in the job's arena */
    bool set, remote;
    uint8_t dsn;                  /* enum result_dsn */
    enum smtp_client_phase phase; /* of the dialogue, when remote */
};

struct job {
    struct list link; /* destination.jobs, or alone when a session has it */
    struct list all;  /* sender.jobs, held or done: for HELLO */
    struct arena arena;
    uint64_t number;
    struct spool_place place;
    int64_t arrival_us, dispatch_us, taken_us; /* unix time */
    uint32_t queue_destination; /* the queue's number: for destination_down; 0: of a queue that is gone */
    uint32_t *recipients;
    uint32_t recipient_count;
    uint32_t target_first;      /* targets before it have failed this job */
    uint32_t moves;             /* times that it was taken to another session after one had failed with it */
    struct job_result *results; /* one a recipient, in their order */
    slice host;                 /* when done: who said the results, in arena */
    uint32_t connect_ms, transmit_ms;
};

/* Small, in one piece of memory: there may be many thousands of them, most of them with one mail an hour. */
struct destination {
    /* what the sweep looks at stands together */
    struct list link;  /* sender.destinations */
    struct list waits; /* sender.waiting, when it has jobs that wait */
    struct list opens; /* sender.openers, when its next session must wait for its turn */
    uint32_t job_count, session_count;
    uint64_t asking; /* token of the question under way, 0 none */
    int64_t used_ms;
    slice key;                             /* in strings */
    struct next_hop hop;                   /* slices in strings; override, deliver and owner are the configuration's */
    const struct credentials *credentials; /* of the override, or NULL: none are needed */
    struct list jobs;                      /* that wait */
    struct list sessions;                  /* idle ones first */
    uint32_t opening, idle;                /* opening: not ready for mail yet */
    uint32_t connections;                  /* most at once */
    struct arena target_arena;             /* of an answer */
    struct mx_target target_one;           /* of an address that needs no question */
    struct mx_target *targets;             /* NULL for a unix socket, which is one */
    size_t target_count;
    int64_t targets_until_ms; /* when they must be asked for anew; 0: none yet */
    uint32_t target_first;    /* those before it have failed since they were asked for */
    struct list asks;         /* sender.asking, when asking */
    int64_t asking_until_ms;
    int64_t asked_us;         /* when */
    uint32_t dns_ms;          /* of the last answer; 0: none was needed */
    int64_t no_more_until_ms; /* the host refused one session while others went on: it has its limit */
    char strings[];           /* key, host, path and domain, one behind the other */
};

enum session_state { SESSION_CONNECTING, SESSION_HANDSHAKE, SESSION_TALKING };

struct session {
    struct list link; /* destination.sessions */
    struct list all;  /* sender.sessions: for deadlines */
    struct list pace; /* sender.young or sender.idlers, or alone */
    struct destination *destination;
    struct net_connection *connection;
    struct smtp_client *client;
    struct sasl_client *sasl; /* from AUTH to READY */
    bool proved;              /* nothing is missing on our side of it */
    struct smtp_client_options options;
    uint32_t target; /* index into the destination's targets of now */
    bool stale;      /* the target is no longer among them */
    struct mx_address address;
    char name_memory[256], host[320]; /* host: "name[ip]:port" for logs */
    slice name;                       /* of the target, for TLS */
    slice host_text;
    enum session_state state;
    int64_t deadline_ms; /* of connecting and handshakes; of idleness when idle */
    int64_t begun_us, connected_us, tls_begun_us, secured_us, ready_us, started_us; /* 0: not */
    struct job *job;
    struct smtp_client_message message; /* of the job; its arrays are in the job's arena */
    uint32_t *map;                      /* message's recipients -> the job's */
    struct spool_entry *entry;
    uint64_t body_at;
    buf pending; /* input that the engine did not take yet */
    bool ready;  /* has been: the host takes mail */
    bool idle, young, plain_only, body_open, ended;
    bool broken;      /* a write failed: the sweep drives the engine to its end */
    uint32_t carried; /* messages so far */
    struct smtp_client_offer offer;
    uint32_t domains[DOMAINS_MAX],
        domain_count;              /* hashes of the recipients' domains so far, where RCPTDOMAINMAX counts */
    bool exhausted;                /* the host's limits (RFC 9422) leave no more for this session */
    struct conversion *conversion; /* of the message in work, or NULL */
    uint64_t converting;           /* bytes of it in sender.converting */
    bool converting_now;           /* it takes more turns before the engine gets the message */
};

/* What a route shows of us, read while we still could. */
struct credentials {
    const struct route_override *override;
    slice secret;           /* password or token of the login */
    struct tls_client *tls; /* with the route's certificate; NULL: it has none */
    bool missing;           /* they could not be read: nothing may be sent */
};

struct sender {
    struct child child;
    const struct conf *conf;
    struct route_index *routes;
    struct spool_reader *reader;
    struct tls_client *tls_open, *tls_verify;
    struct list destinations; /* in the order of their last use */
    struct list waiting;      /* destinations with jobs that wait */
    struct list asking;       /* those that have asked for their targets, the first one first */
    struct list sessions;
    struct list young;          /* sessions that were opened a moment ago, the first one first */
    struct list idlers;         /* those that are idle, the one that is so for longest first */
    struct list openers;        /* destinations that wait for their turn to open sessions */
    struct destination *opener; /* whose turn it is, or NULL */
    struct list jobs;           /* that wait or are being sent */
    struct list held;           /* came when we were draining: the queue has them back when we end */
    struct list done;           /* results that no queue was there to hear */
    struct list *sweep_at;      /* the session that the sweep looks at next */
    int64_t drain_until_ms;
    int64_t timeout_percent; /* of all timeouts; 0: 100. Set before sender_main by tests only */
    struct table destination_by_key, destination_by_token;
    uint32_t session_count, young_count, idle;
    const struct job *arrived;         /* the job that has just come, while it looks for a session */
    struct spool_entry *arrived_entry; /* of it, when it was read whole: whoever sends it at once takes it */
    uint64_t converting;               /* bytes of content that are whole in memory */
    uint64_t token;
    struct loop_timer *sweep, *convert_turn, *pace;
    struct mx_self self;
    struct mx_address self_addresses[64];
    struct credentials *credentials;
    size_t credentials_count;
    struct arena secrets;
    buf out; /* one session's output while it is driven */
};

/* job.c */
void sender_job_take(struct sender *s, const struct ipc_job *j);
void sender_job_result_set(struct job *j, uint32_t index, const struct verdict *v, bool remote);
/* Tells the queue all results (recipients without one stay open) and forgets the job. host: who said it. */
void sender_job_report(struct sender *s, struct job *j, const struct session *from);
void sender_job_return(struct sender *s, struct job *j);
/* A recipient has no verdict yet. */
bool sender_job_open(const struct job *j);
void sender_job_wait(struct sender *s, struct destination *d, struct job *j);
/* The first that waits and that this target has not failed; NULL when there is none. */
struct job *sender_job_next(struct destination *d, uint32_t target);
/* The first that waits, whatever it waits for. */
struct job *sender_job_first(struct destination *d);
/* Its leases and unreported results, for a queue that has just come up. */
void sender_jobs_hello(struct sender *s, struct hub_peer *queue);

/* destination.c */
void sender_destinations_init(struct sender *s, struct hash_key key);
/* NULL without memory. */
struct destination *sender_destination_get(struct sender *s, const struct next_hop *hop, uint32_t connections);
/* Opens sessions, asks for targets, whatever its jobs need now. */
void sender_destination_pump(struct sender *s, struct destination *d);
/* No target is left: jobs go back, the queue backs off. */
void sender_destination_down(struct sender *s, struct destination *d, const struct verdict *v, slice host, bool remote);
void sender_destination_sweep(struct sender *s);
void sender_destination_close_all(struct sender *s);

/* pace.c: how many sessions at once */
must_check enum err sender_pace_open(struct sender *s);
/* May it open a session now? If not, it is pumped when it may. */
bool sender_pace_allows(struct sender *s, struct destination *d);
/* The session is open, is idle from now on, is busy again or over. */
void sender_pace_begin(struct sender *s, struct session *x);
void sender_pace_idle(struct sender *s, struct session *x);
void sender_pace_end(struct sender *s, struct session *x);

/* target.c */
/* True when targets are there; else they have been asked for, or the destination is down by now. */
bool sender_targets_ready(struct sender *s, struct destination *d);
void sender_targets_answer(struct sender *s, const struct ipc_answer_mx *a);
void sender_targets_self_init(struct sender *s);
/* Gives up questions that nobody answered in time. */
void sender_targets_sweep(struct sender *s);
/* Whatever was asked, the answer will find nobody. */
void sender_targets_forget(struct sender *s, struct destination *d);
/* A new lookup process knows nothing of questions that were under way. */
void sender_targets_ask_again(struct sender *s);

/* session_open.c. The session may have failed and gone when this returns. */
void sender_session_open(struct sender *s, struct destination *d, uint32_t target, bool plain_only);
/* ERR_TLS and the like: it cannot even begin. */
must_check enum err sender_session_tls(struct sender *s, struct session *x);
/* A timeout of ours, as tests may have scaled it. */
int64_t sender_session_timeout(const struct sender *s, int64_t ms);

/* session.c */
extern const struct net_ops sender_session_ops;
void sender_session_drive(struct sender *s, struct session *x);
/* A job waits and this session is free. */
void sender_session_next(struct sender *s, struct session *x);
/* It is idle, and says goodbye. */
void sender_session_quit(struct sender *s, struct session *x);
void sender_session_sweep(struct sender *s);
void sender_session_close(struct sender *s, struct session *x);
/* The sender that callbacks of connections belong to: one a process. */
struct sender *sender_get(void);

/* credentials.c */
/* Of all routes; what cannot be read is logged, and its mail waits. ERR_NOMEM, ERR_TLS. */
must_check enum err sender_credentials_read(struct sender *s);
void sender_credentials_close(struct sender *s);
/* NULL when the route has none, and for no route. */
const struct credentials *sender_credentials_find(const struct sender *s, const struct route_override *o);

/* login.c: AUTH, between the engine and the room sasl. */
void sender_login_begin(struct sender *s, struct session *x, slice offered);
void sender_login_challenge(struct sender *s, struct session *x, slice challenge);
/* The host says that we are in. False when it has not proved that it may say so; then the engine has failed. */
bool sender_login_end(struct sender *s, struct session *x);

/* choose.c */
enum chosen { CHOSEN, CHOSEN_LATER /* by another session: this one is exhausted */, CHOSEN_NONE };
/* The recipients for x->message: of the envelope of the first that has no verdict yet. x->map tells where each stands in the job. */
enum chosen sender_choose(struct session *x, struct job *j, const struct spool_head *h);

/* convert.c */
must_check enum err sender_convert_open(struct sender *s);
/* Sets x->conversion when x->message must be converted, and its facts, or as_it_is. A refusal: it can go neither way. With x->converting_now it is not known yet: sender_transfer_go_on
 * will be called with the status. More than a megabyte is done in steps of that, one a turn, so that other sessions go on. */
enum status sender_convert_begin(struct sender *s, struct session *x);
/* About max bytes, fewer at the end; they live until the next call. */
must_check enum err sender_convert_next(struct conversion *c, size_t max, slice *content_r);
void sender_convert_end(struct sender *s, struct session *x);

/* transfer.c */
/* False when the session is still free: the job was refused, or waits for another one. */
bool sender_transfer_begin(struct sender *s, struct session *x, struct job *j);
/* It is converted, or cannot be. The session may have failed and gone when this returns. */
void sender_transfer_go_on(struct sender *s, struct session *x, enum status status);
/* The connection ended in the midst of conversion, before the engine had the message. */
void sender_transfer_give_up(struct session *x, const struct verdict *v, bool remote);
void sender_transfer_body(struct sender *s, struct session *x);
void sender_transfer_recipient(struct session *x, const struct smtp_client_event *e);
/* The message has its verdicts: report, or try the next target with what failed for want of a connection. */
void sender_transfer_end(struct sender *s, struct session *x, bool failed, enum smtp_client_phase phase);

/* log.c: of hosts and sessions */
void sender_log_connected(struct session *x);
void sender_log_host_failed(const struct session *x, const struct verdict *v);
void sender_log_tls_failed(const struct session *x);
/* The job is tried again. */
void sender_log_lost(const struct session *x, const struct job *j);
void sender_log_down(const struct destination *d, const struct verdict *v, slice host);
void sender_log_unreadable(const struct job *j, enum err e);

/* report.c */
void sender_report_log(const struct job *j, uint32_t index, const struct session *from, const struct spool_head *head);
/* The same verdict for all recipients of a job that no session took. */
void sender_report_log_unsent(struct sender *s, const struct job *j, const struct verdict *v, slice relay);

#endif
