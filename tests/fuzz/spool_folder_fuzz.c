/* SPDX-License-Identifier: ISC */
/* Recovery of a whole spool whose files may hold anything: it ends without an error, finds the same again, every mail that it finds can be opened or is refused,
 * and what the sweep leaves is what was found. Input: files, one after the other: a byte for what it is, its number, and how it is put right; two bytes for its length; its content. */
#include <ftw.h>
#include <unistd.h>

#include "spool/segment.h"
#include "spool/spool.h"
#include "spool_repair.h"

#define FILES_MAX 6
#define FOUND_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct found {
    struct spool_place places[FOUND_MAX];
    size_t count;
    uint64_t sum;
};

static enum err on_message(void *ctx, const struct spool_place *place, slice head)
{
    struct found *f = ctx;
    struct arena arena;
    struct spool_head h;
    arena_init(&arena, 1 << 20);
    enum err e = spool_head_decode(head, &arena, &h);
    arena_deinit(&arena);
    if (e != ERR_OK)
        return ERR_CORRUPT;
    f->sum = f->sum * 31 + place->id + place->offset + place->segment;
    if (f->count < FOUND_MAX)
        f->places[f->count++] = *place;
    return ERR_OK;
}

static enum err on_checkpoint(void *ctx, const struct spool_place *place, slice state)
{
    struct found *f = ctx;
    f->sum = f->sum * 37 + place->id + state.len;
    if (f->count < FOUND_MAX)
        f->places[f->count++] = *place;
    return ERR_OK;
}

static enum err on_outcome(void *ctx, const struct spool_outcome *o)
{
    struct found *f = ctx;
    f->sum = f->sum * 41 + o->id + o->text.len;
    return ERR_OK;
}

static enum err on_segment(void *ctx, uint64_t segment, uint32_t writer, uint32_t epoch)
{
    struct found *f = ctx;
    f->sum = f->sum * 43 + segment + writer + epoch;
    return ERR_OK;
}

static void on_damaged(void *ctx, uint64_t segment, uint32_t offset, slice what)
{
    struct found *f = ctx;
    f->sum = f->sum * 47 + segment + offset + what.len;
}

static void recover(int dir_fd, struct found *f)
{
    static const struct spool_scan_ops ops = {.message = on_message,
                                              .outcome = on_outcome,
                                              .checkpoint = on_checkpoint,
                                              .segment = on_segment,
                                              .damaged = on_damaged};
    f->count = 0;
    f->sum = 0;
    if (spool_scan(dir_fd, NULL, 0, &ops, f) != ERR_OK)
        abort();
}

static void write_file(int dir_fd, slice name, slice content, uint64_t at)
{
    int fd = -1;
    if (os_open(dir_fd, name, O_RDWR | O_CREAT, 0600, &fd) != ERR_OK || os_pwrite(fd, content, at) != ERR_OK)
        abort();
    os_close(&fd);
}

static void write_segment(int dir_fd, uint8_t what, slice content)
{
    char name[SPOOL_NAME_SIZE], page[SPOOL_PAGE];
    uint64_t number = 1 + (what >> 2 & 3);
    char *bytes = malloc(content.len + 1);
    if (!bytes)
        abort();
    memcpy(bytes, content.ptr, content.len);
    const struct spool_seal seal = {.mark = 0x4b52414d4b52414dULL, .epoch = 1, .batch = SPOOL_PAGE};
    if (what & 0x40)
        spool_repair(bytes, content.len, &seal);
    write_file(dir_fd, spool_segment_name(name, number), slice_of(bytes, content.len), what & 0x20 ? SPOOL_PAGE : 0);
    if (what & 0x20) {
        spool_superblock_encode(
            page,
            &(struct spool_superblock){.number = number, .mark = seal.mark, .writer = 1, .epoch = 1, .size = 1u << 20});
        write_file(dir_fd, spool_segment_name(name, number), slice_of(page, sizeof page), 0);
    }
    free(bytes);
}

static void write_one(int dir_fd, uint8_t what, slice content)
{
    char name[SPOOL_NAME_SIZE];
    switch (what & 3) {
    case 0:
    case 1:
        write_segment(dir_fd, what, content);
        break;
    case 2:
        write_file(dir_fd, SLICE("checkpoint"), content, 0);
        break;
    default:
        write_file(dir_fd, spool_large_name(name, 1 + (what >> 2 & 3)), content, 0);
        break;
    }
}

static bool segment_alive(void *ctx, uint64_t segment)
{
    const struct found *f = ctx;
    for (size_t i = 0; i < f->count; i++)
        if (f->places[i].segment == segment)
            return true;
    return false;
}

static bool large_alive(void *ctx, uint64_t file)
{
    (void)ctx;
    (void)file;
    return true;
}

static void open_all(int dir_fd, const struct found *f)
{
    struct spool_reader *reader = NULL;
    if (spool_reader_open(dir_fd, &reader) != ERR_OK)
        abort();
    for (size_t i = 0; i < f->count; i++) {
        struct spool_entry *entry = NULL;
        slice content;
        if (spool_entry_open(reader, &f->places[i], &entry) != ERR_OK)
            continue;
        if (spool_entry_head(entry)->id != f->places[i].id ||
            spool_entry_content(entry, 0, SIZE_MAX, &content) == ERR_SYNTAX)
            abort();
        spool_entry_close(&entry);
    }
    spool_reader_close(&reader);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct found first, again;
    char path[] = "/dev/shm/thurn-fuzz-XXXXXX";
    int dir_fd = -1;
    if (size > (64u << 10) || !mkdtemp(path))
        return 0;
    if (spool_dir_open(path, &dir_fd) != ERR_OK)
        abort();
    slice rest = slice_of(data, size);
    for (int i = 0; i < FILES_MAX && rest.len >= 3; i++) {
        size_t len = get_u16(rest.ptr + 1);
        uint8_t what = (uint8_t)rest.ptr[0];
        write_one(dir_fd, what, slice_sub(rest, 3, 3 + len));
        rest = slice_skip(rest, 3 + len);
    }
    recover(dir_fd, &first);
    recover(dir_fd, &again);
    if (first.count != again.count || first.sum != again.sum)
        abort();
    open_all(dir_fd, &first);
    if (spool_sweep(dir_fd, segment_alive, large_alive, &first) != ERR_OK)
        abort();
    recover(dir_fd, &again);
    if (first.count != again.count)
        abort();
    os_close(&dir_fd);
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}
