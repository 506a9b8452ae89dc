/* SPDX-License-Identifier: ISC */
#include "trace/ring.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "trace/layout.h"

#define RING_MODE 0640

struct trace_ring {
    union {
        void *memory;
        struct ring_header *header;
        unsigned char *bytes;
    };
    size_t size;
    uint32_t block_count;
    uint64_t sequence; /* of the block that is written; 0: none yet */
    size_t at;         /* in it */
};

static struct {
    pthread_mutex_t lock;
    struct trace_ring *_Atomic ring;
    uint32_t pid;
} current = {.lock = PTHREAD_MUTEX_INITIALIZER};

slice trace_gauge_name(enum trace_gauge gauge)
{
#define GAUGE_NAME(word, name) SLICE(name),
    static const slice names[] = {TRACE_GAUGES(GAUGE_NAME)};
    assert((unsigned)gauge < TRACE_GAUGE_COUNT);
    return names[gauge];
}

/* ERR_CORRUPT: it is no ring of this size. */
static enum err open_existing(int folder_fd, slice name, const struct trace_ring *want, int *fd_r)
{
    struct ring_header head;
    struct os_file_stamp stamp;
    size_t got = 0;
    int fd = -1;
    enum err e = os_open(folder_fd, name, O_RDWR | O_NONBLOCK, 0, &fd);
    if (e == ERR_OK)
        e = os_fd_stamp(fd, &stamp);
    if (e == ERR_OK && (!stamp.is_regular || stamp.uid != os_uid() || stamp.links != 1 || stamp.size != want->size))
        e = ERR_CORRUPT;
    if (e == ERR_OK)
        e = os_pread(fd, &head, sizeof head, 0, &got);
    if (e == ERR_OK && (got != sizeof head || head.magic != RING_MAGIC || head.block_size != RING_BLOCK_SIZE ||
                        head.block_count != want->block_count))
        e = ERR_CORRUPT;
    /* The blocks of a file that was cut, or that came from a backup, may have to be found anew. */
    if (e == ERR_OK)
        e = os_fallocate(fd, want->size);
    if (e != ERR_OK)
        os_close(&fd);
    else
        *fd_r = fd;
    return e;
}

/* The header comes last: without it nobody takes it for a ring. */
static enum err make_file(int folder_fd, slice name, const struct trace_ring *want, int *fd_r)
{
    struct ring_header head = {.magic = RING_MAGIC, .block_size = RING_BLOCK_SIZE, .block_count = want->block_count};
    int fd = -1;
    enum err e = os_unlink(folder_fd, name);
    if (e == ERR_OK || e == ERR_NOTFOUND)
        e = os_open(folder_fd, name, O_RDWR | O_CREAT | O_EXCL, RING_MODE, &fd);
    if (e != ERR_OK)
        return e;
    e = os_fchmod(fd, RING_MODE);
    if (e == ERR_OK)
        e = os_fallocate(fd, want->size);
    if (e == ERR_OK)
        e = os_pwrite(fd, slice_of(&head, sizeof head), 0);
    if (e == ERR_OK) {
        *fd_r = fd;
        return ERR_OK;
    }
    os_close(&fd);
    enum err undone = os_unlink(folder_fd, name);
    (void)undone; /* it is replaced at the next start */
    return e;
}

enum err trace_ring_open(int folder_fd, const char *name, size_t size, struct trace_ring **ring_r)
{
    uint64_t blocks = size > RING_HEADER_SIZE ? (size - RING_HEADER_SIZE) / RING_BLOCK_SIZE : 0;
    if (blocks < 2 || blocks > RING_BLOCKS_MAX)
        return ERR_LIMIT;
    struct trace_ring *r = calloc(1, sizeof *r);
    if (!r)
        return ERR_NOMEM;
    r->block_count = (uint32_t)blocks;
    r->size = (size_t)ring_block_at(blocks);
    int fd = -1;
    enum err e = open_existing(folder_fd, slice_str(name), r, &fd);
    if (e != ERR_OK)
        e = make_file(folder_fd, slice_str(name), r, &fd);
    if (e == ERR_OK)
        e = os_map_open(fd, r->size, &r->memory);
    os_close(&fd);
    if (e != ERR_OK) {
        free(r);
        return e;
    }
    *ring_r = r;
    return ERR_OK;
}

void trace_ring_close(struct trace_ring **ring)
{
    struct trace_ring *r = *ring;
    if (!r)
        return;
    *ring = NULL;
    if (atomic_load(&current.ring) == r)
        trace_ring_use(NULL);
    os_map_close(&r->memory, r->size);
    free(r);
}

static unsigned char *block_of(const struct trace_ring *r, uint64_t sequence)
{
    return r->bytes + ring_block_at((sequence - 1) % r->block_count);
}

static uint64_t sequence_at(const struct trace_ring *r, uint32_t index)
{
    uint64_t sequence;
    memcpy(&sequence, r->bytes + ring_block_at(index), sizeof sequence);
    return ring_sequence_fits(sequence, index, r->block_count) ? sequence : 0;
}

/* Behind the last record of the process before. */
static void find_end(struct trace_ring *r)
{
    r->sequence = 0;
    for (uint32_t i = 0; i < r->block_count; i++) {
        uint64_t sequence = sequence_at(r, i);
        r->sequence = sequence > r->sequence ? sequence : r->sequence;
    }
    r->at = RING_BLOCK_HEAD;
    struct trace_record record;
    while (r->sequence > 0 &&
           record_next(slice_of(block_of(r, r->sequence), RING_BLOCK_SIZE), r->sequence, &r->at, &record))
        ;
}

/* A forked process has no right to a ring that its parent writes. */
static void forked(void)
{
    (void)pthread_mutex_init(&current.lock, NULL);
    atomic_store(&current.ring, NULL);
    os_map_guard(NULL, 0);
}

static void clear_gauges(struct trace_ring *r)
{
    for (int i = 0; i < TRACE_GAUGE_COUNT; i++)
        atomic_store_explicit(&r->header->gauges[i], 0, memory_order_relaxed);
}

void trace_ring_use(struct trace_ring *ring)
{
    static bool told;
    if (!told)
        (void)pthread_atfork(NULL, NULL, forked);
    told = true;
    pthread_mutex_lock(&current.lock);
    if (ring) {
        os_map_guard(ring->memory, ring->size);
        find_end(ring);
        clear_gauges(ring);
        current.pid = process_pid();
        atomic_store(&ring->header->started_us, os_wall_us());
        atomic_store(&ring->header->pid, current.pid);
    }
    atomic_store(&current.ring, ring);
    pthread_mutex_unlock(&current.lock);
}

void trace_ring_rest(struct trace_ring *ring)
{
    os_map_guard_also(ring->memory, ring->size);
    clear_gauges(ring);
    atomic_store(&ring->header->pid, 0);
    os_map_guard_also(NULL, 0);
}

void trace_gauge_set(enum trace_gauge gauge, int64_t value)
{
    struct trace_ring *r = atomic_load_explicit(&current.ring, memory_order_relaxed);
    if (r)
        atomic_store_explicit(&r->header->gauges[gauge], value, memory_order_relaxed);
}

void trace_gauge_add(enum trace_gauge gauge, int64_t value)
{
    struct trace_ring *r = atomic_load_explicit(&current.ring, memory_order_relaxed);
    if (r)
        atomic_fetch_add_explicit(&r->header->gauges[gauge], value, memory_order_relaxed);
}

static void begin_block(struct trace_ring *r)
{
    r->sequence++;
    r->at = RING_BLOCK_HEAD;
    _Atomic uint64_t *head = (_Atomic uint64_t *)(void *)block_of(r, r->sequence);
    atomic_store_explicit(head, r->sequence, memory_order_release);
}

static void write_record(struct trace_ring *r, const struct record_made *record)
{
    unsigned char memory[RECORD_MAX];
    if (r->sequence == 0)
        begin_block(r);
    size_t length = record_encode(memory, r->sequence, record);
    if (length > RING_BLOCK_SIZE - r->at) {
        begin_block(r);
        length = record_encode(memory, r->sequence, record); /* its CRC has the sequence */
    }
    memcpy(block_of(r, r->sequence) + r->at, memory, length);
    r->at += length;
}

/* Lock held: readers only look. */
static void count(_Atomic uint64_t *counter)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + 1, memory_order_relaxed);
}

void ring_take(const struct trace_event *e, slice message, int64_t now_us)
{
    struct trace_ring *r = atomic_load_explicit(&current.ring, memory_order_relaxed);
    if (!r)
        return;
    struct record_made record = {.time_us = now_us, .pid = current.pid, .event = e};
    if (e->kind == TRACE_NOTE)
        record.message = message;
    pthread_mutex_lock(&current.lock);
    if (atomic_load_explicit(&current.ring, memory_order_relaxed) == r) {
        count(&r->header->counters[e->kind]);
        if (e->kind != TRACE_NOTE || e->level != LOG_DEBUG)
            write_record(r, &record);
    }
    pthread_mutex_unlock(&current.lock);
}
