/* SPDX-License-Identifier: ISC */
/* A doubly linked list whose links live inside its members. The head is a link too; an empty list points to itself. A link that is
 * in no list points to itself after list_init or list_remove, so removing it again is harmless. Owns nothing. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}
static inline void list_insert_before(struct list *at, struct list *l)
{
    l->prev = at->prev;
    l->next = at;
    at->prev->next = l;
    at->prev = l;
}
/* At the end of the list with this head. */
static inline void list_push(struct list *head, struct list *l)
{
    list_insert_before(head, l);
}
static inline void list_push_front(struct list *head, struct list *l)
{
    list_insert_before(head->next, l);
}
static inline void list_remove(struct list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}
/* Removes and returns the first link, or NULL. */
static inline struct list *list_pop(struct list *head)
{
    struct list *l = head->next;
    if (l == head)
        return NULL;
    list_remove(l);
    return l;
}

/* The body may remove it, and nothing else. */
#define LIST_FOREACH(it, head)                                                                                         \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)

#endif
