/* SPDX-License-Identifier: ISC */
/* Inside the room only: the dialogue that a job is. Each line goes into an SMTP server engine in memory, so that replies are a server's; what the engine lets
 * pass goes on to the real server, whose verdict becomes the reply. Knows which commands a job has (batch_session.c's table), where a message's text
 * ends even when it was refused (its lines are never run as commands), and what is an error of syntax. Files and checkpoints are its owner's. */
#ifndef CMD_BATCH_SESSION_H
#define CMD_BATCH_SESSION_H

#include "cmd/batch_lines.h"
#include "cmd/batch_server.h"
#include "smtp/smtp.h"

struct batch_session_ops {
    /* The server is about to be asked to take a mail whose MAIL is at this line. The tag is what it gets as XTAG. */
    enum err (*begin)(void *ctx, uint64_t line, slice tag);
    /* A recipient of it was taken. */
    void (*recipient)(void *ctx, uint64_t line, slice address);
    /* The server's 250: the mail is in the queue under this id. */
    enum err (*taken)(void *ctx, slice sender, slice id);
    /* A command was refused (syntax: not understood); or the mail begun at the line is handed to nobody. */
    void (*refused)(void *ctx, uint64_t line, slice command, slice reply, bool syntax);
    void (*lost)(void *ctx, uint64_t line);
    /* A piece of what the reply file gets, LF line ends. */
    void (*reply)(void *ctx, slice text);
    void *ctx;
};

struct batch_session {
    struct smtp_server_options options;
    const struct batch_server *server;
    const struct batch_session_ops *ops;
    slice job; /* the tag's first part */
    struct smtp_server *engine;
    buf helo;                 /* the last HELO or EHLO as it was, to begin with after a restart */
    buf command;              /* the line that is being run, at most so much as is ever shown */
    buf sender;               /* of the transaction */
    uint64_t line;            /* of that command */
    uint64_t mail;            /* line of the transaction's MAIL; 0: none is open */
    uint64_t failed;          /* line of a MAIL that was not taken: what belongs to it is no error of its own; 0 none */
    bool verbose, text, skip; /* in a message's text; and that text is nobody's */
    bool asked;               /* the command that is run became a question to the server */
    enum err stopped;         /* the server is away, or wants to be asked later: ERR_AGAIN */
    buf why;                  /* for people */
};

enum batch_session_reads { BATCH_SESSION_COMMAND_MAX = 4096 };

/* options, server, ops and job are set; the rest is made here. ERR_NOMEM. */
must_check enum err batch_session_open(struct batch_session *s);
void batch_session_close(struct batch_session *s);
/* As it was when a checkpoint was written: says nothing. helo may be empty. */
must_check enum err batch_session_restore(struct batch_session *s, slice helo, bool verbose);
/* One line, or piece of one. Not ERR_OK: the job stops, s->why tells people; what the line did is not to be counted on. */
must_check enum err batch_session_line(struct batch_session *s, const struct batch_line *line);
/* The file has ended: false inside a message, which is an error told to ops. */
bool batch_session_end(struct batch_session *s);

#endif
