/* SPDX-License-Identifier: ISC */
#include "proc/receiver/development.h"

#include "proc/receiver/state.h"

#define AT_DATA SLICE("-data")
#define TEMPORARY_CODE 451
#define PERMANENT_CODE 550
#define CLOSING_CODE 421

static uint16_t code_of(slice word)
{
    uint64_t code = 0;
    if (slice_equal_nocase(word, SLICE("4xx")))
        return TEMPORARY_CODE;
    if (slice_equal_nocase(word, SLICE("5xx")))
        return PERMANENT_CODE;
    if (word.len != 3 || slice_to_u64(word, 599, &code) != ERR_OK || code < 400)
        return 0;
    return (uint16_t)code;
}

struct development_fault development_fault(slice local)
{
    struct development_fault f = {.at_data = slice_ends_nocase(local, AT_DATA)};
    slice word = f.at_data ? slice_sub(local, 0, local.len - AT_DATA.len) : local;
    f.code = code_of(word);
    if (f.code > 0)
        f.kind = DEVELOPMENT_REFUSE;
    else if (slice_equal_nocase(word, SLICE("slow")))
        f.kind = DEVELOPMENT_SLOW;
    else if (slice_equal_nocase(word, SLICE("drop")))
        f.kind = DEVELOPMENT_DROP;
    return f;
}

struct verdict development_verdict(uint16_t code)
{
    static const struct {
        uint16_t code;
        const char *text;
    } rows[] = {
        {421, "4.3.2 Closing the connection, as the recipient asks for"},
        {450, "4.2.1 Mailbox busy, as the recipient asks for"},
        {451, "4.3.0 Try again later, as the recipient asks for"},
        {452, "4.2.2 Mailbox full for now, as the recipient asks for"},
        {550, "5.1.1 No such user, as the recipient asks for"},
        {551, "5.1.6 User has moved, as the recipient asks for"},
        {552, "5.2.2 Mailbox full, as the recipient asks for"},
        {553, "5.1.3 Bad mailbox name, as the recipient asks for"},
        {554, "5.7.1 Refused by policy, as the recipient asks for"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == code)
            return status_verdict_of_reply(code, slice_str(rows[i].text));
    return status_verdict_of_reply(code, code < 500 ? SLICE("4.0.0 Refused for now, as the recipient asks for")
                                                    : SLICE("5.0.0 Refused, as the recipient asks for"));
}

static void refuse(struct session *s, const char *verb, uint16_t code, slice to)
{
    struct verdict v = development_verdict(code);
    log_reject(s, verb, &v, to);
    session_answer(s, &v);
    if (code != CLOSING_CODE)
        return;
    s->over = true;
    log_disconnect(s, SLICE("421"));
}

static void drop(struct session *s)
{
    log_line(LOG_INFO, "dropping the connection from %.*s, as the recipient asks for", SLICE_ARG(session_ip(s)));
    s->broken = true;
}

bool development_rcpt(struct session *s, slice local, struct development_fault *fault_r)
{
    struct development_fault f = development_fault(local);
    if (f.kind == DEVELOPMENT_REFUSE && !f.at_data)
        refuse(s, "RCPT", f.code, local);
    else if (f.kind == DEVELOPMENT_DROP && !f.at_data)
        drop(s);
    else if (f.kind != DEVELOPMENT_NONE)
        *fault_r = f;
    return (f.kind == DEVELOPMENT_REFUSE || f.kind == DEVELOPMENT_DROP) && !f.at_data;
}

/* Without memory for what is to be kept meanwhile the answer comes at once. */
static bool wait_with(struct session *s, const struct body_facts *facts)
{
    struct transaction *t = s->transaction;
    t->slow_facts = arena_alloc(&t->arena, sizeof *t->slow_facts);
    if (!t->slow_facts)
        return false;
    *t->slow_facts = *facts;
    session_wait(s, WAIT_SLOW, DEVELOPMENT_SLOW_MS);
    return true;
}

bool development_data(struct session *s, const struct body_facts *facts)
{
    struct transaction *t = s->transaction;
    struct development_fault f = t->fault;
    if (f.kind == DEVELOPMENT_NONE || !f.at_data || t->slow_facts)
        return false;
    if (f.kind == DEVELOPMENT_SLOW)
        return wait_with(s, facts);
    if (f.kind == DEVELOPMENT_DROP) {
        drop(s);
        return true;
    }
    refuse(s, "END-OF-MESSAGE", f.code, t->rcpt);
    transaction_abort(s);
    return true;
}

void development_wait_over(struct session *s)
{
    const struct body_facts *facts = s->transaction->slow_facts;
    if (facts)
        store_message(s, facts);
    else
        transaction_rcpt_go_on(s);
}
