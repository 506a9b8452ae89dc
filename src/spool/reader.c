/* SPDX-License-Identifier: ISC */
#include "spool/reader.h"

#include "spool/large.h"
#include "spool/reader_parts.h"
#include "spool/record.h"
#include "spool/segment.h"

#define DESCRIPTORS 64
#define HEAD_GUESS 1024
#define ARENA_FACTOR 32 /* decoded arrays against encoded bytes: a recipient of 8 bytes becomes a struct of some 150 */
#define CONTENT_STEP_MAX (256u << 10)

struct spool_reader {
    int dir_fd;
    uint64_t clock;
    struct cached {
        uint64_t segment; /* 0: free */
        uint64_t used;
        int fd;
    } cache[DESCRIPTORS];
};

struct spool_entry {
    struct spool_head head;
    struct arena arena;
    char *bytes; /* of the record */
    slice body;  /* in bytes */
    bool head_only;
    int large_fd; /* -1: the body is in the record */
    struct spool_large_page large;
    char *piece; /* of a large body */
    size_t piece_cap;
};

enum err spool_reader_open(int dir_fd, struct spool_reader **reader_r)
{
    struct spool_reader *r = calloc(1, sizeof(*r));
    if (!r)
        return ERR_NOMEM;
    r->dir_fd = dir_fd;
    for (size_t i = 0; i < DESCRIPTORS; i++)
        r->cache[i].fd = -1;
    *reader_r = r;
    return ERR_OK;
}

void spool_reader_close(struct spool_reader **reader)
{
    struct spool_reader *r = *reader;
    if (!r)
        return;
    for (size_t i = 0; i < DESCRIPTORS; i++)
        os_close(&r->cache[i].fd);
    free(r);
    *reader = NULL;
}

enum err spool_reader_segment(struct spool_reader *r, uint64_t segment, int *fd_r)
{
    struct cached *oldest = &r->cache[0];
    r->clock++;
    for (size_t i = 0; i < DESCRIPTORS; i++) {
        struct cached *c = &r->cache[i];
        if (c->fd >= 0 && c->segment == segment) {
            c->used = r->clock;
            *fd_r = c->fd;
            return ERR_OK;
        }
        if (c->used < oldest->used)
            oldest = c;
    }
    char name[SPOOL_NAME_SIZE];
    int fd = -1;
    enum err e = os_open(r->dir_fd, spool_segment_name(name, segment), O_RDONLY, 0, &fd);
    if (e != ERR_OK)
        return e;
    os_close(&oldest->fd);
    *oldest = (struct cached){.segment = segment, .used = r->clock, .fd = fd};
    *fd_r = fd;
    return ERR_OK;
}

void spool_reader_trim(struct spool_reader *r)
{
    for (size_t i = 0; i < DESCRIPTORS; i++) {
        struct cached *c = &r->cache[i];
        struct os_file_stamp stamp;
        if (c->fd < 0 || (os_fd_stamp(c->fd, &stamp) == ERR_OK && stamp.links > 0))
            continue;
        os_close(&c->fd);
        *c = (struct cached){.fd = -1};
    }
}

void spool_entry_close(struct spool_entry **entry)
{
    struct spool_entry *e = *entry;
    if (!e)
        return;
    os_close(&e->large_fd);
    arena_deinit(&e->arena);
    free(e->piece);
    free(e->bytes);
    free(e);
    *entry = NULL;
}

bool spool_reader_matches(const struct spool_record *record, const struct spool_place *place)
{
    return record->kind == SPOOL_RECORD_MESSAGE && record->id == place->id && record->copy == place->copy &&
           record->seal.epoch == place->epoch && record->length == place->length;
}

static enum err decode(struct spool_entry *entry, const struct spool_record *record)
{
    arena_init(&entry->arena, record->head.len * ARENA_FACTOR + 4096);
    enum err e = spool_head_decode(record->head, &entry->arena, &entry->head);
    if (e == ERR_OK && (entry->head.id != record->id || entry->head.copy != record->copy))
        e = ERR_CORRUPT;
    return e;
}

static enum err read_bytes(int fd, uint64_t offset, size_t len, struct spool_entry *entry, slice *bytes_r)
{
    char *bytes = realloc(entry->bytes, len);
    if (!bytes)
        return ERR_NOMEM;
    entry->bytes = bytes;
    size_t got;
    enum err e = os_pread(fd, bytes, len, offset, &got);
    if (e == ERR_OK)
        *bytes_r = slice_of(bytes, got);
    return e;
}

static enum err read_whole(int fd, const struct spool_place *place, struct spool_entry *entry)
{
    slice bytes = SLICE_NONE;
    struct spool_record record;
    enum err e = read_bytes(fd, place->offset, place->length, entry, &bytes);
    if (e == ERR_OK)
        e = spool_record_read(bytes, &record);
    if (e == ERR_OK && !spool_reader_matches(&record, place))
        e = ERR_CORRUPT;
    if (e == ERR_OK)
        e = decode(entry, &record);
    if (e == ERR_OK)
        entry->body = record.body;
    return e;
}

static enum err open_large(struct spool_reader *r, struct spool_entry *entry)
{
    if (entry->head.large_file == 0)
        return ERR_OK;
    enum err e = spool_large_open(r->dir_fd, entry->head.large_file, entry->head.id, &entry->large_fd, &entry->large);
    return e == ERR_OK ? spool_large_check(entry->large_fd, &entry->large) : e;
}

static enum err read_head(int fd, const struct spool_place *place, struct spool_entry *entry)
{
    slice bytes = SLICE_NONE;
    struct spool_record record;
    size_t guess = place->length < HEAD_GUESS ? place->length : HEAD_GUESS;
    entry->head_only = true;
    enum err e = read_bytes(fd, place->offset, guess, entry, &bytes);
    if (e == ERR_OK)
        e = spool_record_peek(bytes, &record);
    if (e == ERR_OK && !spool_reader_matches(&record, place))
        e = ERR_CORRUPT;
    if (e == ERR_OK && SPOOL_FRAME_SIZE + record.head.len > guess)
        e = read_bytes(fd, place->offset, SPOOL_FRAME_SIZE + record.head.len, entry, &bytes);
    if (e == ERR_OK)
        e = spool_record_read_head(bytes, &record);
    if (e == ERR_OK && !spool_reader_matches(&record, place))
        e = ERR_CORRUPT;
    return e == ERR_OK ? decode(entry, &record) : e;
}

static enum err open_entry(struct spool_reader *r, const struct spool_place *place, bool head_only,
                           struct spool_entry **entry_r)
{
    if (place->length < SPOOL_FRAME_SIZE || place->length > SPOOL_RECORD_MAX)
        return ERR_CORRUPT;
    int fd = -1;
    enum err e = spool_reader_segment(r, place->segment, &fd);
    if (e != ERR_OK)
        return e;
    struct spool_entry *entry = malloc(sizeof(*entry));
    if (!entry)
        return ERR_NOMEM;
    *entry = (struct spool_entry){.large_fd = -1};
    if (head_only) {
        e = read_head(fd, place, entry);
    } else {
        e = read_whole(fd, place, entry);
        if (e == ERR_OK)
            e = open_large(r, entry);
    }
    if (e != ERR_OK) {
        spool_entry_close(&entry);
        return e;
    }
    *entry_r = entry;
    return ERR_OK;
}

enum err spool_entry_open(struct spool_reader *r, const struct spool_place *place, struct spool_entry **entry_r)
{
    return open_entry(r, place, false, entry_r);
}

enum err spool_entry_open_head(struct spool_reader *r, const struct spool_place *place, struct spool_entry **entry_r)
{
    return open_entry(r, place, true, entry_r);
}

const struct spool_head *spool_entry_head(const struct spool_entry *e)
{
    return &e->head;
}

static enum err large_content(struct spool_entry *e, uint64_t offset, size_t max, slice *content_r)
{
    if (offset >= e->large.size) {
        *content_r = SLICE_NONE;
        return ERR_OK;
    }
    size_t want = max < CONTENT_STEP_MAX ? max : CONTENT_STEP_MAX;
    if (want > e->large.size - offset)
        want = (size_t)(e->large.size - offset);
    if (e->piece_cap < want) {
        char *piece = realloc(e->piece, want);
        if (!piece)
            return ERR_NOMEM;
        e->piece = piece;
        e->piece_cap = want;
    }
    size_t got;
    enum err err = os_pread(e->large_fd, e->piece, want, SPOOL_PAGE + offset, &got);
    if (err == ERR_OK && got < want)
        err = ERR_CORRUPT;
    if (err == ERR_OK)
        *content_r = slice_of(e->piece, got);
    return err;
}

enum err spool_entry_content(struct spool_entry *e, uint64_t offset, size_t max, slice *content_r)
{
    if (e->head_only)
        return ERR_UNSUPPORTED;
    if (e->large_fd >= 0)
        return large_content(e, offset, max, content_r);
    slice left = offset < e->body.len ? slice_skip(e->body, (size_t)offset) : SLICE_NONE;
    *content_r = slice_sub(left, 0, max);
    return ERR_OK;
}
