/* SPDX-License-Identifier: ISC */
/* Inside the room only: `thurn init`. One struct init has the words of the command line and what follows from them; a plan lists the folders and files to be made,
 * with their whole content. Everything that could fail is looked at before the first of them is made: names, conflicts, rights, the password. Then each file
 * is written beside its place and linked there, which never overwrites; the configuration is the last, so that where it is all the others are. What goes
 * wrong is said on standard error by whoever finds it; functions answer 0 or what to exit with. Slices live in init.arena. */
#ifndef CMD_INIT_H
#define CMD_INIT_H

#include "cmd/command.h"
#include "conf/conf.h"

#define INIT_USER "thurn"
#define INIT_STATE "/var/lib/thurn"
#define INIT_MAIL "/var/mail"
#define INIT_DAYS 90 /* of the first certificate */
#define INIT_ITEMS_MAX 12u
#define INIT_TEXT_MAX 16384u

struct init_words {
    const char *domain, *hostname, *user, *dir, *cert, *key, *via;
    bool no_user, null_client, dry_run, json;
};

struct init {
    struct command command;
    struct init_words words;
    struct arena arena;
    bool root;
    slice domain, hostname; /* A-labels, lower case */
    slice local, full_name; /* of the first user; local empty: there is none */
    slice address;          /* of the same */
    slice postmaster;
    slice conf_path, conf_folder;
    slice state_dir, mail_dir;
    slice system_user; /* whom the processes run as */
    slice cert, key;
    slice aliases;
    slice relay_login;   /* LOGIN@HOST of --via: there is a password to be asked for */
    slice password_file; /* of it */
};

enum init_kind {
    INIT_FOLDER, /* may be there already */
    INIT_FILE,
    INIT_ABSENT /* made later by others: must not be there either */
};

struct init_item {
    enum init_kind kind;
    slice path, content;
    unsigned mode;
    bool owned;  /* by system_user */
    bool secret; /* content is not for the eye */
    bool made;
    slice beside; /* where the content lies until it is linked; empty: nowhere */
};

struct init_plan {
    struct init_item items[INIT_ITEMS_MAX];
    size_t count;
};

/* init_names.c: everything in struct init from its words. */
int init_names_read(struct init *n);

/* init_text.c */
void init_text_conf(const struct init *n, buf *out);
void init_text_aliases(const struct init *n, buf *out);

/* init_plan.c */
int init_plan_fill(const struct init *n, struct init_plan *p, struct arena *arena);
/* Says all that stands in the way at once. EX_CANTCREAT. */
int init_plan_check(const struct init_plan *p);
void init_plan_print(const struct init_plan *p, buf *out);
struct init_item *init_plan_find(struct init_plan *p, slice path);

/* init_make.c */
/* Nothing of it is left where it fails, or what is left is said. */
int init_make(const struct init *n, struct init_plan *p);
/* The system user, when it is missing. Root only. */
int init_make_user(const struct init *n);

/* init_dns.c: the records to publish, as lines of a zone file, or objects. */
void init_dns_print(const struct init *n, buf *out);

/* init_next.c: what to do now, for people. */
void init_next_print(const struct init *n, FILE *to);
/* For a shell: path itself, or in quotes where it needs them. */
void init_next_quote(slice path, buf *out);

#endif
