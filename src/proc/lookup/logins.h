/* SPDX-License-Identifier: ISC */
/* Inside the room only: logins under way. An exchange is one client's attempt: its mechanism runs here (sasl/server), or at Dovecot, and what it needs to know is asked of a thread. One question of a receiver is in hand at
 * a time; each is answered once. Exchanges are bounded in number and in time, and go with their receiver; one whose thread is at work outlives that until the work is back.
 * Whether a login is locked out is asked before any work is done for it. */
#ifndef PROC_LOOKUP_LOGINS_H
#define PROC_LOOKUP_LOGINS_H

#include "proc/lookup/state.h"
#include "sasl/sasl.h"
#include "sched/sched.h"

#define EXCHANGES_MAX 16384u
#define LOGIN_WORDS_MAX 256u

struct checks;
struct web;
struct dovecot;

struct logins {
    struct lookup *lookup;
    const struct conf_auth *conf;
    struct list exchanges;
    size_t count;
    struct limits_config limits;
    struct loop_timer *tick;
    struct checks *checks;
    struct web *web;         /* NULL: no introspection */
    struct dovecot *dovecot; /* NULL: passwords are ours */
};

struct exchange {
    struct list link;
    struct logins *logins;
    struct asker asker; /* of the question in hand */
    uint64_t number;
    int64_t deadline_ms;
    struct sasl_server *server; /* NULL: Dovecot has the mechanism */
    uint32_t request;           /* Dovecot's number of it; 0: none */
    bool by_token;              /* what is asked for is a token */
    bool waits;                 /* for a thread or for Dovecot */
    bool gone;                  /* nobody waits for it: it ends when what it waits for is there */
    bool secured;
    uint8_t ip_len;
    uint8_t ip[16];
};

/* Keys and secrets are read when it is opened, before privileges are given up. */
must_check enum err logins_open(struct lookup *l, struct logins **logins_r);
/* Threads and connections, after that. */
must_check enum err logins_start(struct logins *l);
void logins_close(struct logins **l);
void logins_ask(struct logins *l, uint32_t process, const struct ipc_ask_sasl *m);
void logins_gone(struct logins *l, uint32_t process, uint64_t number);
void logins_process_gone(struct logins *l, uint32_t process);
/* What can be offered, to a receiver that has come, or to all (NULL). */
void logins_offer(struct logins *l, struct hub_peer *p);

/* What a thread, or Dovecot, has found. login: as it is known there; empty: as the client said. */
enum check_answer { CHECK_WRONG, CHECK_GOOD, CHECK_UNKNOWN };
void exchange_checked(struct exchange *x, enum check_answer answer, slice login);
/* NULL: not known. */
void exchange_keys(struct exchange *x, const struct sasl_scram_keys *keys);
/* Dovecot's own exchange goes on. */
void exchange_challenge(struct exchange *x, slice challenge);

/* checks.c: one thread for hashes, keys and signatures. False: too much waits already. */
must_check enum err checks_open(struct logins *l, struct checks **c_r);
must_check enum err checks_start(struct checks *c);
void checks_close(struct checks **c);
bool checks_ask(struct checks *c, struct exchange *x, const struct sasl_server_event *e);

/* web.c: a few threads that ask the introspection endpoint. */
must_check enum err web_open(struct logins *l, struct web **w_r);
must_check enum err web_start(struct web *w);
void web_close(struct web **w);
bool web_ask(struct web *w, struct exchange *x, const struct sasl_server_event *e);

/* dovecot.c: a connection to its auth-client socket. */
must_check enum err dovecot_open(struct logins *l, struct dovecot **d_r);
void dovecot_close(struct dovecot **d);
/* Whether Dovecot has the mechanism and we can pass it through. */
bool dovecot_has(const struct dovecot *d, slice mechanism);
bool dovecot_password(struct dovecot *d, struct exchange *x, slice login, slice password);
bool dovecot_begin(struct dovecot *d, struct exchange *x, slice mechanism, const struct ipc_ask_sasl *m);
bool dovecot_continue(struct dovecot *d, struct exchange *x, slice response);
void dovecot_cancel(struct dovecot *d, struct exchange *x);
/* Appends the words that can be offered. */
void dovecot_offer(const struct dovecot *d, buf *words);

#endif
