/* SPDX-License-Identifier: ISC */
/* Lines of Dovecot's authentication protocol, version 1.1 or 1.2 (auth-client socket), as data: what a server says, and what a client asks. No socket: proc/lookup has it. Lines end in LF and
 * have tab-separated fields; a line above DOVECOT_LINE_MAX is no line. Nothing that a peer of ours says gets into a line but as base64 or escaped; the fields of a line read look into it. */
#ifndef SASL_DOVECOT_H
#define SASL_DOVECOT_H

#include "base/base.h"

#define DOVECOT_LINE_MAX 16384u

enum dovecot_kind {
    DOVECOT_OTHER, /* nothing that matters: SPID, CUID, COOKIE, and what later versions may say */
    DOVECOT_VERSION,
    DOVECOT_MECH,
    DOVECOT_DONE,
    DOVECOT_CONT, /* text: the challenge, base64 */
    DOVECOT_OK,   /* login: user= */
    DOVECOT_FAIL, /* login, temporary */
};

struct dovecot_line {
    enum dovecot_kind kind;
    uint64_t number; /* VERSION: major; CONT, OK, FAIL: id of the request */
    slice text;      /* MECH: its name; CONT */
    slice login;     /* as escaped */
    bool temporary;
    bool private_only; /* MECH: not for us ("private", "anonymous") */
};

/* Without its LF. ERR_SYNTAX: a line that a server of this version does not say. */
must_check enum err dovecot_line_read(slice line, struct dovecot_line *line_r);
/* Undoes the protocol's escapes (\001 followed by 0, 1, t, r, n). ERR_SYNTAX. */
must_check enum err dovecot_unescape(slice field, buf *out);

void dovecot_print_hello(buf *out, uint32_t process);
struct dovecot_request {
    uint32_t id;
    slice mechanism, ip, response; /* ip: text; response: not yet in base64 */
    bool secured, initial;
};
void dovecot_print_auth(buf *out, const struct dovecot_request *r);
void dovecot_print_continue(buf *out, uint32_t id, slice response);
void dovecot_print_cancel(buf *out, uint32_t id);

#endif
