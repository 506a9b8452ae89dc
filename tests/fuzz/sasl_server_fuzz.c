/* SPDX-License-Identifier: ISC */
#include <assert.h>

#include "sasl/sasl.h"

/* A client's messages to every mechanism: the first byte chooses mechanism and channel, an LF ends a message. Nobody is accepted whom the other
 * side has not been asked about: the one exception is a certificate's own name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const mechanisms[] = {"PLAIN",   "LOGIN",         "EXTERNAL",           "OAUTHBEARER",
                                         "XOAUTH2", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1"};

static void answer(struct sasl_server *s, struct sasl_server_event *e, bool good, bool *asked)
{
    struct sasl_scram_keys keys = {.iterations = 4096, .salt_len = 4, .salt = "salt"};
    if (e->kind == SASL_FIND_KEYS)
        sasl_server_keys(s, &keys, e);
    else if (e->kind == SASL_CHECK_PASSWORD || e->kind == SASL_CHECK_TOKEN) {
        assert(e->secret.len > 0);
        *asked = good;
        sasl_server_checked(s, good, SLICE("user@x.example"), e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    bool plus = data[1] & 1, good = data[1] & 2, asked = false;
    struct sasl_server_options o = {.identities = SLICE("user@x.example\n"), .offers_plus = plus};
    if (plus)
        o.binding = SLICE("0123456789abcdef0123456789abcdef");
    struct sasl_server *s = NULL;
    struct sasl_server_event e;
    slice name = slice_str(mechanisms[data[0] % 8]), rest = slice_of(data + 2, size - 2), message;
    if (sasl_server_open(name, &o, &s) != ERR_OK)
        return 0;
    (void)slice_cut(rest, '\n', &message, &rest);
    sasl_server_start(s, data[1] & 4, message, &e);
    for (int i = 0; i < 6; i++) {
        answer(s, &e, good, &asked);
        if (e.kind != SASL_CHALLENGE)
            break;
        (void)slice_cut(rest, '\n', &message, &rest);
        sasl_server_response(s, message, &e);
    }
    if (e.kind == SASL_ACCEPTED) {
        assert(e.login.len > 0 && e.login.len <= SASL_LOGIN_MAX);
        assert(asked || slice_equal(name, SLICE("EXTERNAL")));
    }
    sasl_server_close(&s);
    return 0;
}
