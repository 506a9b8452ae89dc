/* SPDX-License-Identifier: ISC */
/* Reading a folder of ring files of which one may hold anything: it ends, gives only what lies in the file, and what a process writes to the file afterwards is read.
 * Input: a byte for what is put right (1 header, 2 sequences of the blocks, 4 CRCs); then pieces: a byte for the block it is put at the beginning of (or the header), two bytes for its length, its content. */
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "trace/layout.h"
#include "trace/trace.h"

#define BLOCKS 3u
#define SIZE (RING_HEADER_SIZE + BLOCKS * RING_BLOCK_SIZE)
#define RECORDS_MAX (BLOCKS * RING_BLOCK_SIZE / 32)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char file[SIZE];
static char folder[] = "/tmp/thurn-trace-fuzz-XXXXXX";

static int folder_fd = -1;

static void remove_folder(void)
{
    trace_ring_use(NULL);
    (void)unlinkat(folder_fd, "ring-0", 0);
    (void)rmdir(folder);
}

static void open_folder(void)
{
    if (folder_fd >= 0)
        return;
    if (!mkdtemp(folder))
        abort();
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
    (void)atexit(remove_folder);
    log_open(SLICE("fuzz"), open("/dev/null", O_WRONLY), LOG_ERROR);
}

static void put_pieces(const uint8_t *data, size_t size)
{
    memset(file, 0, sizeof file);
    while (size >= 3) {
        size_t block = data[0] % (BLOCKS + 1), len = get_u16(data + 1);
        len = len < size - 3 ? len : size - 3;
        size_t at = block == BLOCKS ? 0 : ring_block_at(block);
        if (len > sizeof file - at)
            len = sizeof file - at;
        memcpy(file + at, data + 3, len);
        data += 3 + len;
        size -= 3 + len;
    }
}

static void put_right_crcs(size_t block_at)
{
    uint64_t sequence;
    char number[8];
    memcpy(&sequence, file + block_at, sizeof sequence);
    put_u64(number, sequence);
    for (size_t at = RING_BLOCK_HEAD; at + RECORD_HEAD <= RING_BLOCK_SIZE;) {
        unsigned char *p = file + block_at + at;
        size_t len = get_u32(p);
        if (len < RECORD_HEAD || len > RECORD_MAX || len > RING_BLOCK_SIZE - at)
            return;
        uint32_t crc = hash_crc32c(0, slice_of(number, sizeof number));
        put_u32(p + 4, hash_crc32c(crc, slice_of(p + 8, len - 8)));
        at += len;
    }
}

static void put_right(unsigned what)
{
    struct ring_header *h = (struct ring_header *)(void *)file;
    if (what & 1) {
        h->magic = RING_MAGIC;
        h->block_size = RING_BLOCK_SIZE;
        h->block_count = BLOCKS;
    }
    for (uint64_t i = 0; i < BLOCKS; i++) {
        uint64_t sequence = i + 1;
        if (what & 2)
            memcpy(file + ring_block_at(i), &sequence, sizeof sequence);
        if (what & 4)
            put_right_crcs(ring_block_at(i));
    }
}

/* Reads each byte that it is given, so that a sanitizer sees where it lies. */
static unsigned sum(slice s)
{
    unsigned total = 0;
    for (size_t i = 0; i < s.len; i++)
        total += (unsigned char)s.ptr[i];
    return total;
}

static size_t read_all(struct trace_reader *r, bool *seen_r)
{
    struct trace_record record;
    size_t n = 0;
    unsigned total = 0;
    while (trace_reader_next(r, &record)) {
        assert(++n <= RECORDS_MAX);
        assert(record.event.count <= TRACE_FIELDS_MAX && record.event.kind < TRACE_KIND_COUNT);
        total += sum(record.message) + sum(record.process) + (unsigned)trace_kind_name(record.event.kind).len;
        for (size_t i = 0; i < record.event.count; i++)
            total += sum(record.event.fields[i].text) + (unsigned)trace_key_name(record.event.fields[i].key).len;
        *seen_r |= record.event.kind == TRACE_RELEASED && record.event.count == 1 &&
                   slice_equal(record.event.fields[0].text, SLICE("written after the damage"));
    }
    return n + (total == 1);
}

static void on_totals(void *ctx, const struct trace_totals *t)
{
    (void)ctx;
    assert(t->process.len == 6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace_reader *r = NULL;
    bool seen = false;
    if (size == 0)
        return 0;
    open_folder();
    put_pieces(data + 1, size - 1);
    put_right(data[0]);
    int fd = openat(folder_fd, "ring-0", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, file, sizeof file) != (ssize_t)sizeof file)
        abort();
    (void)close(fd);
    if (trace_reader_open(folder, &r) != ERR_OK)
        abort();
    (void)read_all(r, &seen);
    trace_reader_totals(r, on_totals, NULL);
    struct trace_ring *ring = NULL;
    struct trace_event e;
    if (trace_ring_open(folder_fd, "ring-0", SIZE, &ring) != ERR_OK)
        abort();
    trace_ring_use(ring);
    trace_event_init(&e, TRACE_RELEASED, LOG_INFO);
    trace_add(&e, TRACE_KEY_REASON, SLICE("written after the damage"));
    trace_emit(&e, SLICE("written"));
    trace_ring_close(&ring);
    trace_reader_close(&r);
    if (trace_reader_open(folder, &r) != ERR_OK)
        abort();
    trace_reader_end_here(r);
    (void)read_all(r, &seen);
    assert(seen);
    trace_reader_close(&r);
    return 0;
}
