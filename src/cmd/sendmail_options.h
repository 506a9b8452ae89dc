/* SPDX-License-Identifier: ISC */
/* Inside the room only: the command line of sendmail, mailq and newaliases, as programs have written it for forty years. Letters may be joined (-ti), values joined or apart,
 * options may follow words; "--" ends them. What once named files, logs and macros is read over together with its value, so that no program which passes on a stranger's words makes
 * us read or write a file. Opens nothing and prints nothing; texts look into argv. */
#ifndef CMD_SENDMAIL_OPTIONS_H
#define CMD_SENDMAIL_OPTIONS_H

#include "mail/mail.h"

enum sendmail_mode {
    SENDMAIL_DELIVER,
    SENDMAIL_SMTP,    /* -bs */
    SENDMAIL_BATCH,   /* -bS */
    SENDMAIL_QUEUE,   /* -bp, mailq */
    SENDMAIL_ALIASES, /* -bi, newaliases */
    SENDMAIL_VERIFY,  /* -bv */
    SENDMAIL_FLUSH,   /* -q */
    SENDMAIL_HELP,
    SENDMAIL_VERSION
};

struct sendmail_options {
    bool by_name; /* set by the caller: called as sendmail, where -c is an old flag; else it names the configuration */
    enum sendmail_mode mode;
    const char *conf_path;  /* or NULL */
    const char *from;       /* the last one; NULL: whoever calls */
    const char *full_name;  /* or NULL */
    slice envid;            /* or empty */
    uint32_t flags;         /* enum envelope_flags: BODY_8BIT, RET_FULL, RET_HDRS */
    uint8_t notify;         /* enum notify, or-ed */
    bool header_recipients; /* -t */
    bool dots_are_text;     /* -i */
    bool verbose;
    const char **words; /* the caller's, room for argc; what is no option */
    size_t word_count;
};

/* o holds by_name, mode (what the program's name says) and words. False: `wrong` says why, in words for people. */
bool sendmail_options_read(struct sendmail_options *o, int argc, char **argv, buf *wrong);

#endif
