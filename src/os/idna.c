/* SPDX-License-Identifier: ISC */
#include "os/idna.h"

#include <idn2.h>
#include <stdlib.h>
#include <uninorm.h>

/* Of the input, which mapping may make shorter: more than any name's worth. */
#define INPUT_MAX 1024u
#define DOMAIN_MAX 253u
#define LABEL_MAX 63u

static bool is_utf8(slice s)
{
    while (s.len > 0) {
        size_t len = slice_utf8_len(s);
        if (len == 0)
            return false;
        s = slice_skip(s, len);
    }
    return true;
}

/* The library's name, or its place in err.h. */
static enum err judge(int rc)
{
    switch (rc) {
    case IDN2_OK:
        return ERR_OK;
    case IDN2_MALLOC:
        return ERR_NOMEM;
    case IDN2_TOO_BIG_DOMAIN:
    case IDN2_TOO_BIG_LABEL:
    case IDN2_PUNYCODE_BIG_OUTPUT:
        return ERR_LIMIT;
    default:
        return ERR_SYNTAX;
    }
}

static enum err append(buf *out, slice s)
{
    if (!buf_ok(out) || s.len > out->max - out->len)
        return ERR_NOMEM;
    buf_append(out, s);
    return buf_ok(out) ? ERR_OK : ERR_NOMEM;
}

/* Mapping leaves ASCII alone, control characters and signs too. */
static bool is_host_text(slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

static enum err check_name(slice name)
{
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || !is_host_text(name))
        return ERR_SYNTAX;
    if (name.len > DOMAIN_MAX)
        return ERR_LIMIT;
    slice label;
    for (bool more = true; more;) {
        more = slice_cut(name, '.', &label, &name);
        if (label.len == 0)
            return ERR_SYNTAX;
        if (label.len > LABEL_MAX)
            return ERR_LIMIT;
    }
    return ERR_OK;
}

enum err idna_to_ascii(slice domain, buf *out)
{
    if (slice_is_ascii(domain) || domain.ptr[0] == '[')
        return append(out, domain);
    if (domain.len > INPUT_MAX)
        return ERR_LIMIT;
    if (!is_utf8(domain) || slice_find_char(domain, 0) >= 0)
        return ERR_SYNTAX;
    uint8_t text[INPUT_MAX + 1];
    memcpy(text, domain.ptr, domain.len);
    text[domain.len] = 0;
    uint8_t *name = NULL;
    enum err e = judge(idn2_lookup_u8(text, &name, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL));
    if (e == ERR_OK)
        e = check_name(slice_str((const char *)name));
    if (e == ERR_OK)
        e = append(out, slice_str((const char *)name));
    idn2_free(name);
    return e;
}

static bool is_a_label(slice label)
{
    return slice_starts_nocase(label, SLICE("xn--"));
}

/* The U-label of an A-label, when it leads back to the same: else a reader would be shown another name than the one that is used. */
static bool append_u_label(slice label, buf *out)
{
    char text[LABEL_MAX + 1];
    if (label.len > LABEL_MAX)
        return false;
    for (size_t i = 0; i < label.len; i++)
        text[i] = ascii_lower(label.ptr[i]);
    text[label.len] = 0;
    char *name = NULL;
    bool proper = false;
    if (idn2_to_unicode_8z8z(text, &name, IDN2_NONTRANSITIONAL) == IDN2_OK) {
        char memory[LABEL_MAX + 1];
        buf back;
        buf_init_fixed(&back, memory, sizeof memory);
        slice u = slice_str(name);
        proper = !slice_is_ascii(u) && idna_to_ascii(u, &back) == ERR_OK && slice_equal_nocase(buf_slice(&back), label);
        if (proper)
            buf_append(out, u);
    }
    idn2_free(name);
    return proper;
}

void idna_to_unicode(slice domain, buf *out)
{
    bool more = true;
    while (more) {
        slice label;
        more = slice_cut(domain, '.', &label, &domain);
        if (!is_a_label(label) || !append_u_label(label, out))
            buf_append(out, label);
        if (more)
            buf_append_char(out, '.');
    }
}

enum err idna_normalize(slice text, buf *out)
{
    if (slice_is_ascii(text))
        return append(out, text);
    if (!is_utf8(text))
        return ERR_SYNTAX;
    size_t len = 0;
    uint8_t *normal = u8_normalize(UNINORM_NFC, (const uint8_t *)text.ptr, text.len, NULL, &len);
    if (!normal)
        return ERR_NOMEM;
    enum err e = append(out, slice_of(normal, len));
    free(normal);
    return e;
}

bool idna_is_international(slice domain)
{
    if (!slice_is_ascii(domain))
        return true;
    slice label;
    for (bool more = true; more;) {
        more = slice_cut(domain, '.', &label, &domain);
        if (is_a_label(label))
            return true;
    }
    return false;
}
