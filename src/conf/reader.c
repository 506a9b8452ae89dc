/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

void *reader_array(struct reader *r, size_t count, size_t size)
{
    void *array = arena_array(r->arena, count, size);
    if (!array)
        r->m.out_of_memory = true;
    return array;
}

slice reader_lower(struct reader *r, slice text)
{
    char *copy = reader_array(r, text.len + 1, 1);
    if (!copy)
        return SLICE_NONE;
    for (size_t i = 0; i < text.len; i++)
        copy[i] = ascii_lower(text.ptr[i]);
    return slice_of(copy, text.len);
}

/* U-labels become A-labels (RFC 5891): names are compared and looked up in that form. */
slice reader_ascii(struct reader *r, slice name)
{
    char memory[256];
    buf ascii;
    buf_init_fixed(&ascii, memory, sizeof memory);
    if (idna_to_ascii(name, &ascii) != ERR_OK)
        return SLICE_NONE;
    return reader_lower(r, buf_slice(&ascii));
}

/* Local parts in Unicode's normal form C, as receivers compare them (RFC 6530 section 7.1, RFC 5198). */
slice reader_normal(struct reader *r, slice local)
{
    char memory[1024];
    buf normal;
    buf_init_fixed(&normal, memory, sizeof memory);
    slice copy = local;
    if (idna_normalize(local, &normal) == ERR_OK && arena_copy(r->arena, buf_slice(&normal), &copy) != ERR_OK)
        r->m.out_of_memory = true;
    return copy;
}

slice reader_complete(struct reader *r, struct address a, slice domain)
{
    slice ascii = reader_ascii(r, a.domain.len > 0 ? a.domain : domain);
    return ascii.len > 0 ? reader_join(r, reader_normal(r, a.local), "@", ascii) : SLICE_NONE;
}

slice reader_join(struct reader *r, slice a, const char *between, slice b)
{
    slice joined = SLICE_NONE;
    if (arena_printf(r->arena, &joined, "%.*s%s%.*s", SLICE_ARG(a), between, SLICE_ARG(b)) != ERR_OK)
        r->m.out_of_memory = true;
    return joined;
}

slice reader_address_text(struct reader *r, struct toml_place place, slice text, slice domain)
{
    struct address a;
    unsigned rules = ADDRESS_UTF8 | (domain.len > 0 ? (unsigned)ADDRESS_NO_DOMAIN : 0);
    enum err e = address_parse(text, rules, r->arena, &a);
    if (e != ERR_OK || a.local.len == 0) {
        bool bare = slice_find_char(text, '@') < 0 && text.len > 0;
        messages_error(&r->m, place, "\"%.*s\" is not an address%s", SLICE_ARG(text),
                       bare && domain.len == 0 ? ": it has no domain" : "");
        return SLICE_NONE;
    }
    slice address = reader_complete(r, a, domain);
    if (address.len == 0)
        messages_error(&r->m, place, "\"%.*s\" is not an address: its domain is not a valid name", SLICE_ARG(text));
    return address;
}

slice reader_address(struct reader *r, const struct toml_node *node, slice domain)
{
    return reader_address_text(r, node->place, toml_text(node), domain);
}

slice reader_domain(struct reader *r, struct toml_place place, slice text)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '.')
        text.len--;
    slice name = text.len > 0 && text.ptr[0] != '[' ? reader_ascii(r, text) : SLICE_NONE;
    if (name.len == 0 || name.len > 253 || !address_domain_valid(name, false)) {
        messages_error(&r->m, place, "\"%.*s\" is not a domain name", SLICE_ARG(text));
        return SLICE_NONE;
    }
    return name;
}

static bool parse_port(slice text, uint16_t *port_r)
{
    uint64_t port;
    if (slice_to_u64(text, 65535, &port) != ERR_OK || port == 0)
        return false;
    *port_r = (uint16_t)port;
    return true;
}

/* "[::1]:25", "192.0.2.1:25", "host": host without brackets, and what is behind its colon. False: brackets do not match. */
static bool cut_port(slice text, slice *host_r, slice *port_r, bool *has_port_r)
{
    ptrdiff_t colon = slice_rfind_char(text, ':');
    slice host = text, rest = SLICE_NONE;
    if (text.len > 0 && text.ptr[0] == '[') {
        ptrdiff_t close = slice_find_char(text, ']');
        if (close < 0)
            return false;
        host = slice_sub(text, 1, (size_t)close);
        rest = slice_skip(text, (size_t)close + 1);
        if (rest.len > 0 && rest.ptr[0] != ':')
            return false;
    } else if (colon >= 0) {
        host = slice_sub(text, 0, (size_t)colon);
        rest = slice_skip(text, (size_t)colon);
        if (slice_find_char(host, ':') >= 0)
            return false; /* IPv6 needs brackets */
    }
    *has_port_r = rest.len > 0;
    *host_r = host;
    *port_r = slice_skip(rest, 1);
    return true;
}

bool reader_host_port(struct reader *r, struct toml_place place, slice text, uint16_t default_port,
                      struct reader_host *host_r)
{
    struct reader_host result = {.port = default_port};
    slice host, port;
    bool has_port;
    uint8_t ip[16];
    size_t len;
    if (!cut_port(text, &host, &port, &has_port)) {
        messages_error(&r->m, place, "\"%.*s\" is not HOST:PORT; an IPv6 address stands in brackets, \"[::1]:25\"",
                       SLICE_ARG(text));
        return false;
    }
    if (has_port ? !parse_port(port, &result.port) : default_port == 0) {
        messages_error(&r->m, place, "\"%.*s\" needs a port between 1 and 65535", SLICE_ARG(text));
        return false;
    }
    result.is_ip = address_ip_parse(host, ip, &len) == ERR_OK;
    result.host = reader_ascii(r, host);
    if (!result.is_ip && !slice_equal(host, SLICE("*")) && !address_domain_valid(result.host, false)) {
        messages_error(&r->m, place, "\"%.*s\" is neither a host name nor an address", SLICE_ARG(host));
        return false;
    }
    *host_r = result;
    return true;
}

struct route_domain *reader_domain_find(struct reader *r, slice name)
{
    struct route_tables *t = &r->conf->route;
    for (size_t i = 0; i < t->domain_count; i++) {
        if (slice_equal_nocase(t->domains[i].name, name))
            return &t->domains[i];
    }
    return NULL;
}

bool reader_is_own(struct reader *r, slice address)
{
    ptrdiff_t at = slice_rfind_char(address, '@');
    return at >= 0 && reader_domain_find(r, slice_skip(address, (size_t)at + 1)) != NULL;
}

void reader_add_source(struct reader *r, slice path, const struct os_file_stamp *stamp, bool pair)
{
    struct conf *c = r->conf;
    for (size_t i = 0; i < c->source_count; i++) {
        if (slice_equal(c->sources[i].path, path))
            return;
    }
    if (!c->sources)
        c->sources = reader_array(r, SOURCES_MAX, sizeof(*c->sources));
    if (c->sources && c->source_count < SOURCES_MAX)
        c->sources[c->source_count++] = (struct conf_source){path, *stamp, pair};
}

static bool stamp_of(struct reader *r, struct toml_place place, slice path, struct os_file_stamp *stamp_r)
{
    enum err e = os_file_stamp(AT_FDCWD, path, true, stamp_r);
    if (e == ERR_OK && stamp_r->is_regular)
        return true;
    slice why = e == ERR_OK ? SLICE("is not a regular file") : slice_str(err_text(e));
    messages_error(&r->m, place, "%.*s: %.*s", SLICE_ARG(path), SLICE_ARG(why));
    return false;
}

bool reader_file(struct reader *r, struct toml_place place, slice path, size_t max, slice *content_r)
{
    struct os_file_stamp stamp;
    if (r->alone || !stamp_of(r, place, path, &stamp))
        return false;
    reader_add_source(r, path, &stamp, false);
    buf content;
    buf_init(&content, max);
    enum err e = stamp.size > max ? ERR_LIMIT : os_file_read_stamped(AT_FDCWD, path, &content, &r->read);
    if (e == ERR_OK)
        e = arena_copy(r->arena, buf_slice(&content), content_r);
    buf_deinit(&content);
    if (e != ERR_OK)
        messages_error_in(&r->m, place, path, 0, e == ERR_LIMIT ? SLICE("file is too large") : slice_str(err_text(e)));
    return e == ERR_OK;
}

static void check_file(struct reader *r, struct toml_place place, slice path, bool secret,
                       struct os_file_stamp *stamp_r)
{
    struct os_file_stamp stamp;
    if (r->alone || !stamp_of(r, place, path, &stamp))
        return;
    *stamp_r = stamp;
    int fd;
    enum err e = os_open_follow(AT_FDCWD, path, O_RDONLY, 0, &fd);
    if (e != ERR_OK) {
        messages_error(&r->m, place, "%.*s: %s%s", SLICE_ARG(path), err_text(e),
                       e == ERR_PERMISSION && os_uid() != 0 ? "; root starts the server, so try this as root" : "");
        return;
    }
    os_close(&fd);
    if (secret && (stamp.mode & 07) != 0)
        messages_warn(&r->m, place, "%.*s is open to every user of this host; take that away with: chmod o-rwx %.*s",
                      SLICE_ARG(path), SLICE_ARG(path));
}

void reader_check_file(struct reader *r, struct toml_place place, slice path, bool secret)
{
    struct os_file_stamp stamp;
    check_file(r, place, path, secret, &stamp);
}

void reader_check_pair(struct reader *r, const struct toml_node *cert, const struct toml_node *key)
{
    struct os_file_stamp stamp = {0};
    check_file(r, cert->place, toml_text(cert), false, &stamp);
    if (stamp.is_regular)
        reader_add_source(r, toml_text(cert), &stamp, true);
    stamp.is_regular = false;
    check_file(r, key->place, toml_text(key), true, &stamp);
    if (stamp.is_regular)
        reader_add_source(r, toml_text(key), &stamp, true);
}
