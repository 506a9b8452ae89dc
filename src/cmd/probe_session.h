/* SPDX-License-Identifier: ISC */
/* Inside the room only: the dialogue of `thurn probe` with one host, step by step: each function is a step, says what it does through probe_show, and is true when the next may follow.
 * Of the first step that fails `status` has the exit status and `words` what the result line says of it. A step talks to probe_link, never to a socket. */
#ifndef CMD_PROBE_SESSION_H
#define CMD_PROBE_SESSION_H

#include "cmd/probe.h"
#include "cmd/probe_find.h"
#include "cmd/probe_link.h"
#include "cmd/probe_show.h"

#define PROBE_LINE_MAX (1u << 20)

struct probe_session {
    const struct probe_options *o;
    const struct probe_show *show;
    struct probe_link link;
    struct arena arena; /* of the whole run */
    slice secret;       /* password or token, or empty; the caller's */
    slice host;         /* the name that the certificate must be for */
    bool loopback;      /* of this machine: what is sent in the clear stays here */
    slice helo;
    slice offer; /* the text of the last EHLO, in the arena */
    buf hidden;  /* the last response of a login as it was sent */
    buf line;    /* what is being said */
    bool greeted, secured, verified, signed_in;
    enum err lost;   /* why the connection is gone, or ERR_OK */
    int status;      /* of sysexits.h; 0: nothing failed */
    char words[256]; /* for the result */
};

/* Fails the run, unless it has failed before. */
void probe_fail(struct probe_session *p, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The exit status of a refusal, by its code; refused is that of a permanent one. */
int probe_status(uint16_t code, int refused);

/* Connects; nothing is said yet. The caller says what a failure means. */
must_check enum err probe_open(struct probe_session *p, const struct probe_place *place);
/* A line without its CRLF, shown as it is, or as `shown` unless that is NULL. False: the connection is lost. */
bool probe_say(struct probe_session *p, slice line, const char *shown);
/* The next reply. False: there was none, and the run has failed with it. */
bool probe_hear(struct probe_session *p, slice to, struct smtp_reply *reply_r);
/* Both. */
bool probe_ask(struct probe_session *p, slice line, struct smtp_reply *reply_r);
/* What stands behind an EHLO keyword, or whether it is there at all. */
bool probe_offered(const struct probe_session *p, slice keyword, slice *arguments_r);

/* Steps. */
bool probe_greeting(struct probe_session *p);
bool probe_helo(struct probe_session *p);
/* The handshake, and what it came to. False when it failed or is not what was asked for. */
bool probe_secure(struct probe_session *p, const struct tls_client *t);
/* STARTTLS where it is offered and wanted, and EHLO again. */
bool probe_starttls(struct probe_session *p, const struct tls_client *t);
bool probe_xclient(struct probe_session *p);
bool probe_xforward(struct probe_session *p);
bool probe_commands(struct probe_session *p);
void probe_quit(struct probe_session *p);
/* probe_login.c: AUTH, where a login was asked for. */
bool probe_login(struct probe_session *p);
/* probe_mail.c: the transaction; content has CRLF line ends. */
bool probe_mail(struct probe_session *p, slice content);

#endif
