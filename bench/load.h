/* SPDX-License-Identifier: ISC */
/* The load generator of the benchmark: one program with six tasks, each in a file of its own. Every task runs in
 * one thread, is bounded by a count and by a number of seconds, talks to 127.0.0.1 only, and prints one JSON object
 * on stdout. Times in it are seconds of CLOCK_MONOTONIC, so that two tasks' clocks can be compared. An error of the
 * system ends the program with a line on stderr; what a server does wrong is counted and reported. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

struct load_options {
    int port;
    int sessions;       /* connections at a time */
    int count;          /* mails, connections or files, by task */
    int size;           /* bytes of a message, header included */
    int per_connection; /* mails a connection */
    int limit_s;        /* the task ends after that long, whatever it has reached */
    int domains;        /* send: the recipients' domains, in turn d0.test, d1.test...; 0: only `to` */
    int wait_ms;        /* sink: before it acknowledges a mail */
    int mails_max;      /* sink: mails that it takes on a connection (LIMITS MAILMAX of RFC 9422); 0: any number */
    bool pipeline;      /* MAIL, RCPT and DATA in one write */
    bool tls;           /* STARTTLS on each connection */
    bool stamp;         /* send: each mail says when it was sent; sink: tells how long they were under way */
    const char *to;     /* the recipient of every mail */
    const char *folder;
};

/* Sends `count` mails, and prints how many were taken, at what rate, and the time from the end of data to the 250. */
void load_send(const struct load_options *options);

/* Listens on all of 127.0.0.0/8, takes every mail, and ends when it has acknowledged `count` of them. Prints {"ready":true} first. */
void load_sink(const struct load_options *options);

/* Opens `count` connections, says EHLO on each (with TLS once more under it), prints how many answered, and holds them until stdin ends. */
void load_idle(const struct load_options *options);

/* The bare price of TLS: `count` handshakes with the certificate and key in `folder` (cert.pem, key.pem); prints the server's side of it. */
void load_handshake(const struct load_options *options);

/* The bare price of files in a Maildir: writes `count` of `size` bytes below `folder` as fast as one thread can, 100 a sync, and does nothing else. */
void load_maildir(const struct load_options *options);

/* Ends when `folder` (which may be made later) holds `count` files. */
void load_files(const struct load_options *options);

/* Seconds of CLOCK_MONOTONIC. */
double load_now(void);

/* Seconds of user and system time that this process has used. */
double load_cpu(void);

/* Prints `what` and errno's words, and ends the program with status 1. */
_Noreturn void load_die(const char *what);

/* A non-blocking socket that connects to 127.0.0.1; after load_spread each from a network of its own in 127.0.0.0/8; after load_towards to so many addresses, 127.2.0.1 and those behind it, in turn. */
int load_connect(int port);
void load_spread(void);
void load_towards(int addresses);

#endif
