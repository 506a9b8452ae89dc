/* SPDX-License-Identifier: ISC */
#include "route/resolve.h"

#include "route/resolve_work.h"

static bool is_among(const slice *addresses, size_t count, struct address a)
{
    for (size_t i = 0; i < count; i++) {
        struct address b = route_address_split(addresses[i]);
        if (slice_equal_nocase(a.local, b.local) && slice_equal_nocase(a.domain, b.domain))
            return true;
    }
    return false;
}

bool list_post_allowed(const struct route_list *list, const struct route_session *s, struct address reverse_path)
{
    if (address_is_null(reverse_path))
        return false;
    switch (list->post) {
    case LIST_POST_ANY:
        return true;
    case LIST_POST_AUTHENTICATED:
        return s->login.len > 0 || s->local_socket;
    case LIST_POST_ADDRESSES:
        return is_among(list->posters, list->poster_count, reverse_path);
    case LIST_POST_MEMBERS:
        break;
    }
    return is_among(list->members, list->member_count, reverse_path);
}

/* NAME.DOMAIN: the part in angle brackets (RFC 2919 section 2). */
static bool is_id_of(const struct route_list *list, slice id)
{
    struct address a = route_address_split(list->address);
    return id.len == a.local.len + 1 + a.domain.len && slice_starts_nocase(id, a.local) && id.ptr[a.local.len] == '.' &&
           slice_ends_nocase(id, a.domain);
}

static bool has_own_id(const struct route_list *list, slice value)
{
    ptrdiff_t open = slice_rfind_char(value, '<'), close = slice_rfind_char(value, '>');
    if (open < 0 || close < open)
        return false;
    return is_id_of(list, slice_trim(slice_sub(value, (size_t)open + 1, (size_t)close)));
}

/* The keyword before any parameter or comment (RFC 3834 section 5). */
static bool is_automatic(slice value)
{
    value = slice_trim(value);
    size_t len = 0;
    while (len < value.len && (ascii_is_alpha(value.ptr[len]) || value.ptr[len] == '-'))
        len++;
    return !slice_equal_nocase(slice_sub(value, 0, len), SLICE("no"));
}

bool route_list_refuses(const struct route_list *list, slice reverse_path, slice header)
{
    if (reverse_path.len == 0)
        return true;
    struct header_field field;
    while (header_next(&header, &field)) {
        if (slice_equal_nocase(field.name, SLICE("List-Id")) && has_own_id(list, field.value))
            return true;
        if (slice_equal_nocase(field.name, SLICE("Auto-Submitted")) && is_automatic(field.value))
            return true;
    }
    return false;
}

void route_list_id_print(buf *b, const struct route_list *list)
{
    struct address a = route_address_split(list->address);
    buf_printf(b, "List-Id: <%.*s.%.*s>\r\n", SLICE_ARG(a.local), SLICE_ARG(a.domain));
}
