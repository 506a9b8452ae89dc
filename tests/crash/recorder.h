/* SPDX-License-Identifier: ISC */
/* What a process does to the files of one file system, recorded with data into a mapping that all processes share. Loaded before libc
 * (LD_PRELOAD), or linked into the program that is to be recorded. Each event has the number that a common counter had before the call and after it: of
 * two calls that overlap neither is before the other. Beside file calls there are notes: texts that matter, with their place in that order.
 * THURN_RECORD names the file of the mapping, made by who wants the record: record_prepare. */
#ifndef TESTS_CRASH_RECORDER_H
#define TESTS_CRASH_RECORDER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_START 4096

enum record_kind {
    RECORD_WRITE = 1, /* object, offset, data */
    RECORD_SIZE,      /* object, offset: the size, exactly */
    RECORD_ALLOCATE,  /* object, offset: the size, at least */
    RECORD_SYNC,      /* object: a file or a folder */
    RECORD_SYNC_ALL,
    RECORD_CREATE, /* folder, name, object; offset 1: it is a folder itself */
    RECORD_LINK,   /* object, folder2, name2 */
    RECORD_UNLINK, /* folder, name */
    RECORD_RENAME, /* folder, name, object, folder2, name2 */
    RECORD_NOTE,   /* data: the text */
};

struct record_event {
    uint32_t length; /* of the whole event, a multiple of 8 */
    uint32_t kind;
    uint64_t begin, end;
    uint64_t object, folder, folder2; /* inode numbers */
    uint64_t offset;
    uint32_t data_len;
    uint16_t name_len, name2_len;
    char bytes[]; /* data, name, name2 */
};

struct record_file {
    uint64_t size;         /* of the mapping */
    _Atomic uint64_t used; /* next free byte */
    _Atomic uint64_t clock;
    _Atomic uint64_t points; /* effects, syncs and notes so far */
    _Atomic uint32_t gate;   /* 1: no call may begin */
    _Atomic uint32_t inside; /* calls under way */
    _Atomic uint32_t full;   /* 1: something had no room, the record is worth nothing */
    uint32_t sync_us;        /* each sync takes that much longer, as a disk's would */
    uint64_t device;         /* whose files */
    uint64_t free_bytes;     /* not 0: what statvfs says is free */
    uint32_t checkpoint_ms;  /* not 0: the wait between the queue's checkpoints, in place of minutes */
    uint32_t pad;
};

/* In this program, from now on; NULL: no more. */
void record_into(struct record_file *file);
/* A text with its place in the order; for programs beside the server, such as the client that gets a 250. */
void record_note(const char *text);

#endif
