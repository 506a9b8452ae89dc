/* SPDX-License-Identifier: ISC */
/* Who was promised what, and when: every mail that the load sent, with what became of each recipient. Numbers are the load's own, in the
 * header field X-Number, the first that it sends. */
#ifndef TESTS_CRASH_ACCOUNT_H
#define TESTS_CRASH_ACCOUNT_H

#include "base/base.h"
#include "disk.h"

#define ACCOUNT_NEVER UINT64_MAX

struct account_recipient {
    char *address;
    uint64_t served_at; /* the next host took it, or its sender was told */
    uint64_t found;     /* account.round, when it was found in this state */
};

struct account_mail {
    uint64_t number, id;                  /* id 0: the client never heard it */
    uint64_t acknowledged_at, removed_at; /* the 250 went out; the log said that the queue is done with it */
    slice content;
    struct account_recipient *recipients;
    uint32_t recipient_count;
};

struct account {
    struct account_mail *mails; /* by number; number 0: none such */
    uint64_t count;
    uint64_t root; /* inode of the folder that has queue/ and mail/ */
    uint64_t round;
    char *memory;
};

/* Reads FOLDER/account and FOLDER/sent, and takes the times from the record. Ends the program when it cannot. */
void account_open(struct account *a, const char *folder, const struct record_file *record);
/* A new state is looked at: nothing of it was found yet. */
void account_begin(struct account *a);
/* A mail in a mailbox or in the queue: false when it is nothing that was ever sent, or not whole. recipients NULL: the mail's own are told
 * by its content (a report). why_r says what is wrong. */
struct account_mail *account_find(struct account *a, slice content, bool *report_r, const char **why_r);
void account_mark(struct account *a, struct account_mail *m, slice address);
/* The recipients that a report is about. */
void account_mark_report(struct account *a, struct account_mail *m, slice content);
/* The mailboxes of a state: what is below mail/. Findings go to `found`; returns their number. */
void account_mailboxes(struct account *a, const struct disk_state *s, void (*found)(void *ctx, const char *text),
                       void *ctx);
/* Promised before this time, and neither served nor found. */
bool account_is_lost(const struct account *a, const struct account_mail *m, uint32_t recipient, uint64_t at);

#endif
