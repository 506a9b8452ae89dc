/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdlib.h>

#include "sasl/sasl.h"

/* Tokens and endpoints' answers: a login comes out of what is good, and never with a NUL; nothing has our signature by accident. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY                                                                                                            \
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC "       \
    "KEY-----\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct crypt_keys *keys;
    char memory[256], login_memory[320];
    buf why, login;
    struct sasl_token_rules r = {SLICE_NONE, SLICE("mail"), SLICE("email"), 1700000000};
    struct sasl_token_facts facts = {&login, 0};
    buf_init_fixed(&why, memory, sizeof memory);
    if (!keys && crypt_keys_open(SLICE(KEY), &keys, &why) != ERR_OK)
        abort();
    buf_init_fixed(&login, login_memory, sizeof login_memory);
    assert(sasl_token_jwt(slice_of(data, size), keys, &r, &facts, &why) == ERR_PERMISSION);
    assert(login.len == 0);
    enum err e = sasl_token_introspection(slice_of(data, size), &r, &facts, &why);
    assert(e == ERR_OK || e == ERR_PERMISSION || e == ERR_SYNTAX);
    if (e == ERR_OK)
        assert(login.len > 0 && slice_find_char(buf_slice(&login), 0) < 0 && facts.until_s > r.now_s);
    return 0;
}
