/* SPDX-License-Identifier: ISC */
/* Inside the room only: what the process holds. Every question that waits for DNS is a job in one list: it is answered once, by what came or at its deadline, and freed
 * when the last of its DNS questions has come back. Questions of processes that are gone are answered to nobody. */
#ifndef PROC_LOOKUP_STATE_H
#define PROC_LOOKUP_STATE_H

#include "child/child.h"
#include "dns/dns.h"

/* Questions that wait for DNS at a time; above it they are answered with LOOKUP_TEMPORARY, names with none. */
#define LOOKUP_JOBS_MAX 2000u

struct accounts;
struct logins;

struct lookup {
    struct child child;
    struct dns *dns;
    struct accounts *accounts;
    struct logins *logins;
    struct list jobs;
    size_t job_count;
    struct loop_timer *tick; /* runs while there are jobs */
    bool ticking;
};

/* Who asked; the process may be gone when the answer is there. */
struct asker {
    uint32_t process;
    uint64_t token;
};

struct lookup_job {
    struct list link;
    struct lookup *lookup;
    struct asker asker;
    int64_t deadline_ms;
    void (*expire)(struct lookup_job *j); /* answers what is to be said at the deadline */
    void (*release)(struct lookup_job *j);
    size_t pending; /* DNS questions that have not come back */
    bool answered;
};

/* Adds it to the list with its deadline; false at LOOKUP_JOBS_MAX. */
bool lookup_job_begin(struct lookup *l, struct lookup_job *j, int64_t timeout_ms);
/* Frees it when it is answered and nothing is pending; the caller forgets it. */
void lookup_job_settle(struct lookup_job *j);
/* True when the question is on its way: pending counts it. */
bool lookup_job_ask(struct lookup_job *j, const struct dns_name *name, enum dns_type type, struct dns_question *q);

/* The timer: answers what is overdue. */
void lookup_tick(void *ctx);
/* To the process that asked, if it still lives. */
void lookup_answer(struct lookup *l, struct asker to, const struct ipc_message *m);

/* ask_mx, and with by_mx false ask_host. */
void mx_ask(struct lookup *l, struct asker asker, slice name, bool by_mx);
/* ask_name: ip of 4 or 16 bytes. */
void name_ask(struct lookup *l, struct asker asker, slice ip);

/* Opens the store, makes it when it is missing, and keeps it open: the files beside it are then there as long as we are, and can be named to the sandbox. */
must_check enum err accounts_open(struct lookup *l, struct accounts **accounts_r);
/* Those files; they live as long as accounts. */
void accounts_places(const struct accounts *a, struct sandbox_profile *p);
must_check enum err accounts_start(struct accounts *a);
void accounts_close(struct accounts **a);
void accounts_ask_user(struct accounts *a, struct asker asker, enum users_kind kind, slice name);

#endif
