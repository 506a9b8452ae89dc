/* SPDX-License-Identifier: ISC */
#include "disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

uint64_t disk_hash(uint64_t a, uint64_t b)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u ^ (b + 0x632be59bd9b4e019u);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void *grown(void *array, size_t count, size_t size)
{
    void *more = realloc(array, (count ? count : 1) * size);
    if (!more)
        abort();
    return more;
}

static int by_begin(const void *a, const void *b)
{
    const struct disk_effect *x = a, *y = b;
    return x->event->begin < y->event->begin ? -1 : x->event->begin > y->event->begin;
}

static int by_at(const void *a, const void *b)
{
    const struct disk_moment *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->end - y->end;
}

void disk_open(struct disk *d, const struct record_file *record)
{
    *d = (struct disk){0};
    uint64_t end = record->used < record->size ? record->used : record->size;
    for (int pass = 0; pass < 2; pass++) {
        d->effect_count = 0;
        for (uint64_t at = RECORD_START; at < end;) {
            const struct record_event *e = (const struct record_event *)((const char *)record + at);
            if (e->length == 0)
                abort();
            if (pass)
                d->effects[d->effect_count] = (struct disk_effect){.event = e};
            d->effect_count++;
            at += e->length;
        }
        if (!pass)
            d->effects = grown(NULL, d->effect_count, sizeof(*d->effects));
    }
    qsort(d->effects, d->effect_count, sizeof(*d->effects), by_begin);
    d->moments = grown(NULL, d->effect_count * 2, sizeof(*d->moments));
    for (size_t i = 0; i < d->effect_count; i++) {
        const struct record_event *e = d->effects[i].event;
        bool sync = e->kind == RECORD_SYNC || e->kind == RECORD_SYNC_ALL;
        d->moments[d->moment_count++] = (struct disk_moment){e->begin, (uint32_t)i, false, !sync};
        d->moments[d->moment_count++] = (struct disk_moment){e->end, (uint32_t)i, true, sync};
    }
    qsort(d->moments, d->moment_count, sizeof(*d->moments), by_at);
    d->data = grown(NULL, d->effect_count, sizeof(*d->data));
    d->changes = grown(NULL, d->effect_count, sizeof(*d->changes));
}

void disk_close(struct disk *d)
{
    for (size_t i = 0; i < DISK_TABLE; i++) {
        for (struct disk_object *o = d->table[i], *next; o; o = next) {
            next = o->next;
            free(o->content);
            free(o);
        }
    }
    free(d->effects);
    free(d->moments);
    free(d->names);
    free(d->data);
    free(d->changes);
    *d = (struct disk){0};
}

/* The newest one with that number. */
struct disk_object *disk_find(const struct disk *d, uint64_t inode)
{
    for (struct disk_object *o = d->table[inode % DISK_TABLE]; o; o = o->next) {
        if (o->inode == inode)
            return o;
    }
    return NULL;
}

struct disk_object *disk_put(struct disk *d, uint64_t inode, bool folder, char *content, size_t size)
{
    struct disk_object *o = calloc(1, sizeof(*o));
    if (!o)
        abort();
    *o = (struct disk_object){.next = d->table[inode % DISK_TABLE],
                              .inode = inode,
                              .folder = folder,
                              .content = content,
                              .size = size,
                              .cap = size,
                              .version = 1};
    d->table[inode % DISK_TABLE] = o;
    return o;
}

/* --- names */

struct names {
    struct disk_name *list;
    size_t count, cap;
};

static size_t name_find(const struct disk_name *list, size_t count, uint64_t folder, const char *name, size_t len)
{
    size_t i = 0;
    while (i < count && !(list[i].folder == folder && list[i].name_len == len && memcmp(list[i].name, name, len) == 0))
        i++;
    return i;
}

static void name_set(struct names *n, struct disk_name name)
{
    size_t i = name_find(n->list, n->count, name.folder, name.name, name.name_len);
    if (i == n->count) {
        if (n->count == n->cap) {
            n->cap = n->cap * 2 + 64;
            n->list = grown(n->list, n->cap, sizeof(*n->list));
        }
        n->count++;
    }
    n->list[i] = name;
}

static void name_drop(struct names *n, uint64_t folder, const char *name, size_t len)
{
    size_t i = name_find(n->list, n->count, folder, name, len);
    if (i < n->count)
        n->list[i] = n->list[--n->count];
}

static void change_apply(struct names *n, const struct disk_effect *f)
{
    const struct record_event *e = f->event;
    const char *name = e->bytes + e->data_len, *name2 = name + e->name_len;
    switch (e->kind) {
    case RECORD_CREATE:
        name_set(n, (struct disk_name){e->folder, name, e->name_len, f->object});
        break;
    case RECORD_LINK:
        name_set(n, (struct disk_name){e->folder2, name2, e->name2_len, f->object});
        break;
    case RECORD_RENAME:
        name_drop(n, e->folder, name, e->name_len);
        name_set(n, (struct disk_name){e->folder2, name2, e->name2_len, f->object});
        break;
    case RECORD_UNLINK:
        name_drop(n, e->folder, name, e->name_len);
        break;
    default:
        break;
    }
}

void disk_name_put(struct disk *d, uint64_t folder, const char *name, struct disk_object *object)
{
    struct names n = {d->names, d->name_count, d->name_cap};
    name_set(&n, (struct disk_name){folder, name, strlen(name), object});
    d->names = n.list, d->name_count = n.count, d->name_cap = n.cap;
}

/* --- data */

static void room(struct disk_object *o, size_t size)
{
    if (size > o->cap) {
        size_t cap = size + size / 2 + PAGE;
        o->content = grown(o->content, cap, 1);
        memset(o->content + o->cap, 0, cap - o->cap);
        o->cap = cap;
    }
}

static void resize(struct disk_object *o, uint64_t size)
{
    room(o, size);
    if (size < o->size)
        memset(o->content + size, 0, o->size - size);
    o->size = size;
}

static bool keeps(const struct disk_state *s, const struct record_event *e, uint64_t sector)
{
    uint64_t by_event = disk_hash(s->seed, e->begin), by_sector = disk_hash(by_event, sector + 1);
    switch (s->data_style) {
    case DISK_NOTHING:
        return false;
    case DISK_ALL:
        return true;
    case DISK_PREFIX:
        return e->end < s->prefix || (e->begin <= s->prefix && by_sector % 2);
    case DISK_EACH: /* whole, torn, not there */
        return by_event % 4 < 2 || (by_event % 4 == 2 && by_sector % 2);
    default:
        return by_sector % 2;
    }
}

/* s NULL: all of it. */
static void data_apply(struct disk_object *o, const struct record_event *e, const struct disk_state *s)
{
    if (e->kind == RECORD_SIZE && (!s || keeps(s, e, 0)))
        resize(o, e->offset);
    if (e->kind == RECORD_ALLOCATE && e->offset > o->size && (!s || keeps(s, e, 0)))
        resize(o, e->offset);
    if (e->kind != RECORD_WRITE)
        return;
    uint64_t end = e->offset + e->data_len;
    for (uint64_t at = e->offset; at < end;) {
        uint64_t stop = s ? (at / DISK_SECTOR + 1) * DISK_SECTOR : end;
        stop = stop < end ? stop : end;
        if (!s || keeps(s, e, at / DISK_SECTOR)) {
            room(o, stop);
            memcpy(o->content + at, e->bytes + (at - e->offset), stop - at);
            o->size = stop > o->size ? stop : o->size;
        }
        at = stop;
    }
}

/* --- time */

static void make_durable(struct disk *d, const struct disk_effect *sync)
{
    const struct record_event *s = sync->event;
    bool all = s->kind == RECORD_SYNC_ALL;
    size_t kept = 0;
    for (size_t i = 0; i < d->data_count; i++) {
        const struct disk_effect *f = &d->effects[d->data[i]];
        bool ignored = d->ignores && d->ignores(d, f->object);
        if ((all || f->object == sync->object) && f->ended && f->event->end < s->begin && !ignored) {
            data_apply(f->object, f->event, NULL);
            f->object->version++;
        } else {
            d->data[kept++] = d->data[i];
        }
    }
    d->data_count = kept;
    struct names n = {d->names, d->name_count, d->name_cap};
    kept = 0;
    for (size_t i = 0; i < d->change_count; i++) {
        const struct disk_effect *f = &d->effects[d->changes[i]];
        const struct record_event *e = f->event;
        uint64_t folder = e->folder2 ? e->folder2 : e->folder;
        bool here = all || e->folder == s->object || e->folder2 == s->object;
        bool ignored = d->ignores && disk_find(d, folder) && d->ignores(d, disk_find(d, folder));
        if (here && f->ended && e->end < s->begin && !ignored) {
            change_apply(&n, f);
            /* What was done before to the name that is moved away is over with it. */
            for (size_t k = 0; e->kind == RECORD_RENAME && k < kept; k++) {
                const struct record_event *old = d->effects[d->changes[k]].event;
                if (old->folder == e->folder && old->name_len == e->name_len && old->kind != RECORD_RENAME &&
                    memcmp(old->bytes + old->data_len, e->bytes + e->data_len, e->name_len) == 0) {
                    memmove(d->changes + k, d->changes + k + 1, (kept - k - 1) * sizeof(*d->changes));
                    kept--, k--;
                }
            }
        } else {
            d->changes[kept++] = d->changes[i];
        }
    }
    d->change_count = kept;
    d->names = n.list, d->name_count = n.count, d->name_cap = n.cap;
}

static void begin(struct disk *d, uint32_t index)
{
    struct disk_effect *f = &d->effects[index];
    const struct record_event *e = f->event;
    f->object = e->kind == RECORD_CREATE ? disk_put(d, e->object, e->offset == 1, NULL, 0) : disk_find(d, e->object);
    if (e->kind == RECORD_CREATE)
        f->object->made = e;
    switch (e->kind) {
    case RECORD_WRITE:
    case RECORD_SIZE:
    case RECORD_ALLOCATE:
        if (f->object)
            d->data[d->data_count++] = index;
        break;
    case RECORD_CREATE:
    case RECORD_RENAME:
    case RECORD_LINK:
    case RECORD_UNLINK:
        d->changes[d->change_count++] = index;
        break;
    default:
        break;
    }
}

const struct disk_moment *disk_step(struct disk *d)
{
    if (d->moment_at == d->moment_count)
        return NULL;
    const struct disk_moment *m = &d->moments[d->moment_at++];
    struct disk_effect *f = &d->effects[m->effect];
    if (!m->end) {
        begin(d, m->effect);
        return m;
    }
    f->ended = true;
    if (f->event->kind == RECORD_SYNC || f->event->kind == RECORD_SYNC_ALL)
        make_durable(d, f);
    return m;
}

/* --- one state */

static bool keeps_change(const struct disk_state *s, const struct record_event *e, uint64_t oldest, uint64_t now)
{
    uint64_t folder = e->folder2 ? e->folder2 : e->folder;
    switch (s->name_style) {
    case DISK_NOTHING:
        return false;
    case DISK_ALL:
        return true;
    case DISK_PREFIX:
        return e->begin <= s->prefix;
    case DISK_EACH:
        return e->begin <= oldest + disk_hash(s->seed, folder) % (now - oldest + 2);
    default:
        return disk_hash(s->seed, e->begin) % 2;
    }
}

static void draw_names(struct disk_state *s)
{
    const struct disk *d = s->disk;
    struct names n = {NULL, d->name_count, d->name_count + d->change_count + 1};
    n.list = grown(NULL, n.cap, sizeof(*n.list));
    if (d->name_count)
        memcpy(n.list, d->names, d->name_count * sizeof(*n.list));
    uint64_t oldest = d->change_count ? d->effects[d->changes[0]].event->begin : 0;
    uint64_t now = d->moment_at ? d->moments[d->moment_at - 1].at : 0;
    for (size_t i = 0; i < d->change_count; i++) {
        const struct disk_effect *f = &d->effects[d->changes[i]];
        if (keeps_change(s, f->event, oldest, now))
            change_apply(&n, f);
    }
    s->names = n.list;
    s->name_count = n.count;
}

void disk_draw(const struct disk *d, uint64_t seed, struct disk_state *s)
{
    *s = (struct disk_state){.disk = d, .seed = seed};
    uint64_t now = d->moment_at ? d->moments[d->moment_at - 1].at : 0, oldest = now;
    if (d->data_count && d->effects[d->data[0]].event->begin < oldest)
        oldest = d->effects[d->data[0]].event->begin;
    if (d->change_count && d->effects[d->changes[0]].event->begin < oldest)
        oldest = d->effects[d->changes[0]].event->begin;
    /* One draw in four is a journal's: names and data up to one moment. */
    uint64_t r = disk_hash(seed, 7);
    s->data_style = r % 4 == 0 ? DISK_PREFIX : (unsigned)((r >> 8) % DISK_STYLES);
    s->name_style = r % 4 == 0 ? DISK_PREFIX : (unsigned)((r >> 16) % DISK_STYLES);
    s->prefix = oldest + (r >> 24) % (now - oldest + 2);
    draw_names(s);
}

void disk_draw_all(const struct disk *d, struct disk_state *s)
{
    *s = (struct disk_state){.disk = d, .data_style = DISK_ALL, .name_style = DISK_ALL};
    draw_names(s);
}

void disk_state_close(struct disk_state *s)
{
    free(s->names);
    s->names = NULL;
}

const struct disk_name *disk_state_find(const struct disk_state *s, uint64_t folder, const char *name)
{
    size_t i = name_find(s->names, s->name_count, folder, name, strlen(name));
    return i < s->name_count ? &s->names[i] : NULL;
}

bool disk_is_pending(const struct disk *d, const struct disk_object *o)
{
    for (size_t i = 0; i < d->data_count; i++) {
        if (d->effects[d->data[i]].object == o)
            return true;
    }
    return false;
}

char *disk_state_content(const struct disk_state *s, const struct disk_object *o, size_t *size_r)
{
    struct disk_object copy = {.size = o->size};
    room(&copy, o->size + PAGE);
    if (o->size)
        memcpy(copy.content, o->content, o->size);
    for (size_t i = 0; i < s->disk->data_count; i++) {
        const struct disk_effect *f = &s->disk->effects[s->disk->data[i]];
        if (f->object == o)
            data_apply(&copy, f->event, s);
    }
    *size_r = copy.size;
    return copy.content;
}

/* --- made real */

static bool write_content(int fd, const char *content, size_t size)
{
    static const char zeros[PAGE];
    bool good = ftruncate(fd, (off_t)size) == 0;
    for (size_t at = 0; good && at < size;) {
        size_t len = 0;
        while (at + len < size) {
            size_t step = size - at - len < PAGE ? size - at - len : PAGE;
            if (memcmp(content + at + len, zeros, step) == 0)
                break;
            len += step;
        }
        good = len == 0 || pwrite(fd, content + at, len, (off_t)at) == (ssize_t)len;
        at += len + (at + len < size ? PAGE : 0);
    }
    return good;
}

static bool make_file(const struct disk_state *s, const struct disk_object *o, const char *path)
{
    size_t size;
    char *content = disk_state_content(s, o, &size);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write_content(fd, content, size);
    if (fd >= 0)
        close(fd);
    free(content);
    return good;
}

bool disk_state_make(const struct disk_state *s, uint64_t folder, const char *path)
{
    bool good = true;
    for (size_t i = 0; good && i < s->name_count; i++) {
        const struct disk_name *n = &s->names[i];
        char below[512];
        if (n->folder != folder || !n->object)
            continue;
        snprintf(below, sizeof(below), "%s/%.*s", path, (int)n->name_len, n->name);
        if (n->object->folder)
            good = mkdir(below, 0700) == 0 && disk_state_make(s, n->object->inode, below);
        else
            good = make_file(s, n->object, below);
    }
    return good;
}
