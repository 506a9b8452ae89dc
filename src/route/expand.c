/* SPDX-License-Identifier: ISC */
#include "route/next.h"

#include "route/index.h"
#include "route/subaddress.h"

enum variable { VARIABLE_USER, VARIABLE_LOCAL, VARIABLE_DOMAIN, VARIABLE_COUNT };

static const struct slice names[VARIABLE_COUNT] = {
    [VARIABLE_USER] = {"{user}", 6}, [VARIABLE_LOCAL] = {"{local}", 7}, [VARIABLE_DOMAIN] = {"{domain}", 8}};

/* A value may become part of a path or an argument of a command: it must be one name and no option. */
static bool is_safe(slice value)
{
    if (value.len == 0 || value.ptr[0] == '.' || value.ptr[0] == '-')
        return false;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '/')
            return false;
    }
    return true;
}

static enum err append_value(buf *b, slice value, bool lower)
{
    if (!is_safe(value))
        return ERR_SYNTAX;
    for (size_t i = 0; i < value.len; i++)
        buf_append_char(b, lower ? ascii_lower(value.ptr[i]) : value.ptr[i]);
    return ERR_OK;
}

static enum err append_variable(buf *b, enum variable variable, const struct route_domain *domain, struct address a)
{
    slice user = a.local;
    switch (variable) {
    case VARIABLE_USER:
        (void)route_subaddress_strip(domain, a.local, &user);
        return append_value(b, user, true);
    case VARIABLE_LOCAL:
        return append_value(b, a.local, false);
    default:
        return append_value(b, slice_equal(domain->name, SLICE("*")) ? a.domain : domain->name, true);
    }
}

/* A variable, or what stands before the next brace. */
static enum err append_next(buf *b, slice *template, const struct route_domain *domain, struct address a)
{
    for (unsigned v = 0; v < VARIABLE_COUNT; v++) {
        if (slice_starts(*template, names[v])) {
            *template = slice_skip(*template, names[v].len);
            return append_variable(b, (enum variable)v, domain, a);
        }
    }
    const char *next = memchr(template->ptr + 1, '{', template->len - 1);
    size_t plain = next ? (size_t)(next - template->ptr) : template->len;
    buf_append(b, slice_sub(*template, 0, plain));
    *template = slice_skip(*template, plain);
    return ERR_OK;
}

enum err route_expand(buf *b, slice template, const struct route_domain *domain, slice address)
{
    struct address a = route_address_split(address);
    while (template.len > 0) {
        enum err e = append_next(b, &template, domain, a);
        if (e != ERR_OK)
            return e;
    }
    return buf_ok(b) ? ERR_OK : ERR_LIMIT;
}

static bool is_command_safe(slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && !memchr("._+-=@", c, 6))
            return false;
    }
    return s.len > 0 && s.ptr[0] != '-';
}

enum err route_deliver_expand(buf *b, const struct deliver_spec *spec, const struct route_domain *domain, slice address)
{
    if (spec->kind == DELIVER_PIPE && !is_command_safe(address))
        return ERR_SYNTAX;
    return route_expand(b, spec->argument, domain, address);
}
