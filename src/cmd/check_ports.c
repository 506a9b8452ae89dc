/* SPDX-License-Identifier: ISC */
#include "cmd/check.h"

#include <stdlib.h>

#include "cmd/control.h"

#define TABLE_MAX (4u << 20)
#define PROCESSES_MAX 100000
#define DESCRIPTORS_MAX 65536
#define NAME_MAX_BYTES 64
#define STATE_LISTEN SLICE("0A")

static slice field(slice *line)
{
    slice word;
    *line = slice_trim(*line);
    (void)slice_cut(*line, ' ', &word, line);
    return word;
}

/* "0100007F:0019": the address as the machine's words of 4 bytes, the port as a number. */
static bool read_hex(slice text, size_t from, size_t digits, uint32_t *value_r)
{
    uint32_t value = 0;
    for (size_t i = from; i < from + digits; i++) {
        char c = i < text.len ? ascii_lower(text.ptr[i]) : 0;
        if (ascii_is_digit(c))
            value = value * 16 + (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value * 16 + (uint32_t)(c - 'a' + 10);
        else
            return false;
    }
    *value_r = value;
    return true;
}

static bool read_place(slice text, struct socket_address *a_r)
{
    struct socket_address a = {.ip_len = 0};
    ptrdiff_t colon = slice_find_char(text, ':');
    uint32_t port;
    if ((colon != 8 && colon != 32) || !read_hex(text, (size_t)colon + 1, 4, &port))
        return false;
    for (size_t at = 0; at < (size_t)colon; at += 8) {
        uint32_t word;
        if (!read_hex(text, at, 8, &word))
            return false;
        memcpy(a.ip + at / 2, &word, sizeof word);
    }
    a.ip_len = colon == 8 ? 4 : 16;
    a.port = (uint16_t)port;
    *a_r = a;
    return true;
}

static bool is_any(const struct socket_address *a)
{
    static const uint8_t zero[16];
    return memcmp(a->ip, zero, a->ip_len) == 0;
}

static bool collide(const struct conf_listener *l, const struct socket_address *taken)
{
    struct socket_address own;
    if (l->port != taken->port)
        return false;
    if (slice_equal(l->host, SLICE("*")) || socket_address_parse(l->host, l->port, &own) != ERR_OK)
        return true;
    return own.ip_len == taken->ip_len && (is_any(taken) || is_any(&own) || memcmp(own.ip, taken->ip, own.ip_len) == 0);
}

/* Does one of the process's descriptors belong to the socket? */
static bool holds(slice pid, slice socket)
{
    char memory[NAME_MAX_BYTES], target[NAME_MAX_BYTES];
    buf path;
    struct os_dir *dir;
    slice name;
    bool found = false;
    buf_init_fixed(&path, memory, sizeof memory);
    buf_printf(&path, "/proc/%.*s/fd", SLICE_ARG(pid));
    if (os_dir_open(AT_FDCWD, buf_slice(&path), &dir) != ERR_OK)
        return false;
    for (int i = 0; !found && i < DESCRIPTORS_MAX && os_dir_next(dir, &name) == ERR_OK; i++) {
        buf link, place;
        char place_memory[NAME_MAX_BYTES];
        buf_init_fixed(&link, target, sizeof target);
        buf_init_fixed(&place, place_memory, sizeof place_memory);
        buf_printf(&place, "%.*s/%.*s", SLICE_ARG(buf_slice(&path)), SLICE_ARG(name));
        found = buf_ok(&place) && os_link_read(AT_FDCWD, buf_slice(&place), &link) == ERR_OK &&
                slice_equal(buf_slice(&link), socket);
    }
    os_dir_close(&dir);
    return found;
}

static void append_name(slice pid, buf *who)
{
    char path_memory[NAME_MAX_BYTES], name_memory[NAME_MAX_BYTES];
    buf path, name;
    buf_init_fixed(&path, path_memory, sizeof path_memory);
    buf_init_fixed(&name, name_memory, sizeof name_memory);
    buf_printf(&path, "/proc/%.*s/comm", SLICE_ARG(pid));
    if (os_file_read(AT_FDCWD, buf_slice(&path), &name) == ERR_OK)
        buf_append_escaped(who, slice_trim(buf_slice(&name)));
    buf_printf(who, " (process %.*s)", SLICE_ARG(pid));
}

/* Root can tell whose it is; others often cannot. */
static void find_owner(slice inode, buf *who)
{
    char memory[NAME_MAX_BYTES];
    buf socket;
    struct os_dir *dir;
    slice name;
    buf_init_fixed(&socket, memory, sizeof memory);
    buf_printf(&socket, "socket:[%.*s]", SLICE_ARG(inode));
    if (os_dir_open(AT_FDCWD, SLICE("/proc"), &dir) != ERR_OK)
        return;
    for (int i = 0; who->len == 0 && i < PROCESSES_MAX && os_dir_next(dir, &name) == ERR_OK; i++)
        if (ascii_is_digit(name.ptr[0]) && holds(name, buf_slice(&socket)))
            append_name(name, who);
    os_dir_close(&dir);
}

static void say(struct check_report *r, const struct conf_listener *l, slice inode)
{
    static const char *const keys[] = {[CONF_LISTEN_MX] = "listen.mx",
                                       [CONF_LISTEN_SUBMISSION] = "listen.submission",
                                       [CONF_LISTEN_LMTP] = "listen.lmtp"};
    char memory[256];
    buf who;
    buf_init_fixed(&who, memory, sizeof memory);
    find_owner(inode, &who);
    check_report_say(r, CONF_WARNING, keys[l->role], "port %u is taken: %.*s listens there; stop that first", l->port,
                     SLICE_ARG(who.len > 0 ? buf_slice(&who) : SLICE("another program")));
}

/* Each listener is told of once. */
static void check_table(struct check_report *r, const struct conf *conf, const char *path, bool *told)
{
    buf table;
    slice rest, line;
    buf_init(&table, TABLE_MAX);
    enum err e = os_file_read(AT_FDCWD, slice_str(path), &table);
    rest = e == ERR_OK ? buf_slice(&table) : SLICE_NONE;
    while (rest.len > 0) {
        struct socket_address a;
        (void)slice_cut(rest, '\n', &line, &rest);
        (void)field(&line);
        slice place = field(&line);
        (void)field(&line);
        if (!slice_equal(field(&line), STATE_LISTEN) || !read_place(place, &a))
            continue;
        for (int skip = 0; skip < 5; skip++)
            (void)field(&line);
        slice inode = field(&line);
        for (size_t i = 0; i < conf->listener_count; i++) {
            const struct conf_listener *l = &conf->listeners[i];
            if (told[i] || l->unix_path.len > 0 || !collide(l, &a))
                continue;
            told[i] = true;
            say(r, l, inode);
        }
    }
    buf_deinit(&table);
}

void check_ports(struct check_report *r, const struct conf *conf)
{
    bool *told = calloc(conf->listener_count + 1, sizeof *told);
    /* the server itself has them, if it runs */
    if (told && !control_answers(conf)) {
        check_table(r, conf, "/proc/net/tcp", told);
        check_table(r, conf, "/proc/net/tcp6", told);
    }
    free(told);
}
