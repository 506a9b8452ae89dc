/* SPDX-License-Identifier: ISC */
#include "dns/dns_name.h"

#define LABEL_MAX 63u

static bool label_valid(slice label)
{
    if (label.len == 0 || label.len > LABEL_MAX)
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return true;
}

static bool append_label(struct dns_name *name, slice label)
{
    size_t dot = name->len > 0;
    if (!label_valid(label) || name->len + dot + label.len > DNS_NAME_MAX)
        return false;
    if (dot)
        name->text[name->len++] = '.';
    for (size_t i = 0; i < label.len; i++)
        name->text[name->len++] = ascii_lower(label.ptr[i]);
    return true;
}

enum err dns_name_set(struct dns_name *name, slice text)
{
    struct dns_name n = {.len = 0};
    slice label, rest = text;
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '.')
        rest.len--;
    if (rest.len == 0)
        return ERR_SYNTAX;
    for (bool more = true; more;) {
        more = slice_cut(rest, '.', &label, &rest);
        if (!append_label(&n, label))
            return ERR_SYNTAX;
    }
    *name = n;
    return ERR_OK;
}

enum err dns_name_read(struct dns_name *name, slice wire)
{
    struct dns_name n = {.len = 0};
    for (;;) {
        size_t len = wire.len > 0 ? (unsigned char)wire.ptr[0] : LABEL_MAX + 1;
        if (len > LABEL_MAX || len + 1 > wire.len)
            return ERR_SYNTAX;
        if (len == 0)
            break;
        if (!append_label(&n, slice_sub(wire, 1, 1 + len)))
            return ERR_SYNTAX;
        wire = slice_skip(wire, 1 + len);
    }
    *name = n;
    return ERR_OK;
}

void dns_name_reverse(struct dns_name *name, const uint8_t *ip, size_t ip_len)
{
    buf b;
    buf_init_fixed(&b, name->text, sizeof name->text - 1);
    for (size_t i = ip_len; i-- > 0;) {
        if (ip_len == 4)
            buf_printf(&b, "%u.", ip[i]);
        else
            buf_printf(&b, "%x.%x.", ip[i] & 15u, ip[i] >> 4);
    }
    buf_append(&b, ip_len == 4 ? SLICE("in-addr.arpa") : SLICE("ip6.arpa"));
    name->len = b.len;
    name->text[b.len] = 0;
}

slice dns_name_slice(const struct dns_name *name)
{
    return slice_of(name->text, name->len);
}
