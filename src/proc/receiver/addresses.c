/* SPDX-License-Identifier: ISC */
/* The addresses in a submission's header: bare names are completed (RFC 6409 section 4.2), and what is no address, or has a domain that nobody outside could
 * find, is refused (sections 4.2 and 5.1). Local parts and whole domains are never changed (section 8.8). */
#include "proc/receiver/state.h"

#define ADDRESSES_MAX (1u << 20)

static bool is_address_field(slice name)
{
    static const slice names[] = {SLICE("From"),
                                  SLICE("Sender"),
                                  SLICE("Reply-To"),
                                  SLICE("To"),
                                  SLICE("Cc"),
                                  SLICE("Resent-From"),
                                  SLICE("Resent-To"),
                                  SLICE("Resent-Sender"),
                                  SLICE("Resent-Reply-To"),
                                  SLICE("Resent-Cc")};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_equal_nocase(name, names[i]))
            return true;
    return false;
}

/* "From: Doe, John <jd@example.org>" lacks quotes and does not mean two authors: completed, it would name a stranger, Doe@origin. */
static bool has_several_authors(const struct header_field *f, struct arena *arena)
{
    struct address a;
    slice rest = f->value;
    if (!slice_equal_nocase(f->name, SLICE("From")) && !slice_equal_nocase(f->name, SLICE("Resent-From")))
        return false;
    bool several =
        address_list_next(&rest, arena, NULL, &a) == ERR_OK && address_list_next(&rest, arena, NULL, &a) == ERR_OK;
    arena_reset(arena);
    return several;
}

void addresses_qualify(buf *out, const struct header_field *f, slice origin)
{
    struct arena arena;
    struct address a;
    slice rest = f->value;
    const char *done = f->whole.ptr;
    size_t end;
    arena_init(&arena, ADDRESSES_MAX);
    bool wanted = is_address_field(f->name) && !has_several_authors(f, &arena);
    while (wanted) {
        const char *from = rest.ptr;
        if (address_list_next_at(&rest, &arena, &a, &end) != ERR_OK)
            break;
        if (a.domain.len > 0)
            continue;
        buf_append(out, slice_of(done, (size_t)(from + end - done)));
        buf_append_char(out, '@');
        buf_append(out, origin);
        done = from + end;
    }
    buf_append(out, slice_of(done, (size_t)(f->whole.ptr + f->whole.len - done)));
    arena_deinit(&arena);
}

static enum status judge_field(const struct route_index *routes, slice value, struct arena *arena)
{
    struct address a;
    enum err e;
    while ((e = address_list_next(&value, arena, NULL, &a)) == ERR_OK)
        if (!route_domain_whole(routes, a.domain))
            return STATUS_UNQUALIFIED;
    if (e == ERR_NOMEM)
        return STATUS_LOCAL_ERROR;
    return e == ERR_NOTFOUND ? STATUS_OK : STATUS_BAD_HEADER_ADDRESS;
}

enum status addresses_judge(const struct route_index *routes, slice header)
{
    struct arena arena;
    struct header_field f;
    enum status status = STATUS_OK;
    arena_init(&arena, ADDRESSES_MAX);
    while (status == STATUS_OK && header_next(&header, &f))
        if (is_address_field(f.name))
            status = judge_field(routes, f.value, &arena);
    arena_deinit(&arena);
    return status;
}
