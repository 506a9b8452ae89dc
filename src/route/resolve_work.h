/* SPDX-License-Identifier: ISC */
/* The inside of struct resolve, shared by resolve.c (the machine), resolve_stage.c (what is tried for one address, in order) and
 * resolve_found.c (what was found, duplicates once). An address under work is an item; items stand in a queue, and each knows which
 * item it came from, so that a loop is seen as an ancestor of its own name. Everything lives in the caller's arena; nothing is freed.
 * Bounds: 20 levels, 10,000 items and 10,000 recipients for one RCPT.
 */
#ifndef ROUTE_RESOLVE_WORK_H
#define ROUTE_RESOLVE_WORK_H

#include "route/aliases.h"
#include "route/index.h"
#include "route/resolve.h"

#define RESOLVE_DEPTH_MAX 20
#define RESOLVE_COUNT_MAX 10000

struct resolve_item {
    const struct resolve_item *parent;
    struct resolve_item *next, *after; /* in the queue; in the order of all */
    struct address address;            /* the domain is its canonical name when it is ours */
    const struct route_domain *domain; /* ours, or NULL */
    slice alias_key;                   /* set when an alias of this name was expanded */
    const struct alias_entry *alias;   /* the same, whole */
    const struct route_list *list;     /* set when a list was met */
    const struct route_user *user;     /* set when it is a listed user */
    slice found;                       /* set when it is a final recipient */
    uint32_t group;
    uint8_t depth, stage;
    bool bare;        /* written without a domain: other own domains are tried, too */
    bool final;       /* \local: no list, no alias */
    bool last_resort; /* the configuration's postmaster */
    bool looped;
    size_t bare_next;
};

struct resolve_seen {
    uint64_t hash;
    slice text;
    uint32_t group;
    uint32_t kind; /* enum resolve_seen_kind; 0: a free place */
};

enum resolve_seen_kind { SEEN_RECIPIENT = 1, SEEN_TARGET, SEEN_EXPANSION };

struct resolve_group_work {
    const struct route_list *list;
    bool inner; /* reached through another list */
    struct recipient *recipients;
    size_t count, cap;
};

struct resolve {
    const struct route_index *index;
    struct arena *arena;
    struct route_session session;
    struct address reverse_path;
    slice original;                          /* the recipient as given, printed */
    struct resolve_item *head, *tail, *last; /* of the queue; of all */
    struct resolve_item *current;            /* waits for an answer, or is being worked on */
    bool asked, answered;
    enum resolve_answer answer;
    slice question; /* whom to ask about: "local@domain" for accounts, the local part of a system user */
    enum users_kind question_kind;
    struct resolve_group_work *groups;
    size_t group_count, group_cap;
    struct resolve_seen *seen;
    size_t seen_count, seen_cap;
    size_t items, recipients;
    bool looped, fell_back, refused;
    struct resolve_item root;
    struct resolve_group_work first_group;
    struct recipient first_recipient;
    struct resolve_result result;
};

enum resolve_outcome {
    OUTCOME_NEXT, /* not this: try the next stage */
    OUTCOME_DONE, /* the item is dealt with */
    OUTCOME_ASK,
    OUTCOME_REFUSE, /* the whole RCPT, with result.status */
};

/* resolve_stage.c: tries stages until the item is dealt with. */
enum resolve_outcome resolve_item_work(struct resolve *r, struct resolve_item *item);
/* The postmaster gets what an alias of root, postmaster and their like led nowhere with. */
enum resolve_outcome resolve_item_fall_back(struct resolve *r, struct resolve_item *item);

/* resolve.c: puts an address, come from parent, at the end of the queue. A missing domain is completed with `domain`. */
enum resolve_outcome resolve_push(struct resolve *r, struct resolve_item *parent, struct address address,
                                  struct resolve_item **item_r);
enum resolve_outcome resolve_refuse(struct resolve *r, enum status status);
/* Our domain of this name, and its canonical name, put into the item. */
void resolve_item_set_domain(const struct resolve *r, struct resolve_item *item, slice domain);

/* resolve_found.c */
enum resolve_outcome resolve_found_address(struct resolve *r, struct resolve_item *item, slice local);
enum resolve_outcome resolve_found_target(struct resolve *r, const struct resolve_item *item,
                                          const struct alias_entry *entry, uint32_t index);
/* True when this expansion was done before in this group; else it is remembered. */
enum resolve_outcome resolve_seen_before(struct resolve *r, uint32_t group, slice text, bool *before_r);
/* *group_r: in the group that led there, out the new one. */
enum resolve_outcome resolve_group_add(struct resolve *r, const struct route_list *list, uint32_t *group_r);

/* list.c: may this sender post? */
bool list_post_allowed(const struct route_list *list, const struct route_session *s, struct address reverse_path);

#endif
