/* SPDX-License-Identifier: ISC */
#include "spool/large.h"

#define MAGIC "THURNBIG"
#define READ_STEP (64u << 10)

enum large_offset {
    AT_MAGIC = 0,
    AT_FORMAT = 8,
    AT_PAGE = 12,
    AT_NUMBER = 16,
    AT_ID = 24,
    AT_SIZE = 32,
    AT_BODY_CRC = 40,
    AT_CRC = SPOOL_SUPERBLOCK - 4,
};

void spool_large_encode(char *out, const struct spool_large_page *p)
{
    memset(out, 0, SPOOL_PAGE);
    memcpy(out + AT_MAGIC, MAGIC, 8);
    put_u32(out + AT_FORMAT, SPOOL_FORMAT);
    put_u32(out + AT_PAGE, SPOOL_PAGE);
    put_u64(out + AT_NUMBER, p->number);
    put_u64(out + AT_ID, p->id);
    put_u64(out + AT_SIZE, p->size);
    put_u32(out + AT_BODY_CRC, p->body_crc);
    put_u32(out + AT_CRC, hash_crc32c(0, slice_of(out, AT_CRC)));
}

enum err spool_large_decode(slice bytes, struct spool_large_page *p_r)
{
    if (bytes.len < SPOOL_SUPERBLOCK)
        return ERR_CORRUPT;
    const char *p = bytes.ptr;
    if (memcmp(p + AT_MAGIC, MAGIC, 8) != 0 || get_u32(p + AT_CRC) != hash_crc32c(0, slice_of(p, AT_CRC)))
        return ERR_CORRUPT;
    if (get_u32(p + AT_FORMAT) != SPOOL_FORMAT || get_u32(p + AT_PAGE) != SPOOL_PAGE)
        return ERR_UNSUPPORTED;
    *p_r = (struct spool_large_page){
        .number = get_u64(p + AT_NUMBER),
        .id = get_u64(p + AT_ID),
        .size = get_u64(p + AT_SIZE),
        .body_crc = get_u32(p + AT_BODY_CRC),
    };
    return ERR_OK;
}

static enum err check_page(int fd, uint64_t number, uint64_t id, struct spool_large_page *p_r)
{
    char bytes[SPOOL_SUPERBLOCK];
    size_t got;
    struct os_file_stamp stamp;
    struct spool_large_page p;
    enum err e = os_pread(fd, bytes, sizeof(bytes), 0, &got);
    if (e == ERR_OK)
        e = spool_large_decode(slice_of(bytes, got), &p);
    if (e == ERR_OK)
        e = os_fd_stamp(fd, &stamp);
    if (e != ERR_OK)
        return e;
    if (p.number != number || p.id != id || stamp.size < SPOOL_PAGE || stamp.size - SPOOL_PAGE != p.size)
        return ERR_CORRUPT;
    *p_r = p;
    return ERR_OK;
}

enum err spool_large_open(int dir_fd, uint64_t number, uint64_t id, int *fd_r, struct spool_large_page *p_r)
{
    char name[SPOOL_NAME_SIZE];
    int fd = -1;
    enum err e = os_open(dir_fd, spool_large_name(name, number), O_RDONLY, 0, &fd);
    if (e == ERR_OK)
        e = check_page(fd, number, id, p_r);
    if (e != ERR_OK) {
        os_close(&fd);
        return e;
    }
    *fd_r = fd;
    return ERR_OK;
}

enum err spool_large_check(int fd, const struct spool_large_page *p)
{
    char *piece = malloc(READ_STEP);
    if (!piece)
        return ERR_NOMEM;
    enum err e = ERR_OK;
    uint32_t crc = 0;
    for (uint64_t at = 0; e == ERR_OK && at < p->size;) {
        uint64_t left = p->size - at;
        size_t want = left < READ_STEP ? (size_t)left : READ_STEP, got = 0;
        e = os_pread(fd, piece, want, SPOOL_PAGE + at, &got);
        if (e == ERR_OK && got < want)
            e = ERR_CORRUPT;
        if (e == ERR_OK)
            crc = hash_crc32c(crc, slice_of(piece, got));
        at += want;
    }
    free(piece);
    if (e == ERR_OK && crc != p->body_crc)
        e = ERR_CORRUPT;
    return e;
}
