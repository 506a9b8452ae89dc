/* SPDX-License-Identifier: ISC */
#include <assert.h>

#include "sasl/sasl.h"

/* A hostile server's challenges to every mechanism, an LF behind each: bounded, and SCRAM is never content with a server that does not know the password. The iteration count is the server's to
 * name, and ours to bound; here it is cut to what a fuzzer can afford. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const mechanisms[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2",
                                         "EXTERNAL",           "PLAIN",       "LOGIN"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || slice_find(slice_of(data, size), SLICE("i=9")) >= 0)
        return 0;
    unsigned which = data[0] % 8;
    struct sasl_client_options o = {.login = SLICE("user"),
                                    .secret = SLICE("pencil"),
                                    .token = which == 3 || which == 4,
                                    .binding = SLICE("0123456789abcdef0123456789abcdef"),
                                    .certificate = true,
                                    .may_plain = true};
    struct sasl_client *c = NULL;
    if (sasl_client_open(slice_str(mechanisms[which]), &o, &c) != ERR_OK)
        return 0;
    slice rest = slice_of(data + 1, size - 1), challenge;
    bool first = sasl_client_begins(c);
    for (int i = 0; i < 6; i++) {
        char memory[8192];
        buf out;
        buf_init_fixed(&out, memory, sizeof memory);
        (void)slice_cut(rest, '\n', &challenge, &rest);
        enum sasl_status status = sasl_client_step(c, first ? SLICE_NONE : challenge, first, &out);
        assert(status != SASL_DONE || which > 2);
        if (status == SASL_REFUSED)
            break;
        first = false;
    }
    sasl_client_close(&c);
    return 0;
}
