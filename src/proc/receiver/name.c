/* SPDX-License-Identifier: ISC */
/* Reverse names of clients. Nothing waits for one; those that are known are kept for some minutes in a small table with one place an address, so that a busy
 * client costs one question and not one a connection. */
#include "proc/receiver/state.h"

#define PLACES 256u
#define NAME_KEPT_MAX 100
#define FRESH_MS 300000

struct name_entry {
    uint8_t ip[16];
    uint8_t ip_len, name_len;
    char name[NAME_KEPT_MAX];
    int64_t until_ms;
};

static struct name_entry *entry_of(struct session *s)
{
    struct receiver *r = s->r;
    if (!r->names)
        r->names = calloc(PLACES, sizeof(*r->names));
    if (!r->names)
        return NULL;
    slice ip = slice_of(s->route.ip, s->route.ip_len);
    return &r->names[hash_siphash(r->start->hash_key, ip) % PLACES];
}

static void set_name(struct session *s, slice name)
{
    session_text_set(&s->name, name.len > 0 && name.len < RECEIVER_NAME_MAX ? name : SLICE("unknown"));
}

static const struct name_entry *fresh_entry_of(struct session *s)
{
    const struct name_entry *n = entry_of(s);
    bool fresh = n && n->until_ms > receiver_now_ms(s->r) && n->ip_len == s->route.ip_len &&
                 memcmp(n->ip, s->route.ip, n->ip_len) == 0;
    return fresh ? n : NULL;
}

void name_find(struct session *s)
{
    const struct name_entry *n = fresh_entry_of(s);
    set_name(s, n ? slice_of(n->name, n->name_len) : SLICE_NONE);
    s->name_known = n != NULL;
    if (!n)
        ask_name(s);
}

void name_find_late(struct session *s)
{
    if (s->name_known || s->asked_name != 0 || s->route.ip_len == 0)
        return;
    const struct name_entry *n = fresh_entry_of(s);
    if (n)
        set_name(s, slice_of(n->name, n->name_len));
    s->name_known = n != NULL;
}

void name_told(struct session *s, slice name)
{
    ask_cancel_name(s);
    set_name(s, name);
    s->name_known = true;
}

void name_arrived(struct session *s, slice name)
{
    struct name_entry *n = entry_of(s);
    if (n && name.len <= NAME_KEPT_MAX) {
        *n = (struct name_entry){
            .ip_len = s->route.ip_len, .name_len = (uint8_t)name.len, .until_ms = receiver_now_ms(s->r) + FRESH_MS};
        memcpy(n->ip, s->route.ip, s->route.ip_len);
        if (name.len > 0)
            memcpy(n->name, name.ptr, name.len);
    }
    /* A transaction's lines and its trace field tell the same name from MAIL to the end. */
    if (s->transaction || s->storing)
        return;
    set_name(s, name);
    s->name_known = true;
    log_connect(s);
}
