/* SPDX-License-Identifier: ISC */
#include <assert.h>

#include "conf/conf.h"

/* A configuration: a value that passes the open-relay self-test, or an error with a message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct conf *conf)
{
    struct route_index *index;
    buf text;
    buf_init(&text, 16 << 20);
    assert(route_index_open(&conf->route, (struct hash_key){1, 2}, &index) == ERR_OK);
    if (!route_self_test(index, &text))
        abort();
    route_policy_describe(index, &text);
    size_t len = text.len;
    conf_describe_changes(conf, conf, &text);
    assert(text.len == len);
    route_index_close(&index);
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] = "hostname = \"mail.example.org\"\npostmaster = \"alice@example.org\"\n";
    buf content, messages;
    struct conf *conf = NULL;
    buf_init(&content, 5 << 20);
    buf_init(&messages, 16 << 20);
    if (size > 0 && data[0] != '#')
        buf_append(&content, slice_of(head, sizeof(head) - 1));
    buf_append(&content, slice_of(data, size));
    enum err e = conf_parse(SLICE("fuzz.toml"), buf_slice(&content), false, &messages, &conf);
    if (e == ERR_OK)
        use(conf);
    else
        assert(!conf && messages.len > 0 && messages.ptr[messages.len - 1] == '\n');
    conf_close(&conf);
    buf_deinit(&content);
    buf_deinit(&messages);
    return 0;
}
