/* SPDX-License-Identifier: ISC */
/* What a power cut may leave on the disk, from a record (recorder.h).
 *
 * The model is what fsync(2) promises, which is less than what ext4, xfs and btrfs keep in truth:
 *   - Data, and the size that comes with it, is durable when an fsync, fdatasync or syncfs that began after the write had returned has itself returned. Of what is not, each sector of
 *     512 bytes is old or new, whatever its neighbours are; the file is as long as its last sector that is there; what lies between is zero. (fdatasync writes the size, too, when
 *     the data cannot be read without it.)
 *   - A name that was made, moved, linked or removed is durable when an fsync of its folder (of either one, for a rename) that began after the call had returned has itself returned, or a
 *     syncfs. A sync of the file alone does not make its name durable (on ext4 and xfs it does: their journal keeps all changes of names in order). Of what is not durable any part may
 *     be there. A rename is there as a whole or not at all.
 *   - Of two calls that overlap neither comes before the other; of a call that had begun any part may be there.
 * A draw takes one of several styles: nothing of what was not synced is there; all of it; all up to some moment (the journal of a real file system); for names, up to some moment of each folder; for
 * data, each write whole, torn or not there; anything. */
#ifndef TESTS_CRASH_DISK_H
#define TESTS_CRASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder.h"

#define DISK_SECTOR 512

struct disk_object {
    struct disk_object *next; /* of the same place in the table */
    uint64_t inode;
    bool folder;
    char *content; /* what is durable */
    size_t size, cap;
    uint32_t version;                /* higher with each change of content */
    const struct record_event *made; /* NULL: it was there before */
    uint32_t judged;                 /* the caller's: version that was looked at */
    int32_t verdict;                 /* the caller's */
};

struct disk_name {
    uint64_t folder;
    const char *name;
    size_t name_len;
    struct disk_object *object;
};

struct disk_effect {
    const struct record_event *event;
    struct disk_object *object;
    bool ended;
};

/* A moment: the beginning or the end of an event. */
struct disk_moment {
    uint64_t at;
    uint32_t effect;
    bool end;
    bool cut; /* after it more or less can be on the disk, or more is promised, than before */
};

#define DISK_TABLE 8192

struct disk {
    struct disk_object *table[DISK_TABLE];
    struct disk_effect *effects;
    size_t effect_count;
    struct disk_moment *moments;
    size_t moment_count, moment_at;
    struct disk_name *names; /* durable */
    size_t name_count, name_cap;
    uint32_t *data, *changes; /* effects that are not durable, in order */
    size_t data_count, change_count;
    /* For controls: this one's syncs do nothing (NULL: all work). A folder's are those of the names in it. */
    bool (*ignores)(const struct disk *d, const struct disk_object *o);
};

/* The record stays the caller's, and must outlive the disk. */
void disk_open(struct disk *d, const struct record_file *record);
void disk_close(struct disk *d);
/* What is there before the record begins; content is taken (malloc). */
struct disk_object *disk_put(struct disk *d, uint64_t inode, bool folder, char *content, size_t size);
void disk_name_put(struct disk *d, uint64_t folder, const char *name, struct disk_object *object);
struct disk_object *disk_find(const struct disk *d, uint64_t inode);
/* The next moment; NULL at the end. */
const struct disk_moment *disk_step(struct disk *d);

/* One state that a cut at this moment may leave. */
struct disk_state {
    const struct disk *disk;
    uint64_t seed, prefix;
    unsigned data_style, name_style;
    struct disk_name *names;
    size_t name_count;
};

enum { DISK_NOTHING, DISK_ALL, DISK_PREFIX, DISK_EACH, DISK_ANY, DISK_STYLES };

void disk_draw(const struct disk *d, uint64_t seed, struct disk_state *s);
/* All that was ever done, synced or not: what a reader sees. */
void disk_draw_all(const struct disk *d, struct disk_state *s);
void disk_state_close(struct disk_state *s);
const struct disk_name *disk_state_find(const struct disk_state *s, uint64_t folder, const char *name);
/* The content of a file; to be freed. */
char *disk_state_content(const struct disk_state *s, const struct disk_object *o, size_t *size_r);
/* Is any of it not durable? */
bool disk_is_pending(const struct disk *d, const struct disk_object *o);
/* Makes what is below the folder in a folder that is there. */
bool disk_state_make(const struct disk_state *s, uint64_t folder, const char *path);

uint64_t disk_hash(uint64_t a, uint64_t b);

#endif
