/* SPDX-License-Identifier: ISC */
/* What thurn probe reads of peers by itself: the answer to a ClientHello, and the records of an MX answer. The hello's answer is the same however much of what follows is there. Input: a byte to choose, then the bytes; records are a length and as
 * many bytes. */
#include "cmd/probe_find.h"
#include "cmd/probe_hello.h"

#include <stdlib.h>

#define RECORDS_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_hello(slice in)
{
    struct probe_hello_taken whole = {0}, part = {0};
    enum probe_hello_answer answer = probe_hello_read(in, &whole);
    for (size_t cut = 0; cut < in.len; cut++) {
        enum probe_hello_answer early = probe_hello_read(slice_sub(in, 0, cut), &part);
        if (early == PROBE_HELLO_MORE)
            continue;
        if (early != answer ||
            (answer == PROBE_HELLO_TAKEN && (part.version != whole.version || part.suite != whole.suite)))
            abort();
        break;
    }
}

static void check_records(slice in)
{
    slice records[RECORDS_MAX];
    struct mx_host hosts[20];
    struct arena arena;
    size_t count = 0;
    bool null;
    while (in.len > 0 && count < RECORDS_MAX) {
        size_t len = (unsigned char)in.ptr[0];
        records[count++] = slice_sub(in, 1, 1 + len);
        in = slice_skip(in, 1 + len);
    }
    arena_init(&arena, 1u << 20);
    size_t found = probe_find_hosts(records, count, &arena, hosts, &null);
    if (found > 20 || (null && found > 0))
        abort();
    for (size_t i = 0; i < found; i++) {
        if (hosts[i].name.len == 0 || hosts[i].name.len > 253 ||
            slice_printable_len(hosts[i].name) != hosts[i].name.len ||
            (i > 0 && hosts[i - 1].preference > hosts[i].preference))
            abort();
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 4096)
        return 0;
    slice in = slice_of(data + 1, size - 1);
    if (data[0] & 1)
        check_hello(in);
    else
        check_records(in);
    return 0;
}
