/* SPDX-License-Identifier: ISC */
/* What every child process has in common: how it is started, its loop and hub, and how it ends. The face of the room child; used by proc/ kinds and by the master. */
#ifndef CHILD_CHILD_H
#define CHILD_CHILD_H

#include "child/admission.h"
#include "child/delivery_log.h"
#include "child/mailbox.h"
#include "child/user.h"
#include "conf/conf.h"
#include "ipc/ipc.h"
#include "spool/spool.h"
#include "trace/trace.h"

/* Everything a child gets from the master at fork. Descriptors are inherited. */
struct child_start {
    enum process_kind kind;
    uint32_t process, slot, generation;
    uint32_t master_pid; /* to notice that it died before the child could watch it */
    const struct conf *conf;
    struct hash_key hash_key; /* for tables of this process */
    int control_fd;
    int lock_fd;  /* held, never used */
    int spool_fd; /* the spool folder; -1 where it is not to be seen */
    /* receiver: one a conf listener, in order; listener "*" has two: see listen_count. console: the control socket */
    const int *listen_fds;
    const size_t *listen_conf; /* receiver: index into conf->listeners of each; SIZE_MAX: the local socket */
    size_t listen_count;
    uint64_t
        number_floor; /* numbers from here on were leased by this master; what is named by a lower one in the spool is being written by nobody */
    void *shared;     /* the shared limits table (sched/limits) */
    struct trace_ring *ring; /* where this process tells what happens; NULL: nowhere */
    slice ticket_key;
    struct os_user user; /* whom to become; uid 0 in `user` never occurs when started as root */
    bool root;           /* started as root: drop; else everything runs as the caller */
};

struct child {
    const struct child_start *start;
    const struct conf *conf;
    struct loop *loop;
    struct ipc_hub *hub;
    bool draining; /* set just before ops.drain, which may come again: the server stops after a reload */
    int exit_status;
    struct loop_timer *log_again; /* runs while something waits to be logged */
    struct loop_timer *broken;    /* runs when a channel to a process that may live does not work */
    const struct ipc_hub_ops *ops;
    void *ctx;
};

/* Title, parent death, log, descriptors, loop, hub. SIGTERM becomes ops.drain, but for queue, lookup and keys, whom the others need to their end: the master tells them when. SIGINT,
 * which a terminal sends to the whole group, is the master's alone. start and ops must outlive the child. Then the child loads what needs root, drops privileges by child_become, loads what lies outside its places, and enters its sandbox by child_confine. */
must_check enum err child_begin(struct child *c, const struct child_start *start, const char *log_component,
                                const struct ipc_hub_ops *ops, void *ctx);
must_check enum err child_become(struct child *c, enum process_caps caps);
/* For good, and before there is a second thread. */
must_check enum err child_confine(const struct sandbox_profile *profile);
/* Tells the master that this child works. */
void child_ready(struct child *c);
/* Runs the loop until child_stop or the master's end, flushes log and channels; the exit status. */
int child_run(struct child *c);
void child_stop(struct child *c, int exit_status);

/* What can be known of a configuration before it is used: key pairs, the open-relay self-test, the state folder, files that are open to others. Loads keys, so only in a short-lived process. messages gets errors and warnings, one a
 * line, ending in LF each; ERR_SYNTAX when there is an error among them. */
must_check enum err child_check_conf(const struct conf *conf, buf *messages);
/* The same, told one by one; false: there is an error. CHILD_CHECK_ALL also looks at what takes longer, whether each user may write where it will have to, and forks for that. */
enum child_check_depth { CHILD_CHECK_START, CHILD_CHECK_ALL };
bool child_check(const struct conf *conf, enum child_check_depth depth, const struct conf_sink *sink);

/* Whether a receiver would answer MAIL with 452 for want of space, by the size that the client declares (0: none); then why has the figures. Where the disk cannot be asked: false. */
bool child_space_lacks(const struct conf *conf, uint64_t size, buf *why);

/* The local SMTP socket and the control socket live here, below state_dir.
 * STATE/run/smtp.sock, mode 0666: the peer's uid is known. */
must_check enum err child_local_socket_path(const struct conf *conf, buf *b);
/* STATE/run/control.sock, mode 0660 for `user`: root and user only. */
must_check enum err child_control_socket_path(const struct conf *conf, buf *b);

/* We are whatever our mx listeners on port 25 answer at: where an MX points that is ourselves (struct mx_self). How many, at most max. */
size_t child_own_addresses(const struct conf *conf, struct mx_address *addresses, size_t max);

/* What a 2xx in IPC_result means for the reports that a sender asked for (RFC 3461 section 5.2). */
enum result_dsn {
    RESULT_DSN_RELAYED = 0, /* gone to a host without DSN: NOTIFY=SUCCESS is answered "relayed" by us */
    RESULT_DSN_PASSED = 1,  /* the next hop took over NOTIFY: it answers */
    RESULT_DSN_FINAL = 2,   /* in the mailbox: NOTIFY=SUCCESS is answered "delivered" by us */
    RESULT_DSN_MASK = 3,
    RESULT_BY_PASSED = 4, /* or-ed: the host was told the time to deliver by (RFC 2852 section 4.1.4) */
};

/* A job that there is no memory for goes back to the queue, deferred without a word to anyone: else it would be leased to us as long as we live. Logged. */
void child_job_defer(struct child *c, const struct ipc_job *job);

/* Verdicts over ipc. */
#define CHILD_VERDICT_SET(m, v)                                                                                        \
    ((m).code = (v)->code, (m).enhanced_class = (v)->enhanced[0], (m).enhanced_subject = (v)->enhanced[1],             \
     (m).enhanced_detail = (v)->enhanced[2], (m).text = (v)->text)
#define CHILD_VERDICT_OF(m)                                                                                            \
    ((struct verdict){(m).code, {(m).enhanced_class, (m).enhanced_subject, (m).enhanced_detail}, (m).text})
#define CHILD_PLACE_SET(m, p)                                                                                          \
    ((m).segment = (p)->segment, (m).id = (p)->id, (m).offset = (p)->offset, (m).length = (p)->length,                 \
     (m).epoch = (p)->epoch, (m).copy = (p)->copy)
#define CHILD_PLACE_OF(m)                                                                                              \
    ((struct spool_place){.segment = (m).segment,                                                                      \
                          .id = (m).id,                                                                                \
                          .offset = (m).offset,                                                                        \
                          .length = (m).length,                                                                        \
                          .epoch = (m).epoch,                                                                          \
                          .copy = (m).copy})

enum queue_verb {
    QUEUE_VERB_SUMMARY,
    QUEUE_VERB_LIST,
    QUEUE_VERB_SHOW,
    QUEUE_VERB_RETRY,
    QUEUE_VERB_HOLD,
    QUEUE_VERB_RELEASE,
    QUEUE_VERB_REMOVE
};
enum queue_filter {
    QUEUE_FILTER_ALL,
    QUEUE_FILTER_ID,
    QUEUE_FILTER_TO,
    QUEUE_FILTER_FROM,
    QUEUE_FILTER_DESTINATION,
    QUEUE_FILTER_REASON,
    QUEUE_FILTER_TAG /* exact; of any envelope */
};
enum queue_item_state { QUEUE_ITEM_ACTIVE, QUEUE_ITEM_DEFERRED, QUEUE_ITEM_HELD };
/* What an ETRN sets off (RFC 1985 section 5.3): nothing waits there 251; deliveries begin, of so many messages 253; not a destination of ours, or not to be asked for 459; cannot be done now 458. */
enum etrn_status { ETRN_NOTHING_WAITS, ETRN_STARTED, ETRN_NOT_OURS, ETRN_UNABLE };
enum sasl_ask {
    SASL_ASK_INITIAL = 1 /* the response is an initial one */,
    SASL_ASK_SECURED = 2,
    SASL_ASK_PLUS_OFFERED = 4
};
enum sasl_answer {
    SASL_ANSWER_NO,
    SASL_ANSWER_YES,
    SASL_ANSWER_TEMPORARY,
    SASL_ANSWER_CHALLENGE,
    SASL_ANSWER_MALFORMED,
    SASL_ANSWER_LOCKED /* not looked at: too many have failed */
};
enum lookup_status { LOOKUP_FOUND, LOOKUP_NONE /* NXDOMAIN or no data */, LOOKUP_TEMPORARY, LOOKUP_NULL_MX };

#endif
