/* SPDX-License-Identifier: ISC */
#include "spool/segment.h"

#include <inttypes.h>

#define MAGIC "THURNSEG"
#define NAME_DIGITS 16

enum superblock_offset {
    AT_MAGIC = 0,
    AT_FORMAT = 8,
    AT_PAGE = 12,
    AT_NUMBER = 16,
    AT_MARK = 24,
    AT_WRITER = 32,
    AT_EPOCH = 36,
    AT_SIZE = 40,
    AT_CRC = SPOOL_SUPERBLOCK - 4,
};

static slice numbered(char out[SPOOL_NAME_SIZE], const char *folder, uint64_t number)
{
    int len = snprintf(out, SPOOL_NAME_SIZE, "%s/%016" PRIx64, folder, number);
    return slice_of(out, (size_t)len);
}

slice spool_segment_name(char out[SPOOL_NAME_SIZE], uint64_t number)
{
    return numbered(out, "seg", number);
}

slice spool_large_name(char out[SPOOL_NAME_SIZE], uint64_t number)
{
    return numbered(out, "large", number);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err spool_name_number(slice name, uint64_t *number_r)
{
    if (name.len != NAME_DIGITS)
        return ERR_SYNTAX;
    uint64_t number = 0;
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        int digit = hex_digit(name.ptr[i]);
        if (digit < 0)
            return ERR_SYNTAX;
        number = number << 4 | (uint64_t)digit;
    }
    *number_r = number;
    return ERR_OK;
}

void spool_superblock_encode(char *out, const struct spool_superblock *s)
{
    memset(out, 0, SPOOL_PAGE);
    memcpy(out + AT_MAGIC, MAGIC, 8);
    put_u32(out + AT_FORMAT, SPOOL_FORMAT);
    put_u32(out + AT_PAGE, SPOOL_PAGE);
    put_u64(out + AT_NUMBER, s->number);
    put_u64(out + AT_MARK, s->mark);
    put_u32(out + AT_WRITER, s->writer);
    put_u32(out + AT_EPOCH, s->epoch);
    put_u32(out + AT_SIZE, s->size);
    put_u32(out + AT_CRC, hash_crc32c(0, slice_of(out, AT_CRC)));
}

static bool all_zero(slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != 0)
            return false;
    }
    return true;
}

enum err spool_superblock_decode(slice bytes, struct spool_superblock *s_r)
{
    if (bytes.len < SPOOL_SUPERBLOCK)
        return all_zero(bytes) ? ERR_NOTFOUND : ERR_CORRUPT;
    const char *p = bytes.ptr;
    if (all_zero(slice_of(p, SPOOL_SUPERBLOCK)))
        return ERR_NOTFOUND;
    bool whole = memcmp(p + AT_MAGIC, MAGIC, 8) == 0 && get_u32(p + AT_CRC) == hash_crc32c(0, slice_of(p, AT_CRC));
    if (!whole)
        return ERR_CORRUPT;
    if (get_u32(p + AT_FORMAT) != SPOOL_FORMAT || get_u32(p + AT_PAGE) != SPOOL_PAGE)
        return ERR_UNSUPPORTED;
    *s_r = (struct spool_superblock){
        .number = get_u64(p + AT_NUMBER),
        .mark = get_u64(p + AT_MARK),
        .writer = get_u32(p + AT_WRITER),
        .epoch = get_u32(p + AT_EPOCH),
        .size = get_u32(p + AT_SIZE),
    };
    return ERR_OK;
}

/* Never zero: zeros are what unwritten space reads as. */
uint64_t spool_segment_draw_mark(void)
{
    uint64_t mark = 0;
    while (mark == 0)
        os_random(&mark, sizeof(mark));
    return mark;
}

enum err spool_folder_sync(int dir_fd, slice name)
{
    int fd = -1;
    enum err e = os_open(dir_fd, name, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (e == ERR_OK)
        e = os_fsync(fd);
    os_close(&fd);
    return e;
}
