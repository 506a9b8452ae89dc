/* SPDX-License-Identifier: ISC */
#include "spool/numbers.h"

#include "os/os.h"
#include "spool/scan.h"

#define MAGIC "THURNNUM"
#define TAKE_MAX (1u << 24)

enum slot_offset { AT_MAGIC = 0, AT_NEXT = 8, AT_CRC = 16, SLOT_USED = 20 };

static void encode_slot(char *out, uint64_t next)
{
    memcpy(out + AT_MAGIC, MAGIC, 8);
    put_u64(out + AT_NEXT, next);
    put_u32(out + AT_CRC, hash_crc32c(0, slice_of(out, AT_CRC)));
}

/* 0 when the slot is not valid. */
static uint64_t decode_slot(const char *p)
{
    bool valid = memcmp(p + AT_MAGIC, MAGIC, 8) == 0 && get_u32(p + AT_CRC) == hash_crc32c(0, slice_of(p, AT_CRC));
    return valid ? get_u64(p + AT_NEXT) : 0;
}

void spool_numbers_first(char *out)
{
    memset(out, 0, SPOOL_NUMBERS_SIZE);
    encode_slot(out, 1);
    encode_slot(out + SPOOL_NUMBERS_SLOT, 1);
}

/* A slot that cannot be read was written later than the other at worst, by one take: that much is passed over. */
static uint64_t next_number(uint64_t a, uint64_t b)
{
    uint64_t next = a > b ? a : b;
    if (next == 0 || next > UINT64_MAX / 2)
        return 0;
    return a == 0 || b == 0 ? next + TAKE_MAX : next;
}

static enum err take(int fd, uint32_t count, uint64_t *first_r)
{
    char bytes[SPOOL_NUMBERS_SIZE] = {0};
    size_t got;
    enum err e = os_pread(fd, bytes, sizeof(bytes), 0, &got);
    if (e != ERR_OK)
        return e;
    uint64_t a = decode_slot(bytes), b = decode_slot(bytes + SPOOL_NUMBERS_SLOT);
    uint64_t next = next_number(a, b);
    if (next == 0)
        return ERR_CORRUPT;
    char slot[SLOT_USED];
    encode_slot(slot, next + count);
    e = os_pwrite(fd, slice_of(slot, sizeof(slot)), a > b ? SPOOL_NUMBERS_SLOT : 0);
    if (e == ERR_OK)
        e = os_fdatasync(fd);
    if (e == ERR_OK)
        *first_r = next;
    return e;
}

enum err spool_numbers_take(int dir_fd, uint32_t count, uint64_t *first_r)
{
    int fd = -1;
    if (count > TAKE_MAX)
        return ERR_LIMIT;
    enum err e = os_open(dir_fd, SLICE("numbers"), O_RDWR, 0, &fd);
    if (e == ERR_OK)
        e = take(fd, count, first_r);
    os_close(&fd);
    return e;
}
