/* SPDX-License-Identifier: ISC */
/* Domains: an A-form is ASCII, fits the DNS, and is its own A-form; showing it and taking it back gives the same. Normal form C is its own normal form. */
#include "os/os.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_display(slice a)
{
    buf shown, back;
    buf_init(&shown, 4096);
    buf_init(&back, 4096);
    idna_to_unicode(a, &shown);
    assert(buf_ok(&shown));
    assert(idna_to_ascii(buf_slice(&shown), &back) == ERR_OK);
    assert(slice_equal_nocase(buf_slice(&back), a));
    buf_deinit(&shown);
    buf_deinit(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice domain = slice_of(data, size);
    buf out, again;
    buf_init(&out, 4096);
    buf_init(&again, 4096);
    if (idna_to_ascii(domain, &out) == ERR_OK && !slice_equal(buf_slice(&out), domain)) {
        assert(out.len <= 254);
        for (size_t i = 0; i < out.len; i++)
            assert(out.ptr[i] > ' ' && out.ptr[i] < 0x7f);
        check_display(buf_slice(&out));
    }
    buf_clear(&out);
    idna_to_unicode(domain, &out);
    buf_clear(&out);
    if (idna_normalize(domain, &out) == ERR_OK) {
        assert(idna_normalize(buf_slice(&out), &again) == ERR_OK);
        assert(slice_equal(buf_slice(&out), buf_slice(&again)));
    }
    buf_deinit(&out);
    buf_deinit(&again);
    return 0;
}
