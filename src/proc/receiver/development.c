/* SPDX-License-Identifier: ISC */
#include "proc/receiver/development.h"

#include "proc/receiver/state.h"

uint16_t development_code(slice local)
{
    if (slice_equal_nocase(local, SLICE("4xx")))
        return 451;
    if (slice_equal_nocase(local, SLICE("5xx")))
        return 550;
    uint64_t code = 0;
    if (local.len != 3 || slice_to_u64(local, 599, &code) != ERR_OK || code < 400)
        return 0;
    return (uint16_t)code;
}

bool development_slow(slice local)
{
    return slice_equal_nocase(local, SLICE("slow"));
}

bool development_refused(struct session *s, slice local)
{
    uint16_t code = development_code(local);
    if (code == 0)
        return false;
    struct verdict v =
        status_verdict_of_reply(code, code < 500 ? SLICE("4.0.0 Refused for now, as the recipient asks for")
                                                 : SLICE("5.0.0 Refused, as the recipient asks for"));
    log_reject(s, "RCPT", &v, local);
    session_answer(s, &v);
    return true;
}
