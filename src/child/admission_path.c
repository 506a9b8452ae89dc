/* SPDX-License-Identifier: ISC */
/* International addresses (RFC 6531): whatever is routed and stored has its domain in A-labels, so that one domain has one name; local parts stay UTF-8, those of our own domains in normal
 * form C, as the configuration's are. ASCII alone passes without a copy. */
#include "child/admission.h"

#define TEXT_MAX 1024

static enum err convert(struct arena *arena, enum err (*step)(slice text, buf *out), slice *text)
{
    char memory[TEXT_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    enum err e = step(*text, &b);
    return e == ERR_OK ? arena_copy(arena, buf_slice(&b), text) : e;
}

static enum err convert_domain(struct arena *arena, struct address *path)
{
    return slice_is_ascii(path->domain) ? ERR_OK : convert(arena, idna_to_ascii, &path->domain);
}

enum status admission_sender_path(const struct conf *conf, struct arena *arena, struct address *path, slice *printed_r)
{
    char memory[TEXT_MAX];
    buf b;
    if (path->local.len > 0 && path->domain.len == 0)
        path->domain = conf->route.origin;
    if (convert_domain(arena, path) != ERR_OK)
        return STATUS_BAD_PATH_SENDER;
    buf_init_fixed(&b, memory, sizeof(memory));
    address_print(&b, *path);
    if (!buf_ok(&b) || arena_copy(arena, buf_slice(&b), printed_r) != ERR_OK)
        return STATUS_LOCAL_ERROR;
    if (printed_r->len == 0)
        return STATUS_OK;
    size_t domain_at = printed_r->len - path->domain.len;
    path->local = slice_sub(*printed_r, 0, domain_at - 1);
    path->domain = slice_skip(*printed_r, domain_at);
    return STATUS_OK;
}

enum status admission_recipient_path(const struct conf *conf, const struct route_index *routes, struct arena *arena,
                                     struct address *path)
{
    if (convert_domain(arena, path) != ERR_OK)
        return STATUS_BAD_PATH_RECIPIENT;
    if (slice_is_ascii(path->local))
        return STATUS_OK;
    slice name = path->domain.len > 0 ? path->domain : conf->route.origin;
    const struct route_domain *own = route_domain_find(routes, name);
    if (!own)
        return STATUS_OK;
    if (own->ascii_only)
        return STATUS_ASCII_ONLY;
    return convert(arena, idna_normalize, &path->local) == ERR_OK ? STATUS_OK : STATUS_BAD_PATH_RECIPIENT;
}
