/* SPDX-License-Identifier: ISC */
/* The errors of the system, one enum for the whole house. A bug is an assert, the fate of a mail is a struct verdict
 * (mail/status.h); this is the third kind: something outside did not work. Every function that returns it must be
 * checked, and leaves its out-parameters (named _r) untouched unless it returns ERR_OK. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
    ERR_OK = 0,
    ERR_NOMEM,       /* memory, or an arena's or buffer's maximum, is used up */
    ERR_LIMIT,       /* a limit of ours is reached */
    ERR_IO,          /* the disk or another device failed (EIO) */
    ERR_NOSPACE,     /* no space, no inodes, or quota used up (ENOSPC, EDQUOT) */
    ERR_AGAIN,       /* not now: would block, or somebody else holds the lock */
    ERR_CLOSED,      /* the other side is gone */
    ERR_TIMEOUT,     /* time is up */
    ERR_REFUSED,     /* nobody listens there */
    ERR_UNREACHABLE, /* no route, host or network down */
    ERR_SYNTAX,      /* bytes that do not follow their grammar */
    ERR_CORRUPT,     /* our own data is damaged: wrong CRC, epoch, version */
    ERR_NOTFOUND,
    ERR_EXISTS,
    ERR_PERMISSION,
    ERR_DESCRIPTORS, /* EMFILE, ENFILE */
    ERR_TLS,         /* handshake or certificate */
    ERR_UNSUPPORTED,
    ERR_SYSTEM, /* any other system call's failure */
    ERR_COUNT
};

#define must_check __attribute__((warn_unused_result))

/* A static text in plain English, for logs: "no space left on the device". Never NULL. */
const char *err_text(enum err e);

#endif
