/* SPDX-License-Identifier: ISC */
#include "spool/reader_parts.h"
#include "spool/window.h"

#define HEAD_GUESS 1024u
#define WINDOW 65536u
#define NEIGHBOURS 8u /* a window is read where it may hold so many records or more */
#define ARENA_KEPT 65536u
#define ARENA_MAX ((size_t)1 << 30) /* a bound on nothing but ourselves: a head's bytes bound what it decodes to */

struct spool_heads {
    struct spool_reader *reader;
    struct arena arena;
    struct spool_head head;
    uint64_t segment; /* what the bytes are of; 0 none */
    uint32_t at;
    slice bytes;
    struct spool_window window;
};

enum err spool_heads_open(struct spool_reader *r, struct spool_heads **heads_r)
{
    struct spool_heads *h = calloc(1, sizeof(*h));
    if (!h)
        return ERR_NOMEM;
    h->reader = r;
    arena_init(&h->arena, ARENA_MAX);
    *heads_r = h;
    return ERR_OK;
}

void spool_heads_close(struct spool_heads **heads)
{
    struct spool_heads *h = *heads;
    if (!h)
        return;
    arena_deinit(&h->arena);
    spool_window_deinit(&h->window);
    free(h);
    *heads = NULL;
}

static enum err window_read(struct spool_heads *h, const struct spool_place *place, size_t len)
{
    int fd = -1;
    enum err e = spool_reader_segment(h->reader, place->segment, &fd);
    if (e != ERR_OK)
        return e;
    h->segment = 0;
    e = spool_window_read(&h->window, fd, place->offset, len, &h->bytes);
    if (e != ERR_OK)
        return e;
    h->segment = place->segment;
    h->at = place->offset;
    return ERR_OK;
}

/* So many bytes from the place on, fewer only at the end of the segment. */
static enum err bytes_at(struct spool_heads *h, const struct spool_place *place, size_t want, slice *bytes_r)
{
    bool here = h->segment == place->segment && place->offset >= h->at && place->offset - h->at <= h->bytes.len &&
                want <= h->bytes.len - (place->offset - h->at);
    if (!here) {
        size_t len = place->length <= WINDOW / NEIGHBOURS && want < WINDOW ? WINDOW : want;
        enum err e = window_read(h, place, len);
        if (e != ERR_OK)
            return e;
    }
    *bytes_r = slice_sub(slice_skip(h->bytes, place->offset - h->at), 0, want);
    return ERR_OK;
}

/* The memory of many heads is given back at once. */
static enum err decode(struct spool_heads *h, const struct spool_place *place, slice head)
{
    if (h->arena.used > ARENA_KEPT)
        arena_reset(&h->arena);
    enum err e = spool_head_decode(head, &h->arena, &h->head);
    if (e == ERR_OK && (h->head.id != place->id || h->head.copy != place->copy))
        e = ERR_CORRUPT;
    return e;
}

enum err spool_heads_read(struct spool_heads *h, const struct spool_place *place, const struct spool_head **head_r)
{
    if (place->length < SPOOL_FRAME_SIZE || place->length > SPOOL_RECORD_MAX)
        return ERR_CORRUPT;
    slice bytes = SLICE_NONE;
    struct spool_record record;
    size_t guess = place->length < HEAD_GUESS ? place->length : HEAD_GUESS;
    enum err e = bytes_at(h, place, guess, &bytes);
    if (e == ERR_OK)
        e = spool_record_peek(bytes, &record);
    if (e == ERR_OK && !spool_reader_matches(&record, place))
        e = ERR_CORRUPT;
    if (e == ERR_OK && SPOOL_FRAME_SIZE + record.head.len > guess)
        e = bytes_at(h, place, SPOOL_FRAME_SIZE + record.head.len, &bytes);
    if (e == ERR_OK)
        e = spool_record_read_head(bytes, &record);
    if (e == ERR_OK)
        e = decode(h, place, record.head);
    if (e == ERR_OK)
        *head_r = &h->head;
    return e;
}
